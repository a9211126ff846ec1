//! Limits of the admin API, each passed on purpose.

use segue_core::ports::{Record, RecordKind, Store};
use segue_store::{SqliteOptions, SqliteStore};
use serde_json::json;

use crate::support::{Admin, Bot, Setup};

#[tokio::test]
async fn a_body_that_is_too_large_is_told_from_one_that_makes_no_sense() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let key = |name: String| json!({"name": name, "scopes": ["keys:read"]});
    let room = 32_768 - key(String::new()).to_string().len();
    let fits = admin.refused("POST", "/admin/v1/keys", key("x".repeat(room))).await;
    assert_eq!(fits, (400, "invalid_request".to_owned()));
    for path in ["/admin/v1/keys", "/admin/v1/connectors", "/admin/v1/connectors/shop/rotate"] {
        let body = key("x".repeat(room + 1));
        let answer = admin.request("POST", path).json(&body).send().await;
        answer.expect_refusal(413, "The body may have 32768 bytes", "body_too_large");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_connector_has_so_many_tokens() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    admin.post("/admin/v1/connectors", json!({"id": "kiosk", "bot": "wick"})).await;
    let path = "/admin/v1/connectors/kiosk/rotate";
    for _ in 1..8 {
        admin.post(path, json!({"overlap_seconds": 600})).await;
    }
    let one_more = admin.refused("POST", path, json!({"overlap_seconds": 600})).await;
    assert_eq!(one_more, (409, "too_many_tokens".to_owned()));
    // Without an overlap there is one again.
    admin.post(path, json!({"overlap_seconds": 0})).await;
    server.stop().await;
}

/// Multiplies the one record that there is of a kind, until there are so many.
async fn multiply(setup: &Setup, kind: RecordKind, count: usize, name: fn(usize) -> String) {
    let path = setup.folder().unwrap().join("segue.db");
    let store = SqliteStore::open(SqliteOptions::new(path)).unwrap();
    let one = store.records(kind).await.unwrap().remove(0);
    let mut records = Vec::new();
    for number in 1..count {
        records.push(Record { id: name(number), revision: 1, ..one.clone() });
    }
    // Many at a time, so that they share their commits.
    for records in records.chunks(500) {
        futures_util::future::join_all(records.iter().map(|it| store.put_record(it))).await;
    }
    assert_eq!(store.records(kind).await.unwrap().len(), count);
    store.close().await;
}

#[tokio::test]
async fn there_are_so_many_keys() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    setup.start().await.stop().await;
    multiply(&setup, RecordKind::ApiKey, 1_000, |it| format!("{it:016x}")).await;
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let wanted = json!({"name": "one more", "scopes": ["keys:read"]});
    let one_more = admin.refused("POST", "/admin/v1/keys", wanted.clone()).await;
    assert_eq!(one_more, (409, "too_many_keys".to_owned()));
    // One that was revoked does not count.
    admin.post("/admin/v1/keys/0000000000000001/revoke", json!({})).await;
    admin.post("/admin/v1/keys", wanted).await;
    server.stop().await;
}

#[tokio::test]
async fn there_are_so_many_connectors() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let connector = |id: &str| json!({"id": id, "bot": "wick"});
    Admin::of(&setup, &server).post("/admin/v1/connectors", connector("kiosk")).await;
    server.stop().await;
    // With that of the configuration.
    multiply(&setup, RecordKind::Connector, 9_999, |it| format!("kiosk-{it}")).await;
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let one_more = admin.refused("POST", "/admin/v1/connectors", connector("other")).await;
    assert_eq!(one_more, (409, "too_many_connectors".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn a_log_that_is_too_large_for_one_piece_is_read_in_pages() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().limits("messages_per_second = 0");
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let text = "x".repeat(131_072);
    // 32 MiB of text, without all that is around it.
    for number in 0..256 {
        talk.say(&text, &format!("k-{number}")).await;
        talk.seek("USER_MESSAGE").await;
    }
    let path = format!("/admin/v1/sessions/{}", session.id);
    for format in ["json", "markdown"] {
        let path = format!("{path}/export?format={format}");
        let refused = admin.refused("GET", &path, json!({})).await;
        assert_eq!(refused, (422, "too_large".to_owned()), "{format}");
    }
    let page = admin.get(&format!("{path}/entries?limit=2&after=3")).await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 2);
    server.stop().await;
}
