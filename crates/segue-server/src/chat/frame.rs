//! The frames of the protocol as a client reads and writes them. Nothing is decided here.
//!
//! Reading is forgiving: a type that is not known, a payload of another shape, a field more are
//! no reason to lose what stands beside them, because servers grow.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

const PREFIX: &str = "EVENT_TYPE_";

/// One event of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log; `None` when it belongs to the moment only.
    pub sequence: Option<u64>,
    /// The key of ours that came back with it.
    pub local_id: Option<String>,
    /// What happened.
    pub what: What,
}

/// What happened, as far as this client looks (protocol, section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    SessionStart(Capabilities),
    SessionEnd(Reason),
    UserMessage(Text),
    BotJoined(Named),
    BotThinking,
    BotMessage(Message),
    BotChunk(Chunk),
    BotLeft(Reason),
    HandoffTriggered,
    HandoffAccepted(Wait),
    HandoffQueueStatus(Wait),
    ClientHandoffRequired(Elsewhere),
    HandoffFailed(Reason),
    HandoffTimedOut(Reason),
    LiveAgentJoined(Named),
    LiveAgentTyping(Typing),
    LiveAgentMessage(Message),
    LiveAgentLeft(Named),
    LanguageChanged(Language),
    System(System),
    /// An echo that says nothing new.
    Heartbeat,
    /// Anything that this client does not know.
    Other,
}

/// What the server asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// A message's text has at most so many bytes of UTF-8.
    pub max_message_size_bytes: usize,
    /// A sign of life is due every so many seconds.
    pub heartbeat_interval_seconds: u64,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self { max_message_size_bytes: 131_072, heartbeat_interval_seconds: 30 }
    }
}

/// Why something ended, in the server's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Reason {
    pub reason: Option<String>,
}

/// A message of the user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Text {
    pub text: String,
}

/// Somebody with a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Named {
    pub agent_name: Option<String>,
}

/// Whether a live agent is typing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Typing {
    pub state: Option<String>,
    pub agent_name: Option<String>,
}

/// A whole message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Message {
    pub text: String,
    pub agent_name: Option<String>,
    #[serde(skip)]
    pub extras: Extras,
}

/// A piece of a streamed message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Chunk {
    pub message_id: String,
    pub text: String,
    pub is_complete: bool,
    #[serde(skip)]
    pub extras: Extras,
}

/// What comes along with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Extras {
    pub attachments: Vec<Attachment>,
    pub response_suggestions: Vec<Suggestion>,
    pub chat_call_actions: Vec<CallAction>,
}

/// Something to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Attachment {
    pub title: Option<String>,
    pub content_url: Option<String>,
    pub content_type: Option<String>,
    pub call_to_action_text: Option<String>,
}

/// A reply to pick.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Suggestion {
    pub message_text: String,
}

/// A number to ring.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CallAction {
    pub title: Option<String>,
    pub contact_number: Option<String>,
}

/// The wait for a live agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Wait {
    pub queue_name: Option<String>,
    pub position_in_queue: Option<u64>,
    pub estimated_wait_seconds: Option<u64>,
    pub display_message: Option<String>,
}

/// Where the application that embeds the conversation has to take the user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Elsewhere {
    pub reason: Option<String>,
    pub queue_name: Option<String>,
    pub route: Option<String>,
}

/// The language that the conversation goes on in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Language {
    pub language_code: String,
}

/// The server's own words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct System {
    pub message: String,
    pub level: Option<String>,
    pub code: Option<String>,
    /// Set where the same frame may be sent again after so many milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl System {
    /// Whether the conversation has no bot: the server does not know that one was asked for, or
    /// none could be started. Told by the words, as every client of the protocol does.
    pub fn wants_join(&self) -> bool {
        let message = self.message.to_lowercase();
        self.level.as_deref() == Some("SYSTEM_MESSAGE_LEVEL_ERROR")
            && (message.contains("unable to start a conversation") || self.misses_conversation())
    }

    /// Whether a message was refused because the bot had not been asked for.
    pub fn misses_conversation(&self) -> bool {
        let message = self.message.to_lowercase();
        self.code.as_deref() == Some("conversation_not_found")
            || message.contains("conversation not found")
            || message.contains("conversation id not found")
    }
}

#[derive(Deserialize)]
struct Envelope<'f> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    sequence: Option<u64>,
    #[serde(borrow, default)]
    payload: Option<&'f RawValue>,
    #[serde(borrow, default)]
    metadata: Option<&'f RawValue>,
}

#[derive(Deserialize)]
struct Batch<'f> {
    #[serde(borrow, default)]
    events: Vec<&'f RawValue>,
}

#[derive(Deserialize)]
struct Metadata {
    custom: Custom,
}

#[derive(Deserialize)]
struct Custom {
    local_id: String,
}

#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    capabilities: Capabilities,
}

