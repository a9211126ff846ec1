//! Conversations: listed, shown, exported.

use serde_json::{Value, json};

use crate::support::{Admin, Bot, Running, Setup, is_time};

const OTHER: &str = "[[connectors]]\nid = \"other\"\ntoken = \"other-token-88\"\n\
    hosts = [\"tallow.example\"]\nbot = \"wick\"\n";

async fn of_other(server: &Running) -> String {
    let token = server.access_token_of("other-token-88").await;
    server.session_of(token, &json!({}), None).await.id
}

fn ids(page: &Value) -> Vec<&str> {
    let sessions = page["sessions"].as_array().unwrap();
    sessions.iter().map(|it| it["session_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn sessions_are_found_by_what_is_known_of_them_the_newest_first() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().also(OTHER);
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let ann = json!({"integration_attributes": {"user_id": "ann"}, "platform": "ios"});
    let first = server.session(ann).await;
    let second = of_other(&server).await;
    let third = server.session(json!({})).await;
    let mut talk = third.open_joined().await;
    talk.end_session().await;
    talk.until("SESSION_END").await;

    let all = admin.get("/admin/v1/sessions").await;
    assert_eq!(ids(&all), [third.id.as_str(), &second, &first.id]);
    assert_eq!(all["next_cursor"], json!(null));
    let line = &all["sessions"][0];
    assert_eq!((&line["state"], &line["end_reason"]), (&json!("ended"), &json!("user_end")));
    for name in ["created_at", "last_event_at", "last_seen_at", "ended_at"] {
        assert!(is_time(line[name].as_str().unwrap()), "{name} of {line}");
    }
    let line = &all["sessions"][2];
    assert_eq!((&line["user_id"], &line["platform"]), (&json!("ann"), &json!("ios")));
    assert_eq!((&line["state"], &line["ended_at"]), (&json!("unasked"), &json!(null)));

    let created = all["sessions"][1]["created_at"].as_str().unwrap();
    for (query, expected) in [
        ("connector=other".to_owned(), vec![second.as_str()]),
        ("connector=other,shop".to_owned(), vec![&third.id, &second, &first.id]),
        ("connector=unknown".to_owned(), vec![]),
        ("state=ended".to_owned(), vec![&third.id]),
        ("state=live".to_owned(), vec![&second, &first.id]),
        ("user_id=ann".to_owned(), vec![&first.id]),
        ("user_id=bob".to_owned(), vec![]),
        ("created_from=2999-01-01".to_owned(), vec![]),
        ("created_before=2001-01-01".to_owned(), vec![]),
        (format!("created_from={created}&connector=other"), vec![&second]),
        (format!("created_before={created}&connector=other"), vec![]),
    ] {
        let page = admin.get(&format!("/admin/v1/sessions?{query}")).await;
        assert_eq!(ids(&page), expected, "{query}");
    }
    // A key that sees one connector sees its sessions, whatever it asks for.
    let limited = admin.limited(&["sessions:read"], &["other"]).await;
    for query in ["", "?connector=shop,other", "?state=live", "?limit=1"] {
        let page = limited.get(&format!("/admin/v1/sessions{query}")).await;
        assert_eq!(ids(&page), [second.as_str()], "{query}");
        assert_eq!(page["next_cursor"], json!(null));
    }
    assert_eq!(ids(&limited.get("/admin/v1/sessions?connector=shop").await), [""; 0]);
    server.stop().await;
}

#[tokio::test]
async fn pages_leave_nothing_out_and_show_nothing_twice() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let token = server.access_token().await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.insert(0, server.session_of(token.clone(), &json!({}), None).await.id);
    }
    let mut seen: Vec<String> = Vec::new();
    let mut cursor = String::new();
    for expected in [3, 3, 1] {
        let page = admin.get(&format!("/admin/v1/sessions?limit=3{cursor}")).await;
        assert_eq!(ids(&page).len(), expected);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        cursor = page["next_cursor"].as_str().map_or(String::new(), |it| format!("&cursor={it}"));
    }
    assert_eq!((seen, cursor.as_str()), (made, ""));
    server.stop().await;
}

