//! An entry on its way to sockets: encoded once, shared by all of them.

use segue_core::{EndReason, Entry, Event, Position, Sequence, Timestamp};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::wire;

/// A text frame, or a part of one. Cheap to clone.
pub type Frame = Utf8Bytes;

/// An entry as a user's connection needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its place in the log.
    pub position: Position,
    /// The sequence reached with it.
    pub reached: Sequence,
    /// When it was recorded.
    pub at: Timestamp,
    /// Its event on the wire; `None` when the user may not see it.
    pub event: Option<Frame>,
    /// What a connection derives from it.
    pub mark: Mark,
}

/// What a connection derives from an entry beside its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    Plain,
    /// The session's start, which heads every replay.
    SessionStarted,
    /// The bot is at work from here on. The position is the attempt's token.
    TurnStarted,
    /// The bot is no longer at work.
    TurnEnded,
    /// The session is over.
    SessionEnded(EndReason),
}

impl Item {
    /// Encodes an entry for the user.
    pub fn new(entry: &Entry) -> Self {
        let mark = match entry.event {
            Event::SessionStarted { .. } => Mark::SessionStarted,
            Event::TurnStarted { .. } => Mark::TurnStarted,
            Event::TurnEnded { .. } => Mark::TurnEnded,
            Event::SessionEnded { reason } => Mark::SessionEnded(reason),
            _ => Mark::Plain,
        };
        Self {
            position: entry.position,
            reached: entry.reached,
            at: entry.at,
            event: wire::event(entry).map(Frame::from),
            mark,
        }
    }
}
