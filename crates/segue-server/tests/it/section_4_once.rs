//! Section 4, exactly once: a message that is sent again is not another message.

use segue_server::server::Tweaks;
use serde_json::{Value, json};

use crate::{
    pick::{answer_to, assert_refused, is_kind, next_is, of_kind, text},
    scenes::{busy, message, not_asked, other},
    support::{Bot, Hold, Setup, Talk, brief, events_of},
};

/// Sends a message with this `metadata.custom` and has it echoed.
async fn said(talk: &mut Talk, words: &str, custom: &Value) -> Value {
    talk.send(&message(words, custom)).await;
    next_is(talk, "USER_MESSAGE").await
}

/// Covers 4.10.
#[tokio::test]
async fn a_message_that_comes_again_gets_its_first_echo_again() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("messages_per_second = 0").start().await;
    let session = server.session(json!({})).await;
    let (mut talk, asked) = busy(&session, &bot).await;
    let customs = [
        json!({"local_id": "a", "tab": 1}),
        json!({"client_event_id": "b"}),
        json!({"local_id": "", "client_event_id": "c"}),
        json!({"local_id": 7, "client_event_id": "d"}),
        json!({"local_id": null, "client_event_id": "e"}),
        json!({"local_id": "x".repeat(201), "client_event_id": "f"}),
    ];
    for (number, custom) in customs.iter().enumerate() {
        let words = format!("message {number}");
        let first = said(&mut talk, &words, custom).await;
        assert_eq!(first["sequence"], 6 + number);
        for _ in 0..2 {
            assert_eq!(said(&mut talk, &words, custom).await, first);
        }
    }
    // Where there is a `local_id`, the other key does not count.
    let first =
        said(&mut talk, "message 6", &json!({"local_id": "g", "client_event_id": "b"})).await;
    assert_eq!(first["sequence"], 12);
    let again =
        said(&mut talk, "message 6", &json!({"local_id": "g", "client_event_id": "z"})).await;
    assert_eq!(again, first);

    asked.text("One moment.").await;
    let asked = bot.asked().await;
    let expected: Vec<String> = (0..7).map(|number| format!("message {number}")).collect();
    assert_eq!(asked.input(), expected, "each is given to the bot once");
}

/// Covers 4.10.
#[tokio::test]
async fn a_message_that_comes_again_does_not_wake_the_bot() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let witness = server.session(json!({})).await;
    let mut talk = server.session(json!({})).await.open_joined().await;
    talk.say("Is it back?", "k-1").await;
    let first = talk.expect("USER_MESSAGE").await;
    bot.asked().await.text("It is.").await;
    talk.until("POLY_AGENT_MESSAGE").await;
    talk.say("Is it back?", "k-1").await;
    assert_eq!(talk.recv().await, first);
    not_asked(&bot, &witness).await;
    talk.expect_nothing().await;
}

/// Covers 4.11.
#[tokio::test]
async fn the_key_decides_and_not_the_text() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, _asked) = busy(&session, &bot).await;
    for custom in [json!({"local_id": "a"}), json!({"client_event_id": "b"})] {
        let first = said(&mut talk, "the first text", &custom).await;
        let again = said(&mut talk, "quite another text", &custom).await;
        assert_eq!(text(&again), "the first text");
        assert_eq!(again, first);
    }
}

/// Covers 4.12.
#[tokio::test]
async fn the_two_keys_are_two_name_spaces() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, _asked) = busy(&session, &bot).await;
    let local = said(&mut talk, "one", &json!({"local_id": "a"})).await;
    let event = said(&mut talk, "two", &json!({"client_event_id": "a"})).await;
    assert_eq!((&local["sequence"], &event["sequence"]), (&json!(6), &json!(7)));
    assert_eq!(text(&event), "two");
    assert_ne!(local["payload"]["message_id"], event["payload"]["message_id"]);
}

/// Covers 4.13.
#[tokio::test]
async fn what_is_no_string_of_1_to_200_bytes_is_no_key() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("messages_per_second = 0").start().await;
    let session = server.session(json!({})).await;
    let (mut talk, _asked) = busy(&session, &bot).await;
    let mut sequence = 6;
    for no_key in [
        json!(""),
        json!("k".repeat(201)),
        json!("é".repeat(101)),
        json!(41),
        json!(4.1),
        json!(true),
        json!(null),
        json!(["k"]),
        json!({"k": "k"}),
    ] {
        for name in ["local_id", "client_event_id"] {
            for _ in 0..2 {
                let echo = said(&mut talk, "again", &json!({name: no_key})).await;
                assert_eq!(echo["sequence"], sequence, "{name}: {no_key}");
                sequence += 1;
            }
        }
    }
    for key in [json!("k"), json!("k".repeat(200)), json!("é".repeat(100)), json!(" \u{0}")] {
        for name in ["local_id", "client_event_id"] {
            for _ in 0..2 {
                let echo = said(&mut talk, "again", &json!({name: key})).await;
                assert_eq!(echo["sequence"], sequence, "{name}: {key}");
            }
            sequence += 1;
        }
    }
}

