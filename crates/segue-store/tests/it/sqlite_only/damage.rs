//! Rows that somebody else wrote, or a disk lost a part of: clear errors, never the words of others,
//! and nobody else is held up.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, params};
use segue_core::{
    Entry, MessageKey, Position, Session, SessionId,
    ports::{Appended, Store, StoreError},
};
use segue_store::{Hooks, IndexPace, SqliteStore};
use tempfile::TempDir;

use super::{open, open_with};
use crate::support::{ALL, create, draft, facts, log, record, says, says_once, started};

/// Two sessions that said six things in turn, all of it indexed, and the file.
struct Damaged {
    folder: TempDir,
    sessions: Vec<Session>,
    logs: Vec<Vec<Entry>>,
}

impl Damaged {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("segue.db"));
        let mut sessions = vec![create(&*store, 1).await, create(&*store, 1).await];
        for number in 0..6 {
            for session in &mut sessions {
                let said = says_once(&format!("of {}", session.id), &format!("key {number}"));
                *session = record(&*store, draft(session, 2, vec![said]).commit()).await;
            }
        }
        let mut logs = Vec::new();
        for session in &sessions {
            logs.push(log(&*store, session.id).await);
        }
        store.close().await;
        Self { folder, sessions, logs }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("segue.db")
    }

    /// As it is opened again, with small batches.
    fn open(&self) -> Arc<SqliteStore> {
        let index_pace = IndexPace { batch_entries: 4, step_entries: 1 };
        open_with(&self.path(), Hooks { index_pace, ..Hooks::default() })
    }

    /// Changes the bytes of a row, found and written by the rest of two statements.
    fn change(&self, table: &str, column: &str, row: i64, change: impl FnOnce(&mut Vec<u8>)) {
        let connection = Connection::open(self.path()).unwrap();
        let key = if table == "log" { "chunk" } else { "key >> 28" };
        let select = format!("select {column} from {table} where {key} = ?1");
        let mut bytes: Vec<u8> = connection.query_row(&select, [row], |it| it.get(0)).unwrap();
        change(&mut bytes);
        let update = format!("update {table} set {column} = ?2 where {key} = ?1");
        connection.execute(&update, params![row, bytes]).unwrap();
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }
}

async fn read(store: &SqliteStore, session: &Session) -> Result<Vec<Entry>, StoreError> {
    store.read(session.id, Position(0), ALL).await.map(|it| it.entries)
}

fn damaged<T>(result: &Result<T, StoreError>) -> bool {
    result.as_ref().is_err_and(|it| it.0.contains("damaged"))
}

