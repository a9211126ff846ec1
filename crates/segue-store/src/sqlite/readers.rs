//! A few connections that only read, lent to one read at a time. A read never waits for the writer,
//! nor the writer for a read.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use segue_core::ports::StoreError;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::schema::{check_readable, open_reader};
use super::{closed, unavailable};
use crate::OpenError;
use crate::limits::READERS;

/// The connections, and whose turn it is.
#[derive(Debug)]
pub struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    /// Opens them. The schema must be that of today.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let mut free = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let connection = open_reader(path)?;
            check_readable(&connection, path)?;
            free.push(connection);
        }
        Ok(Self { free: Arc::new(Mutex::new(free)), turns: Arc::new(Semaphore::new(READERS)) })
    }

    /// Runs one read where it may block. It goes on to its end even if the caller does not wait.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| closed())?;
        let free = Arc::clone(&self.free);
        let running = spawn_blocking(move || {
            let connection = free.lock().pop().expect("there is a connection for every turn");
            let lent = Lent { free, connection: Some(connection) };
            let result = read(lent.connection.as_ref().expect("it is lent until dropped"));
            // The connection must be back before the next one's turn begins.
            drop(lent);
            drop(turn);
            result
        });
        let result = running.await.map_err(|cause| StoreError(format!("a read died: {cause}")))?;
        result.map_err(|cause| unavailable(&cause))
    }

    /// Waits for the reads at work and refuses all further ones.
    pub async fn close(&self) {
        let all = u32::try_from(READERS).expect("there are few readers");
        // It fails only when they are closed already.
        let last = self.turns.acquire_many(all).await;
        self.turns.close();
        self.free.lock().clear();
        drop(last);
    }
}

/// A connection that comes back whatever becomes of the read.
struct Lent {
    free: Arc<Mutex<Vec<Connection>>>,
    connection: Option<Connection>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.free.lock().extend(self.connection.take());
    }
}
