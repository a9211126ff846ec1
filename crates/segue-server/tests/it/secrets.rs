//! What must never come out: tokens in the log, and frames of what is not durable.

use std::{fs, os::unix::fs::PermissionsExt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use segue_server::{
    api_keys::ADMIN_KEY_FILE,
    config::{Config, Environment, Secret},
    secrets::{FOR_CONFIGURATION, SecretsKey},
    server::Tweaks,
};
use serde_json::{Value, json};

use crate::support::{
    Admin, Answering, Bot, Collector, Hold, Logs, Running, SHOP_TOKEN, Session, Setup, brief,
};

const SEALED_TOKEN: &str = "sealed-token-6d3f";
const SECRETS_KEY: [u8; 32] = [0xA7; 32];

/// The key that seals, in the configuration itself, and a connector whose token is sealed under it.
fn sealed() -> (Vec<String>, String) {
    let key = URL_SAFE_NO_PAD.encode(SECRETS_KEY);
    let seal = SecretsKey::from_bytes(&SECRETS_KEY);
    let sealed = seal.seal(FOR_CONFIGURATION, &Secret::new(SEALED_TOKEN));
    let config = format!(
        "[secrets]\nkey = \"{key}\"\n[[connectors]]\nid = \"sealed\"\ntoken = \"{sealed}\"\n\
         hosts = [\"tallow.example\"]\nbot = \"wick\"\n"
    );
    (vec![key, sealed, SEALED_TOKEN.to_owned()], config)
}

/// Covers 1.2.
#[tokio::test]
async fn no_log_line_no_metric_and_no_trace_has_a_token_or_a_secret() {
    let logs = Logs::capture();
    let bot = Bot::start().await;
    let collector = Collector::start(Answering::All).await;
    let (of_configuration, config) = sealed();
    let setup = Setup::new(&bot)
        .sqlite()
        .also("[metrics]\nlisten = \"127.0.0.1:0\"")
        .also(&config)
        .also(&collector.config());
    let server = setup.start().await;
    let session =
        server.session(json!({"integration_attributes": {"pin": "attribute-4711"}})).await;
    let token = session.token.clone();
    let mut talk = session.open_joined().await;
    shake_hands(&server, &session).await;
    // A turn that goes well and one that fails, and a frame that cannot be read.
    talk.say("my-words-8e1", "k-1").await;
    bot.asked().await.text("bot-words-5c2").await;
    talk.until("POLY_AGENT_MESSAGE").await;
    talk.say("my-words-8e1", "k-2").await;
    let bad = json!([{"type": "text", "text": "bot-words-5c2"}, {"type": "bot-words-5c2"}]);
    bot.asked().await.outputs(bad).await;
    talk.until("SYSTEM_MESSAGE").await;
    talk.send_text("my-words-8e1").await;
    talk.until("SYSTEM_MESSAGE").await;
    let key = use_admin_key(&setup, &server).await;
    let made = make_and_use(&setup, &server).await;
    let seen = seen_from_outside(&server).await;
    server.stop().await;
    let traces = collector.text();

    let keys = signing_keys(&setup);
    let mut secrets = vec![
        SHOP_TOKEN.to_owned(),
        Bot::SECRET.to_owned(),
        token.clone(),
        "my-words-8e1".to_owned(),
        "bot-words-5c2".to_owned(),
        "attribute-4711".to_owned(),
        key.clone(),
    ];
    // What a key proves itself with is all of it but its name.
    secrets.push(key.splitn(3, '_').nth(2).unwrap().to_owned());
    secrets.extend(of_configuration);
    secrets.extend(made);
    // The last part alone makes a token of what the other parts say.
    secrets.push(token.rsplit('.').next().unwrap().to_owned());
    secrets.extend(long_texts(&keys));
    assert!(secrets.len() >= 8, "the file of the keys has none: {keys}");
    assert_ne!(logs.lines_with(&session.id), [""; 0], "nothing was logged");
    // The JOIN and two messages; the greeting and two turns, for which the bot was asked (a span
    // has the word as its name and as its method).
    let spans = |name: &str| traces.matches(name).count();
    assert_eq!((spans("receive"), spans("begun"), spans("POST")), (3, 3, 4), "{traces}");
    for secret in &secrets {
        assert!(secret.len() >= 12, "{secret} may stand anywhere");
        assert_eq!(logs.lines_with(secret), [""; 0], "{secret} is in the log");
        assert!(!seen.contains(secret), "{secret} is in\n{seen}");
        assert!(!traces.contains(secret), "{secret} is in\n{traces}");
    }
}

/// Shows the token as a header, in the query under both names, and as a sub-protocol; it is granted
/// and refused.
async fn shake_hands(server: &Running, session: &Session) {
    let Session { id, token, .. } = session;
    let by_name = format!("/ws?session_id={id}&auth_token={token}&cursor={token}");
    server.request("GET", &by_name).open().await.expect("EVENT_BATCH").await;
    let offered = format!("segue.v1, bearer.{token}");
    let path = format!("/ws?session_id={id}");
    let by_protocol = server.request("GET", &path).header("Sec-WebSocket-Protocol", offered);
    by_protocol.clone().open().await.expect("EVENT_BATCH").await;
    let refused = [
        by_protocol.header("Origin", "https://else.example"),
        session.socket_request("&cursor=abc").header("Origin", "https://else.example"),
        server.request("GET", &format!("/ws?session_id=unknown&access_token={token}")),
        server.request("GET", &format!("/nowhere?access_token={token}")),
        server.request("POST", &format!("/ws?session_id={id}&access_token={token}")),
        server.session_request(&format!("{token}x"), &json!({})),
        server.session_request(token, &json!({})).body("{"),
        server.session_request(token, &json!({})).header("Authorization", token),
        server.token_request().header("X-Host", SHOP_TOKEN),
    ];
    for request in refused {
        let status = request.send().await.status;
        assert!((400..500).contains(&status), "{status}");
    }
}

/// What operators see: metrics and readiness.
async fn seen_from_outside(server: &Running) -> String {
    let ready = server.request("GET", "/readyz").send().await;
    server.metrics().await.text + &String::from_utf8(ready.body).unwrap()
}

fn signing_keys(setup: &Setup) -> Value {
    let file = setup.folder().unwrap().join("jwt.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Asks the admin API with its first key: where it belongs, cut short, and where it does not.
async fn use_admin_key(setup: &Setup, server: &Running) -> String {
    let key = std::fs::read_to_string(setup.folder().unwrap().join(ADMIN_KEY_FILE)).unwrap();
    let key = key.trim().to_owned();
    let bearer = format!("Bearer {key}");
    let admin = |path: &str| server.request("GET", path);
    let answer = admin("/admin/v1/sessions").header("Authorization", &bearer).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for wrong in [
        admin("/admin/v1/sessions").header("Authorization", &bearer[..bearer.len() - 1]),
        admin(&format!("/admin/v1/sessions?key={key}")).header("Authorization", &key),
        server.token_request().header("X-Token", &key),
    ] {
        assert_eq!(wrong.send().await.status, 401);
    }
    key
}

/// Makes a connector and a key over the admin API, uses both and what is sealed, and gives all that
/// is secret of them, also what is kept of them.
async fn make_and_use(setup: &Setup, server: &Running) -> Vec<String> {
    let admin = Admin::of(setup, server);
    let wanted = json!({"id": "kiosk", "bot": "wick", "hosts": ["tallow.example"]});
    let first = admin.post("/admin/v1/connectors", wanted).await;
    let path = "/admin/v1/connectors/kiosk";
    let second = admin.post(&format!("{path}/rotate"), json!({})).await;
    assert_eq!(admin.get(path).await["token"], second["token"]);
    let mut secrets: Vec<String> =
        [first, second].iter().map(|it| it["token"].as_str().unwrap().to_owned()).collect();
    assert!(secrets.iter().all(|it| it.starts_with("sgc_")), "{secrets:?}");
    for token in secrets.iter().map(String::as_str).chain([SEALED_TOKEN]) {
        server.access_token_of(token).await;
        let elsewhere = server.token_request().header("X-Token", token);
        assert_eq!(elsewhere.header("X-Host", "else.example").send().await.status, 401);
    }
    let limited = admin.limited(&["sessions:read"], &["kiosk"]).await;
    limited.get("/admin/v1/sessions").await;
    assert_eq!(limited.refused("GET", "/admin/v1/keys", json!({})).await.0, 403);
    secrets.push(limited.key.splitn(3, '_').nth(2).unwrap().to_owned());
    secrets.push(limited.key);
    secrets
}

/// Whoever copies a data folder may open it for others, and hears of that.
#[tokio::test]
async fn files_of_secrets_that_others_may_read_are_warned_of_at_the_start() {
    let logs = Logs::capture();
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    setup.start().await.stop().await;
    let folder = setup.folder().unwrap();
    let said = |name: &str| {
        logs.lines_with(&format!("{} keeps secrets and has the mode", folder.join(name).display()))
    };
    let files = ["secrets.key", "jwt.json", ADMIN_KEY_FILE, "segue.db"];
    for name in files {
        assert_eq!(said(name), [""; 0], "as the server makes it");
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o640)).unwrap();
    }
    setup.start().await.stop().await;
    for name in files {
        let lines = said(name);
        assert!(lines.len() == 1 && lines[0].contains("WARN"), "{name}: {lines:?}");
        assert!(lines[0].contains("the mode 640"), "{lines:?}");
    }
}

/// Whatever panics with the configuration in its hands prints it.
#[test]
fn a_panic_prints_no_secret() {
    let text = r#"
        [[connectors]]
        id = "shop"
        token = "panic-token-7b1"
        hosts = ["tallow.example"]
        bot = "wick"
        [[bots]]
        id = "wick"
        kind = "http"
        name = "Wick"
        url = "https://bot.example/turn"
        secret = "panic-secret-7b2"
    "#;
    let config = Config::load(Some(text), &Environment::default()).unwrap();
    let provoked = std::panic::catch_unwind(|| panic!("cannot go on with {config:?}"));
    let said = *provoked.map(drop::<()>).unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("tallow.example") && said.contains("bot.example"), "{said}");
    for secret in ["panic-token-7b1", "panic-secret-7b2"] {
        assert!(!said.contains(secret), "{secret} is in {said}");
    }
}

