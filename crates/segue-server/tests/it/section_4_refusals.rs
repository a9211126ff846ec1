//! Section 4, refusals: nothing is dropped without a word, and nothing of it is in the log.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    pick::{answer_to, assert_refused, is_kind, next, next_is, of_kind, without_thinking},
    scenes::{busy, keyed, message, other},
    support::{Bot, Setup, Switch, Talk, brief, shown, user_message},
    wire,
};

const MALFORMED: &str = "Unknown event type or invalid message format";

/// Every type that the protocol names and a client may not send.
const NOT_FOR_CLIENTS: [&str; 30] = [
    "SESSION_START",
    "EVENT_BATCH",
    "POLY_AGENT_JOINED",
    "POLY_AGENT_THINKING",
    "POLY_AGENT_MESSAGE",
    "POLY_AGENT_MESSAGE_CHUNK",
    "POLY_AGENT_LEFT",
    "POLY_AGENT_TRIGGERED_HANDOFF",
    "HANDOFF_ACCEPTED",
    "HANDOFF_QUEUE_STATUS",
    "CLIENT_HANDOFF_REQUIRED",
    "HANDOFF_FAILED",
    "HANDOFF_TIMEOUT",
    "LIVE_AGENT_JOINED",
    "LIVE_AGENT_TYPING",
    "LIVE_AGENT_MESSAGE",
    "LIVE_AGENT_LEFT",
    "LANGUAGE_CHANGED",
    "SYSTEM_MESSAGE",
    "SESSION_END",
    "LINK_TO_WEBRTC_CONVERSATION",
    "USER_RECEIVED_MESSAGE",
    "USER_READ_MESSAGE",
    "POLY_AGENT_RECEIVED_MESSAGE",
    "POLY_AGENT_READ_MESSAGE",
    "LIVE_AGENT_RECEIVED_MESSAGE",
    "LIVE_AGENT_READ_MESSAGE",
    "SESSION_IDLE_WARNING",
    "SHOW_CSAT_REQUEST",
    "CSAT_RESPONSE",
];

/// A server without rates, and a socket on which the bot has joined.
async fn unlimited(bot: &Bot) -> Talk {
    let server = Setup::new(bot).limits("messages_per_second = 0").start().await;
    server.session(json!({})).await.open_joined().await
}

/// Covers 4.22.
#[tokio::test]
async fn a_refusal_looks_like_this() {
    let bot = Bot::start().await;
    let mut talk = unlimited(&bot).await;
    let blank = json!({"text": " "});
    let custom = json!({"local_id": "k-42"});
    talk.send(&json!({
        "type": "EVENT_TYPE_USER_MESSAGE", "payload": blank, "metadata": {"custom": custom},
    }))
    .await;
    insta::assert_snapshot!(shown(&[talk.recv().await]), @r#"
    {
      "id": "[id 1]",
      "metadata": {
        "custom": {
          "local_id": "k-42"
        }
      },
      "payload": {
        "code": "invalid_format",
        "level": "SYSTEM_MESSAGE_LEVEL_ERROR",
        "message": "Unknown event type or invalid message format"
      },
      "sequence": null,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_SYSTEM_MESSAGE"
    }
    "#);
}

/// Covers 4.22.
#[tokio::test]
async fn refusals_are_for_their_sender_alone_and_leave_no_trace() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("messages_per_second = 0").start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open().await;
    talk.expect("EVENT_BATCH").await;
    let mut onlooker = other(&session, 1).await;
    talk.say("too early", "k-1").await;
    assert_refused(&talk.recv().await, "Error: Conversation not found", "conversation_not_found");
    talk.send_text("no JSON").await;
    assert_refused(&talk.recv().await, MALFORMED, "invalid_format");
    talk.send(&json!({"type": "EVENT_TYPE_SESSION_END", "payload": {}})).await;
    let refusal = talk.recv().await;
    assert_refused(&refusal, "Event type not allowed: EVENT_TYPE_SESSION_END", "not_allowed");
    talk.send(&user_message(&"k".repeat(131_073), "k-2")).await;
    assert_refused(&talk.recv().await, "Message too large", "too_large");

    talk.join().await;
    talk.greeted().await;
    let watched = onlooker.greeted().await;
    assert_eq!(
        brief(&watched),
        "2 REQUEST_POLY_AGENT_JOIN\n3 POLY_AGENT_JOINED\n- POLY_AGENT_THINKING\n\
         4 POLY_AGENT_MESSAGE"
    );
    let log = session.log(4).await;
    assert_eq!(
        brief(&log),
        "1 SESSION_START\n2 REQUEST_POLY_AGENT_JOIN\n3 POLY_AGENT_JOINED\n4 POLY_AGENT_MESSAGE"
    );
}

