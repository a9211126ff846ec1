//! One event of each kind, as the specifications show them, encoded as all are.

use segue_core::{Entry, Event, Json, MessageId, Position, Sequence};

use super::{AT, ID};
use crate::{
    spec::message::Example,
    wire::{Transient, event, transient},
};

/// A frame as a client would write it.
pub(in crate::wire) fn example(summary: &'static str, frame: &str) -> Example {
    Example { summary, frame: frame.to_owned() }
}

/// The frame of an event of the log.
pub(in crate::wire) fn event_of(summary: &'static str, event: Event) -> Example {
    Example { summary, frame: frame_of(event) }
}

/// The frame of a transient event.
pub(in crate::wire) fn signal_of(summary: &'static str, signal: &Transient) -> Example {
    Example { summary, frame: transient(ID, AT, signal) }
}

/// The frame of an event of the log. A session's start has the sequence 1, the others some other.
pub(in crate::wire) fn frame_of(it: Event) -> String {
    let reached = if matches!(it, Event::SessionStarted { .. }) { 1 } else { 6 };
    let entry = Entry {
        id: ID,
        position: Position(reached),
        reached: Sequence(reached),
        at: AT,
        event: it,
    };
    event(&entry).expect("it is visible")
}

const MESSAGE: MessageId = MessageId(0x0193_4b2e_7c00_7abc_8def_0000_0000_0001);

/// The events themselves.
pub(in crate::wire) mod events {
    use std::sync::Arc;

    use segue_core::{
        Attachment, BotProfile, CallAction, ConnectorId, ContentType, EndReason, Extras, Facts,
        HandOffReason, Level, Notice, Suggestion, TokenId, TurnReason,
    };

    use super::{Event, Json, MESSAGE, Position};

    pub fn session_start() -> Event {
        let facts = Facts {
            connector: ConnectorId("shop".into()),
            token: TokenId("jti".into()),
            expires_at: 0,
            streaming: true,
            platform: "web".into(),
            device_type: None,
            user_agent: None,
            language: None,
            variant_id: None,
            integration_attributes: None,
        };
        Event::SessionStarted { facts: Arc::new(facts) }
    }

    pub fn user_message() -> Event {
        let custom = Some(Json(r#"{"local_id":"k-41"}"#.into()));
        let text = "Is the blue kettle back?".into();
        Event::UserMessagePosted { message_id: MESSAGE, text, key: None, custom }
    }

    pub fn join_requested() -> Event {
        Event::JoinRequested { run_at: 0, custom: None }
    }

    pub fn end_requested() -> Event {
        Event::EndRequested { custom: None }
    }

    pub fn session_ended() -> Event {
        Event::SessionEnded { reason: EndReason::UserEnd }
    }

    fn wick() -> BotProfile {
        let avatar_url = "https://tallow.example/wick.png".into();
        BotProfile { name: "Wick".into(), avatar_url }
    }

    pub fn bot_joined() -> Event {
        Event::BotJoined { bot: wick(), why: TurnReason::Join }
    }

    pub fn bot_message() -> Event {
        let kettle = Attachment {
            title: "Blue kettle".into(),
            preview_image_url: Some("https://tallow.example/kettle-small.jpg".into()),
            content_url: "https://tallow.example/kettles/blue".into(),
            content_type: ContentType::Url,
            call_to_action_text: Some("See it".into()),
        };
        Event::BotMessagePosted {
            token: Position(5),
            message_id: MESSAGE,
            text: "It is, in **both** sizes.".into(),
            extras: Extras { attachments: vec![kettle], suggestions: vec![reserve()] },
            call_actions: vec![CallAction {
                title: "Ring the shop".into(),
                contact_number: "+44 20 7946 0815".into(),
            }],
            bot: wick(),
        }
    }

    fn reserve() -> Suggestion {
        Suggestion { message_text: "Reserve one".into(), payload: Some("reserve:blue".into()) }
    }

    fn chunk(index: u32, text: &str, suggestions: Vec<Suggestion>) -> Event {
        Event::BotChunkPosted {
            token: Position(5),
            message_id: MESSAGE,
            index,
            text: text.into(),
            is_complete: !suggestions.is_empty(),
            extras: Extras { attachments: vec![], suggestions },
        }
    }

    pub fn first_chunk() -> Event {
        chunk(1, "It is back, in ", vec![])
    }

    pub fn last_chunk() -> Event {
        chunk(2, "both sizes.", vec![reserve()])
    }

    pub fn language_changed() -> Event {
        Event::LanguageChanged { token: Position(5), language_code: "de-AT".into() }
    }

    pub fn bot_left() -> Event {
        Event::BotLeft { reason: Some("handoff".into()) }
    }

    pub fn client_handoff() -> Event {
        let destination = Some("warranty".into());
        Event::ClientHandoffRequired { reason: HandOffReason::Policy, destination }
    }

    pub fn handoff_failed() -> Event {
        Event::HandoffFailed { reason: Some("no handoff is configured".into()) }
    }

    pub fn notice() -> Event {
        Event::NoticePosted { level: Level::Error, notice: Notice::EncounteredError }
    }
}
