//! Whether this node can keep its promises: for `/readyz`, and among the metrics.

use std::{path::PathBuf, sync::Arc, time::Duration};

use segue_store::SqliteStore;

use crate::{limits, node::Node};

/// What can be wrong, each with the name that `/readyz` and the metric `segue_ready` have for it.
pub const CHECKS: [&str; 4] = ["store", "disk", "files", "clock"];

/// A promise that cannot be kept now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// One of `CHECKS`.
    pub check: &'static str,
    /// What is wrong, in a sentence without secrets and without names of files.
    pub why: String,
}

/// Looks whether a node can keep its promises.
pub struct Health {
    node: Arc<Node>,
    sqlite: Option<Arc<SqliteStore>>,
    folder: Option<PathBuf>,
    disk_free_mib_min: u64,
}

impl Health {
    /// Of a node whose data folder has to have so much room.
    pub fn new(
        node: Arc<Node>,
        sqlite: Option<Arc<SqliteStore>>,
        folder: Option<PathBuf>,
        disk_free_mib_min: u64,
    ) -> Self {
        Self { node, sqlite, folder, disk_free_mib_min }
    }

    /// Everything that is wrong now; empty where nothing is.
    pub async fn unmet(&self) -> Vec<Unmet> {
        let unmet = |check: &'static str, why: String| Unmet { check, why };
        let (store, clock) = tokio::join!(self.store(), self.clock());
        [
            store.map(|why| unmet("store", why)),
            self.disk().map(|why| unmet("disk", why)),
            self.files().map(|why| unmet("files", why)),
            clock.map(|why| unmet("clock", why)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Bytes that are free where the data folder is; `None` where there is none, or nobody says.
    pub fn free_bytes(&self) -> Option<u64> {
        let found = rustix::fs::statvfs(self.folder.as_deref()?).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    async fn store(&self) -> Option<String> {
        let patience = Duration::from_millis(limits::READY_STORE_MS_MAX);
        match tokio::time::timeout(patience, self.node.store.check()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                // What the store says may name files; that is for the log.
                tracing::warn!(%error, "not ready: the store cannot write");
                Some("it cannot write".to_owned())
            }
            Err(_) => Some(format!("it did not answer within {} ms", patience.as_millis())),
        }
    }

    fn disk(&self) -> Option<String> {
        let free_mib = self.free_bytes()? / (1_024 * 1_024);
        let min = self.disk_free_mib_min;
        (free_mib < min).then(|| format!("{free_mib} MiB are free, at least {min} MiB are needed"))
    }

    fn files(&self) -> Option<String> {
        let fault = self.sqlite.as_ref()?.check_files().err()?;
        Some(fault.to_string())
    }

    /// Times in a log never go back: behind it, everything would have the time of the newest entry,
    /// and nobody would be timed out.
    async fn clock(&self) -> Option<String> {
        let now = self.node.now();
        let patience = Duration::from_millis(limits::READY_STORE_MS_MAX);
        // That the store does not answer is said already.
        let figures =
            tokio::time::timeout(patience, self.node.store.figures(now)).await.ok()?.ok()?;
        let behind_ms = figures.alive_at?.saturating_sub(now);
        (behind_ms > limits::CLOCK_BEHIND_MS_MAX)
            .then(|| format!("it is {} s behind the log", behind_ms / 1_000))
    }
}
