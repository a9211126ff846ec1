//! The payloads of the server's events (protocol, section 5), and how domain values become their
//! values. What is said about a field here is published: `docs/api/asyncapi.json` is made of it.

use std::borrow::Cow;

use segue_core::{
    BotProfile, CallAction, ContentType, EndReason, Extras, HandOffReason, Level, MessageId,
};
use serde::{Serialize, Serializer};

use super::url;
use crate::limits;
#[cfg(test)]
use crate::spec::text::{Uri, UriReference, Uuid};

/// Says all by its type.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Empty {}

/// The session exists, and what it can do.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SessionStartPayload"))]
pub(super) struct SessionStart {
    /// What the client can rely on in this session.
    capabilities: Capabilities,
}

/// What a client can rely on in a session.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Capabilities {
    /// Whether the agent's messages arrive in chunks.
    streaming: bool,
    /// The largest text of a message, in bytes of UTF-8.
    #[cfg_attr(test, schemars(extend("examples" = [limits::MESSAGE_TEXT_BYTES_MAX])))]
    max_message_size_bytes: usize,
    /// How often a client may try to connect again before it gives up.
    #[cfg_attr(test, schemars(extend("examples" = [limits::RECONNECT_ATTEMPTS_MAX])))]
    max_reconnect_attempts: u64,
    /// Send a heartbeat about as often, in seconds.
    #[cfg_attr(test, schemars(extend("examples" = [limits::HEARTBEAT_INTERVAL_SECONDS])))]
    heartbeat_interval_seconds: u64,
}

impl SessionStart {
    pub fn new(streaming: bool) -> Self {
        Self {
            capabilities: Capabilities {
                streaming,
                max_message_size_bytes: limits::MESSAGE_TEXT_BYTES_MAX,
                max_reconnect_attempts: limits::RECONNECT_ATTEMPTS_MAX,
                heartbeat_interval_seconds: limits::HEARTBEAT_INTERVAL_SECONDS,
            },
        }
    }
}

/// What the user said, as it is in the log.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "UserMessagePayload"))]
pub(super) struct UserMessage<'a> {
    /// Names the message. Two messages never have the same.
    #[serde(serialize_with = "as_text")]
    #[cfg_attr(test, schemars(with = "Uuid"))]
    pub message_id: MessageId,
    /// The text, code point for code point as it was sent. At most 131,072 bytes of UTF-8.
    #[cfg_attr(test, schemars(length(min = 1, max = limits::MESSAGE_TEXT_BYTES_MAX)))]
    pub text: &'a str,
}

/// The agent is there, and how it shows itself.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PolyAgentJoinedPayload"))]
pub(super) struct BotJoined<'a> {
    /// Shown beside its messages.
    agent_name: &'a str,
    // The same twice: clients differ in the key that they read.
    /// The same as `avatar_url`: clients differ in the key that they read.
    #[cfg_attr(test, schemars(with = "UriReference"))]
    agent_avatar_url: Cow<'a, str>,
    /// Its picture; empty where it has none.
    #[cfg_attr(test, schemars(with = "UriReference"))]
    avatar_url: Cow<'a, str>,
}

impl<'a> BotJoined<'a> {
    pub fn new(bot: &'a BotProfile) -> Self {
        let avatar_url = url::encode(&bot.avatar_url);
        Self { agent_name: &bot.name, agent_avatar_url: avatar_url.clone(), avatar_url }
    }
}

/// A message of the agent, whole.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PolyAgentMessagePayload"))]
pub(super) struct BotMessage<'a> {
    /// Names the message.
    #[serde(serialize_with = "as_text")]
    #[cfg_attr(test, schemars(with = "Uuid"))]
    message_id: MessageId,
    /// Markdown, as the bot gave it: neither escaped nor cleaned. May be empty beside attachments,
    /// suggestions or call actions.
    text: &'a str,
    /// Things to look at or to open, beside the text.
    attachments: Vec<Attachment<'a>>,
    /// Answers that the user may pick.
    response_suggestions: Vec<Suggestion<'a>>,
    /// Telephone numbers to call. Left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(length(min = 1)))]
    chat_call_actions: Vec<ChatCallAction<'a>>,
    /// Who says it.
    agent_name: &'a str,
    /// The picture of who says it; empty where there is none.
    #[cfg_attr(test, schemars(with = "UriReference"))]
    avatar_url: Cow<'a, str>,
}

