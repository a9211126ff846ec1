//! Keys of the admin API: made, told once, kept as a hash, revoked.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::{Admin, Bot, Logs, Setup};

#[tokio::test]
async fn the_first_start_makes_a_key_for_who_may_read_the_data_folder() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let path = setup.folder().unwrap().join("admin-key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let admin = Admin::of(&setup, &server);
    let keys = admin.get("/admin/v1/keys").await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    let key = &keys["keys"][0];
    assert_eq!((&key["name"], &key["state"]), (&json!("admin"), &json!("valid")));
    assert_eq!((&key["scopes"], &key["connectors"]), (&json!(["*"]), &json!("all")));
    assert_eq!((&key["expires_at"], &key["id"]), (&json!(null), &json!(admin.key_id())));
    assert_ne!(key["last_used_at"], json!(null));
    server.stop().await;
    // Another start takes it as it is, and one that was revoked does not come back.
    let server = setup.start().await;
    let again = Admin::of(&setup, &server);
    assert_eq!(again.key, admin.key);
    again.post(&format!("/admin/v1/keys/{}/revoke", again.key_id()), json!({})).await;
    server.stop().await;
    std::fs::remove_file(&path).unwrap();
    let server = setup.start().await;
    assert!(!path.exists());
    let refused = admin.with_key(&again.key);
    let refused = Admin::refused(&on(&refused, &server), "GET", "/admin/v1/keys", json!({})).await;
    assert_eq!(refused, (401, "revoked_key".to_owned()));
    server.stop().await;
}

fn on(admin: &Admin, server: &crate::support::Running) -> Admin {
    Admin::at(server.address(), &admin.key)
}

#[tokio::test]
async fn a_key_that_was_put_into_the_folder_is_the_first_one() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let key = "sgk_00112233445566ff_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    std::fs::write(setup.folder().unwrap().join("admin-key"), format!("{key}\n")).unwrap();
    let server = setup.start().await;
    let keys = Admin::at(server.address(), key).get("/admin/v1/keys").await;
    assert_eq!(keys["keys"][0]["id"], "00112233445566ff");
    server.stop().await;
}

#[tokio::test]
async fn a_key_is_told_once_and_stands_nowhere() {
    let logs = Logs::capture();
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let wanted = json!({
        "name": "reports", "scopes": ["sessions:read", "keys:read"], "connectors": ["shop"],
        "expires_at": "2999-01-01",
    });
    let answer = admin.request("POST", "/admin/v1/keys").json(&wanted).send().await;
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")));
    let made = answer.json();
    let key = made["key"].as_str().unwrap().to_owned();
    let secret = key.splitn(3, '_').nth(2).unwrap().to_owned();
    assert!(secret.len() >= 43, "256 bits");
    assert_eq!(made["expires_at"], "2999-01-01T00:00:00.000Z");
    assert_eq!(made["made_by"], format!("admin ({})", admin.key_id()));
    let reports = admin.with_key(&key);
    reports.get("/admin/v1/sessions").await;
    let path = format!("/admin/v1/keys/{}", reports.key_id());
    let shown = admin.get(&path).await;
    assert_eq!((&shown["name"], &shown["state"]), (&json!("reports"), &json!("valid")));
    let revoked = admin.post(&format!("{path}/revoke"), json!({})).await;
    assert_eq!(revoked["state"], "revoked");
    assert_eq!(admin.post(&format!("{path}/revoke"), json!({})).await, revoked);
    let told = [admin.get("/admin/v1/keys").await, shown, revoked].map(|it| it.to_string());
    assert!(told.iter().all(|it| !it.contains(&secret)), "{told:?}");
    let refused = reports.refused("GET", "/admin/v1/sessions", json!({})).await;
    assert_eq!(refused, (401, "revoked_key".to_owned()));
    server.stop().await;
    for file in std::fs::read_dir(setup.folder().unwrap()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let holds = bytes.windows(secret.len()).any(|it| it == secret.as_bytes());
        assert!(!holds, "{} holds the key", path.display());
    }
    for secret in [&secret, admin.key.splitn(3, '_').nth(2).unwrap()] {
        assert_eq!(logs.lines_with(secret), [""; 0]);
    }
    assert_ne!(logs.lines_with(reports.key_id()), [""; 0], "who made and revoked it is logged");
}

