//! What a client gets when it comes, and at which pace.

use super::*;

/// Covers 2.1, 2.2, 2.7.
#[test]
fn a_new_session_is_one_batch_of_one_event_and_live_at_once() {
    let mut bench = Bench::open(&Log::new());
    assert_eq!(bench.seen(), ["@0 batch 1"]);
    assert_eq!(kind(events(&bench.frames[0])[0]), "SESSION_START");
    bench.publish(Log::joined);
    assert_eq!(bench.seen(), ["@0 2 REQUEST_POLY_AGENT_JOIN", "@0 3 POLY_AGENT_JOINED"]);
}

/// Covers 2.7.
#[test]
fn live_events_wait_fifty_milliseconds_behind_a_replay() {
    let mut log = Log::new();
    log.joined();
    let mut bench = Bench::open(&log);
    assert_eq!(bench.seen(), ["@0 batch 1-3"]);
    bench.run_until(10);
    bench.publish(|log| log.user("hi"));
    bench.run_until(49);
    assert_eq!(bench.seen(), none());
    bench.run_until(50);
    assert_eq!(bench.seen(), ["@50 4 USER_MESSAGE"]);
    bench.publish(|log| log.bot("hello"));
    assert_eq!(bench.seen(), ["@50 5 POLY_AGENT_MESSAGE"]);
}

/// Covers 2.5, 2.7.
#[test]
fn a_long_log_comes_in_batches_of_a_hundred_ten_milliseconds_apart() {
    let mut log = Log::new();
    // The smallest event there is, so that the number counts and not the size.
    for _ in 0..250 {
        log.add(Event::EndRequested { custom: None });
    }
    let mut bench = Bench::open(&log);
    bench.run_until(1_000);
    let batches = bench.seen();
    let sizes: Vec<usize> =
        bench.frames.iter().filter(|it| is_batch(it)).map(|it| events(it).len()).collect();
    assert_eq!(sizes, [limits::BATCH_EVENTS_MAX, limits::BATCH_EVENTS_MAX, 51]);
    assert_eq!(bench.sequences(), (1..=251).collect::<Vec<u64>>());
    let times: Vec<String> =
        batches.iter().map(|it| it.split(' ').next().unwrap().to_owned()).collect();
    let expected: Vec<String> = (0..batches.len()).map(|i| format!("@{}", i * 10)).collect();
    assert_eq!(times, expected);
}

/// Covers 2.5, 2.7.
#[test]
fn the_pause_before_live_counts_from_the_last_batch() {
    let mut log = Log::new();
    for _ in 0..40 {
        log.user(&"x".repeat(1_000));
    }
    let mut bench = Bench::open(&log);
    bench.run_until(35);
    bench.publish(|log| log.user("live"));
    bench.run_until(1_000);
    let seen = bench.seen();
    let [.., last_batch, first_live] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((&last_batch[..9], &first_live[..]), ("@30 batch", "@80 42 USER_MESSAGE"));
}

/// Covers 2.4, 2.5.
#[test]
fn batches_aim_at_sixteen_kibibytes() {
    let mut log = Log::new();
    let text = "x".repeat(1_000);
    for _ in 0..100 {
        log.user(&text);
    }
    let mut bench = Bench::open(&log);
    bench.run_until(1_000);
    let sizes: Vec<usize> = bench.frames.iter().map(|it| it.to_string().len()).collect();
    let (last, full) = sizes.split_last().unwrap();
    assert!(*last <= limits::BATCH_BYTES_AIM);
    for size in full {
        // Another event would have made it too large.
        let aim = limits::BATCH_BYTES_AIM - 1_300..=limits::BATCH_BYTES_AIM;
        assert!(aim.contains(size), "{sizes:?}");
    }
    assert_eq!(bench.sequences(), (1..=101).collect::<Vec<u64>>());
    for frame in &bench.frames {
        assert!(frame["sequence"].is_null());
        assert_ne!(frame["id"], events(frame)[0]["id"]);
    }
}

