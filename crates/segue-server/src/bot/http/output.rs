//! Reads one output of a bot. Strict in what a field may hold, because it ends up in the log and
//! before the user; generous about fields that nobody knows. What is wrong is said without any of
//! the bot's own words: they may be the user's.

use std::collections::BTreeMap;

use reqwest::Url;
use segue_core::{
    Attachment, CallAction, ContentType, HandOff, HandOffMode, HandOffReason, Output, Suggestion,
    limits::BOT_STATE_BYTES_MAX,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::limits;

/// What is wrong with an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// Perhaps not even JSON.
    #[error("is not a JSON object")]
    NotAnObject,
    /// This field is missing or holds what it may not.
    #[error("has no valid `{0}`")]
    Field(&'static str),
    /// There is no such output.
    #[error("has an unknown type")]
    UnknownType,
    /// The bot's own state is too big.
    #[error("has a state of over {BOT_STATE_BYTES_MAX} bytes")]
    StateTooBig,
}

/// What is wrong with a whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum MalformedAnswer {
    /// Perhaps not even JSON.
    #[error("the answer is not a JSON object with `outputs`")]
    NoOutputs,
    /// One of the outputs.
    #[error("output {number} {malformed}")]
    Output {
        /// From 1.
        number: usize,
        /// What is wrong with it.
        malformed: Malformed,
    },
}

/// Reads one output.
pub(super) fn read(json: &[u8]) -> Result<Output, Malformed> {
    let object: BTreeMap<String, &RawValue> =
        serde_json::from_slice(json).map_err(|_| Malformed::NotAnObject)?;
    let fields = Fields(object);
    match fields.text("type")?.as_str() {
        "text" => Ok(Output::Text(fields.text("text")?)),
        "attachment" => Ok(Output::Attachment(attachment(&fields)?)),
        "suggestion" => Ok(Output::Suggestion(Suggestion {
            message_text: fields.text("message_text")?,
            // No field of the contract, so that anything else in it is none of our business.
            payload: fields.text("payload").ok(),
        })),
        "call_action" => Ok(Output::CallAction(CallAction {
            title: fields.text("title")?,
            contact_number: fields.text("contact_number")?,
        })),
        "language" => Ok(Output::Language(language_code(&fields)?)),
        "state" => Ok(Output::State(state(&fields)?)),
        "message_break" => Ok(Output::MessageBreak),
        "handoff" => Ok(Output::HandOff(hand_off(&fields)?)),
        "end" => Ok(Output::End),
        "silence" => Ok(Output::Silence),
        _ => Err(Malformed::UnknownType),
    }
}

/// Reads an answer that came in one piece: all of it is in order, or nothing is given.
pub(super) fn read_all(json: &[u8]) -> Result<Vec<Output>, MalformedAnswer> {
    #[derive(Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        outputs: Vec<&'a RawValue>,
    }
    let whole: Whole<'_> = serde_json::from_slice(json).map_err(|_| MalformedAnswer::NoOutputs)?;
    let read = |(i, output): (usize, &&RawValue)| {
        read(output.get().as_bytes())
            .map_err(|malformed| MalformedAnswer::Output { number: i + 1, malformed })
    };
    whole.outputs.iter().enumerate().map(read).collect()
}

fn attachment(fields: &Fields<'_>) -> Result<Attachment, Malformed> {
    let content_type = match fields.optional_text("content_type")?.as_deref() {
        None | Some("url") => ContentType::Url,
        Some("image") => ContentType::Image,
        Some(_) => return Err(Malformed::Field("content_type")),
    };
    Ok(Attachment {
        title: fields.text("title")?,
        preview_image_url: fields.optional_url("preview_image_url")?,
        content_url: fields.optional_url("content_url")?.ok_or(Malformed::Field("content_url"))?,
        content_type,
        call_to_action_text: fields.optional_text("call_to_action_text")?,
    })
}

fn hand_off(fields: &Fields<'_>) -> Result<HandOff, Malformed> {
    let reason = match fields.optional_text("reason")?.as_deref() {
        Some("COMPLEX_QUERY") => HandOffReason::ComplexQuery,
        None | Some("AGENT_DECISION") => HandOffReason::AgentDecision,
        Some("POLICY") => HandOffReason::Policy,
        Some(_) => return Err(Malformed::Field("reason")),
    };
    let mode = match fields.optional_text("mode")?.as_deref() {
        None => None,
        Some("server") => Some(HandOffMode::Server),
        Some("client") => Some(HandOffMode::Client),
        Some(_) => return Err(Malformed::Field("mode")),
    };
    let destination = fields.optional_text("destination")?;
    let data = fields.optional_object("data")?.map(str::to_owned);
    Ok(HandOff { destination, reason, mode, data })
}

fn state(fields: &Fields<'_>) -> Result<String, Malformed> {
    let state = fields.optional_object("state")?.ok_or(Malformed::Field("state"))?;
    if state.len() > BOT_STATE_BYTES_MAX {
        return Err(Malformed::StateTooBig);
    }
    Ok(state.to_owned())
}

/// A code that looks like BCP 47: subtags of one to eight letters or digits, the first of letters.
fn language_code(fields: &Fields<'_>) -> Result<String, Malformed> {
    let code = fields.text("language_code")?;
    let is_subtag =
        |it: &str| matches!(it.len(), 1..=8) && it.bytes().all(|it| it.is_ascii_alphanumeric());
    let plausible = code.len() <= limits::LANGUAGE_CODE_CHARS_MAX
        && code.split('-').all(is_subtag)
        && code.bytes().take_while(|it| *it != b'-').all(|it| it.is_ascii_alphabetic());
    plausible.then_some(code).ok_or(Malformed::Field("language_code"))
}

/// The fields of an output, not looked into: what is kept is kept to the letter.
struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl Fields<'_> {
    fn text(&self, name: &'static str) -> Result<String, Malformed> {
        self.optional_text(name)?.ok_or(Malformed::Field(name))
    }

    /// `None` where the field is missing or null.
    fn optional_text(&self, name: &'static str) -> Result<Option<String>, Malformed> {
        let Some(raw) = self.0.get(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map_err(|_| Malformed::Field(name))
    }

    /// An absolute `http` or `https` URL in normal form, which is percent-encoded. Bots that fill
    /// all fields leave those empty that they do not need.
    fn optional_url(&self, name: &'static str) -> Result<Option<String>, Malformed> {
        let Some(text) = self.optional_text(name)?.filter(|it| !it.is_empty()) else {
            return Ok(None);
        };
        let url = Url::parse(&text).map_err(|_| Malformed::Field(name))?;
        match url.scheme() {
            "http" | "https" => Ok(Some(url.into())),
            _ => Err(Malformed::Field(name)),
        }
    }

    /// `None` where the field is missing or null.
    fn optional_object(&self, name: &'static str) -> Result<Option<&str>, Malformed> {
        match self.0.get(name).map(|it| it.get()) {
            None | Some("null") => Ok(None),
            Some(object) if object.starts_with('{') => Ok(Some(object)),
            Some(_) => Err(Malformed::Field(name)),
        }
    }
}

#[cfg(test)]
mod tests;
