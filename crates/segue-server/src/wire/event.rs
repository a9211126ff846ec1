//! Entries of the log as the user's clients see them.

use segue_core::{Entry, Event, Json, Sequence};
use serde::Serialize;

use super::envelope::Envelope;
use super::error::{notice_code, notice_message};
use super::{kind, payload};

/// The frame of an entry in its full envelope (protocol, sections 3 and 5); `None` for an entry that
/// the user may not see. Says the same each time, so that a replay repeats what was sent live.
///
/// Sizes are not checked here: whoever posts a bot's message keeps its frame within
/// `limits::MESSAGE_TEXT_BYTES_MAX`.
pub fn event(entry: &Entry) -> Option<String> {
    // The core gives no sequence to what is internal; what follows knows nothing of such entries either.
    let place = Place { entry, sequence: entry.sequence()? };
    Some(match &entry.event {
        Event::SessionStarted { facts } => {
            place.frame(kind::SESSION_START, &payload::SessionStart::new(facts.streaming), None)
        }
        Event::JoinRequested { run_at: _, custom } => {
            place.frame(kind::REQUEST_POLY_AGENT_JOIN, &payload::Empty {}, custom.as_ref())
        }
        Event::BotJoined { bot, why: _ } => {
            place.frame(kind::POLY_AGENT_JOINED, &payload::BotJoined::new(bot), None)
        }
        Event::UserMessagePosted { message_id, text, key: _, custom } => {
            let payload = payload::UserMessage { message_id: *message_id, text };
            place.frame(kind::USER_MESSAGE, &payload, custom.as_ref())
        }
        Event::TurnStarted { .. } | Event::TurnEnded { .. } => return None,
        Event::BotMessagePosted { token: _, message_id, text, extras, call_actions, bot } => {
            let payload = payload::BotMessage::new(*message_id, text, extras, call_actions, bot);
            place.frame(kind::POLY_AGENT_MESSAGE, &payload, None)
        }
        Event::BotChunkPosted { token: _, message_id, index, text, extras, is_complete } => {
            let payload = payload::BotChunk::new(*message_id, text, extras, *index, *is_complete);
            place.frame(kind::POLY_AGENT_MESSAGE_CHUNK, &payload, None)
        }
        Event::LanguageChanged { token: _, language_code } => {
            let payload = payload::LanguageChanged { language_code };
            place.frame(kind::LANGUAGE_CHANGED, &payload, None)
        }
        Event::HandoffTriggered => {
            place.frame(kind::POLY_AGENT_TRIGGERED_HANDOFF, &payload::Empty {}, None)
        }
        Event::ClientHandoffRequired { reason, destination } => {
            let payload = payload::ClientHandoffRequired::new(*reason, destination.as_deref());
            place.frame(kind::CLIENT_HANDOFF_REQUIRED, &payload, None)
        }
        Event::BotLeft { reason } => {
            let payload = payload::MaybeReason { reason: reason.as_deref() };
            place.frame(kind::POLY_AGENT_LEFT, &payload, None)
        }
        Event::HandoffFailed { reason } => {
            let payload = payload::MaybeReason { reason: reason.as_deref() };
            place.frame(kind::HANDOFF_FAILED, &payload, None)
        }
        Event::NoticePosted { level, notice } => {
            let payload = payload::SystemMessage {
                level: (*level).into(),
                message: notice_message(*notice),
                code: notice_code(*notice),
                retry_after_ms: None,
            };
            place.frame(kind::SYSTEM_MESSAGE, &payload, None)
        }
        Event::EndRequested { custom } => {
            place.frame(kind::USER_END_SESSION, &payload::Empty {}, custom.as_ref())
        }
        Event::SessionEnded { reason } => {
            place.frame(kind::SESSION_END, &payload::SessionEnd::new(*reason), None)
        }
    })
}

/// An entry that the user may see, and which of those it is.
struct Place<'a> {
    entry: &'a Entry,
    sequence: Sequence,
}

impl Place<'_> {
    fn frame(&self, kind: &'static str, payload: &impl Serialize, custom: Option<&Json>) -> String {
        let Entry { id, at, .. } = *self.entry;
        Envelope { id, sequence: Some(self.sequence), at, kind, custom }.around(payload)
    }
}
