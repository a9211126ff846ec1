//! Names of things. Every id is a type of its own, so that two of them cannot be swapped.

use std::fmt;
use std::str::FromStr;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};

/// Milliseconds since the Unix epoch, UTC.
pub type Timestamp = u64;

/// Place of an entry in its session's log: 1, 2, 3 … without gaps. Zero is "before the first".
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// The position right after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Place of an event among those that the user may see: the wire's number. Zero is "nothing yet".
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

/// Number of a turn within its session, from 1. A repeat of a turn has the same number.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Turn(pub u64);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(UuidText::of(self.0).as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(UuidText::of(self.0).as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(UuidVisitor).map(Self)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse_uuid(text).map(Self).ok_or(NotAnId)
            }
        }
    };
}

/// The text is not a UUID in its usual form, 8-4-4-4-12 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct NotAnId;

uuid_id!(
    /// A conversation: the wire's `session_id`.
    SessionId
);
uuid_id!(
    /// An entry of the log: the wire's `id` of an event, a UUID v7.
    EntryId
);
uuid_id!(
    /// A message: the wire's `message_id`. The chunks of one message share it.
    MessageId
);
uuid_id!(
    /// One attempt of one worker at one turn. Tells a repeated start from a second worker's.
    AttemptId
);
uuid_id!(
    /// A process that serves sessions, from its start to its end.
    NodeId
);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// An integration: one token, one bot, the hosts it may be used from.
    ConnectorId
);
text_id!(
    /// An access token, by its `jti`. Not a secret.
    TokenId
);

/// A UUID in its usual form. By hand: every event has several, and the formatter of the library takes
/// longer for one than everything else of an event.
struct UuidText([u8; 36]);

impl UuidText {
    fn of(id: u128) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for byte in id.to_be_bytes() {
            if matches!(at, 8 | 13 | 18 | 23) {
                at += 1;
            }
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 0xf)];
            at += 2;
        }
        Self(text)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits and dashes are text")
    }
}

struct UuidVisitor;

impl Visitor<'_> for UuidVisitor {
    type Value = u128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u128, E> {
        parse_uuid(text).ok_or_else(|| E::custom(NotAnId))
    }
}

fn parse_uuid(text: &str) -> Option<u128> {
    let mut value: u128 = 0;
    for (i, byte) in text.bytes().enumerate() {
        if matches!(i, 8 | 13 | 18 | 23) {
            (byte == b'-').then_some(())?;
        } else {
            value = value << 4 | u128::from((byte as char).to_digit(16)?);
        }
    }
    (text.len() == 36).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let text = "01934b2e-7c00-7abc-8def-0123456789ab";
        let id: SessionId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!("01934B2E-7C00-7ABC-8DEF-0123456789AB".parse(), Ok(id));
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in
            ["", "1", "01934b2e7c007abc8def0123456789ab", "01934b2e-7c00-7abc-8def-0123456789a"]
        {
            assert_eq!(text.parse::<SessionId>(), Err(NotAnId), "{text}");
        }
    }
}
