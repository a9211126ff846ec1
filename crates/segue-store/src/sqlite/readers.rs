//! A few threads that only read, each with a connection of its own. A read never waits for the
//! writer, nor the writer for a read.
//!
//! Threads rather than places for which callers queue: a place that is given to a caller who looks
//! elsewhere at that moment is lost to all others, and callers that hold one and wait for another
//! wait for ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use rusqlite::Connection;
use segue_core::ports::StoreError;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tracing::error;

use super::schema::{check_readable, open_reader};
use super::{closed, unavailable};
use crate::OpenError;
use crate::limits::READERS;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The way to the threads that read.
#[derive(Debug)]
pub struct Readers {
    /// `None` once closed. Every caller has one read at a time: their number is the limit of what
    /// waits here.
    queue: Mutex<Option<Sender<Read>>>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Readers {
    /// Opens the connections and starts the threads. The schema must be that of today.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let (queue, reads) = channel();
        let reads = Arc::new(Mutex::new(reads));
        let mut threads = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let connection = open_reader(path)?;
            check_readable(&connection, path)?;
            let reads = Arc::clone(&reads);
            let thread = thread::Builder::new().name("reader".to_owned());
            let running = thread.spawn(move || run(&connection, &reads));
            let failed = |cause| OpenError::Files { path: path.to_owned(), cause };
            threads.push(running.map_err(failed)?);
        }
        Ok(Self { queue: Mutex::new(Some(queue)), threads: Arc::new(Mutex::new(threads)) })
    }

    /// Runs one read where it may block. It goes on to its end even if the caller does not wait.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            // Nobody may wait any longer.
            let _ = reply.send(read(connection));
        });
        let is_open = self.queue.lock().as_ref().is_some_and(|it| it.send(read).is_ok());
        if !is_open {
            return Err(closed());
        }
        let result = answer.await.map_err(|_| StoreError("a read died".to_owned()))?;
        result.map_err(|cause| unavailable(&cause))
    }

    /// Waits for the reads that were asked for and refuses all further ones.
    pub async fn close(&self) {
        drop(self.queue.lock().take());
        let threads = Arc::clone(&self.threads);
        if let Err(cause) = spawn_blocking(move || end(&threads)).await {
            error!(%cause, "the readers could not be closed: {cause}");
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        drop(self.queue.lock().take());
        end(&self.threads);
    }
}

/// Reads until nobody can ask any more.
fn run(connection: &Connection, reads: &Mutex<Receiver<Read>>) {
    loop {
        // Whoever waits for a read keeps the others waiting for their turn to wait.
        let Ok(read) = reads.lock().recv() else { return };
        if catch_unwind(AssertUnwindSafe(|| read(connection))).is_err() {
            error!("a read of the store panicked");
        }
    }
}

fn end(threads: &Mutex<Vec<JoinHandle<()>>>) {
    // Whoever ends them at the same time waits here until it is done.
    for thread in threads.lock().drain(..) {
        if thread.join().is_err() {
            error!("a thread that reads the store panicked");
        }
    }
}
