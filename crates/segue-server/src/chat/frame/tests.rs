use serde_json::json;

use super::*;

fn one(frame: &serde_json::Value) -> Event {
    let mut events = read(&frame.to_string());
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn what_of(kind: &str, payload: &serde_json::Value) -> What {
    one(&json!({"type": format!("EVENT_TYPE_{kind}"), "sequence": 1, "payload": payload})).what
}

#[test]
fn an_echo_brings_its_key_back() {
    let event = one(&json!({
        "id": "x", "sequence": 5, "timestamp": "t", "type": "EVENT_TYPE_USER_MESSAGE",
        "payload": {"message_id": "m", "text": "Is it back?"},
        "metadata": {"custom": {"local_id": "k-41", "other": 1}},
    }));
    assert_eq!(event.sequence, Some(5));
    assert_eq!(event.local_id.as_deref(), Some("k-41"));
    assert_eq!(event.what, What::UserMessage(Text { text: "Is it back?".to_owned() }));
}

#[test]
fn a_batch_is_its_events_in_order_without_what_cannot_be_read() {
    let events = read(
        &json!({"type": "EVENT_TYPE_EVENT_BATCH", "sequence": null, "payload": {"events": [
            {"type": "EVENT_TYPE_SESSION_START", "sequence": 1,
             "payload": {"capabilities": {"heartbeat_interval_seconds": 7}}},
            "no event",
            {"type": "EVENT_TYPE_POLY_AGENT_JOINED", "sequence": 3, "payload": {"agent_name": "Ada"}},
        ]}})
        .to_string(),
    );
    let capabilities = Capabilities { heartbeat_interval_seconds: 7, ..Capabilities::default() };
    assert_eq!(
        events.iter().map(|it| (it.sequence, it.what.clone())).collect::<Vec<_>>(),
        [
            (Some(1), What::SessionStart(capabilities)),
            (Some(3), What::BotJoined(Named { agent_name: Some("Ada".to_owned()) })),
        ]
    );
}

#[test]
fn a_message_survives_extras_that_cannot_be_read() {
    let payload = json!({"text": "hi", "attachments": "none", "response_suggestions": []});
    let What::BotMessage(message) = what_of("POLY_AGENT_MESSAGE", &payload) else { panic!() };
    assert_eq!((message.text.as_str(), message.extras), ("hi", Extras::default()));
}

#[test]
fn a_chunk_has_its_extras() {
    let payload = json!({
        "message_id": "m", "text": "so.", "chunk_index": 2, "is_complete": true,
        "attachments": [{"title": "Map", "content_url": "https://x.example/", "more": 1}],
        "response_suggestions": [{"message_text": "Yes", "payload": "y"}],
    });
    let What::BotChunk(chunk) = what_of("POLY_AGENT_MESSAGE_CHUNK", &payload) else { panic!() };
    assert_eq!((chunk.message_id.as_str(), chunk.text.as_str()), ("m", "so."));
    assert!(chunk.is_complete);
    assert_eq!(chunk.extras.attachments[0].title.as_deref(), Some("Map"));
    assert_eq!(chunk.extras.response_suggestions[0].message_text, "Yes");
}

#[test]
fn what_is_unknown_or_broken_is_nothing_special() {
    assert_eq!(what_of("SHOW_CSAT_REQUEST", &json!({})), What::Other);
    assert_eq!(what_of("USER_MESSAGE", &json!({"text": 1})), What::Other);
    assert_eq!(read("no json"), []);
    assert_eq!(read("[]"), []);
    assert_eq!(read(r#"{"type":"EVENT_TYPE_EVENT_BATCH","payload":{"events":7}}"#), []);
    assert_eq!(one(&json!({"type": "EVENT_TYPE_HEARTBEAT"})).what, What::Heartbeat);
}

#[test]
fn words_that_want_a_join_are_recognised() {
    let system = |level: &str, message: &str| System {
        message: message.to_owned(),
        level: Some(format!("SYSTEM_MESSAGE_LEVEL_{level}")),
        ..System::default()
    };
    assert!(system("ERROR", "Error: Conversation not found").wants_join());
    assert!(system("ERROR", "Sorry, I'm unable to start a conversation right now.").wants_join());
    assert!(!system("WARNING", "Error: Conversation not found").wants_join());
    assert!(!system("ERROR", "Error: Session not found").wants_join());
    assert!(system("WARNING", "Error: Conversation not found").misses_conversation());
    assert!(!system("ERROR", "Sorry, I'm unable to start a conversation").misses_conversation());
}

#[test]
fn frames_are_written_as_the_protocol_wants_them() {
    assert_eq!(
        Ask::Say { local_id: "k", text: "a \"b\"\n" }.to_frame(),
        r#"{"type":"EVENT_TYPE_USER_MESSAGE","payload":{"text":"a \"b\"\n"},"metadata":{"custom":{"local_id":"k"}}}"#
    );
    for (ask, kind) in [
        (Ask::Join, "REQUEST_POLY_AGENT_JOIN"),
        (Ask::End, "USER_END_SESSION"),
        (Ask::Heartbeat, "HEARTBEAT"),
    ] {
        assert_eq!(ask.to_frame(), format!(r#"{{"type":"EVENT_TYPE_{kind}","payload":{{}}}}"#));
    }
}
