//! A full disk: refused, not half written, and over when there is room.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use segue_core::{
    Session,
    ports::{Appended, Store, StoreError},
};
use segue_store::{Hooks, SqliteStore};

use super::{Gate, open, open_with, starts_to_wait};
use crate::support::{create, draft, log, record, says};

const NO_LIMIT: u32 = u32::MAX - 1;

/// Appends until the store refuses; returns the session as it is in the log.
async fn fill(store: &SqliteStore, mut session: Session, text_bytes: usize) -> Session {
    let text = "x".repeat(text_bytes);
    loop {
        let commit = draft(&session, 2, vec![says(&text)]).commit();
        match store.append(&commit).await {
            Ok(Appended::Recorded) => session = Session::clone(&commit.session),
            Ok(other) => panic!("{other:?}"),
            Err(StoreError(cause)) => {
                assert!(cause.contains("full") || cause.contains("I/O"), "{cause}");
                return session;
            }
        }
    }
}

async fn assert_intact(store: &SqliteStore, session: &Session) {
    assert_eq!(store.load(session.id).await, Ok(Some(session.clone())));
    assert_eq!(log(store, session.id).await.last().unwrap().position, session.state.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_refuses_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let pages = Arc::new(AtomicU32::new(200));
    let hooks = Hooks { pages_max: Some(Arc::clone(&pages)), ..Hooks::default() };
    let store = open_with(&folder.path().join("segue.db"), hooks);
    let session = create(&*store, 1).await;

    let session = fill(&store, session, 100_000).await;
    assert!(session.state.head.0 > 1, "something fitted");
    assert_intact(&store, &session).await;
    pages.store(NO_LIMIT, Ordering::Relaxed);
    let commit = draft(&session, 3, vec![says(&"y".repeat(100_000))]).commit();
    let session = record(&*store, commit).await;
    assert_intact(&store, &session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_takes_its_whole_group_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::new();
    let pages = Arc::new(AtomicU32::new(NO_LIMIT));
    let hooks = Hooks { pages_max: Some(Arc::clone(&pages)), ..gate.hooks() };
    let store = open_with(&folder.path().join("segue.db"), hooks);
    let (a, b) = (create(&*store, 1).await, create(&*store, 1).await);

    let held = gate.shut();
    let mut blocker = Box::pin(create(&*store, 1));
    assert!(starts_to_wait(&mut blocker).await);
    gate.wait_for_group();
    let small = draft(&a, 2, vec![says("small")]).commit();
    let large = draft(&b, 2, vec![says(&"x".repeat(1_000_000))]).commit();
    let mut calls = [store.append(&small), store.append(&large)];
    for call in &mut calls {
        assert!(starts_to_wait(call).await);
    }
    // As many pages as it has already, and a few.
    pages.store(60, Ordering::Relaxed);
    drop(held);
    blocker.await;
    for call in calls {
        assert!(matches!(call.await, Err(StoreError(_))));
    }
    assert_intact(&store, &a).await;
    assert_intact(&store, &b).await;
    // By itself the small one fits.
    assert_eq!(store.append(&small).await, Ok(Appended::Recorded));
}

/// A file system of a few MiB, where this process may mount one.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(kib: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={kib}k");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .status();
        mount.is_ok_and(|it| it.success()).then_some(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.folder.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(4_096) else {
        eprintln!("this user may not mount: the page limit above stands in for the full disk");
        return;
    };
    let path = disk.path().join("segue.db");
    let store = open(&path);
    let session = create(&*store, 1).await;
    let filler = disk.path().join("filler");
    fs::write(&filler, vec![0; 1_000_000]).unwrap();

    // Large and small, so that it is full to the last page, whichever file wants to grow.
    let session = fill(&store, session, 100_000).await;
    let session = fill(&store, session, 100).await;
    // What does not hold an entry may still hold a sign of life, several times.
    while store.check().await.is_ok() {}
    assert_intact(&store, &session).await;

    fs::remove_file(&filler).unwrap();
    let commit = draft(&session, 3, vec![says(&"y".repeat(10_000))]).commit();
    let session = record(&*store, commit).await;
    assert_intact(&store, &session).await;
    store.close().await;
    assert_intact(&open(&path), &session).await;
}
