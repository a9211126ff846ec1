//! Section 4: what a client sends, and what comes back.

use serde_json::{Value, json};

use crate::{
    bare::Bare,
    pick::{
        answer_to, assert_adjacent, assert_refused, next, next_is, of_kind, text, without_thinking,
    },
    scenes::{busy, message, other},
    support::{Bot, Setup, brief},
    wire,
};

/// Covers 4.1.
#[tokio::test]
async fn a_payload_that_is_absent_or_null_is_an_empty_one() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let mut talk = server.session(json!({})).await.open().await;
    talk.expect("EVENT_BATCH").await;
    for heartbeat in [
        json!({"type": "EVENT_TYPE_HEARTBEAT"}),
        json!({"type": "EVENT_TYPE_HEARTBEAT", "payload": null}),
    ] {
        talk.send(&heartbeat).await;
        assert_eq!(talk.expect("HEARTBEAT").await["payload"], json!({}));
    }
    talk.send(&json!({"type": "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN"})).await;
    talk.expect("REQUEST_POLY_AGENT_JOIN").await;
    talk.greeted().await;
    // It counts as an object without members, not as anything at all.
    for kind in ["EVENT_TYPE_USER_MESSAGE", "EVENT_TYPE_USER_TYPING"] {
        talk.send(&json!({"type": kind, "payload": null})).await;
        let refusal = talk.recv().await;
        let text = "Unknown event type or invalid message format";
        assert_refused(&refusal, text, "invalid_format");
    }
    talk.send(&json!({"type": "EVENT_TYPE_USER_END_SESSION", "payload": null})).await;
    talk.expect("USER_END_SESSION").await;
}

/// Covers 4.2.
#[tokio::test]
async fn a_text_comes_back_code_point_for_code_point() {
    let texts = [
        "  spaces at both ends \t",
        "\r\nlines\n\n\nand\rmore\n",
        "e\u{301} is not é",
        "\u{0}\u{1}\u{7}\u{8}\u{c}\u{1b}[31m\u{7f}\u{85}",
        "\u{feff}mark, \u{2028}separators\u{2029}, \u{202e}turned\u{202c}, zero\u{200b}width",
        "👩\u{200d}👩\u{200d}👧 \u{10ffff} \u{e000} \u{fffd}",
        "\"quotes\" \\ back / slash <b>&amp;</b> ${x} %00",
    ];
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("messages_per_second = 0").start().await;
    let session = server.session(json!({})).await;
    let (mut talk, asked) = busy(&session, &bot).await;
    for (number, sent) in texts.iter().enumerate() {
        talk.say(sent, &format!("k-{number}")).await;
        assert_eq!(text(&next_is(&mut talk, "USER_MESSAGE").await), *sent);
    }
    // The same, written with escapes where none are needed.
    talk.send_text(
        r#"{"type": "EVENT_TYPE_USER_MESSAGE", "payload": {"text": "\u0061\/\ud83d\ude00\u00e9"}}"#,
    )
    .await;
    assert_eq!(text(&next_is(&mut talk, "USER_MESSAGE").await), "a/😀é");

    let log = session.log(13).await;
    let replayed: Vec<&str> = of_kind(&log, "USER_MESSAGE").into_iter().map(text).collect();
    assert_eq!(replayed[1..8], texts);
    asked.text("One moment.").await;
    assert_eq!(bot.asked().await.input()[..7], texts);
}

/// Covers 4.3.
#[tokio::test]
async fn an_echo_does_not_wait_for_the_bot() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.say("Is it back?", "k-1").await;
    talk.expect("USER_MESSAGE").await;
    let asked = bot.asked().await;
    // The bot has the request and answers nothing; a second message does not wait either.
    talk.say("The blue one.", "k-2").await;
    assert_eq!(text(&next_is(&mut talk, "USER_MESSAGE").await), "The blue one.");
    asked.text("It is.").await;
    assert_eq!(text(&next_is(&mut talk, "POLY_AGENT_MESSAGE").await), "It is.");
}