/// The texts in a file of keys that are as long as a key.
fn long_texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.len() >= 32 => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(long_texts).collect(),
        Value::Object(fields) => fields.values().flat_map(long_texts).collect(),
        _ => vec![],
    }
}

/// Covers 4.21.
#[tokio::test]
async fn no_frame_leaves_before_its_commit() {
    let hold = Hold::default();
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let tweaks = Tweaks { before_commit: Some(hold.before_commit()), ..Tweaks::default() };
    let server = setup.start_with(tweaks).await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let mut other = session.open_from(4).await;
    other.expect("EVENT_BATCH").await;
    hold.close();
    talk.say("Is the blue kettle back?", "k-1").await;
    hold.arrived().await;
    // It is written and not committed: neither of them hears anything of it, nor does the bot.
    talk.expect_nothing().await;
    other.expect_nothing().await;
    let mut late = session.open_from(4).await;
    assert_eq!(brief(&[late.expect("EVENT_BATCH").await]), "- EVENT_BATCH [1 SESSION_START]");
    late.expect_nothing().await;
    bot.expect_not_asked().await;
    hold.open();
    let echo = talk.expect("USER_MESSAGE").await;
    assert_eq!(other.expect("USER_MESSAGE").await, echo);
    assert_eq!(late.expect("USER_MESSAGE").await, echo);
    bot.asked().await.text("It is.").await;
    talk.until("POLY_AGENT_MESSAGE").await;
}
