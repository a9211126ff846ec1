//! The store in one SQLite database: one thread that writes, one that carries what was written
//! over into the database, a few connections that read (docs/adr/0003-sqlite.md).
//!
//! Its methods run on Tokio's runtime, because reads block.

mod alive;
mod append;
mod archive;
mod checkpoint;
mod codec;
mod copy;
mod counts;
mod files;
#[cfg(test)]
mod fresh;
mod index;
mod jobs;
mod keys;
mod log;
mod options;
mod read;
mod readers;
mod schema;
mod segments;
mod tail;
mod threads;
mod writer;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use segue_core::{
    Entry, MessageKey, NodeId, Position, Sequence, Session, SessionId, Timestamp,
    ports::{
        Alive, Appended, ClaimedJob, Commit, Deletion, Downtime, Figures, JobId, JobKind, Listed,
        Page, Put, ReadLimit, Record, RecordKind, SessionQuery, Settled, Store, StoreError,
    },
};

pub use self::copy::{check_copy, copy_database, database_files, lock_folder};
pub use self::files::FileFault;
pub use self::options::{Durability, Group, Hooks, IndexPace, OnGroup, SqliteOptions};

use self::append::{Verdict, append};
use self::codec::{CommitRows, EntryRow, SessionRow, session_bytes};
use self::files::Files;
use self::jobs::Lease;
use self::readers::Readers;
use self::tail::Unindexed;
use self::threads::Threads;
use self::writer::Writing;
use crate::OpenError;
use crate::commit::assert_well_formed;
use crate::limits::HEADS_OF_ONE_READ;

/// About how many bytes a change has that is not an append: a few columns.
const SMALL_CHANGE_BYTES: usize = 64;

/// Every session in one SQLite database.
///
/// Dropping it does what `close` does, and blocks meanwhile.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    files: Files,
    readers: Readers,
    /// Where reads find the end of the log.
    unindexed: Unindexed,
    /// `None` where the database was opened to be read only.
    threads: Option<Threads>,
}

