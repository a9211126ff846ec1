//! How many sessions a connector may have.

use segue_server::server::sources;
use serde_json::json;

use crate::support::{Admin, Answer, Bot, Running, Session, Setup};

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

/// Who still has an access token at the end of its session can come back to read that.
#[tokio::test]
async fn a_session_ends_a_quarter_of_an_hour_before_its_token() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    // A token that is good for 1,000 s more, and one that is good for 800 s.
    let token = setup.own_token(86_400 - 1_000);
    let session = server.session_of(token, &json!({}), None).await;
    let admin = Admin::of(&setup, &server);
    let shown = admin.get(&format!("/admin/v1/sessions/{}", session.id)).await;
    // Both in the same day or on the two sides of midnight.
    let second = |name: &str| {
        let time = shown[name].as_str().unwrap();
        let part = |at: usize| time[at..at + 2].parse::<u64>().unwrap();
        (part(11) * 60 + part(14)) * 60 + part(17)
    };
    let life = (86_400 + second("expires_at") - second("created_at")) % 86_400;
    assert!((80..=100).contains(&life), "{life} s");
    let late = server.session_request(&setup.own_token(86_400 - 800), &json!({})).send().await;
    late.expect_refusal(401, "Invalid access token", "invalid_access_token");
    server.stop().await;
}
