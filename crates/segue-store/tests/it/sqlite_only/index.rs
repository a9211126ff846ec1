//! The index follows the log: whatever of it is there already, nobody sees a difference.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::{Connection, ffi};
use segue_core::{
    MessageKey, Position, Sequence, Session, SessionId,
    ports::{Appended, ReadLimit, SessionQuery, Store},
};
use segue_store::{Hooks, IndexPace, MemoryStore, SqliteStore, database_files};
use tempfile::TempDir;

use super::{open, open_with};
use crate::support::{ALL, draft, log, new_session, record, says, says_once, started};

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    /// Less than `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A database beside a store in memory that was told the same.
struct Twins {
    folder: TempDir,
    pace: IndexPace,
    /// What the next commits fail with; zero for nothing.
    failure: Arc<AtomicI32>,
    store: Arc<SqliteStore>,
    model: MemoryStore,
    sessions: Vec<Session>,
    deleted: Vec<Session>,
    dice: Dice,
}

fn path_in(folder: &TempDir) -> PathBuf {
    folder.path().join("segue.db")
}

fn hooks(pace: IndexPace, failure: &Arc<AtomicI32>) -> Hooks {
    let failure = Arc::clone(failure);
    let fail = move || Some(failure.load(Ordering::Relaxed)).filter(|it| *it != 0);
    Hooks { index_pace: pace, fail_commit: Some(Arc::new(fail)), ..Hooks::default() }
}

impl Twins {
    fn new(pace: IndexPace, seed: u64) -> Self {
        let (folder, failure) = (tempfile::tempdir().unwrap(), Arc::default());
        let store = open_with(&path_in(&folder), hooks(pace, &failure));
        let (model, sessions, deleted) = (MemoryStore::new(), Vec::new(), Vec::new());
        Self { folder, pace, failure, store, model, sessions, deleted, dice: Dice(seed) }
    }

    async fn step(&mut self) {
        match self.dice.roll(20) {
            0 if self.sessions.len() < 6 => self.create().await,
            1 => self.fail().await,
            2 => self.delete().await,
            3 => self.restart().await,
            4 | 5 => self.crash(),
            _ => self.say().await,
        }
    }

    async fn create(&mut self) {
        let session = new_session();
        let commit = draft(&session, 1, vec![started(&session)]).commit();
        let session = record(&*self.store, commit.clone()).await;
        assert_eq!(self.model.append(&commit).await, Ok(Appended::Recorded));
        self.sessions.push(session);
    }

    /// Some messages, perhaps on a state that is old, perhaps with a key that is known.
    async fn say(&mut self) {
        if self.sessions.is_empty() {
            return;
        }
        let number = usize::try_from(self.dice.roll(self.sessions.len() as u64)).unwrap();
        let session = &self.sessions[number];
        let at = session.state.head.0 + 1;
        let mut events = vec![says_once("hello", &format!("key {}", self.dice.roll(at + 2)))];
        events.extend((0..self.dice.roll(4)).map(|it| says(&format!("and {it}"))));
        let commit = draft(session, at, events).commit();
        let appended = self.store.append(&commit).await;
        assert_eq!(appended, self.model.append(&commit).await);
        if appended == Ok(Appended::Recorded) && self.dice.roll(8) > 0 {
            self.sessions[number] = Session::clone(&commit.session);
        } else if appended == Ok(Appended::Conflict) {
            self.sessions[number] = self.model.load(session.id).await.unwrap().unwrap();
        }
    }

    /// Writes that fail together, and are nowhere.
    async fn fail(&mut self) {
        self.failure.store(ffi::SQLITE_FULL, Ordering::Relaxed);
        for session in &self.sessions {
            // A key that may be said again, and is new then.
            let key = format!("key {}", self.dice.roll(session.state.head.0 + 3));
            let commit = draft(session, 9, vec![says_once("lost", &key)]).commit();
            assert_ne!(self.store.append(&commit).await, Ok(Appended::Recorded));
        }
        if let Some(session) = self.sessions.first() {
            assert!(self.store.delete_session(session.id, 1, "ann").await.is_err());
        }
        self.failure.store(0, Ordering::Relaxed);
    }

