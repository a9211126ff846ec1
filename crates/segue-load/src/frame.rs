//! What the generator reads of a frame, and the frames that it sends. Borrows, and looks at no more
//! than it checks: the generator shares the machine with the server.

use std::{borrow::Cow, fmt::Write as _};

use serde::Deserialize;
use serde_json::value::RawValue;

/// What every message says behind its number: about 160 bytes, as people write.
pub const TEXT: &str = "I ordered a lamp on Monday, and what came today is a chair. It is a nice \
    chair, but I would rather have the lamp. Can you tell me how to send it back, and when?";

/// Asks for the agent.
pub const JOIN: &str = r#"{"type":"EVENT_TYPE_REQUEST_POLY_AGENT_JOIN","payload":{}}"#;
/// Keeps a connection alive.
pub const HEARTBEAT: &str = r#"{"type":"EVENT_TYPE_HEARTBEAT","payload":{}}"#;
/// The type of the first event.
pub const SESSION_START: &str = "EVENT_TYPE_SESSION_START";
/// The type of several events in one frame.
pub const BATCH: &str = "EVENT_TYPE_EVENT_BATCH";
/// The type of an echo of what the user said.
pub const USER_MESSAGE: &str = "EVENT_TYPE_USER_MESSAGE";
/// The type of an echo of a heartbeat.
pub const HEARTBEAT_ECHO: &str = "EVENT_TYPE_HEARTBEAT";
/// The type of a refusal, and of a bot's failure.
pub const SYSTEM_MESSAGE: &str = "EVENT_TYPE_SYSTEM_MESSAGE";
/// The type of the last event.
pub const SESSION_END: &str = "EVENT_TYPE_SESSION_END";
/// The type of a piece of the bot's message.
pub const CHUNK: &str = "EVENT_TYPE_POLY_AGENT_MESSAGE_CHUNK";
/// The type of a whole message of the bot.
pub const BOT_MESSAGE: &str = "EVENT_TYPE_POLY_AGENT_MESSAGE";
/// The type of the event after which nobody has the floor.
pub const BOT_LEFT: &str = "EVENT_TYPE_POLY_AGENT_LEFT";

/// The envelope of an event.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Frame<'a> {
    /// `None` from a bare echo.
    #[serde(default)]
    pub id: Option<&'a str>,
    /// `None` for a signal.
    #[serde(default)]
    pub sequence: Option<u64>,
    /// With its prefix.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Not looked into yet.
    #[serde(borrow)]
    pub payload: &'a RawValue,
    /// Not looked into yet.
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
}

/// Which message of which user an echo repeats: the generator's `local_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The user, unique within a run of the program.
    pub user: u64,
    /// The message, counted from 1 for each user.
    pub number: u64,
    /// When it had to leave, in microseconds of the run's clock.
    pub due_us: u64,
}

/// A piece of the bot's message.
#[derive(Debug, Deserialize)]
pub struct Chunk<'a> {
    /// Which message.
    pub message_id: &'a str,
    /// What it says.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// From 1.
    pub chunk_index: u64,
    /// Whether it is the last one.
    pub is_complete: bool,
}

/// What the server says about something.
#[derive(Debug, Deserialize)]
pub struct SystemMessage<'a> {
    /// For people.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
}

impl<'a> Frame<'a> {
    /// Reads a frame.
    pub fn read(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The events of a batch.
    pub fn events(&self) -> serde_json::Result<Vec<Frame<'a>>> {
        #[derive(Deserialize)]
        struct Batch<'a> {
            #[serde(borrow)]
            events: Vec<Frame<'a>>,
        }
        Ok(serde_json::from_str::<Batch<'a>>(self.payload.get())?.events)
    }

    /// The text of a message.
    pub fn text(&self) -> serde_json::Result<Cow<'a, str>> {
        #[derive(Deserialize)]
        struct Said<'a> {
            #[serde(borrow)]
            text: Cow<'a, str>,
        }
        Ok(serde_json::from_str::<Said<'a>>(self.payload.get())?.text)
    }

    /// The key under which a message was sent; `None` if it is not one of ours.
    pub fn key(&self) -> Option<Key> {
        #[derive(Deserialize)]
        struct Metadata<'a> {
            #[serde(borrow)]
            custom: Custom<'a>,
        }
        #[derive(Deserialize)]
        struct Custom<'a> {
            local_id: &'a str,
        }
        let metadata: Metadata<'a> = serde_json::from_str(self.metadata?.get()).ok()?;
        Key::read(metadata.custom.local_id)
    }
}

impl Key {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-').map(str::parse);
        let mut next = || parts.next()?.ok();
        Some(Self { user: next()?, number: next()?, due_us: next()? })
    }

    /// As it is sent.
    pub fn local_id(self) -> String {
        format!("{}-{}-{}", self.user, self.number, self.due_us)
    }

    /// The text of the message with this key: no two of one user are alike.
    pub fn text(self) -> String {
        format!("{} {TEXT}", self.number)
    }

    /// Whether this is that text, without making it again.
    pub fn is_text(self, text: &str) -> bool {
        let number = text.strip_suffix(TEXT).and_then(|it| it.strip_suffix(' '));
        number.and_then(|it| it.parse().ok()) == Some(self.number)
    }

    /// The frame that sends the message.
    pub fn frame(self) -> String {
        let mut frame = String::with_capacity(TEXT.len() + 160);
        let written = write!(
            frame,
            r#"{{"type":"EVENT_TYPE_USER_MESSAGE","payload":{{"text":"{} {TEXT}"}},"metadata":{{"custom":{{"local_id":"{}-{}-{}"}}}}}}"#,
            self.number, self.user, self.number, self.due_us
        );
        written.expect("a string takes what is written to it");
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_read_again() {
        let key = Key { user: 7, number: 12, due_us: 99 };
        let text = key.frame();
        let frame = Frame::read(&text).unwrap();
        assert_eq!(frame.kind, USER_MESSAGE);
        assert_eq!((frame.sequence, frame.id), (None, None));
        assert_eq!(frame.key(), Some(key));
        assert_eq!(frame.text().unwrap(), key.text());
        assert!(key.is_text(&frame.text().unwrap()));
        let other = Key { number: 13, ..key };
        assert!(!other.is_text(&key.text()) && !key.is_text(TEXT));
    }

    #[test]
    fn a_batch_is_read_without_copying() {
        let text = r#"{"id":"b","type":"EVENT_TYPE_EVENT_BATCH","sequence":null,"payload":
            {"events":[{"id":"a","sequence":1,"type":"EVENT_TYPE_SESSION_START","payload":{}}]}}"#;
        let frame = Frame::read(text).unwrap();
        assert_eq!((frame.kind, frame.sequence), (BATCH, None));
        let events = frame.events().unwrap();
        assert_eq!((events[0].id, events[0].sequence), (Some("a"), Some(1)));
        assert_eq!(events[0].key(), None);
    }

    #[test]
    fn a_name_of_somebody_else_is_no_key() {
        for name in ["", "7", "7-8", "a-b-c", "7-8-x"] {
            assert_eq!(Key::read(name), None, "{name}");
        }
    }
}
