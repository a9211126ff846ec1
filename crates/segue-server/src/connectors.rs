//! The integrations this server knows, and the bots that answer through them.

use std::{collections::BTreeMap, sync::Arc};

use segue_core::{BotProfile, ConnectorId, HandOffMode, ports::Bot};

use crate::{
    config::{BotId, Handoff, Secret},
    http::hosts::Hosts,
    limits::{BotLimits, Limits},
};

/// An integration.
pub struct Connector {
    /// Its name.
    pub id: ConnectorId,
    /// What proves that somebody may use it.
    pub token: Secret,
    /// Where it may be used from.
    pub hosts: Hosts,
    /// Refuses new tokens and sessions; running ones go on.
    pub is_disabled: bool,
    /// Its limits: the server's, with its own on top.
    pub limits: Arc<Limits>,
    /// Who takes over from the bot.
    pub handoff: Handoff,
    /// Who answers.
    pub bot: Arc<ConfiguredBot>,
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

/// All of them, by name.
pub type Connectors = BTreeMap<ConnectorId, Arc<Connector>>;

impl Connector {
    /// Who carries out a handoff for which the bot wishes `mode`: the bot may choose the client
    /// where there is a handoff, never the server against the connector.
    pub fn hand_off_mode(&self, wished: Option<HandOffMode>) -> Option<HandOffMode> {
        match (self.handoff, wished) {
            (Handoff::None, _) => None,
            (Handoff::Client, _) | (Handoff::Server, Some(HandOffMode::Client)) => {
                Some(HandOffMode::Client)
            }
            (Handoff::Server, _) => Some(HandOffMode::Server),
        }
    }

    /// Whether somebody is there who could take over. There is no desk yet.
    pub fn can_hand_off(&self) -> bool {
        self.handoff == Handoff::Client
    }
}
