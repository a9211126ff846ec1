//! Events that pass by: `sequence` is null, no replay has them (protocol, section 3).

use segue_core::{EntryId, Json, MessageId, Timestamp};

use super::envelope::Envelope;
use super::error::Refusal;
use super::{kind, payload};

/// An event that is not in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transient {
    /// A heartbeat comes back to its sender.
    Heartbeat {
        /// `metadata.custom` as sent.
        custom: Option<Json>,
    },
    /// A JOIN that starts nothing comes back to its sender.
    JoinEcho {
        /// `metadata.custom` as sent.
        custom: Option<Json>,
    },
    /// The bot is at work.
    Thinking,
    /// Keeps native clients from expiring on their own (protocol, section 8): a message of the bot
    /// with empty text, no attachment, no name, which nobody shows.
    KeepAlive,
    /// What the client sent was not taken.
    Refused {
        /// Why.
        refusal: Refusal,
        /// `metadata.custom` as sent, where it could be read.
        custom: Option<Json>,
    },
}

/// The frame of a transient event. `id` is fresh; `at` is the caller's time, not before that of the
/// newest event sent (protocol, section 3).
pub fn transient(id: EntryId, at: Timestamp, transient: &Transient) -> String {
    let frame = |kind, custom| Envelope { id, sequence: None, at, kind, custom };
    match transient {
        Transient::Heartbeat { custom } => {
            frame(kind::HEARTBEAT, custom.as_ref()).around(&payload::Empty {})
        }
        Transient::JoinEcho { custom } => {
            frame(kind::REQUEST_POLY_AGENT_JOIN, custom.as_ref()).around(&payload::Empty {})
        }
        Transient::Thinking => frame(kind::POLY_AGENT_THINKING, None).around(&payload::Empty {}),
        Transient::KeepAlive => frame(kind::POLY_AGENT_MESSAGE, None).around(&keep_alive(id)),
        Transient::Refused { refusal, custom } => {
            let payload = payload::SystemMessage {
                level: refusal.level().into(),
                message: &refusal.message(),
                code: refusal.code(),
                retry_after_ms: refusal.retry_after_ms(),
            };
            frame(kind::SYSTEM_MESSAGE, custom.as_ref()).around(&payload)
        }
    }
}

/// Clients remember messages by their id, so it has one of its own: the event's, which is unique.
fn keep_alive(id: EntryId) -> payload::KeepAlive {
    payload::KeepAlive {
        message_id: MessageId(id.0),
        text: "",
        attachments: [],
        response_suggestions: [],
    }
}