/// Covers 4.23.
#[tokio::test]
async fn a_refusal_carries_what_its_sender_wrote_beside_it() {
    let bot = Bot::start().await;
    let mut talk = unlimited(&bot).await;
    let custom = json!({"local_id": "k", "deep": {"list": [1, 2.5, null, {"é": "\u{1f600}"}]}});
    let refused = [
        ("EVENT_TYPE_USER_MESSAGE", json!({"text": ""})),
        ("EVENT_TYPE_USER_MESSAGE", json!([])),
        ("EVENT_TYPE_USER_MESSAGE", json!({"text": "k".repeat(131_073)})),
        ("EVENT_TYPE_USER_TYPING", json!({"state": "TYPING"})),
        ("EVENT_TYPE_HEARTBEAT", json!("no object")),
        ("EVENT_TYPE_NOBODY_KNOWS", json!({})),
        ("EVENT_TYPE_SESSION_END", json!({})),
    ];
    for (kind, payload) in refused {
        talk.send(&json!({"type": kind, "payload": payload, "metadata": {"custom": custom}})).await;
        let refusal = talk.expect("SYSTEM_MESSAGE").await;
        assert_eq!(refusal["metadata"], json!({"custom": custom}), "{kind}");
    }
    // What cannot be returned is told by its names.
    let large = json!({"local_id": "large", "x": "y".repeat(5_000)});
    let deep = (0..70).fold(json!(1), |inner, _| json!([inner]));
    let deep = json!({"client_event_id": "deep", "local_id": 7, "x": deep});
    for (custom, names) in
        [(large, json!({"local_id": "large"})), (deep, json!({"client_event_id": "deep"}))]
    {
        talk.send(&message("hello", &custom)).await;
        let refusal = talk.expect("SYSTEM_MESSAGE").await;
        assert_eq!(refusal["payload"]["code"], "invalid_format");
        assert_eq!(refusal["metadata"], json!({"custom": names}));
    }
    // Without any, and where it cannot be read, there is none.
    for frame in [
        json!({"type": "EVENT_TYPE_SESSION_END", "payload": {}}),
        json!({"type": "EVENT_TYPE_SESSION_END", "payload": {}, "metadata": {"custom": "k"}}),
    ] {
        talk.send(&frame).await;
        assert_eq!(talk.expect("SYSTEM_MESSAGE").await.get("metadata"), None);
    }
}

/// Covers 4.23.
#[tokio::test]
async fn the_refusal_of_a_message_after_the_end_carries_its_key() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("close_after_end_ms = 600000").start().await;
    let mut talk = server.session(json!({})).await.open_joined().await;
    talk.end_session().await;
    talk.until("SESSION_END").await;
    talk.send(&message("too late", &json!({"client_event_id": "k", "tab": 2}))).await;
    let refusal = talk.recv().await;
    assert_refused(&refusal, "Error: Session not found", "session_not_found");
    assert_eq!(refusal["metadata"], json!({"custom": {"client_event_id": "k", "tab": 2}}));
    talk.send(&json!({"type": "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN", "payload": {}})).await;
    assert_refused(&talk.recv().await, "Error: Session not found", "session_not_found");
    talk.end_session().await;
    assert_refused(&talk.recv().await, "Error: Session not found", "session_not_found");
}