/// A part of a message of the agent. The texts of all chunks with one `message_id`, joined, are the
/// message.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PolyAgentMessageChunkPayload"))]
pub(super) struct BotChunk<'a> {
    /// Names the message; its chunks share it.
    #[serde(serialize_with = "as_text")]
    #[cfg_attr(test, schemars(with = "Uuid"))]
    message_id: MessageId,
    /// Markdown. Only that of the last chunk may be empty.
    text: &'a str,
    /// Things to look at or to open: all of them in the last chunk, none before.
    attachments: Vec<Attachment<'a>>,
    /// Answers that the user may pick: all of them in the last chunk, none before.
    response_suggestions: Vec<Suggestion<'a>>,
    /// 1, 2, 3 … without a gap.
    #[cfg_attr(test, schemars(range(min = 1)))]
    chunk_index: u32,
    /// Whether this is the last chunk. Every message that has a first one gets one.
    is_complete: bool,
}

impl<'a> BotMessage<'a> {
    pub fn new(
        message_id: MessageId,
        text: &'a str,
        extras: &'a Extras,
        call_actions: &'a [CallAction],
        bot: &'a BotProfile,
    ) -> Self {
        Self {
            message_id,
            text,
            attachments: each(&extras.attachments),
            response_suggestions: each(&extras.suggestions),
            chat_call_actions: each(call_actions),
            agent_name: &bot.name,
            avatar_url: url::encode(&bot.avatar_url),
        }
    }
}

impl<'a> BotChunk<'a> {
    pub fn new(
        message_id: MessageId,
        text: &'a str,
        extras: &'a Extras,
        chunk_index: u32,
        is_complete: bool,
    ) -> Self {
        Self {
            message_id,
            text,
            attachments: each(&extras.attachments),
            response_suggestions: each(&extras.suggestions),
            chunk_index,
            is_complete,
        }
    }
}

/// The wire's form of each.
fn each<'a, D, W: From<&'a D>>(domain: &'a [D]) -> Vec<W> {
    domain.iter().map(W::from).collect()
}

/// A message of the bot with nothing in it.
#[derive(Serialize)]
pub(super) struct KeepAlive {
    #[serde(serialize_with = "as_text")]
    pub message_id: MessageId,
    pub text: &'static str,
    pub attachments: [Empty; 0],
    pub response_suggestions: [Empty; 0],
}

/// Something to look at or to open.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Attachment<'a> {
    /// What the user reads.
    title: &'a str,
    /// A picture of it. Left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Uri"))]
    preview_image_url: Option<Cow<'a, str>>,
    /// The thing itself.
    #[cfg_attr(test, schemars(with = "Uri"))]
    content_url: Cow<'a, str>,
    /// What the URL leads to.
    content_type: AttachmentContentType,
    /// Words for the button. Left out where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    call_to_action_text: Option<&'a str>,
}

/// What the URL of an attachment leads to: a page, or a picture.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum AttachmentContentType {
    #[serde(rename = "ATTACHMENT_CONTENT_TYPE_URL")]
    Url,
    #[serde(rename = "ATTACHMENT_CONTENT_TYPE_IMAGE")]
    Image,
}

impl<'a> From<&'a segue_core::Attachment> for Attachment<'a> {
    fn from(it: &'a segue_core::Attachment) -> Self {
        Self {
            title: &it.title,
            preview_image_url: it.preview_image_url.as_deref().map(url::encode),
            content_url: url::encode(&it.content_url),
            content_type: match it.content_type {
                ContentType::Url => AttachmentContentType::Url,
                ContentType::Image => AttachmentContentType::Image,
            },
            call_to_action_text: it.call_to_action_text.as_deref(),
        }
    }
}

/// An answer that the user may pick instead of typing it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Suggestion<'a> {
    /// What the user reads, and sends by picking it.
    message_text: &'a str,
    /// Something for the application. Left out where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    payload: Option<&'a str>,
}

