//! The files: whose they are, what is in them after a close, and who may have them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use segue_core::{
    MessageKey, Turn,
    ports::{Alive, Appended, Job, JobKind, Settled, Store, StoreError},
};
use segue_store::{OpenError, SqliteOptions, SqliteStore};
use tokio::time::Instant;

use super::{Gate, open, open_with, starts_to_wait};
use crate::support::{
    NODE_A, NODE_B, create, draft, joined, log, new_session, record, says, says_once, started,
};

fn open_error(path: &Path) -> OpenError {
    SqliteStore::open(SqliteOptions::new(path)).unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let store = open(&path);
    let session = new_session();
    let first = draft(&session, 1, vec![started(&session)]).token_slot("a", 2).commit();
    let session = record(&*store, first).await;
    let events = vec![joined(), says_once("hello", "k")];
    let commit = draft(&session, 2, events).bot_state("{}").job(Job::ExpireIdle, 50).commit();
    let session = record(&*store, commit).await;
    store.record_alive(Alive { since: 10, at: 100 }, &[(session.id, 90)]).await.unwrap();
    let before = log(&*store, session.id).await;
    store.close().await;

    let store = open(&path);
    assert_eq!(log(&*store, session.id).await, before);
    assert_eq!(store.load(session.id).await, Ok(Some(session.clone())));
    assert_eq!(store.bot_state(session.id).await, Ok(Some("{}".to_owned())));
    assert_eq!(store.last_seen(&[session.id]).await, Ok(vec![90]));
    assert_eq!(store.record_start(200, 0).await.unwrap().len(), 1);
    let timers = store.claim_jobs(NODE_A, JobKind::Timers, 200, 300, 10).await.unwrap();
    assert_eq!(timers.len(), 1);
    let again = draft(&session, 3, vec![says_once("hello", "k")]).commit();
    assert!(matches!(store.append(&again).await, Ok(Appended::Duplicate(_))));
    let found = store.find_message(session.id, &MessageKey::Local("k".into())).await;
    assert_eq!(found, Ok(Some(before[2].clone())));
    let second = new_session();
    let second = draft(&second, 1, vec![started(&second)]).token_slot("a", 1).commit();
    assert_eq!(store.append(&second).await, Ok(Appended::Taken));
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_end_with_the_process_that_held_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let store = open(&path);
    let session = create(&*store, 1).await;
    let job = Job::RunBot { turn: Turn(1) };
    record(&*store, draft(&session, 2, vec![says("x")]).job(job, 5).commit()).await;
    let held = store.claim_jobs(NODE_A, JobKind::Turns, 10, 1_000_000, 10).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(store.claim_jobs(NODE_B, JobKind::Turns, 20, 30, 10).await, Ok(vec![]));
    store.close().await;

    let store = open(&path);
    assert_eq!(store.claim_jobs(NODE_B, JobKind::Turns, 20, 30, 10).await, Ok(held.clone()));
    store.settle_jobs(NODE_A, &[(held[0].id, Settled::Done)]).await.unwrap();
    assert_eq!(store.claim_jobs(NODE_B, JobKind::Turns, 30, 40, 10).await, Ok(held));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_has_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let store = open(&path);
    for second in [path.clone(), folder.path().join("other.db")] {
        let error = open_error(&second);
        assert!(matches!(error, OpenError::Locked { .. }), "{error}");
        assert!(error.to_string().contains(&*folder.path().to_string_lossy()), "{error}");
    }
    store.close().await;
    let store = open(&path);
    drop(store);
    open(&path);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_the_close_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let gate = Gate::new();
    let store = open_with(&path, gate.hooks());
    let session = create(&*store, 1).await;

    let held = gate.shut();
    let first = draft(&session, 2, vec![says("first")]).commit();
    let second = draft(&first.session, 2, vec![says("second")]).commit();
    let mut calls = [store.append(&first), store.append(&second)];
    for call in &mut calls {
        assert!(starts_to_wait(call).await);
    }
    gate.wait_for_group();
    let mut closing = Box::pin(store.close());
    assert!(starts_to_wait(&mut closing).await);
    drop(held);
    for call in calls {
        assert_eq!(call.await, Ok(Appended::Recorded));
    }
    closing.await;

    let closed = Err(StoreError("the store is closed".to_owned()));
    let third = draft(&second.session, 3, vec![says("third")]).commit();
    assert_eq!(store.append(&third).await, closed);
    assert_eq!(store.load(session.id).await.unwrap_err().0, "the store is closed");
    store.close().await;
    assert_eq!(log(&*open(&path), session.id).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_leaves_one_tidy_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let store = open(&path);
    create(&*store, 1).await;
    assert!(fs::metadata(folder.path().join("segue.db-wal")).unwrap().len() > 0);
    store.close().await;
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["segue.db", "segue.lock"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_carried_over_while_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let store = open(&path);
    let session = create(&*store, 1).await;
    let text = "x".repeat(100_000);
    record(&*store, draft(&session, 2, vec![says(&text)]).commit()).await;
    let begin = Instant::now();
    while fs::metadata(&path).unwrap().len() < 100_000 {
        assert!(begin.elapsed() < Duration::from_secs(30), "nothing is carried over");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_may_read_the_files() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("deep").join("data");
    let store = open(&folder.join("segue.db"));
    create(&*store, 1).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for name in ["segue.db", "segue.db-wal", "segue.db-shm", "segue.lock"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_can_be_read_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let writer = open(&path);
    let session = create(&*writer, 1).await;
    let reader = SqliteStore::open_read_only(&path).unwrap();
    assert_eq!(log(&reader, session.id).await.len(), 1);
    let session = record(&*writer, draft(&session, 2, vec![says("x")]).commit()).await;
    assert_eq!(log(&reader, session.id).await.len(), 2);

    let commit = draft(&session, 3, vec![says("y")]).commit();
    let refused = Err(StoreError("the database was opened to be read only".to_owned()));
    assert_eq!(reader.append(&commit).await, refused);
    writer.close().await;
    drop(writer);
    // Also when nobody else has it open.
    let reader = SqliteStore::open_read_only(&path).unwrap();
    assert_eq!(log(&reader, session.id).await.len(), 2);
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "in the way").unwrap();
    for path in [blocked.join("segue.db"), folder.path().to_owned()] {
        let error = open_error(&path);
        assert!(error.to_string().contains(&*path.parent().unwrap().to_string_lossy()), "{error}");
    }
    let absent = folder.path().join("absent.db");
    let error = SqliteStore::open_read_only(&absent).unwrap_err();
    assert!(error.to_string().contains(&*absent.to_string_lossy()), "{error}");
    assert!(!absent.exists());
}
