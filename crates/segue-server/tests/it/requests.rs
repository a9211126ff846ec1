//! What holds for every request: correlation ids, the form of errors, no redirects, origins.

use serde_json::json;

use crate::support::{Answer, Bot, Logs, Request, Running, SHOP_HOST, SHOP_TOKEN, Setup};

const CORRELATION_ID: &str = "X-PolyAI-Correlation-Id";

/// One request of every kind, each with another status.
async fn one_of_each(server: &Running) -> Vec<(u16, Request)> {
    let session = server.session(json!({})).await;
    let token = &session.token;
    vec![
        (200, server.token_request()),
        (401, server.token_request().without("X-Token")),
        (200, server.session_request(token, &json!({}))),
        (400, server.session_request(token, &json!({})).without("Authorization")),
        (400, server.session_request(token, &json!({})).body("{")),
        (401, server.session_request("x", &json!({}))),
        (400, server.request("GET", "/ws")),
        (401, server.request("GET", "/ws?session_id=x&access_token=y")),
        (404, server.request("GET", &format!("/ws?session_id=x&access_token={token}"))),
        (404, server.request("GET", "/nowhere")),
        (405, server.request("GET", "/api/v1/sessions")),
        (200, server.request("GET", "/healthz")),
        (200, server.request("GET", "/readyz")),
        (200, server.request("GET", "/")),
        (204, preflight(server, "https://tallow.example")),
    ]
}

/// The question that a browser asks before a request from a page.
fn preflight(server: &Running, origin: &str) -> Request {
    server
        .request("OPTIONS", "/api/v1/access-token")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type,x-host,x-token")
}

/// Covers 1.1.
#[tokio::test]
async fn every_answer_repeats_the_correlation_id_of_its_request() {
    let server = Setup::new(&Bot::start().await).start().await;
    for id in ["support-case-1187", "a", "two words, ~ and !", &"x".repeat(128)] {
        for (status, request) in one_of_each(&server).await {
            let answer = request.header(CORRELATION_ID, id).send().await;
            assert_eq!((answer.status, answer.header(CORRELATION_ID)), (status, Some(id)));
        }
    }
    let session = server.session(json!({})).await;
    let talk = session.socket_request("").header(CORRELATION_ID, "upgrade-7").open().await;
    assert_eq!(talk.answer.header(CORRELATION_ID), Some("upgrade-7"));
}

/// Covers 1.1.
#[tokio::test]
async fn an_answer_has_a_fresh_correlation_id_where_its_request_has_none_that_is_fit() {
    let server = Setup::new(&Bot::start().await).start().await;
    let mut ids = std::collections::BTreeSet::new();
    for (status, request) in one_of_each(&server).await {
        let answer = request.send().await;
        assert_eq!(answer.status, status);
        assert!(ids.insert(fresh_id(&answer)), "the id of another request");
    }
    let unfit: [&[u8]; 5] = [&[b'x'; 129], "Ärger".as_bytes(), b"a\tb", b"", &[0xff]];
    for id in unfit {
        let answer = server.token_request().header(CORRELATION_ID, id).send().await;
        assert_eq!(answer.status, 200);
        assert!(ids.insert(fresh_id(&answer)), "the id of another request");
    }
}

fn fresh_id(answer: &Answer) -> uuid::Uuid {
    let id = answer.header(CORRELATION_ID).unwrap();
    uuid::Uuid::try_parse(id).unwrap_or_else(|_| panic!("no UUID: {id}"))
}

/// Covers 1.2.
#[tokio::test]
async fn the_log_lines_of_a_request_carry_its_correlation_id() {
    let logs = Logs::capture();
    let server = Setup::new(&Bot::start().await).start().await;
    for (number, (_, request)) in one_of_each(&server).await.into_iter().enumerate() {
        let id = format!("log-lines-of-request-{number}.");
        request.header(CORRELATION_ID, &id).send().await;
        assert_ne!(logs.lines_with(&id), [""; 0], "nothing was logged about request {number}");
    }
    let session = server.session(json!({})).await;
    let mut talk = session.socket_request("").header(CORRELATION_ID, "log-lines-1").open().await;
    talk.expect("EVENT_BATCH").await;
    let opened = format!("opened a socket of session {}", session.id);
    let [line] = &logs.lines_with(&opened)[..] else { panic!("no line {opened}") };
    assert!(line.contains("log-lines-1"), "{line}");
}

