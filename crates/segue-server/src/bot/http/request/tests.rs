use segue_core::{ConnectorId, MessageId, Sequence, Turn};
use serde_json::{Value, json};

use super::*;

#[test]
fn a_signature_is_what_others_compute() {
    // Computed with Python's hmac and hashlib.
    let signature = Signer::new("s3cret").sign(1_778_155_200, "{\"a\":\"é\"}".as_bytes());
    assert_eq!(signature, "1bd6cd7bb2f226e514ad65f23d80524fa698f489971508820529af3a466096f3");
    let long_key = Signer::new(&"k".repeat(65)).sign(0, b"");
    assert_eq!(long_key, "7ebcd6f2b63566464d0650e2d7f2a17593bc3f018252641540984a13a66acf79");
}

fn smallest() -> TurnRequest {
    TurnRequest {
        is_streamed: false,
        session_id: SessionId(0xabc),
        turn: Turn(1),
        reason: TurnReason::Join,
        may_hand_off: true,
        connector: ConnectorId("demo".into()),
        platform: "web".into(),
        language: None,
        variant_id: None,
        integration_attributes: None,
        state: None,
        input: vec![],
        history: vec![],
        history_truncated: false,
    }
}

fn written(request: &TurnRequest) -> String {
    String::from_utf8(body(request).unwrap()).unwrap()
}

#[test]
fn a_turn_without_anything_has_all_its_fields() {
    let expected = concat!(
        r#"{"session_id":"00000000-0000-0000-0000-000000000abc","turn":1,"reason":"join","#,
        r#""handoff":null,"connector":"demo","platform":"web","language":null,"variant_id":null,"#,
        r#""integration_attributes":{},"verified_context":{},"state":{},"input":[],"history":[]}"#,
    );
    assert_eq!(written(&smallest()), expected);
}

#[test]
fn a_full_turn_says_it_all_and_keeps_json_to_the_letter() {
    let input = |custom: Option<&str>| InputMessage {
        message_id: MessageId(7),
        text: "Hi \"you\"\n".into(),
        custom: custom.map(str::to_owned),
        at: 1_778_155_200_123,
    };
    let said = |by, name: Option<&str>, text: &str, sequence| HistoryMessage {
        by,
        name: name.map(str::to_owned),
        text: text.into(),
        sequence: Sequence(sequence),
        at: 0,
    };
    let request = TurnRequest {
        turn: Turn(7),
        reason: TurnReason::Message,
        language: Some("en".into()),
        variant_id: Some("b".into()),
        integration_attributes: Some(r#"{"z":1.0,"a":{}}"#.into()),
        state: Some(r#"{ "n": 123456789012345678901 }"#.into()),
        input: vec![input(Some(r#"{"local_id":"x"}"#)), input(None)],
        history: vec![
            said(Speaker::User, None, "a", 4),
            said(Speaker::Bot, Some("Ada"), "b", 5),
            said(Speaker::System, None, "c", 6),
        ],
        history_truncated: true,
        ..smallest()
    };
    let expected = concat!(
        r#"{"session_id":"00000000-0000-0000-0000-000000000abc","turn":7,"reason":"message","#,
        r#""handoff":null,"connector":"demo","platform":"web","language":"en","variant_id":"b","#,
        r#""integration_attributes":{"z":1.0,"a":{}},"verified_context":{},"#,
        r#""state":{ "n": 123456789012345678901 },"input":["#,
        r#"{"message_id":"00000000-0000-0000-0000-000000000007","text":"Hi \"you\"\n","#,
        r#""metadata":{"custom":{"local_id":"x"}},"at":"2026-05-07T12:00:00.123Z"},"#,
        r#"{"message_id":"00000000-0000-0000-0000-000000000007","text":"Hi \"you\"\n","#,
        r#""metadata":{},"at":"2026-05-07T12:00:00.123Z"}],"#,
        r#""history":[{"by":"user","name":null,"text":"a","sequence":4,"at":"1970-01-01T00:00:00.000Z"},"#,
        r#"{"by":"bot","name":"Ada","text":"b","sequence":5,"at":"1970-01-01T00:00:00.000Z"},"#,
        r#"{"by":"system","name":null,"text":"c","sequence":6,"at":"1970-01-01T00:00:00.000Z"}],"#,
        r#""history_truncated":true}"#,
    );
    assert_eq!(written(&request), expected);
}

#[test]
fn a_failed_handoff_is_told() {
    let told = |reason: Option<&str>| -> Value {
        let reason = TurnReason::HandoffFailed { reason: reason.map(str::to_owned) };
        serde_json::from_str(&written(&TurnRequest { reason, ..smallest() })).unwrap()
    };
    let known = told(Some("closed"));
    assert_eq!(known["reason"], "handoff_failed");
    assert_eq!(known["handoff"], json!({ "outcome": "failed", "reason": "closed" }));
    assert_eq!(told(None)["handoff"], json!({ "outcome": "failed", "reason": null }));
}

#[test]
fn what_was_stored_as_json_and_is_none_fails_the_turn_without_being_told() {
    let stored = Some("{secret".to_owned());
    let request = TurnRequest { state: stored, ..smallest() };
    let error = body(&request).unwrap_err();
    assert!(matches!(&error, BotError::Failed(words) if !words.contains("secret")), "{error}");
}
