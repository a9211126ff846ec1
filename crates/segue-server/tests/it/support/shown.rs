//! Frames as snapshots show them.

use std::collections::BTreeMap;

use serde_json::Value;

/// A frame, or several, with ids numbered in their order and times masked.
pub fn shown(frames: &[Value]) -> String {
    let mut ids = BTreeMap::new();
    let masked: Vec<String> = frames
        .iter()
        .map(|frame| serde_json::to_string_pretty(&masked(frame, &mut ids)).unwrap())
        .collect();
    masked.join("\n")
}

/// One line for each frame: its sequence and its type.
pub fn brief(frames: &[Value]) -> String {
    let lines: Vec<String> = frames.iter().map(line).collect();
    lines.join("\n")
}

/// The events in these frames: those in batches, and the others as they are.
pub fn events_of(frames: &[Value]) -> Vec<Value> {
    let mut events = Vec::new();
    for frame in frames {
        if frame["type"] == "EVENT_TYPE_EVENT_BATCH" {
            events.extend(frame["payload"]["events"].as_array().unwrap().iter().cloned());
        } else {
            events.push(frame.clone());
        }
    }
    events
}

fn line(frame: &Value) -> String {
    let sequence = match &frame["sequence"] {
        Value::Null => "-".to_owned(),
        number => number.to_string(),
    };
    let kind = frame["type"].as_str().unwrap().trim_start_matches("EVENT_TYPE_");
    match frame["payload"]["events"].as_array() {
        Some(events) => {
            let events: Vec<String> = events.iter().map(line).collect();
            format!("{sequence} {kind} [{}]", events.join(", "))
        }
        None => format!("{sequence} {kind}"),
    }
}

fn masked(value: &Value, ids: &mut BTreeMap<String, usize>) -> Value {
    match value {
        Value::String(text) if uuid::Uuid::try_parse(text).is_ok() => {
            let next = ids.len() + 1;
            let number = *ids.entry(text.clone()).or_insert(next);
            Value::String(format!("[id {number}]"))
        }
        Value::String(text) if is_time(text) => Value::String("[time]".to_owned()),
        Value::Array(items) => items.iter().map(|it| masked(it, ids)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, it)| (key.clone(), masked(it, ids))).collect()
        }
        other => other.clone(),
    }
}

/// Exactly `2026-10-25T09:14:02.570Z`.
pub fn is_time(text: &str) -> bool {
    let form = "dddd-dd-ddTdd:dd:dd.dddZ";
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(is, want)| match want {
            b'd' => is.is_ascii_digit(),
            _ => is == want,
        })
}
