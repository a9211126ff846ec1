//! What holds for every entry and for every text that a stranger sends.

use proptest::prelude::*;
use segue_core::{Entry, Event, Json};
use serde_json::{Map, Value};

use super::{arbitrary, oracle};
use crate::{
    limits::CUSTOM_BYTES_MAX,
    published,
    wire::{Refusal, batch, batch_bytes, decode, event, timestamp},
};

fn object(json: &str) -> Map<String, Value> {
    match serde_json::from_str(json) {
        Ok(Value::Object(object)) => object,
        other => panic!("{json} is no object: {other:?}"),
    }
}

/// The names of an object with the JSON type of each.
fn shape(object: &Map<String, Value>) -> Vec<(&str, &str)> {
    let of = |it: &Value| match it {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) if items.iter().all(Value::is_object) => "objects",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    object.iter().map(|(name, value)| (name.as_str(), of(value))).collect()
}

/// The fields that a payload must have and those it may have, each with its type, in order of name.
type Fields = (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]);

fn fields_of(kind: &str) -> Fields {
    match kind {
        "SESSION_START" => (&[("capabilities", "object")], &[]),
        "USER_MESSAGE" => (&[("message_id", "string"), ("text", "string")], &[]),
        "REQUEST_POLY_AGENT_JOIN" | "USER_END_SESSION" | "POLY_AGENT_TRIGGERED_HANDOFF" => {
            (&[], &[])
        }
        "POLY_AGENT_JOINED" => (
            &[("agent_avatar_url", "string"), ("agent_name", "string"), ("avatar_url", "string")],
            &[],
        ),
        "POLY_AGENT_MESSAGE" => (
            &[
                ("agent_name", "string"),
                ("attachments", "objects"),
                ("avatar_url", "string"),
                ("message_id", "string"),
                ("response_suggestions", "objects"),
                ("text", "string"),
            ],
            &[("chat_call_actions", "objects")],
        ),
        "POLY_AGENT_MESSAGE_CHUNK" => (
            &[
                ("attachments", "objects"),
                ("chunk_index", "integer"),
                ("is_complete", "bool"),
                ("message_id", "string"),
                ("response_suggestions", "objects"),
                ("text", "string"),
            ],
            &[],
        ),
        "POLY_AGENT_LEFT" | "HANDOFF_FAILED" => (&[], &[("reason", "string")]),
        "CLIENT_HANDOFF_REQUIRED" => {
            (&[("reason", "string")], &[("queue_name", "string"), ("route", "string")])
        }
        "LANGUAGE_CHANGED" => (&[("language_code", "string")], &[]),
        "SYSTEM_MESSAGE" => {
            (&[("code", "string"), ("level", "string"), ("message", "string")], &[])
        }
        "SESSION_END" => (&[("reason", "string")], &[]),
        other => panic!("{other} is no event of the log"),
    }
}