/// Covers 4.24.
#[tokio::test]
async fn what_is_no_event_is_refused_and_the_socket_goes_on() {
    let bot = Bot::start().await;
    let mut talk = unlimited(&bot).await;
    let heartbeat = json!({"type": "EVENT_TYPE_HEARTBEAT", "payload": {}}).to_string();
    talk.send_message(Message::binary(heartbeat.clone())).await;
    assert_refused(&talk.recv().await, MALFORMED, "invalid_format");
    for text in [
        "",
        "hello",
        "{",
        "[]",
        "null",
        "42",
        "\"EVENT_TYPE_HEARTBEAT\"",
        "{}",
        r#"{"payload": {}}"#,
        r#"{"type": null, "payload": {}}"#,
        r#"{"type": 7, "payload": {}}"#,
        r#"{"type": ["EVENT_TYPE_HEARTBEAT"]}"#,
        r#"{"type": "", "payload": {}}"#,
        r#"{"type": "HEARTBEAT", "payload": {}}"#,
        r#"{"type": "event_type_heartbeat", "payload": {}}"#,
        r#"{"type": "EVENT_TYPE_HEARTBEAT ", "payload": {}}"#,
        r#"{"type": "EVENT_TYPE_PING", "payload": {}}"#,
        r#"{"type": "EVENT_TYPE_HEARTBEAT", "payload": {}} and more"#,
        r#"[{"type": "EVENT_TYPE_HEARTBEAT", "payload": {}}]"#,
    ] {
        talk.send_text(text).await;
        assert_refused(&talk.recv().await, MALFORMED, "invalid_format");
    }
    // Nested deeper than anybody reads.
    let deep = format!(r#"{{"type": "EVENT_TYPE_PING", "payload": {}"#, "[".repeat(500_000));
    talk.send_text(&deep).await;
    assert_refused(&talk.recv().await, MALFORMED, "invalid_format");
    talk.send_text(&heartbeat).await;
    talk.expect("HEARTBEAT").await;
}

/// Covers 4.25.
#[tokio::test]
async fn a_payload_of_the_wrong_shape_is_refused() {
    let bot = Bot::start().await;
    let mut talk = unlimited(&bot).await;
    let white = " \t\r\n\u{a0}\u{2003}\u{2028}\u{3000}";
    let of_messages = [
        json!({}),
        json!({"text": null}),
        json!({"text": 7}),
        json!({"text": ["hello"]}),
        json!({"text": {"text": "hello"}}),
        json!({"text": true}),
        json!({"Text": "hello"}),
        json!({"text": ""}),
        json!({"text": " "}),
        json!({"text": white}),
        json!([]),
        json!(["hello"]),
        json!("hello"),
        json!(7),
        json!(false),
    ];
    let of_typing = [
        json!({}),
        json!({"state": null}),
        json!({"state": 1}),
        json!({"state": "STARTED"}),
        json!({"state": "TYPING_STATE_UNSPECIFIED"}),
        json!({"state": "typing_state_started"}),
        json!(["TYPING_STATE_STARTED"]),
    ];
    let of_others = [json!([]), json!("x"), json!(0), json!(true)];
    let messages = of_messages.iter().map(|it| ("USER_MESSAGE", it));
    let typing = of_typing.iter().map(|it| ("USER_TYPING", it));
    let others = ["HEARTBEAT", "REQUEST_POLY_AGENT_JOIN", "USER_END_SESSION"]
        .into_iter()
        .flat_map(|kind| of_others.iter().map(move |it| (kind, it)));
    for (kind, payload) in messages.chain(typing).chain(others) {
        talk.send(&json!({"type": format!("EVENT_TYPE_{kind}"), "payload": payload})).await;
        let refusal = talk.recv().await;
        assert!(is_kind(&refusal, "SYSTEM_MESSAGE"), "{kind} {payload} got {refusal:#}");
        assert_refused(&refusal, MALFORMED, "invalid_format");
    }
    talk.say("hello", "k").await;
    assert_eq!(next_is(&mut talk, "USER_MESSAGE").await["sequence"], 5);
}

/// Covers 4.26.
#[tokio::test]
async fn metadata_custom_has_at_most_4096_bytes() {
    let bot = Bot::start().await;
    let mut talk = unlimited(&bot).await;
    let of_size = |bytes: usize| {
        let custom = json!({"p": "x".repeat(bytes - r#"{"p":""}"#.len())});
        assert_eq!(custom.to_string().len(), bytes);
        custom
    };
    for bytes in [4_097, 5_000, 100_000] {
        talk.send(&message("hello", &of_size(bytes))).await;
        let refusal = talk.recv().await;
        assert_refused(&refusal, MALFORMED, "invalid_format");
        let beat = json!({"type": "EVENT_TYPE_HEARTBEAT", "metadata": {"custom": of_size(bytes)}});
        talk.send(&beat).await;
        assert_refused(&talk.recv().await, MALFORMED, "invalid_format");
    }
    talk.send(&message("hello", &of_size(4_096))).await;
    let echo = next_is(&mut talk, "USER_MESSAGE").await;
    assert_eq!(echo["sequence"], 5);
    assert_eq!(echo["metadata"]["custom"], of_size(4_096));
}

/// Covers 4.27.
#[tokio::test]
async fn every_other_type_that_the_protocol_names_is_not_allowed() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("messages_per_second = 0").start().await;
    let asks = json!({"extensions": ["receipts", "idle_warning", "csat", "files"]});
    for session in [server.session(json!({})).await, server.session(asks).await] {
        let mut talk = session.open_joined().await;
        for kind in NOT_FOR_CLIENTS {
            for payload in [json!({}), json!({"text": "hello"}), json!([])] {
                talk.send(&json!({"type": format!("EVENT_TYPE_{kind}"), "payload": payload})).await;
                let text = format!("Event type not allowed: EVENT_TYPE_{kind}");
                assert_refused(&talk.recv().await, &text, "not_allowed");
            }
        }
        talk.say("marker", "m").await;
        assert_eq!(brief(&answer_to(&mut talk, "m").await), "5 USER_MESSAGE");
    }
}

/// Covers 4.28.
#[tokio::test]
async fn what_is_too_large_is_refused() {
    let bot = Bot::start().await;
    let mut talk = unlimited(&bot).await;
    // Bytes count, not characters, and not those of the frame.
    for text in ["k".repeat(131_073), "é".repeat(65_537), "k".repeat(1_000_000)] {
        talk.send(&user_message(&text, "k")).await;
        assert_refused(&talk.recv().await, "Message too large", "too_large");
    }
    let escaped = "\\u006b".repeat(131_073);
    talk.send_text(&format!(
        r#"{{"type": "EVENT_TYPE_USER_MESSAGE", "payload": {{"text": "{escaped}"}}}}"#
    ))
    .await;
    assert_refused(&talk.recv().await, "Message too large", "too_large");

    let padded = |kind: &str, state: &str, bytes: usize| {
        let empty = json!({"type": kind, "payload": {"state": state, "pad": ""}}).to_string();
        let pad = "x".repeat(bytes - empty.len());
        json!({"type": kind, "payload": {"state": state, "pad": pad}}).to_string()
    };
    for kind in [
        "EVENT_TYPE_HEARTBEAT",
        "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN",
        "EVENT_TYPE_USER_TYPING",
        "EVENT_TYPE_USER_END_SESSION",
    ] {
        talk.send_text(&padded(kind, "TYPING_STATE_STARTED", 131_073)).await;
        assert_refused(&talk.recv().await, "Message too large", "too_large");
    }
    talk.send_text(&padded("EVENT_TYPE_HEARTBEAT", "", 131_072)).await;
    talk.expect("HEARTBEAT").await;
    talk.say("marker", "m").await;
    assert_eq!(brief(&answer_to(&mut talk, "m").await), "5 USER_MESSAGE");
}

/// Covers 4.29.
#[tokio::test]
async fn a_message_before_the_first_join_is_not_recorded() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open().await;
    talk.expect("EVENT_BATCH").await;
    talk.say("Is it back?", "k").await;
    let refusal = talk.recv().await;
    assert_refused(&refusal, "Error: Conversation not found", "conversation_not_found");
    assert_eq!(refusal["metadata"]["custom"]["local_id"], "k");
    talk.join().await;
    talk.greeted().await;
    // The key is free as well.
    talk.say("Is it back?", "k").await;
    assert_eq!(talk.expect("USER_MESSAGE").await["sequence"], 5);
    let log = session.log(5).await;
    assert_eq!(of_kind(&log, "USER_MESSAGE").len(), 1);
    assert_eq!(bot.asked().await.input(), ["Is it back?"]);
}

/// Covers 4.31.
#[tokio::test]
async fn while_the_store_is_away_a_message_is_to_be_sent_again() {
    let bot = Bot::start().await;
    let switch = Switch::default();
    let server = Setup::new(&bot).start_with(switch.tweaks()).await;
    let session = server.session(json!({})).await;
    let (mut talk, asked) = busy(&session, &bot).await;
    switch.off();
    for _ in 0..2 {
        talk.say("Is it back?", "k").await;
        let refusal = next(&mut talk).await;
        assert_refused(&refusal, "Error: Unable to retrieve session", "unavailable");
        assert!(refusal["payload"]["retry_after_ms"].is_u64(), "{refusal:#}");
        assert_eq!(refusal["metadata"]["custom"]["local_id"], "k");
    }
    switch.on();
    talk.say("Is it back?", "k").await;
    let echo = next_is(&mut talk, "USER_MESSAGE").await;
    assert_eq!(echo["sequence"], 6);
    talk.say("Is it back?", "k").await;
    assert_eq!(next_is(&mut talk, "USER_MESSAGE").await, echo);
    asked.text("One moment.").await;
    assert_eq!(bot.asked().await.input(), ["Is it back?"]);
}

/// Covers 4.32.
#[tokio::test]
async fn a_frame_over_1_mib_closes_the_socket_with_1009() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.send_text(&"x".repeat(1_048_576)).await;
    assert_refused(&talk.recv().await, MALFORMED, "invalid_format");
    talk.send_text(&"x".repeat(1_048_577)).await;
    let (frames, code) = talk.closed().await;
    assert_eq!((brief(&frames), code), (String::new(), 1009));

    // The same in parts.
    let mut talk = session.open_from(4).await;
    talk.expect("EVENT_BATCH").await;
    let part = "x".repeat(600_000);
    talk.send_bytes(&wire::frame(wire::TEXT, part.as_bytes())).await;
    talk.send_bytes(&wire::frame(wire::FIN | wire::CONTINUATION, part.as_bytes())).await;
    assert_eq!(talk.closed().await.1, 1009);
}

/// Covers 4.33.
#[tokio::test]
async fn a_text_that_is_not_utf_8_closes_the_socket_with_1007() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    session.open_joined().await;
    for bytes in [
        &b"{\"type\": \"\xff\"}"[..],
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"{\"type\": \"EVENT_TYPE_HEARTBEAT\", \"payload\": {\"x\": \"\xe2\x82\"}}",
    ] {
        let mut talk = session.open_from(4).await;
        talk.expect("EVENT_BATCH").await;
        talk.send_bytes(&wire::frame(wire::FIN | wire::TEXT, bytes)).await;
        let (frames, code) = talk.closed().await;
        assert_eq!((brief(&frames), code), (String::new(), 1007), "{bytes:?}");
    }
}

