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

/// What a checkpoint found and left.
struct Pages {
    /// In the write-ahead log.
    logged: i64,
    /// Of these, in the database, too.
    carried: i64,
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
        let pages = checkpoint(&self.connection, "passive")?;
        // Where everything is carried over, the next write begins the log anew by itself. Under
        // steady load that never happens, and from here it would take luck to find the moment
        // between two groups: the writer knows it.
        if pages.logged > WAL_PAGES_MAX && pages.carried < pages.logged {
            self.restart.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Begins the write-ahead log anew, on the writer's connection between two groups. Little is left to
/// carry over at that time. Where a reader is in the way for long, it is asked for again later.
pub fn restart_log(writer: &Connection) -> Result<(), String> {
    let restart = || {
        writer.busy_timeout(Duration::from_millis(RESTART_WAIT_MS))?;
        let restarted = checkpoint(writer, "restart");
        writer.busy_timeout(Duration::from_millis(LOCK_WAIT_MS))?;
        restarted
    };
    match restart() {
        Ok(_) => Ok(()),
        Err(cause) => tolerate(&cause),
    }
}

/// Leaves one file at the end, on the writer's connection.
pub fn truncate_log(writer: &Connection) -> Result<(), String> {
    match checkpoint(writer, "truncate") {
        Ok(_) => Ok(()),
        Err(cause) => tolerate(&cause),
    }
}

/// Runs a checkpoint. That somebody was in the way is no error: the next one goes on.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Pages> {
    let sql = format!("pragma wal_checkpoint({mode})");
    let mut checkpoint = connection.prepare_cached(&sql)?;
    checkpoint.query_row([], |row| Ok(Pages { logged: row.get(1)?, carried: row.get(2)? }))
}

/// The write-ahead log has everything and only grows until checkpoints work again, unless a sync
/// failed.
fn tolerate(cause: &rusqlite::Error) -> Result<(), String> {
    if is_failed_sync(cause) {
        return Err(format!("the database cannot be synced: {cause}"));
    }
    warn!(error = %cause, "the write-ahead log cannot be carried over into the database");
    Ok(())
}

#[cfg(test)]
mod tests;
