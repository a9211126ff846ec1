//! What the clients of one session have been told, and whether it agrees with itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A promise was broken: in words.
pub type Broken = String;

/// Everything that the sockets of a session were told, over all restarts.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The log as far as anybody has seen it.
    pub events: BTreeMap<u64, Value>,
    /// Keys whose echo has come, and its sequence.
    pub acknowledged: BTreeMap<String, u64>,
    /// Keys that were ever sent.
    pub sent: BTreeSet<String>,
    /// Whether the newest event seen is part of a stream that is not complete.
    pub is_stream_open: bool,
    /// Somebody has asked for the end: from here on it may be in the log before anybody sees it.
    pub is_end_asked: bool,
    /// The end was seen.
    pub is_ended: bool,
}

impl Ledger {
    /// Takes note of an event with a sequence, as somebody was sent it.
    pub fn see(&mut self, event: &Value) -> Result<(), Broken> {
        let sequence = sequence_of(event).ok_or_else(|| format!("no sequence: {event}"))?;
        let newest = self.newest();
        if let Some(before) = self.events.get(&sequence) {
            return if before == event {
                Ok(())
            } else {
                Err(format!("{sequence} was {before} and is {event}"))
            };
        }
        if let Some(key) = local_id(event) {
            if let Some(first) = self.acknowledged.insert(key.to_owned(), sequence) {
                return Err(format!("{key} is recorded as {first} and as {sequence}"));
            }
            if !self.sent.contains(key) {
                return Err(format!("nobody has said {event}"));
            }
        }
        if sequence > newest {
            match kind(event) {
                "POLY_AGENT_MESSAGE_CHUNK" => {
                    self.is_stream_open = event["payload"]["is_complete"] == false;
                }
                "SESSION_END" => self.is_ended = true,
                _ => {}
            }
        }
        self.events.insert(sequence, event.clone());
        Ok(())
    }

    /// The greatest sequence that anybody has seen.
    pub fn newest(&self) -> u64 {
        self.events.last_key_value().map_or(0, |(sequence, _)| *sequence)
    }

    /// Whether everything that was said has an answer: a whole message or an error behind it.
    pub fn is_answered(&self) -> bool {
        if self.is_ended {
            return true;
        }
        // A JOIN in the log asks for a greeting, also when one has failed before.
        let asks = |it: &&Value| matches!(kind(it), "USER_MESSAGE" | "REQUEST_POLY_AGENT_JOIN");
        let last_said = self.events.values().rev().find(asks);
        let Some(last_said) = last_said.and_then(sequence_of) else { return true };
        !self.is_stream_open && self.events.range(last_said..).any(|(_, it)| ends_turn(it))
    }
}

/// The type without its prefix.
pub fn kind(event: &Value) -> &str {
    event["type"].as_str().unwrap_or_default().trim_start_matches("EVENT_TYPE_")
}

/// The sequence, where it has one.
pub fn sequence_of(event: &Value) -> Option<u64> {
    event["sequence"].as_u64()
}

/// The key of a user's message.
pub fn local_id(event: &Value) -> Option<&str> {
    match kind(event) {
        "USER_MESSAGE" => event["metadata"]["custom"]["local_id"].as_str(),
        _ => None,
    }
}

/// Whether a turn can end with this.
pub fn ends_turn(event: &Value) -> bool {
    match kind(event) {
        "POLY_AGENT_MESSAGE" | "SYSTEM_MESSAGE" => true,
        "POLY_AGENT_MESSAGE_CHUNK" => event["payload"]["is_complete"] == true,
        _ => false,
    }
}
