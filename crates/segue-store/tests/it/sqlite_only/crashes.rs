//! The process dies: what was acknowledged is there, and nothing is there in part.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write, stdout};
use std::path::Path;
use std::process::{Command, Stdio};

use segue_core::{
    Session,
    ports::{Appended, SessionQuery, Store},
};
use segue_store::SqliteStore;
use tokio::task::JoinSet;

use super::{Gate, open, open_with, starts_to_wait};
use crate::support::{create, draft, log, record, says};

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_any_moment_hold_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let gate = Gate::new();
    let store = open_with(&path, gate.hooks());
    let session = create(&*store, 1).await;
    let session = record(&*store, draft(&session, 2, vec![says("acknowledged")]).commit()).await;

    let held = gate.shut();
    let commit = draft(&session, 3, vec![says("not acknowledged")]).commit();
    let mut appending = store.append(&commit);
    assert!(starts_to_wait(&mut appending).await);
    gate.wait_for_group();
    // The database first: what a checkpoint changes in it meanwhile is in the log copied after it.
    let copy = tempfile::tempdir().unwrap();
    for name in ["segue.db", "segue.db-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    drop(held);
    assert_eq!(appending.await, Ok(Appended::Recorded));

    let copy = copy.path().join("segue.db");
    let looking = SqliteStore::open_read_only(&copy).unwrap();
    assert_eq!(log(&looking, session.id).await.len(), 2);
    drop(looking);
    let after = open(&copy);
    assert_eq!(after.load(session.id).await, Ok(Some(session.clone())));
    assert_eq!(log(&*after, session.id).await.len(), 2);
    record(&*after, draft(&session, 4, vec![says("goes on")]).commit()).await;
}

/// Set for the process that is to be killed.
const CHILD: &str = "SEGUE_TEST_CHILD_WRITING_TO";

const SESSIONS: usize = 8;
const ROUNDS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    if let Some(path) = env::var_os(CHILD) {
        return write_until_killed(Path::new(&path)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    for round in 0..ROUNDS {
        let acknowledged = kill_after(&path, 300 * (round + 1));
        let store = open(&path);
        let mut found = BTreeSet::new();
        for listed in store.list(&SessionQuery::first(1_000)).await.unwrap() {
            let session = listed.session;
            let log = log(&*store, session.id).await;
            let positions: Vec<u64> = log.iter().map(|it| it.position.0).collect();
            assert_eq!(positions, (1..=session.state.head.0).collect::<Vec<_>>());
            assert_eq!(Session::fold(session.id, &log), Some(session.clone()));
            found.extend(log.iter().map(|it| it.id.to_string()));
        }
        let lost: Vec<_> = acknowledged.iter().filter(|id| !found.contains(*id)).collect();
        assert_eq!(lost, [""; 0], "round {round}");
        store.close().await;
    }
}

/// Has another process write; kills it when it has acknowledged so many entries. Returns the ids of
/// all that it acknowledged.
fn kill_after(path: &Path, entries: usize) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("sqlite_only::crashes::a_killed_process_loses_nothing_that_it_acknowledged")
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map(Result::unwrap) {
        let Some(id) = line.strip_prefix("acknowledged ") else { continue };
        acknowledged.push(id.to_owned());
        if acknowledged.len() == entries {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() >= entries, "the child died by itself");
    // The last line may have been cut off; then nobody knows which it was.
    acknowledged.retain(|id| id.len() == 36);
    acknowledged
}

async fn write_until_killed(path: &Path) {
    let store = open(path);
    let mut tasks = JoinSet::new();
    for _ in 0..SESSIONS {
        let store = store.clone();
        tasks.spawn(async move {
            let mut session = create(&*store, 1).await;
            loop {
                let commit = draft(&session, 2, vec![says("x"), says("y")]).commit();
                session = record(&*store, commit.clone()).await;
                let lines = commit.entries.iter().map(|it| format!("\nacknowledged {}\n", it.id));
                let lines = lines.collect::<Vec<_>>().concat();
                stdout().lock().write_all(lines.as_bytes()).unwrap();
            }
        });
    }
    tasks.join_all().await;
}
