//! `GET /ws`: which requests for a socket are granted.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::bare::Bare;
use crate::support::{Answer, Bot, Request, Session, Setup, Switch, Talk, brief, user_message};
use crate::wire;

/// The id of no session.
const UNKNOWN_ID: &str = "01a17257-d3d0-7d52-a6b3-14c9f07e2d88";

async fn refused(request: Request) -> Answer {
    match request.upgrade().await {
        Ok(_) => panic!("the socket was given"),
        Err(answer) => answer,
    }
}

/// Covers 1.30.
#[tokio::test]
async fn the_parameters_may_come_in_any_order_and_under_either_name() {
    let server = Setup::new(&Bot::start().await).start().await;
    let Session { id, token, .. } = server.session(json!({})).await;
    let queries = [
        format!("session_id={id}&access_token={token}"),
        format!("access_token={token}&session_id={id}"),
        format!("auth_token={token}&session_id={id}"),
        format!("cursor=1&session_id={id}&auth_token={token}&more=x"),
        format!("x&=y&access_token={token}&cursor=seq:0&&session_id={id}"),
    ];
    for query in queries {
        let mut talk = server.request("GET", &format!("/ws?{query}")).open().await;
        talk.expect("EVENT_BATCH").await;
    }
}

/// Covers 1.31.
#[tokio::test]
async fn the_token_may_come_as_a_sub_protocol() {
    let server = Setup::new(&Bot::start().await).start().await;
    let Session { id, token, .. } = server.session(json!({})).await;
    let request = server.request("GET", &format!("/ws?session_id={id}"));
    let offered = format!("segue.v1, bearer.{token}");
    let mut talk = request.clone().header("Sec-WebSocket-Protocol", offered).open().await;
    assert_eq!(talk.answer.header("sec-websocket-protocol"), Some("segue.v1"));
    talk.expect("EVENT_BATCH").await;
    let answer = refused(request.header("Sec-WebSocket-Protocol", "segue.v1, bearer.x")).await;
    answer.expect_refusal(401, "authentication failed", "authentication_failed");
    // A client that offers none is answered with none.
    let path = format!("/ws?session_id={id}&access_token={token}");
    let talk = server.request("GET", &path).open().await;
    assert_eq!(talk.answer.header("sec-websocket-protocol"), None);
}

/// Covers 1.32.
#[tokio::test]
async fn both_parameters_are_needed_whatever_else_is_wrong() {
    let server = Setup::new(&Bot::start().await).start().await;
    let Session { id, token, .. } = server.session(json!({})).await;
    let queries = [
        String::new(),
        format!("?session_id={id}"),
        format!("?access_token={token}"),
        format!("?session_id=&access_token={token}"),
        format!("?session_id={id}&access_token="),
        "?access_token=invalid".to_owned(),
        "?session_id=unknown".to_owned(),
        "?cursor=7".to_owned(),
    ];
    for query in queries {
        for origin in ["https://tallow.example", "https://else.example"] {
            let request = server.request("GET", &format!("/ws{query}")).header("Origin", origin);
            let answer = refused(request.clone()).await;
            let text = "invalid connection parameters";
            answer.expect_refusal(400, text, "invalid_connection_parameters");
            // The same where no socket is asked for at all.
            request.send().await.expect_refusal(400, text, "invalid_connection_parameters");
        }
    }
}

/// Covers 1.33.
#[tokio::test]
async fn only_the_token_that_made_a_session_opens_it() {
    let server = Setup::new(&Bot::start().await).start().await;
    let session = server.session(json!({})).await;
    let other = server.session(json!({})).await;
    let unknown = UNKNOWN_ID.to_owned();
    let cases = [
        (&session.id, &other.token),
        (&session.id, &"invalid".to_owned()),
        (&session.id, &format!("{}x", session.token)),
        (&unknown, &"invalid".to_owned()),
        (&"garbage".to_owned(), &format!("{}x", session.token)),
    ];
    for (id, token) in cases {
        let stranger = Session { id: id.clone(), token: token.clone(), ..session };
        let answer = refused(stranger.socket_request("")).await;
        answer.expect_refusal(401, "authentication failed", "authentication_failed");
    }
    session.open().await.expect("EVENT_BATCH").await;
}

