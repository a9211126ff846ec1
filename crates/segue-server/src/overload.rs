//! When there is more to do than can be done: measured by what users would wait for. New sessions
//! are then turned away, so that those that live go on (docs/adr/0023).

use std::{
    collections::BTreeSet,
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

/// The appends that nobody knows the end of yet.
#[derive(Debug, Default)]
pub struct AppendsUnderWay(Mutex<Began>);

#[derive(Debug, Default)]
struct Began {
    at: BTreeSet<(Instant, u64)>,
    newest: u64,
}

/// One of them, until this is dropped.
#[derive(Debug)]
pub struct UnderWay<'a> {
    of: &'a AppendsUnderWay,
    began: (Instant, u64),
}

impl AppendsUnderWay {
    /// An append begins.
    pub fn begin(&self) -> UnderWay<'_> {
        let mut began = self.0.lock();
        began.newest += 1;
        let this = (Instant::now(), began.newest);
        began.at.insert(this);
        UnderWay { of: self, began: this }
    }

    /// How long the oldest has taken so far; zero when there is none.
    pub fn oldest(&self) -> Duration {
        self.0.lock().at.first().map_or(Duration::ZERO, |(at, _)| at.elapsed())
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.of.0.lock().at.remove(&self.began);
    }
}

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overload {
    /// The store keeps an append waiting for so long.
    Store {
        /// The oldest append under way, in milliseconds.
        append_ms: u64,
    },
    /// Nearly as many connections are open as there may be.
    Connections {
        /// So many.
        open: usize,
    },
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { append_ms } => write!(f, "an append waits for {append_ms} ms"),
            Self::Connections { open } => write!(f, "{open} connections are open"),
        }
    }
}

/// Says once that it begins, and once that it is over.
#[derive(Debug, Default)]
pub struct OverloadLog(AtomicBool);

impl OverloadLog {
    /// What was found just now.
    pub fn note(&self, found: Option<Overload>) {
        let was = self.0.swap(found.is_some(), Ordering::Relaxed);
        match (was, found) {
            (false, Some(overload)) => {
                warn!(%overload, "overloaded, new sessions are refused: {overload}");
            }
            (true, None) => info!("no longer overloaded, new sessions are welcome"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
