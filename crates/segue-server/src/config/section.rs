//! Which sections the configuration has, and which keys each of them. A new one is named here, given
//! its keys, and read in `check.rs`.

use std::fmt;

use crate::limits::{BotLimits, Limit, Limits, ServerLimits};

/// What the value of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Flag,
    /// A number of which these make sense.
    Whole {
        min: u64,
        max: u64,
    },
    Texts,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text in quotes"),
            Self::Flag => f.write_str("true or false"),
            Self::Whole { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Texts => f.write_str("a list of texts in quotes"),
        }
    }
}

/// A key of a section.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

const fn of_limit(limit: &Limit) -> Key {
    key(limit.name, Kind::Whole { min: limit.min, max: limit.max })
}

/// A table of the file: one of its own, or one of an array of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    Server,
    Tls,
    Store,
    Broker,
    Secrets,
    Metrics,
    Tracing,
    Limits,
    Connectors,
    Bots,
}

impl Section {
    pub const ALL: [Self; 10] = [
        Self::Server,
        Self::Tls,
        Self::Store,
        Self::Broker,
        Self::Secrets,
        Self::Metrics,
        Self::Tracing,
        Self::Limits,
        Self::Connectors,
        Self::Bots,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Tls => "tls",
            Self::Store => "store",
            Self::Broker => "broker",
            Self::Secrets => "secrets",
            Self::Metrics => "metrics",
            Self::Tracing => "tracing",
            Self::Limits => "limits",
            Self::Connectors => "connectors",
            Self::Bots => "bots",
        }
    }

    pub fn is_array(self) -> bool {
        matches!(self, Self::Connectors | Self::Bots)
    }

    /// The keys of one table of this section.
    pub fn keys(self) -> Vec<Key> {
        let limits = || Limits::ALL.iter().map(of_limit);
        let of_bots = || BotLimits::ALL.iter().map(of_limit);
        match self {
            Self::Server => vec![
                key("listen", Kind::Text),
                key("public_url", Kind::Text),
                key("trusted_proxies", Kind::Texts),
            ],
            Self::Tls => vec![key("certificate", Kind::Text), key("key", Kind::Text)],
            Self::Store | Self::Broker => vec![key("url", Kind::Text)],
            Self::Secrets => vec![
                key("key", Kind::Text),
                key("key_file", Kind::Text),
                key("key_command", Kind::Text),
            ],
            Self::Metrics => vec![key("listen", Kind::Text)],
            Self::Tracing => vec![
                key("otlp_url", Kind::Text),
                key("sample_percent", Kind::Whole { min: 1, max: 100 }),
            ],
            Self::Limits => {
                let of_server = ServerLimits::ALL.iter().map(of_limit);
                limits().chain(of_bots()).chain(of_server).collect()
            }
            Self::Connectors => [
                key("id", Kind::Text),
                key("token", Kind::Text),
                key("hosts", Kind::Texts),
                key("apps", Kind::Texts),
                key("bot", Kind::Text),
                key("handoff", Kind::Text),
                key("account", Kind::Text),
                key("project", Kind::Text),
                key("labels", Kind::Texts),
                key("server_only", Kind::Flag),
                key("disabled", Kind::Flag),
            ]
            .into_iter()
            .chain(limits())
            .collect(),
            Self::Bots => [
                key("id", Kind::Text),
                key("kind", Kind::Text),
                key("name", Kind::Text),
                key("avatar_url", Kind::Text),
                key("greeting", Kind::Text),
                key("topics", Kind::Text),
                key("url", Kind::Text),
                key("secret", Kind::Text),
            ]
            .into_iter()
            .chain(of_bots())
            .collect(),
        }
    }

    pub fn key(self, name: &str) -> Option<Key> {
        self.keys().into_iter().find(|key| key.name == name)
    }
}
