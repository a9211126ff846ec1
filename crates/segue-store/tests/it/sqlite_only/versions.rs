//! Databases of other versions, of other programs, and of none.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};
use segue_core::{
    ConnectorId, EndReason, Entry, Event, Json, Session, SessionId,
    ports::{Appended, Liveness, SessionQuery, Store, Visible},
};
use segue_store::{Hooks, IndexPace, OpenError, SqliteOptions, SqliteStore};

use super::{open, open_with};
use crate::support::{create, draft, facts, joined, log, record, says, says_once, started};

fn open_error(path: &Path) -> OpenError {
    SqliteStore::open(SqliteOptions::new(path)).unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_in_clear_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    open(&path).close().await;
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let before = fs::read(&path).unwrap();

    let words = open_error(&path).to_string();
    assert!(words.contains(&*path.to_string_lossy()), "{words}");
    assert!(words.contains("schema version 99"), "{words}");
    let words = SqliteStore::open_read_only(&path).unwrap_err().to_string();
    assert!(words.contains("schema version 99"), "{words}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn an_older_schema_is_not_only_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    Connection::open(&path).unwrap().execute_batch("pragma journal_mode = wal").unwrap();
    let error = SqliteStore::open_read_only(&path).unwrap_err();
    assert!(matches!(error, OpenError::TooOld { found: 0, .. }), "{error}");
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.db");
    Connection::open(&path).unwrap().execute_batch("create table theirs (x)").unwrap();
    let before = fs::read(&path).unwrap();
    let error = open_error(&path);
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "not a database\n".repeat(1_000)).unwrap();
    let before = fs::read(&path).unwrap();
    let error = open_error(&path);
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_another_layout_is_folded_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let store = open(&path);
    let session = create(&*store, 1).await;
    let session = record(&*store, draft(&session, 2, vec![joined(), says("x")]).commit()).await;
    let older = Connection::open(&path).unwrap();
    older.execute("update states set version = 0, state = 'of another layout'", []).unwrap();

    assert_eq!(store.load(session.id).await, Ok(Some(session.clone())));
    assert_eq!(store.list(&SessionQuery::first(10)).await.unwrap()[0].session, session);
    // Today's is written when the next one is due.
    let said: Vec<Event> = (0..32).map(|_| says("y")).collect();
    let session = record(&*store, draft(&session, 3, said).commit()).await;
    let version: i64 = older.query_row("select version from states", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
    assert_eq!(store.load(session.id).await, Ok(Some(session)));
}

/// Every append would dirty another page otherwise, and pages are what an append costs.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_written_now_and_then_and_what_follows_it_is_folded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let store = open(&path);
    let other = Connection::open(&path).unwrap();
    let written =
        || other.query_row("select head from states", [], |row| row.get::<_, i64>(0)).unwrap();
    let mut session = create(&*store, 1).await;
    let mut heads = vec![written()];
    for at in 2..=70 {
        session = record(&*store, draft(&session, at, vec![joined()]).commit()).await;
        heads.push(written());
        assert_eq!(store.load(session.id).await, Ok(Some(session.clone())));
        assert_eq!(store.list(&SessionQuery::first(1)).await.unwrap()[0].session, session);
    }
    heads.dedup();
    assert_eq!(heads, [1, 32, 64]);

    store.close().await;
    let store = open(&path);
    assert_eq!(store.load(session.id).await, Ok(Some(session.clone())));
    let end = Event::SessionEnded { reason: EndReason::NaturalEnd };
    let session = record(&*store, draft(&session, 71, vec![end]).commit()).await;
    assert_eq!(written(), 71);
    assert_eq!(store.load(session.id).await, Ok(Some(session)));
}

/// As the first schema was, without what the later ones have added; with the entries of one of today.
const FIRST_SCHEMA: &str = "
    create table entries (
        rowid integer primary key, session integer not null, position integer not null,
        reached integer not null, at integer not null, id blob not null, message_key blob,
        event text not null) strict;
    create unique index entries_by_position on entries (session, position);
    create unique index entries_by_message_key on entries (session, message_key)
        where message_key is not null;
    drop table log; drop table segments; drop table indexed;
    drop index sessions_live; drop index sessions_ended; drop index sessions_of_user;
    drop index sessions_of_connector; drop index jobs_of_session;
    drop table deletions; drop table records;
    alter table sessions drop column connector;
    alter table sessions drop column created_at;
    alter table sessions drop column ended_at;
    alter table sessions drop column user_id;
    pragma user_version = 1;";

