//! Copies: of one moment, of what is there and not of what was, and looked at before they are used.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use segue_core::ports::Store;
use segue_store::{OpenError, check_copy, copy_database};

use super::{Gate, open, open_with};
use crate::support::{create, draft, log, record, says};

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name());
    let mut names: Vec<_> = names.map(|it| it.into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_made_while_the_writer_is_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let folder_of_copy = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("segue.db"), folder_of_copy.path().join("copy.db"));
    let gate = Gate::new();
    let store = open_with(&path, gate.hooks());
    let session = create(&*store, 1).await;
    let session = record(&*store, draft(&session, 2, vec![says("before")]).commit()).await;
    let before = log(&*store, session.id).await;

    let held = gate.shut();
    let under_way = tokio::spawn({
        let (store, commit) = (store.clone(), draft(&session, 3, vec![says("late")]).commit());
        async move { store.append(&commit).await }
    });
    tokio::task::block_in_place(|| gate.wait_for_group());
    copy_database(&path, &copy).unwrap();
    assert_eq!(check_copy(&copy).unwrap(), 6);
    drop(held);
    under_way.await.unwrap().unwrap();
    store.close().await;

    assert_eq!(names(folder_of_copy.path()), ["copy.db"], "one file, whole by itself");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let copied = open(&copy);
    assert_eq!(log(&*copied, session.id).await, before);
    assert_eq!(copied.load(session.id).await, Ok(Some(session)));
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_in_no_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("segue.db"), folder.path().join("copy.db"));
    let store = open(&path);
    let session = create(&*store, 1).await;
    let words = "the-blue-kettle-4711".repeat(1_000);
    record(&*store, draft(&session, 2, vec![says(&words)]).commit()).await;
    assert!(store.delete_session(session.id, 3, "ann").await.unwrap().is_some());
    copy_database(&path, &copy).unwrap();
    let copied = fs::read(&copy).unwrap();
    assert!(!copied.windows(20).any(|it| it == b"the-blue-kettle-4711"));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_schema_is_copied_and_a_newer_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("segue.db"), folder.path().join("copy.db"));
    open(&path).close().await;
    let set_version = |version: i64| {
        Connection::open(&path).unwrap().pragma_update(None, "user_version", version).unwrap();
    };
    set_version(1);
    copy_database(&path, &copy).unwrap();
    assert_eq!(check_copy(&copy).unwrap(), 1);
    set_version(99);
    let error = copy_database(&path, &folder.path().join("other.db")).unwrap_err();
    assert!(matches!(error, OpenError::TooNew { found: 99, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_in_a_copy_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("segue.db"), folder.path().join("copy.db"));
    let store = open(&path);
    for number in 1..50 {
        let session = create(&*store, number).await;
        record(&*store, draft(&session, 100, vec![says(&"x".repeat(2_000))]).commit()).await;
    }
    store.close().await;
    copy_database(&path, &copy).unwrap();
    let whole = fs::read(&copy).unwrap();
    // Every page in turn, with its head overwritten.
    for page in 1..whole.len() / 4_096 {
        let mut bytes = whole.clone();
        bytes[page * 4_096..page * 4_096 + 32].fill(0xff);
        fs::write(&copy, &bytes).unwrap();
        let error = check_copy(&copy).expect_err("a page is broken");
        assert!(matches!(error, OpenError::Damaged { .. }), "page {page}: {error}");
    }
    fs::write(&copy, "").unwrap();
    assert!(matches!(check_copy(&copy), Err(OpenError::Damaged { .. })));
    fs::remove_file(&copy).unwrap();
    assert!(matches!(check_copy(&copy), Err(OpenError::Files { .. })));
}
