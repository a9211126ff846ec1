//! The payloads of the server's events (protocol, section 5), and how domain values become their
//! values.

use std::borrow::Cow;

use segue_core::{
    BotProfile, CallAction, ContentType, EndReason, Extras, HandOffReason, Level, MessageId,
};
use serde::{Serialize, Serializer};

use super::url;
use crate::limits;

#[derive(Serialize)]
pub(super) struct Empty {}

#[derive(Serialize)]
pub(super) struct SessionStart {
    capabilities: Capabilities,
}

#[derive(Serialize)]
struct Capabilities {
    streaming: bool,
    max_message_size_bytes: usize,
    max_reconnect_attempts: u64,
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

#[derive(Serialize)]
pub(super) struct UserMessage<'a> {
    #[serde(serialize_with = "as_text")]
    pub message_id: MessageId,
    pub text: &'a str,
}

#[derive(Serialize)]
pub(super) struct BotJoined<'a> {
    agent_name: &'a str,
    // The same twice: clients differ in the key that they read.
    agent_avatar_url: Cow<'a, str>,
    avatar_url: Cow<'a, str>,
}

impl<'a> BotJoined<'a> {
    pub fn new(bot: &'a BotProfile) -> Self {
        let avatar_url = url::encode(&bot.avatar_url);
        Self { agent_name: &bot.name, agent_avatar_url: avatar_url.clone(), avatar_url }
    }
}

#[derive(Serialize)]
pub(super) struct BotMessage<'a> {
    #[serde(serialize_with = "as_text")]
    message_id: MessageId,
    text: &'a str,
    attachments: Vec<Attachment<'a>>,
    response_suggestions: Vec<Suggestion<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    chat_call_actions: Vec<ChatCallAction<'a>>,
    agent_name: &'a str,
    avatar_url: Cow<'a, str>,
}

#[derive(Serialize)]
pub(super) struct BotChunk<'a> {
    #[serde(serialize_with = "as_text")]
    message_id: MessageId,
    text: &'a str,
    attachments: Vec<Attachment<'a>>,
    response_suggestions: Vec<Suggestion<'a>>,
    chunk_index: u32,
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

#[derive(Serialize)]
pub(super) struct Attachment<'a> {
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview_image_url: Option<Cow<'a, str>>,
    content_url: Cow<'a, str>,
    content_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_to_action_text: Option<&'a str>,
}

impl<'a> From<&'a segue_core::Attachment> for Attachment<'a> {
    fn from(it: &'a segue_core::Attachment) -> Self {
        Self {
            title: &it.title,
            preview_image_url: it.preview_image_url.as_deref().map(url::encode),
            content_url: url::encode(&it.content_url),
            content_type: match it.content_type {
                ContentType::Url => "ATTACHMENT_CONTENT_TYPE_URL",
                ContentType::Image => "ATTACHMENT_CONTENT_TYPE_IMAGE",
            },
            call_to_action_text: it.call_to_action_text.as_deref(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Suggestion<'a> {
    message_text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
}

impl<'a> From<&'a segue_core::Suggestion> for Suggestion<'a> {
    fn from(it: &'a segue_core::Suggestion) -> Self {
        Self { message_text: &it.message_text, payload: it.payload.as_deref() }
    }
}

#[derive(Serialize)]
pub(super) struct ChatCallAction<'a> {
    title: &'a str,
    contact_number: &'a str,
}

impl<'a> From<&'a CallAction> for ChatCallAction<'a> {
    fn from(it: &'a CallAction) -> Self {
        Self { title: &it.title, contact_number: &it.contact_number }
    }
}

#[derive(Serialize)]
pub(super) struct LanguageChanged<'a> {
    pub language_code: &'a str,
}

#[derive(Serialize)]
pub(super) struct ClientHandoffRequired<'a> {
    reason: &'static str,
    // The same twice: clients differ in the key that they show.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
}

impl<'a> ClientHandoffRequired<'a> {
    pub fn new(reason: HandOffReason, destination: Option<&'a str>) -> Self {
        let reason = match reason {
            HandOffReason::ComplexQuery => "COMPLEX_QUERY",
            HandOffReason::AgentDecision => "AGENT_DECISION",
            HandOffReason::Policy => "POLICY",
        };
        Self { reason, queue_name: destination, route: destination }
    }
}

#[derive(Serialize)]
pub(super) struct MaybeReason<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct SessionEnd {
    reason: &'static str,
}

impl SessionEnd {
    pub fn new(reason: EndReason) -> Self {
        let reason = match reason {
            EndReason::UserEnd => "REASON_USER_END",
            EndReason::UserAbandoned => "REASON_USER_ABANDONED",
            EndReason::NaturalEnd | EndReason::Revoked => "REASON_NATURAL_END",
        };
        Self { reason }
    }
}

#[derive(Serialize)]
pub(super) struct SystemMessage<'a> {
    #[serde(serialize_with = "as_wire_level")]
    pub level: Level,
    pub message: &'a str,
    pub code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn as_wire_level<S: Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match level {
        Level::Info => "SYSTEM_MESSAGE_LEVEL_INFO",
        Level::Warning => "SYSTEM_MESSAGE_LEVEL_WARNING",
        Level::Error => "SYSTEM_MESSAGE_LEVEL_ERROR",
    })
}

fn as_text<S: Serializer>(id: &MessageId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}