/// Covers 1.3.
#[tokio::test]
async fn errors_say_everything_and_nothing_else() {
    let server = Setup::new(&Bot::start().await).start().await;
    let answer = server
        .token_request()
        .header("X-Host", "else.example")
        .header(CORRELATION_ID, "support-case-1187")
        .send()
        .await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.json(),
        json!({
            "error": "Failed to validate connector", "message": "Failed to validate connector",
            "code": "failed_to_validate_connector", "correlation_id": "support-case-1187",
        })
    );
    let errors: Vec<_> =
        one_of_each(&server).await.into_iter().filter(|(status, _)| *status >= 400).collect();
    assert_eq!(errors.len(), 9);
    for (status, request) in errors {
        let answer = request.send().await;
        let body = answer.json();
        let text = body["error"].as_str().unwrap();
        answer.expect_refusal(status, text, body["code"].as_str().unwrap());
        let code = body["code"].as_str().unwrap();
        assert!(code.bytes().all(|it| it.is_ascii_lowercase() || it == b'_'), "{code}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

/// Covers 1.4.
#[tokio::test]
async fn nothing_is_answered_with_a_redirect() {
    let server = Setup::new(&Bot::start().await).start().await;
    let token = server.access_token().await;
    let paths = [
        "/api/v1/access-token",
        "/api/v1/sessions",
        "/ws",
        "/healthz",
        "/readyz",
        "/page.js",
        "/demo.json",
        "/api/v1",
        "/api",
        "/nowhere",
    ];
    for path in paths {
        for path in [path.to_owned(), format!("{path}/"), format!("/{path}"), path.to_uppercase()] {
            for method in ["GET", "POST", "HEAD", "PUT", "OPTIONS"] {
                let request = server
                    .request(method, &path)
                    .header("X-Token", SHOP_TOKEN)
                    .header("X-Host", SHOP_HOST)
                    .header("Authorization", format!("Bearer {token}"));
                let status = request.send().await.status;
                assert!(!(300..400).contains(&status), "{method} {path} is answered with {status}");
            }
        }
    }
}

/// Covers 1.6.
#[tokio::test]
async fn a_preflight_of_an_origin_of_any_connector_is_granted() {
    let other = r#"
[[connectors]]
id = "mill"
token = "mill-token-22"
hosts = ["mill.example"]
bot = "wick"
"#;
    let server = Setup::new(&Bot::start().await).also(other).start().await;
    for origin in ["https://tallow.example", "https://www.mill.example"] {
        for path in ["/api/v1/access-token", "/api/v1/sessions"] {
            let answer = preflight(&server, origin).to(path).send().await;
            assert_eq!((answer.status, answer.body.len()), (204, 0));
            let header = |name: &str| answer.header(name);
            assert_eq!(header("access-control-allow-origin"), Some(origin));
            assert_eq!(
                header("access-control-allow-headers"),
                Some("content-type, x-token, x-host, authorization, x-polyai-correlation-id")
            );
            assert_eq!(header("vary"), Some("Origin"));
            assert_eq!(header("access-control-max-age"), Some("600"));
            assert_eq!(header("access-control-allow-credentials"), None);
        }
    }
    for origin in ["https://else.example", "https://nottallow.example", "null", "tallow.example"] {
        let answer = preflight(&server, origin).send().await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
    }
}

/// Covers 1.7.
#[tokio::test]
async fn a_page_may_read_the_answers_to_its_requests_and_errors_too() {
    let server = Setup::new(&Bot::start().await).start().await;
    let origin = "https://shop.tallow.example";
    let token = server.access_token().await;
    let requests = [
        (200, server.token_request()),
        (401, server.token_request().header("X-Host", "else.example")),
        (401, server.token_request().header("X-Token", "unknown")),
        (200, server.session_request(&token, &json!({}))),
        (400, server.session_request(&token, &json!({})).without("Authorization")),
        (401, server.session_request("x", &json!({}))),
        (400, server.session_request(&token, &json!({})).body("[]")),
    ];
    for (status, request) in requests {
        let answer = request.header("Origin", origin).send().await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        let exposed = answer.header("access-control-expose-headers").unwrap();
        let exposed: Vec<_> = exposed.split(',').map(str::trim).collect();
        assert!(exposed.contains(&"Retry-After"), "{exposed:?}");
        assert!(exposed.contains(&CORRELATION_ID), "{exposed:?}");
    }
}

/// Covers 1.8.
#[tokio::test]
async fn an_origin_that_the_connector_does_not_allow_is_refused_everywhere() {
    let other = r#"
[[connectors]]
id = "mill"
token = "mill-token-22"
hosts = ["mill.example", "null"]
bot = "wick"
"#;
    let server = Setup::new(&Bot::start().await).also(other).start().await;
    let session = server.session(json!({})).await;
    // Of another connector, of nobody, of a page without one, and no origin at all.
    let foreign: [&[u8]; 5] =
        [b"https://mill.example", b"https://else.example", b"null", b"tallow.example", b"\xff"];
    for origin in foreign {
        let answer = server.token_request().header("Origin", origin).send().await;
        let text = "Failed to validate connector";
        answer.expect_refusal(401, text, "failed_to_validate_connector");
        let request = server.session_request(&session.token, &json!({}));
        let answer = request.header("Origin", origin).send().await;
        answer.expect_refusal(401, "Invalid access token", "invalid_access_token");
        let answer = session.socket_request("").header("Origin", origin).upgrade().await;
        let Err(answer) = answer else { panic!("a socket for {origin:?}") };
        answer.expect_refusal(401, "authentication failed", "authentication_failed");
    }
    let own = "https://tallow.example";
    assert_eq!(server.token_request().header("Origin", own).send().await.status, 200);
    session.socket_request("").header("Origin", own).open().await;
    let mill = server.token_request().header("X-Token", "mill-token-22");
    let mill = mill.header("X-Host", "mill.example").header("Origin", "null");
    assert_eq!(mill.send().await.status, 200);
}

/// Covers 1.50.
#[tokio::test]
async fn a_connector_for_servers_serves_no_browser() {
    let back = "[[connectors]]\nid = \"back\"\ntoken = \"back-token-77\"\nbot = \"wick\"\n\
                hosts = [\"back.example\"]\nserver_only = true\n";
    let server = Setup::new(&Bot::start().await).also(back).start().await;
    let ask = || {
        let request = server.token_request().header("X-Token", "back-token-77");
        request.header("X-Host", "back.example")
    };
    let origin = "https://back.example";
    let answer = ask().header("Origin", origin).send().await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    answer.expect_refusal(401, "Failed to validate connector", "failed_to_validate_connector");
    let token = ask().send().await.json()["access_token"].as_str().unwrap().to_owned();
    let request = server.session_request(&token, &json!({}));
    let answer = request.header("Origin", origin).send().await;
    answer.expect_refusal(401, "Invalid access token", "invalid_access_token");
    assert_eq!(server.session_request(&token, &json!({})).send().await.status, 200);
}

/// Covers 1.5.
#[tokio::test]
async fn whoever_is_told_to_come_later_is_told_when() {
    let setup = Setup::new(&Bot::start().await);
    let setup = setup
        .limits("connections_per_session = 1\nsessions_per_token = 1\nhandshakes_per_second = 1");
    let server = setup.start().await;
    let session = server.session(json!({})).await;
    let _talk = session.open().await;
    let full = session.socket_request("").upgrade().await.err().unwrap();
    let used_up = server.session_request(&session.token, &json!({})).send().await;
    let mut fast = server.token_request().send().await;
    for _ in 0..10_000 {
        if fast.status == 429 {
            break;
        }
        fast = server.token_request().send().await;
    }
    // All three have a `Retry-After` from 1 to 30, which this looks at.
    full.expect_refusal(429, "connection limit exceeded for session", "connection_limit_exceeded");
    used_up.expect_refusal(429, "Rate limit exceeded", "rate_limited");
    fast.expect_refusal(429, "Rate limit exceeded", "rate_limited");
}