/// Covers 4.4.
#[tokio::test]
async fn a_text_of_131072_bytes_is_accepted_however_it_is_escaped() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, _asked) = busy(&session, &bot).await;
    for (number, sent) in ["k".repeat(131_072), "é".repeat(65_536)].iter().enumerate() {
        talk.say(sent, &format!("k-{number}")).await;
        assert_eq!(text(&next_is(&mut talk, "USER_MESSAGE").await), sent);
    }
    // Six times the size on its way in, and nothing but a text of the same size.
    let escaped = "\\u006b".repeat(131_072);
    talk.send_text(&format!(
        r#"{{"type": "EVENT_TYPE_USER_MESSAGE", "payload": {{"text": "{escaped}"}}}}"#
    ))
    .await;
    assert_eq!(text(&next_is(&mut talk, "USER_MESSAGE").await), "k".repeat(131_072));
}

/// Covers 4.5.
#[tokio::test]
async fn echoes_of_the_log_go_to_every_connection() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talks = [session.open().await, session.open().await, session.open().await];
    for talk in &mut talks {
        talk.expect("EVENT_BATCH").await;
    }
    talks[0].join().await;
    let mut seen = Vec::new();
    for talk in &mut talks {
        seen.push(talk.expect("REQUEST_POLY_AGENT_JOIN").await);
        talk.greeted().await;
    }
    talks[1].say("Is it back?", "k-1").await;
    for talk in &mut talks {
        seen.push(talk.expect("USER_MESSAGE").await);
    }
    talks[2].end_session().await;
    for talk in &mut talks {
        seen.push(next_is(talk, "USER_END_SESSION").await);
    }
    for same in seen.chunks(3) {
        assert!(same[0]["sequence"].is_u64(), "{same:#?}");
        assert!(same[0] == same[1] && same[1] == same[2], "not the same for all: {same:#?}");
    }
}

/// Covers 4.6.
#[tokio::test]
async fn a_join_too_many_is_echoed_to_its_sender_alone_and_changes_nothing() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).greeting("").start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open().await;
    talk.expect("EVENT_BATCH").await;
    talk.join().await;
    talk.until("POLY_AGENT_THINKING").await;
    let greeting = bot.asked().await;
    let mut onlooker = other(&session, 3).await;

    // While the greeting is on its way.
    talk.join().await;
    let echo = next_is(&mut talk, "REQUEST_POLY_AGENT_JOIN").await;
    assert_eq!((&echo["sequence"], &echo["payload"]), (&Value::Null, &json!({})));
    greeting.text("Hello, here is Wick.").await;
    let hello = next_is(&mut talk, "POLY_AGENT_MESSAGE").await;
    assert_eq!(hello["sequence"], 4);

    // After a turn that went well.
    for _ in 0..2 {
        talk.join().await;
        assert_eq!(next_is(&mut talk, "REQUEST_POLY_AGENT_JOIN").await["sequence"], Value::Null);
    }
    talk.say("marker", "m").await;
    assert_eq!(next_is(&mut talk, "USER_MESSAGE").await["sequence"], 5);
    let asked = bot.asked().await;
    assert_eq!(asked.body["reason"], "message", "a second greeting");

    let watched = answer_to(&mut onlooker, "m").await;
    assert_eq!(brief(&watched), "4 POLY_AGENT_MESSAGE\n5 USER_MESSAGE");
}

/// Covers 4.6.
#[tokio::test]
async fn joins_in_one_segment_make_one_greeting() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let mut talk = server.session(json!({})).await.open().await;
    talk.expect("EVENT_BATCH").await;
    let join = json!({"type": "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN", "payload": {}});
    talk.send_together(&[
        join.clone(),
        join.clone(),
        join,
        message("marker", &json!({"local_id": "m"})),
    ])
    .await;
    let mut frames = talk.until("USER_MESSAGE").await;
    if of_kind(&frames, "POLY_AGENT_MESSAGE").is_empty() {
        frames.extend(talk.until("POLY_AGENT_MESSAGE").await);
    }
    let joins = of_kind(&frames, "REQUEST_POLY_AGENT_JOIN");
    let (recorded, transient): (Vec<&Value>, Vec<&Value>) =
        joins.into_iter().partition(|it| it["sequence"].is_u64());
    assert_eq!((recorded.len(), transient.len()), (1, 2), "{}", brief(&frames));
    assert_eq!(of_kind(&frames, "POLY_AGENT_JOINED").len(), 1);
    assert_eq!(of_kind(&frames, "POLY_AGENT_MESSAGE").len(), 1);
    // The next that is heard of the bot is its answer to the message.
    bot.asked().await.text("You marked it.").await;
    assert_eq!(text(&next_is(&mut talk, "POLY_AGENT_MESSAGE").await), "You marked it.");
}