impl<'a> From<&'a segue_core::Suggestion> for Suggestion<'a> {
    fn from(it: &'a segue_core::Suggestion) -> Self {
        Self { message_text: &it.message_text, payload: it.payload.as_deref() }
    }
}

/// A telephone number to call.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ChatCallAction<'a> {
    /// What the user reads.
    title: &'a str,
    /// The number, in the form in which it is dialled.
    contact_number: &'a str,
}

impl<'a> From<&'a CallAction> for ChatCallAction<'a> {
    fn from(it: &'a CallAction) -> Self {
        Self { title: &it.title, contact_number: &it.contact_number }
    }
}

/// The conversation goes on in another language.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "LanguageChangedPayload"))]
pub(super) struct LanguageChanged<'a> {
    /// BCP 47, such as `de-AT`.
    pub language_code: &'a str,
}

/// The application has to take the user over.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ClientHandoffRequiredPayload"))]
pub(super) struct ClientHandoffRequired<'a> {
    /// Why.
    reason: HandoffReason,
    // The same twice: clients differ in the key that they show.
    /// Where to, as the bot said. Left out where it did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    queue_name: Option<&'a str>,
    /// The same as `queue_name`: clients differ in the key that they read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    route: Option<&'a str>,
}

/// Why the agent hands off: more than it can answer; it decided so, or the user asked; a rule of the
/// business.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum HandoffReason {
    ComplexQuery,
    AgentDecision,
    Policy,
}

impl<'a> ClientHandoffRequired<'a> {
    pub fn new(reason: HandOffReason, destination: Option<&'a str>) -> Self {
        let reason = match reason {
            HandOffReason::ComplexQuery => HandoffReason::ComplexQuery,
            HandOffReason::AgentDecision => HandoffReason::AgentDecision,
            HandOffReason::Policy => HandoffReason::Policy,
        };
        Self { reason, queue_name: destination, route: destination }
    }
}

/// Why, where that is known.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ReasonPayload"))]
pub(super) struct MaybeReason<'a> {
    /// In words, for a log rather than for the user. Left out where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub reason: Option<&'a str>,
}

/// The conversation is over.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SessionEndPayload"))]
pub(super) struct SessionEnd {
    /// Why.
    reason: SessionEndReason,
}

/// Why a conversation is over: the user ended it; the user was gone, or silent, for too long; the
/// agent ended it, or its time was up.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum SessionEndReason {
    #[serde(rename = "REASON_USER_END")]
    UserEnd,
    #[serde(rename = "REASON_USER_ABANDONED")]
    UserAbandoned,
    #[serde(rename = "REASON_NATURAL_END")]
    NaturalEnd,
}

impl SessionEnd {
    pub fn new(reason: EndReason) -> Self {
        let reason = match reason {
            EndReason::UserEnd => SessionEndReason::UserEnd,
            EndReason::UserAbandoned => SessionEndReason::UserAbandoned,
            EndReason::NaturalEnd | EndReason::Revoked => SessionEndReason::NaturalEnd,
        };
        Self { reason }
    }
}

/// The server speaks: a refusal of what was sent, or what became of a turn.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SystemMessagePayload"))]
pub(super) struct SystemMessage<'a> {
    /// How serious it is.
    pub level: SystemMessageLevel,
    /// Words for the user. Clients act on some of them.
    pub message: &'a str,
    /// For programs; stays when the words change.
    #[cfg_attr(test, schemars(regex(pattern = "^[a-z][a-z0-9_]*$")))]
    pub code: &'static str,
    /// How long to wait before sending it again, in milliseconds; only with codes that may pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "u64"))]
    pub retry_after_ms: Option<u64>,
}

/// How serious a message of the server is.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) enum SystemMessageLevel {
    #[serde(rename = "SYSTEM_MESSAGE_LEVEL_INFO")]
    Info,
    #[serde(rename = "SYSTEM_MESSAGE_LEVEL_WARNING")]
    Warning,
    #[serde(rename = "SYSTEM_MESSAGE_LEVEL_ERROR")]
    Error,
}

impl From<Level> for SystemMessageLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Self::Info,
            Level::Warning => Self::Warning,
            Level::Error => Self::Error,
        }
    }
}

fn as_text<S: Serializer>(id: &MessageId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}
