//! A conversation as its user knows it: what was sent, what was told of it, how the user behaves.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use segue_core::{Facts, SessionId};
use segue_server::limits::Limits;

/// One conversation, as its user knows it.
pub struct Talk {
    pub id: SessionId,
    pub facts: Arc<Facts>,
    pub limits: Arc<Limits>,
    pub character: Character,
    pub known: Mutex<Known>,
}

/// How a user behaves.
#[derive(Debug, Clone, Copy)]
pub struct Character {
    pub clients: u64,
    /// Milliseconds between two things that a client does, at the most.
    pub pause_ms_max: u64,
    /// So many of a thousand things are an end.
    pub ends_permille: u64,
    /// Falls silent then, on the world's clock.
    pub hush_at_ms: u64,
    pub hush: Hush,
}

/// How a user falls silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hush {
    /// Closes everything.
    Leaves,
    /// Leaves the sockets open and sends nothing.
    Sleeps,
    /// Sends heartbeats only.
    Beats,
    /// As `Sleeps`, and says something at the moment at which the session may end.
    SpeaksAtTheEdge,
    /// Closes everything, and comes back shortly before the session may end.
    ReturnsAtTheEdge,
}

/// What the clients of one user know together.
#[derive(Debug, Default)]
pub struct Known {
    /// By the tag that is written beside each.
    pub messages: BTreeMap<String, Sent>,
    /// The newest frame, or upgrade, by the life of the node that it reached.
    pub signs: BTreeMap<u64, u64>,
    /// When one reached a node that had not heard of the user for a while.
    pub returned_ms: u64,
    pub asked_to_join_ms: Option<u64>,
    pub asked_to_end_ms: Option<u64>,
    pub clients: BTreeMap<u64, Progress>,
    pub is_ended: bool,
    /// An administrator has asked for its end.
    pub asked_to_revoke_ms: Option<u64>,
    pub has_returned: bool,
    pub is_not_asked: bool,
}

/// How far a client has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    pub cursor: u64,
    /// Since when its socket has been sound, if it is.
    pub sound_since_ms: Option<u64>,
    /// When it was last told that the bot is thinking.
    pub thinking_ms: u64,
}

/// A message of the user.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    pub text: String,
    pub key: Key,
    /// When, by which client, to which life.
    pub copies: Vec<(u64, u64, u64)>,
    /// Sequence of the echo.
    pub echoed: Option<u64>,
    pub refusals: u64,
    pub is_refused_for_good: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Key {
    #[default]
    Local,
    ClientEvent,
    None,
}

impl Sent {
    /// The frame that says it.
    pub fn frame(&self, tag: &str) -> String {
        let key = match self.key {
            Key::Local => format!("\"local_id\":\"{tag}\","),
            Key::ClientEvent => format!("\"client_event_id\":\"{tag}\","),
            Key::None => String::new(),
        };
        let text = &self.text;
        format!(
            "{{\"type\":\"EVENT_TYPE_USER_MESSAGE\",\"payload\":{{\"text\":\"{text}\"}},\
             \"metadata\":{{\"custom\":{{{key}\"tag\":\"{tag}\"}}}}}}"
        )
    }
}

impl Talk {
    /// Tags of messages of which the user does not know what became of them.
    pub fn open_tags(&self) -> Vec<String> {
        let known = self.known.lock();
        let is_open = |it: &&String| known.messages[*it].is_open();
        known.messages.keys().filter(is_open).cloned().collect()
    }
}

impl Sent {
    /// Whether it has to be sent again until it is answered.
    pub fn is_open(&self) -> bool {
        let is_answered = self.echoed.is_some() || self.is_refused_for_good;
        !is_answered && self.key != Key::None
    }
}
