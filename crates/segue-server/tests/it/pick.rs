//! Picks out of frames what a test is about.

use serde_json::Value;

use crate::support::Talk;

/// The frames of this type; the prefix is understood.
pub fn of_kind<'a>(frames: &'a [Value], kind: &str) -> Vec<&'a Value> {
    frames.iter().filter(|it| is_kind(it, kind)).collect()
}

/// Whether a frame is of this type; the prefix is understood.
pub fn is_kind(frame: &Value, kind: &str) -> bool {
    frame["type"].as_str().and_then(|it| it.strip_prefix("EVENT_TYPE_")) == Some(kind)
}

/// Without the sign that the bot is at work: it comes again and again, however long a test takes.
pub fn without_thinking(mut frames: Vec<Value>) -> Vec<Value> {
    frames.retain(|it| !is_kind(it, "POLY_AGENT_THINKING"));
    frames
}

/// The text of a message, an echo or a chunk.
pub fn text(frame: &Value) -> &str {
    frame["payload"]["text"].as_str().unwrap()
}

/// The sequences of the frames that have one.
pub fn sequences(frames: &[Value]) -> Vec<u64> {
    frames.iter().filter_map(|it| it["sequence"].as_u64()).collect()
}

/// Asserts that these follow each other in the log without a gap.
pub fn assert_adjacent(frames: &[Value]) {
    let sequences = sequences(frames);
    let expected: Vec<u64> = (sequences[0]..).take(frames.len()).collect();
    assert_eq!(sequences, expected);
}

/// The frames up to the answer to what was sent with this `local_id`: its echo or a refusal.
/// The sign that the bot is at work is left out.
pub async fn answer_to(talk: &mut Talk, local_id: &str) -> Vec<Value> {
    let is_it = |it: &Value| it["metadata"]["custom"]["local_id"] == local_id;
    without_thinking(talk.until_that(&format!("an answer to {local_id}"), is_it).await)
}

/// The next frame other than the sign that the bot is at work.
pub async fn next(talk: &mut Talk) -> Value {
    loop {
        let frame = talk.recv().await;
        if !is_kind(&frame, "POLY_AGENT_THINKING") {
            return frame;
        }
    }
}

/// The next frame other than the sign that the bot is at work, which has to be of this type.
pub async fn next_is(talk: &mut Talk, kind: &str) -> Value {
    let frame = next(talk).await;
    assert!(is_kind(&frame, kind), "no {kind} but {frame:#}");
    frame
}

/// Asserts that a frame is this refusal.
pub fn assert_refused(frame: &Value, message: &str, code: &str) {
    assert!(is_kind(frame, "SYSTEM_MESSAGE"), "no refusal but {frame:#}");
    assert!(frame["sequence"].is_null(), "in the log: {frame:#}");
    assert_eq!(frame["payload"]["level"], "SYSTEM_MESSAGE_LEVEL_ERROR", "{frame:#}");
    assert_eq!(frame["payload"]["message"], message, "{frame:#}");
    assert_eq!(frame["payload"]["code"], code, "{frame:#}");
}

/// The texts of all chunks, joined.
pub fn chunked(frames: &[Value]) -> String {
    of_kind(frames, "POLY_AGENT_MESSAGE_CHUNK").into_iter().map(text).collect()
}
