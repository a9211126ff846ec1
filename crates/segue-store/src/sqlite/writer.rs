//! The one thread that writes. What waits when it looks is one transaction and one sync: a group.
//!
//! Nothing is answered before its group is durable. Where it cannot be known whether it is, the
//! process ends: after a failed sync the kernel may have dropped what the log says is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use foldhash::HashMap;
use rusqlite::{Connection, ErrorCode, ffi};
use segue_core::ports::StoreError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::append::Known;
use super::checkpoint::{erase_log, restart_log, truncate_log};
use super::codec::IdBytes;
use super::counts::Counts;
use super::index::Index;
use super::keys::Keys;
use super::options::{Group, IndexPace, OnGroup};
use super::{Hooks, unavailable};
use crate::limits::{
    GROUP_BYTES_MAX, GROUP_COMMITS_LONG, GROUP_MS_MAX, GROUP_MS_MIN, GROUP_WRITES_MAX,
    KNOWN_SESSIONS_MAX, LOG_RETRY_MS,
};

/// One change that somebody waits for.
pub trait Write: Send {
    /// About how many bytes it adds.
    fn bytes(&self) -> usize;

    /// Does it within the transaction. Runs again if the transaction had to be rolled back for
    /// another's sake.
    fn run(&mut self, writing: &mut Writing) -> rusqlite::Result<()>;

    /// Tells whoever waits what became of it.
    fn answer(self: Box<Self>, group: Result<(), StoreError>);
}

/// A change made of a closure.
pub struct Change<T, F> {
    bytes: usize,
    run: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Change<T, F>
where
    T: Send,
    F: FnMut(&mut Writing) -> rusqlite::Result<T> + Send,
{
    pub fn new(bytes: usize, run: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { bytes, run, result: None, reply }, answer)
    }
}

impl<T, F> Write for Change<T, F>
where
    T: Send,
    F: FnMut(&mut Writing) -> rusqlite::Result<T> + Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn run(&mut self, writing: &mut Writing) -> rusqlite::Result<()> {
        self.result = Some((self.run)(writing)?);
        Ok(())
    }

    fn answer(self: Box<Self>, group: Result<(), StoreError>) {
        let Self { result, reply, .. } = *self;
        let result = group.map(|()| result.expect("what was committed has run"));
        // Nobody may wait any longer; then it is done all the same.
        let _ = reply.send(result);
    }
}

/// The writer's connection, and what it remembers between statements.
pub struct Writing {
    pub connection: Connection,
    /// Where sessions end, as of the transaction at work; forgotten when one is rolled back.
    pub known: HashMap<IdBytes, Known>,
    /// How many sessions connectors have, in the same way.
    pub counts: Counts,
    /// The end of the log, and what of it is not indexed yet.
    pub index: Index,
    /// Which keys the messages of sessions have.
    pub keys: Keys,
    /// Something was deleted that must not stay in the write-ahead log.
    pub has_erased: bool,
    newest_session_key: i64,
    newest_job_id: i64,
}

impl Writing {
    pub fn new(connection: Connection, pace: IndexPace) -> rusqlite::Result<Self> {
        let newest = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let newest_session_key = newest("select coalesce(max(key), 0) from sessions")?;
        let newest_job_id = newest("select coalesce(max(id), 0) from jobs")?;
        let index = Index::open(&connection, pace)?;
        Ok(Self {
            connection,
            known: HashMap::default(),
            counts: Counts::default(),
            index,
            keys: Keys::default(),
            has_erased: false,
            newest_session_key,
            newest_job_id,
        })
    }

    /// The greatest key that a session has had.
    pub fn newest_session_key(&self) -> i64 {
        self.newest_session_key
    }

    /// A key that no session has. Counted here, so that sessions keep the order of their creation.
    pub fn next_session_key(&mut self) -> i64 {
        self.newest_session_key += 1;
        self.newest_session_key
    }

    /// An id that no job had while this process lives: SQLite would give that of a finished job
    /// again, and a worker that is late with the old one would settle the new one.
    pub fn next_job_id(&mut self) -> i64 {
        self.newest_job_id += 1;
        self.newest_job_id
    }

    /// Writes the end of the log, and carries its index on.
    fn index_some(&mut self) -> rusqlite::Result<()> {
        let Self { connection, known, index, keys, .. } = self;
        index.work(connection)?;
        for (key, session) in index.take_damaged() {
            known.remove(&session);
            keys.forget(key);
        }
        Ok(())
    }

    pub fn remember(&mut self, session: IdBytes, known: Known) {
        if self.known.len() >= KNOWN_SESSIONS_MAX {
            self.known.clear();
        }
        self.known.insert(session, known);
    }
}

