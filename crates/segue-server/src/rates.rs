//! How much a session, an address or a connector may ask for. Pure: time is an argument.

use segue_core::{Level, Timestamp};

use crate::limits;

/// A token bucket: `per_second` on average, `burst` at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    per_second: u64,
    burst: u64,
    /// Thousandths of a permit, so that time in milliseconds fills it without rounding.
    level: u64,
    filled_at: Timestamp,
}

impl Bucket {
    /// A full bucket. A rate of zero sets no limit.
    pub fn new(per_second: u64, burst: u64) -> Self {
        Self { per_second, burst: burst.max(1), level: burst.max(1) * 1_000, filled_at: 0 }
    }

    /// Takes one permit, or says after how many milliseconds there will be one.
    pub fn take(&mut self, now: Timestamp) -> Result<(), u64> {
        if self.per_second == 0 {
            return Ok(());
        }
        self.fill(now);
        if self.level >= 1_000 {
            self.level -= 1_000;
            return Ok(());
        }
        Err((1_000 - self.level).div_ceil(self.per_second))
    }

    /// Takes over another one's rate, where that is not its own: a setting has changed.
    pub fn become_like(&mut self, other: Self) {
        if (self.per_second, self.burst) != (other.per_second, other.burst) {
            *self = other;
        }
    }

    /// Whether it is as full as it can be: then it can be forgotten.
    pub fn is_full(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        self.per_second == 0 || self.level == self.burst * 1_000
    }

    fn fill(&mut self, now: Timestamp) {
        // A clock that runs backwards fills nothing; and what it was ahead by is not waited for.
        let passed_ms = now.saturating_sub(self.filled_at);
        self.filled_at = now;
        let gained = passed_ms.saturating_mul(self.per_second);
        self.level = self.level.saturating_add(gained).min(self.burst * 1_000);
    }
}

/// The rates of one session on one node, for all its connections together.
#[derive(Debug, Clone)]
pub struct SessionGate {
    messages: Bucket,
    signals: Bucket,
    rest: Bucket,
    not_asked_error_at: Option<Timestamp>,
}

/// What a frame counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A user's message.
    Message,
    /// Typing or a heartbeat.
    Signal,
    /// Everything else, also what cannot be read.
    Rest,
}

impl SessionGate {
    /// The gate of a session that has asked for nothing yet. A rate of zero sets no limit.
    pub fn new(messages_per_second: u64, messages_burst: u64) -> Self {
        let limited = messages_per_second > 0;
        let rate = |per_second| if limited { per_second } else { 0 };
        Self {
            messages: Bucket::new(messages_per_second, messages_burst),
            signals: Bucket::new(rate(limits::LIVENESS_PER_SECOND), limits::LIVENESS_BURST),
            rest: Bucket::new(rate(limits::REQUESTS_PER_SECOND), limits::REQUESTS_BURST),
            not_asked_error_at: None,
        }
    }

    /// Takes a permit for a frame, or says after how many milliseconds to try again.
    pub fn take(&mut self, now: Timestamp, kind: FrameKind) -> Result<(), u64> {
        match kind {
            FrameKind::Message => self.messages.take(now),
            FrameKind::Signal => self.signals.take(now),
            FrameKind::Rest => self.rest.take(now),
        }
    }

    /// How loudly to say that the bot was not asked to join: clients answer an ERROR with a JOIN,
    /// so it is one at most once in a while (protocol, section 4).
    pub fn not_asked_level(&mut self, now: Timestamp) -> Level {
        let is_recent = |at| now < at + limits::LOUD_ERROR_INTERVAL_SECONDS * 1_000;
        if self.not_asked_error_at.is_some_and(is_recent) {
            return Level::Warning;
        }
        self.not_asked_error_at = Some(now);
        Level::Error
    }

    /// Whether every bucket is full: the gate can be forgotten.
    pub fn is_full(&mut self, now: Timestamp) -> bool {
        self.messages.is_full(now) && self.signals.is_full(now) && self.rest.is_full(now)
    }
}

#[cfg(test)]
mod tests;
