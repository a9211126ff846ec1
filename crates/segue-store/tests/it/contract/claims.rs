//! Conditions outside the session that hold in the same write.

use std::sync::Arc;

use segue_core::{
    ConnectorId, EndReason, Event, Facts, Session, SessionId, Timestamp,
    ports::{Appended, Claim, Commit, Store},
};
use tokio::task::JoinSet;

use crate::support::{draft, facts, new_session, record, says, started, unique};

fn creation(token: &str, sessions_max: u32) -> Commit {
    let session = new_session();
    draft(&session, 1, vec![started(&session)]).token_slot(token, sessions_max).commit()
}

pub async fn a_token_creates_so_many_sessions_and_no_more(store: &Arc<dyn Store>) {
    for _ in 0..3 {
        assert_eq!(store.append(&creation("a", 3)).await, Ok(Appended::Recorded));
    }
    let one_too_many = creation("a", 3);
    assert_eq!(store.append(&one_too_many).await, Ok(Appended::Taken));
    assert_eq!(store.load(one_too_many.session.id).await, Ok(None));
    assert_eq!(store.append(&creation("b", 1)).await, Ok(Appended::Recorded));
    assert_eq!(store.append(&creation("c", 0)).await, Ok(Appended::Taken));
    // A limit that was raised holds from now on.
    assert_eq!(store.append(&creation("a", 4)).await, Ok(Appended::Recorded));
    assert_eq!(store.append(&creation("a", 4)).await, Ok(Appended::Taken));
}

pub async fn a_race_for_the_last_slots_fills_them_exactly(store: &Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for _ in 0..30 {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let commit = creation("a", 7);
            (commit.session.id, store.append(&commit).await.unwrap())
        });
    }
    let mut recorded = 0;
    for (id, outcome) in tasks.join_all().await {
        let exists = store.load(id).await.unwrap().is_some();
        assert_eq!(outcome, if exists { Appended::Recorded } else { Appended::Taken });
        recorded += u32::from(exists);
    }
    assert_eq!(recorded, 7);
}

pub async fn a_session_that_exists_is_a_conflict_before_it_is_a_claim(store: &Arc<dyn Store>) {
    let commit = creation("a", 2);
    assert_eq!(store.append(&commit).await, Ok(Appended::Recorded));
    // A repetition is no second session.
    for _ in 0..3 {
        assert_eq!(store.append(&commit).await, Ok(Appended::Conflict));
    }
    assert_eq!(store.append(&creation("a", 2)).await, Ok(Appended::Recorded));
    assert_eq!(store.append(&creation("a", 2)).await, Ok(Appended::Taken));
    assert_eq!(store.append(&commit).await, Ok(Appended::Conflict));
}

fn session_of(connector: &str) -> Session {
    let connector = ConnectorId(connector.to_owned());
    let facts = Facts { connector, ..facts("token") };
    Session::new(SessionId(unique()), Arc::new(facts))
}

fn live_slot(connector: &str, sessions_max: u32) -> Claim {
    Claim::LiveSlot { connector: ConnectorId(connector.to_owned()), sessions_max }
}

fn creation_slot(connector: &str, since: Timestamp, sessions_max: u32) -> Claim {
    Claim::CreationSlot { connector: ConnectorId(connector.to_owned()), since, sessions_max }
}

fn creation_with(connector: &str, now: Timestamp, claim: Claim) -> Commit {
    let session = session_of(connector);
    draft(&session, now, vec![started(&session)]).claim(claim).commit()
}

pub async fn so_many_sessions_of_a_connector_live_at_a_time(store: &Arc<dyn Store>) {
    // One that is there before anybody asks how many there are.
    let early = session_of("a");
    let mut early = record(&**store, draft(&early, 1, vec![started(&early)]).commit()).await;
    let one = async |connector, sessions_max| {
        let commit = creation_with(connector, 2, live_slot(connector, sessions_max));
        store.append(&commit).await
    };
    assert_eq!(one("a", 3).await, Ok(Appended::Recorded));
    assert_eq!(one("a", 3).await, Ok(Appended::Recorded));
    assert_eq!(one("a", 3).await, Ok(Appended::Taken));
    assert_eq!(one("b", 1).await, Ok(Appended::Recorded));
    assert_eq!(one("b", 1).await, Ok(Appended::Taken));
    assert_eq!(one("c", 0).await, Ok(Appended::Taken));
    // Words change nothing, the end does, once.
    early = record(&**store, draft(&early, 3, vec![says("hi")]).commit()).await;
    assert_eq!(one("a", 3).await, Ok(Appended::Taken));
    let ended = Event::SessionEnded { reason: EndReason::UserEnd };
    record(&**store, draft(&early, 4, vec![ended]).commit()).await;
    assert_eq!(one("a", 3).await, Ok(Appended::Recorded));
    assert_eq!(one("a", 3).await, Ok(Appended::Taken));
    // One that ends as it begins.
    let brief = session_of("a");
    let ended = Event::SessionEnded { reason: EndReason::UserEnd };
    record(&**store, draft(&brief, 5, vec![started(&brief), ended]).commit()).await;
    assert_eq!(one("a", 3).await, Ok(Appended::Taken));
    assert_eq!(one("a", 4).await, Ok(Appended::Recorded));
}

pub async fn so_many_sessions_of_a_connector_are_created_in_a_time(store: &Arc<dyn Store>) {
    let early = session_of("a");
    record(&**store, draft(&early, 99, vec![started(&early)]).commit()).await;
    let one = async |connector, now, since, sessions_max| {
        let claim = creation_slot(connector, since, sessions_max);
        store.append(&creation_with(connector, now, claim)).await
    };
    assert_eq!(one("a", 100, 100, 2).await, Ok(Appended::Recorded));
    assert_eq!(one("a", 150, 100, 2).await, Ok(Appended::Recorded));
    assert_eq!(one("a", 199, 100, 2).await, Ok(Appended::Taken));
    assert_eq!(one("b", 199, 100, 1).await, Ok(Appended::Recorded));
    assert_eq!(one("a", 200, 200, 2).await, Ok(Appended::Recorded));
    assert_eq!(one("a", 201, 200, 2).await, Ok(Appended::Recorded));
    assert_eq!(one("a", 202, 200, 2).await, Ok(Appended::Taken));
    // A clock that went back does not make more of them.
    assert_eq!(one("a", 199, 100, 4).await, Ok(Appended::Taken));
    assert_eq!(one("a", 300, 300, 1).await, Ok(Appended::Recorded));
}

pub async fn a_race_for_the_last_places_of_a_connector_fills_them_exactly(store: &Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for number in 0..40 {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let claim = if number % 2 == 0 { live_slot("a", 7) } else { creation_slot("a", 1, 7) };
            store.append(&creation_with("a", 1, claim)).await.unwrap()
        });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|it| **it == Appended::Recorded).count(), 7);
}

pub async fn a_deleted_session_lives_no_longer(store: &Arc<dyn Store>) {
    let first = creation_with("a", 1, live_slot("a", 1));
    assert_eq!(store.append(&first).await, Ok(Appended::Recorded));
    store.delete_session(first.session.id, 2, "a test").await.unwrap();
    let slot = || creation_with("a", 3, live_slot("a", 1));
    assert_eq!(store.append(&slot()).await, Ok(Appended::Recorded));
    assert_eq!(store.append(&slot()).await, Ok(Appended::Taken));
}