/// Makes the database of a store that was closed one of the first schema.
fn bring_back(path: &Path, logs: &[Vec<Entry>]) {
    let first = Connection::open(path).unwrap();
    first.execute_batch(FIRST_SCHEMA).unwrap();
    let mut insert = first
        .prepare(
            "insert into entries (session, position, reached, at, id, message_key, event)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .unwrap();
    for (session, log) in (1_i64..).zip(logs) {
        for entry in log {
            let numbers = [entry.position.0, entry.reached.0, entry.at];
            let [position, reached, at] = numbers.map(|it| i64::try_from(it).unwrap());
            let id = entry.id.0.to_be_bytes();
            let event = serde_json::to_string(&entry.event).unwrap();
            let key = entry.event.message_key().map(|_| DIGEST_OF_K);
            insert.execute(params![session, position, reached, at, id, key, event]).unwrap();
        }
    }
}

/// What keys are found by: the first half of SHA-256 of "l" for those of messages, and the key.
const DIGEST_OF_K: [u8; 16] = [
    0xc6, 0x11, 0xd6, 0xa3, 0x79, 0x42, 0xf2, 0x99, 0x35, 0x45, 0x95, 0x1b, 0x28, 0xee, 0xf1, 0x26,
];

#[tokio::test(flavor = "multi_thread")]
async fn the_first_schema_is_brought_to_that_of_today() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let (session, other, logs) = {
        let store = open(&path);
        let mut facts = facts("token");
        facts.integration_attributes = Some(Json(r#"{"user_id":"u-1"}"#.into()));
        let session = Session::new(SessionId(7), Arc::new(facts));
        let session = record(&*store, draft(&session, 5, vec![started(&session)]).commit()).await;
        let other = create(&*store, 6).await;
        let said = vec![joined(), says_once("grüße 🎈", "k"), says("")];
        let other = record(&*store, draft(&other, 7, said).commit()).await;
        let end = Event::SessionEnded { reason: EndReason::NaturalEnd };
        let session = record(&*store, draft(&session, 9, vec![end]).commit()).await;
        let logs = [log(&*store, session.id).await, log(&*store, other.id).await];
        store.close().await;
        (session, other, logs)
    };
    bring_back(&path, &logs);

    // More than one batch of the index.
    let index_pace = IndexPace { batch_entries: 2, step_entries: 0 };
    let store = open_with(&path, Hooks { index_pace, ..Hooks::default() });
    let ended = SessionQuery { liveness: Some(Liveness::Ended), ..SessionQuery::first(9) };
    let listed = store.list(&ended).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].session, session);
    assert_eq!((listed[0].created_at, listed[0].user_id.as_deref()), (5, Some("u-1")));
    // Their logs are there to the letter, and indexed as if they always had been.
    assert_eq!(log(&*store, session.id).await, logs[0]);
    assert_eq!(log(&*store, other.id).await, logs[1]);
    assert_eq!(store.load(other.id).await, Ok(Some(other.clone())));
    let again = draft(&other, 10, vec![says_once("grüße 🎈", "k")]).commit();
    let Ok(Appended::Duplicate(entry)) = store.append(&again).await else { panic!() };
    assert_eq!(*entry, logs[1][2]);
    let demo = Visible::Only([ConnectorId("demo".to_owned())].into());
    let all = SessionQuery { connectors: demo, ..SessionQuery::first(9) };
    assert_eq!(store.list(&all).await.unwrap().len(), 2);
}

/// The index as the fifth schema had it.
const FIFTH_SCHEMA: &str = "
    alter table segments rename to of_today;
    create table segments (
        session integer not null, first integer not null, places blob not null,
        primary key (session, first)) strict, without rowid;
    insert into segments select key >> 28, key & 0xfffffff, places from of_today;
    drop table of_today;
    pragma user_version = 5;";

#[tokio::test(flavor = "multi_thread")]
async fn the_index_of_the_fifth_schema_is_brought_to_that_of_today() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let store = open(&path);
    let mut sessions = vec![create(&*store, 1).await, create(&*store, 1).await];
    let mut logs = Vec::new();
    for session in &mut sessions {
        // Several rows of the index.
        let said = (0..200).map(|it| says_once("x", &format!("key {it}"))).collect();
        *session = record(&*store, draft(session, 2, said).commit()).await;
        logs.push(log(&*store, session.id).await);
    }
    store.close().await;
    let fifth = Connection::open(&path).unwrap();
    fifth.execute_batch(FIFTH_SCHEMA).unwrap();
    // What a disk might make of one: it would be the row of somebody else.
    fifth.execute("insert into segments values (1, 1 << 28 | 1, x'00')", []).unwrap();
    drop(fifth);

    let store = open(&path);
    for (session, log_before) in sessions.iter().zip(&logs) {
        assert_eq!(log(&*store, session.id).await, *log_before);
        let again = draft(session, 3, vec![says_once("x", "key 150")]).commit();
        let found = store.append(&again).await;
        assert_eq!(found, Ok(Appended::Duplicate(Box::new(log_before[151].clone()))));
        let more = draft(session, 3, vec![says_once("x", "a new key")]).commit();
        assert_eq!(store.append(&more).await, Ok(Appended::Recorded));
        assert_eq!(log(&*store, session.id).await.len(), 1 + 200 + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_in_no_file_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let store = open(&path);
    let session = create(&*store, 1).await;
    let secret = "a-word-that-stands-nowhere-else";
    let said = vec![joined(), says(&secret.repeat(400))];
    let session = record(&*store, draft(&session, 2, said).commit()).await;
    let is_somewhere = || {
        let files = fs::read_dir(folder.path()).unwrap();
        files
            .map(|it| fs::read(it.unwrap().path()).unwrap())
            .any(|bytes| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
    };
    assert!(is_somewhere());
    store.delete_session(session.id, 3, "ann").await.unwrap().unwrap();
    // The writer has emptied the write-ahead log before it does anything else.
    store.check().await.unwrap();
    assert!(!is_somewhere());
}
