//! Carries what was written from the write-ahead log into the database, in a thread and with a
//! connection of its own, so that no commit waits for it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;
use tracing::warn;

use super::writer::is_failed_sync;
use crate::limits::{CHECKPOINT_INTERVAL_MS, WAL_PAGES_MAX};

/// The thread of the checkpoints.
pub struct CheckpointThread {
    pub connection: Connection,
    /// Something was written. Its other end goes with the writer.
    pub written: Receiver<()>,
    /// Closed to end the thread without delay.
    pub stop: Receiver<()>,
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
            match self.checkpoint() {
                Ok(()) => {}
                Err(cause) if is_failed_sync(&cause) => {
                    return Err(format!("the database cannot be synced: {cause}"));
                }
                // The write-ahead log has everything; it only grows until this works again.
                Err(cause) => warn!(error = %cause, "the write-ahead log cannot be carried over"),
            }
        }
        Ok(())
    }

    fn checkpoint(&self) -> rusqlite::Result<()> {
        let pages = self.run_mode("passive")?;
        if pages > WAL_PAGES_MAX {
            // The writer waits meanwhile, so it comes second: little is left to carry over.
            self.run_mode("restart")?;
        }
        Ok(())
    }

    /// Runs a checkpoint and returns the pages in the write-ahead log. That somebody was in the way
    /// is no error: the next one goes on.
    fn run_mode(&self, mode: &str) -> rusqlite::Result<i64> {
        let sql = format!("pragma wal_checkpoint({mode})");
        self.connection.prepare_cached(&sql)?.query_row([], |row| row.get(1))
    }
}

#[cfg(test)]
mod tests;
