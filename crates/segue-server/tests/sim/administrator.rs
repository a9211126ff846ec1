//! What administrators have set up, and what they do.

use std::{sync::Arc, time::Duration};

use segue_core::{Actor, BotProfile, Command, ConnectorId, Revoked};
use segue_server::{
    config::{BotId, ConnectorSettings, Handoff, Secret},
    connectors::{ConfiguredBot, Connector, ConnectorSource, ConnectorState},
    directory::Directory,
    limits::BotLimits,
};
use tokio::time::sleep;

use crate::{
    bots::SimBot,
    dice::Dice,
    store::Life,
    world::{GREETING, World},
};

/// In one world of so many a session is revoked.
const WORLDS_PER_REVOCATION: u64 = 4;

impl World {
    /// The connectors as a node knows them.
    pub fn connectors(&self, world: &Arc<Self>, life: &Arc<Life>) -> Directory {
        let mut connectors = Vec::new();
        for (name, handoff) in [("none", Handoff::None), ("client", Handoff::Client)] {
            let bot = SimBot { world: Arc::clone(world), life: Arc::clone(life) };
            let bot = ConfiguredBot {
                id: BotId("ada".to_owned()),
                limits: BotLimits::default(),
                profile: BotProfile { name: "Ada".to_owned(), avatar_url: String::new() },
                greeting: self.plan.has_greeting.then(|| GREETING.to_owned()),
                bot: Arc::new(bot),
            };
            let id = ConnectorId(name.to_owned());
            let connector = Connector {
                id,
                source: ConnectorSource::Configuration,
                state: ConnectorState::Active,
                settings: ConnectorSettings {
                    handoff,
                    ..ConnectorSettings::new(BotId("bot".to_owned()), *self.plan.limits)
                },
                limits: Arc::clone(&self.plan.limits),
                bot: Arc::new(bot),
            };
            connectors.push((connector, Secret::new(name)));
        }
        Directory::fixed(connectors)
    }

    /// Revokes one session in some of the worlds, and asks until somebody has an answer. It has dice of
    /// its own: the other worlds stay as they are.
    pub async fn administrate(world: Arc<Self>) {
        let dice = Dice::new(!world.seed);
        if !world.seed.is_multiple_of(WORLDS_PER_REVOCATION) {
            return;
        }
        sleep(Duration::from_millis(dice.below(world.plan.active_ms))).await;
        let talks = world.talks.lock().clone();
        if talks.is_empty() {
            return;
        }
        let talk = &talks[usize::try_from(dice.below(talks.len() as u64)).unwrap()];
        talk.known.lock().asked_to_revoke_ms = Some(world.ms());
        for place in (0..world.places()).cycle() {
            if let Some(node) = world.with(place, |it| Arc::clone(&it.node)) {
                let revoke = [Command::Revoke(Revoked::Session)];
                let outcome = node.execute(talk.id, Actor::System, &revoke).await.remove(0);
                if outcome != segue_server::node::Outcome::Unavailable {
                    return;
                }
            }
            sleep(Duration::from_millis(500)).await;
        }
    }
}
