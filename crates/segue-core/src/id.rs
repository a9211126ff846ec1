//! Names of things. Every id is a type of its own, so that two of them cannot be swapped.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_uuid(self.0, f)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse_uuid(text).map(Self).ok_or(NotAnId)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
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

fn write_uuid(id: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        id >> 96,
        (id >> 80) & 0xffff,
        (id >> 64) & 0xffff,
        (id >> 48) & 0xffff,
        id & 0xffff_ffff_ffff
    )
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
