//! What a bot behind HTTP is sent: the body of a turn and its signature (bots, `kind = "http"`).

use hmac::{Hmac, Mac};
use segue_core::{
    SessionId, Timestamp, TurnReason,
    ports::{BotError, HistoryMessage, InputMessage, Speaker, TurnRequest},
};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::Sha256;

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
        at: wire_time(message.at),
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
        at: wire_time(message.at),
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

/// `2026-05-07T12:00:00.123Z` (protocol, section 3).
fn wire_time(at: Timestamp) -> String {
    let (day, ms) = (at / 86_400_000, at % 86_400_000);
    let (year, month, day) = civil_date(day);
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Year, month and day of a day since the Unix epoch. Years are counted from March, so that the
/// day that not every year has is the last one of the year.
fn civil_date(day: u64) -> (u64, u64, u64) {
    const DAYS_IN_ERA: u64 = 146_097;
    // From 1 March of the year 0 to 1 January 1970.
    let day = day + 719_468;
    let (era, day) = (day / DAYS_IN_ERA, day % DAYS_IN_ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / (DAYS_IN_ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests;
