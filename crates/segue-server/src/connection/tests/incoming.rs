//! What a client sends, and what it is told about it.

use serde_json::json;

use super::*;

fn joined() -> Log {
    let mut log = Log::new();
    log.joined();
    log
}

/// A connection that is live, with nothing in its timeline.
fn live() -> Bench {
    let mut bench = Bench::open(&joined());
    bench.run_until(1_000);
    bench.seen();
    bench
}

/// Covers 4.1, 4.9, 5.5.
#[test]
fn a_heartbeat_comes_back_with_what_was_written_beside_it() {
    let mut bench = live();
    bench.text(r#"{"type":"EVENT_TYPE_HEARTBEAT","metadata":{"custom":{"n":1.50}}}"#);
    assert_eq!(bench.seen(), ["@1000 ~HEARTBEAT"]);
    let frame = bench.newest_frame();
    assert_eq!(frame["payload"], json!({}));
    assert_eq!(frame["metadata"], json!({"custom": {"n": 1.50}}));
    bench.heartbeat();
    assert!(bench.newest_frame().get("metadata").is_none());
}

#[test]
fn frames_are_counted_as_what_they_are() {
    let frames = [
        ("message", r#"{"type":"EVENT_TYPE_USER_MESSAGE","payload":{"text":"hi"}}"#),
        ("join", r#"{"type":"EVENT_TYPE_REQUEST_POLY_AGENT_JOIN"}"#),
        ("end", r#"{"type":"EVENT_TYPE_USER_END_SESSION"}"#),
        ("heartbeat", r#"{"type":"EVENT_TYPE_HEARTBEAT"}"#),
        (
            "typing",
            r#"{"type":"EVENT_TYPE_USER_TYPING","payload":{"state":"TYPING_STATE_STARTED"}}"#,
        ),
        ("unreadable", "{"),
    ];
    assert_eq!(frames.len(), Received::ALL.len());
    for (name, text) in frames {
        let mut bench = live();
        bench.text(text);
        let counted = Received::ALL.iter().zip(bench.connection.tally().received);
        let counted: Vec<_> = counted.filter(|(_, frames)| *frames > 0).collect();
        assert_eq!(counted.len(), 1, "{name}");
        assert_eq!((counted[0].0.name(), counted[0].1), (name, 1));
    }
}

/// Covers 4.9.
#[test]
fn a_heartbeat_does_not_wait_for_a_command() {
    let mut bench = live();
    bench.message("a");
    bench.heartbeat();
    assert_eq!(bench.seen(), ["@1000 execute message hi", "@1000 ~HEARTBEAT"]);
    assert_eq!(bench.connection.commands_waiting(), 1);
}

/// Covers 2.1.
#[test]
fn nothing_goes_before_the_first_batch() {
    let mut bench = Bench::before_tick(&Log::native(), 0, &Limits::default(), Reads::Answered);
    bench.heartbeat();
    bench.handle(Input::Binary);
    bench.run_until(10);
    bench.text(r#"{"type":"EVENT_TYPE_REQUEST_POLY_AGENT_JOIN"}"#);
    bench.fate(Fate::Rejected(Rejected::AlreadyJoined));
    bench.run_until(100);
    assert_eq!(
        bench.seen(),
        [
            "@10 execute join",
            "@30 batch 1",
            "@30 ~HEARTBEAT",
            "@30 ~SYSTEM_MESSAGE invalid_format ERROR",
            "@30 ~REQUEST_POLY_AGENT_JOIN"
        ]
    );
}

/// Covers 2.1, 4.18.
#[test]
fn an_echo_that_is_repeated_does_not_go_before_the_first_batch() {
    let mut log = joined();
    let position = log.user_with("hi", Some("a"));
    let mut bench = Bench::open_with(&log, 4, &Limits::default(), Reads::Held);
    bench.message("a");
    bench.duplicate(position);
    bench.answer();
    bench.run_until(10);
    let seen: Vec<String> = bench
        .seen()
        .into_iter()
        .filter(|it| !it.contains("read") && !it.contains("exec"))
        .collect();
    // The read of the log behind the cursor holds the batch up, not longer.
    assert_eq!(seen, none());
    bench.answer();
    assert_eq!(bench.seen(), ["@10 batch 1", "@10 4 USER_MESSAGE"]);
}

/// Before its first batch a client is patient: there is nothing that it could wait for.
#[test]
fn a_client_that_sends_too_much_before_its_first_batch_is_sent_away() {
    let mut bench = Bench::open_with(&joined(), 0, &Limits::default(), Reads::Held);
    for _ in 0..limits::EARLY_FRAMES_MAX {
        bench.heartbeat();
    }
    assert_eq!(bench.seen(), ["@0 read after 0"]);
    bench.heartbeat();
    assert_eq!(bench.seen(), ["@0 close 1013"]);
}

/// Covers 4.1.
#[test]
fn a_burst_before_the_first_batch_waits_in_the_network_and_closes_nothing() {
    let mut bench = Bench::open_with(&joined(), 0, &Limits::default(), Reads::Held);
    let mut sent = 0;
    // Those that are there together are taken together, whatever there is room for then.
    while bench.connection.has_room() {
        for _ in 0..limits::FRAMES_TOGETHER_MAX {
            bench.heartbeat();
            sent += 1;
        }
    }
    assert_eq!(bench.seen(), ["@0 read after 0"], "after {sent} frames");
    bench.answer();
    assert!(bench.connection.has_room(), "what waited is out");
}

/// Covers 4.7.
#[test]
fn typing_gets_no_answer() {
    let mut bench = live();
    for state in ["STARTED", "STOPPED"] {
        let payload = format!(r#"{{"state":"TYPING_STATE_{state}"}}"#);
        bench.text(&format!(r#"{{"type":"EVENT_TYPE_USER_TYPING","payload":{payload}}}"#));
    }
    bench.run_until(5_000);
    assert_eq!(bench.seen(), none());
}

/// Covers 4.6.
#[test]
fn a_join_that_starts_nothing_comes_back_transient() {
    let mut bench = live();
    bench.text(
        r#"{"type":"EVENT_TYPE_REQUEST_POLY_AGENT_JOIN","metadata":{"custom":{"local_id":"j"}}}"#,
    );
    bench.fate(Fate::Rejected(Rejected::AlreadyJoined));
    assert_eq!(bench.seen(), ["@1000 execute join", "@1000 ~REQUEST_POLY_AGENT_JOIN"]);
    assert_eq!(bench.newest_frame()["metadata"], json!({"custom": {"local_id": "j"}}));
}

/// Covers 4.22, 4.23, 4.24, 4.25, 4.27, 4.28.
#[test]
fn what_cannot_be_taken_is_refused_with_its_metadata_and_without_a_command() {
    let message = |text: &str| {
        format!(
            r#"{{"type":"EVENT_TYPE_USER_MESSAGE","payload":{{"text":"{text}"}},"metadata":{{"custom":{{"local_id":"x"}}}}}}"#
        )
    };
    let other = |kind: &str| {
        format!(r#"{{"type":"EVENT_TYPE_{kind}","metadata":{{"custom":{{"local_id":"x"}}}}}}"#)
    };
    let too_long = "x".repeat(limits::MESSAGE_TEXT_BYTES_MAX + 1);
    for (frame, code, has_metadata) in [
        ("{".to_owned(), "invalid_format", false),
        (other("NOTHING"), "invalid_format", true),
        (message("  "), "invalid_format", true),
        (other("SESSION_END"), "not_allowed", true),
        (message(&too_long), "too_large", true),
    ] {
        let mut bench = live();
        bench.text(&frame);
        assert_eq!(bench.seen(), [format!("@1000 ~SYSTEM_MESSAGE {code} ERROR")]);
        let metadata = bench.newest_frame().get("metadata");
        let expected = json!({"custom": {"local_id": "x"}});
        assert_eq!(metadata, has_metadata.then_some(&expected));
    }
}

/// Covers 4.24.
#[test]
fn a_binary_frame_is_refused_and_the_socket_goes_on() {
    let mut bench = live();
    bench.handle(Input::Binary);
    bench.heartbeat();
    assert_eq!(bench.seen(), ["@1000 ~SYSTEM_MESSAGE invalid_format ERROR", "@1000 ~HEARTBEAT"]);
}

/// Covers 4.20, 4.22, 4.23, 4.29, 4.31.
#[test]
fn what_becomes_of_a_command_is_told_with_the_metadata_of_its_frame() {
    let mut bench = live();
    for local_id in ["a", "b", "c"] {
        bench.message(local_id);
    }
    bench.seen();
    for (fate, code, local_id) in [
        (Fate::Rejected(Rejected::NotAsked), "conversation_not_found", "a"),
        (Fate::Unavailable, "unavailable", "b"),
        (Fate::Rejected(Rejected::Ended), "session_not_found", "c"),
    ] {
        bench.fate(fate);
        assert_eq!(bench.seen(), [format!("@1000 ~SYSTEM_MESSAGE {code} ERROR")]);
        let frame = bench.newest_frame();
        assert_eq!(frame["metadata"]["custom"]["local_id"], local_id);
        let has_retry = frame["payload"]["retry_after_ms"].is_u64();
        assert_eq!(has_retry, code == "unavailable");
    }
    assert_eq!(bench.connection.commands_waiting(), 0);
}

/// A commit of unknown fate may have been one: the log tells.
///
/// Covers 4.31.
#[test]
fn after_an_unknown_fate_the_log_is_looked_into() {
    let mut bench = live();
    bench.message("a");
    bench.log.user_with("hi", Some("a"));
    bench.fate(Fate::Unavailable);
    bench.seen();
    bench.run_until(2_000);
    assert_eq!(bench.seen(), ["@2000 4 USER_MESSAGE"]);
}

/// Covers 4.10, 4.11, 4.16.
#[test]
fn a_copy_of_a_message_that_was_echoed_brings_the_first_echo_again() {
    let mut bench = live();
    let position = bench.publish(|log| log.user_with("first words", Some("a")));
    let echo = bench.newest_frame().clone();
    bench.message("a");
    bench.duplicate(position);
    assert_eq!(
        bench.seen(),
        ["@1000 4 USER_MESSAGE", "@1000 execute message hi", "@1000 4 USER_MESSAGE"]
    );
    assert_eq!(bench.newest_frame(), &echo);
}

/// Covers 4.15, 4.17.
#[test]
fn a_copy_that_overtakes_the_echo_is_answered_by_the_echo() {
    let mut bench = live();
    let position = bench.log.user_with("hi", Some("a"));
    bench.message("a");
    bench.duplicate(position);
    assert_eq!(bench.seen(), ["@1000 execute message hi"]);
    bench.push(&[4]);
    assert_eq!(bench.seen(), ["@1000 4 USER_MESSAGE"]);
}

/// Covers 4.17.
#[test]
fn a_copy_during_a_replay_is_answered_by_the_replay() {
    let mut log = joined();
    for _ in 0..30 {
        log.user(&"x".repeat(1_000));
    }
    let position = log.user_with("hi", Some("a"));
    let mut bench = Bench::open(&log);
    bench.message("a");
    bench.duplicate(position);
    bench.run_until(5_000);
    let expected: Vec<u64> = (1..=34).collect();
    assert_eq!(bench.sequences(), expected);
}

/// The echo may be lost on its way, too: then the connection looks.
///
/// Covers 4.17.
#[test]
fn a_copy_makes_the_connection_look_for_an_echo_that_got_lost() {
    let mut bench = live();
    let position = bench.log.user_with("hi", Some("a"));
    bench.message("a");
    bench.duplicate(position);
    bench.seen();
    bench.run_until(2_000);
    assert_eq!(bench.seen(), ["@2000 4 USER_MESSAGE"]);
}

/// Covers 4.18.
#[test]
fn what_the_cursor_claims_counts_as_sent() {
    let mut log = joined();
    let position = log.user_with("hi", Some("a"));
    for cursor in [4, 9] {
        let mut bench = Bench::open_at(&log, cursor);
        bench.run_until(100);
        bench.message("a");
        bench.duplicate(position);
        let expected = ["@0 batch 1", "@100 execute message hi", "@100 4 USER_MESSAGE"];
        assert_eq!(bench.seen(), expected);
    }
}

/// Covers 4.20, 5.26.
#[test]
fn after_the_end_a_copy_gets_nothing_and_a_new_message_a_refusal() {
    let mut log = joined();
    let position = log.user_with("hi", Some("a"));
    log.ends();
    for cursor in [0, 4, 5, 99] {
        // Whether it comes at once or later: the client has the end, or is about to get it.
        for at in [0, 100] {
            let mut bench = Bench::open_at(&log, cursor);
            bench.run_until(at);
            bench.seen();
            bench.message("a");
            bench.duplicate(position);
            bench.message("b");
            bench.fate(Fate::Rejected(Rejected::Ended));
            bench.heartbeat();
            bench.run_until(1_000);
            let messages: Vec<String> =
                bench.seen().into_iter().filter(|it| !it.contains("execute")).collect();
            let refusal = format!("@{at} ~SYSTEM_MESSAGE session_not_found ERROR");
            assert_eq!(messages, [refusal, format!("@{at} ~HEARTBEAT")], "cursor {cursor}");
        }
    }
}

/// Covers 4.20.
#[test]
fn a_cursor_at_the_end_claims_the_end_before_the_first_batch_too() {
    let mut log = joined();
    let position = log.user_with("hi", Some("a"));
    log.ends();
    let mut bench = Bench::open_with(&log, 5, &Limits::default(), Reads::Held);
    bench.message("a");
    bench.duplicate(position);
    while !bench.held.is_empty() {
        bench.answer();
    }
    bench.run_until(3_000);
    assert!(!bench.seen().contains(&"@0 4 USER_MESSAGE".to_owned()));
    assert_eq!(bench.sequences(), [1]);
}

/// Covers 4.34, 4.35, 4.37.
#[test]
fn messages_beyond_a_burst_of_twenty_are_told_when_to_come_again() {
    let mut bench = live();
    for i in 0..20 {
        bench.message(&format!("m{i}"));
    }
    assert_eq!(bench.seen(), vec!["@1000 execute message hi"; 20]);
    bench.message("over");
    assert_eq!(bench.seen(), ["@1000 ~SYSTEM_MESSAGE rate_limited WARNING"]);
    let frame = bench.newest_frame();
    assert_eq!(frame["payload"]["retry_after_ms"], 200);
    assert_eq!(frame["metadata"]["custom"]["local_id"], "over");
    bench.now += 199;
    bench.message("over");
    bench.now += 1;
    bench.message("over");
    bench.message("over");
    assert_eq!(
        bench.seen(),
        [
            "@1199 ~SYSTEM_MESSAGE rate_limited WARNING",
            "@1200 execute message hi",
            "@1200 ~SYSTEM_MESSAGE rate_limited WARNING"
        ]
    );
}

/// Covers 4.36.
#[test]
fn heartbeats_and_all_the_rest_have_buckets_of_their_own() {
    let mut bench = live();
    let join = r#"{"type":"EVENT_TYPE_REQUEST_POLY_AGENT_JOIN"}"#;
    for _ in 0..21 {
        bench.message("m");
    }
    for _ in 0..limits::LIVENESS_BURST {
        bench.heartbeat();
    }
    let echoes = bench.seen().iter().filter(|it| it.ends_with("~HEARTBEAT")).count();
    assert_eq!(echoes, usize::try_from(limits::LIVENESS_BURST).unwrap());
    bench.text(r#"{"type":"EVENT_TYPE_USER_TYPING","payload":{"state":"TYPING_STATE_STARTED"}}"#);
    assert_eq!(bench.newest_frame()["payload"]["retry_after_ms"], 200);
    for _ in 0..limits::REQUESTS_BURST {
        bench.text(join);
    }
    bench.text(join);
    assert_eq!(bench.newest_frame()["payload"]["retry_after_ms"], 500);
    bench.text("not JSON");
    let seen = bench.seen();
    let limited: Vec<&String> = seen.iter().filter(|it| it.contains("rate_limited")).collect();
    assert_eq!(limited, vec!["@1000 ~SYSTEM_MESSAGE rate_limited WARNING"; 3]);
    let joins = seen.iter().filter(|it| it.contains("execute join")).count();
    assert_eq!(joins, usize::try_from(limits::REQUESTS_BURST).unwrap());
}

/// Covers 4.30.
#[test]
fn conversation_not_found_is_an_error_once_in_five_seconds() {
    let mut bench = Bench::open(&Log::new());
    for at in [0, 1, 4_999, 5_000, 5_001] {
        bench.run_until(at);
        bench.message("a");
        bench.fate(Fate::Rejected(Rejected::NotAsked));
    }
    let levels: Vec<String> =
        bench.seen().into_iter().filter(|it| it.contains("conversation_not_found")).collect();
    let line =
        |at: u64, level: &str| format!("@{at} ~SYSTEM_MESSAGE conversation_not_found {level}");
    let expected = [
        line(0, "ERROR"),
        line(1, "WARNING"),
        line(4_999, "WARNING"),
        line(5_000, "ERROR"),
        line(5_001, "WARNING"),
    ];
    assert_eq!(levels, expected);
}

/// Covers 3.5, 3.7.
#[test]
fn what_is_transient_is_never_older_than_what_was_sent_before() {
    let mut log = Log::new();
    log.now = 50_000;
    log.user("from a node whose clock is ahead");
    log.now = 0;
    let mut bench = Bench::open(&log);
    bench.run_until(100);
    bench.heartbeat();
    let times: Vec<&str> =
        bench.frames.iter().map(|it| it["timestamp"].as_str().unwrap()).collect();
    assert_eq!(times, ["1970-01-01T00:00:50.000Z", "1970-01-01T00:00:50.000Z"]);
    let ids: Vec<&Value> = bench.frames.iter().map(|it| &it["id"]).collect();
    assert_ne!(ids[0], ids[1]);
}

/// Covers 3.7.
#[test]
fn an_entry_on_its_way_is_not_older_than_a_heartbeat_that_was_answered_meanwhile() {
    let mut bench = live();
    bench.log.now = bench.now;
    let position = bench.log.user("decided now, written a while later");
    bench.run_until(1_200);
    bench.heartbeat();
    bench.push(&[position.0]);
    // Its own commands may take as long as they like.
    bench.message("slow");
    let given_at = bench.now;
    bench.run_until(9_000);
    bench.heartbeat();
    bench.log.now = given_at;
    let position = bench.log.user_with("hi", Some("slow"));
    bench.push(&[position.0]);
    bench.fate(Fate::Recorded(position));
    let times: Vec<&str> =
        bench.frames.iter().map(|it| it["timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    // And with nothing under way it is as old as that, however long it has been quiet.
    bench.run_until(29_000);
    bench.heartbeat();
    assert_eq!(bench.newest_frame()["timestamp"], "1970-01-01T00:00:28.750Z");
}

/// Covers 4.20, 5.26.
#[test]
fn typing_after_the_end_is_refused_like_everything_else() {
    let mut bench = live();
    bench.publish(|log| log.add(Event::SessionEnded { reason: EndReason::UserEnd }));
    bench.seen();
    bench.text(
        r#"{"type":"EVENT_TYPE_USER_TYPING","payload":{"state":"TYPING_STATE_STARTED"},"metadata":{"custom":{"n":1}}}"#,
    );
    let refusal = bench.newest_frame();
    assert_eq!(refusal["payload"]["code"], "session_not_found");
    assert_eq!(refusal["metadata"], json!({"custom": {"n": 1}}));
}

/// Commands are given in the order of their frames, and the user's end is one of them.
#[test]
fn commands_keep_their_order() {
    let mut bench = live();
    bench.message("a");
    bench.text(r#"{"type":"EVENT_TYPE_REQUEST_POLY_AGENT_JOIN"}"#);
    bench.text(r#"{"type":"EVENT_TYPE_USER_END_SESSION"}"#);
    assert_eq!(
        bench.seen(),
        ["@1000 execute message hi", "@1000 execute join", "@1000 execute end"]
    );
}
