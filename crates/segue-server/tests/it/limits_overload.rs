//! What the server does when there is more to do than can be done, and with clients that take their
//! time.

use segue_server::{limits, server::Tweaks};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::{
    bare::Bare,
    support::{Bot, Hold, Logs, Running, Setup, Switch, events_of, within},
    wire,
};

/// Covers 1.43.
#[tokio::test]
async fn while_the_store_keeps_users_waiting_new_sessions_are_refused_and_live_ones_go_on() {
    let logs = Logs::capture();
    let hold = Hold::default();
    let setup = Setup::new(&Bot::start().await).sqlite();
    let setup = setup.limits("overload_append_ms = 50\nhandshakes_per_second = 0");
    let before_commit = Some(hold.before_commit());
    let server = setup.start_with(Tweaks { before_commit, ..Tweaks::default() }).await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let token = server.access_token().await;
    hold.close();
    talk.say("is anybody there?", "m-1").await;
    hold.arrived().await;
    within("new sessions to be refused", async {
        while server.token_request().send().await.status == 200 {}
    })
    .await;
    let refused = server.token_request().send().await;
    refused.expect_refusal(429, "Rate limit exceeded", "rate_limited");
    assert_eq!(refused.header("retry-after"), Some("5"));
    let refused = server.session_request(&token, &json!({})).send().await;
    refused.expect_refusal(429, "Rate limit exceeded", "rate_limited");
    // Who lives in a conversation may come back to it, and reads on.
    let mut second = session.open_from(1).await;
    second.events_to(4).await;
    talk.settle().await;
    assert_eq!(logs.lines_with("overloaded, new sessions are refused").len(), 1);

    hold.open();
    talk.seek("USER_MESSAGE").await;
    within("new sessions to be welcome", async {
        while server.token_request().send().await.status != 200 {}
    })
    .await;
    server.session(json!({})).await;
    assert_eq!(logs.lines_with("no longer overloaded").len(), 1);
}

