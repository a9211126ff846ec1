//! Conversations that an administrator ends, or deletes for good.

use serde_json::{Value, json};

use crate::support::{Admin, Bot, Session, Setup, brief};

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
    let path = "/admin/v1/users/ann%20b%2Fc/sessions";
    let limited = admin.limited(&["sessions:write"], &["shop"]).await;
    let deleted = limited.delete(path).await;
    assert_eq!((ids(&deleted), &deleted["more"]), (names(&ann), &json!(false)));
    assert_eq!(ids(&limited.delete(path).await), [""; 0]);
    assert_eq!(ids(&admin.delete(path).await), names(std::slice::from_ref(&elsewhere)));
    let left = admin.get("/admin/v1/sessions").await;
    assert_eq!(left["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(left["sessions"][0]["session_id"], json!(bob.id));
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
