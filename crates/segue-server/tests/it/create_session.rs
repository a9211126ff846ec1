//! `POST /api/v1/sessions`: who gets a session, and what is kept of its body.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{Bot, Running, Session, Setup, Switch, shown};

/// The capabilities that the session of this body has.
async fn capabilities(server: &Running, body: &Value) -> Value {
    let first = server.session(body.clone()).await.open().await.expect("EVENT_BATCH").await;
    first["payload"]["events"][0]["payload"]["capabilities"].clone()
}

/// What the bot is told of a session of this body.
async fn told(server: &Running, bot: &Bot, body: Value) -> Value {
    let mut talk = server.session(body).await.open_joined().await;
    talk.say("Hello", "k-1").await;
    let asked = bot.asked().await;
    let said = asked.body.clone();
    asked.text("Yes.").await;
    talk.until("POLY_AGENT_MESSAGE").await;
    said
}

/// Covers 1.20.
#[tokio::test]
async fn a_valid_token_is_enough_for_a_session() {
    let server = Setup::new(&Bot::start().await).start().await;
    let token = server.access_token().await;
    let mut ids = BTreeSet::new();
    let request = || server.session_request(&token, &json!({}));
    let bodies = [request(), request().body(""), request().body("").without("Content-Type")];
    for request in bodies {
        let answer = request.send().await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        let said = answer.json();
        assert_eq!(said.as_object().unwrap().len(), 1, "{said}");
        let id = said["session_id"].as_str().unwrap().to_owned();
        assert!(uuid::Uuid::try_parse(&id).is_ok(), "{id}");
        let session = Session { address: server.address(), id: id.clone(), token: token.clone() };
        session.open().await.expect("EVENT_BATCH").await;
        assert!(ids.insert(id), "the same id again");
    }
}

/// Covers 1.21.
#[tokio::test]
async fn a_session_streams_where_it_asks_for_it() {
    let server = Setup::new(&Bot::start().await).start().await;
    let cases = [
        (json!({"streaming_enabled": true}), true),
        (json!({"streaming_enabled": false}), false),
        (json!({}), false),
    ];
    for (body, streams) in cases {
        assert_eq!(capabilities(&server, &body).await["streaming"], streams, "{body}");
    }
}

/// Covers 1.22.
#[tokio::test]
async fn the_bot_is_told_what_the_session_was_made_with() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let body = json!({
        "platform": "android-web", "language": "de-AT", "variant_id": "b",
        "integration_attributes": {"plan": "gold", "nested": {"a": [1, 2.5, null, "ü"]}},
    });
    let said = told(&server, &bot, body.clone()).await;
    for name in ["platform", "language", "variant_id", "integration_attributes"] {
        assert_eq!(said[name], body[name], "{name}");
    }
    let platforms = [
        (json!("web"), "web"),
        (json!("ios"), "ios"),
        (json!("android"), "android"),
        (json!("ios-web"), "ios-web"),
        (json!("custom"), "custom"),
        (json!("toaster"), "custom"),
        (json!(null), "web"),
    ];
    for (asked, kept) in platforms {
        let said = told(&server, &bot, json!({"platform": asked})).await;
        assert_eq!(said["platform"], kept, "{asked}");
    }
    let said = told(&server, &bot, json!({})).await;
    assert_eq!(said["platform"], "web");
    assert_eq!((&said["language"], &said["variant_id"]), (&Value::Null, &Value::Null));
    assert_eq!(said["integration_attributes"], json!({}));
}

/// Covers 1.23.
#[tokio::test]
async fn unknown_fields_and_extensions_change_nothing() {
    let server = Setup::new(&Bot::start().await).start().await;
    let long = "a wall of kühlschränke ".repeat(100);
    for device_type in ["mobile", "tablet", "desktop", "a toaster", "", &long] {
        server.session(json!({"device_type": device_type, "x": {"y": [1]}, "": 7})).await;
    }
    let session = server.session(json!({"extensions": ["receipts", "idle_warning", "new"]})).await;
    let mut talk = session.open().await;
    let first = talk.expect("EVENT_BATCH").await;
    insta::assert_snapshot!(shown(&first["payload"]["events"].as_array().unwrap()[..]), @r#"
    {
      "id": "[id 1]",
      "payload": {
        "capabilities": {
          "heartbeat_interval_seconds": 30,
          "max_message_size_bytes": 131072,
          "max_reconnect_attempts": 1000,
          "streaming": false
        }
      },
      "sequence": 1,
      "timestamp": "[time]",
      "type": "EVENT_TYPE_SESSION_START"
    }
    "#);
    let types = ["EVENT_TYPE_USER_RECEIVED_MESSAGE", "EVENT_TYPE_USER_READ_MESSAGE"];
    for kind in types {
        talk.send(&json!({"type": kind, "payload": {"message_id": "x"}})).await;
        let refusal = talk.expect("SYSTEM_MESSAGE").await;
        assert_eq!(refusal["payload"]["message"], format!("Event type not allowed: {kind}"));
    }
}

/// Covers 1.24.
#[tokio::test]
async fn the_token_has_to_come_as_a_bearer() {
    let server = Setup::new(&Bot::start().await).start().await;
    let token = server.access_token().await;
    let request = server.session_request(&token, &json!({}));
    let answer = request.clone().without("Authorization").send().await;
    answer.expect_refusal(400, "Missing access token", "missing_access_token");
    let malformed: [&[u8]; 7] = [
        b"",
        b"Bearer",
        b"Bearer ",
        token.as_bytes(),
        b"Basic c2VndWU6c2VndWU=",
        b"Bearer\xff x",
        b"Token x",
    ];
    for header in malformed {
        let answer = request.clone().header("Authorization", header).send().await;
        let text = "Missing authentication headers";
        answer.expect_refusal(401, text, "missing_authentication_headers");
    }
}

/// Covers 1.25.
#[tokio::test]
async fn only_a_token_as_it_was_given_is_valid() {
    let setup = Setup::new(&Bot::start().await).limits("handshakes_per_second = 0").sqlite();
    let server = setup.start().await;
    let token = server.access_token().await;
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("not three parts: {token}")
    };
    let part = |text: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    let written = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let with = |mut part: Value, name: &str, value: Value| {
        part[name] = value;
        written(&part)
    };
    let exp = part(payload)["exp"].as_u64().unwrap();
    let mut tokens = vec![
        "x".to_owned(),
        "..".to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{token}."),
        format!("{token}.{signature}"),
        format!("{header}.{}.{signature}", with(part(payload), "exp", json!(exp + 1))),
        format!("{header}.{}.{signature}", with(part(payload), "connector", json!("mill"))),
        format!("{}.{payload}.{signature}", with(part(header), "kid", json!("other"))),
    ];
    for algorithm in ["none", "None", "HS512", "RS256", ""] {
        let header = with(part(header), "alg", json!(algorithm));
        tokens.push(format!("{header}.{payload}.{signature}"));
        tokens.push(format!("{header}.{payload}."));
        tokens.push(format!("{header}.{payload}"));
    }
    // One bit of each part. The last character of a part may hold bits that mean nothing.
    for at in [2, header.len() + 3, token.len() - 3] {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        tokens.push(String::from_utf8(changed).unwrap());
    }
    tokens.push(setup.own_token(90_000));
    for token in tokens {
        let answer = server.session_request(&token, &json!({})).send().await;
        answer.expect_refusal(401, "Invalid access token", "invalid_access_token");
    }
    // The same made the same way, and not expired.
    server.session_of(setup.own_token(60), &json!({}), None).await;
}