/// After a crash everybody comes back at once, and somebody new among them.
#[tokio::test]
async fn who_begins_a_conversation_does_not_wait_for_all_who_come_back() {
    let setup = Setup::new(&Bot::start().await).sqlite();
    let setup = setup.limits("handshakes_per_second = 0\nsockets_per_second = 0");
    let server = setup.start().await;
    let mut sessions = Vec::new();
    for _ in 0..limits::RESUMES_AT_ONCE_MAX + 10 {
        sessions.push(server.session(json!({})).await);
    }
    server.stop().await;
    let switch = Switch::default();
    switch.hold(sessions.iter().map(|it| it.id.parse().unwrap()));
    let server = setup.start_with(switch.tweaks()).await;
    let mut returning = tokio::task::JoinSet::new();
    for mut session in sessions {
        session.address = server.address();
        returning.spawn(async move { session.open_from(1).await.expect("EVENT_BATCH").await });
    }
    within("as many as may to ask for their sessions", async {
        while switch.waiting() < limits::RESUMES_AT_ONCE_MAX {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.session(json!({})).await.open_joined().await;
    assert_eq!(switch.waiting(), limits::RESUMES_AT_ONCE_MAX);
    switch.hold([]);
    within("the others to have their turn", returning.join_all()).await;
}

async fn connect(server: &Running) -> TcpStream {
    TcpStream::connect(server.address()).await.unwrap()
}

/// Everything up to the end of the connection.
async fn rest(tcp: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is as good an end as any.
    let _ = within("the connection to end", tcp.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn headers_that_do_not_come_end_the_connection() {
    let setup = Setup::new(&Bot::start().await).limits("headers_seconds = 1");
    let server = setup.start().await;
    let mut silent = connect(&server).await;
    assert_eq!(rest(&mut silent).await, "");
    let mut slow = connect(&server).await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").await.unwrap();
    let answer = rest(&mut slow).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // So does a second request.
    let mut second = connect(&server).await;
    second.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_refused() {
    let setup = Setup::new(&Bot::start().await).limits("request_body_seconds = 1");
    let server = setup.start().await;
    let token = server.access_token().await;
    for length in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut tcp = connect(&server).await;
        let head = format!(
            "POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             {length}\r\n\r\n"
        );
        tcp.write_all(head.as_bytes()).await.unwrap();
        let answer = rest(&mut tcp).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("\"Error parsing request\""), "{answer}");
    }
    // Where the body says nothing, nobody waits for it.
    let mut tcp = connect(&server).await;
    let head = format!(
        "POST /api/v1/access-token HTTP/1.1\r\nHost: localhost\r\nX-Token: {}\r\nX-Host: {}\r\n\
         Content-Length: 100\r\n\r\n",
        crate::support::SHOP_TOKEN,
        crate::support::SHOP_HOST,
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    assert!(rest(&mut tcp).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn whoever_takes_nothing_of_its_answers_is_gone() {
    let setup = Setup::new(&Bot::start().await).limits("response_seconds = 1");
    let server = setup.start().await;
    let mut tcp = connect(&server).await;
    let many = b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    within("the connection to end", async {
        // The server stops to read when nothing is taken, and so this waits, until it is over.
        while tcp.write_all(&many).await.is_ok() {}
    })
    .await;
    assert_eq!(server.request("GET", "/healthz").send().await.status, 200);
}

/// Covers 8.29.
#[tokio::test]
async fn a_message_that_never_ends_ends_its_socket() {
    let server = Setup::new(&Bot::start().await).limits("frame_seconds = 1").start().await;
    let session = server.session(json!({})).await;
    let beginning = br#"{"type": "EVENT_TYPE_HEARTBEAT", "#;
    // One frame of which only a part comes, and a message without its last frame.
    let mut part = wire::frame(wire::FIN | wire::TEXT, &[b' '; 1_000]);
    part.truncate(500);
    for bytes in [part, wire::frame(wire::TEXT, beginning)] {
        let mut bare = Bare::open(&session).await;
        bare.send(&bytes).await;
        assert_eq!(bare.closed().await, 1013);
    }
    // Also behind a whole one, and behind pings, that came with it.
    let heartbeat = wire::frame(wire::FIN | wire::TEXT, br#"{"type": "EVENT_TYPE_HEARTBEAT"}"#);
    let large = wire::frame(wire::FIN | wire::TEXT, &vec![b' '; 40_000]);
    let pings = wire::frame(wire::FIN | wire::PING, b"still here").repeat(100);
    for bytes in [6_000, 16_000, 30_000] {
        let mut bare = Bare::open(&session).await;
        bare.send(&[&heartbeat, &pings[..], &large[..bytes]].concat()).await;
        assert_eq!(bare.closed().await, 1013, "{bytes} bytes");
    }
    // Pings between its parts do not help it on.
    let mut bare = Bare::open(&session).await;
    bare.send(&wire::frame(wire::TEXT, beginning)).await;
    let code = loop {
        bare.send(&wire::frame(wire::FIN | wire::PING, b"still here")).await;
        match bare.frame().await {
            Some((wire::CLOSE, payload)) => break u16::from_be_bytes([payload[0], payload[1]]),
            Some(_) => {}
            None => panic!("the connection ended without a close"),
        }
    };
    assert_eq!(code, 1013);
    // A quiet client, and one whose messages come in pieces, have nothing to fear.
    let mut bare = Bare::open(&session).await;
    for _ in 0..50 {
        bare.send(&wire::frame(wire::TEXT, beginning)).await;
        bare.send(&wire::frame(wire::FIN | wire::CONTINUATION, br#""payload": {}}"#)).await;
    }
    let mut echoes = 0;
    while echoes < 20 {
        let (_, payload) = bare.frame().await.expect("the socket stays");
        let frame: Value = serde_json::from_slice(&payload).expect("frames are JSON");
        echoes += usize::from(frame["type"] == "EVENT_TYPE_HEARTBEAT");
    }
}

/// Covers 1.44.
#[tokio::test]
async fn attributes_may_be_nested_64_deep() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).greeting("").start().await;
    let token = server.access_token().await;
    let nested = |levels: usize| {
        let inner = format!("{}{}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        format!(r#"{{"integration_attributes": {{"]": "\"[[", "deep": {inner}}}}}"#)
    };
    let deepest = server.session_request(&token, &json!({})).body(nested(64)).send().await;
    assert_eq!(deepest.status, 200, "{deepest:?}");
    for levels in [65, 100] {
        let answer = server.session_request(&token, &json!({})).body(nested(levels)).send().await;
        answer.expect_refusal(400, "Error parsing request", "error_parsing_request");
    }
    // What is ignored may be as deep as a body is long: nothing here recurses over it.
    let deep = format!(r#"{{"unknown": {}{}}}"#, "[".repeat(15_000), "]".repeat(15_000));
    let mut tcp = connect(&server).await;
    let request = format!(
        "POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{deep}",
        deep.len()
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    assert!(rest(&mut tcp).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn frames_that_come_while_the_store_hangs_wait_and_none_is_lost() {
    let hold = Hold::default();
    let setup = Setup::new(&Bot::start().await).sqlite().limits("messages_per_second = 0");
    let tweaks = Tweaks { before_commit: Some(hold.before_commit()), ..Tweaks::default() };
    let server = setup.start_with(tweaks).await;
    let mut talk = server.session(json!({})).await.open_joined().await;
    // More than 64 frames and more than 256 KiB: what is over stays in the network.
    let text = "x".repeat(2_000);
    let frames: Vec<Value> = (0..300)
        .map(|it| {
            json!({
                "type": "EVENT_TYPE_USER_MESSAGE", "payload": {"text": text},
                "metadata": {"custom": {"local_id": format!("k-{it}")}},
            })
        })
        .collect();
    hold.close();
    let opening = async {
        hold.arrived().await;
        hold.open();
    };
    within("room", futures_util::future::join(talk.send_together(&frames), opening)).await;
    // Some come alone and some in batches; none is missing, and none comes before its turn.
    let mut came = Vec::new();
    while came.len() < 300 {
        let events = events_of(&[talk.recv().await]);
        let keys = events.iter().filter_map(|it| it["metadata"]["custom"]["local_id"].as_str());
        came.extend(keys.map(str::to_owned));
    }
    assert_eq!(came, (0..300).map(|it| format!("k-{it}")).collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test]
async fn who_does_not_answer_a_close_is_gone() {
    let setup = Setup::new(&Bot::start().await).limits("close_after_end_ms = 1");
    let server = setup.start().await;
    let session = server.session(json!({})).await;
    let mut bare = Bare::open(&session).await;
    session.open_joined().await.end_session().await;
    assert_eq!(bare.closed().await, 1000);
    // It says nothing more, and keeps its end open.
    assert_eq!(bare.frame().await, None);
}

#[tokio::test]
async fn who_does_not_answer_a_server_that_stops_is_gone_at_once() {
    let server = Setup::new(&Bot::start().await).start().await;
    let session = server.session(json!({})).await;
    let mut bare = Bare::open(&session).await;
    let leaving = async {
        assert_eq!(bare.closed().await, 1001);
        let closed_at = Instant::now();
        assert_eq!(bare.frame().await, None);
        closed_at.elapsed()
    };
    let (took, ()) = tokio::join!(leaving, server.stop());
    // At other times, an answer is waited for two seconds.
    assert!(took.as_millis() < 1_500, "{took:?}");
}