/// What is done to the database, and how.
type Way = (&'static str, fn(&Damaged));

/// The commits of a session are chunks 1, 3, 5 … or 2, 4, 6 …; the third message has key 2.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_shown_what_others_said_or_a_log_with_a_gap() {
    let ways: [Way; 6] = [
        ("the index of the other session", |it| {
            it.sql(
                "update segments set places = (select places from segments where key >> 28 = 2)",
            );
        }),
        ("an entry that points to no chunk", |it| {
            it.change("segments", "places", 1, |bytes| bytes[8 + 14 * 3 + 2] = 9);
        }),
        ("a chunk that is gone", |it| it.sql("delete from log where chunk = 7")),
        ("an entry of another session", |it| {
            it.change("log", "records", 7, |bytes| bytes[11] = 2);
        }),
        ("an entry with another position", |it| {
            it.change("log", "records", 7, |bytes| bytes[19] = 2);
        }),
        ("an index far away", |it| {
            it.change("segments", "places", 1, |bytes| bytes[..8].fill(0x7f));
        }),
    ];
    for (way, damage) in ways {
        let case = Damaged::new().await;
        damage(&case);
        let store = case.open();
        let [one, other] = &case.sessions[..] else { unreachable!() };
        assert!(damaged(&read(&store, one).await), "{way}");
        // Known, or nobody knows: never new.
        let again = draft(one, 3, vec![says_once("again", "key 2")]).commit();
        assert_ne!(store.append(&again).await, Ok(Appended::Recorded), "{way}");
        let found = store.find_message(one.id, &MessageKey::Local("key 2".into())).await;
        assert!(found.is_err() || found == Ok(Some(case.logs[0][3].clone())), "{way}: {found:?}");
        assert_ne!(found, Ok(None), "{way}");
        assert!(damaged(&store.delete_session(one.id, 4, "ann").await), "{way}");
        assert_eq!(read(&store, other).await, Ok(case.logs[1].clone()), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_of_one_session_holds_up_no_other() {
    let mut case = Damaged::new().await;
    let store = case.open();
    for (number, session) in case.sessions.iter_mut().enumerate() {
        let said = says_once("before", &format!("before {number}"));
        *session = record(&*store, draft(session, 3, vec![said]).commit()).await;
    }
    case.change("segments", "places", 1, |bytes| bytes.truncate(40));
    // The index comes to it with one of these.
    for number in 0..40 {
        let said = says_once("after", &format!("after {number}"));
        let commit = draft(&case.sessions[1], 4, vec![said]).commit();
        case.sessions[1] = record(&*store, commit).await;
    }
    create(&*store, 5).await;
    assert!(damaged(&read(&store, &case.sessions[0]).await));
    let more = draft(&case.sessions[0], 6, vec![says_once("more", "more")]).commit();
    assert!(damaged(&store.append(&more).await), "what nobody could read is not recorded");
    assert_eq!(log(&*store, case.sessions[1].id).await.len(), 1 + 6 + 1 + 40);
    store.close().await;

    let store = case.open();
    assert!(damaged(&read(&store, &case.sessions[0]).await));
    assert_eq!(log(&*store, case.sessions[1].id).await.len(), 1 + 6 + 1 + 40);
    let ids: Vec<_> = case.sessions.iter().map(|it| it.id).collect();
    assert_eq!(store.heads(&ids).await, Ok([0, 48].map(Position).to_vec()));
}

/// What was not indexed yet cannot be left out: its sessions would go on with a gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_end_of_the_log_is_told_at_the_start() {
    let case = Damaged::new().await;
    case.sql("update indexed set chunk = 0; delete from segments");
    case.change("log", "records", 7, |bytes| bytes[0] = 0xff);
    let error = SqliteStore::open(segue_store::SqliteOptions::new(case.path())).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert!(error.to_string().contains(&*case.path().to_string_lossy()), "{error}");
}

fn is_in(path: &Path, word: &[u8]) -> usize {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(word.len()).filter(|it| *it == word).count()
}

/// Pages are split and rows move while sessions live. What they leave behind was nobody's to delete.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_deleted_sessions_stays_where_their_rows_were_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let store = open(&path);
    let mut sessions = Vec::new();
    for _ in 0..10 {
        sessions.push(create(&*store, 1).await);
    }
    for number in 0..300_usize {
        let session = &mut sessions[number % 10];
        let text = format!("kettle-4713 {}", "x".repeat(number * 7 % 300));
        let said = says_once(&text, &format!("key {number}"));
        let commit = draft(session, 2, vec![said]).bot_state(&format!("\"{text}\"")).commit();
        *session = record(&*store, commit).await;
    }
    for session in &sessions {
        store.delete_session(session.id, 3, "ann").await.unwrap().unwrap();
    }
    store.check().await.unwrap();
    store.close().await;
    assert_eq!(is_in(&path, b"kettle-4713"), 0);
}

/// A session has no more entries than its index has numbers for.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_full_takes_no_more_and_others_do() {
    const LAST: u64 = (1 << 28) - 1;
    let case = Damaged::new().await;
    // As if all but the last had been said.
    case.sql(&format!(
        "insert into segments select 1 << 28 | {LAST} - 1, substr(places, 1, 8 + 14) from segments
         where key >> 28 = 1"
    ));
    let store = case.open();
    let (mut full, other) = (case.sessions[0].clone(), &case.sessions[1]);
    full.state.head = Position(LAST - 1);
    let full = record(&*store, draft(&full, 9, vec![says("the last")]).commit()).await;
    assert_eq!(full.state.head, Position(LAST));

    let beyond = draft(&full, 9, vec![says("beyond")]).commit();
    let beside = draft(other, 9, vec![says("beside")]).commit();
    let (beyond, beside) = tokio::join!(store.append(&beyond), store.append(&beside));
    assert!(beyond.is_err_and(|it| it.0.contains("too many entries")));
    assert_eq!(beside, Ok(Appended::Recorded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_full_takes_no_more_sessions() {
    let case = Damaged::new().await;
    // The key of the newest that there may be.
    let last = "(1 << 35) - 1 where session = 2";
    case.sql(&format!(
        "pragma foreign_keys = off;
         update states set session = {last}; update presence set session = {last};
         update sessions set key = (1 << 35) - 1 where key = 2;
         update segments set key = ((1 << 35) - 1) << 28 | 1 where key >> 28 = 2;
         delete from log where chunk % 2 = 0"
    ));
    let store = case.open();
    let beyond = Session::new(SessionId(77), facts("token").into());
    let beyond = draft(&beyond, 9, vec![started(&beyond)]).commit();
    let beside = draft(&case.sessions[1], 9, vec![says("beside")]).commit();
    let (beyond, beside) = tokio::join!(store.append(&beyond), store.append(&beside));
    assert!(beyond.is_err_and(|it| it.0.contains("too many sessions")));
    assert_eq!(beside, Ok(Appended::Recorded));
}