/// Covers 2.6.
#[test]
fn a_huge_echo_is_alone_in_its_batch() {
    let huge = "\u{1}".repeat(limits::MESSAGE_TEXT_BYTES_MAX);
    let mut log = Log::new();
    log.user("small");
    log.user(&huge);
    log.user("small");
    let mut bench = Bench::open(&log);
    bench.run_until(100);
    assert_eq!(bench.seen(), ["@0 batch 1-2", "@10 batch 3", "@20 batch 4"]);

    for cursor in [0, 1, 2] {
        let mut log = Log::new();
        if cursor == 2 {
            log.user("small");
        }
        log.user(&huge);
        log.user("small");
        let mut bench = Bench::open_at(&log, cursor);
        bench.run_until(100);
        let after = if cursor == 2 { 3 } else { 2 };
        let [echo, next] = [after, after + 1];
        let batches = [format!("@10 batch {echo}"), format!("@20 batch {next}")];
        assert_eq!(bench.seen(), [&["@0 batch 1".to_owned()], &batches[..]].concat());
    }
}

/// Covers 2.5, 2.6.
#[test]
fn an_echo_that_fits_a_frame_with_others_shares_no_batch_over_the_limit() {
    let mut log = Log::new();
    log.user(&"x".repeat(130_000));
    log.user(&"x".repeat(130_000));
    let mut bench = Bench::open(&log);
    bench.run_until(100);
    assert_eq!(bench.seen(), ["@0 batch 1-2", "@10 batch 3"]);
    for frame in &bench.frames {
        assert!(frame.to_string().len() <= limits::BATCH_BYTES_MAX);
    }
}

/// Clients that see the bot's arrival in the first batch do not ask for the bot again.
#[test]
fn the_arrival_of_the_bot_is_in_the_first_batch_however_large() {
    let mut log = Log::new();
    let name = "x".repeat(20_000);
    log.add(Event::JoinRequested { run_at: 0, custom: None });
    let bot = BotProfile { name, avatar_url: String::new() };
    log.add(Event::BotJoined { bot, why: TurnReason::Join });
    log.user("hi");
    let mut bench = Bench::open(&log);
    bench.run_until(100);
    assert_eq!(bench.seen(), ["@0 batch 1-3", "@10 batch 4"]);
}

/// Covers 2.3, 2.10, 3.9.
#[test]
fn a_cursor_brings_the_start_unchanged_and_exactly_what_follows_it() {
    let mut log = Log::new();
    log.joined();
    log.turn_starts();
    log.bot("hello");
    log.turn_ends();
    log.user("hi");
    let whole = Bench::open(&log).frames.remove(0);
    for cursor in 1..=4 {
        let mut bench = Bench::open_at(&log, cursor);
        bench.run_until(100);
        let sequences: Vec<u64> = [1].into_iter().chain(cursor + 1..=5).collect();
        assert_eq!(bench.sequences(), sequences);
        for event in events(&bench.frames[0]) {
            let i = usize::try_from(event["sequence"].as_u64().unwrap()).unwrap() - 1;
            assert_eq!(event, events(&whole)[i]);
        }
    }
}

/// Covers 1.39, 2.7.
#[test]
fn a_cursor_beyond_the_end_is_the_end_and_live_does_not_wait() {
    let mut log = Log::new();
    log.joined();
    for cursor in [3, 4, 1_000_000] {
        let mut bench = Bench::open_at(&log, cursor);
        assert_eq!(bench.seen(), ["@0 batch 1"]);
        bench.publish(|log| log.user("hi"));
        assert_eq!(bench.seen(), ["@0 4 USER_MESSAGE"]);
    }
}

/// Covers 2.8.
#[test]
fn a_native_session_gets_its_first_batch_after_thirty_milliseconds() {
    let mut log = Log::native();
    log.joined();
    let mut bench = Bench::open(&log);
    bench.run_until(29);
    assert_eq!(bench.seen(), none());
    bench.run_until(200);
    assert_eq!(bench.seen(), ["@30 batch 1-3"]);
    bench.publish(|log| log.user("hi"));
    assert_eq!(bench.seen(), ["@200 4 USER_MESSAGE"]);
}

/// Covers 2.9.
#[test]
fn more_than_twenty_events_behind_a_connection_is_caught_up_in_batches() {
    let mut bench = Bench::open(&Log::new());
    bench.run_until(1_000);
    bench.seen();
    bench.log.users(21);
    bench.handle(Input::Behind);
    bench.run_until(1_020);
    bench.publish(|log| log.user("live"));
    bench.run_until(1_100);
    assert_eq!(bench.seen(), ["@1000 batch 2-22", "@1050 23 USER_MESSAGE"]);
}

/// Covers 2.9.
#[test]
fn twenty_events_behind_come_one_by_one() {
    let mut bench = Bench::open(&Log::new());
    bench.run_until(1_000);
    bench.seen();
    bench.log.users(20);
    bench.handle(Input::Behind);
    let singles: Vec<String> = (2..=21).map(|it| format!("@1000 {it} USER_MESSAGE")).collect();
    assert_eq!(bench.seen(), singles);
}

