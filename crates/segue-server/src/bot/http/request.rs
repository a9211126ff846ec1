//! What a bot behind HTTP is sent: the body of a turn and its signature (bots, `kind = "http"`).

use hmac::{Hmac, Mac};
use segue_core::{
    SessionId, TurnReason,
    ports::{BotError, HistoryMessage, InputMessage, Speaker, TurnRequest},
};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::Sha256;

use crate::wire::timestamp;

/// Signs requests with the secret of one bot.
#[derive(Clone)]
pub(super) struct Signer {
    keyed: Hmac<Sha256>,
}

impl Signer {
    pub(super) fn new(secret: &str) -> Self {
        let keyed = Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
        Self { keyed }
    }

    /// Hex HMAC-SHA256 over `<timestamp>.<body>`.
    pub(super) fn sign(&self, timestamp_seconds: u64, body: &[u8]) -> String {
        let mut mac = self.keyed.clone();
        mac.update(format!("{timestamp_seconds}.").as_bytes());
        mac.update(body);
        format!("{:x}", mac.finalize().into_bytes())
    }
}

/// The JSON body of a turn. Fails only where what was stored as JSON is none.
pub(super) fn body(request: &TurnRequest) -> Result<Vec<u8>, BotError> {
    let (reason, handoff) = match &request.reason {
        TurnReason::Join => ("join", None),
        TurnReason::Message => ("message", None),
        TurnReason::HandoffFailed { reason } => {
            ("handoff_failed", Some(HandoffResult { outcome: "failed", reason: reason.as_deref() }))
        }
    };
    let body = Body {
        session_id: request.session_id,
        turn: request.turn.0,
        reason,
        handoff,
        connector: &request.connector.0,
        platform: &request.platform,
        language: request.language.as_deref(),
        variant_id: request.variant_id.as_deref(),
        integration_attributes: object(request.integration_attributes.as_deref())?,
        verified_context: EmptyObject {},
        state: object(request.state.as_deref())?,
        input: request.input.iter().map(input).collect::<Result<_, _>>()?,
        history: request.history.iter().map(history).collect(),
        history_truncated: request.history_truncated,
    };
    Ok(serde_json::to_vec(&body).expect("strings, numbers and checked JSON can be written"))
}

#[derive(Serialize)]
struct Body<'a> {
    session_id: SessionId,
    turn: u64,
    reason: &'static str,
    handoff: Option<HandoffResult<'a>>,
    connector: &'a str,
    platform: &'a str,
    language: Option<&'a str>,
    variant_id: Option<&'a str>,
    integration_attributes: &'a RawValue,
    verified_context: EmptyObject,
    state: &'a RawValue,
    input: Vec<Input<'a>>,
    history: Vec<History<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    history_truncated: bool,
}

#[derive(Serialize)]
struct EmptyObject {}

/// How a handoff came back to the bot.
#[derive(Serialize)]
struct HandoffResult<'a> {
    outcome: &'static str,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Input<'a> {
    message_id: String,
    text: &'a str,
    metadata: Metadata<'a>,
    at: String,
}

/// As on the wire: what the client sent stands under `custom`, and nothing else is in it.
#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct History<'a> {
    by: &'static str,
    name: Option<&'a str>,
    text: &'a str,
    sequence: u64,
    at: String,
}

fn input(message: &InputMessage) -> Result<Input<'_>, BotError> {
    let custom = message.custom.as_deref().map(raw).transpose()?;
    Ok(Input {
        message_id: message.message_id.to_string(),
        text: &message.text,
        metadata: Metadata { custom },
        at: timestamp(message.at),
    })
}

fn history(message: &HistoryMessage) -> History<'_> {
    History {
        by: match message.by {
            Speaker::User => "user",
            Speaker::Bot => "bot",
            Speaker::System => "system",
        },
        name: message.name.as_deref(),
        text: &message.text,
        sequence: message.sequence.0,
        at: timestamp(message.at),
    }
}

/// A stored object, or `{}`.
fn object(stored: Option<&str>) -> Result<&RawValue, BotError> {
    raw(stored.unwrap_or("{}"))
}

fn raw(stored: &str) -> Result<&RawValue, BotError> {
    serde_json::from_str(stored)
        .map_err(|_| BotError::Failed("what was stored of the session is not JSON".to_owned()))
}

#[cfg(test)]
mod tests;
