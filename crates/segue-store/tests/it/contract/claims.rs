//! Conditions outside the session that hold in the same write.

use std::sync::Arc;

use segue_core::ports::{Appended, Commit, Store};
use tokio::task::JoinSet;

use crate::support::{draft, new_session, started};

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