/// What came back for each key: its echo's sequence, or the refusal.
fn by_key(frames: &[Value]) -> BTreeMap<String, Vec<Value>> {
    let mut answers: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for frame in frames {
        if let Some(key) = frame["metadata"]["custom"]["local_id"].as_str() {
            answers.entry(key.to_owned()).or_default().push(frame.clone());
        }
    }
    answers
}

/// Reads until each of so many keys has an answer.
async fn answers(talk: &mut Talk, keys: usize) -> BTreeMap<String, Vec<Value>> {
    let mut frames = Vec::new();
    while by_key(&frames).len() < keys {
        frames.push(talk.recv().await);
    }
    frames.extend(talk.settle().await);
    by_key(&frames)
}

/// Covers 4.34.
#[tokio::test]
async fn messages_beyond_a_burst_of_20_are_refused_with_a_warning() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let begun = Instant::now();
    let messages: Vec<Value> = (0..200).map(|it| keyed("hello", &format!("k-{it:03}"))).collect();
    talk.send_together(&messages).await;
    let answers = answers(&mut talk, 200).await;
    let allowed = 21 + 5 * usize::try_from(begun.elapsed().as_secs() + 1).unwrap();

    let (echoed, refused): (Vec<&Value>, Vec<&Value>) =
        answers.values().map(|it| &it[0]).partition(|it| is_kind(it, "USER_MESSAGE"));
    assert!((20..=allowed).contains(&echoed.len()), "{} of 200 were recorded", echoed.len());
    for number in 0..20 {
        assert!(is_kind(&answers[&format!("k-{number:03}")][0], "USER_MESSAGE"), "{number}");
    }
    assert!(!refused.is_empty(), "200 messages took too long to be over the rate");
    for refusal in refused {
        let payload = &refusal["payload"];
        assert!(is_kind(refusal, "SYSTEM_MESSAGE"), "{refusal:#}");
        assert_eq!(refusal["sequence"], Value::Null);
        assert_eq!(payload["level"], "SYSTEM_MESSAGE_LEVEL_WARNING");
        assert_eq!(payload["code"], "rate_limited");
        assert!(payload["message"].as_str().is_some_and(|it| !it.is_empty()));
        assert!(payload["retry_after_ms"].as_u64().is_some_and(|it| it > 0), "{payload:#}");
    }
    let last = echoed.iter().filter_map(|it| it["sequence"].as_u64()).max().unwrap();
    let log = session.log(last).await;
    assert_eq!(of_kind(&log, "USER_MESSAGE").len(), echoed.len(), "what was refused is recorded");
}

