//! Section 8: how sockets end, and that nothing else ends with them.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    bare::Bare,
    pick::{answer_to, is_kind, next_is},
    scenes::keyed,
    support::{Bot, Session, Setup, Switch, brief},
    wire,
};

/// Every code with which the server may begin a close.
const SERVERS_CODES: [u16; 8] = [1000, 1001, 1002, 1007, 1009, 1011, 1013, 4002];

/// Covers 8.19.
#[tokio::test]
async fn a_close_with_1000_follows_the_end_of_the_session_and_nothing_else() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot)
        .limits("close_after_end_ms = 1\nconnections_per_session = 1\ndisplace_after_seconds = 0")
        .connector("connection_idle_seconds = 1")
        .start()
        .await;
    // Closed because the session has ended: all of its sockets, each after it was told.
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.end_session().await;
    let (frames, code) = talk.closed().await;
    assert_eq!(code, 1000);
    assert!(is_kind(frames.last().unwrap(), "SESSION_END"), "{}", brief(&frames));
    // Opened after the end.
    let (frames, code) = session.open().await.closed().await;
    assert_eq!(code, 1000);
    assert_eq!(frames.len(), 1);
    assert!(frames[0].to_string().contains("EVENT_TYPE_SESSION_END"), "{}", brief(&frames));

    // Closed for any other reason: with another code.
    let session = server.session(json!({})).await;
    let mut displaced = session.open_joined().await;
    let mut idle = session.open().await;
    assert_eq!(displaced.closed().await.1, 1013);
    assert_eq!(idle.closed().await.1, 4002);
    for (bytes, expected) in [
        (wire::frame(wire::FIN | wire::TEXT, b"\xff"), 1007),
        (wire::frame(wire::FIN | wire::TEXT, &vec![b'x'; 1_048_577]), 1009),
        (wire::unmasked(wire::FIN | wire::TEXT, b"{}"), 1002),
    ] {
        let mut talk = session.open().await;
        talk.expect("EVENT_BATCH").await;
        talk.send_bytes(&bytes).await;
        assert_eq!(talk.closed().await.1, expected);
        assert!(SERVERS_CODES.contains(&expected));
    }
    let mut last = session.open().await;
    last.expect("EVENT_BATCH").await;
    server.stop().await;
    assert_eq!(last.closed().await.1, 1001);
}

/// Covers 8.20.
#[tokio::test]
async fn a_close_is_answered_with_its_own_code() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    session.open_joined().await;
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4001,
        4002, 4003, 4999,
    ] {
        let mut talk = session.open_from(4).await;
        talk.expect("EVENT_BATCH").await;
        assert_eq!(talk.close(code).await, code);
        // And by hand, before anything was read.
        let mut bare = Bare::open(&session).await;
        bare.send(&wire::close(code)).await;
        assert_eq!(bare.closed().await, code);
    }
    // Without a code there is none to answer with.
    let mut talk = session.open_from(4).await;
    talk.expect("EVENT_BATCH").await;
    talk.send_message(Message::Close(None)).await;
    assert_eq!(talk.closed().await.1, 1005);
}

/// Covers 8.21.
#[tokio::test]
async fn a_code_that_may_not_be_sent_is_answered_with_1002() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535] {
        let mut bare = Bare::open(&session).await;
        bare.send(&wire::close(code)).await;
        assert_eq!(bare.closed().await, 1002, "{code}");
    }
}

/// Covers 8.21.
#[tokio::test]
async fn a_breach_of_the_websocket_protocol_is_closed_with_1002() {
    let heartbeat = br#"{"type": "EVENT_TYPE_HEARTBEAT"}"#;
    let first = wire::frame(wire::TEXT, heartbeat);
    let breaches = [
        ("no mask", wire::unmasked(wire::FIN | wire::TEXT, heartbeat)),
        ("an unknown opcode", wire::frame(wire::FIN | 0x3, heartbeat)),
        ("an unknown control opcode", wire::frame(wire::FIN | 0xb, b"")),
        ("a reserved bit", wire::frame(wire::FIN | 0x40 | wire::TEXT, heartbeat)),
        ("half a ping", wire::frame(wire::PING, b"")),
        ("a long ping", wire::frame(wire::FIN | wire::PING, &[b'x'; 126])),
        ("a continuation of nothing", wire::frame(wire::FIN | wire::CONTINUATION, heartbeat)),
        ("a message within a message", [first.clone(), first].concat()),
        ("half a code", wire::frame(wire::FIN | wire::CLOSE, &[3])),
    ];
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    for (what, bytes) in breaches {
        let mut bare = Bare::open(&session).await;
        bare.send(&bytes).await;
        assert_eq!(bare.closed().await, 1002, "{what}");
    }
}

