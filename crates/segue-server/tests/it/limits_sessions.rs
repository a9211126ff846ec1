//! How many sessions a connector may have.

use segue_server::server::sources;
use serde_json::json;

use crate::support::{Answer, Bot, Running, Session, Setup};

async fn ask(server: &Running) -> Answer {
    // A fresh token each: what a token may create is another limit.
    let token = server.access_token().await;
    server.session_request(&token, &json!({})).send().await
}

fn expect_refused(answer: &Answer) {
    answer.expect_refusal(429, "Rate limit exceeded", "rate_limited");
}

async fn end(session: &Session) {
    let mut talk = session.open().await;
    talk.end_session().await;
    talk.seek("SESSION_END").await;
}

/// Covers 1.42.
#[tokio::test]
async fn so_many_sessions_of_a_connector_live_at_a_time_over_restarts_too() {
    let other = "[[connectors]]\nid = \"mill\"\ntoken = \"mill-token-22\"\n\
                 hosts = [\"tallow.example\"]\nbot = \"wick\"\n";
    let setup = Setup::new(&Bot::start().await).sqlite();
    let setup = setup.connector("live_sessions = 2").also(other);
    let server = setup.start().await;
    let first = server.session(json!({})).await;
    let second = server.session(json!({})).await;
    expect_refused(&ask(&server).await);
    let token = server.access_token_of("mill-token-22").await;
    server.session_of(token, &json!({}), None).await;
    server.stop().await;

    let server = setup.start().await;
    expect_refused(&ask(&server).await);
    end(&first.on(&server)).await;
    assert_eq!(ask(&server).await.status, 200);
    expect_refused(&ask(&server).await);
    // The others go on.
    second.on(&server).open().await.expect("EVENT_BATCH").await;
    server.stop().await;

    let server = setup.start().await;
    expect_refused(&ask(&server).await);
    end(&second.on(&server)).await;
    assert_eq!(ask(&server).await.status, 200);
}

/// Covers 1.42.
#[tokio::test]
async fn so_many_sessions_of_a_connector_are_created_in_an_hour_over_restarts_too() {
    let bot = Bot::start().await;
    let hour = || (sources().now)() / 3_600_000;
    loop {
        let setup = Setup::new(&bot).sqlite().limits("sessions_per_hour = 2");
        let began = hour();
        let server = setup.start().await;
        let first = server.session(json!({})).await;
        let answers = [ask(&server).await, ask(&server).await];
        // An end gives nothing back.
        end(&first).await;
        let after_end = ask(&server).await;
        server.stop().await;
        let server = setup.start().await;
        let after_restart = ask(&server).await;
        if hour() == began {
            assert_eq!(answers[0].status, 200);
            for answer in [&answers[1], &after_end, &after_restart] {
                expect_refused(answer);
            }
            return;
        }
    }
}

#[tokio::test]
async fn zero_is_no_limit() {
    let limits = "live_sessions = 0\nsessions_per_hour = 0\nsessions_per_token = 0\n\
                  turns_per_session = 0";
    let server = Setup::new(&Bot::start().await).limits(limits).start().await;
    let token = server.access_token().await;
    for _ in 0..30 {
        server.session_of(token.clone(), &json!({}), None).await;
    }
}