/// Covers 1.33.
#[tokio::test]
async fn a_token_that_has_expired_opens_nothing() {
    let setup = Setup::new(&Bot::start().await).sqlite();
    let server = setup.start().await;
    let session = server.session_of(setup.own_token(60), &json!({}), None).await;
    session.open().await.expect("EVENT_BATCH").await;
    let late = Session { token: setup.own_token(90_000), ..session };
    let answer = refused(late.socket_request("")).await;
    answer.expect_refusal(401, "authentication failed", "authentication_failed");
}

/// Covers 1.34.
#[tokio::test]
async fn a_session_that_does_not_exist_is_not_found() {
    let server = Setup::new(&Bot::start().await).start().await;
    let session = server.session(json!({})).await;
    let unknown = UNKNOWN_ID.to_owned();
    let nil = uuid::Uuid::nil().to_string();
    for id in [&unknown, &nil, "garbage", "%00", "7", &"x".repeat(3_000)] {
        let other = Session { id: id.to_owned(), ..session.clone() };
        let answer = refused(other.socket_request("")).await;
        answer.expect_refusal(404, "session not found", "session_not_found");
    }
}

/// Covers 1.35.
#[tokio::test]
async fn ten_live_connections_leave_no_room_for_another() {
    let server = Setup::new(&Bot::start().await).start().await;
    let session = server.session(json!({})).await;
    let mut talks = Vec::new();
    for _ in 0..10 {
        talks.push(session.open().await);
    }
    let answer = refused(session.socket_request("")).await;
    let text = "connection limit exceeded for session";
    answer.expect_refusal(429, text, "connection_limit_exceeded");
    // Other sessions have their own ten, and a place that is left is free again.
    server.session(json!({})).await.open().await.expect("EVENT_BATCH").await;
    for talk in &mut talks {
        talk.expect("EVENT_BATCH").await;
        talk.expect_nothing().await;
    }
    assert_eq!(talks.pop().unwrap().close(1000).await, 1000);
    session.open().await.expect("EVENT_BATCH").await;
}

/// Covers 1.36.
#[tokio::test]
async fn the_connection_that_has_been_silent_longest_gives_way() {
    let setup = Setup::new(&Bot::start().await).limits("displace_after_seconds = 0");
    let server = setup.start().await;
    let session = server.session(json!({})).await;
    let mut talks = Vec::new();
    for _ in 0..10 {
        let mut talk = session.open().await;
        talk.expect("EVENT_BATCH").await;
        talks.push(talk);
    }
    let mut silent = talks.remove(2);
    let silent_since = silent.came[0]["timestamp"].clone();
    for talk in &mut talks {
        // A clock that counts milliseconds may not have moved yet.
        while talk.came.last().unwrap()["timestamp"].as_str() <= silent_since.as_str() {
            talk.send_message(Message::Pong("".into())).await;
            talk.send(&json!({"type": "EVENT_TYPE_USER_TYPING"})).await;
            talk.recv().await;
        }
    }
    session.open().await.expect("EVENT_BATCH").await;
    assert_eq!(silent.closed().await, (vec![], 1013));
    for talk in &mut talks {
        talk.expect_nothing().await;
    }
}

/// Covers 1.37.
#[tokio::test]
async fn while_the_store_is_away_a_socket_opens_and_is_closed_again() {
    let store = Switch::default();
    let setup = Setup::new(&Bot::start().await);
    let server = setup.start_with(store.tweaks()).await;
    let session = server.session(json!({})).await;
    store.off();
    let mut talk = session.open().await;
    assert_eq!(talk.closed().await, (vec![], 1013));
    store.on();
    session.open().await.expect("EVENT_BATCH").await;
}