/// The session can be opened with its cursor, and a message is echoed with the next sequence.
async fn goes_on(session: &Session, head: u64, after: &str) {
    let mut talk = session.open_from(head).await;
    let batch = talk.expect("EVENT_BATCH").await;
    assert_eq!(brief(&[batch]), "- EVENT_BATCH [1 SESSION_START]", "after {after}");
    talk.say("Still there?", &format!("k-{head}")).await;
    let echo = next_is(&mut talk, "USER_MESSAGE").await;
    assert_eq!(echo["sequence"], head + 1, "after {after}");
}

/// Covers 8.22.
#[tokio::test]
async fn no_close_ends_a_session() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("messages_per_second = 0").start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.say("first", "first").await;
    talk.until("POLY_AGENT_THINKING").await;
    let _asked = bot.asked().await;
    let mut head = 5;
    for code in [1000, 1001, 1008, 3000, 4000, 4001, 4002, 4999] {
        let mut talk = session.open().await;
        talk.expect("EVENT_BATCH").await;
        assert_eq!(talk.close(code).await, code);
        goes_on(&session, head, &code.to_string()).await;
        head += 1;
    }
    for (what, bytes) in [
        ("a forbidden code", wire::close(1005)),
        ("a close without a code", wire::frame(wire::FIN | wire::CLOSE, b"")),
        ("a breach", wire::unmasked(wire::FIN | wire::TEXT, b"{}")),
        ("no UTF-8", wire::frame(wire::FIN | wire::TEXT, b"\xff")),
        ("too large a frame", wire::frame(wire::FIN | wire::TEXT, &vec![b'x'; 1_048_577])),
        ("half a frame", wire::frame(wire::FIN | wire::TEXT, b"{}")[..3].to_vec()),
        ("nothing at all", vec![]),
    ] {
        let mut bare = Bare::open(&session).await;
        bare.send(&bytes).await;
        // Those that the server closes wait for it; the others go as they are.
        if !matches!(what, "half a frame" | "nothing at all") {
            assert_ne!(bare.closed().await, 1000, "{what}");
        }
        drop(bare);
        goes_on(&session, head, what).await;
        head += 1;
    }
}

/// Covers 8.23.
#[tokio::test]
async fn the_end_of_a_session_counts_that_comes_in_one_segment_with_a_close() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).sqlite().start().await;
    for code in [1000, 1001, 4000, 4002, 1005] {
        let session = server.session(json!({})).await;
        session.open_joined().await;
        let mut bare = Bare::open(&session).await;
        let end = json!({"type": "EVENT_TYPE_USER_END_SESSION", "payload": {}});
        bare.send(&[wire::json(&end), wire::close(code)].concat()).await;
        drop(bare);
        let log = session.log(6).await;
        assert_eq!(brief(&log[4..]), "5 USER_END_SESSION\n6 SESSION_END", "{code}");
    }
}

/// Covers 8.23.
#[tokio::test]
async fn messages_count_that_come_in_one_segment_with_a_close_or_the_end_of_the_connection() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).sqlite().start().await;
    let goodbyes = [
        wire::close(4002),
        wire::close(1001),
        wire::frame(wire::FIN | wire::CLOSE, b""),
        wire::unmasked(wire::FIN | wire::TEXT, b"{}"),
        vec![],
    ];
    for goodbye in goodbyes {
        let session = server.session(json!({})).await;
        session.open_joined().await;
        let mut bare = Bare::open(&session).await;
        let messages: Vec<u8> =
            (0..5).flat_map(|it| wire::json(&keyed("hello", &format!("k-{it}")))).collect();
        bare.send(&[messages, goodbye].concat()).await;
        drop(bare);
        let mut back = session.open().await;
        back.events_to(9).await;
        // They are in the log once, and in their order.
        back.say("marker", "k-5").await;
        let frames = answer_to(&mut back, "k-5").await;
        assert_eq!(frames.last().unwrap()["sequence"], 10);
        let keys: Vec<String> = crate::support::events_of(&back.came)
            .iter()
            .filter(|it| is_kind(it, "USER_MESSAGE"))
            .map(|it| it["metadata"]["custom"]["local_id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(keys, ["k-0", "k-1", "k-2", "k-3", "k-4", "k-5"]);
    }
}

/// Covers 8.28.
#[tokio::test]
async fn a_fault_of_the_server_closes_the_socket_with_1011_and_not_the_session() {
    let bot = Bot::start().await;
    let switch = Switch::default();
    let server = Setup::new(&bot).start_with(switch.tweaks()).await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    switch.broken();
    let (frames, code) = session.open().await.closed().await;
    assert_eq!((brief(&frames), code), (String::new(), 1011));
    switch.on();
    // Neither the session nor the socket that met no fault knows of it.
    talk.say("Still there?", "k").await;
    let echo = next_is(&mut talk, "USER_MESSAGE").await;
    let mut again = session.open().await;
    let replayed = again.expect("EVENT_BATCH").await;
    assert_eq!(replayed["payload"]["events"].as_array().unwrap().last(), Some(&echo));
}