/// The events of a frame, in their order; none where the frame cannot be read.
pub fn read(frame: &str) -> Vec<Event> {
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(frame) else { return Vec::new() };
    if envelope.kind.strip_prefix(PREFIX) != Some("EVENT_BATCH") {
        return vec![event(&envelope)];
    }
    let payload = envelope.payload.map_or("{}", RawValue::get);
    let Ok(batch) = serde_json::from_str::<Batch<'_>>(payload) else { return Vec::new() };
    let envelopes = batch.events.iter().filter_map(|it| serde_json::from_str(it.get()).ok());
    envelopes.map(|it| event(&it)).collect()
}

fn event(envelope: &Envelope<'_>) -> Event {
    let payload = envelope.payload.map_or("{}", RawValue::get);
    let metadata = envelope.metadata.map_or("", RawValue::get);
    let local_id = serde_json::from_str::<Metadata>(metadata).ok().map(|it| it.custom.local_id);
    let kind = envelope.kind.strip_prefix(PREFIX).unwrap_or_default();
    let what = what(kind, payload).unwrap_or(What::Other);
    Event { sequence: envelope.sequence, local_id, what }
}

fn read_payload<P: DeserializeOwned>(payload: &str) -> Option<P> {
    serde_json::from_str(payload).ok()
}

/// A message whose extras cannot be read is still a message.
fn message(payload: &str) -> Option<Message> {
    let message: Message = read_payload(payload)?;
    Some(Message { extras: read_payload(payload).unwrap_or_default(), ..message })
}

fn what(kind: &str, payload: &str) -> Option<What> {
    use read_payload as read;

    Some(match kind {
        "SESSION_START" => {
            let start: Option<Start> = read(payload);
            What::SessionStart(start.map(|it| it.capabilities).unwrap_or_default())
        }
        "SESSION_END" => What::SessionEnd(read(payload).unwrap_or_default()),
        "USER_MESSAGE" => What::UserMessage(read(payload)?),
        "POLY_AGENT_JOINED" => What::BotJoined(read(payload).unwrap_or_default()),
        "POLY_AGENT_THINKING" => What::BotThinking,
        "POLY_AGENT_MESSAGE" => What::BotMessage(message(payload)?),
        "POLY_AGENT_MESSAGE_CHUNK" => {
            let chunk: Chunk = read(payload)?;
            What::BotChunk(Chunk { extras: read(payload).unwrap_or_default(), ..chunk })
        }
        "POLY_AGENT_LEFT" => What::BotLeft(read(payload).unwrap_or_default()),
        "POLY_AGENT_TRIGGERED_HANDOFF" => What::HandoffTriggered,
        "HANDOFF_ACCEPTED" => What::HandoffAccepted(read(payload).unwrap_or_default()),
        "HANDOFF_QUEUE_STATUS" => What::HandoffQueueStatus(read(payload)?),
        "CLIENT_HANDOFF_REQUIRED" => What::ClientHandoffRequired(read(payload).unwrap_or_default()),
        "HANDOFF_FAILED" => What::HandoffFailed(read(payload).unwrap_or_default()),
        "HANDOFF_TIMEOUT" => What::HandoffTimedOut(read(payload).unwrap_or_default()),
        "LIVE_AGENT_JOINED" => What::LiveAgentJoined(read(payload).unwrap_or_default()),
        "LIVE_AGENT_TYPING" => What::LiveAgentTyping(read(payload)?),
        "LIVE_AGENT_MESSAGE" => What::LiveAgentMessage(message(payload)?),
        "LIVE_AGENT_LEFT" => What::LiveAgentLeft(read(payload).unwrap_or_default()),
        "LANGUAGE_CHANGED" => What::LanguageChanged(read(payload)?),
        "SYSTEM_MESSAGE" => What::System(read(payload)?),
        "HEARTBEAT" => What::Heartbeat,
        _ => return None,
    })
}

/// What this client sends (protocol, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask<'a> {
    /// The bot shall come.
    Join,
    /// Something is said. The key lets the server know it again when it comes twice.
    Say {
        /// The key.
        local_id: &'a str,
        /// The words.
        text: &'a str,
    },
    /// The conversation is over.
    End,
    /// A sign of life.
    Heartbeat,
}

#[derive(Serialize)]
struct Sent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    payload: Payload<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<SentMetadata<'a>>,
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

#[derive(Serialize)]
struct SentMetadata<'a> {
    custom: SentCustom<'a>,
}

#[derive(Serialize)]
struct SentCustom<'a> {
    local_id: &'a str,
}

impl Ask<'_> {
    /// The frame, as JSON on one line.
    pub fn to_frame(self) -> String {
        let (kind, text, local_id) = match self {
            Ask::Join => ("EVENT_TYPE_REQUEST_POLY_AGENT_JOIN", None, None),
            Ask::Say { local_id, text } => ("EVENT_TYPE_USER_MESSAGE", Some(text), Some(local_id)),
            Ask::End => ("EVENT_TYPE_USER_END_SESSION", None, None),
            Ask::Heartbeat => ("EVENT_TYPE_HEARTBEAT", None, None),
        };
        let metadata = local_id.map(|local_id| SentMetadata { custom: SentCustom { local_id } });
        let frame = Sent { kind, payload: Payload { text }, metadata };
        serde_json::to_string(&frame).expect("strings can always be written as JSON")
    }
}

#[cfg(test)]
mod tests;