/// Covers 4.34.
#[tokio::test]
async fn the_burst_is_that_of_the_session_and_not_of_a_connection() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("messages_per_second = 1").start().await;
    let session = server.session(json!({})).await;
    let mut one = session.open_joined().await;
    let mut two = other(&session, 4).await;
    let begun = Instant::now();
    let messages: Vec<Value> = (0..20).map(|it| keyed("hello", &format!("k-{it}"))).collect();
    one.send_together(&messages).await;
    answers(&mut one, 20).await;
    let mut accepted = 0;
    for number in 0..20 {
        let key = format!("two-{number}");
        two.say("hello", &key).await;
        let answer = answer_to(&mut two, &key).await;
        accepted += u64::from(is_kind(answer.last().unwrap(), "USER_MESSAGE"));
    }
    assert!(accepted <= begun.elapsed().as_secs() + 1, "{accepted} more were accepted");
}

/// Covers 4.36.
#[tokio::test]
async fn each_kind_of_frame_draws_on_a_bucket_of_its_own() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let message = keyed("hello", "k");
    let heartbeat = json!({"type": "EVENT_TYPE_HEARTBEAT", "payload": {}});
    let typing =
        json!({"type": "EVENT_TYPE_USER_TYPING", "payload": {"state": "TYPING_STATE_STARTED"}});
    let join = json!({"type": "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN", "payload": {}});
    let unknown = json!({"type": "EVENT_TYPE_NOBODY_KNOWS"});
    // What empties a bucket; what answers it; what has to work all the same, and its answer.
    let cases = [
        (&message, vec![(&heartbeat, "HEARTBEAT"), (&join, "REQUEST_POLY_AGENT_JOIN")]),
        (&heartbeat, vec![(&message, "USER_MESSAGE"), (&join, "REQUEST_POLY_AGENT_JOIN")]),
        (&typing, vec![(&message, "USER_MESSAGE"), (&join, "REQUEST_POLY_AGENT_JOIN")]),
        (&join, vec![(&message, "USER_MESSAGE"), (&heartbeat, "HEARTBEAT")]),
        (&unknown, vec![(&message, "USER_MESSAGE"), (&heartbeat, "HEARTBEAT")]),
    ];
    for (emptying, working) in cases {
        let mut talk = server.session(json!({})).await.open_joined().await;
        let mut burst: Vec<Value> = vec![emptying.clone(); 60];
        burst.extend(working.iter().map(|(frame, _)| (*frame).clone()));
        talk.send_together(&burst).await;
        let (mut is_empty, mut waiting) = (false, working);
        while !is_empty || !waiting.is_empty() {
            let frame = talk.recv().await;
            is_empty |= frame["payload"]["code"] == "rate_limited";
            waiting.retain(|(_, kind)| !is_kind(&frame, kind));
        }
    }
    // Typing and heartbeats share theirs.
    let mut talk = server.session(json!({})).await.open_joined().await;
    let mut burst = vec![typing; 60];
    burst.push(heartbeat);
    talk.send_together(&burst).await;
    talk.say("marker", "m").await;
    let frames = without_thinking(answer_to(&mut talk, "m").await);
    let refused = of_kind(&frames, "SYSTEM_MESSAGE").len();
    assert!(refused > 0, "60 signs of typing and a heartbeat were under the rate");
}

