//! Sessions in a row, and whether the store works at all.

use std::sync::Arc;

use segue_core::{
    SessionId,
    ports::{Alive, SessionQuery, Store},
};

use crate::support::{create, draft, joined, new_session, record, started, unique};

async fn ids(store: &Arc<dyn Store>, after: Option<SessionId>, limit: usize) -> Vec<SessionId> {
    let query = SessionQuery { after, ..SessionQuery::first(limit) };
    let listed = store.list(&query).await.unwrap();
    listed.iter().map(|it| it.session.id).collect()
}

pub async fn sessions_come_in_order_of_creation(store: &Arc<dyn Store>) {
    assert_eq!(ids(store, None, 10).await, []);
    let mut created = Vec::new();
    // Neither the order of their ids nor that of their times is the order of creation.
    for (id, now) in [(500, 9), (100, 3), (300, 7), (200, 5), (400, 1)] {
        let mut session = new_session();
        session.id = SessionId(id);
        record(store.as_ref(), draft(&session, now, vec![started(&session)]).commit()).await;
        created.push(session.id);
    }
    assert_eq!(ids(store, None, 10).await, created);
}

pub async fn pages_of_a_list_follow_each_other(store: &Arc<dyn Store>) {
    let mut created = Vec::new();
    for _ in 0..7 {
        created.push(create(store.as_ref(), 1).await.id);
    }
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = ids(store, after, 3).await;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        pages.push(page);
    }
    assert_eq!(pages, created.chunks(3).map(<[_]>::to_vec).collect::<Vec<_>>());
    assert_eq!(ids(store, None, 0).await, []);
}

pub async fn a_list_after_an_unknown_session_is_empty(store: &Arc<dyn Store>) {
    create(store.as_ref(), 1).await;
    assert_eq!(ids(store, Some(SessionId(unique())), 10).await, []);
}

pub async fn a_listed_session_has_its_state_and_last_seen(store: &Arc<dyn Store>) {
    let session = create(store.as_ref(), 50).await;
    let session = record(store.as_ref(), draft(&session, 60, vec![joined()]).commit()).await;
    store.record_alive(Alive { since: 10, at: 90 }, &[(session.id, 80)]).await.unwrap();
    let listed = store.list(&SessionQuery::first(10)).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].session, session);
    assert_eq!(listed[0].last_seen, 80);
}

pub async fn a_store_that_works_passes_its_check(store: &Arc<dyn Store>) {
    for _ in 0..3 {
        assert_eq!(store.check().await, Ok(()));
    }
}