/// The writer's thread.
pub struct WriterThread {
    pub writing: Writing,
    pub queue: mpsc::Receiver<Box<dyn Write>>,
    /// Told that there is something to carry into the database.
    pub written: SyncSender<()>,
    /// Set when the write-ahead log is to be begun anew.
    pub restart: Arc<AtomicBool>,
    pub on_group: OnGroup,
    pub hooks: Hooks,
    pub is_failing: bool,
    /// The write-ahead log is not tidied before: a reader was in the way.
    pub tidy_at: Instant,
    /// How long commits take of late.
    pub commits_take: Duration,
}

type Waiting = Vec<Box<dyn Write>>;

/// How a group failed.
enum Failed {
    /// Nothing of it was written.
    RolledBack(rusqlite::Error),
    /// Nobody knows what was written.
    Unknown(String),
}

impl WriterThread {
    /// Writes until nobody can ask any more, then leaves one tidy file. An error is the end of the
    /// process: nobody knows what is durable.
    pub fn run(&mut self) -> Result<(), String> {
        let mut waiting: Waiting = Vec::with_capacity(GROUP_WRITES_MAX);
        while self.write_next(&mut waiting)? {}
        let Writing { connection, index, .. } = &mut self.writing;
        if let Err(cause) = index.finish(connection) {
            // The next start finds it in the log.
            warn!(%cause, "the log was not indexed to its end: {cause}");
        }
        truncate_log(&self.writing.connection)
    }

    /// Writes the next group of what waits; false when nobody can ask any more.
    fn write_next(&mut self, waiting: &mut Waiting) -> Result<bool, String> {
        let room = GROUP_WRITES_MAX - waiting.len();
        if waiting.is_empty() {
            if self.queue.blocking_recv_many(waiting, room) == 0 {
                return Ok(false);
            }
        } else {
            waiting.extend(std::iter::from_fn(|| self.queue.try_recv().ok()).take(room));
        }
        let group: Waiting = waiting.drain(..group_len(waiting)).collect();
        let late = self.write_group(group)?;
        drop(waiting.splice(..0, late));
        self.tidy_log()?;
        Ok(true)
    }

    /// Begins the write-ahead log anew where it has grown large, or holds what was deleted.
    fn tidy_log(&mut self) -> Result<(), String> {
        // Nothing is lost when it is not done now: the thread of the checkpoints asks again.
        let is_large = self.restart.swap(false, Ordering::Relaxed);
        let has_erased = self.writing.has_erased;
        if !(is_large || has_erased) || Instant::now() < self.tidy_at {
            return Ok(());
        }
        let connection = &self.writing.connection;
        let is_done = if has_erased { erase_log(connection)? } else { restart_log(connection)? };
        if is_done {
            self.writing.has_erased = false;
        } else {
            self.tidy_at = Instant::now() + Duration::from_millis(LOG_RETRY_MS);
        }
        Ok(())
    }

    /// Makes a group durable and answers it. Returns those that came too late for it. An error is the
    /// end of the process.
    fn write_group(&mut self, mut group: Waiting) -> Result<Waiting, String> {
        let began_at = Instant::now();
        let mut late = Waiting::new();
        let committed = self.commit(&mut group, &mut late);
        (self.on_group)(Group {
            writes: group.len(),
            took: began_at.elapsed(),
            is_durable: committed.is_ok(),
        });
        let cause = match committed {
            Ok(()) => {
                self.note_success();
                answer(group, &Ok(()));
                return Ok(late);
            }
            Err(Failed::Unknown(cause)) => return Err(cause),
            Err(Failed::RolledBack(cause)) => cause,
        };
        if group.len() > 1 && is_of_one_write(&cause) {
            // One of them is wrong: each by itself, and the others are none the worse for it.
            for write in group {
                self.write_group(vec![write])?;
            }
            return Ok(late);
        }
        self.note_failure(&cause, group.len());
        answer(group, &Err(unavailable(&cause)));
        Ok(late)
    }

    fn commit(&mut self, group: &mut Waiting, late: &mut Waiting) -> Result<(), Failed> {
        let result = self.run_in_transaction(group, late);
        let Err((stage, cause)) = result else {
            self.writing.index.committed();
            // A full channel has been told already.
            if let Err(TrySendError::Disconnected(())) = self.written.try_send(()) {
                warn!("the write-ahead log is no longer carried into the database");
            }
            return Ok(());
        };
        if is_fate_unknown(stage, &cause) {
            return Err(Failed::Unknown(format!("the store cannot know what is durable: {cause}")));
        }
        self.writing.known.clear();
        self.writing.counts.clear();
        self.writing.index.rolled_back();
        self.roll_back()?;
        Err(Failed::RolledBack(cause))
    }

