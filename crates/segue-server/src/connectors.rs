//! An integration, and the bot that answers through it.

use std::sync::Arc;

use segue_core::{BotProfile, ConnectorId, HandOffMode, ports::Bot};
use serde::{Deserialize, Serialize};

use crate::{
    config::{BotId, ConnectorSettings, Handoff},
    limits::{BotLimits, Limits},
};

/// An integration.
pub struct Connector {
    /// Its name.
    pub id: ConnectorId,
    /// Where it comes from, and hence who may change it.
    pub source: ConnectorSource,
    /// What it may still do.
    pub state: ConnectorState,
    /// What is set of it. Its limits are in `limits`, too, ready to be shared.
    pub settings: ConnectorSettings,
    /// Its limits: the server's, with its own on top.
    pub limits: Arc<Limits>,
    /// Who answers.
    pub bot: Arc<ConfiguredBot>,
}

/// Where a connector comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum ConnectorSource {
    /// From the configuration, which alone can change it.
    Configuration,
    /// It was made at run time.
    Stored,
}

/// What a connector may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum ConnectorState {
    /// Everything.
    Active,
    /// New tokens and sessions are refused, running sessions go on.
    Disabled,
    /// Its sessions end; there is no way back.
    Revoked,
}

/// A bot with what the configuration says of it.
pub struct ConfiguredBot {
    /// Its name in the configuration.
    pub id: BotId,
    /// How it shows itself.
    pub profile: BotProfile,
    /// Its first message; where there is none, the bot is asked for one.
    pub greeting: Option<String>,
    /// How much it is given to do.
    pub limits: BotLimits,
    /// What answers.
    pub bot: Arc<dyn Bot>,
}

impl Connector {
    /// Whether it gives new access tokens and sessions.
    pub fn is_open(&self) -> bool {
        self.state == ConnectorState::Active
    }

    /// Whether a request with this `Origin`, or without one, may come from where it is used.
    pub fn accepts_origin(&self, origin: Option<&str>) -> bool {
        let is_registered =
            |it: &str| !self.settings.server_only && self.settings.hosts.accept_origin(it);
        origin.is_none_or(is_registered)
    }

    /// Who carries out a handoff for which the bot wishes `mode`: the bot may choose the client
    /// where there is a handoff, never the server against the connector.
    pub fn hand_off_mode(&self, wished: Option<HandOffMode>) -> Option<HandOffMode> {
        match (self.settings.handoff, wished) {
            (Handoff::None, _) => None,
            (Handoff::Client, _) | (Handoff::Server, Some(HandOffMode::Client)) => {
                Some(HandOffMode::Client)
            }
            (Handoff::Server, _) => Some(HandOffMode::Server),
        }
    }

    /// Whether somebody is there who could take over. There is no desk yet.
    pub fn can_hand_off(&self) -> bool {
        self.settings.handoff == Handoff::Client
    }
}
