//! What stands around every event.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Bot, Running, Session, Setup, brief, events_of, is_time};

/// The types that the server has, without their prefix.
pub const TYPES: [&str; 17] = [
    "SESSION_START",
    "EVENT_BATCH",
    "USER_MESSAGE",
    "REQUEST_POLY_AGENT_JOIN",
    "USER_END_SESSION",
    "HEARTBEAT",
    "POLY_AGENT_JOINED",
    "POLY_AGENT_THINKING",
    "POLY_AGENT_MESSAGE",
    "POLY_AGENT_MESSAGE_CHUNK",
    "POLY_AGENT_LEFT",
    "POLY_AGENT_TRIGGERED_HANDOFF",
    "CLIENT_HANDOFF_REQUIRED",
    "HANDOFF_FAILED",
    "LANGUAGE_CHANGED",
    "SYSTEM_MESSAGE",
    "SESSION_END",
];

/// Everything that two conversations were sent, in which every type occurs.
struct Said {
    /// In the order in which they came, for each connection.
    connections: Vec<Vec<Value>>,
}

impl Said {
    fn frames(&self) -> impl Iterator<Item = &Value> {
        self.connections.iter().flatten()
    }

    /// The frames and the events in batches.
    fn events(&self) -> Vec<Value> {
        let mut events: Vec<Value> = self.frames().cloned().collect();
        for frame in self.frames() {
            events.extend(frame["payload"]["events"].as_array().into_iter().flatten().cloned());
        }
        events
    }
}

/// Two conversations, one in chunks with a handoff, one in messages with a handoff that fails.
async fn everything(bot: &Bot) -> Said {
    let mill = "[[connectors]]\nid = \"mill\"\ntoken = \"mill-token-22\"\nbot = \"wick\"\n\
                hosts = [\"tallow.example\"]\n";
    let setup = Setup::new(bot).connector("handoff = \"client\"").also(mill);
    let server = setup.limits("close_after_end_ms = 1").start().await;
    let mut connections = one_with_a_handoff(&server, bot).await;
    connections.extend(one_with_a_failure(&server, bot).await);
    Said { connections }
}

async fn one_with_a_handoff(server: &Running, bot: &Bot) -> Vec<Vec<Value>> {
    let session = server.streaming_session().await;
    let mut talk = session.open_joined().await;
    talk.send_text("nonsense").await;
    talk.send(&json!({"type": "EVENT_TYPE_HEARTBEAT"})).await;
    talk.send(&json!({
        "type": "EVENT_TYPE_USER_MESSAGE", "payload": {"text": "A person, please"},
        "metadata": {"custom": {"local_id": "k-1", "n": 1}},
    }))
    .await;
    bot.asked()
        .await
        .outputs(json!([
            {"type": "text", "text": "Of course. "},
            {"type": "attachment", "title": "Us", "content_url": "https://a.example/ü b?q=ä#ö"},
            {"type": "suggestion", "message_text": "Thanks"},
            {"type": "language", "language_code": "de-AT"},
            {"type": "handoff", "destination": "warranty", "reason": "POLICY"},
        ]))
        .await;
    talk.until("POLY_AGENT_LEFT").await;
    let late = read_on(&session, 3).await;
    talk.end_session().await;
    let mut frames = std::mem::take(&mut talk.came);
    frames.extend(talk.closed().await.0);
    vec![frames, late, read_ended(&session).await]
}

async fn one_with_a_failure(server: &Running, bot: &Bot) -> Vec<Vec<Value>> {
    let token = server.access_token_of("mill-token-22").await;
    let session = server.session_of(token, &json!({}), None).await;
    let mut talk = session.open_joined().await;
    talk.say("A person, please", "k-1").await;
    bot.asked().await.outputs(json!([{"type": "handoff", "reason": "COMPLEX_QUERY"}])).await;
    let mut answer = bot.asked().await.stream().await;
    answer.give(&json!({"type": "call_action", "title": "Us", "contact_number": "+43 1"})).await;
    answer.text("Nobody is here.").await;
    answer.end().await;
    talk.until("POLY_AGENT_MESSAGE").await;
    talk.say("And now?", "k-2").await;
    bot.asked().await.status(500, &[]).await;
    talk.until("SYSTEM_MESSAGE").await;
    talk.end_session().await;
    let mut frames = std::mem::take(&mut talk.came);
    frames.extend(talk.closed().await.0);
    vec![frames, read_ended(&session).await]
}

