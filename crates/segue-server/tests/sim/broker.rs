//! The broker between the nodes: loses, repeats, delays and thereby reorders.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use segue_core::{Entry, SessionId, ports::Broker};

use crate::{situations::Situation, store::Life, world::World};

/// The broker in the hands of one node.
pub struct NodeBroker {
    pub world: Arc<World>,
    pub life: Arc<Life>,
}

#[async_trait]
impl Broker for NodeBroker {
    async fn publish(&self, id: SessionId, entries: Arc<[Entry]>) {
        let world = &self.world;
        if self.life.is_dead() {
            return;
        }
        let weather = world.weather();
        for place in 0..world.places() {
            let is_own = place == self.life.place;
            let loses_permille = weather.loses_permille / if is_own { 4 } else { 1 };
            let copies = match () {
                () if world.dice.permille(loses_permille) => 0,
                () if world.dice.permille(weather.repeats_permille) => 2,
                () => 1,
            };
            match copies {
                0 => world.push_lost(id, &entries),
                1 => {}
                _ => world.count(Situation::RepeatedPush),
            }
            for _ in 0..copies {
                let delay_ms = match () {
                    () if weather.delay_ms_max == 0 => 0,
                    () if world.dice.permille(20) => world.dice.within(0, 3_000),
                    () if is_own && world.dice.percent(80) => 0,
                    () => world.dice.within(0, weather.delay_ms_max),
                };
                if delay_ms == 0 {
                    world.deliver(place, id, &entries);
                    continue;
                }
                let (world, entries) = (Arc::clone(world), Arc::clone(&entries));
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
                    world.deliver(place, id, &entries);
                });
            }
        }
    }
}
