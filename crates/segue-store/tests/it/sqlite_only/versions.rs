//! Databases of other versions, of other programs, and of none.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use segue_core::ports::Store;
use segue_store::{OpenError, SqliteOptions, SqliteStore};

use super::open;
use crate::support::{create, draft, joined, record, says};

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
    assert_eq!(store.list(None, 10).await.unwrap()[0].session, session);
    // The next append writes today's.
    let session = record(&*store, draft(&session, 3, vec![says("y")]).commit()).await;
    let version: i64 = older.query_row("select version from states", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
    assert_eq!(store.load(session.id).await, Ok(Some(session)));
}
