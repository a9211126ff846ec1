//! What only SQLite can be asked: files, threads, disks.

mod copies;
mod crashes;
mod damage;
mod disk;
mod failures;
mod files;
mod groups;
mod index;
mod reads;
mod versions;

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::{Condvar, Mutex};
use segue_store::{Hooks, SqliteOptions, SqliteStore};

fn open(path: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(SqliteOptions::new(path)).unwrap())
}

fn open_with(path: &Path, hooks: Hooks) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(SqliteOptions { hooks, ..SqliteOptions::new(path) }).unwrap())
}

/// Stands between what a group has written and its commit.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    is_shut: bool,
    waiting: usize,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    fn hooks(self: &Arc<Self>) -> Hooks {
        let gate = Arc::clone(self);
        Hooks { before_commit: Some(Arc::new(move || gate.pass())), ..Hooks::default() }
    }

    fn pass(&self) {
        let mut state = self.state.lock();
        state.waiting += 1;
        self.changed.notify_all();
        self.changed.wait_while(&mut state, |it| it.is_shut);
        state.waiting -= 1;
    }

    /// Holds every commit until what it returns is dropped, also by a test that fails: the store
    /// waits for its writer.
    fn shut(self: &Arc<Self>) -> Held {
        self.state.lock().is_shut = true;
        Held { gate: Arc::clone(self) }
    }

    /// Waits until a group stands before its commit.
    fn wait_for_group(&self) {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |it| it.waiting == 0);
    }
}

/// A gate that is shut.
struct Held {
    gate: Arc<Gate>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gate.state.lock().is_shut = false;
        self.gate.changed.notify_all();
    }
}

/// Starts a call: what it asks for is in the queue afterwards. Tells whether it waits.
async fn starts_to_wait<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context).is_pending())).await
}