/// Covers 2.9.
#[test]
fn far_behind_the_pauses_are_those_of_a_replay() {
    let mut bench = Bench::open(&Log::new());
    bench.run_until(1_000);
    bench.seen();
    for _ in 0..30 {
        bench.log.user(&"x".repeat(1_000));
    }
    bench.handle(Input::Behind);
    bench.run_until(1_200);
    let batches = ["@1000 batch 2-14", "@1010 batch 15-27", "@1020 batch 28-31"];
    assert_eq!(bench.seen(), batches);
    bench.publish(|log| log.user("live"));
    assert_eq!(bench.seen(), ["@1200 32 USER_MESSAGE"]);
}

/// Covers 2.11, 5.7.
#[test]
fn a_connection_that_opens_during_a_turn_is_told_so_behind_its_replay() {
    let mut log = Log::new();
    log.joined();
    log.turn_starts();
    for cursor in [0, 2, 3] {
        let mut bench = Bench::open_at(&log, cursor);
        let replay = bench.seen();
        bench.run_until(50);
        let at = if cursor == 3 { 0 } else { 50 };
        let thinking = format!("@{at} ~POLY_AGENT_THINKING");
        assert_eq!([replay, bench.seen()].concat().last(), Some(&thinking));
        assert_eq!(bench.newest_frame()["payload"], serde_json::json!({}));
    }
}

/// Covers 2.11, 5.8.
#[test]
fn a_turn_that_ends_within_the_replay_leaves_no_thinking_behind() {
    let mut log = Log::new();
    log.joined();
    log.turn_starts();
    // The session is read, then the turn ends, then the log is read.
    let mut bench = Bench::before_tick(&log, 0, &Limits::default(), Reads::Answered);
    bench.log.bot("hello");
    bench.log.turn_ends();
    bench.handle(Input::Tick);
    bench.run_until(20_000);
    assert_eq!(bench.seen(), ["@0 batch 1-4"]);
}

/// Covers 2.12, 8.8.
#[test]
fn a_session_that_has_ended_is_replayed_and_closed_two_seconds_later() {
    let mut log = Log::new();
    log.joined();
    log.ends();
    let mut bench = Bench::open_at(&log, 2);
    bench.run_until(10_000);
    assert_eq!(bench.seen(), ["@0 batch 1 3-4", "@2000 close 1000"]);
}

/// Covers 2.12, 8.8.
#[test]
fn a_cursor_at_or_beyond_the_end_of_an_ended_session_is_closed_just_so() {
    let mut log = Log::new();
    log.joined();
    log.ends();
    for cursor in [4, 5, 9_999] {
        let mut bench = Bench::open_at(&log, cursor);
        bench.run_until(10_000);
        assert_eq!(bench.seen(), ["@0 batch 1", "@2000 close 1000"], "cursor {cursor}");
    }
}

/// Covers 8.8.
#[test]
fn a_session_that_ends_in_a_later_batch_is_closed_two_seconds_behind_that() {
    let mut log = Log::new();
    for _ in 0..30 {
        log.user(&"x".repeat(1_000));
    }
    log.ends();
    let mut bench = Bench::open(&log);
    bench.run_until(10_000);
    let [.., last_batch, close] = &bench.seen()[..] else { panic!("too little") };
    assert_eq!((&last_batch[..9], &close[..]), ("@20 batch", "@2020 close 1000"));
}

/// A log of any length is read in pages that fit into the connection.
#[test]
fn a_replay_reads_no_further_ahead_than_it_may_hold() {
    let mut log = Log::new();
    for _ in 0..2_000 {
        log.user(&"x".repeat(2_000));
    }
    let mut bench = Bench::open_with(&log, 0, &Limits::default(), Reads::Held);
    let mut pages = 0;
    let mut read = 0;
    while bench.sequences().len() < 2_001 {
        while let Some(page) = bench.held.front() {
            pages += 1;
            read += page.items.len();
            bench.answer();
            let held = read - bench.sequences().len();
            let held_max = limits::QUEUED_ITEMS_MAX + limits::PAGE_ENTRIES_MAX;
            assert!(held <= held_max, "{held} entries are held");
        }
        let wake_at = bench.connection.wake_at();
        bench.run_until(wake_at);
    }
    assert!(pages > 10, "{pages} pages");
    assert_eq!(bench.sequences(), (1..=2_001).collect::<Vec<u64>>());
}
