//! A second reader of client frames, slow and written another way, to hold the first one against.

use segue_core::{Entry, Event, Json, MessageId, MessageKey, Position, Sequence};
use serde_json::{Map, Value, value::RawValue};

use super::{AT, ID};
use crate::limits;
use crate::wire::{
    Ask, ClientFrame, Refusal, Transient, TypingState, Undecodable, decode, event, transient,
};

/// What became of a frame, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Taken,
    Malformed,
    NotAllowed,
    TooLarge,
}

type Answer = Result<(Ask, Option<Value>), (Refusal, Option<Value>)>;

/// Reads the text both ways, and writes what was read.
pub(super) fn check(text: &str) -> Outcome {
    let decoded = decode(text);
    check_custom_is_verbatim(text, &decoded);
    match serde_json::from_str::<Value>(text) {
        // The size of `custom` counts as sent, and only the text knows it.
        Ok(value) if text.len() > limits::CUSTOM_BYTES_MAX && !value["metadata"].is_null() => {}
        Ok(value) => assert_eq!(parsed(&decoded), expected(text.len(), &value), "{text}"),
        // `Value` is stricter than the decoder about what nobody reads.
        Err(_) if serde_json::from_str::<&RawValue>(text).is_ok() => {}
        Err(_) => {
            let nothing = Undecodable { refusal: Refusal::Malformed, custom: None };
            assert_eq!(decoded, Err(nothing), "{text}");
        }
    }
    match decoded {
        Ok(ClientFrame { ask: Ask::Message { text, key }, custom }) => {
            check_echo(&text, key, custom);
            Outcome::Taken
        }
        Ok(ClientFrame { custom, .. }) => {
            read(&transient(ID, AT, &Transient::Heartbeat { custom }));
            Outcome::Taken
        }
        Err(Undecodable { refusal, custom }) => {
            read(&transient(ID, AT, &Transient::Refused { refusal, custom }));
            match refusal {
                Refusal::Malformed => Outcome::Malformed,
                Refusal::NotAllowed(_) => Outcome::NotAllowed,
                Refusal::TooLarge => Outcome::TooLarge,
                other => panic!("no such refusal of a frame: {other:?}"),
            }
        }
    }
}

fn read(frame: &str) -> Value {
    serde_json::from_str(frame).unwrap_or_else(|error| panic!("{error}: {frame}"))
}

fn custom_of(decoded: &Result<ClientFrame, Undecodable>) -> Option<&Json> {
    match decoded {
        Ok(frame) => frame.custom.as_ref(),
        Err(undecodable) => undecodable.custom.as_ref(),
    }
}

fn check_custom_is_verbatim(text: &str, decoded: &Result<ClientFrame, Undecodable>) {
    let Some(Json(custom)) = custom_of(decoded) else { return };
    assert!(custom.len() <= limits::CUSTOM_BYTES_MAX, "{text}");
    let is_named = |(name, value): (&String, &Value)| NAMES.contains(&&**name) && value.is_string();
    let names_alone = read(custom).as_object().is_some_and(|it| it.iter().all(is_named));
    let may_be_shortened = decoded.is_err() && names_alone;
    assert!(may_be_shortened || text.contains(&**custom), "{custom} is not in {text}");
}

/// The log's echo has the same text and the same `custom`, and reads as JSON in a batch too.
fn check_echo(text: &str, key: Option<MessageKey>, custom: Option<Json>) {
    let sent = custom.as_ref().map(|it| read(&it.0));
    let posted =
        Event::UserMessagePosted { message_id: MessageId(1), text: text.into(), key, custom };
    let entry =
        Entry { id: ID, position: Position(3), reached: Sequence(3), at: AT, event: posted };
    let batch = crate::wire::batch(ID, AT, &[event(&entry).expect("a message is visible")]);
    let echo = &read(&batch)["payload"]["events"][0];
    assert_eq!(echo["payload"]["text"], text);
    assert_eq!(echo.get("metadata").map(|it| &it["custom"]), sent.as_ref());
}

fn parsed(decoded: &Result<ClientFrame, Undecodable>) -> Answer {
    let custom = custom_of(decoded).map(|it| read(&it.0));
    match decoded {
        Ok(frame) => Ok((frame.ask.clone(), custom)),
        Err(undecodable) => Err((undecodable.refusal, custom)),
    }
}