fn check_event(entry: &Entry) {
    let Some(frame) = event(entry) else {
        assert!(!entry.event.is_visible());
        return;
    };
    published::check_server_frame(&frame);
    assert!(entry.event.is_visible());
    let envelope = object(&frame);
    let custom = custom_of(&entry.event);
    let metadata = if custom.is_some() { vec![("metadata", "object")] } else { vec![] };
    let mut names = vec![("id", "string")];
    names.extend(metadata);
    names.extend([
        ("payload", "object"),
        ("sequence", "integer"),
        ("timestamp", "string"),
        ("type", "string"),
    ]);
    assert_eq!(shape(&envelope), names, "{frame}");
    assert_eq!(envelope["id"], entry.id.to_string());
    assert_eq!(envelope["sequence"], entry.reached.0);
    assert_eq!(envelope["timestamp"], timestamp(entry.at));
    check_timestamp(envelope["timestamp"].as_str().unwrap());

    let kind = envelope["type"].as_str().unwrap().strip_prefix("EVENT_TYPE_").unwrap();
    let payload = envelope["payload"].as_object().unwrap();
    let (must, may) = fields_of(kind);
    let shape = shape(payload);
    assert!(must.iter().all(|it| shape.contains(it)), "{frame}");
    assert!(shape.iter().all(|it| must.contains(it) || may.contains(it)), "{frame}");
    if let Some(text) = text_of(&entry.event) {
        assert_eq!(payload["text"], text);
    }
    if let Some(Json(custom)) = custom {
        assert!(frame.ends_with(&format!(r#","metadata":{{"custom":{custom}}}}}"#)), "{frame}");
        assert_eq!(envelope["metadata"]["custom"], Value::Object(object(custom)));
    }
}

fn custom_of(event: &Event) -> Option<&Json> {
    match event {
        Event::JoinRequested { custom, .. }
        | Event::UserMessagePosted { custom, .. }
        | Event::EndRequested { custom } => custom.as_ref(),
        _ => None,
    }
}

fn text_of(event: &Event) -> Option<&str> {
    match event {
        Event::UserMessagePosted { text, .. } => Some(text),
        Event::BotMessagePosted { text, .. } | Event::BotChunkPosted { text, .. } => Some(text),
        _ => None,
    }
}

/// `NNNN-NN-NNTNN:NN:NN.NNNZ`
fn check_timestamp(text: &str) {
    let shape = text.chars().map(|it| if it.is_ascii_digit() { 'N' } else { it });
    assert_eq!(shape.collect::<String>(), "NNNN-NN-NNTNN:NN:NN.NNNZ");
}

/// A text with a piece of it replaced by something else.
fn mutated() -> impl Strategy<Value = String> {
    let pieces = vec![
        "",
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "null",
        "5",
        "\\",
        "\\ud800",
        "\u{0}",
        "text",
        "custom",
        "metadata",
        "local_id",
        "payload",
        "EVENT_TYPE_SESSION_END",
        "1e999",
        "é",
    ];
    let piece = prop::sample::select(pieces);
    let places = (any::<prop::sample::Index>(), 0..9_usize);
    (arbitrary::client_frame(), places, piece).prop_map(|((_, text), (at, gone), piece)| {
        let chars = text.chars().collect::<Vec<_>>();
        let at = at.index(chars.len());
        let (before, after) = (&chars[..at], &chars[(at + gone).min(chars.len())..]);
        before.iter().copied().chain(piece.chars()).chain(after.iter().copied()).collect()
    })
}

proptest! {
    #[test]
    fn every_entry_has_a_frame_of_the_right_shape_or_none(entry in arbitrary::entry()) {
        check_event(&entry);
    }

    #[test]
    fn a_batch_of_any_events_reads_as_those(entries in prop::collection::vec(arbitrary::entry(), 0..5)) {
        let frames = entries.iter().filter_map(event).collect::<Vec<_>>();
        let text = batch(super::ID, super::AT, &frames);
        let bytes = frames.iter().map(String::len).sum();
        prop_assert_eq!(text.len(), batch_bytes(frames.len(), bytes));
        let inside = &object(&text)["payload"]["events"];
        let alone = frames.iter().map(|it| Value::Object(object(it))).collect::<Vec<_>>();
        prop_assert_eq!(inside, &Value::Array(alone));
        // A batch is never empty.
        if !frames.is_empty() {
            published::check_server_frame(&text);
        }
    }

    #[test]
    fn what_a_client_writes_is_what_is_read((frame, text) in arbitrary::client_frame()) {
        published::check_client_frame(&text);
        prop_assert_eq!(decode(&text), Ok(frame));
        oracle::check(&text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        oracle::check(&text);
    }

    #[test]
    fn a_damaged_frame_is_read_or_refused(text in mutated()) {
        oracle::check(&text);
    }

    /// The other way round: what the published schema lets through is read, except for sizes, which
    /// it cannot express.
    #[test]
    fn what_is_published_as_a_frame_is_read(text in mutated()) {
        if published::client_frame_problems(&text).is_empty() {
            let refusal = decode(&text).err().map(|it| it.refusal);
            let is_size = refusal == Some(Refusal::TooLarge)
                || refusal == Some(Refusal::Malformed) && text.len() > CUSTOM_BYTES_MAX;
            prop_assert!(refusal.is_none() || is_size, "{refusal:?} for {text}");
        }
    }
}
