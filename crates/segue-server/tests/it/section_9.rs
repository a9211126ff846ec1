//! Section 9: the user stops the bot.

use serde_json::{Value, json};

use crate::{
    pick::{assert_adjacent, chunked, is_kind, next, next_is, without_thinking},
    scenes::{busy, other},
    support::{Answer, Bot, Running, Session, Setup, Switch, brief},
};

/// Stops the turn of a session, which has to be granted.
async fn stop(server: &Running, session: &Session) {
    let answer = server.stop_request(session).send().await;
    assert_eq!((answer.status, answer.body.as_slice()), (204, &b""[..]), "{answer:?}");
    assert_eq!(answer.header("content-type"), None);
}

/// The texts that the bot is asked for next.
async fn asked_for(bot: &Bot, texts: &[&str]) {
    let asked = bot.asked().await;
    assert_eq!((&asked.body["reason"], asked.input()), (&json!("message"), texts.to_vec()));
    asked.text("Yes.").await;
}

/// Covers 9.1, 9.2.
#[tokio::test]
async fn a_stream_is_stopped_where_it_is_and_nothing_of_it_follows() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("chunk_interval_ms = 0").start().await;
    let session = server.streaming_session().await;
    let (mut talk, asked) = busy(&session, &bot).await;
    let mut second = other(&session, 5).await;
    let mut answer = asked.stream().await;
    answer.text("It is back, in ").await;
    let chunk = next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
    // Has no place to be cut at, and was not shown when the stop came.
    answer.text("both").await;
    stop(&server, &session).await;
    let last = next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
    assert_adjacent(&[chunk.clone(), last.clone()]);
    assert_eq!(last["payload"]["message_id"], chunk["payload"]["message_id"]);
    assert_eq!(
        (
            &last["payload"]["is_complete"],
            &last["payload"]["text"],
            &last["payload"]["attachments"]
        ),
        (&json!(true), &json!(""), &json!([]))
    );
    answer.gone().await;
    talk.say("And now?", "k-2").await;
    asked_for(&bot, &["And now?"]).await;
    let rest = without_thinking(talk.until_that("the next answer", is_last_chunk).await);
    assert_eq!(brief(&rest), "8 USER_MESSAGE\n9 POLY_AGENT_MESSAGE_CHUNK");
    assert_eq!(chunked(&rest), "Yes.");
    // Every tab sees the same, and so does whoever reads the log.
    let seen =
        without_thinking(second.until_that("the next answer", |it| it["sequence"] == 9).await);
    assert_eq!(seen, [&[chunk, last][..], &rest].concat());
    assert_eq!(session.log(9).await[5..], seen);
}

fn is_last_chunk(frame: &Value) -> bool {
    frame["payload"]["is_complete"] == true
}

/// Covers 9.2, 9.3.
#[tokio::test]
async fn a_turn_of_which_nothing_was_seen_is_stopped_without_a_trace() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, asked) = busy(&session, &bot).await;
    stop(&server, &session).await;
    asked.gone().await;
    talk.say("And now?", "k-2").await;
    asked_for(&bot, &["And now?"]).await;
    let rest = without_thinking(talk.until("POLY_AGENT_MESSAGE").await);
    assert_eq!(brief(&rest), "6 USER_MESSAGE\n7 POLY_AGENT_MESSAGE");
}

/// Covers 9.4.
#[tokio::test]
async fn a_turn_that_is_stopped_before_it_has_begun_answers_nothing_any_more() {
    let store = Switch::default();
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start_with(store.tweaks()).await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    store.without_jobs();
    for (text, key) in [("one", "k-1"), ("two", "k-2")] {
        talk.say(text, key).await;
        next_is(&mut talk, "USER_MESSAGE").await;
    }
    stop(&server, &session).await;
    store.on();
    talk.say("three", "k-3").await;
    asked_for(&bot, &["three"]).await;
    let rest = without_thinking(talk.until("POLY_AGENT_MESSAGE").await);
    assert_eq!(brief(&rest), "7 USER_MESSAGE\n8 POLY_AGENT_MESSAGE");
    bot.expect_not_asked().await;
}

/// Covers 9.5.
#[tokio::test]
async fn what_was_said_while_the_stopped_turn_ran_is_answered_next() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, asked) = busy(&session, &bot).await;
    talk.say("something else", "k-2").await;
    next_is(&mut talk, "USER_MESSAGE").await;
    stop(&server, &session).await;
    asked.gone().await;
    asked_for(&bot, &["something else"]).await;
    assert_eq!(next_is(&mut talk, "POLY_AGENT_MESSAGE").await["sequence"], 7);
}

/// Covers 9.6.
#[tokio::test]
async fn a_greeting_that_was_stopped_is_not_given_again() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).greeting("").start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open().await;
    talk.expect("EVENT_BATCH").await;
    talk.join().await;
    let asked = bot.asked().await;
    assert_eq!(asked.body["reason"], "join");
    stop(&server, &session).await;
    asked.gone().await;
    talk.until("POLY_AGENT_JOINED").await;
    talk.join().await;
    let echo = next_is(&mut talk, "REQUEST_POLY_AGENT_JOIN").await;
    assert!(echo["sequence"].is_null(), "{echo:#}");
    talk.say("And now?", "k-1").await;
    asked_for(&bot, &["And now?"]).await;
    let rest = without_thinking(talk.until("POLY_AGENT_MESSAGE").await);
    assert_eq!(brief(&rest), "4 USER_MESSAGE\n5 POLY_AGENT_MESSAGE");
}