impl SqliteStore {
    /// Opens the database, or makes it, and takes its folder for this process. Every lease is free
    /// afterwards. Blocks while it does so.
    pub fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let SqliteOptions { path, on_group, hooks } = options;
        let lock = schema::prepare_files(&path)?;
        let connection = schema::open_writer(&path)?;
        let readers = Readers::open(&path)?;
        let threads = Threads::start(&path, connection, lock, on_group, hooks)?;
        let files = Files::of(&path);
        let unindexed = Unindexed::Here(Arc::clone(threads.tail()));
        Ok(Self { path, files, readers, unindexed, threads: Some(threads) })
    }

    /// Opens a database to look at it, also while another process writes to it. Every change is
    /// refused with a `StoreError`.
    pub fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        let readers = Readers::open(path)?;
        let (files, unindexed) = (Files::of(path), Unindexed::InLog);
        Ok(Self { path: path.to_owned(), files, readers, unindexed, threads: None })
    }

    /// Finishes what was asked of it, carries everything into the one file, and frees the data
    /// folder. Whoever asks for something afterwards is told that the store is closed.
    pub async fn close(&self) {
        self.readers.close().await;
        if let Some(threads) = &self.threads {
            threads.close().await;
        }
    }

    /// What SQLite says of the connection that writes.
    pub async fn durability(&self) -> Result<Durability, StoreError> {
        self.change(0, |writing| Durability::of(&writing.connection)).await
    }

    /// How many changes wait for the writer.
    pub fn queued_writes(&self) -> usize {
        self.threads.as_ref().map_or(0, Threads::queued)
    }

    /// The bytes of the database and of its write-ahead log, on disk.
    pub fn file_bytes(&self) -> io::Result<(u64, u64)> {
        let database = fs::metadata(&self.path)?.len();
        Ok((database, fs::metadata(schema::wal_path(&self.path))?.len()))
    }

    /// Whether the files are those that were opened, under their names: what is written to others
    /// is found by nobody after the next start.
    pub fn check_files(&self) -> Result<(), FileFault> {
        self.files.check()
    }

    async fn change<T: Send + 'static>(
        &self,
        bytes: usize,
        run: impl FnMut(&mut Writing) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.threads {
            Some(threads) => threads.change(bytes, run).await,
            None => Err(StoreError("the database was opened to be read only".to_owned())),
        }
    }

    async fn read_log<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, &Unindexed) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let unindexed = self.unindexed.clone();
        self.readers.read(move |reader| read(reader, &unindexed)).await
    }

    async fn session_of(&self, row: SessionRow) -> Result<Session, StoreError> {
        if let Some(session) = row.decode()? {
            return Ok(session);
        }
        // Written by another version of the program, with another layout of the state.
        let all = ReadLimit { entries: usize::MAX, bytes: usize::MAX };
        let log = self.read(row.id, Position(0), all).await?;
        row.fold(&log.entries)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn append(&self, commit: &Commit) -> Result<Appended, StoreError> {
        assert_well_formed(commit);
        let rows = CommitRows::of(commit);
        let verdict = self.change(rows.bytes(), move |writing| append(writing, &rows)).await?;
        Ok(match verdict {
            Verdict::Recorded => Appended::Recorded,
            Verdict::Conflict => Appended::Conflict,
            Verdict::Duplicate(row) => Appended::Duplicate(Box::new(row.decode()?)),
            Verdict::Taken => Appended::Taken,
            Verdict::TooMany(what) => {
                return Err(StoreError(format!("there are too many {what}")));
            }
        })
    }

    async fn load(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        match self.read_log(move |reader, tail| read::session(reader, tail, id)).await? {
            Some(row) => self.session_of(row).await.map(Some),
            None => Ok(None),
        }
    }

    async fn read(
        &self,
        id: SessionId,
        after: Position,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        let (rows, more) = self
            .read_log(move |reader, tail| read::entries(reader, tail, id, after, limit))
            .await?;
        let entries = rows.iter().map(EntryRow::decode).collect::<Result<_, _>>()?;
        Ok(Page { entries, more })
    }

    async fn position_of(&self, id: SessionId, cursor: Sequence) -> Result<Position, StoreError> {
        self.read_log(move |reader, tail| read::position_of(reader, tail, id, cursor)).await
    }

    async fn heads(&self, ids: &[SessionId]) -> Result<Vec<Position>, StoreError> {
        let mut heads = Vec::with_capacity(ids.len());
        // One piece after the other: who comes meanwhile waits for one of them, on one thread.
        for ids in ids.chunks(HEADS_OF_ONE_READ) {
            let ids: Vec<_> = ids.iter().copied().map(session_bytes).collect();
            heads.extend(self.read_log(move |reader, tail| read::heads(reader, tail, &ids)).await?);
        }
        Ok(heads)
    }

    async fn log_end(&self) -> Result<u64, StoreError> {
        match &self.unindexed {
            // Not from the database: there an entry is before it is where `heads` looks first.
            Unindexed::Here(tail) => Ok(tail.adds()),
            Unindexed::InLog => self.readers.read(read::log_end).await,
        }
    }

    async fn find_message(
        &self,
        id: SessionId,
        key: &MessageKey,
    ) -> Result<Option<Entry>, StoreError> {
        let digest = codec::digest(key);
        let found = self.read_log(move |reader, tail| read::message(reader, tail, id, digest));
        let found = found.await?;
        found.map(|row| row.decode()).transpose()
    }

    async fn bot_state(&self, id: SessionId) -> Result<Option<String>, StoreError> {
        self.readers.read(move |reader| read::bot_state(reader, id)).await
    }

    async fn claim_jobs(
        &self,
        node: NodeId,
        kind: JobKind,
        now: Timestamp,
        lease_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        let lease = Lease { node, until: lease_until };
        let claim = move |writing: &mut Writing| jobs::claim(writing, kind, now, lease, limit);
        self.change(SMALL_CHANGE_BYTES, claim).await
    }

    async fn renew_jobs(
        &self,
        node: NodeId,
        jobs: &[JobId],
        lease_until: Timestamp,
    ) -> Result<(), StoreError> {
        let (jobs, lease) = (jobs.to_vec(), Lease { node, until: lease_until });
        let bytes = jobs.len() * SMALL_CHANGE_BYTES;
        self.change(bytes, move |writing| jobs::renew(writing, &jobs, lease)).await
    }

    async fn settle_jobs(
        &self,
        node: NodeId,
        settled: &[(JobId, Settled)],
    ) -> Result<(), StoreError> {
        let settled = settled.to_vec();
        let bytes = settled.len() * SMALL_CHANGE_BYTES;
        self.change(bytes, move |writing| jobs::settle(writing, node, &settled)).await
    }

    async fn last_seen(&self, ids: &[SessionId]) -> Result<Vec<Timestamp>, StoreError> {
        let ids: Vec<_> = ids.iter().copied().map(session_bytes).collect();
        self.readers.read(move |reader| read::last_seen(reader, &ids)).await
    }

    async fn record_alive(
        &self,
        alive: Alive,
        seen: &[(SessionId, Timestamp)],
    ) -> Result<Vec<Downtime>, StoreError> {
        let seen = alive::seen_json(seen);
        self.change(seen.len(), move |writing| alive::record_alive(writing, alive, &seen)).await
    }

    async fn record_start(
        &self,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<Vec<Downtime>, StoreError> {
        let record = move |writing: &mut Writing| alive::record_start(writing, now, since);
        self.change(SMALL_CHANGE_BYTES, record).await
    }

    async fn list(&self, query: &SessionQuery) -> Result<Vec<Listed>, StoreError> {
        let query = query.clone();
        let rows = self.read_log(move |reader, tail| archive::sessions(reader, tail, &query));
        let rows = rows.await?;
        let mut listed = Vec::with_capacity(rows.len());
        for mut row in rows {
            let (created_at, last_seen) = (row.created_at, row.last_seen);
            let user_id = row.user_id.take();
            let session = self.session_of(row).await?;
            listed.push(Listed { session, created_at, last_seen, user_id });
        }
        Ok(listed)
    }

    async fn figures(&self, now: Timestamp) -> Result<Figures, StoreError> {
        self.readers.read(move |reader| read::figures(reader, now)).await
    }

    async fn delete_session(
        &self,
        id: SessionId,
        now: Timestamp,
        by: &str,
    ) -> Result<Option<Deletion>, StoreError> {
        let by = by.to_owned();
        let delete = move |writing: &mut Writing| archive::delete(writing, id, now, &by);
        self.change(SMALL_CHANGE_BYTES, delete).await
    }

    async fn deletion(&self, id: SessionId) -> Result<Option<Deletion>, StoreError> {
        self.readers.read(move |reader| archive::deletion(reader, id)).await
    }

    async fn records(&self, kind: RecordKind) -> Result<Vec<Record>, StoreError> {
        self.readers.read(move |reader| archive::records(reader, kind)).await
    }

    async fn put_record(&self, record: &Record) -> Result<Put, StoreError> {
        let record = record.clone();
        let put = move |writing: &mut Writing| archive::put_record(writing, &record);
        self.change(SMALL_CHANGE_BYTES, put).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.change(SMALL_CHANGE_BYTES, |writing| alive::check(writing)).await
    }
}

fn closed() -> StoreError {
    StoreError("the store is closed".to_owned())
}

fn unavailable(cause: &rusqlite::Error) -> StoreError {
    StoreError(cause.to_string())
}
