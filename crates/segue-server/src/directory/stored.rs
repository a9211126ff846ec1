//! A connector as its record has it. Read for ever: add optional fields, never change one's meaning.

use std::{fmt::Write as _, sync::Arc};

use async_trait::async_trait;
use segue_core::{
    BotProfile, ConnectorId, Timestamp,
    ports::{Answer, Bot, BotError, TurnRequest},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::warn;

use super::{TokenHash, hash};
use crate::{
    config::{BotId, ConfigError, ConnectorSettings, Secret},
    connectors::{ConfiguredBot, Connector, ConnectorSource, ConnectorState},
    limits::BotLimits,
    secrets::SecretsKey,
};

/// What is kept of a connector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredConnector {
    /// The keys of `[[connectors]]` that somebody has set.
    pub settings: Map<String, Value>,
    pub state: ConnectorState,
    /// The newest is the last.
    pub tokens: Vec<StoredToken>,
    pub made_at: Timestamp,
}

/// A token: recognised by its hash, and readable again where it is published anyway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredToken {
    /// SHA-256, hexadecimal.
    hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
    made_at: Timestamp,
    /// Absent while it is good for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Whether a token can be shown again: one that stands in pages and apps is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publishing {
    /// It may be read by whoever uses the application.
    Published,
    /// It stays on a server.
    Secret,
}

impl StoredToken {
    pub fn new(
        id: &ConnectorId,
        token: &Secret,
        publishing: Publishing,
        key: &SecretsKey,
        now: Timestamp,
    ) -> Self {
        let sealed = match publishing {
            Publishing::Published => Some(key.seal(&purpose(id), token)),
            Publishing::Secret => None,
        };
        let hash = hex(&hash(token.expose()));
        Self { hash, sealed, made_at: now, expires_at: None }
    }

    /// The token itself, where it was kept and the key opens it.
    pub fn open(&self, id: &ConnectorId, key: &SecretsKey) -> Option<Secret> {
        key.open_sealed(&purpose(id), self.sealed.as_ref()?).ok()
    }

    /// Keeps its hash only.
    pub fn forget(&mut self) {
        self.sealed = None;
    }

    fn hash(&self) -> Option<TokenHash> {
        let mut hash = [0; 32];
        let digits = self.hash.as_bytes().chunks_exact(2);
        if digits.len() != hash.len() {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(digits) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(hash)
    }
}

fn hex(hash: &TokenHash) -> String {
    let mut text = String::with_capacity(64);
    for byte in hash {
        write!(text, "{byte:02x}").expect("a string takes what it is given");
    }
    text
}

fn purpose(id: &ConnectorId) -> String {
    format!("connector:{id}")
}

impl StoredConnector {
    /// Whether the key opens what it has sealed.
    pub fn is_readable(&self, id: &ConnectorId, key: &SecretsKey) -> bool {
        self.tokens.iter().all(|it| it.sealed.is_none() || it.open(id, key).is_some())
    }

    /// The hashes of its tokens, and when they end: zero for never.
    pub fn hashes(&self) -> Vec<(TokenHash, Timestamp)> {
        let known = |it: &StoredToken| Some((it.hash()?, it.expires_at.unwrap_or(0)));
        self.tokens.iter().filter_map(known).collect()
    }

    /// The connector, if what is set of it makes sense. One whose bot has gone from the configuration
    /// stays, and so do its sessions; they are told that nobody answers.
    pub fn connector(
        &self,
        id: &ConnectorId,
        context: &super::Changes,
    ) -> Result<Connector, ConfigError> {
        let named = self.settings.get("bot").and_then(Value::as_str);
        let settings = context.check_with(id, &self.settings, named)?;
        let bot = match context.bots.get(&settings.bot) {
            Some(bot) => Arc::clone(bot),
            None => {
                warn!(connector = %id, bot = %settings.bot, "the bot of connector {id} is gone");
                Arc::new(missing_bot(&settings.bot))
            }
        };
        Ok(assemble(id.clone(), ConnectorSource::Stored, self.state, settings, bot))
    }
}

/// Stands for a bot that the configuration no longer has.
struct MissingBot(BotId);

#[async_trait]
impl Bot for MissingBot {
    async fn answer(&self, _: &TurnRequest) -> Result<Box<dyn Answer>, BotError> {
        Err(BotError::Failed(format!("there is no bot {} in the configuration", self.0)))
    }
}

fn missing_bot(id: &BotId) -> ConfiguredBot {
    let bot = Arc::new(MissingBot(id.clone()));
    ConfiguredBot {
        id: id.clone(),
        limits: BotLimits::default(),
        profile: BotProfile::default(),
        greeting: None,
        bot,
    }
}

/// A connector of its parts.
pub fn assemble(
    id: ConnectorId,
    source: ConnectorSource,
    state: ConnectorState,
    settings: ConnectorSettings,
    bot: Arc<ConfiguredBot>,
) -> Connector {
    let limits = Arc::new(settings.limits);
    Connector { id, source, state, settings, limits, bot }
}