/// Covers 4.14.
#[tokio::test]
async fn the_same_text_with_different_keys_or_none_is_as_many_messages() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, asked) = busy(&session, &bot).await;
    let mut ids = Vec::new();
    for (number, custom) in
        [json!({"local_id": "a"}), json!({"local_id": "b"}), json!({}), json!({})]
            .iter()
            .enumerate()
    {
        let echo = said(&mut talk, "yes", custom).await;
        assert_eq!(echo["sequence"], 6 + number);
        ids.push(echo["payload"]["message_id"].clone());
    }
    for _ in 0..2 {
        let bare = json!({"type": "EVENT_TYPE_USER_MESSAGE", "payload": {"text": "yes"}});
        talk.send(&bare).await;
        ids.push(next_is(&mut talk, "USER_MESSAGE").await["payload"]["message_id"].clone());
    }
    ids.sort_by_key(Value::to_string);
    ids.dedup();
    assert_eq!(ids.len(), 6);
    asked.text("One moment.").await;
    assert_eq!(bot.asked().await.input(), ["yes"; 6]);
}

/// Covers 4.15.
#[tokio::test]
async fn copies_in_one_segment_make_one_message() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, asked) = busy(&session, &bot).await;
    let copy = message("Is it back?", &json!({"local_id": "k"}));
    let other_text = message("Is it?", &json!({"local_id": "k"}));
    let marker = message("marker", &json!({"local_id": "m"}));
    talk.send_together(&[copy.clone(), other_text, copy, marker]).await;
    let frames = answer_to(&mut talk, "m").await;
    let (marker, echoes) = frames.split_last().unwrap();
    assert_eq!(marker["sequence"], 7, "one message was recorded before it");
    assert!(!echoes.is_empty());
    for echo in echoes {
        assert_eq!(echo, &echoes[0]);
        assert_eq!((text(echo), &echo["sequence"]), ("Is it back?", &json!(6)));
    }
    asked.text("One moment.").await;
    assert_eq!(bot.asked().await.input(), ["Is it back?", "marker"]);
}

/// Covers 4.15.
#[tokio::test]
async fn copies_on_two_connections_at_the_same_time_make_one_message() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).sqlite().limits("messages_per_second = 0").start().await;
    let session = server.session(json!({})).await;
    let (mut one, asked) = busy(&session, &bot).await;
    let mut two = other(&session, 5).await;
    for number in 0..20 {
        let copy = message("copy", &json!({"local_id": format!("k-{number}")}));
        tokio::join!(one.send(&copy), two.send(&copy));
    }
    one.say("marker 1", "m-1").await;
    two.say("marker 2", "m-2").await;
    for talk in [&mut one, &mut two] {
        let mut events: Vec<Value> = Vec::new();
        let has =
            |events: &[Value], words: &str| events.iter().any(|it| it["payload"]["text"] == words);
        while !has(&events, "marker 1") || !has(&events, "marker 2") {
            // Whoever is far behind is sent batches.
            events.extend(events_of(&[talk.recv().await]));
        }
        assert_eq!(of_kind(&events, "SYSTEM_MESSAGE").len(), 0, "a copy was refused");
        let echoes = of_kind(&events, "USER_MESSAGE");
        let mut seen: Vec<(u64, &Value)> = echoes
            .iter()
            .map(|it| (it["sequence"].as_u64().unwrap(), &it["id"]))
            .filter(|(sequence, _)| *sequence > 5)
            .collect();
        seen.sort_by_key(|it| it.0);
        seen.dedup();
        let sequences: Vec<u64> = seen.iter().map(|it| it.0).collect();
        assert_eq!(sequences, (6..28).collect::<Vec<u64>>(), "20 messages and two markers");
    }
    asked.text("One moment.").await;
    assert_eq!(bot.asked().await.input().len(), 22);
}

/// Covers 4.16.
#[tokio::test]
async fn the_repeated_echo_goes_to_the_sender_of_the_copy_alone() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, _asked) = busy(&session, &bot).await;
    let mut onlooker = other(&session, 5).await;
    talk.say("Is it back?", "k").await;
    let first = next_is(&mut talk, "USER_MESSAGE").await;
    for _ in 0..2 {
        talk.say("Is it back?", "k").await;
        assert_eq!(next_is(&mut talk, "USER_MESSAGE").await, first);
    }
    talk.say("marker", "m").await;
    let watched = answer_to(&mut onlooker, "m").await;
    assert_eq!(brief(&watched), "6 USER_MESSAGE\n7 USER_MESSAGE");
    // And where the copy comes on the other connection, it is that one.
    onlooker.say("Is it back?", "k").await;
    assert_eq!(next_is(&mut onlooker, "USER_MESSAGE").await, first);
    onlooker.say("marker 2", "m-2").await;
    assert_eq!(brief(&answer_to(&mut talk, "m").await), "7 USER_MESSAGE");
    assert_eq!(brief(&answer_to(&mut talk, "m-2").await), "8 USER_MESSAGE");
}