/// Covers 9.7.
#[tokio::test]
async fn without_a_turn_a_stop_changes_nothing() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).connector("handoff = \"client\"").sqlite();
    let server = setup.start().await;
    let session = server.session(json!({})).await;
    // Before the bot was asked, after its greeting, after a handoff, and after the end.
    stop(&server, &session).await;
    let mut talk = session.open_joined().await;
    stop(&server, &session).await;
    stop(&server, &session).await;
    talk.say("A person, please.", "k-1").await;
    bot.asked().await.outputs(json!([{"type": "handoff"}])).await;
    talk.until("POLY_AGENT_LEFT").await;
    stop(&server, &session).await;
    talk.end_session().await;
    let last = talk.seek("SESSION_END").await;
    stop(&server, &session).await;
    let log = session.whole_log().await;
    let kinds = "1 SESSION_START\n2 REQUEST_POLY_AGENT_JOIN\n3 POLY_AGENT_JOINED\n\
                 4 POLY_AGENT_MESSAGE\n5 USER_MESSAGE\n6 POLY_AGENT_TRIGGERED_HANDOFF\n\
                 7 CLIENT_HANDOFF_REQUIRED\n8 POLY_AGENT_LEFT\n9 USER_END_SESSION\n10 SESSION_END";
    assert_eq!((brief(&log), log.last()), (kinds.to_owned(), Some(&last)));
    // Also where the connector was disabled since: its sessions go on.
    server.stop().await;
    let server = setup.connector("disabled = true").start().await;
    stop(&server, &session.on(&server)).await;
}

/// Covers 9.8.
#[tokio::test]
async fn only_the_token_of_the_session_stops_its_turn() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, asked) = busy(&session, &bot).await;
    let request = server.stop_request(&session);
    let refused = |answer: Answer, status, text, code| answer.expect_refusal(status, text, code);

    let answer = request.clone().without("Authorization").send().await;
    refused(answer, 400, "Missing access token", "missing_access_token");
    for header in ["", "Bearer ", "Basic c2VndWU6c2VndWU=", session.token.as_str()] {
        let answer = request.clone().header("Authorization", header).send().await;
        let text = "Missing authentication headers";
        refused(answer, 401, text, "missing_authentication_headers");
    }
    let other = server.session(json!({})).await;
    for token in ["x", "a.b.c", other.token.as_str()] {
        let answer = request.clone().header("Authorization", format!("Bearer {token}"));
        refused(answer.send().await, 401, "Invalid access token", "invalid_access_token");
    }
    let answer = request.clone().header("Origin", "https://else.example").send().await;
    refused(answer, 401, "Invalid access token", "invalid_access_token");
    let unknown = uuid::Uuid::from_u128(7).to_string();
    for name in [unknown.as_str(), "x", "%20", "%ff"] {
        let answer = request.clone().to(&format!("/api/v1/sessions/{name}/stop")).send().await;
        refused(answer, 404, "session not found", "session_not_found");
    }
    // None of them has stopped it.
    asked.text("It is.").await;
    assert_eq!(next(&mut talk).await["payload"]["text"], "It is.");
}

/// Covers 9.9.
#[tokio::test]
async fn a_page_may_stop_a_turn_and_read_what_comes_of_it() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let origin = "https://shop.tallow.example";
    let requests = [
        (204, server.stop_request(&session)),
        (400, server.stop_request(&session).without("Authorization")),
        (401, server.stop_request(&session).header("Authorization", "Bearer x")),
        (404, server.stop_request(&session).to("/api/v1/sessions/x/stop")),
    ];
    for (status, request) in requests {
        let answer = request.header("Origin", origin).send().await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
    let path = format!("/api/v1/sessions/{}/stop", session.id);
    let preflight = server
        .request("OPTIONS", &path)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST");
    let answer = preflight.send().await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some(origin)));
}

/// Covers 9.10.
#[tokio::test]
async fn whoever_stops_too_often_is_told_to_wait() {
    let bot = Bot::start().await;
    let limits = "sockets_per_second = 1\nhandshakes_per_second = 1\nhandshakes_burst = 2";
    let server = Setup::new(&bot).limits(limits).start().await;
    let session = server.session(json!({})).await;
    // Whoever floods the server with new sessions keeps nobody from stopping the bot.
    let flooded = server.token_request().send().await;
    flooded.expect_refusal(429, "Rate limit exceeded", "rate_limited");
    assert_eq!(server.stop_request(&session).send().await.status, 204);
    let mut answer = server.stop_request(&session).send().await;
    for _ in 0..10_000 {
        if answer.status != 204 {
            break;
        }
        answer = server.stop_request(&session).send().await;
    }
    answer.expect_refusal(429, "Rate limit exceeded", "rate_limited");
}

/// Covers 9.11.
#[tokio::test]
async fn a_stop_that_cannot_be_recorded_says_so_and_has_no_effect() {
    let store = Switch::default();
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start_with(store.tweaks()).await;
    let session = server.session(json!({})).await;
    let (mut talk, asked) = busy(&session, &bot).await;
    store.off();
    let answer = server.stop_request(&session).send().await;
    answer.expect_refusal(500, "Failed to stop turn", "failed_to_stop_turn");
    store.on();
    asked.text("It is.").await;
    let answer = next(&mut talk).await;
    assert!(is_kind(&answer, "POLY_AGENT_MESSAGE"), "{answer:#}");
}