async fn read_on(session: &Session, cursor: u64) -> Vec<Value> {
    let mut talk = session.open_from(cursor).await;
    let frame = talk.expect("EVENT_BATCH").await;
    vec![frame]
}

async fn read_ended(session: &Session) -> Vec<Value> {
    session.open().await.closed().await.0
}

/// Covers 3.2, 3.5, 3.6, 3.12, 5.27.
#[tokio::test]
async fn every_event_has_the_same_form() {
    let said = everything(&Bot::start().await).await;
    let mut types = BTreeSet::new();
    for event in said.events() {
        let has = |name: &str| assert!(event.get(name).is_some(), "no {name}: {event:#}");
        ["id", "sequence", "timestamp", "type", "payload"].into_iter().for_each(has);
        let kind = event["type"].as_str().unwrap().strip_prefix("EVENT_TYPE_").unwrap();
        assert!(TYPES.contains(&kind), "{kind} is not in the table");
        assert!(event["payload"].is_object(), "{event:#}");
        assert!(is_time(event["timestamp"].as_str().unwrap()), "{event:#}");
        let is_transient = ["EVENT_BATCH", "HEARTBEAT", "POLY_AGENT_THINKING"].contains(&kind);
        match &event["sequence"] {
            Value::Null => assert!(is_transient || kind == "SYSTEM_MESSAGE", "{event:#}"),
            sequence => assert!(sequence.is_u64() && !is_transient, "{event:#}"),
        }
        let is_said = kind.starts_with("POLY_AGENT_MESSAGE");
        for name in ["events", "attachments", "response_suggestions", "chat_call_actions"] {
            let Some(list) = event["payload"].get(name) else {
                let may_lack = match name {
                    "events" => kind != "EVENT_BATCH",
                    "chat_call_actions" => true,
                    _ => !is_said,
                };
                assert!(may_lack, "no {name}: {event:#}");
                continue;
            };
            assert!(list.as_array().unwrap().iter().all(Value::is_object), "{event:#}");
        }
        types.insert(kind.to_owned());
    }
    let all: BTreeSet<String> = TYPES.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(types, all, "a type did not occur");
}

/// Covers 3.3.
#[tokio::test]
async fn every_id_is_a_uuid_of_version_7_and_names_one_event() {
    let said = everything(&Bot::start().await).await;
    let mut events = std::collections::BTreeMap::new();
    for event in said.events() {
        let id = event["id"].as_str().unwrap().to_owned();
        let uuid = uuid::Uuid::try_parse(&id).unwrap();
        assert_eq!((uuid.get_version_num(), uuid.to_string()), (7, id.clone()));
        // The same event may come again.
        if let Some(same) = events.insert(id, event.clone()) {
            assert_eq!(same, event);
            assert!(event["sequence"].is_u64(), "a transient event came twice: {event:#}");
        }
    }
    assert!(events.len() > 30, "{}", events.len());
}

/// Covers 3.4, 3.9.
#[tokio::test]
async fn a_replay_shows_the_log_as_it_was_shown_live() {
    let said = everything(&Bot::start().await).await;
    let [first, late, replayed, second, replayed_too] = &said.connections[..] else {
        panic!("five connections")
    };
    for (live, replayed) in [(first, replayed), (second, replayed_too)] {
        let log = |frames: &[Value]| {
            let mut events = events_of(frames);
            events.retain(|it| it["sequence"].is_u64());
            events
        };
        let (live, replayed) = (log(live), log(replayed));
        assert_eq!(live, replayed, "live\n{}\nreplayed\n{}", brief(&live), brief(&replayed));
        let sequences: Vec<u64> = live.iter().map(|it| it["sequence"].as_u64().unwrap()).collect();
        assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    }
    let live = events_of(first);
    assert!(events_of(late).iter().all(|it| live.contains(it)));
}

