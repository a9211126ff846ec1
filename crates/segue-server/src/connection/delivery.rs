//! The log's way to the socket: replay in batches, the pause behind it, then entry by entry; every
//! entry once, in order, whatever the broker loses, repeats and reorders.

use std::collections::VecDeque;

use segue_core::{EntryId, Position, Sequence, Session, Timestamp, ports::ReadLimit};

use super::{CloseCode, Connection, Context, Fetched, Output};
use crate::{
    item::{Frame, Item, Mark},
    limits,
    wire::{self, Transient},
};

/// What a connection owes its client from the log.
#[derive(Debug)]
pub struct Delivery {
    /// Everything up to here was sent, or is claimed by the cursor.
    sent: Position,
    /// Behind `sent`, in order, without gaps; not sent yet.
    queue: VecDeque<Item>,
    /// Bytes in `queue`.
    queue_bytes: usize,
    /// The log is known to reach this far.
    known: Position,
    /// The log may reach further than that: it has to be read.
    is_unsure: bool,
    /// What was known when the read under way began.
    known_at_read: Position,
    phase: Phase,
    read: Read,
    /// Look into the log then, in case that a push was lost that somebody waits for. A connection that
    /// waits for nothing leaves that to the node (`lookout.rs`).
    look_at: Timestamp,
    /// While the bot is at work: when to say so next.
    thinking_at: Option<Timestamp>,
    /// The cursor claims the end of the session.
    claims_end: bool,
}

/// Where the connection is on its way from replay to live.
#[derive(Debug, Clone, PartialEq)]
enum Phase {
    /// Nothing was sent yet.
    Opening {
        /// The first batch does not go before.
        at: Timestamp,
        /// The session's start, read apart because the cursor lies behind it.
        start: Start,
    },
    /// Batches go out.
    Replaying {
        /// The next one does not go before.
        at: Timestamp,
        /// Whether anything but the session's start was replayed.
        has_more_than_start: bool,
    },
    /// The last batch is out; live events wait, because clients take batches and single events on
    /// two ways (clients, section 6).
    Settling {
        /// Until then.
        until: Timestamp,
    },
    /// Entry by entry.
    Live,
}

#[derive(Debug, Clone, PartialEq)]
enum Start {
    /// It comes with the log, which is read from its beginning.
    InLog,
    /// It has to be read.
    Wanted,
    /// Here it is, recorded then.
    Here(Frame, Timestamp),
}

/// The read that is under way, or what holds the next one up.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Read {
    /// None is under way.
    Idle,
    /// One is under way, for the session's start or for the log.
    UnderWay { failures: u32 },
    /// The store did not answer; not again before.
    Failed { retry_at: Timestamp, failures: u32 },
}

impl Delivery {
    pub(super) fn new(
        now: Timestamp,
        session: &Session,
        cursor: Sequence,
        position: Position,
    ) -> Self {
        let delay_ms =
            if session.facts.is_native() { limits::NATIVE_FIRST_BATCH_DELAY_MS } else { 0 };
        let start = if cursor == Sequence(0) { Start::InLog } else { Start::Wanted };
        Self {
            sent: position,
            queue: VecDeque::new(),
            queue_bytes: 0,
            known: session.state.head.max(position),
            // Something may have been recorded since the session was loaded: the first read tells.
            is_unsure: true,
            known_at_read: Position(0),
            phase: Phase::Opening { at: now + delay_ms, start },
            read: Read::Idle,
            look_at: Timestamp::MAX,
            // What is true at the cursor is what was true of the session, less what follows.
            thinking_at: session.running().map(|_| now),
            // Nothing that the user may see comes behind the end.
            claims_end: session.ended_at().is_some() && cursor >= session.state.reached,
        }
    }

