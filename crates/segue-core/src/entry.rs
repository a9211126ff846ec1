//! What happened in a session. Entries are stored for ever: add variants and optional fields,
//! never change the meaning of one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    AttemptId, CallAction, ConnectorId, EntryId, Extras, HandOffReason, MessageId, Position,
    Sequence, Timestamp, TokenId, Turn,
};

/// An event with the place it took in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Unique for ever, UUID v7. A replay repeats it.
    pub id: EntryId,
    /// Place among all entries of the session.
    pub position: Position,
    /// The sequence reached with this entry: its own if the user may see it, else that of the
    /// newest visible entry before it. It grows with the position, so a cursor is found by it.
    pub reached: Sequence,
    /// When it was recorded; never before the entry in front of it.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

impl Entry {
    /// The wire's number; `None` for an internal entry.
    pub fn sequence(&self) -> Option<Sequence> {
        self.event.is_visible().then_some(self.reached)
    }
}

/// A JSON value as somebody sent it, kept to the letter: key order, numbers, white space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(pub Arc<str>);

/// What identifies a user's message within its session, chosen by the client: two name spaces
/// (protocol, section 4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKey {
    /// `metadata.custom.local_id`.
    Local(Arc<str>),
    /// `metadata.custom.client_event_id`, where there is no usable `local_id`.
    ClientEvent(Arc<str>),
}

/// What is fixed when a session is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The integration it belongs to.
    pub connector: ConnectorId,
    /// The access token that created it and that alone opens it.
    pub token: TokenId,
    /// Its life ends here, whatever happens (protocol, section 8).
    pub expires_at: Timestamp,
    /// Whether the bot's messages arrive as chunks.
    pub streaming: bool,
    /// One of the wire's platforms; an unknown one is `custom`.
    pub platform: String,
    /// Kept, not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_type: Option<String>,
    /// The creator's `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// BCP 47, for the bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// For the bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant_id: Option<String>,
    /// A JSON object for the bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_attributes: Option<Json>,
}

impl Facts {
    /// Whether a mobile SDK created the session: those show chunks in another way than everybody
    /// else and may miss a frame that follows the upgrade too closely (protocol, sections 2 and 6).
    pub fn is_native(&self) -> bool {
        self.user_agent.as_deref().is_some_and(|it| it.starts_with("PolyMessaging-"))
    }
}

/// How a bot shows itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BotProfile {
    /// Shown beside its messages.
    pub name: String,
    /// Absolute URL, may be empty.
    pub avatar_url: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Event {
    /// Always the first entry.
    SessionStarted {
        /// Everything that is fixed from here on.
        facts: Arc<Facts>,
    },
    /// The user asked for the bot, and that starts it or runs a failed greeting again.
    JoinRequested {
        /// The greeting runs at this time.
        run_at: Timestamp,
        /// `metadata.custom` as sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        custom: Option<Json>,
    },
    /// The bot has the floor from here on, and a turn is due.
    BotJoined {
        /// How it shows itself.
        bot: BotProfile,
        /// Why the turn is due.
        why: TurnReason,
    },
    /// The user said something.
    UserMessagePosted {
        /// Minted by the node that took it.
        message_id: MessageId,
        /// To the letter.
        text: Arc<str>,
        /// The client's name for it, if it gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<MessageKey>,
        /// `metadata.custom` as sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        custom: Option<Json>,
    },
    /// Internal: a worker has begun an attempt at a turn. Its position is the attempt's token.
    TurnStarted {
        /// Which turn.
        turn: Turn,
        /// Which attempt; a start that is repeated by the same worker has the same.
        attempt: AttemptId,
        /// The turn answers the user's messages up to here.
        input_to: Position,
    },
    /// Internal: the turn is over.
    TurnEnded {
        /// Which turn.
        turn: Turn,
        /// How.
        outcome: TurnOutcome,
    },
    /// The bot said something, whole.
    BotMessagePosted {
        /// The token with which it was said.
        token: Position,
        /// One message, one id.
        message_id: MessageId,
        /// Markdown.
        text: String,
        /// Attachments and suggestions.
        #[serde(default, skip_serializing_if = "Extras::is_empty")]
        extras: Extras,
        /// Numbers to call.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        call_actions: Vec<CallAction>,
        /// Who said it.
        bot: BotProfile,
    },
    /// The bot said a part of a message.
    BotChunkPosted {
        /// The token with which it was said.
        token: Position,
        /// Shared by the chunks of one message.
        message_id: MessageId,
        /// 1, 2, 3 …
        index: u32,
        /// The message is the concatenation of these.
        text: String,
        /// Only with the last one.
        #[serde(default, skip_serializing_if = "Extras::is_empty")]
        extras: Extras,
        /// Whether this is the last one.
        is_complete: bool,
    },
    /// The bot changed the language of the conversation.
    LanguageChanged {
        /// The token with which it was said.
        token: Position,
        /// BCP 47.
        language_code: String,
    },
    /// The bot gives the user to somebody else.
    HandoffTriggered,
    /// The user's application carries the handoff out.
    ClientHandoffRequired {
        /// Why.
        reason: HandOffReason,
        /// Where to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        destination: Option<String>,
    },
    /// The bot no longer has the floor.
    BotLeft {
        /// Why, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Nobody took over.
    HandoffFailed {
        /// Why, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The server says something to the user, for everybody to see again.
    NoticePosted {
        /// How serious.
        level: Level,
        /// What; the words belong to the wire.
        notice: Notice,
    },
    /// The user ended the conversation.
    EndRequested {
        /// `metadata.custom` as sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        custom: Option<Json>,
    },
    /// Always the last entry that the user may see.
    SessionEnded {
        /// Why.
        reason: EndReason,
    },
}

impl Event {
    /// Whether the user may see it: then it has a sequence and is exactly one event on the wire.
    pub fn is_visible(&self) -> bool {
        !matches!(self, Event::TurnStarted { .. } | Event::TurnEnded { .. })
    }

    /// The client's name for this message, if it is one and has one.
    pub fn message_key(&self) -> Option<&MessageKey> {
        match self {
            Event::UserMessagePosted { key, .. } => key.as_ref(),
            _ => None,
        }
    }
}

/// Why a turn is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnReason {
    /// The user asked for the bot: a greeting.
    Join,
    /// The user said something.
    Message,
    /// Nobody took over; the bot must not leave the user alone and may not hand off again.
    HandoffFailed {
        /// Why, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnOutcome {
    /// The bot gave all it had.
    Finished,
    /// The bot failed, and the user was told.
    Failed,
    /// Something else ended it, for instance the session.
    CutShort,
    /// The user did not want it, whether it had been started or not. What it answers, or would have
    /// answered, is done with.
    Stopped,
}

/// How serious a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For information.
    Info,
    /// Something is not as it should be.
    Warning,
    /// Something went wrong. Clients act on some errors (protocol, section 6).
    Error,
}

/// What the server tells the user in the log (protocol, sections 6 and 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The bot refused for load.
    HighLoad,
    /// The greeting failed.
    UnableToStart,
    /// The bot gave no answer.
    TroubleResponding,
    /// The answer broke midway.
    EncounteredError,
    /// No handoff is possible here.
    HandoffNotInitiated,
    /// The bot has answered as often as it may in one session.
    TurnsUsedUp,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The user said so.
    UserEnd,
    /// The user is gone or silent.
    UserAbandoned,
    /// The bot said so, the session's life is over, or its connector was revoked.
    NaturalEnd,
    /// An administrator revoked this session by itself. The wire calls it a natural end, and closes
    /// with a code of its own (protocol, section 8).
    Revoked,
}
