//! Connectors that are made while the server runs.

use serde_json::{Value, json};

use crate::support::{Admin, Bot, Logs, Running, Setup};

async fn start(bot: &Bot) -> (Setup, Running, Admin) {
    let setup = Setup::new(bot).sqlite();
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    (setup, server, admin)
}

/// A connector `kiosk` that the tests can use as they use the shop.
fn kiosk() -> Value {
    json!({
        "id": "kiosk", "bot": "wick", "hosts": ["tallow.example"], "apps": ["com.example.kiosk"],
        "account": "tallow", "labels": ["hall"], "idle_seconds": 700,
    })
}

/// Whether a token opens the hand-shake.
async fn opens(server: &Running, token: &str) -> bool {
    let answer = server.token_request().header("X-Token", token).send().await;
    match answer.status {
        200 => true,
        401 => false,
        _ => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn a_connector_is_made_used_changed_and_there_after_a_start() {
    let bot = Bot::start().await;
    let (setup, server, admin) = start(&bot).await;
    let answer = admin.request("POST", "/admin/v1/connectors").json(&kiosk()).send().await;
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")));
    let made = answer.json();
    let token = made["token"].as_str().unwrap().to_owned();
    for (name, value) in [
        ("source", json!("stored")),
        ("state", json!("active")),
        ("hosts", json!(["tallow.example"])),
        ("apps", json!(["com.example.kiosk"])),
        ("limits", json!({"idle_seconds": 700})),
        ("handoff", json!("none")),
    ] {
        assert_eq!(made[name], value, "{name}");
    }
    assert!(opens(&server, &token).await);
    let access = server.access_token_of(&token).await;
    let session = server.session_of(access, &json!({}), None).await;
    let shown = admin.get(&format!("/admin/v1/sessions/{}", session.id)).await;
    assert_eq!(shown["connector"], "kiosk");
    // The token of an application is no secret, and can be looked up again; not in a list.
    assert_eq!(admin.get("/admin/v1/connectors/kiosk").await["token"], json!(token));
    let listed = admin.get("/admin/v1/connectors").await;
    let names: Vec<&str> = listed["connectors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["id"].as_str())
        .collect();
    assert_eq!(names, ["kiosk", "shop"]);
    assert!(!listed.to_string().contains(&token));

    let patch = json!({"hosts": ["else.example"], "idle_seconds": null, "account": null});
    let changed = admin.patch("/admin/v1/connectors/kiosk", patch).await;
    assert_eq!((&changed["hosts"], &changed["limits"]), (&json!(["else.example"]), &json!({})));
    assert_eq!((&changed["account"], &changed["labels"]), (&json!(""), &json!(["hall"])));
    assert!(!opens(&server, &token).await, "from another host than the one that is registered now");
    server.stop().await;

    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    admin.patch("/admin/v1/connectors/kiosk", json!({"hosts": ["tallow.example"]})).await;
    assert!(opens(&server, &token).await);
    session.on(&server).open().await.expect("EVENT_BATCH").await;
    server.stop().await;
}

#[tokio::test]
async fn a_rotated_token_and_the_one_before_it_are_both_good_for_a_while() {
    let bot = Bot::start().await;
    let (_setup, server, admin) = start(&bot).await;
    let first = admin.post("/admin/v1/connectors", kiosk()).await["token"].clone();
    let path = "/admin/v1/connectors/kiosk/rotate";
    let told = admin.post(path, json!({"overlap_seconds": 600})).await;
    assert_eq!(told["overlap_seconds"], 600);
    let (first, second) = (first.as_str().unwrap(), told["token"].as_str().unwrap());
    assert!(first != second && opens(&server, first).await && opens(&server, second).await);
    let told = admin.post(path, json!({"overlap_seconds": 0})).await;
    let third = told["token"].as_str().unwrap();
    assert!(!opens(&server, first).await && !opens(&server, second).await);
    assert!(opens(&server, third).await);
    // Where no time is named, it is a day.
    assert_eq!(admin.post(path, json!({})).await["overlap_seconds"], 86_400);
    let too_long = json!({"overlap_seconds": 31_536_001_u64});
    assert_eq!(admin.refused("POST", path, too_long).await, (400, "invalid_request".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn a_disabled_connector_opens_nothing_and_a_revoked_one_ends_its_sessions() {
    let bot = Bot::start().await;
    let (_setup, server, admin) = start(&bot).await;
    let made = admin.post("/admin/v1/connectors", kiosk()).await;
    let token = made["token"].as_str().unwrap();
    let access = server.access_token_of(token).await;
    let session = server.session_of(access, &json!({}), None).await;
    let mut talk = session.open_joined().await;
    let change = async |what: &str| {
        admin.post(&format!("/admin/v1/connectors/kiosk/{what}"), json!({})).await["state"].clone()
    };
    assert_eq!(change("disable").await, "disabled");
    assert!(!opens(&server, token).await);
    talk.say("Is anybody there?", "k-1").await;
    talk.until("USER_MESSAGE").await;
    assert_eq!(change("enable").await, "active");
    assert!(opens(&server, token).await);
    assert_eq!(change("revoke").await, "revoked");
    assert!(!opens(&server, token).await);
    assert_eq!(talk.seek("SESSION_END").await["payload"]["reason"], "REASON_NATURAL_END");
    assert_eq!(change("revoke").await, "revoked");
    for what in ["enable", "disable", "rotate"] {
        let path = format!("/admin/v1/connectors/kiosk/{what}");
        let refused = admin.refused("POST", &path, json!({})).await;
        assert_eq!(refused, (409, "connector_revoked".to_owned()), "{what}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_the_configuration_declares_is_changed_there_only() {
    let bot = Bot::start().await;
    let (_setup, server, admin) = start(&bot).await;
    let shop = admin.get("/admin/v1/connectors/shop").await;
    assert_eq!((&shop["source"], &shop["token"]), (&json!("configuration"), &json!(null)));
    assert_eq!(shop["hosts"], json!(["tallow.example"]));
    for (method, what) in [
        ("PATCH", ""),
        ("POST", "/rotate"),
        ("POST", "/disable"),
        ("POST", "/enable"),
        ("POST", "/revoke"),
    ] {
        let path = format!("/admin/v1/connectors/shop{what}");
        let refused = admin.refused(method, &path, json!({})).await;
        assert_eq!(refused, (409, "declared_in_configuration".to_owned()), "{method} {path}");
    }
    let mut again = kiosk();
    again["id"] = json!("shop");
    let refused = admin.refused("POST", "/admin/v1/connectors", again).await;
    assert_eq!(refused, (409, "connector_exists".to_owned()));
    assert_eq!(admin.get("/admin/v1/connectors/shop").await, shop);
    server.stop().await;
}

#[tokio::test]
async fn a_connector_that_makes_no_sense_is_refused_with_a_reason() {
    let bot = Bot::start().await;
    let (_setup, server, admin) = start(&bot).await;
    for (name, value, says) in [
        ("id", json!(null), "id"),
        ("id", json!("a b"), "letters, digits"),
        ("bot", json!("wack"), "wick"),
        ("bot", json!(null), "bot"),
        ("hosts", json!(["com"]), "public suffix"),
        ("hosts", json!("tallow.example"), "hosts"),
        ("handoff", json!("maybe"), "handoff"),
        ("idle_seconds", json!(0), "idle_seconds"),
        ("colour", json!("red"), "colour"),
        ("token", json!("my-own"), "token"),
    ] {
        let mut wanted = kiosk();
        wanted[name] = value;
        let answer = admin.request("POST", "/admin/v1/connectors").json(&wanted).send().await;
        let text = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && text.contains(says), "{wanted}: {text}");
    }
    let path = "/admin/v1/connectors/nothing";
    assert_eq!(admin.refused("GET", path, json!({})).await, (404, "not_found".to_owned()));
    assert_eq!(admin.refused("PATCH", path, json!({})).await, (404, "not_found".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn a_key_makes_the_connectors_that_it_reaches_and_no_others() {
    let bot = Bot::start().await;
    let (_setup, server, admin) = start(&bot).await;
    let limited = admin.limited(&["connectors:read", "connectors:write"], &["kiosk"]).await;
    limited.post("/admin/v1/connectors", kiosk()).await;
    let listed = limited.get("/admin/v1/connectors").await;
    assert_eq!(listed["connectors"].as_array().unwrap().len(), 1);
    // Whether there is one, or not.
    for id in ["shop", "another"] {
        let mut wanted = kiosk();
        wanted["id"] = json!(id);
        let refused = limited.refused("POST", "/admin/v1/connectors", wanted).await;
        assert_eq!(refused, (403, "beyond_key".to_owned()), "{id}");
    }
    server.stop().await;
}

/// The key of the secrets is lost, or another one: what it has sealed cannot be shown any more, and
/// that is all.
#[tokio::test]
async fn a_token_that_cannot_be_unsealed_opens_what_it_opened() {
    let logs = Logs::capture();
    for (id, key) in [("kiosk-lost", None), ("kiosk-other", Some([b'A'; 43]))] {
        let bot = Bot::start().await;
        let (setup, server, admin) = start(&bot).await;
        let wanted = json!({"id": id, "bot": "wick", "hosts": ["tallow.example"]});
        let token = admin.post("/admin/v1/connectors", wanted).await["token"].clone();
        let token = token.as_str().unwrap();
        server.stop().await;
        let told = format!("the token of connector {id} is sealed under another key");
        assert_eq!(logs.lines_with(&told), [""; 0]);
        let file = setup.folder().unwrap().join("secrets.key");
        std::fs::remove_file(&file).unwrap();
        if let Some(key) = key {
            std::fs::write(&file, key).unwrap();
        }
        let server = setup.start().await;
        let lines = logs.lines_with(&told);
        assert!(lines.len() == 1 && lines[0].contains("ERROR"), "{lines:?}");
        assert!(opens(&server, token).await);
        let path = format!("/admin/v1/connectors/{id}");
        let shown = Admin::of(&setup, &server).get(&path).await;
        assert_eq!(shown["token"], json!(null), "{shown}");
        // Another token is sealed under the key that there is.
        let rotated = Admin::of(&setup, &server).post(&format!("{path}/rotate"), json!({})).await;
        let shown = Admin::of(&setup, &server).get(&path).await;
        assert_eq!(shown["token"], rotated["token"]);
        server.stop().await;
    }
}

/// Their names would be lost on the way: a path with `..` in it is another path.
#[tokio::test]
async fn a_connector_has_no_name_of_dots_alone() {
    let bot = Bot::start().await;
    let (_setup, server, admin) = start(&bot).await;
    for id in [".", "..", "..."] {
        let wanted = json!({"id": id, "bot": "wick"});
        let answer = admin.request("POST", "/admin/v1/connectors").json(&wanted).send().await;
        let says = "an id has 1 to 64 letters, digits, '-', '_' and '.', and not dots alone";
        answer.expect_refusal(400, says, "invalid_request");
    }
    let named = admin.post("/admin/v1/connectors", json!({"id": "..a", "bot": "wick"})).await;
    assert_eq!(named["id"], "..a");
    server.stop().await;
}

/// What becomes a secret is not shown from then on; it opens what it opened.
#[tokio::test]
async fn the_token_of_a_connector_that_becomes_one_for_servers_is_not_shown_any_more() {
    let bot = Bot::start().await;
    let (setup, server, admin) = start(&bot).await;
    let token = admin.post("/admin/v1/connectors", kiosk()).await["token"].clone();
    let path = "/admin/v1/connectors/kiosk";
    assert_eq!(admin.get(path).await["token"], token);
    admin.patch(path, json!({"server_only": true})).await;
    assert_eq!(admin.get(path).await["token"], json!(null));
    assert!(opens(&server, token.as_str().unwrap()).await);
    // Not through a detour either, and not after a start.
    admin.patch(path, json!({"server_only": false})).await;
    assert_eq!(admin.get(path).await["token"], json!(null));
    server.stop().await;
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    assert_eq!(admin.get(path).await["token"], json!(null));
    // The next one is published again.
    let rotated = admin.post(&format!("{path}/rotate"), json!({})).await["token"].clone();
    assert_eq!(admin.get(path).await["token"], rotated);
    server.stop().await;
}
