//! Carries what was written from the write-ahead log into the database, in a thread and with a
//! connection of its own, so that no commit waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;
use tracing::warn;

use super::writer::is_failed_sync;
use crate::limits::{CHECKPOINT_INTERVAL_MS, LOCK_WAIT_MS, RESTART_WAIT_MS, WAL_PAGES_MAX};

/// The thread of the checkpoints.
pub struct CheckpointThread {
    pub connection: Connection,
    /// Something was written. Its other end goes with the writer.
    pub written: Receiver<()>,
    /// Closed to end the thread without delay.
    pub stop: Receiver<()>,
    /// Asks the writer to begin the write-ahead log anew.
    pub restart: Arc<AtomicBool>,
}

impl CheckpointThread {
    /// Works until the writer is gone. An error is the end of the process: nobody knows what is
    /// durable.
    pub fn run(&mut self) -> Result<(), String> {
        while self.written.recv().is_ok() {
            let pause = self.stop.recv_timeout(Duration::from_millis(CHECKPOINT_INTERVAL_MS));
            if pause == Err(RecvTimeoutError::Disconnected) {
                return Ok(());
            }
            if let Err(cause) = self.checkpoint() {
                tolerate(&cause)?;
            }
        }
        Ok(())
    }

    fn checkpoint(&self) -> rusqlite::Result<()> {
        if checkpoint(&self.connection, "passive")? <= WAL_PAGES_MAX {
            return Ok(());
        }
        // The next write begins the log anew by itself if it finds everything carried over, which
        // under steady load it never does. From here it would take luck to find the moment between
        // two groups; the writer knows it. What came meanwhile is carried over first: then the
        // writer has little to do.
        checkpoint(&self.connection, "passive")?;
        self.restart.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Begins the write-ahead log anew, on the writer's connection between two groups. Little is left to
/// carry over at that time. False where a reader is in the way for long: it is asked for again later.
pub fn restart_log(writer: &Connection) -> Result<bool, String> {
    tidy_log(writer, "pragma wal_checkpoint(restart)")
}

/// Empties the write-ahead log, on the writer's connection between two groups, so that nothing that
/// was deleted stays in it. False where a reader is in the way for long: to be tried again.
pub fn erase_log(writer: &Connection) -> Result<bool, String> {
    tidy_log(writer, "pragma wal_checkpoint(truncate)")
}

fn tidy_log(writer: &Connection, sql: &str) -> Result<bool, String> {
    let tidy = || {
        writer.busy_timeout(Duration::from_millis(RESTART_WAIT_MS))?;
        let is_busy = writer.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
        writer.busy_timeout(Duration::from_millis(LOCK_WAIT_MS))?;
        is_busy
    };
    match tidy() {
        Ok(is_busy) => Ok(is_busy == 0),
        Err(cause) => tolerate(&cause).map(|()| false),
    }
}

/// Carries over what is there, on the writer's connection.
pub fn carry_over(writer: &Connection) -> rusqlite::Result<()> {
    checkpoint(writer, "passive").map(drop)
}

/// Leaves one file at the end, on the writer's connection.
pub fn truncate_log(writer: &Connection) -> Result<(), String> {
    match checkpoint(writer, "truncate") {
        Ok(_) => Ok(()),
        Err(cause) => tolerate(&cause),
    }
}

/// Runs a checkpoint and returns the pages that were in the write-ahead log when it began. That
/// somebody was in the way is no error: the next one goes on.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<i64> {
    let sql = format!("pragma wal_checkpoint({mode})");
    connection.prepare_cached(&sql)?.query_row([], |row| row.get(1))
}

/// The write-ahead log has everything and only grows until checkpoints work again, unless a sync
/// failed.
fn tolerate(cause: &rusqlite::Error) -> Result<(), String> {
    if is_failed_sync(cause) {
        return Err(format!("the database cannot be synced: {cause}"));
    }
    warn!(error = %cause, "the write-ahead log cannot be carried over into the database now: {cause}");
    Ok(())
}

#[cfg(test)]
mod tests;
