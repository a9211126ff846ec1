//! Group commit: nothing is told before it is durable, and one commit's fault is its own.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use segue_core::{
    Event, Position,
    ports::{Appended, Store, StoreError},
};
use segue_store::{Durability, Group, SqliteOptions, SqliteStore};

use super::{Gate, open, open_with, starts_to_wait};
use crate::support::{ALL, create, draft, log, says, says_once};

/// No append to the first session can succeed that writes its state.
const BROKEN: &str = "create trigger broken before update on states when new.session = 1
                      begin select raise(abort, 'broken on disk'); end";

/// So many messages that the session's state is written with them.
fn a_few(text: &str) -> Vec<Event> {
    (0..32).map(|_| says(text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_is_synced_and_none_stops_for_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("segue.db"));
    let full = 2;
    let expected =
        Durability { journal_mode: "wal".to_owned(), synchronous: full, wal_autocheckpoint: 0 };
    assert_eq!(store.durability().await, Ok(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_or_seen_before_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::new();
    let store = open_with(&folder.path().join("segue.db"), gate.hooks());
    let session = create(&*store, 1).await;

    let held = gate.shut();
    let commit = draft(&session, 2, vec![says("hello")]).commit();
    let mut appending = store.append(&commit);
    assert!(starts_to_wait(&mut appending).await);
    gate.wait_for_group();
    assert!(starts_to_wait(&mut appending).await);
    assert_eq!(log(&*store, session.id).await.len(), 1);
    assert_eq!(store.load(session.id).await, Ok(Some(session.clone())));

    drop(held);
    assert_eq!(appending.await, Ok(Appended::Recorded));
    assert_eq!(log(&*store, session.id).await.len(), 2);
}

/// Holds the writer while the calls queue up, so that the next group is all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_holds_results_of_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::new();
    let store = open_with(&folder.path().join("segue.db"), gate.hooks());
    let (a, b) = (create(&*store, 1).await, create(&*store, 1).await);

    let held = gate.shut();
    let blocker = draft(&a, 2, vec![says_once("first", "k")]).commit();
    let mut blocking = store.append(&blocker);
    assert!(starts_to_wait(&mut blocking).await);
    gate.wait_for_group();

    let stale = draft(&a, 3, vec![says("stale")]).commit();
    let follows = draft(&blocker.session, 3, vec![says("second")]).commit();
    let repeats = draft(&follows.session, 3, vec![says_once("first", "k")]).commit();
    let elsewhere = draft(&b, 3, vec![says("b")]).commit();
    let mut calls: Vec<_> =
        [&stale, &follows, &repeats, &elsewhere].map(|it| store.append(it)).into();
    for call in &mut calls {
        assert!(starts_to_wait(call).await);
    }
    drop(held);
    assert_eq!(blocking.await, Ok(Appended::Recorded));
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await.unwrap());
    }
    let original = blocker.entries[0].clone();
    let expected = [
        Appended::Conflict,
        Appended::Recorded,
        Appended::Duplicate(Box::new(original)),
        Appended::Recorded,
    ];
    assert_eq!(results, expected);
}