/// Covers 4.7.
#[tokio::test]
async fn typing_gets_no_answer() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let mut onlooker = other(&session, 4).await;
    for state in ["TYPING_STATE_STARTED", "TYPING_STATE_STOPPED", "TYPING_STATE_STARTED"] {
        talk.send(&json!({"type": "EVENT_TYPE_USER_TYPING", "payload": {"state": state}})).await;
        talk.expect_nothing().await;
    }
    talk.say("marker", "m").await;
    assert_eq!(brief(&answer_to(&mut talk, "m").await), "5 USER_MESSAGE");
    assert_eq!(brief(&answer_to(&mut onlooker, "m").await), "5 USER_MESSAGE");
    assert_eq!(bot.asked().await.input(), ["marker"]);
}

/// Covers 4.8.
#[tokio::test]
async fn the_user_ends_the_session_and_waits_for_nobody() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, asked) = busy(&session, &bot).await;
    let mut onlooker = other(&session, 5).await;
    talk.end_session().await;
    for talk in [&mut talk, &mut onlooker] {
        let frames = without_thinking(talk.until("SESSION_END").await);
        assert_eq!(brief(&frames), "6 USER_END_SESSION\n7 SESSION_END");
        assert_adjacent(&frames);
        assert_eq!(frames[0]["payload"], json!({}));
        assert_eq!(frames[1]["payload"], json!({"reason": "REASON_USER_END"}));
    }
    asked.gone().await;
}

/// Covers 4.8.
#[tokio::test]
async fn a_session_can_be_ended_before_anything_was_asked() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let mut talk = server.session(json!({})).await.open().await;
    talk.expect("EVENT_BATCH").await;
    talk.end_session().await;
    let frames = talk.until("SESSION_END").await;
    assert_eq!(brief(&frames), "2 USER_END_SESSION\n3 SESSION_END");
}

/// Covers 4.9.
#[tokio::test]
async fn a_heartbeat_is_echoed_to_its_sender_alone() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let mut onlooker = other(&session, 4).await;
    for _ in 0..3 {
        talk.send(&json!({"type": "EVENT_TYPE_HEARTBEAT", "payload": {}})).await;
        let echo = next(&mut talk).await;
        assert_eq!(echo["type"], "EVENT_TYPE_HEARTBEAT");
        assert_eq!(echo["sequence"], Value::Null);
    }
    talk.say("marker", "m").await;
    assert_eq!(brief(&answer_to(&mut talk, "m").await), "5 USER_MESSAGE");
    assert_eq!(brief(&answer_to(&mut onlooker, "m").await), "5 USER_MESSAGE");
}

/// Covers 2.1.
#[tokio::test]
async fn a_client_that_speaks_before_the_first_batch_is_answered_behind_it() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    for session in [server.native_session().await, server.session(json!({})).await] {
        session.open_joined().await;
        let mut talk = session.open_from(4).await;
        talk.send_text("no JSON").await;
        talk.join().await;
        talk.send(&json!({"type": "EVENT_TYPE_HEARTBEAT"})).await;
        let frames = talk.until("HEARTBEAT").await;
        assert_eq!(brief(&frames[..1]), "- EVENT_BATCH [1 SESSION_START]");
        assert_eq!(of_kind(&frames, "SYSTEM_MESSAGE").len(), 1);
    }
}

/// The first batch of a mobile client waits a moment, and what it sends meanwhile with it.
///
/// Covers 4.1.
#[tokio::test]
async fn a_burst_before_the_first_batch_is_answered_frame_by_frame() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.native_session().await;
    let mut bare = Bare::open(&session).await;
    let heartbeat =
        |n| wire::json(&json!({"type": "EVENT_TYPE_HEARTBEAT", "metadata": {"custom": {"n": n}}}));
    let burst: Vec<u8> = (0..100).flat_map(heartbeat).collect();
    bare.send(&burst).await;
    let mut came = Vec::new();
    while came.len() < 101 {
        let (_, payload) = bare.frame().await.expect("the socket stays open");
        came.push(serde_json::from_slice::<Value>(&payload).expect("a text frame"));
    }
    assert_eq!(came[0]["type"], "EVENT_TYPE_EVENT_BATCH");
    for (n, answer) in came[1..].iter().enumerate() {
        assert_eq!(answer["metadata"], json!({"custom": {"n": n}}), "{answer:#}");
    }
}
