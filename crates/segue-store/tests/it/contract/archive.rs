//! What administrators ask of a store.

use std::collections::BTreeSet;
use std::sync::Arc;

use segue_core::{
    ConnectorId, EndReason, Event, Json, Position, Session, SessionId, Timestamp,
    ports::{
        Appended, Job, JobKind, Liveness, Order, Put, Record, RecordKind, SessionQuery, Store,
        Visible,
    },
};

use crate::support::{
    ALL, NODE_A, create, draft, facts, joined, log, record, says_once, started, unique,
};

fn connectors(names: &[&str]) -> BTreeSet<ConnectorId> {
    names.iter().map(|it| ConnectorId((*it).to_owned())).collect()
}

async fn create_for(
    store: &Arc<dyn Store>,
    connector: &str,
    attributes: Option<&str>,
    now: Timestamp,
) -> Session {
    let mut facts = facts("token");
    facts.connector = ConnectorId(connector.to_owned());
    facts.integration_attributes = attributes.map(|it| Json(it.into()));
    let session = Session::new(SessionId(unique()), Arc::new(facts));
    record(&**store, draft(&session, now, vec![started(&session)]).commit()).await
}

async fn end(store: &Arc<dyn Store>, session: &Session, now: Timestamp) -> Session {
    let ended = Event::SessionEnded { reason: EndReason::NaturalEnd };
    record(&**store, draft(session, now, vec![ended]).commit()).await
}

async fn found(store: &Arc<dyn Store>, query: SessionQuery) -> Vec<SessionId> {
    store.list(&query).await.unwrap().iter().map(|it| it.session.id).collect()
}

pub async fn only_sessions_of_visible_connectors_are_found(store: &Arc<dyn Store>) {
    let a = create_for(store, "a", None, 1).await.id;
    let b = create_for(store, "b", None, 2).await.id;
    let c = create_for(store, "c", None, 3).await.id;
    for (connectors, expected) in [
        (Visible::All, vec![a, b, c]),
        (Visible::Only(connectors(&["a", "c", "unknown"])), vec![a, c]),
        (Visible::Only(connectors(&[])), vec![]),
        (Visible::Except(connectors(&["a"])), vec![b, c]),
        (Visible::Except(connectors(&[])), vec![a, b, c]),
    ] {
        let query = SessionQuery { connectors, ..SessionQuery::first(10) };
        assert_eq!(found(store, query.clone()).await, expected, "{query:?}");
    }
}

pub async fn sessions_are_found_by_state_and_time(store: &Arc<dyn Store>) {
    let live = create_for(store, "a", None, 10).await.id;
    let ended = create_for(store, "a", None, 20).await;
    let ended = end(store, &ended, 90).await.id;
    let first = || SessionQuery::first(10);
    for (query, expected) in [
        (SessionQuery { liveness: Some(Liveness::Live), ..first() }, vec![live]),
        (SessionQuery { liveness: Some(Liveness::Ended), ..first() }, vec![ended]),
        (SessionQuery { created_from: Some(11), ..first() }, vec![ended]),
        (SessionQuery { created_from: Some(10), ..first() }, vec![live, ended]),
        (SessionQuery { created_before: Some(20), ..first() }, vec![live]),
        (SessionQuery { ended_before: Some(90), ..first() }, vec![]),
        (SessionQuery { ended_before: Some(91), ..first() }, vec![ended]),
    ] {
        assert_eq!(found(store, query.clone()).await, expected, "{query:?}");
    }
}