    /// Whether the first batch is still to come.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.phase, Phase::Opening { .. })
    }

    pub(super) fn known(&self) -> Position {
        self.known
    }

    pub(super) fn take_pushed(&mut self, items: &[Item]) {
        for item in items {
            if item.position == self.queued_to().next() && self.has_room() {
                self.enqueue(item.clone());
            }
            self.known = self.known.max(item.position);
        }
    }

    pub(super) fn take_behind(&mut self) {
        self.is_unsure = true;
    }

    /// Takes in a read. `false` when nothing was ever sent and the store does not answer: then the
    /// client had better come again.
    pub(super) fn take_fetched(&mut self, now: Timestamp, fetched: Option<Fetched>) -> bool {
        let Some(fetched) = fetched else { return self.take_failed_read(now) };
        self.read = Read::Idle;
        if let Phase::Opening { start: start @ Start::Wanted, .. } = &mut self.phase {
            let first = fetched.items.into_iter().next();
            let first = first.and_then(|it| Some(Start::Here(it.event?, it.at)));
            *start = first.unwrap_or(Start::Wanted);
            return true;
        }
        for item in fetched.items {
            if item.position == self.queued_to().next() {
                self.enqueue(item);
            }
        }
        if fetched.more {
            self.is_unsure = true;
        } else if self.known == self.known_at_read {
            // That was all, and nothing was heard meanwhile.
            self.known = self.queued_to();
        }
        self.look_at = self.next_look_at(now);
        true
    }

    fn take_failed_read(&mut self, now: Timestamp) -> bool {
        if matches!(self.phase, Phase::Opening { .. }) {
            return false;
        }
        let failures = match self.read {
            Read::Failed { failures, .. } => failures + 1,
            Read::UnderWay { failures } => failures + 1,
            Read::Idle => 1,
        };
        let pause_ms = limits::READ_RETRY_MS << (failures - 1).min(4);
        self.is_unsure = true;
        self.read = Read::Failed { retry_at: now + pause_ms, failures };
        true
    }

    /// Whether the cursor claims the end of the session.
    pub(super) fn claims_end(&self) -> bool {
        self.claims_end
    }

    /// Whether the client has this entry, or claims to.
    pub(super) fn has_sent(&self, position: Position) -> bool {
        position <= self.sent
    }

    /// The log reaches this far: if it does not come by itself, look.
    pub(super) fn expect(&mut self, now: Timestamp, position: Position) {
        if position > self.queued_to() {
            self.look_at = self.look_at.min(now + limits::LOOK_AFTER_COMMAND_MS);
        }
    }

    /// Something may be in the log that nobody will tell of.
    pub(super) fn look_soon(&mut self, now: Timestamp) {
        self.look_at = self.look_at.min(now + limits::LOOK_AFTER_COMMAND_MS);
    }

    pub(super) fn wake_at(&self) -> Timestamp {
        let send_at = match &self.phase {
            Phase::Opening { at, .. } | Phase::Replaying { at, .. } if self.may_send_batch() => *at,
            // A batch that waits for a read is not waited for with the clock.
            Phase::Opening { .. } | Phase::Replaying { .. } => Timestamp::MAX,
            Phase::Settling { until } => *until,
            Phase::Live => self.thinking_at.unwrap_or(Timestamp::MAX),
        };
        send_at.min(self.read_at())
    }

    /// When the next read begins, if nothing happens before.
    fn read_at(&self) -> Timestamp {
        let wanted_at = match () {
            () if self.lacks_something() => 0,
            () if self.queue.is_empty() => self.look_at,
            () => Timestamp::MAX,
        };
        match self.read {
            Read::UnderWay { .. } => Timestamp::MAX,
            Read::Failed { retry_at, .. } => wanted_at.max(retry_at),
            Read::Idle => wanted_at,
        }
    }

    /// Whether the log is known to hold something that is not queued and has room there.
    fn lacks_something(&self) -> bool {
        match &self.phase {
            Phase::Opening { start: Start::Wanted, .. } => true,
            Phase::Opening { start: Start::InLog, .. } if self.queue.is_empty() => true,
            _ => (self.is_unsure || self.known > self.queued_to()) && self.has_room(),
        }
    }

    fn queued_to(&self) -> Position {
        self.queue.back().map_or(self.sent, |it| it.position)
    }

    /// Whether everything that the log is known to hold is queued.
    fn has_all(&self) -> bool {
        let is_reading = matches!(self.read, Read::UnderWay { .. });
        !is_reading && !self.is_unsure && self.queued_to() >= self.known
    }

    fn has_room(&self) -> bool {
        self.queue.len() < limits::QUEUED_ITEMS_MAX && self.queue_bytes < limits::QUEUED_BYTES_MAX
    }

    fn enqueue(&mut self, item: Item) {
        self.queue_bytes += item.event.as_ref().map_or(0, |it| it.len());
        self.known = self.known.max(item.position);
        self.queue.push_back(item);
    }

    fn next_look_at(&self, now: Timestamp) -> Timestamp {
        match self.thinking_at {
            Some(_) => now + limits::LOOK_INTERVAL_AT_WORK_MS,
            None => Timestamp::MAX,
        }
    }

    /// Whether a batch can be filled as far as it is ever going to be.
    fn may_send_batch(&self) -> bool {
        let start_is_there = match &self.phase {
            Phase::Opening { start, .. } => match start {
                Start::InLog => !self.queue.is_empty(),
                Start::Wanted => false,
                Start::Here(..) => true,
            },
            _ => true,
        };
        start_is_there
            && (self.has_all() || !self.has_room() || self.queue.len() >= limits::BATCH_EVENTS_MAX)
    }

    /// The read that is needed now.
    fn next_read(&mut self, now: Timestamp) -> Option<Output> {
        if now < self.read_at() {
            return None;
        }
        let failures = match self.read {
            Read::Failed { failures, .. } => failures,
            Read::Idle | Read::UnderWay { .. } => 0,
        };
        self.read = Read::UnderWay { failures };
        self.known_at_read = self.known;
        let (after, entries) = match &self.phase {
            Phase::Opening { start: Start::Wanted, .. } => (Position(0), 1),
            _ => {
                self.is_unsure = false;
                (self.queued_to(), limits::PAGE_ENTRIES_MAX)
            }
        };
        let limit = ReadLimit { entries, bytes: limits::PAGE_BYTES_MAX };
        Some(Output::Fetch { after, limit })
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.queue.pop_front()?;
        self.queue_bytes -= item.event.as_ref().map_or(0, |it| it.len());
        self.sent = item.position;
        if self.queue.is_empty() && self.queue.capacity() > limits::QUEUED_ITEMS_KEPT {
            // A replay's room would stay with a connection that is idle from now on.
            self.queue = VecDeque::new();
        }
        Some(item)
    }

    fn visible_in_queue(&self) -> usize {
        self.queue.iter().filter(|it| it.event.is_some()).count()
    }
}