/// Covers 1.26.
#[tokio::test]
async fn disabling_a_connector_leaves_its_sessions_alone() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let session = server.session(json!({})).await;
    session.open_joined().await;
    server.stop().await;

    let server = setup.connector("disabled = true").start().await;
    let answer = server.session_request(&session.token, &json!({})).send().await;
    answer.expect_refusal(401, "Invalid access token", "invalid_access_token");
    let mut talk = session.on(&server).open().await;
    talk.expect("EVENT_BATCH").await;
    talk.say("Are you there?", "k-1").await;
    bot.asked().await.text("I am.").await;
    assert_eq!(talk.seek("POLY_AGENT_MESSAGE").await["payload"]["text"], "I am.");
}

/// Covers 1.27.
#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused() {
    let server = Setup::new(&Bot::start().await).start().await;
    let token = server.access_token().await;
    let request = server.session_request(&token, &json!({}));
    let attributes = |bytes: usize| {
        let empty = json!({"integration_attributes": {"a": ""}});
        let inner = empty["integration_attributes"].to_string().len();
        json!({"integration_attributes": {"a": "x".repeat(bytes - inner)}}).to_string()
    };
    let too_large = attributes(8_193);
    let long = |name: &str, bytes: usize| json!({name: "x".repeat(bytes)}).to_string();
    let bodies = [
        "{",
        "x",
        "null",
        "[]",
        "true",
        "\"{}\"",
        "{} {}",
        r#"{"streaming_enabled": "true"}"#,
        r#"{"streaming_enabled": 1}"#,
        r#"{"platform": 7}"#,
        r#"{"device_type": {}}"#,
        r#"{"language": []}"#,
        r#"{"variant_id": false}"#,
        r#"{"extensions": "receipts"}"#,
        r#"{"extensions": [1]}"#,
        r#"{"integration_attributes": []}"#,
        r#"{"integration_attributes": "a"}"#,
        r#"{"platform": "web""#,
        &too_large,
        &long("language", 65),
        &long("variant_id", 201),
    ];
    for body in bodies {
        let answer = request.clone().body(body).send().await;
        answer.expect_refusal(400, "Error parsing request", "error_parsing_request");
    }
    let answer = request.clone().body(b"{\"platform\": \"\xff\"}").send().await;
    answer.expect_refusal(400, "Error parsing request", "error_parsing_request");
    for body in [attributes(8_192), long("language", 64), long("variant_id", 200)] {
        assert_eq!(request.clone().body(body).send().await.status, 200);
    }
}

/// Covers 1.28.
#[tokio::test]
async fn an_access_token_makes_twenty_sessions() {
    let server = Setup::new(&Bot::start().await).start().await;
    let token = server.access_token().await;
    for _ in 0..20 {
        server.session_of(token.clone(), &json!({}), None).await;
    }
    let answer = server.session_request(&token, &json!({})).send().await;
    answer.expect_refusal(429, "Rate limit exceeded", "rate_limited");
    // It is this token that is used up.
    server.session(json!({})).await;
}

/// Covers 1.29.
#[tokio::test]
async fn no_session_is_made_while_the_store_does_not_answer() {
    let store = Switch::default();
    let setup = Setup::new(&Bot::start().await);
    let server = setup.start_with(store.tweaks()).await;
    let token = server.access_token().await;
    store.off();
    let answer = server.session_request(&token, &json!({})).send().await;
    answer.expect_refusal(500, "Failed to create session", "failed_to_create_session");
    store.on();
    server.session_of(token, &json!({}), None).await;
}
