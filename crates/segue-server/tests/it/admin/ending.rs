//! Conversations that an administrator ends, or deletes for good.

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use sha2::{Digest, Sha256};
use tokio::net::TcpSocket;

use crate::{
    bare::Bare,
    support::{Admin, Bot, Session, Setup, brief},
};

#[tokio::test]
async fn a_revoked_session_ends_and_its_sockets_close_with_4001() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().limits("close_after_end_ms = 50");
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let mut other = session.open().await;
    let path = format!("/admin/v1/sessions/{}/revoke", session.id);
    let shown = admin.post(&path, json!({})).await;
    assert_eq!((&shown["state"], &shown["end_reason"]), (&json!("ended"), &json!("revoked")));
    for talk in [&mut talk, &mut other] {
        let (frames, code) = talk.closed().await;
        let last = brief(&frames).lines().last().unwrap().to_owned();
        assert!(code == 4001 && last.contains("SESSION_END"), "{code} {last}");
    }
    // Again changes nothing: it has ended.
    let again = admin.post(&path, json!({})).await;
    assert_eq!((&again["position"], &again["ended_at"]), (&shown["position"], &shown["ended_at"]));
    server.stop().await;
}

#[tokio::test]
async fn a_deleted_session_is_gone_with_everything_but_the_proof() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().limits("close_after_end_ms = 50");
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let session = server.session(json!({"integration_attributes": {"pin": "pin-4711"}})).await;
    let mut talk = session.open_joined().await;
    talk.say("words-of-the-user-8e1", "k-1").await;
    let asked = bot.asked().await;
    let path = format!("/admin/v1/sessions/{}", session.id);
    let proof = admin.delete(&path).await;
    assert_eq!((&proof["session_id"], &proof["connector"]), (&json!(session.id), &json!("shop")));
    assert_eq!(proof["deleted_by"], format!("admin ({})", admin.key_id()));
    assert_eq!(proof["digest"].as_str().unwrap().len(), 64);
    assert!(proof["entries"].as_u64().unwrap() >= 7, "{proof}");
    // Who was in it is told the end, and does not get back in; the bot's turn is over.
    let (frames, code) = talk.closed().await;
    assert!(code == 4001 && brief(&frames).contains("SESSION_END"), "{code}");
    asked.gone().await;
    let refused = session.socket_request("").upgrade().await.map(|_| ()).unwrap_err();
    refused.expect_refusal(404, "session not found", "session_not_found");
    for (method, more) in
        [("GET", ""), ("GET", "/entries"), ("GET", "/export"), ("POST", "/revoke")]
    {
        let refused = admin.refused(method, &format!("{path}{more}"), json!({})).await;
        assert_eq!(refused, (404, "not_found".to_owned()), "{method} {more}");
    }
    assert_eq!(admin.get("/admin/v1/sessions").await["sessions"], json!([]));
    // The proof stays, and a second deletion gives the first one's.
    assert_eq!(admin.get(&format!("/admin/v1/deletions/{}", session.id)).await, proof);
    assert_eq!(admin.delete(&path).await, proof);
    let limited = admin.limited(&["*"], &["other"]).await;
    for path in [path.clone(), format!("/admin/v1/deletions/{}", session.id)] {
        let method = if path.contains("deletions") { "GET" } else { "DELETE" };
        let refused = limited.refused(method, &path, json!({})).await;
        assert_eq!(refused, (404, "not_found".to_owned()), "{path}");
    }
    server.stop().await;
    for file in std::fs::read_dir(setup.folder().unwrap()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for words in ["words-of-the-user-8e1", "pin-4711"] {
            let holds = bytes.windows(words.len()).any(|it| it == words.as_bytes());
            assert!(!holds, "{} holds {words}", path.display());
        }
    }
}