/// A session with the sequences 1 to 7.
async fn seven_events(session: &Session) -> Talk {
    let mut talk = session.open_joined().await;
    for number in 5..=7 {
        talk.send(&user_message("Hello", &format!("k-{number}"))).await;
        talk.until("USER_MESSAGE").await;
    }
    talk
}

/// What a socket with this cursor is sent at first.
async fn replayed(session: &Session, cursor: &str) -> String {
    let mut talk = session.socket_request(&format!("&cursor={cursor}")).open().await;
    brief(&[talk.expect("EVENT_BATCH").await])
}

/// Covers 1.38.
#[tokio::test]
async fn a_cursor_is_a_number_or_nothing() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let _talk = seven_events(&session).await;
    for cursor in ["5", "seq:5", "005", "seq%3A5"] {
        assert_eq!(
            replayed(&session, cursor).await,
            "- EVENT_BATCH [1 SESSION_START, 6 USER_MESSAGE, 7 USER_MESSAGE]",
            "{cursor}"
        );
    }
    let everything = "- EVENT_BATCH [1 SESSION_START, 2 REQUEST_POLY_AGENT_JOIN, \
                      3 POLY_AGENT_JOINED, 4 POLY_AGENT_MESSAGE, 5 USER_MESSAGE, 6 USER_MESSAGE, \
                      7 USER_MESSAGE]";
    let nothing = [
        "0",
        "seq:0",
        "",
        "-1",
        "7.5",
        "abc",
        "%2B5",
        "seq:",
        "seq:x",
        "SEQ:5",
        "seq:seq:5",
        "5x",
        "0x5",
        "%20%205",
        "5e0",
        "null",
    ];
    for cursor in nothing {
        assert_eq!(replayed(&session, cursor).await, everything, "{cursor}");
    }
}

/// Covers 1.39.
#[tokio::test]
async fn a_cursor_beyond_the_end_is_the_end() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = seven_events(&session).await;
    let beyond = ["7", "8", "1000", "2147483648", "18446744073709551616", &"9".repeat(50)];
    for (next, cursor) in (8..).zip(beyond) {
        let mut late = session.socket_request(&format!("&cursor={cursor}")).open().await;
        let first = late.expect("EVENT_BATCH").await;
        assert_eq!(brief(&[first]), "- EVENT_BATCH [1 SESSION_START]", "{cursor}");
        talk.say("And now?", &format!("k-{next}")).await;
        let event = late.seek("USER_MESSAGE").await;
        assert_eq!(event["sequence"], next, "{cursor}");
    }
}

/// What came with the request is read by whoever reads the request, and belongs to the socket.
#[tokio::test]
async fn frames_that_do_not_wait_for_the_answer_are_none_the_worse() {
    let server = Setup::new(&Bot::start().await).start().await;
    let heartbeat = |number: usize| {
        let custom = json!({"local_id": format!("h-{number}")});
        wire::json(&json!({"type": "EVENT_TYPE_HEARTBEAT", "metadata": {"custom": custom}}))
    };
    let frames: Vec<u8> = (0..15).flat_map(heartbeat).collect();
    for with_the_request in [0, 1, 7, 300, frames.len() - 1, frames.len()] {
        let session = server.session(json!({})).await;
        let mut bare = Bare::connect(session.address).await;
        let (behind, rest) = frames.split_at(with_the_request);
        bare.upgrade_with(&session, behind).await;
        bare.send(rest).await;
        let mut answered = 0;
        while answered < 15 {
            let (_, payload) = bare.frame().await.expect("the connection goes on");
            let event: Value = serde_json::from_slice(&payload).unwrap();
            if event["type"] == "EVENT_TYPE_HEARTBEAT" {
                let custom = json!({"local_id": format!("h-{answered}")});
                assert_eq!(event["metadata"]["custom"], custom, "{with_the_request}");
                answered += 1;
            }
        }
    }
}
