//! Users who stop the bot, in the way in which the route does it, and what they were promised.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use segue_core::{Actor, Command, Event, Floor, Position, Rejected, SessionId, Turn, TurnOutcome};
use segue_server::node::Outcome;

use crate::{promises::Case, situations::Situation, talk::Talk, world::World};

impl World {
    /// Stops the bot's turn, at any node. A node that dies meanwhile gives no answer.
    pub fn stop_turn(world: &Arc<Self>, talk: &Arc<Talk>) {
        let Some(place) = world.place_up() else { return };
        let Some(node) = world.with(place, |it| Arc::clone(&it.node)) else { return };
        let id = talk.id;
        let before = world.turn_at_hand(id);
        world.write(&format!("s{:x} stops {before:?}", id.0 & 0xff));
        let stopping = tokio::spawn({
            let world = Arc::clone(world);
            async move {
                let outcome = node.execute(id, Actor::User, &[Command::StopTurn]).await.remove(0);
                world.check_stop(id, before, &outcome);
            }
        });
        world.with(place, |it| it.tasks.push(stopping.abort_handle()));
    }

    /// The turn that is running or due.
    fn turn_at_hand(&self, id: SessionId) -> Option<Turn> {
        match &self.newest(id)?.state.floor {
            Floor::BotDue { turn, .. } => Some(*turn),
            Floor::BotRunning(running) => Some(running.turn),
            _ => None,
        }
    }

    /// Whoever is told that it is done can rely on it: the turn that was there is there no more.
    fn check_stop(&self, id: SessionId, before: Option<Turn>, outcome: &Outcome) {
        match outcome {
            Outcome::Recorded { .. } => {}
            Outcome::Rejected(Rejected::NoTurn | Rejected::Ended) => {
                self.count(Situation::StopOfNothing);
            }
            Outcome::Unavailable => return,
            other => return self.violated(format!("a stop became {other:?}")),
        }
        if before.is_some() && self.turn_at_hand(id) == before {
            let session = id.0 & 0xff;
            self.violated(format!("s{session:x}: turn {before:?} goes on after it was stopped"));
        }
    }
}

/// Nothing of a turn follows its stop, and the user is told of no error.
pub fn check_stops(world: &World, case: &Case) {
    let mut turns: BTreeMap<Position, Turn> = BTreeMap::new();
    let mut stopped: BTreeSet<Turn> = BTreeSet::new();
    for entry in case.commits.iter().flat_map(|it| it.entries.iter()) {
        let at = entry.position;
        match &entry.event {
            Event::TurnStarted { turn, .. } => {
                turns.insert(at, *turn);
                if stopped.contains(turn) {
                    case.violated(world, &format!("a stopped turn starts at {at:?}"));
                }
            }
            Event::BotMessagePosted { token, .. }
            | Event::BotChunkPosted { token, .. }
            | Event::LanguageChanged { token, .. }
                if turns.get(token).is_some_and(|it| stopped.contains(it)) =>
            {
                case.violated(world, &format!("words of a stopped turn at {at:?}"));
            }
            Event::TurnEnded { turn, outcome: TurnOutcome::Stopped } => {
                stopped.insert(*turn);
            }
            _ => {}
        }
    }
    for commit in &case.commits {
        let has = |is_it: fn(&Event) -> bool| commit.entries.iter().any(|it| is_it(&it.event));
        let is_stop =
            |it: &Event| matches!(it, Event::TurnEnded { outcome: TurnOutcome::Stopped, .. });
        if has(is_stop) && has(|it| matches!(it, Event::NoticePosted { .. })) {
            case.violated(world, "an error is told with a stop");
        }
    }
}