#[tokio::test]
async fn a_key_makes_none_that_holds_more_than_itself_and_sees_none() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let wanted = json!({
        "name": "team", "scopes": ["keys:read", "keys:write", "sessions:read"],
        "connectors": ["shop", "other"], "expires_in_seconds": 3600,
    });
    let team = admin.with_new_key(wanted).await;
    let base = json!({
        "name": "more", "scopes": ["sessions:read"], "connectors": ["shop"],
        "expires_in_seconds": 60,
    });
    let with = |name: &str, value| {
        let mut body = base.clone();
        body[name] = value;
        body
    };
    for more in [
        with("scopes", json!(["sessions:write"])),
        with("scopes", json!(["sessions:read", "*"])),
        with("connectors", json!("all")),
        with("connectors", json!(["shop", "third"])),
        with("expires_in_seconds", json!(7200)),
        with("expires_in_seconds", json!(null)),
        json!({"name": "more", "scopes": ["sessions:read"], "connectors": ["shop"]}),
        json!({"name": "more", "scopes": ["sessions:read"], "expires_in_seconds": 60}),
    ] {
        let refused = team.refused("POST", "/admin/v1/keys", more.clone()).await;
        assert_eq!(refused, (403, "beyond_key".to_owned()), "{more}");
    }
    let less = team.with_new_key(base).await;
    let ids = |keys: serde_json::Value| {
        let keys = keys["keys"].as_array().unwrap().clone();
        let mut ids: Vec<String> =
            keys.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let mut expected = vec![team.key_id().to_owned(), less.key_id().to_owned()];
    expected.sort();
    assert_eq!(ids(team.get("/admin/v1/keys").await), expected);
    for (method, path) in [("GET", ""), ("POST", "/revoke")] {
        let path = format!("/admin/v1/keys/{}{path}", admin.key_id());
        assert_eq!(team.refused(method, &path, json!({})).await, (404, "not_found".to_owned()));
    }
    let path = format!("/admin/v1/keys/{}/revoke", less.key_id());
    assert_eq!(team.post(&path, json!({})).await["state"], "revoked");
    server.stop().await;
}

#[tokio::test]
async fn a_key_that_makes_no_sense_is_refused_with_a_reason() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    for (body, status, says) in [
        (json!({"scopes": ["*"]}), 400, "missing field `name`"),
        (json!({"name": "", "scopes": ["*"]}), 400, "name:"),
        (json!({"name": "x".repeat(201), "scopes": ["*"]}), 400, "name:"),
        (json!({"name": "x", "scopes": []}), 400, "scopes:"),
        (json!({"name": "x", "scopes": ["sessions"]}), 400, "unknown variant"),
        (json!({"name": "x", "scopes": ["*"], "expires": 1}), 400, "unknown field"),
        (json!({"name": "x", "scopes": ["*"], "connectors": "some"}), 400, "body"),
        (json!({"name": "x", "scopes": ["*"], "expires_at": "soon"}), 400, "expires_at"),
        (json!({"name": "x", "scopes": ["*"], "expires_at": "2001-01-01"}), 400, "expired already"),
        (
            json!({"name": "x", "scopes": ["*"], "expires_at": "2999-01-01", "expires_in_seconds": 5}),
            400,
            "not both",
        ),
        (json!([]), 400, "body"),
    ] {
        let answer = admin.request("POST", "/admin/v1/keys").json(&body).send().await;
        let text = answer.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, status, "{body}: {text}");
        assert!(text.contains(says), "{body}: {text}");
        answer.expect_refusal(status, &text, answer.json()["code"].as_str().unwrap());
    }
    assert_eq!(admin.get("/admin/v1/keys").await["keys"].as_array().unwrap().len(), 1);
    server.stop().await;
}
