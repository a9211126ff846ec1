//! What the users of a crowd share: when they talk, and what came of it.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::{check::Faults, sample::Latencies};

/// What the users of a crowd are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Listen.
    Rest,
    /// Talk, each as soon as it was answered.
    Saturate,
    /// Talk when it is due.
    Paced,
    /// Look for what was lost, and go.
    Over,
}

/// Shared by all users of a crowd.
#[derive(Debug)]
pub struct Board {
    /// What times are counted from.
    pub epoch: Instant,
    /// What went wrong.
    pub faults: Faults,
    /// From the moment that a message was due to its echo.
    pub echoes: Latencies,
    /// From the moment that a message was due until another connection of the session heard it,
    /// or the first of the bot's answer.
    pub heard: Latencies,
    /// From the bot's first byte to the user's first chunk.
    pub first_chunks: Latencies,
    /// How late messages left.
    pub late: Latencies,
    /// The end of the run: what comes later does not count.
    until_us: AtomicU64,
    answered: AtomicU64,
    delivered: AtomicU64,
    in_flight: AtomicI64,
    /// Connections besides the sender's that are to hear each message.
    listeners: i64,
    /// So often a message that was answered has still to be heard.
    unheard: AtomicI64,
}

impl Board {
    /// A board on which nothing stands. Its times are counted from `epoch`.
    pub fn new(epoch: Instant, faults: Faults) -> Self {
        Self::with_listeners(epoch, faults, 0)
    }

    /// The same, where each message has so many listeners besides its sender.
    pub fn with_listeners(epoch: Instant, faults: Faults, listeners: usize) -> Self {
        Self {
            epoch,
            faults,
            echoes: Latencies::default(),
            heard: Latencies::default(),
            first_chunks: Latencies::default(),
            late: Latencies::default(),
            until_us: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            in_flight: AtomicI64::new(0),
            listeners: i64::try_from(listeners).unwrap_or(i64::MAX),
            unheard: AtomicI64::new(0),
        }
    }

    /// The run's clock, in microseconds.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Begins a run of this length.
    pub fn begin(&self, time: Duration) {
        self.answered.store(0, Ordering::Relaxed);
        self.delivered.store(0, Ordering::Relaxed);
        let until_us = self.now_us() + u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.until_us.store(until_us, Ordering::Relaxed);
        // Whatever came since the last run is none of this one.
        let _ = (self.echoes.take(), self.heard.take(), self.late.take());
        let _ = self.first_chunks.take();
    }

    /// Whether the run goes on.
    pub fn is_open(&self) -> bool {
        self.now_us() < self.until_us.load(Ordering::Relaxed)
    }

    /// A message is due. It counts as in flight from here on, not from when it is sent: the run must
    /// not be taken for settled in between.
    pub fn due(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
    }

    /// The same if the run goes on.
    pub fn due_if_open(&self) -> bool {
        // Counted first: who looks whether all is settled looks after the end of the run.
        self.due();
        let is_open = self.is_open();
        if !is_open {
            self.gave_up(1);
        }
        is_open
    }

    /// A message left that was due then.
    pub fn sent_late(&self, due_us: u64) {
        self.late.note_us(self.now_us().saturating_sub(due_us));
    }

    /// A message was answered.
    pub fn answered(&self, due_us: u64) {
        // In this order, so that there is no moment at which nothing seems to be missing.
        self.unheard.fetch_add(self.listeners, Ordering::SeqCst);
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        let now_us = self.now_us();
        self.echoes.note_us(now_us.saturating_sub(due_us));
        if now_us < self.until_us.load(Ordering::Relaxed) {
            self.answered.fetch_add(1, Ordering::Relaxed);
            self.delivered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A message was heard on another connection.
    pub fn heard(&self, due_us: u64) {
        self.unheard.fetch_sub(1, Ordering::SeqCst);
        let now_us = self.now_us();
        self.heard.note_us(now_us.saturating_sub(due_us));
        if now_us < self.until_us.load(Ordering::Relaxed) {
            self.delivered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A turn of the bot began: its first piece was given and was seen, for a message that was due.
    pub fn turn_begun(&self, given_us: u64, due_us: u64) {
        let now_us = self.now_us();
        self.first_chunks.note_us(now_us.saturating_sub(given_us));
        self.heard.note_us(now_us.saturating_sub(due_us));
    }

    /// A message was said that the bot is to answer, or its answer is complete.
    pub fn turn(&self, is_complete: bool) {
        self.in_flight.fetch_add(if is_complete { -1 } else { 1 }, Ordering::SeqCst);
    }

    /// Messages were given up.
    pub fn gave_up(&self, messages: usize) {
        let messages = i64::try_from(messages).unwrap_or(i64::MAX);
        self.in_flight.fetch_sub(messages, Ordering::SeqCst);
    }

    /// Whether everything that was sent is answered, and heard by everybody.
    pub fn is_settled(&self) -> bool {
        self.in_flight.load(Ordering::SeqCst) <= 0 && self.unheard.load(Ordering::SeqCst) <= 0
    }

    /// Messages that were answered within the run.
    pub fn answered_count(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Messages that reached a connection within the run, echoes included; or turns of the bot.
    pub fn delivered_count(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }
}
