//! What all clients of a round share.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::ledger::{Broken, Ledger};

/// How far a round is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Clients talk.
    Load,
    /// They say nothing new, and see to it that everything they said has arrived.
    Quiet,
    /// They go.
    Over,
}

/// A session and what its clients know of it.
pub struct Session {
    /// Its id.
    pub id: String,
    /// The access token that made it.
    pub token: String,
    /// Whether it streams.
    pub streams: bool,
    /// What its clients were told.
    pub ledger: Mutex<Ledger>,
    /// A message that one socket has said lately: the other may say it again.
    pub latest: Mutex<Option<(String, String)>>,
}

/// What all clients of a round share.
pub struct World {
    /// Where the server listens, whenever it does.
    pub address: SocketAddr,
    /// The sessions.
    pub sessions: Vec<Session>,
    /// How far the round is.
    pub phase: watch::Sender<Phase>,
    /// The server runs, as far as the test knows; clients try now and then when it does not.
    pub is_up: watch::Sender<bool>,
    /// Told at every frame that comes or goes.
    pub moved: Notify,
    /// What went wrong.
    pub broken: Mutex<Vec<Broken>>,
    /// What happened.
    pub counts: Counts,
}

/// What happened, in numbers.
#[derive(Debug, Default)]
pub struct Counts {
    /// Frames that came.
    pub frames: AtomicU64,
    /// Messages on their way: sent, and neither echoed nor refused.
    pub unacknowledged: AtomicU64,
    /// Messages that were echoed.
    pub acknowledged: AtomicU64,
    /// Sockets that were opened, and those of them without a cursor.
    pub opened: AtomicU64,
    /// Sockets that were opened without a cursor though something was known.
    pub cold: AtomicU64,
    /// Messages that were sent again on another connection.
    pub sent_again: AtomicU64,
    /// Echoes that came once more, with the same id.
    pub duplicates: AtomicU64,
    /// Requests for sockets that were refused by nobody: the server was not there.
    pub in_vain: AtomicU64,
    /// A key was sent by both sockets.
    pub shared_keys: AtomicU64,
    /// Somebody has just sent a message; reset by whoever looks.
    pub has_sent: AtomicBool,
    /// Somebody has just seen a stream begin; reset by whoever looks.
    pub has_stream: AtomicBool,
}

/// One more of it.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl World {
    /// How far the round is.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Sessions in which a stream is open, as their clients see it.
    pub fn open_streams(&self) -> usize {
        self.sessions.iter().filter(|it| it.ledger.lock().is_stream_open).count()
    }

    /// Messages of which nobody knows whether they are recorded.
    pub fn unacknowledged(&self) -> u64 {
        self.counts.unacknowledged.load(Ordering::Relaxed)
    }

    /// Fails the round.
    pub fn report(&self, session: &Session, broken: &str) {
        self.broken.lock().push(format!("session {}: {broken}", session.id));
        self.moved.notify_one();
    }

    /// Waits until this holds or something is broken. It is looked at whenever a frame comes or
    /// goes.
    pub async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let waiting = async {
            while !holds() && self.broken.lock().is_empty() {
                self.moved.notified().await;
            }
        };
        let patience = std::time::Duration::from_mins(1);
        if tokio::time::timeout(patience, waiting).await.is_err() {
            self.broken.lock().push(format!("waited 60 s in vain for {what}"));
        }
    }
}