#[tokio::test]
async fn a_page_has_50_where_nobody_says_how_many() {
    let bot = Bot::start().await;
    let limits = "sessions_per_token = 0\nhandshakes_per_second = 0";
    let setup = Setup::new(&bot).sqlite().limits(limits);
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let token = server.access_token().await;
    for _ in 0..51 {
        server.session_of(token.clone(), &json!({}), None).await;
    }
    let page = admin.get("/admin/v1/sessions").await;
    assert_eq!((ids(&page).len(), page["next_cursor"].is_string()), (50, true));
    let page = admin.get("/admin/v1/sessions?limit=500").await;
    assert_eq!((ids(&page).len(), &page["next_cursor"]), (51, &json!(null)));
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused_with_a_reason() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let id = server.session(json!({})).await.id;
    for (query, says) in [
        ("sessions?limit=0", "limit: 1 to 500"),
        ("sessions?limit=501", "limit: 1 to 500"),
        ("sessions?limit=many", "invalid digit"),
        ("sessions?state=open", "unknown variant"),
        ("sessions?colour=red", "unknown field `colour`"),
        ("sessions?created_from=yesterday", "created_from: a time in UTC"),
        ("sessions?created_before=2026-02-30", "created_before: a time in UTC"),
        ("sessions?cursor=abc", "cursor: this is none that was given"),
        (&format!("sessions/{id}/entries?after=-1"), "invalid digit"),
        (&format!("sessions/{id}/entries?limit=0"), "limit: 1 to 500"),
        (&format!("sessions/{id}/export?format=pdf"), "unknown variant"),
    ] {
        let answer = admin.request("GET", &format!("/admin/v1/{query}")).send().await;
        let text = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && text.contains(says), "{query}: {answer:?}");
    }
    for path in ["sessions/nonsense", "sessions/01934b2e-7c00-7abc-8def-0123456789ab"] {
        let refused = admin.refused("GET", &format!("/admin/v1/{path}"), json!({})).await;
        assert_eq!(refused, (404, "not_found".to_owned()), "{path}");
    }
    let answer = admin.request("GET", "/admin/v1/nothing").send().await;
    assert_eq!(answer.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_session_is_shown_with_its_whole_log_and_internal_entries_marked() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let admin = Admin::of(&setup, &server);
    let wanted = json!({
        "integration_attributes": {"user_id": "ann", "b": 1, "a": 2}, "device_type": "tablet",
        "variant_id": "v-2", "language": "en-GB",
    });
    let session = server.session(wanted).await;
    let mut talk = session.open_joined().await;
    talk.say("Is the blue kettle back?", "k-1").await;
    bot.asked().await.text("It is.").await;
    talk.until("POLY_AGENT_MESSAGE").await;

    let shown = admin.get(&format!("/admin/v1/sessions/{}", session.id)).await;
    assert_eq!(shown["connections"], 1);
    assert_eq!((&shown["turns"], &shown["user_id"]), (&json!(2), &json!("ann")));
    let attributes = json!({"user_id": "ann", "b": 1, "a": 2});
    assert_eq!(shown["integration_attributes"], attributes);
    assert_eq!((&shown["device_type"], &shown["variant_id"]), (&json!("tablet"), &json!("v-2")));

    let path = format!("/admin/v1/sessions/{}/entries", session.id);
    let all = admin.get(&path).await;
    let entries = all["entries"].as_array().unwrap();
    let brief: Vec<String> = entries
        .iter()
        .map(|it| format!("{} {} {}", it["position"], it["sequence"], it["event"]["is"]))
        .collect();
    let expected = [
        "1 1 \"session_started\"",
        "2 2 \"join_requested\"",
        "3 3 \"bot_joined\"",
        "4 null \"turn_started\"",
        "5 4 \"bot_message_posted\"",
        "6 null \"turn_ended\"",
        "7 5 \"user_message_posted\"",
        "8 null \"turn_started\"",
        "9 6 \"bot_message_posted\"",
        "10 null \"turn_ended\"",
    ];
    assert_eq!(brief, expected);
    for entry in entries {
        assert_eq!(entry["internal"], entry["sequence"].is_null());
    }
    assert_eq!(all["next_after"], json!(null));
    let mut paged = Vec::new();
    let mut after = json!(0);
    while !after.is_null() {
        let page = admin.get(&format!("{path}?limit=4&after={after}")).await;
        paged.extend(page["entries"].as_array().unwrap().clone());
        after = page["next_after"].clone();
    }
    assert_eq!(&paged, entries);

    let export = admin.get(&format!("/admin/v1/sessions/{}/export", session.id)).await;
    assert_eq!(export["entries"], all["entries"]);
    assert_eq!(export["session"]["session_id"], json!(session.id));
    let path = format!("/admin/v1/sessions/{}/export?format=markdown", session.id);
    let answer = admin.request("GET", &path).send().await;
    assert_eq!(answer.header("content-type"), Some("text/markdown; charset=utf-8"));
    let page = String::from_utf8(answer.body).unwrap();
    for part in ["# Conversation ", "**User** ", "\n> Is the blue kettle back?\n", "\n> It is.\n"] {
        assert!(page.contains(part), "{part:?} in\n{page}");
    }
    server.stop().await;
}

#[tokio::test]
async fn while_the_store_is_away_administrators_are_told_to_come_again() {
    let switch = crate::support::Switch::default();
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start_with(switch.tweaks()).await;
    let admin = Admin::of(&setup, &server);
    let id = server.session(json!({})).await.id;
    switch.off();
    for path in ["/admin/v1/sessions", &format!("/admin/v1/sessions/{id}")] {
        let answer = admin.request("GET", path).send().await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
        assert_eq!(answer.json()["code"], "unavailable");
    }
    switch.on();
    admin.get(&format!("/admin/v1/sessions/{id}")).await;
    server.stop().await;
}