/// Covers 4.18.
#[tokio::test]
async fn what_the_cursor_claims_counts_as_sent() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, _asked) = busy(&session, &bot).await;
    talk.say("Is it back?", "k").await;
    let first = next_is(&mut talk, "USER_MESSAGE").await;
    talk.say("The blue one.", "k-2").await;
    next_is(&mut talk, "USER_MESSAGE").await;
    assert_eq!(first["sequence"], 6);
    for cursor in [6, 7, 1_000] {
        let mut back = session.open_from(cursor).await;
        back.say("Is it back?", "k").await;
        let frames = answer_to(&mut back, "k").await;
        assert_eq!(frames.last(), Some(&first), "cursor {cursor}");
        assert!(is_kind(&frames[0], "EVENT_BATCH"), "cursor {cursor}: {}", brief(&frames));
        let replayed = frames[0]["payload"]["events"].as_array().unwrap();
        assert!(!replayed.contains(&first), "cursor {cursor}");
    }
}

/// Covers 4.19.
#[tokio::test]
async fn a_key_is_known_after_a_restart() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let mut echoes = Vec::new();
    for custom in [json!({"local_id": "k"}), json!({"client_event_id": "k"})] {
        echoes.push(said(&mut talk, "Is it back?", &custom).await);
        bot.asked().await.text("It is.").await;
        talk.until("POLY_AGENT_MESSAGE").await;
    }
    server.stop().await;

    let server = setup.start().await;
    let session = session.on(&server);
    let mut talk = other(&session, 8).await;
    assert_eq!(said(&mut talk, "Is it back?", &json!({"local_id": "k"})).await, echoes[0]);
    assert_eq!(said(&mut talk, "Is it back?", &json!({"client_event_id": "k"})).await, echoes[1]);
    let new = said(&mut talk, "Is it back?", &json!({"local_id": "new"})).await;
    assert_eq!(new["sequence"], 9);
    assert_eq!(bot.asked().await.input(), ["Is it back?"]);
}

/// Covers 4.20.
#[tokio::test]
async fn after_the_end_a_known_message_gets_no_answer() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("close_after_end_ms = 600000").start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.say("Is it back?", "k").await;
    bot.asked().await.text("It is.").await;
    talk.until("POLY_AGENT_MESSAGE").await;
    talk.end_session().await;
    talk.until("SESSION_END").await;
    // One that was there when it ended, and one that came to read.
    let mut reader = other(&session, 8).await;
    for talk in [&mut talk, &mut reader] {
        // Commands of a connection are carried out in their order: the refusal of the second
        // proves that the first got nothing.
        talk.say("Is it back?", "k").await;
        talk.say("Is it?", "k").await;
        talk.say("And the red one?", "new").await;
        let refusal = talk.recv().await;
        assert_refused(&refusal, "Error: Session not found", "session_not_found");
        assert_eq!(refusal["metadata"]["custom"]["local_id"], "new");
        talk.expect_nothing().await;
    }
}

/// Covers 4.21.
#[tokio::test]
async fn no_echo_leaves_while_its_commit_hangs() {
    let bot = Bot::start().await;
    let hold = Hold::default();
    let tweaks = Tweaks { before_commit: Some(hold.before_commit()), ..Tweaks::default() };
    let server = Setup::new(&bot).sqlite().start_with(tweaks).await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let mut onlooker = other(&session, 4).await;
    hold.close();
    talk.say("Is it back?", "k").await;
    hold.arrived().await;
    // A heartbeat needs no commit. Several, so that whatever was set going has time to arrive.
    for _ in 0..5 {
        talk.expect_nothing().await;
        onlooker.expect_nothing().await;
    }
    bot.expect_not_asked().await;
    hold.open();
    assert_eq!(talk.expect("USER_MESSAGE").await["sequence"], 5);
    assert_eq!(onlooker.expect("USER_MESSAGE").await["sequence"], 5);
    bot.asked().await.text("It is.").await;
    talk.until("POLY_AGENT_MESSAGE").await;
    server.stop().await;
}

/// Covers 4.10, 4.15.
#[tokio::test]
async fn a_whole_burst_that_comes_again_gets_all_its_echoes_again() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).sqlite().limits("messages_per_second = 0").start().await;
    let session = server.session(json!({})).await;
    let (mut talk, _asked) = busy(&session, &bot).await;
    let burst: Vec<Value> =
        (0..50).map(|it| message("hello", &json!({"local_id": format!("k-{it}")}))).collect();
    let mut echoes = Vec::new();
    for copy in &burst {
        talk.send(copy).await;
        echoes.push(next_is(&mut talk, "USER_MESSAGE").await);
    }
    talk.send_together(&burst).await;
    for echo in &echoes {
        assert_eq!(next_is(&mut talk, "USER_MESSAGE").await, *echo);
    }
    // The same where the copies and new messages come mixed.
    let marker = message("marker", &json!({"local_id": "m"}));
    talk.send_together(&[&burst[..30], &[marker], &burst[30..]].concat()).await;
    let mut again = Vec::new();
    while again.len() < 51 {
        again.push(next_is(&mut talk, "USER_MESSAGE").await);
    }
    assert_eq!(again.iter().find(|it| text(it) == "marker").unwrap()["sequence"], 56);
    again.retain(|it| text(it) != "marker");
    assert_eq!(again, echoes);
}
