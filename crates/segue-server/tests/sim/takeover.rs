//! Nodes that hang in the middle of a turn until another one has taken it over and died of it: then
//! the job comes back to a node whose first worker is still at it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use segue_core::{Event, ports::Commit};
use segue_server::limits;
use tokio::time::sleep;

use crate::{dice::Dice, plan::Kind, situations::Situation, store::Life, world::World};

impl World {
    /// Freezes nodes that run turns, each for two leases: its own and that of whoever comes next. It
    /// has dice of its own: the other worlds stay as they are.
    pub async fn hang(world: Arc<Self>) {
        let dice = Dice::new(!world.seed);
        while world.is_active() && world.plan.kind == Kind::TakersDie {
            sleep(Duration::from_millis(dice.within(500, 3_000))).await;
            let Some(life) = world.somebody_at_work(&dice) else { continue };
            let until_ms = world.ms() + 2 * limits::JOB_LEASE_MS + dice.within(500, 6_000);
            life.frozen_until_ms.store(until_ms.min(world.plan.active_ms), Ordering::Relaxed);
        }
    }

    fn somebody_at_work(&self, dice: &Dice) -> Option<Arc<Life>> {
        let at_work: Vec<Arc<Life>> = self.chronicle(|it| {
            let is_running = |id| {
                let newest = it.commits.get(id).and_then(|it| it.last());
                newest.is_some_and(|it| it.session.running().is_some())
            };
            let workers = it.workers.iter().filter(|(id, _)| is_running(*id));
            workers.map(|(_, (life, _))| Arc::clone(life)).collect()
        });
        let is_free = |it: &Arc<Life>| !it.is_dead() && !it.is_frozen(self.ms());
        let at_work: Vec<Arc<Life>> = at_work.into_iter().filter(is_free).collect();
        let place = dice.below(at_work.len().max(1) as u64);
        at_work.get(usize::try_from(place).ok()?).cloned()
    }

    /// Whether this commit takes a turn from a worker that hangs, and is the last thing its node does.
    pub fn dies_of(&self, life: &Life, commit: &Commit) -> bool {
        let is_start =
            commit.entries.iter().any(|it| matches!(it.event, Event::TurnStarted { .. }));
        if self.plan.kind != Kind::TakersDie || !self.is_active() || !is_start {
            return false;
        }
        let id = commit.session.id;
        let is_running = self.newest(id).is_some_and(|it| it.running().is_some());
        let worker = self.chronicle(|it| it.workers.get(&id).map(|it| Arc::clone(&it.0)));
        let is_taken = worker
            .is_some_and(|it| it.number != life.number && !it.is_dead() && it.is_frozen(self.ms()));
        if is_running && is_taken {
            self.count(Situation::TakerDied);
        }
        is_running && is_taken
    }
}