    async fn delete(&mut self) {
        let Some(session) = self.sessions.pop() else { return };
        let deletion = self.store.delete_session(session.id, 1, "ann").await.unwrap();
        assert_eq!(deletion, self.model.delete_session(session.id, 1, "ann").await.unwrap());
        self.deleted.push(session);
    }

    async fn restart(&mut self) {
        self.store.close().await;
        let path = path_in(&self.folder);
        assert_eq!(unindexed(&path), 0, "a store that was closed is indexed to its end");
        self.store = open_with(&path, hooks(self.pace, &self.failure));
    }

    /// Goes on with the files as they are at this moment.
    fn crash(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        for file in database_files(&path_in(&self.folder)) {
            if file.exists() {
                fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
            }
        }
        self.store = open_with(&path_in(&folder), hooks(self.pace, &self.failure));
        self.folder = folder;
    }

    async fn compare(&mut self) {
        let reader = SqliteStore::open_read_only(&path_in(&self.folder)).unwrap();
        for store in [&*self.store, &reader] {
            for session in &self.sessions {
                let id = session.id;
                assert_eq!(store.load(id).await, self.model.load(id).await);
                let head = session.state.head.0;
                let after = Position(self.dice.roll(head + 3));
                let limit =
                    ReadLimit { entries: usize::try_from(1 + self.dice.roll(9)).unwrap(), ..ALL };
                assert_eq!(
                    store.read(id, after, limit).await,
                    self.model.read(id, after, limit).await
                );
                let cursor = Sequence(self.dice.roll(head + 3));
                assert_eq!(
                    store.position_of(id, cursor).await,
                    self.model.position_of(id, cursor).await
                );
                let key = MessageKey::Local(format!("key {}", self.dice.roll(head + 2)).into());
                assert_eq!(
                    store.find_message(id, &key).await,
                    self.model.find_message(id, &key).await
                );
            }
            let known = self.sessions.iter().chain(&self.deleted);
            let ids: Vec<SessionId> = known.map(|it| it.id).collect();
            assert_eq!(store.heads(&ids).await, self.model.heads(&ids).await);
            for session in &self.deleted {
                assert_eq!(log(store, session.id).await, []);
                assert_eq!(store.load(session.id).await, Ok(None));
            }
            let all = SessionQuery::first(100);
            let sessions = async |store: &dyn Store| -> Vec<Session> {
                store.list(&all).await.unwrap().into_iter().map(|it| it.session).collect()
            };
            assert_eq!(sessions(store).await, sessions(&self.model).await);
        }
    }
}

