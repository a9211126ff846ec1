//! Holds the commits of a store.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

/// A gate in front of every commit; open at first. Opened when it is dropped.
#[derive(Default)]
pub struct Hold(Arc<Gate>);

#[derive(Default)]
struct Gate {
    is_closed: Mutex<bool>,
    opened: Condvar,
    arrived: Notify,
}

impl Hold {
    /// What a store has to call before a commit.
    pub fn before_commit(&self) -> Arc<dyn Fn() + Send + Sync> {
        let gate = Arc::clone(&self.0);
        Arc::new(move || {
            let mut is_closed = gate.is_closed.lock();
            if *is_closed {
                gate.arrived.notify_one();
            }
            while *is_closed {
                gate.opened.wait(&mut is_closed);
            }
        })
    }

    /// No commit passes from now on.
    pub fn close(&self) {
        *self.0.is_closed.lock() = true;
    }

    /// Waits until a commit stands before the closed gate.
    pub async fn arrived(&self) {
        super::within("a commit", self.0.arrived.notified()).await;
    }

    /// Commits pass again.
    pub fn open(&self) {
        *self.0.is_closed.lock() = false;
        self.0.opened.notify_all();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.open();
    }
}
