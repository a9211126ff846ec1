//! Which turn is next: a bot has so many at once and so many that wait, and connectors that share a
//! bot take turns. Pure: whoever holds it starts what it gives.

use std::{
    collections::{BTreeMap, VecDeque},
    time::SystemTime,
};

use segue_core::{ConnectorId, SessionId, Turn, ports::JobId};

use crate::{config::BotId, limits::BotLimits};

/// A turn that this node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldTurn {
    /// Its job.
    pub job: JobId,
    /// Whose conversation.
    pub session: SessionId,
    /// Which turn.
    pub turn: Turn,
    /// When its job was taken, where traces are on.
    pub taken_at: Option<SystemTime>,
}

/// The turns of this node that are at work or wait, by bot.
#[derive(Debug, Default)]
pub struct TurnQueue(BTreeMap<BotId, Line>);

/// The turns of one bot.
#[derive(Debug, Default)]
struct Line {
    limits: BotLimits,
    running: u64,
    /// None of the queues is empty.
    waiting: BTreeMap<ConnectorId, VecDeque<HeldTurn>>,
    /// Whose turn was started last.
    served: Option<ConnectorId>,
}

impl TurnQueue {
    /// Adds a turn behind those of its connector. Gives back the turn that is one too many, if one
    /// is: the newest of the connector that has the most waiting, so that one connector's flood
    /// takes no place from another one.
    pub fn push(
        &mut self,
        bot: &BotId,
        limits: BotLimits,
        connector: &ConnectorId,
        turn: HeldTurn,
    ) -> Option<HeldTurn> {
        let line = self.0.entry(bot.clone()).or_default();
        line.limits = limits;
        line.waiting.entry(connector.clone()).or_default().push_back(turn);
        let room = limits.turns_at_once.saturating_sub(line.running) + limits.turns_waiting;
        if line.waiting_count() <= room { None } else { line.drop_newest_of_longest(connector) }
    }

    /// A turn whose bot has room for it. It counts as running until `ended`.
    pub fn next(&mut self) -> Option<(BotId, HeldTurn)> {
        let (bot, line) = self.0.iter_mut().find(|(_, line)| line.has_next())?;
        Some((bot.clone(), line.take_next()?))
    }

    /// A turn of this bot has come to an end.
    pub fn ended(&mut self, bot: &BotId) {
        let line = self.0.get_mut(bot).expect("a bot whose turn runs has a line");
        line.running -= 1;
        if line.running == 0 && line.waiting.is_empty() {
            self.0.remove(bot);
        }
    }
}

impl Line {
    fn waiting_count(&self) -> u64 {
        self.waiting.values().map(|it| it.len() as u64).sum()
    }

    fn has_next(&self) -> bool {
        self.running < self.limits.turns_at_once && !self.waiting.is_empty()
    }

    /// The oldest turn of the connector behind the one that was served last.
    fn take_next(&mut self) -> Option<HeldTurn> {
        let is_behind = |it: &&ConnectorId| self.served.as_ref().is_none_or(|last| *it > last);
        let behind = self.waiting.keys().find(is_behind);
        let connector = behind.or_else(|| self.waiting.keys().next())?.clone();
        let turn = self.waiting.get_mut(&connector)?.pop_front()?;
        self.forget_if_empty(&connector);
        self.served = Some(connector);
        self.running += 1;
        Some(turn)
    }

    /// Of two that have the same number, the newcomer's.
    fn drop_newest_of_longest(&mut self, newcomer: &ConnectorId) -> Option<HeldTurn> {
        let length = |it: &(&ConnectorId, &VecDeque<HeldTurn>)| (it.1.len(), it.0 == newcomer);
        let longest = self.waiting.iter().max_by_key(length)?.0.clone();
        let turn = self.waiting.get_mut(&longest)?.pop_back();
        self.forget_if_empty(&longest);
        turn
    }

    fn forget_if_empty(&mut self, connector: &ConnectorId) {
        if self.waiting.get(connector).is_some_and(VecDeque::is_empty) {
            self.waiting.remove(connector);
        }
    }
}

#[cfg(test)]
mod tests;