impl Connection {
    /// Sends what may be sent now, and asks for what is missing.
    pub(super) fn deliver(&mut self, context: &mut Context<'_>, outputs: &mut Vec<Output>) {
        let now = context.now;
        loop {
            let is_through = match self.delivery.phase.clone() {
                Phase::Opening { at, .. } | Phase::Replaying { at, .. } => {
                    if now < at || !self.delivery.may_send_batch() {
                        true
                    } else {
                        self.send_batch(context, outputs);
                        false
                    }
                }
                Phase::Settling { until } => {
                    if now >= until {
                        self.go_live(context, outputs);
                    }
                    now < until
                }
                Phase::Live => {
                    self.send_live(context, outputs);
                    self.delivery.phase == Phase::Live
                }
            };
            if is_through {
                break;
            }
        }
        outputs.extend(self.delivery.next_read(now));
    }

    /// Sends the next batch, or ends the replay when there is none to send.
    fn send_batch(&mut self, context: &mut Context<'_>, outputs: &mut Vec<Output>) {
        let now = context.now;
        let (mut batch, is_first, mut has_more_than_start) = match &self.delivery.phase {
            Phase::Opening { start: Start::Here(start, at), .. } => {
                self.last_at = self.last_at.max(*at);
                (vec![start.clone()], true, false)
            }
            Phase::Opening { .. } => (vec![], true, false),
            Phase::Replaying { has_more_than_start, .. } => (vec![], false, *has_more_than_start),
            Phase::Settling { .. } | Phase::Live => return,
        };
        let mut bytes = batch.iter().map(|it| it.len()).sum::<usize>();
        while let Some(next) = self.delivery.queue.front() {
            let next_bytes = next.event.as_ref().map_or(0, |it| it.len());
            // The first events of a session belong together: clients that see the bot's arrival in
            // the first batch do not ask for it again (clients, section 7).
            let is_head = is_first && batch.len() < limits::BATCH_HEAD_EVENTS;
            let bytes_max = if is_head { limits::BATCH_BYTES_MAX } else { limits::BATCH_BYTES_AIM };
            let fits = wire::batch_bytes(batch.len() + 1, bytes + next_bytes) <= bytes_max
                && batch.len() < limits::BATCH_EVENTS_MAX;
            if next.event.is_some() && !batch.is_empty() && !fits {
                break;
            }
            let Some(item) = self.delivery.pop() else { break };
            has_more_than_start |= item.event.is_some() && item.mark != Mark::SessionStarted;
            self.pass(&item, now);
            bytes += next_bytes;
            batch.extend(item.event);
        }
        if batch.is_empty() {
            let pause_ms = if has_more_than_start { self.limits.live_after_replay_ms } else { 0 };
            // The pause counts from the last batch, one interval before the next would have gone.
            let Phase::Replaying { at, .. } = self.delivery.phase else { return };
            let last_at = at.saturating_sub(self.limits.replay_batch_interval_ms);
            self.delivery.phase = Phase::Settling { until: last_at + pause_ms };
            return;
        }
        if let Some(next) = self.delivery.queue.front() {
            // Not older than the entry at the cursor either, should the start go out alone.
            self.last_at = self.last_at.max(next.at);
        } else if self.delivery.has_all() {
            self.last_at = self.last_at.max(self.stamp(now));
        }
        let id = EntryId((context.ids)());
        self.tally.events_sent += batch.len() as u64;
        let batch: Vec<&str> = batch.iter().map(Frame::as_str).collect();
        outputs.push(Output::Send(wire::batch(id, self.last_at, &batch).into()));
        let at = now + self.limits.replay_batch_interval_ms;
        // Nothing to wait for: the replay is over with this batch.
        self.delivery.phase = if self.delivery.queue.is_empty() && self.delivery.has_all() {
            let pause_ms = if has_more_than_start { self.limits.live_after_replay_ms } else { 0 };
            Phase::Settling { until: now + pause_ms }
        } else {
            Phase::Replaying { at, has_more_than_start }
        };
        self.send_early(context, outputs);
    }