fn expected(frame_bytes: usize, frame: &Value) -> Answer {
    let Some(frame) = frame.as_object() else { return Err((Refusal::Malformed, None)) };
    let custom = expected_custom(frame.get("metadata").unwrap_or(&Value::Null));
    let readable = custom.clone().unwrap_or_else(|()| expected_names(&frame["metadata"]["custom"]));
    match (expected_ask(frame_bytes, frame), custom) {
        (Ok(Ask::Message { text, .. }), Ok(custom)) => {
            let key = custom.as_ref().and_then(expected_key);
            Ok((Ask::Message { text, key }, custom))
        }
        (Ok(ask), Ok(custom)) => Ok((ask, custom)),
        (Ok(_), Err(())) => Err((Refusal::Malformed, readable)),
        (Err(refusal), _) => Err((refusal, readable)),
    }
}

fn expected_ask(frame_bytes: usize, frame: &Map<String, Value>) -> Result<Ask, Refusal> {
    const CLIENT: [&str; 5] =
        ["USER_MESSAGE", "USER_TYPING", "USER_END_SESSION", "HEARTBEAT", "REQUEST_POLY_AGENT_JOIN"];
    let kind = frame.get("type").and_then(Value::as_str).ok_or(Refusal::Malformed)?;
    let name = kind.strip_prefix("EVENT_TYPE_").ok_or(Refusal::Malformed)?;
    if let Some(known) = crate::wire::kind::NOT_ALLOWED.into_iter().find(|it| *it == kind) {
        return Err(Refusal::NotAllowed(known));
    }
    if !CLIENT.contains(&name) {
        return Err(Refusal::Malformed);
    }
    if name != "USER_MESSAGE" && frame_bytes > 131_072 {
        return Err(Refusal::TooLarge);
    }
    let empty = Value::Object(Map::new());
    let payload = match frame.get("payload") {
        None | Some(Value::Null) => &empty,
        Some(payload) => payload,
    };
    if !payload.is_object() {
        return Err(Refusal::Malformed);
    }
    match name {
        "USER_MESSAGE" => match payload["text"].as_str() {
            Some(text) if text.len() > 131_072 => Err(Refusal::TooLarge),
            Some(text) if text.chars().any(|it| !it.is_whitespace()) => {
                Ok(Ask::Message { text: text.into(), key: None })
            }
            Some(_) | None => Err(Refusal::Malformed),
        },
        "USER_TYPING" => match payload["state"].as_str() {
            Some("TYPING_STATE_STARTED") => Ok(Ask::Typing(TypingState::Started)),
            Some("TYPING_STATE_STOPPED") => Ok(Ask::Typing(TypingState::Stopped)),
            Some(_) | None => Err(Refusal::Malformed),
        },
        "USER_END_SESSION" => Ok(Ask::End),
        "HEARTBEAT" => Ok(Ask::Heartbeat),
        _ => Ok(Ask::Join),
    }
}

fn expected_custom(metadata: &Value) -> Result<Option<Value>, ()> {
    match metadata {
        Value::Null => Ok(None),
        Value::Object(metadata) => match metadata.get("custom") {
            None | Some(Value::Null) => Ok(None),
            Some(custom) if custom.is_object() && depth(custom) <= 64 => Ok(Some(custom.clone())),
            Some(_) => Err(()),
        },
        _ => Err(()),
    }
}

/// What tells a frame from others whose `custom` cannot be returned.
const NAMES: [&str; 2] = ["local_id", "client_event_id"];

fn expected_names(custom: &Value) -> Option<Value> {
    let custom = custom.as_object()?;
    let is_name = |name: &String, value: &Value| {
        NAMES.contains(&&**name) && value.as_str().is_some_and(|it| it.len() <= 200)
    };
    let names = custom.iter().filter(|(name, value)| is_name(name, value));
    let names: Map<String, Value> = names.map(|(name, it)| (name.clone(), it.clone())).collect();
    (!names.is_empty()).then_some(Value::Object(names))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn expected_key(custom: &Value) -> Option<MessageKey> {
    let usable = |name: &str| match custom[name].as_str() {
        Some(text) if !text.is_empty() && text.len() <= 200 => Some(text.to_owned()),
        Some(_) | None => None,
    };
    match usable("local_id") {
        Some(local_id) => Some(MessageKey::Local(local_id.into())),
        None => usable("client_event_id").map(|it| MessageKey::ClientEvent(it.into())),
    }
}
