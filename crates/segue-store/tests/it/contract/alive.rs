//! Who was there when: users, and the nodes.

use std::sync::Arc;

use segue_core::{
    SessionId, Timestamp,
    ports::{Alive, Downtime, Store},
};

use crate::support::{create, draft, record, says, unique};

async fn seen(store: &Arc<dyn Store>, ids: &[SessionId]) -> Vec<Timestamp> {
    store.last_seen(ids).await.unwrap()
}

/// Of a node that has run since 1,000.
async fn alive(store: &Arc<dyn Store>, at: Timestamp, seen: &[(SessionId, Timestamp)]) {
    store.record_alive(Alive { since: 1_000, at }, seen).await.unwrap();
}

pub async fn a_new_session_was_seen_when_it_began(store: &Arc<dyn Store>) {
    let session = create(store.as_ref(), 1_234).await;
    assert_eq!(seen(store, &[session.id]).await, [1_234]);
    // What is said is in the log; being seen is not.
    record(store.as_ref(), draft(&session, 5_000, vec![says("x")]).commit()).await;
    assert_eq!(seen(store, &[session.id]).await, [1_234]);
}

pub async fn last_seen_never_goes_back(store: &Arc<dyn Store>) {
    let (a, b) = (create(store.as_ref(), 100).await.id, create(store.as_ref(), 100).await.id);
    let c = create(store.as_ref(), 100).await.id;
    alive(store, 1_000, &[(b, 300), (a, 200)]).await;
    assert_eq!(seen(store, &[a, b, c]).await, [200, 300, 100]);
    alive(store, 2_000, &[(a, 150), (b, 400), (c, 99)]).await;
    assert_eq!(seen(store, &[c, b, a]).await, [100, 400, 200]);
    // Two nodes' sockets of one session in one call: the later counts.
    alive(store, 3_000, &[(a, 700), (a, 600)]).await;
    assert_eq!(seen(store, &[a, a]).await, [700, 700]);
    alive(store, 4_000, &[]).await;
    assert_eq!(seen(store, &[a, b, c]).await, [700, 400, 100]);
}

pub async fn unknown_sessions_were_never_seen(store: &Arc<dyn Store>) {
    let known = create(store.as_ref(), 100).await.id;
    let unknown = SessionId(unique());
    alive(store, 1_000, &[(unknown, 500), (known, 500)]).await;
    assert_eq!(seen(store, &[unknown, known]).await, [0, 500]);
    assert_eq!(seen(store, &[]).await, [0; 0]);
}

pub async fn the_time_without_a_node_is_a_downtime(store: &Arc<dyn Store>) {
    // Nothing ran before the very first start.
    assert_eq!(store.record_start(1_000, 0).await, Ok(vec![]));
    alive(store, 1_500, &[]).await;
    let first = Downtime { from: 1_500, to: 4_000 };
    assert_eq!(store.record_start(4_000, 0).await, Ok(vec![first]));
    // Nothing was heard of that node after its start.
    let second = Downtime { from: 4_000, to: 4_700 };
    assert_eq!(store.record_start(4_700, 0).await, Ok(vec![first, second]));
    // No time has passed.
    assert_eq!(store.record_start(4_700, 0).await, Ok(vec![first, second]));
}

pub async fn old_downtimes_are_forgotten(store: &Arc<dyn Store>) {
    store.record_start(100, 0).await.unwrap();
    store.record_start(200, 0).await.unwrap();
    let newest = Downtime { from: 200, to: 300 };
    // It ended at `since`, not after it.
    assert_eq!(store.record_start(300, 200).await, Ok(vec![newest]));
    assert_eq!(store.record_start(300, 300).await, Ok(vec![]));
}

pub async fn a_clock_that_was_set_back_makes_no_downtime(store: &Arc<dyn Store>) {
    store.record_start(5_000, 0).await.unwrap();
    assert_eq!(store.record_start(3_000, 0).await, Ok(vec![]));
    alive(store, 4_000, &[]).await;
    // Up to 5,000 a node was alive, whatever its clock says since.
    let downtime = Downtime { from: 5_000, to: 6_000 };
    assert_eq!(store.record_start(6_000, 0).await, Ok(vec![downtime]));
}

pub async fn the_newest_time_at_which_a_node_was_alive_is_known(store: &Arc<dyn Store>) {
    let alive_at = || async { store.figures(1).await.unwrap().alive_at };
    assert_eq!(alive_at().await, None);
    store.record_start(1_000, 0).await.unwrap();
    assert_eq!(alive_at().await, Some(1_000));
    store.record_alive(Alive { since: 1_000, at: 3_000 }, &[]).await.unwrap();
    store.record_alive(Alive { since: 1_000, at: 2_000 }, &[]).await.unwrap();
    assert_eq!(alive_at().await, Some(3_000));
}

pub async fn a_start_while_another_node_runs_ends_no_downtime(store: &Arc<dyn Store>) {
    store.record_start(1_000, 0).await.unwrap();
    let real = Downtime { from: 1_000, to: 9_000 };
    let supposed = Downtime { from: 9_000, to: 40_000 };
    assert_eq!(store.record_start(9_000, 0).await, Ok(vec![real]));
    assert_eq!(store.record_start(40_000, 0).await, Ok(vec![real, supposed]));
    // The newest knows of nothing before it.
    let newest = Alive { since: 40_000, at: 41_000 };
    assert_eq!(store.record_alive(newest, &[]).await, Ok(vec![real, supposed]));
    // The other has run since the real downtime.
    let other = Alive { since: 9_000, at: 42_000 };
    assert_eq!(store.record_alive(other, &[]).await, Ok(vec![real]));
    assert_eq!(store.record_alive(newest, &[]).await, Ok(vec![real]));
}