    /// The replay is over: says what is true of the moment, then entry by entry.
    fn go_live(&mut self, context: &mut Context<'_>, outputs: &mut Vec<Output>) {
        self.delivery.phase = Phase::Live;
        if self.delivery.claims_end {
            self.end_sent_at.get_or_insert(context.now);
        }
        if let Some(at) = &mut self.delivery.thinking_at {
            *at = context.now;
        }
        self.think_if_due(context, outputs);
    }

    fn send_live(&mut self, context: &mut Context<'_>, outputs: &mut Vec<Output>) {
        let now = context.now;
        if self.delivery.visible_in_queue() > limits::BEHIND_EVENTS_MAX {
            self.delivery.phase = Phase::Replaying { at: now, has_more_than_start: true };
            return;
        }
        while let Some(item) = self.delivery.pop() {
            self.pass(&item, now);
            self.tally.events_sent += u64::from(item.event.is_some());
            outputs.extend(item.event.map(Output::Send));
            self.think_if_due(context, outputs);
        }
        self.think_if_due(context, outputs);
    }

    /// Takes note of an entry that leaves the queue.
    fn pass(&mut self, item: &Item, now: Timestamp) {
        self.last_at = self.last_at.max(item.at);
        match item.mark {
            // A turn that is started again, by another worker, was announced already.
            Mark::TurnStarted => {
                self.delivery.thinking_at.get_or_insert(now);
            }
            Mark::TurnEnded => self.delivery.thinking_at = None,
            Mark::SessionEnded(reason) => {
                self.delivery.thinking_at = None;
                self.end_code = CloseCode::of(reason);
                self.end_sent_at = Some(now);
            }
            Mark::Plain | Mark::SessionStarted => {}
        }
        self.delivery.look_at = self.delivery.next_look_at(now);
    }

    fn think_if_due(&mut self, context: &mut Context<'_>, outputs: &mut Vec<Output>) {
        if self.delivery.phase != Phase::Live {
            return;
        }
        if self.delivery.thinking_at.is_some_and(|at| context.now >= at) {
            self.delivery.thinking_at =
                Some(context.now + self.limits.thinking_repeat_seconds * 1_000);
            self.send_transient(&Transient::Thinking, context, outputs);
        }
    }
}
