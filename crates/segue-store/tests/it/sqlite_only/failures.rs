//! What fails and passes, and what ends the process.

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use parking_lot::Mutex;
use rusqlite::ffi;
use segue_core::ports::{Appended, SessionQuery, Store, StoreError};
use segue_store::{Hooks, SqliteStore};

use super::open_with;
use crate::support::{create, draft, log, new_session, record, says, started};

/// The code that the next commits fail with; zero for none.
fn failing(code: &Arc<AtomicI32>) -> Hooks {
    let code = Arc::clone(code);
    let fail = move || Some(code.load(Ordering::Relaxed)).filter(|it| *it != 0);
    Hooks { fail_commit: Some(Arc::new(fail)), ..Hooks::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_and_passes_is_told_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let code = Arc::new(AtomicI32::new(0));
    let store = open_with(&folder.path().join("segue.db"), failing(&code));
    let session = create(&*store, 1).await;
    let commit = draft(&session, 2, vec![says("hello")]).commit();
    for failure in [
        ffi::SQLITE_BUSY,
        ffi::SQLITE_FULL,
        // A quota that is exceeded.
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_IOERR_SHMSIZE,
    ] {
        code.store(failure, Ordering::Relaxed);
        assert!(matches!(store.append(&commit).await, Err(StoreError(_))));
        assert!(matches!(store.check().await, Err(StoreError(_))));
        assert_eq!(log(&*store, session.id).await.len(), 1);
        assert_eq!(store.load(session.id).await, Ok(Some(session.clone())));
    }
    // What was rolled back was forgotten, too: the very same commit fits.
    code.store(0, Ordering::Relaxed);
    record(&*store, commit).await;
}

/// What the store said when it gave up.
type LastWords = Arc<Mutex<Vec<String>>>;

fn noting(words: &LastWords, hooks: Hooks) -> Hooks {
    let words = Arc::clone(words);
    Hooks { on_fatal: Arc::new(move |cause| words.lock().push(cause.to_owned())), ..hooks }
}

async fn assert_gave_up(store: &SqliteStore, words: &LastWords, expected: &str) {
    let session = new_session();
    let commit = draft(&session, 1, vec![started(&session)]).commit();
    assert!(matches!(store.append(&commit).await, Err(StoreError(_))));
    // Nothing works that would have to be true.
    assert!(matches!(store.append(&commit).await, Err(StoreError(_))));
    assert!(matches!(store.check().await, Err(StoreError(_))));
    store.close().await;
    let words = words.lock();
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(words[0].contains(expected), "{words:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_nothing_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC, ffi::SQLITE_IOERR_READ] {
        let words = LastWords::default();
        let hooks = noting(&words, failing(&Arc::new(AtomicI32::new(code))));
        let store = open_with(&folder.path().join("segue.db"), hooks);
        assert_gave_up(&store, &words, "cannot know what is durable").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_panic_of_the_writer_nothing_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let words = LastWords::default();
    let hooks = Hooks { before_commit: Some(Arc::new(|| panic!("a fault"))), ..Hooks::default() };
    let store = open_with(&folder.path().join("segue.db"), noting(&words, hooks));
    assert_gave_up(&store, &words, "the thread of the writer panicked").await;
}

/// Set for the process that is to die.
const CHILD: &str = "SEGUE_TEST_CHILD_DATABASE";

/// By default the process ends at once. It takes another process to see that.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_ends_the_process() {
    if let Some(path) = env::var_os(CHILD) {
        let code = Arc::new(AtomicI32::new(0));
        let store = open_with(Path::new(&path), failing(&code));
        let session = create(&*store, 1).await;
        code.store(ffi::SQLITE_IOERR_FSYNC, Ordering::Relaxed);
        let commit = draft(&session, 2, vec![says("lost")]).commit();
        panic!("the process went on: {:?}", store.append(&commit).await);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "sqlite_only::failures::a_failed_sync_ends_the_process"])
        .env(CHILD, &path)
        .output()
        .unwrap();
    let aborted = 6;
    assert_eq!(child.status.signal(), Some(aborted), "{child:?}");

    // What was acknowledged before is there, and the folder is free.
    let store = super::open(&path);
    let listed = store.list(&SessionQuery::first(10)).await.unwrap();
    assert_eq!(listed.len(), 1);
    let session = &listed[0].session;
    let commit = draft(session, 3, vec![says("again")]).commit();
    assert_eq!(store.append(&commit).await, Ok(Appended::Recorded));
}
