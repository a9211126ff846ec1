//! What a bot gives, piece by piece, while it answers a turn, and the parts a message is made of.

use serde::{Deserialize, Serialize};

/// One output of a turn, in the order in which the bot gave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A piece of the current message; pieces are joined as they are.
    Text(String),
    /// Belongs to the current message.
    Attachment(Attachment),
    /// Belongs to the current message.
    Suggestion(Suggestion),
    /// Belongs to the current message.
    CallAction(CallAction),
    /// The conversation goes on in this language (BCP 47).
    Language(String),
    /// Replaces the bot's own state of this session: a JSON object, at most `BOT_STATE_BYTES_MAX`.
    State(String),
    /// What follows is another message.
    MessageBreak,
    /// The bot gives the user to somebody else, after what it has said so far.
    HandOff(HandOff),
    /// The conversation is over, after what the bot has said so far.
    End,
    /// The bot says nothing, on purpose.
    Silence,
}

/// Something to look at or to open, beside a message's text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attachment {
    /// What the user reads.
    pub title: String,
    /// Absolute URL of a picture of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_image_url: Option<String>,
    /// Absolute URL of the thing itself.
    pub content_url: String,
    /// What the URL leads to.
    pub content_type: ContentType,
    /// Words on the button, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_to_action_text: Option<String>,
}

/// What the URL of an attachment leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    /// A page.
    #[default]
    Url,
    /// A picture.
    Image,
}

/// An answer that the user may pick instead of typing it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Suggestion {
    /// What the user reads, and sends by picking it.
    pub message_text: String,
    /// Something for the application, opaque to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

/// A telephone number to call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallAction {
    /// What the user reads.
    pub title: String,
    /// The number, in the form in which it is dialled.
    pub contact_number: String,
}

/// A bot's wish to give the user to somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HandOff {
    /// Fills `queue_name` and `route` on the wire.
    pub destination: Option<String>,
    /// Why.
    pub reason: HandOffReason,
    /// Who carries it out; `None` leaves it to the connector.
    pub mode: Option<HandOffMode>,
    /// JSON for whoever takes over, opaque to the server.
    pub data: Option<String>,
}

/// Why a bot hands off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HandOffReason {
    /// More than the bot can answer.
    ComplexQuery,
    /// The bot decided so, or the user asked.
    #[default]
    AgentDecision,
    /// A rule of the business.
    Policy,
}

/// Who carries a handoff out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandOffMode {
    /// The server: a queue and live agents.
    Server,
    /// The user's application.
    Client,
}

/// What stands beside a message's text, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Extras {
    /// Things to look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Answers to pick.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Suggestion>,
}

impl Extras {
    /// Whether there is nothing beside the text.
    pub fn is_empty(&self) -> bool {
        self.attachments.is_empty() && self.suggestions.is_empty()
    }
}