/// How many entries are in the log and not in its index.
fn unindexed(path: &Path) -> i64 {
    let connection = Connection::open(path).unwrap();
    // As log.rs has them: each record begins with the number of bytes behind it.
    let mut select = connection.prepare("select records from log").unwrap();
    let chunks = select.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let mut entries = 0;
    for chunk in chunks {
        let chunk = chunk.unwrap();
        let mut rest = &chunk[..];
        while let Some((length, behind)) = rest.split_first_chunk() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
            entries += i64::from(length > 0);
            rest = &behind[length..];
        }
    }
    // As segments.rs has them.
    let indexed = "select coalesce(sum((length(places) - 8) / 14), 0) from segments";
    entries - connection.query_row(indexed, [], |row| row.get::<_, i64>(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_indexed_in_part_is_the_same_log() {
    let paces = [(1, 0), (3, 1), (7, 0), (12, 0), (40, 3), (100_000, 0)];
    for (seed, (batch_entries, step_entries)) in (1..).zip(paces) {
        let mut twins = Twins::new(IndexPace { batch_entries, step_entries }, seed);
        for _ in 0..150 {
            twins.step().await;
            twins.compare().await;
        }
        twins.store.close().await;
    }
}

/// They take their time, and batches end meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_heads_beside_a_busy_writer_never_show_an_older_state() {
    let folder = tempfile::tempdir().unwrap();
    let pace = IndexPace { batch_entries: 1, step_entries: 64 };
    let store = open_with(&path_in(&folder), hooks(pace, &Arc::default()));
    let mut sessions = Vec::new();
    for _ in 0..60 {
        let session = new_session();
        let commit = draft(&session, 1, vec![started(&session)]).commit();
        sessions.push(record(&*store, commit).await);
    }
    let ids: Vec<SessionId> = sessions.iter().map(|it| it.id).collect();
    // Each append is one entry here.
    let first_end = store.log_end().await.unwrap();
    let writing = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for at in 2..60 {
                for session in &mut sessions {
                    let commit = draft(session, at, vec![says("hello")]).commit();
                    *session = record(&*store, commit).await;
                }
            }
        }
    });
    let mut heads: HashMap<SessionId, Position> = HashMap::new();
    let mut ends = heads.clone();
    while !writing.is_finished() {
        for listed in store.list(&SessionQuery::first(100)).await.unwrap() {
            let head = listed.session.state.head;
            let before = heads.insert(listed.session.id, head).unwrap_or_default();
            assert!(head >= before, "{head:?} after {before:?}");
        }
        // A map of its own: a state is seen a moment before what it folds is told to anybody.
        let appended = store.log_end().await.unwrap() - first_end;
        for (id, head) in ids.iter().zip(store.heads(&ids).await.unwrap()) {
            let before = ends.insert(*id, head).unwrap_or_default();
            assert!(head >= before, "the log ends at {head:?} after {before:?}");
        }
        let found: u64 = ends.values().map(|it| it.0 - 1).sum();
        assert!(found >= appended, "{appended} were appended, and {found} are found");
    }
    writing.await.unwrap();
}

/// A process that only reads sees what another one appends.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_all_logs_moves_for_who_only_reads() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&path_in(&folder));
    let reader = SqliteStore::open_read_only(&path_in(&folder)).unwrap();
    let session = new_session();
    let mut ends = vec![reader.log_end().await.unwrap()];
    let mut session = record(&*store, draft(&session, 1, vec![started(&session)]).commit()).await;
    for at in 2..5 {
        ends.push(reader.log_end().await.unwrap());
        session = record(&*store, draft(&session, at, vec![says("hello")]).commit()).await;
    }
    ends.push(reader.log_end().await.unwrap());
    assert!(ends.is_sorted_by(|a, b| a < b), "{ends:?}");
}

/// What died with its memory is read again, and its messages are known.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_twice_of_what_was_not_indexed_when_the_process_died() {
    let pace = IndexPace { batch_entries: 4, step_entries: 1 };
    let mut twins = Twins::new(pace, 0);
    twins.create().await;
    let mut session = twins.sessions[0].clone();
    for number in 0..9 {
        let said = says_once("hello", &format!("key {number}"));
        session = record(&*twins.store, draft(&session, 2, vec![said]).commit()).await;
    }
    let left = unindexed(&path_in(&twins.folder));
    assert!((1..10).contains(&left), "{left} of 10 are not indexed: some, not all");
    twins.crash();
    for number in 0..9 {
        let said = says_once("hello", &format!("key {number}"));
        let commit = draft(&session, 2, vec![said]).commit();
        let appended = twins.store.append(&commit).await;
        let Ok(Appended::Duplicate(entry)) = appended else { panic!("{appended:?}") };
        assert_eq!(entry.position, Position(number + 2));
    }
    twins.restart().await;
    assert_eq!(log(&*twins.store, session.id).await.len(), 10);
}

/// It is what the next start has to read.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_index_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&path_in(&folder));
    let session = new_session();
    let mut session = record(&*store, draft(&session, 1, vec![started(&session)]).commit()).await;
    for _ in 0..400 {
        let said = (0..100).map(|_| says("hello")).collect();
        session = record(&*store, draft(&session, 2, said).commit()).await;
        assert!(unindexed(&path_in(&folder)) <= 2 * 16_384 + 200);
    }
    store.close().await;
}
