//! What a client sent, read (protocol, section 4). Never panics and never recurses, whatever came:
//! this is the first thing that touches a stranger's bytes.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use segue_core::{Json, MessageKey};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::error::Refusal;
use super::kind;
use crate::limits;

/// An event that a client may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFrame {
    /// What it wants.
    pub ask: Ask,
    /// `metadata.custom` as sent, for its echo or its refusal.
    pub custom: Option<Json>,
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// `REQUEST_POLY_AGENT_JOIN`.
    Join,
    /// `USER_MESSAGE`.
    Message {
        /// To the letter; not blank, at most `limits::MESSAGE_TEXT_BYTES_MAX`.
        text: Arc<str>,
        /// What tells a copy of the message from a second one.
        key: Option<MessageKey>,
    },
    /// `USER_TYPING`.
    Typing(TypingState),
    /// `USER_END_SESSION`.
    End,
    /// `HEARTBEAT`.
    Heartbeat,
}

/// Whether the user is typing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum TypingState {
    /// `TYPING_STATE_STARTED`.
    #[cfg_attr(test, schemars(rename = "TYPING_STATE_STARTED"))]
    Started,
    /// `TYPING_STATE_STOPPED`.
    #[cfg_attr(test, schemars(rename = "TYPING_STATE_STOPPED"))]
    Stopped,
}

/// A frame that is no event a client may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// What to answer: `Malformed`, `NotAllowed` or `TooLarge`.
    pub refusal: Refusal,
    /// `metadata.custom` as sent, where it could be read.
    pub custom: Option<Json>,
}

/// Reads a text frame. (For a binary frame the answer is `Refusal::Malformed`.)
///
/// Where the protocol leaves a choice:
/// - Of several members with one name the last counts, as in browsers.
/// - `null` counts as absent: `payload`, `metadata`, `metadata.custom`.
/// - Blank means empty or nothing but characters with the Unicode property `White_Space`.
/// - `metadata` that is no object, and `metadata.custom` that is no object, is over
///   `limits::CUSTOM_BYTES_MAX` or `limits::CUSTOM_DEPTH_MAX`, or holds what strict parsers refuse
///   (half a surrogate pair, a number out of range), is malformed: it could not be returned to every
///   client. Whatever else is ignored only has to be JSON.
/// - A type that is not allowed is refused as such whatever else is wrong; a size before a shape.
pub fn decode(text: &str) -> Result<ClientFrame, Undecodable> {
    let Some([kind, payload, metadata]) = members(text, ["type", "payload", "metadata"]) else {
        return Err(Undecodable { refusal: Refusal::Malformed, custom: None });
    };
    let raw = metadata;
    let metadata = read_metadata(raw);
    let ask = read_ask(text.len(), kind, payload);
    match (ask, metadata) {
        (Ok(Ask::Message { text, key: _ }), Ok(Metadata { custom, key })) => {
            Ok(ClientFrame { ask: Ask::Message { text, key }, custom })
        }
        (Ok(ask), Ok(Metadata { custom, key: _ })) => Ok(ClientFrame { ask, custom }),
        (Ok(_), Err(refusal)) => Err(Undecodable { refusal, custom: names_alone(raw) }),
        (Err(refusal), Ok(metadata)) => Err(Undecodable { refusal, custom: metadata.custom }),
        (Err(refusal), Err(_)) => Err(Undecodable { refusal, custom: names_alone(raw) }),
    }
}

/// Of a `metadata.custom` that cannot be returned, the names that tell which frame it was.
fn names_alone(metadata: Option<&str>) -> Option<Json> {
    let [custom] = members(metadata?, ["custom"])?;
    let names = ["local_id", "client_event_id"];
    let values = members(custom?, names)?;
    let usable = |it| text(Some(it)).filter(|it| it.len() <= limits::KEY_BYTES_MAX);
    let readable = names.into_iter().zip(values);
    let readable: BTreeMap<_, _> =
        readable.filter_map(|(name, value)| Some((name, usable(value?)?))).collect();
    let as_json = || serde_json::to_string(&readable).expect("a map of texts is plain data");
    (!readable.is_empty()).then(|| Json(as_json().into()))
}

/// The event without its metadata: a message has no key yet.
fn read_ask(frame_bytes: usize, kind: Option<&str>, payload: Option<&str>) -> Result<Ask, Refusal> {
    let kind = text(kind).ok_or(Refusal::Malformed)?;
    if let Some(known) = kind::NOT_ALLOWED.iter().find(|it| **it == kind) {
        return Err(Refusal::NotAllowed(known));
    }
    let payload = payload.unwrap_or("{}");
    match &*kind {
        kind::USER_MESSAGE => read_message(payload),
        kind::REQUEST_POLY_AGENT_JOIN
        | kind::USER_END_SESSION
        | kind::HEARTBEAT
        | kind::USER_TYPING
            if frame_bytes > limits::MESSAGE_TEXT_BYTES_MAX =>
        {
            Err(Refusal::TooLarge)
        }
        kind::REQUEST_POLY_AGENT_JOIN => read_empty(payload, Ask::Join),
        kind::USER_END_SESSION => read_empty(payload, Ask::End),
        kind::HEARTBEAT => read_empty(payload, Ask::Heartbeat),
        kind::USER_TYPING => read_typing(payload),
        _ => Err(Refusal::Malformed),
    }
}