#[tokio::test]
async fn all_sessions_of_a_user_are_deleted_that_the_key_reaches() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().also(
        "[[connectors]]\nid = \"other\"\ntoken = \"other-token-88\"\n\
         hosts = [\"tallow.example\"]\nbot = \"wick\"\n",
    );
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let of = |user: &str| json!({"integration_attributes": {"user_id": user}});
    let ann = [server.session(of("ann b/c")).await, server.session(of("ann b/c")).await];
    let bob = server.session(of("bob")).await;
    let token = server.access_token_of("other-token-88").await;
    let elsewhere = server.session_of(token, &of("ann b/c"), None).await;
    let ids = |deleted: &Value| -> Vec<String> {
        let deletions = deleted["deletions"].as_array().unwrap();
        deletions.iter().map(|it| it["session_id"].as_str().unwrap().to_owned()).collect()
    };
    let names = |sessions: &[Session]| sessions.iter().map(|it| it.id.clone()).collect::<Vec<_>>();
    let path = "/admin/v1/sessions?user_id=ann%20b%2Fc";
    let limited = admin.limited(&["sessions:write"], &["shop"]).await;
    let deleted = limited.delete(path).await;
    assert_eq!((ids(&deleted), &deleted["more"]), (names(&ann), &json!(false)));
    assert_eq!(ids(&limited.delete(path).await), [""; 0]);
    assert_eq!(ids(&admin.delete(path).await), names(std::slice::from_ref(&elsewhere)));
    let left = admin.get("/admin/v1/sessions").await;
    assert_eq!(left["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(left["sessions"][0]["session_id"], json!(bob.id));
    // Whoever forgets to say whose does not delete everything.
    for query in ["", "?user=bob", "?user_id=bob&state=ended"] {
        let path = format!("/admin/v1/sessions{query}");
        let refused = admin.refused("DELETE", &path, json!({})).await;
        assert_eq!(refused, (400, "unreadable_request".to_owned()), "{query}");
    }
    assert_eq!(admin.get("/admin/v1/sessions").await, left);
    server.stop().await;
}

#[tokio::test]
async fn a_list_goes_on_where_the_last_session_of_a_page_was_deleted() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let token = server.access_token().await;
    let mut left = Vec::new();
    for _ in 0..6 {
        left.push(server.session_of(token.clone(), &json!({}), None).await.id);
    }
    // As somebody does who deletes everything, page by page.
    let mut cursor = String::new();
    while !left.is_empty() {
        let page = admin.get(&format!("/admin/v1/sessions?limit=2{cursor}")).await;
        let sessions = page["sessions"].as_array().unwrap();
        assert!(!sessions.is_empty(), "{left:?} were left out");
        for session in sessions {
            let id = session["session_id"].as_str().unwrap();
            admin.delete(&format!("/admin/v1/sessions/{id}")).await;
            left.retain(|it| it != id);
        }
        cursor = page["next_cursor"].as_str().map_or(String::new(), |it| format!("&cursor={it}"));
    }
    server.stop().await;
}

/// Of an export, what the proof of a deletion is over.
#[derive(Deserialize)]
struct Export {
    entries: Vec<Proven>,
}

/// Of an entry, what the proof of a deletion is over.
#[derive(Deserialize)]
struct Proven {
    id: uuid::Uuid,
    position: u64,
    timestamp: String,
    event: Box<RawValue>,
}

/// Milliseconds since 1970 of `2026-05-07T12:00:00.123Z`, which is after a leap day and before the
/// next century.
fn unix_ms(timestamp: &str) -> u64 {
    let part = |from: usize, to: usize| timestamp[from..to].parse::<u64>().unwrap();
    let (year, month, day) = (part(0, 4), part(5, 7), part(8, 10));
    let lengths = [31, if year % 4 == 0 { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let of_years: u64 = (1970..year).map(|it| if it % 4 == 0 { 366 } else { 365 }).sum();
    let of_months: u64 = lengths.iter().take(usize::try_from(month).unwrap() - 1).sum();
    let days = of_years + of_months + day - 1;
    let seconds = ((days * 24 + part(11, 13)) * 60 + part(14, 16)) * 60 + part(17, 19);
    seconds * 1_000 + part(20, 23)
}

/// As docs/admin.md says how, of nothing but the export.
#[tokio::test]
async fn the_proof_of_a_deletion_is_computed_from_an_export_made_before() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let session = server.session(json!({"integration_attributes": {"z": 1, "a": "ü"}})).await;
    let mut talk = session.open_joined().await;
    talk.say("\"größer\" \\ 沸騰した 🫖\u{7f}", "k-1").await;
    bot.asked().await.text("Is it?").await;
    talk.seek("POLY_AGENT_MESSAGE").await;
    let path = format!("/admin/v1/sessions/{}", session.id);
    admin.post(&format!("{path}/revoke"), json!({})).await;
    let export = admin.request("GET", &format!("{path}/export")).send().await.body;
    let proof = admin.delete(&path).await;
    let export: Export = serde_json::from_slice(&export).unwrap();
    assert_eq!(proof["entries"], export.entries.len());
    let mut digest = Sha256::new();
    for Proven { id, position, timestamp, event } in &export.entries {
        let event = event.get();
        digest.update(id.as_u128().to_be_bytes());
        for number in [*position, unix_ms(timestamp), event.len() as u64] {
            digest.update(number.to_be_bytes());
        }
        digest.update(event);
    }
    assert_eq!(proof["digest"], format!("{:x}", digest.finalize()));
    server.stop().await;
}

/// What it still had to read is gone, so it must not wait for it.
#[tokio::test]
async fn a_socket_that_was_behind_when_its_session_was_deleted_is_closed() {
    let bot = Bot::start().await;
    let limits = "close_after_end_ms = 50\nmessages_per_second = 0\nslow_reader_seconds = 600";
    let setup = Setup::new(&bot).sqlite().limits(limits);
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    // A small window, so that not everything fits into the system's buffers.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut slow = Bare::over(socket.connect(session.address).await.unwrap());
    slow.upgrade(&session).await;
    let text = "x".repeat(120_000);
    for number in 0..100 {
        talk.say(&text, &format!("k-{number}")).await;
        talk.seek("USER_MESSAGE").await;
    }
    admin.delete(&format!("/admin/v1/sessions/{}", session.id)).await;
    assert_eq!(talk.closed().await.1, 4001);
    assert_eq!(slow.closed().await, 1013);
    server.stop().await;
}
