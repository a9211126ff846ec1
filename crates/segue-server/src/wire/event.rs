//! Entries of the log as the user's clients see them.

use segue_core::{Entry, Event, Json, Level, Notice};

use super::envelope::{Envelope, json};
use super::error::{notice_code, notice_message};
use super::{kind, payload};

/// The frame of an entry in its full envelope (protocol, sections 3 and 5); `None` for an entry that
/// the user may not see. Says the same each time, so that a replay repeats what was sent live.
///
/// Sizes are not checked here: whoever posts a bot's message keeps its frame within
/// `limits::MESSAGE_TEXT_BYTES_MAX`.
pub fn event(entry: &Entry) -> Option<String> {
    // The core gives no sequence to what is internal; `parts` knows nothing of such entries either.
    let sequence = entry.sequence()?;
    let Parts { kind, payload, custom } = parts(&entry.event)?;
    let envelope = Envelope { id: entry.id, sequence: Some(sequence), at: entry.at, kind, custom };
    Some(envelope.around(&payload))
}

/// What differs from type to type.
struct Parts<'a> {
    kind: &'static str,
    payload: String,
    custom: Option<&'a Json>,
}

impl<'a> Parts<'a> {
    fn new(kind: &'static str, payload: &impl serde::Serialize) -> Self {
        Self { kind, payload: json(payload), custom: None }
    }

    fn with(self, custom: Option<&'a Json>) -> Self {
        Self { custom, ..self }
    }
}

fn parts(event: &Event) -> Option<Parts<'_>> {
    Some(match event {
        Event::SessionStarted { facts } => {
            Parts::new(kind::SESSION_START, &payload::SessionStart::new(facts.streaming))
        }
        Event::JoinRequested { run_at: _, custom } => {
            Parts::new(kind::REQUEST_POLY_AGENT_JOIN, &payload::Empty {}).with(custom.as_ref())
        }
        Event::BotJoined { bot, why: _ } => {
            Parts::new(kind::POLY_AGENT_JOINED, &payload::BotJoined::new(bot))
        }
        Event::UserMessagePosted { message_id, text, key: _, custom } => {
            let payload = payload::UserMessage { message_id: *message_id, text };
            Parts::new(kind::USER_MESSAGE, &payload).with(custom.as_ref())
        }
        Event::TurnStarted { .. } | Event::TurnEnded { .. } => return None,
        Event::BotMessagePosted { token: _, message_id, text, extras, call_actions, bot } => {
            let payload = payload::BotMessage::new(*message_id, text, extras, call_actions, bot);
            Parts::new(kind::POLY_AGENT_MESSAGE, &payload)
        }
        Event::BotChunkPosted { token: _, message_id, index, text, extras, is_complete } => {
            let payload = payload::BotChunk::new(*message_id, text, extras, *index, *is_complete);
            Parts::new(kind::POLY_AGENT_MESSAGE_CHUNK, &payload)
        }
        Event::LanguageChanged { token: _, language_code } => {
            Parts::new(kind::LANGUAGE_CHANGED, &payload::LanguageChanged { language_code })
        }
        Event::HandoffTriggered => {
            Parts::new(kind::POLY_AGENT_TRIGGERED_HANDOFF, &payload::Empty {})
        }
        Event::ClientHandoffRequired { reason, destination } => {
            let payload = payload::ClientHandoffRequired::new(*reason, destination.as_deref());
            Parts::new(kind::CLIENT_HANDOFF_REQUIRED, &payload)
        }
        Event::BotLeft { reason } => {
            Parts::new(kind::POLY_AGENT_LEFT, &payload::MaybeReason { reason: reason.as_deref() })
        }
        Event::HandoffFailed { reason } => {
            Parts::new(kind::HANDOFF_FAILED, &payload::MaybeReason { reason: reason.as_deref() })
        }
        Event::NoticePosted { level, notice } => notice_posted(*level, *notice),
        Event::EndRequested { custom } => {
            Parts::new(kind::USER_END_SESSION, &payload::Empty {}).with(custom.as_ref())
        }
        Event::SessionEnded { reason } => {
            Parts::new(kind::SESSION_END, &payload::SessionEnd::new(*reason))
        }
    })
}

fn notice_posted(level: Level, notice: Notice) -> Parts<'static> {
    let payload = payload::SystemMessage {
        level: level.into(),
        message: notice_message(notice),
        code: notice_code(notice),
        retry_after_ms: None,
    };
    Parts::new(kind::SYSTEM_MESSAGE, &payload)
}