fn read_message(payload: &str) -> Result<Ask, Refusal> {
    let [text] = members(payload, ["text"]).ok_or(Refusal::Malformed)?;
    let text = self::text(text).ok_or(Refusal::Malformed)?;
    if text.len() > limits::MESSAGE_TEXT_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    if text.trim().is_empty() {
        return Err(Refusal::Malformed);
    }
    Ok(Ask::Message { text: text.into(), key: None })
}

fn read_typing(payload: &str) -> Result<Ask, Refusal> {
    let [state] = members(payload, ["state"]).ok_or(Refusal::Malformed)?;
    match text(state).as_deref() {
        Some("TYPING_STATE_STARTED") => Ok(Ask::Typing(TypingState::Started)),
        Some("TYPING_STATE_STOPPED") => Ok(Ask::Typing(TypingState::Stopped)),
        Some(_) | None => Err(Refusal::Malformed),
    }
}

/// Any object will do: what is in it is ignored.
fn read_empty(payload: &str, ask: Ask) -> Result<Ask, Refusal> {
    members(payload, []).map(|[]| ask).ok_or(Refusal::Malformed)
}

// ------------------------------------------------------------------------------------- metadata

#[derive(Default)]
struct Metadata {
    custom: Option<Json>,
    key: Option<MessageKey>,
}

fn read_metadata(metadata: Option<&str>) -> Result<Metadata, Refusal> {
    let Some(metadata) = metadata else { return Ok(Metadata::default()) };
    let [custom] = members(metadata, ["custom"]).ok_or(Refusal::Malformed)?;
    let Some(custom) = custom else { return Ok(Metadata::default()) };
    if custom.len() > limits::CUSTOM_BYTES_MAX {
        return Err(Refusal::Malformed);
    }
    let mut deserializer = serde_json::Deserializer::from_str(custom);
    let names = CustomObject.deserialize(&mut deserializer).map_err(|_| Refusal::Malformed)?;
    Ok(Metadata { custom: Some(Json(custom.into())), key: names.key() })
}

/// The two names that a client may give a message.
struct Names<'a> {
    local_id: Option<Cow<'a, str>>,
    client_event_id: Option<Cow<'a, str>>,
}

impl Names<'_> {
    fn key(self) -> Option<MessageKey> {
        let usable = |it: &Cow<'_, str>| (1..=limits::KEY_BYTES_MAX).contains(&it.len());
        let [local, event] = [self.local_id, self.client_event_id].map(|it| it.filter(usable));
        let local = local.map(|it| MessageKey::Local(it.into()));
        local.or_else(|| event.map(|it| MessageKey::ClientEvent(it.into())))
    }
}

/// Reads the whole of `custom` as a strict parser would, and keeps the names.
struct CustomObject;

impl<'de> DeserializeSeed<'de> for CustomObject {
    type Value = Names<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Names<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for CustomObject {
    type Value = Names<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names<'de>, A::Error> {
        let [mut local_id, mut client_event_id] = [None, None];
        while let Some(name) = map.next_key_seed(Which(&["local_id", "client_event_id"]))? {
            let value =
                map.next_value_seed(Strict { levels_left: limits::CUSTOM_DEPTH_MAX - 1 })?;
            match name {
                Some(0) => local_id = value,
                Some(_) => client_event_id = value,
                None => {}
            }
        }
        Ok(Names { local_id, client_event_id })
    }
}

/// Reads a value with at most so many levels of objects and arrays. Gives it back if it is a string.
#[derive(Clone, Copy)]
struct Strict {
    levels_left: usize,
}

impl Strict {
    fn below<E: Error>(self) -> Result<Self, E> {
        let levels_left = self.levels_left.checked_sub(1);
        let levels_left = levels_left.ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { levels_left })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let below = self.below()?;
        while seq.next_element_seed(below)?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let below = self.below()?;
        while map.next_key::<String>()?.is_some() {
            map.next_value_seed(below)?;
        }
        Ok(None)
    }
}

// --------------------------------------------------------------------------------------- objects

/// Picks members of a JSON object by name, as they stand; `None` where the text is no JSON object.
/// What is not picked is skipped without recursion. A derived reader would take an array for the
/// object and refuse a second member of the same name.
fn members<'a, const N: usize>(json: &'a str, names: [&str; N]) -> Option<[Option<&'a str>; N]> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let picked = Members(names).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(picked)
}

struct Members<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Members<'_, N> {
    type Value = [Option<&'de str>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de str>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked = [None; N];
        while let Some(which) = map.next_key_seed(Which(&self.0))? {
            match which {
                Some(i) => {
                    let value = map.next_value::<&RawValue>()?.get();
                    picked[i] = (value != "null").then_some(value);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(picked)
    }
}

/// Which of the names it is, if any.
struct Which<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for Which<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Which<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|it| *it == name))
    }
}

/// A string, where it stands if it can be read there; `None` where there is none, or something else.
fn text(json: Option<&str>) -> Option<Cow<'_, str>> {
    let json = json?;
    // What was picked is JSON: without an escape it says what it means.
    let quoted = json.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    match quoted.filter(|it| !it.contains('\\')) {
        Some(text) => Some(Cow::Borrowed(text)),
        None => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}