/// Covers 4.37.
#[tokio::test]
async fn nothing_is_dropped_without_a_word() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).sqlite().start().await;
    let session = server.session(json!({})).await;
    let (mut one, _asked) = busy(&session, &bot).await;
    let mut two = other(&session, 5).await;
    let burst = |name: &str| -> Vec<Value> {
        (0..100).map(|it| keyed("hello", &format!("{name}-{it:02}"))).collect()
    };
    let (first, second) = (burst("one"), burst("two"));
    tokio::join!(one.send_together(&first), two.send_together(&second));
    for (talk, name) in [(&mut one, "one"), (&mut two, "two")] {
        let mut frames = Vec::new();
        let own = |frames: &[Value]| -> BTreeMap<String, Vec<Value>> {
            by_key(frames).into_iter().filter(|(key, _)| key.starts_with(name)).collect()
        };
        while own(&frames).len() < 100 {
            frames.push(talk.recv().await);
        }
        for (key, answers) in own(&frames) {
            assert_eq!(answers.len(), 1, "{key}: {answers:#?}");
            let is_echo = is_kind(&answers[0], "USER_MESSAGE") && answers[0]["sequence"].is_u64();
            let is_refusal = answers[0]["payload"]["code"] == "rate_limited";
            assert!(is_echo || is_refusal, "{:#}", answers[0]);
        }
    }
}
