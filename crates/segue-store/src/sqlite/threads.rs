//! The two threads of a database, from their start to their end.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use segue_core::ports::StoreError;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::error;

use super::checkpoint::CheckpointThread;
use super::options::{OnFatal, OnGroup};
use super::tail::Tail;
use super::writer::{Change, Write, WriterThread, Writing};
use super::{Hooks, closed, schema};
use crate::OpenError;
use crate::limits::QUEUED_WRITES_MAX;

/// The way to the writer.
#[derive(Debug)]
pub struct Threads {
    /// `None` once closed: the writer ends when nobody can ask it any more.
    queue: Mutex<Option<mpsc::Sender<Box<dyn Write>>>>,
    tail: Arc<Tail>,
    running: Arc<Mutex<Option<Running>>>,
}

#[derive(Debug)]
struct Running {
    writer: JoinHandle<()>,
    checkpoints: JoinHandle<()>,
    stop_checkpoints: Sender<()>,
    /// Keeps the data folder.
    lock: File,
}

impl Threads {
    /// Starts both threads on the open database.
    pub fn start(
        path: &Path,
        connection: Connection,
        lock: File,
        on_group: OnGroup,
        hooks: Hooks,
    ) -> Result<Self, OpenError> {
        let failed = |cause| OpenError::Files { path: path.to_owned(), cause };
        let writing = Writing::new(connection, hooks.index_pace)
            .map_err(|cause| schema::database_error(path, &cause))?;
        let tail = Arc::clone(writing.index.tail());
        let for_checkpoints = schema::open_for_checkpoints(path)?;

        let (sender, queue) = mpsc::channel(QUEUED_WRITES_MAX);
        let (written, has_written) = sync_channel(1);
        let (stop_checkpoints, stop) = channel();
        let restart = Arc::new(AtomicBool::new(false));
        let checkpoints = CheckpointThread {
            connection: for_checkpoints,
            written: has_written,
            stop,
            restart: Arc::clone(&restart),
        };
        let on_fatal = Arc::clone(&hooks.on_fatal);
        let writer = WriterThread {
            writing,
            queue,
            written,
            restart,
            on_group,
            hooks,
            is_failing: false,
            tidy_at: Instant::now(),
            commits_take: Duration::ZERO,
        };
        let running = Running {
            checkpoints: spawn("checkpoints", &on_fatal, checkpoints, CheckpointThread::run)
                .map_err(failed)?,
            writer: spawn("writer", &on_fatal, writer, WriterThread::run).map_err(failed)?,
            stop_checkpoints,
            lock,
        };
        let running = Arc::new(Mutex::new(Some(running)));
        Ok(Self { queue: Mutex::new(Some(sender)), tail, running })
    }

    /// Has the writer do something, and waits until it is durable. Once it is queued it is done,
    /// whether the caller goes on waiting or not.
    pub async fn change<T: Send + 'static>(
        &self,
        bytes: usize,
        run: impl FnMut(&mut Writing) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let queue = self.queue.lock().clone().ok_or_else(closed)?;
        let (change, answer) = Change::new(bytes, run);
        let gone = || StoreError("the writer of the store is gone".to_owned());
        queue.send(Box::new(change)).await.map_err(|_| gone())?;
        drop(queue);
        answer.await.map_err(|_| gone())?
    }

    /// What is not indexed yet.
    pub fn tail(&self) -> &Arc<Tail> {
        &self.tail
    }

    /// How many changes wait for the writer.
    pub fn queued(&self) -> usize {
        let queue = self.queue.lock();
        queue.as_ref().map_or(0, |it| it.max_capacity() - it.capacity())
    }

    /// Lets the writer finish what it was asked for, and frees the data folder.
    pub async fn close(&self) {
        drop(self.queue.lock().take());
        let running = Arc::clone(&self.running);
        let ending = spawn_blocking(move || {
            // Whoever closes at the same time waits here until it is done.
            let mut running = running.lock();
            if let Some(running) = running.take() {
                running.end();
            }
        });
        if let Err(cause) = ending.await {
            error!(%cause, "the store could not be closed: {cause}");
        }
    }
}

impl Running {
    fn end(self) {
        // Both catch their panics; what is left is one of the test's hook.
        let writer = self.writer.join();
        drop(self.stop_checkpoints);
        let checkpoints = self.checkpoints.join();
        if writer.is_err() || checkpoints.is_err() {
            error!("a thread of the store panicked");
        }
        // Said outright: a process that is being spawned at this moment has the file open, too.
        if let Err(cause) = self.lock.unlock() {
            error!(%cause, "the data folder could not be freed: {cause}");
        }
    }
}

/// Runs a thread that may only end well: without it nothing is written, or the write-ahead log
/// grows for ever.
fn spawn<T: Send + 'static>(
    name: &'static str,
    on_fatal: &OnFatal,
    mut thread: T,
    run: fn(&mut T) -> Result<(), String>,
) -> io::Result<JoinHandle<()>> {
    let on_fatal = Arc::clone(on_fatal);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // The process ends while everything is still open: closing a database writes to it.
        match catch_unwind(AssertUnwindSafe(|| run(&mut thread))) {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => on_fatal(&cause),
            Err(_) => on_fatal(&format!("the thread of the {name} panicked")),
        }
    })
}

impl Drop for Threads {
    fn drop(&mut self) {
        drop(self.queue.lock().take());
        if let Some(running) = self.running.lock().take() {
            running.end();
        }
    }
}