    fn run_in_transaction(
        &mut self,
        group: &mut Waiting,
        late: &mut Waiting,
    ) -> Result<(), (Stage, rusqlite::Error)> {
        let before = |cause| (Stage::BeforeCommit, cause);
        if let Some(pages) = &self.hooks.pages_max {
            let pages = pages.load(Ordering::Relaxed);
            self.writing.connection.pragma_update(None, "max_page_count", pages).map_err(before)?;
        }
        run(&self.writing.connection, "begin immediate").map_err(before)?;
        let full_at = Instant::now() + group_time(self.commits_take);
        let mut taken = 0;
        while let Some(write) = group.get_mut(taken) {
            write.run(&mut self.writing).map_err(before)?;
            taken += 1;
            if Instant::now() >= full_at {
                break;
            }
        }
        late.extend(group.drain(taken..));
        self.writing.index_some().map_err(before)?;
        if let Some(hook) = &self.hooks.before_commit {
            hook();
        }
        let at_commit = |cause| (Stage::Commit, cause);
        if let Some(code) = self.hooks.fail_commit.as_ref().and_then(|it| it()) {
            return Err(at_commit(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)));
        }
        let began_at = Instant::now();
        run(&self.writing.connection, "commit").map_err(at_commit)?;
        self.commits_take = (self.commits_take * 7 + began_at.elapsed()) / 8;
        Ok(())
    }

    fn roll_back(&mut self) -> Result<(), Failed> {
        // After some errors SQLite has done it already.
        let connection = &self.writing.connection;
        if !connection.is_autocommit()
            && let Err(cause) = run(connection, "rollback")
        {
            return Err(Failed::Unknown(format!("the store cannot roll back: {cause}")));
        }
        Ok(())
    }

    fn note_failure(&mut self, cause: &rusqlite::Error, writes: usize) {
        if !self.is_failing {
            error!(error = %cause, writes, "the store cannot write, nothing of {writes} writes is recorded: {cause}");
        }
        self.is_failing = true;
    }

    fn note_success(&mut self) {
        if self.is_failing {
            info!("the store can write again");
        }
        self.is_failing = false;
    }
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// How long a group may be at work before its commit.
fn group_time(commits_take: Duration) -> Duration {
    let (least, most) = (Duration::from_millis(GROUP_MS_MIN), Duration::from_millis(GROUP_MS_MAX));
    (commits_take * GROUP_COMMITS_LONG).clamp(least, most)
}

fn group_len(waiting: &Waiting) -> usize {
    let mut bytes = 0;
    for (i, write) in waiting.iter().enumerate() {
        if bytes >= GROUP_BYTES_MAX {
            return i;
        }
        bytes += write.bytes();
    }
    waiting.len()
}

fn answer(group: Waiting, result: &Result<(), StoreError>) {
    for write in group {
        write.answer(result.clone());
    }
}

/// How far a group had come when something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    BeforeCommit,
    Commit,
}

/// Whether the group may or may not be durable, or what was durable may no longer be.
fn is_fate_unknown(stage: Stage, cause: &rusqlite::Error) -> bool {
    if is_failed_sync(cause) {
        return true;
    }
    let Some(error) = cause.sqlite_error() else { return false };
    let is_io = error.code == ErrorCode::SystemIoFailure;
    // Everyday failures, which touch nothing that was durable. The write-ahead log cannot grow where
    // a quota is exceeded (only a full disk has a code of its own); the sync would have come after
    // it. Its index, shared memory in a file of its own, grows last and cannot on a full disk.
    // Whoever is told "unavailable" expects that the write may be found in the log later.
    let passes = matches!(error.extended_code, ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE);
    stage == Stage::Commit && is_io && !passes
}

/// After a failed sync nothing is known of what was written before it, and the next sync may
/// succeed without having written it.
pub fn is_failed_sync(cause: &rusqlite::Error) -> bool {
    let code = cause.sqlite_error().map_or(0, |it| it.extended_code);
    matches!(code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
}

/// Whether the cause lies in one write, not in the store: then its neighbours can be written.
fn is_of_one_write(cause: &rusqlite::Error) -> bool {
    match cause.sqlite_error() {
        Some(error) => matches!(
            error.code,
            ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
        ),
        // A row that cannot be read.
        None => true,
    }
}

#[cfg(test)]
mod tests;
