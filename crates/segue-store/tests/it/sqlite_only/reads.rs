//! Reads, and callers that look elsewhere while they wait for one.

use std::time::Duration;

use super::{open, starts_to_wait};
use crate::support::create;
use segue_core::ports::Store;

/// A socket that writes to a slow client, or waits for something else first, does not look whether
/// its read is through. Once every place for a read could be given to such callers.
#[tokio::test(flavor = "multi_thread")]
async fn callers_that_do_not_look_hold_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("segue.db"));
    let session = create(&*store, 1).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut call = store.load(session.id);
        // A read may be through before anybody has looked twice.
        if starts_to_wait(&mut call).await {
            waiting.push(call);
        }
    }
    // Those that were asked for are through, and their answers lie there.
    for _ in 0..20 {
        let read = tokio::time::timeout(Duration::from_secs(30), store.load(session.id)).await;
        assert_eq!(read.expect("a read ends"), Ok(Some(session.clone())));
    }
    for call in waiting {
        assert_eq!(call.await, Ok(Some(session.clone())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_reads_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("segue.db"));
    let session = create(&*store, 1).await;
    let mut asked = store.load(session.id);
    let waits = starts_to_wait(&mut asked).await;
    store.close().await;
    if waits {
        assert_eq!(asked.await, Ok(Some(session.clone())), "what was asked before is answered");
    }
    assert!(store.load(session.id).await.is_err());
}
