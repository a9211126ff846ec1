//! What the opener may say, and what SQLite says of itself.

use std::fmt;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rusqlite::Connection;
use tracing::error;

use crate::limits::{INDEX_BATCH_ENTRIES, INDEX_STEP_ENTRIES};

/// How to open a database.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The file. Its folder is made where it is missing, and taken for this process.
    pub path: PathBuf,
    /// Told of every group of writes, in the writer's thread, before anybody is answered: it must be
    /// quick.
    pub on_group: OnGroup,
    /// For tests.
    #[doc(hidden)]
    pub hooks: Hooks,
}

impl SqliteOptions {
    /// The database in this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), on_group: Arc::new(|_| {}), hooks: Hooks::default() }
    }
}

/// What became of a group of writes, which are made durable together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// How many writes were in it.
    pub writes: usize,
    /// From the beginning of its transaction to the end of its sync, or to its failure.
    pub took: Duration,
    /// Whether it is durable. Where not, nothing of it was written; its writes may be tried again one
    /// by one.
    pub is_durable: bool,
}

/// Told of a group of writes.
pub type OnGroup = Arc<dyn Fn(Group) + Send + Sync>;

/// Told why the process must end.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Where tests reach into the store. The program leaves all of it alone.
#[doc(hidden)]
#[derive(Clone)]
pub struct Hooks {
    /// Runs in the writer's thread with everything of a group written, right before its commit. Whoever
    /// blocks here holds the commit; a panic is one of the writer.
    pub before_commit: Option<Arc<dyn Fn() + Send + Sync>>,
    /// A result code of SQLite that a commit fails with instead of being tried.
    pub fail_commit: Option<Arc<dyn Fn() -> Option<i32> + Send + Sync>>,
    /// The database is full at so many pages, as of the next group.
    pub pages_max: Option<Arc<AtomicU32>>,
    /// How the index follows the log.
    pub index_pace: IndexPace,
    /// Called when nobody knows what is durable. By default it ends the process; where it returns,
    /// the writer is gone.
    pub on_fatal: OnFatal,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            before_commit: None,
            fail_commit: None,
            pages_max: None,
            index_pace: IndexPace::default(),
            on_fatal: Arc::new(end_process),
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("pages_max", &self.pages_max).finish_non_exhaustive()
    }
}

/// What was acknowledged before is in the log; the next start reads what else is. To go on would be
/// to acknowledge what may be lost.
fn end_process(cause: &str) {
    // Also where nothing can be said any more.
    let _said = catch_unwind(|| error!(cause, "the store ends the process: {cause}"));
    std::process::abort();
}

/// How the index follows the log.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexPace {
    /// So many entries are indexed together.
    pub batch_entries: usize,
    /// So many of them with each group, and two for each that it appends.
    pub step_entries: usize,
}

impl Default for IndexPace {
    fn default() -> Self {
        Self { batch_entries: INDEX_BATCH_ENTRIES, step_entries: INDEX_STEP_ENTRIES }
    }
}

/// What SQLite says of the connection that writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    /// `wal` for a write-ahead log.
    pub journal_mode: String,
    /// 2 is FULL: the write-ahead log is synced with every commit.
    pub synchronous: i64,
    /// Zero: no commit stops for a checkpoint.
    pub wal_autocheckpoint: i64,
}

impl Durability {
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            journal_mode: connection.pragma_query_value(None, "journal_mode", |it| it.get(0))?,
            synchronous: connection.pragma_query_value(None, "synchronous", |it| it.get(0))?,
            wal_autocheckpoint: connection.pragma_query_value(
                None,
                "wal_autocheckpoint",
                |it| it.get(0),
            )?,
        })
    }
}