pub async fn sessions_are_found_by_their_user(store: &Arc<dyn Store>) {
    let hers = create_for(store, "a", Some(r#"{"plan":"x","user_id":"u-1"}"#), 1).await.id;
    create_for(store, "a", Some(r#"{"user_id":"u-2"}"#), 1).await;
    let too_long = format!(r#"{{"user_id":"{}"}}"#, "x".repeat(201));
    for no_user in [r#"{"user_id":7}"#, r#"{"user_id":""}"#, "{}", &too_long] {
        create_for(store, "a", Some(no_user), 1).await;
    }
    let query = |id: &str| SessionQuery { user_id: Some(id.to_owned()), ..SessionQuery::first(9) };
    assert_eq!(found(store, query("u-1")).await, [hers]);
    assert_eq!(found(store, query("")).await, []);
    let listed = store.list(&query("u-1")).await.unwrap();
    assert_eq!((listed[0].user_id.as_deref(), listed[0].created_at), (Some("u-1"), 1));
}

pub async fn the_newest_come_first_where_asked(store: &Arc<dyn Store>) {
    let mut created = Vec::new();
    for at in 0..5 {
        created.push(create_for(store, "a", None, at).await.id);
    }
    created.reverse();
    let mut query = SessionQuery { order: Order::NewestFirst, ..SessionQuery::first(2) };
    let mut pages = Vec::new();
    loop {
        let page = found(store, query.clone()).await;
        let Some(last) = page.last() else { break };
        query.after = Some(*last);
        pages.extend(page);
    }
    assert_eq!(pages, created);
}

pub async fn a_deleted_session_is_nowhere(store: &Arc<dyn Store>) {
    let session = create(&**store, 5).await;
    let next = draft(&session, 6, vec![joined(), says_once("the secret", "k")])
        .job(Job::ExpireIdle, 6)
        .bot_state("{}")
        .commit();
    let session = record(&**store, next).await;
    let other = create(&**store, 7).await;
    let key = log(&**store, session.id).await[2].event.message_key().unwrap().clone();

    let deletion = store.delete_session(session.id, 99, "key k1").await.unwrap().unwrap();
    assert_eq!(deletion.session, session.id);
    assert_eq!(deletion.connector, session.facts.connector);
    assert_eq!((deletion.created_at, deletion.deleted_at), (5, 99));
    assert_eq!((deletion.entries, deletion.by.as_str()), (3, "key k1"));

    assert_eq!(store.load(session.id).await, Ok(None));
    assert_eq!(store.read(session.id, Position(0), ALL).await.unwrap().entries, []);
    assert_eq!(store.find_message(session.id, &key).await, Ok(None));
    assert_eq!(store.bot_state(session.id).await, Ok(None));
    assert_eq!(store.last_seen(&[session.id]).await, Ok(vec![0]));
    assert_eq!(found(store, SessionQuery::first(9)).await, [other.id]);
    assert!(store.claim_jobs(NODE_A, JobKind::Timers, 100, 200, 9).await.unwrap().is_empty());
    // Whoever still has its state finds out.
    let late = draft(&session, 100, vec![joined()]).commit();
    assert_eq!(store.append(&late).await, Ok(Appended::Conflict));
    assert_eq!(log(&**store, other.id).await.len(), 1);
}

pub async fn a_deletion_is_done_once_and_proven_for_ever(store: &Arc<dyn Store>) {
    let session = create(&**store, 5).await;
    assert_eq!(store.deletion(session.id).await, Ok(None));
    let first = store.delete_session(session.id, 10, "ann").await.unwrap();
    assert_eq!(store.delete_session(session.id, 20, "bob").await.unwrap(), first);
    assert_eq!(store.deletion(session.id).await.unwrap(), first);
    assert_eq!(store.delete_session(SessionId(unique()), 20, "bob").await, Ok(None));
}

pub async fn a_digest_is_that_of_the_log(store: &Arc<dyn Store>) {
    use sha2::{Digest as _, Sha256};
    let session = create(&**store, 5).await;
    let session = record(&**store, draft(&session, 6, vec![joined()]).commit()).await;
    let mut sha = Sha256::new();
    for entry in log(&**store, session.id).await {
        let event = serde_json::to_string(&entry.event).unwrap();
        sha.update(entry.id.0.to_be_bytes());
        sha.update(entry.position.0.to_be_bytes());
        sha.update(entry.at.to_be_bytes());
        sha.update((event.len() as u64).to_be_bytes());
        sha.update(event);
    }
    let deletion = store.delete_session(session.id, 9, "ann").await.unwrap().unwrap();
    assert_eq!(deletion.digest.0, <[u8; 32]>::from(sha.finalize()));
    assert_eq!(deletion.digest.to_string().len(), 64);
}

fn document(kind: RecordKind, id: &str, revision: u64, body: &str) -> Record {
    Record { kind, id: id.to_owned(), revision, body: body.to_owned() }
}

pub async fn records_come_by_kind_in_order_of_their_ids(store: &Arc<dyn Store>) {
    let b = document(RecordKind::Connector, "b", 1, r#"{"n":1}"#);
    let a = document(RecordKind::Connector, "a", 1, "{}");
    let key = document(RecordKind::ApiKey, "a", 1, "[]");
    for it in [&b, &a, &key] {
        assert_eq!(store.put_record(it).await, Ok(Put::Written));
    }
    assert_eq!(store.records(RecordKind::Connector).await, Ok(vec![a, b]));
    assert_eq!(store.records(RecordKind::ApiKey).await, Ok(vec![key]));
}

pub async fn a_record_changes_from_the_version_that_was_seen(store: &Arc<dyn Store>) {
    let kind = RecordKind::Connector;
    for (revision, body, expected) in [
        (2, "too early", Put::Conflict),
        (1, "first", Put::Written),
        (1, "first again", Put::Conflict),
        (3, "over a gap", Put::Conflict),
        (2, "second", Put::Written),
        (2, "second again", Put::Conflict),
    ] {
        let put = store.put_record(&document(kind, "a", revision, body)).await;
        assert_eq!(put, Ok(expected), "{body}");
    }
    assert_eq!(store.records(kind).await, Ok(vec![document(kind, "a", 2, "second")]));
}
