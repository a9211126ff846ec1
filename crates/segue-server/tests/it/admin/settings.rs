//! What is configured, which limits are in force, and the keys of the access tokens.

use serde_json::{Value, json};

use crate::support::{Admin, Bot, SHOP_TOKEN, Setup};

const OTHER: &str = "[[connectors]]\nid = \"other\"\ntoken = \"other-token-88\"\n\
    hosts = [\"tallow.example\"]\nbot = \"wick\"\nidle_seconds = 650\n";

fn named(list: &Value, name: &str) -> Value {
    let found = list.as_array().unwrap().iter().find(|it| it["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list}")).clone()
}

#[tokio::test]
async fn limits_are_shown_with_where_each_comes_from() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().limits("silence_seconds = 1800").also(OTHER);
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let kiosk = json!({"id": "kiosk", "bot": "wick", "idle_seconds": 640});
    admin.post("/admin/v1/connectors", kiosk).await;
    let shown = admin.get("/admin/v1/limits").await;
    let silence = named(&shown["limits"], "silence_seconds");
    assert_eq!((&silence["value"], &silence["default"]), (&json!(1800), &json!(3600)));
    assert_eq!((&silence["from"], &silence["per_connector"]), (&json!("file"), &json!(true)));
    assert!(silence["line"].as_u64().unwrap() > 1);
    let idle = named(&shown["limits"], "idle_seconds");
    assert_eq!((&idle["value"], &idle["from"]), (&json!(660), &json!("default")));
    let server_wide = named(&shown["limits"], "connections_per_address");
    assert_eq!(server_wide["per_connector"], json!(false));
    let other = named(&shown["connectors"]["other"], "idle_seconds");
    assert_eq!((&other["value"], &other["from"]), (&json!(650), &json!("file")));
    let kiosk = named(&shown["connectors"]["kiosk"], "idle_seconds");
    assert_eq!((&kiosk["value"], &kiosk["from"]), (&json!(640), &json!("api")));
    assert_eq!(shown["connectors"]["shop"], json!(null));
    let limited = admin.limited(&["config:read"], &["kiosk"]).await;
    let shown = limited.get("/admin/v1/limits").await;
    assert_eq!(shown["connectors"].as_object().unwrap().keys().collect::<Vec<_>>(), ["kiosk"]);
    server.stop().await;
}

#[tokio::test]
async fn the_configuration_is_shown_without_its_secrets() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().also(OTHER);
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let shown = admin.get("/admin/v1/config").await;
    let token = named(&shown["settings"], "connectors.shop.token");
    assert_eq!((&token["value"], &token["from"]), (&json!("***"), &json!("file")));
    let idle = named(&shown["settings"], "limits.idle_seconds");
    assert_eq!((&idle["value"], &idle["from"]), (&json!(660), &json!("default")));
    for secret in [SHOP_TOKEN, Bot::SECRET, "other-token-88"] {
        assert!(!shown.to_string().contains(secret), "{secret}");
    }
    let limited = admin.limited(&["config:read"], &["other"]).await;
    let shown = limited.get("/admin/v1/config").await;
    for setting in shown["settings"].as_array().unwrap() {
        let name = setting["name"].as_str().unwrap();
        assert!(name.starts_with("limits.") || name.starts_with("connectors.other."), "{name}");
    }
    named(&shown["settings"], "connectors.other.token");
    server.stop().await;
}

#[tokio::test]
async fn access_tokens_of_the_key_before_stay_valid_after_a_rotation() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let before = admin.get("/admin/v1/signing-keys").await;
    let session = server.session(json!({})).await;
    let after = admin.post("/admin/v1/signing-keys/rotate", json!({})).await;
    assert_ne!(after["signs"], before["signs"]);
    assert_eq!(after["verify"], json!([before["signs"], after["signs"]]));
    assert_eq!(admin.get("/admin/v1/signing-keys").await, after);
    session.open().await.expect("EVENT_BATCH").await;
    server.session(json!({})).await.open().await.expect("EVENT_BATCH").await;
    let limited = admin.limited(&["*"], &["shop"]).await;
    for (method, path) in [("GET", ""), ("POST", "/rotate")] {
        let path = format!("/admin/v1/signing-keys{path}");
        assert_eq!(limited.refused(method, &path, json!({})).await, (403, "beyond_key".to_owned()));
    }
    server.stop().await;
}