/// What a group appends is in no row of the log yet when the same group deletes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_deletes_what_it_has_appended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let gate = Gate::new();
    let store = open_with(&path, gate.hooks());
    let (deleted, kept) = (create(&*store, 1).await, create(&*store, 1).await);

    let held = gate.shut();
    let mut blocker = Box::pin(create(&*store, 1));
    assert!(starts_to_wait(&mut blocker).await);
    gate.wait_for_group();
    let words = "the-grey-kettle-4712";
    let said = draft(&deleted, 2, vec![says(words)]).commit();
    let beside = draft(&kept, 2, vec![says("beside it")]).commit();
    let mut appending = [store.append(&beside), store.append(&said)];
    for call in &mut appending {
        assert!(starts_to_wait(call).await);
    }
    let mut deleting = store.delete_session(deleted.id, 3, "ann");
    assert!(starts_to_wait(&mut deleting).await);
    drop(held);
    blocker.await;
    for call in appending {
        assert_eq!(call.await, Ok(Appended::Recorded));
    }
    assert_eq!(deleting.await.unwrap().unwrap().entries, 2);
    store.check().await.unwrap();
    assert_eq!(log(&*store, kept.id).await.len(), 2);
    store.close().await;
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(words.len()).any(|it| it == words.as_bytes()));
    let store = open(&path);
    assert_eq!(log(&*store, kept.id).await.len(), 2);
    assert_eq!(log(&*store, deleted.id).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_broken_on_disk_does_not_fail_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let gate = Gate::new();
    let store = open_with(&path, gate.hooks());
    let (broken, sound) = (create(&*store, 1).await, create(&*store, 1).await);
    let vandal = Connection::open(&path).unwrap();
    vandal.execute_batch(BROKEN).unwrap();

    let held = gate.shut();
    let blocker = create(&*store, 1);
    let mut blocker = Box::pin(blocker);
    assert!(starts_to_wait(&mut blocker).await);
    gate.wait_for_group();
    let (to_broken, to_sound) =
        (draft(&broken, 2, a_few("x")).commit(), draft(&sound, 2, a_few("y")).commit());
    let mut calls = [store.append(&to_sound), store.append(&to_broken)];
    for call in &mut calls {
        assert!(starts_to_wait(call).await);
    }
    drop(held);
    let [recorded, failed] = calls;
    assert_eq!(recorded.await, Ok(Appended::Recorded));
    assert!(failed.await.unwrap_err().0.contains("broken on disk"));
    blocker.await;
    assert_eq!(log(&*store, sound.id).await.len(), 33);
    assert_eq!(log(&*store, broken.id).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let store = open(&path);
    let session = create(&*store, 1).await;
    let id = log(&*store, session.id).await[0].id;
    store.close().await;
    let vandal = Connection::open(&path).unwrap();
    let select = "select records from log";
    let mut records: Vec<u8> = vandal.query_row(select, [], |row| row.get(0)).unwrap();
    let (known, unknown) = (b"session_started", b"nothing_we_know");
    let at = records.windows(known.len()).position(|it| it == known).unwrap();
    records[at..at + unknown.len()].copy_from_slice(unknown);
    vandal.execute("update log set records = ?1", [records]).unwrap();
    let store = open(&path);
    let StoreError(cause) = store.read(session.id, Position(0), ALL).await.unwrap_err();
    assert!(cause.starts_with(&format!("entry {id} cannot be read: ")), "{cause}");
}

/// A group of three, one of them wrong: the group fails, and each is written by itself.
#[tokio::test(flavor = "multi_thread")]
async fn every_group_is_told_of_with_its_size_and_its_fate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let gate = Gate::new();
    let groups = Arc::<Mutex<Vec<(usize, bool)>>>::default();
    let seen = Arc::clone(&groups);
    let on_group = Arc::new(move |group: Group| {
        assert!(group.took > Duration::ZERO);
        seen.lock().push((group.writes, group.is_durable));
    });
    let options = SqliteOptions { on_group, hooks: gate.hooks(), ..SqliteOptions::new(&path) };
    let store = SqliteStore::open(options).unwrap();
    let (a, b) = (create(&store, 1).await, create(&store, 1).await);
    assert_eq!(std::mem::take(&mut *groups.lock()), [(1, true), (1, true)]);
    assert_eq!(store.queued_writes(), 0);
    let vandal = Connection::open(&path).unwrap();
    vandal.execute_batch(BROKEN).unwrap();

    let held = gate.shut();
    let blocker = create(&store, 1);
    let mut blocker = Box::pin(blocker);
    assert!(starts_to_wait(&mut blocker).await);
    gate.wait_for_group();
    let (to_a, to_b) = (draft(&a, 2, a_few("x")).commit(), draft(&b, 2, a_few("y")).commit());
    let mut calls = [store.append(&to_a), store.append(&to_b)];
    for call in &mut calls {
        assert!(starts_to_wait(call).await);
    }
    assert_eq!(store.queued_writes(), 2);
    drop(held);
    blocker.await;
    for call in calls {
        // One is recorded, the other cannot be.
        drop(call.await);
    }
    assert_eq!(*groups.lock(), [(1, true), (2, false), (1, false), (1, true)]);
    let (database, log) = store.file_bytes().unwrap();
    assert!(database > 0 && log > 0, "{database} and {log} bytes");
}