/// Covers 3.1, 3.8.
#[tokio::test]
async fn what_a_client_adds_comes_back_only_in_its_custom_metadata() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    // Numbers and texts that a careless reader would change.
    let custom = r#"{"local_id":"k-1","deep":{"a":[1,1.0,1.10,-0,1e3,9007199254740993,null,[{}]]},"u":"ü \u00fc 😀 \n","":""}"#;
    talk.send_text(&format!(
        r#"{{"id": "01a17257-d3d0-7d52-a6b3-14c9f07e2d88", "sequence": 77, "more": [],
            "timestamp": "2001-01-01T00:00:00.000Z", "session_id": "x", "type": "EVENT_TYPE_USER_MESSAGE",
            "payload": {{"text": "Hi", "message_id": "mine", "more": 1}},
            "metadata": {{"more": 1, "custom": {custom}, "trace": {{}}}}}}"#
    ))
    .await;
    let echo = talk.seek("USER_MESSAGE").await;
    assert_eq!(echo["sequence"], 5);
    assert_ne!(echo["id"], "01a17257-d3d0-7d52-a6b3-14c9f07e2d88");
    assert!(echo["timestamp"].as_str() > Some("2026"), "{echo:#}");
    assert_ne!(echo["payload"]["message_id"], "mine");
    let text = talk.raw.last().unwrap();
    assert!(text.ends_with(&format!(r#","metadata":{{"custom":{custom}}}}}"#)), "{text}");
    let keys: Vec<_> = echo.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "metadata", "payload", "sequence", "timestamp", "type"]);
    bot.asked().await.text("Yes.").await;
    talk.until("POLY_AGENT_MESSAGE").await;

    // On every kind of echo, and on a refusal.
    let metadata = json!({"custom": {"a": {"b": [true]}}});
    for kind in ["HEARTBEAT", "REQUEST_POLY_AGENT_JOIN", "USER_MESSAGE", "USER_END_SESSION"] {
        let text = if kind == "USER_MESSAGE" { "Go on" } else { "x" };
        let payload = json!({"text": text});
        let kind_in_full = format!("EVENT_TYPE_{kind}");
        talk.send(&json!({"type": kind_in_full, "payload": payload, "metadata": metadata})).await;
        assert_eq!(talk.seek(kind).await["metadata"], metadata, "{kind}");
    }
    let mut replay = session.open().await;
    let end = replay.events_to(8).await;
    assert_eq!(end.iter().filter(|it| it["metadata"] == metadata).count(), 2);
    assert!(replay.raw.iter().any(|it| it.contains(custom)), "the replay changes it");
}

/// Covers 3.8.
#[tokio::test]
async fn without_custom_metadata_an_echo_has_none() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let mut talk = server.session(json!({})).await.open_joined().await;
    for metadata in [None, Some(json!({})), Some(json!({"x": 1})), Some(json!({"custom": null}))] {
        for kind in ["HEARTBEAT", "USER_MESSAGE"] {
            let mut frame =
                json!({"type": format!("EVENT_TYPE_{kind}"), "payload": {"text": "Hi"}});
            if let Some(metadata) = &metadata {
                frame["metadata"] = metadata.clone();
            }
            talk.send(&frame).await;
            let echo = talk.seek(kind).await;
            assert_eq!(echo.get("metadata"), None, "{echo:#}");
        }
    }
}

/// Covers 3.10.
#[tokio::test]
async fn the_server_answers_binary_frames_and_all_others_in_text() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let mut talk = server.session(json!({})).await.open_joined().await;
    let heartbeat = json!({"type": "EVENT_TYPE_HEARTBEAT"}).to_string();
    talk.send_message(tokio_tungstenite::tungstenite::Message::binary(heartbeat)).await;
    // The other end of a talk fails at a binary frame, in this test and in all others.
    talk.expect("SYSTEM_MESSAGE").await;
    talk.say("Hi", "k-1").await;
    bot.asked().await.text("Hi.").await;
    talk.until("POLY_AGENT_MESSAGE").await;
}

/// Covers 3.11.
#[tokio::test]
async fn addresses_are_percent_encoded_on_the_wire() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let mut talk = server.session(json!({})).await.open_joined().await;
    talk.say("Show me", "k-1").await;
    bot.asked()
        .await
        .outputs(json!([
            {"type": "text", "text": "Here: https://a.example/ü b"},
            {"type": "attachment", "title": "ü b", "content_url": "https://a.example/ü b?q=ä&r=1#ö",
             "preview_image_url": "https://a.example/already%20%C3%BC/a b.jpg"},
        ]))
        .await;
    let message = talk.seek("POLY_AGENT_MESSAGE").await;
    let attachment = &message["payload"]["attachments"][0];
    assert_eq!(attachment["content_url"], "https://a.example/%C3%BC%20b?q=%C3%A4&r=1#%C3%B6");
    assert_eq!(attachment["preview_image_url"], "https://a.example/already%20%C3%BC/a%20b.jpg");
    // Only addresses: texts stay what they are.
    assert_eq!(attachment["title"], "ü b");
    assert_eq!(message["payload"]["text"], "Here: https://a.example/ü b");
}
