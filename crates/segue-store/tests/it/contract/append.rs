//! Commits: all of it or nothing, at the end of the log or not at all.

use std::sync::Arc;

use segue_core::{
    Entry, MessageKey, Position, Sequence, Session, SessionId, Turn,
    ports::{Appended, Commit, Job, JobKind, Store},
};
use tokio::task::JoinSet;

use crate::support::{
    ALL, ATTEMPTS_MAX, NODE_A, create, draft, joined, log, new_session, record, says, says_once,
    started, unique,
};

pub async fn a_session_reads_back_as_it_was_written(store: &Arc<dyn Store>) {
    let session = new_session();
    let commit = draft(&session, 5_000, vec![started(&session), joined(), says("hello")]).commit();
    let session = record(store.as_ref(), commit.clone()).await;

    assert_eq!(store.load(session.id).await, Ok(Some(session.clone())));
    assert_eq!(log(store.as_ref(), session.id).await, commit.entries.to_vec());
}

pub async fn an_unknown_session_is_nowhere(store: &Arc<dyn Store>) {
    let id = SessionId(unique());
    let key = MessageKey::Local("a".into());
    assert_eq!(store.load(id).await, Ok(None));
    assert_eq!(store.read(id, Position(0), ALL).await.unwrap().entries, vec![]);
    assert_eq!(store.position_of(id, Sequence(3)).await, Ok(Position(0)));
    assert_eq!(store.find_message(id, &key).await, Ok(None));
    assert_eq!(store.bot_state(id).await, Ok(None));
}

pub async fn only_a_commit_on_the_end_of_the_log_is_recorded(store: &Arc<dyn Store>) {
    let old = create(store.as_ref(), 1).await;
    let newest = record(store.as_ref(), draft(&old, 2, vec![joined(), says("one")]).commit()).await;

    let behind = draft(&old, 3, vec![says("two")]).commit();
    assert_eq!(store.append(&behind).await, Ok(Appended::Conflict));
    let unrecorded = draft(&newest, 3, vec![says("two")]).commit();
    let ahead = draft(&unrecorded.session, 3, vec![says("three")]).commit();
    assert_eq!(store.append(&ahead).await, Ok(Appended::Conflict));

    assert_eq!(store.load(newest.id).await, Ok(Some(newest.clone())));
    assert_eq!(log(store.as_ref(), newest.id).await.len(), 3);
    record(store.as_ref(), unrecorded).await;
}

pub async fn a_session_is_created_once(store: &Arc<dyn Store>) {
    let session = new_session();
    let commit = draft(&session, 1, vec![started(&session)]).commit();
    record(store.as_ref(), commit.clone()).await;
    assert_eq!(store.append(&commit).await, Ok(Appended::Conflict));
    assert_eq!(log(store.as_ref(), session.id).await, commit.entries.to_vec());

    let unborn = new_session();
    let first = draft(&unborn, 1, vec![started(&unborn)]).commit();
    let second = draft(&first.session, 1, vec![joined()]).commit();
    assert_eq!(store.append(&second).await, Ok(Appended::Conflict));
    assert_eq!(store.load(unborn.id).await, Ok(None));
}

pub async fn what_is_refused_leaves_no_trace(store: &Arc<dyn Store>) {
    let old = create(store.as_ref(), 1).await;
    let known = vec![joined(), says_once("hello", "a")];
    let newest = record(store.as_ref(), draft(&old, 2, known).commit()).await;
    let all_due = store.claim_jobs(NODE_A, JobKind::Turns, 100, 200, 10).await.unwrap();

    let with_everything = |seen: &Session, event| {
        draft(seen, 3, vec![event])
            .bot_state("{\"n\":1}")
            .token_slot("trace", 1)
            .job(Job::RunBot { turn: Turn(9) }, 3)
            .commit()
    };
    let conflict = with_everything(&old, says_once("other", "b"));
    assert_eq!(store.append(&conflict).await, Ok(Appended::Conflict));
    let duplicate = with_everything(&newest, says_once("again", "a"));
    assert!(matches!(store.append(&duplicate).await, Ok(Appended::Duplicate(_))));

    assert_eq!(store.load(newest.id).await, Ok(Some(newest.clone())));
    assert_eq!(store.bot_state(newest.id).await, Ok(None));
    let key = MessageKey::Local("b".into());
    assert_eq!(store.find_message(newest.id, &key).await, Ok(None));
    assert_eq!(all_due.len(), 1);
    assert_eq!(store.claim_jobs(NODE_A, JobKind::Turns, 100, 200, 10).await, Ok(vec![]));
    // The one slot is still free.
    record(store.as_ref(), with_everything(&newest, says_once("other", "b"))).await;
}

pub async fn commits_that_wait_together_see_each_other(store: &Arc<dyn Store>) {
    let session = new_session();
    let first = draft(&session, 1, vec![started(&session)]).commit();
    let second = draft(&first.session, 1, vec![joined(), says_once("a", "a")]).commit();
    let third = draft(&second.session, 1, vec![says_once("b", "b")]).commit();
    let repeated = draft(&third.session, 1, vec![says_once("a", "a")]).commit();
    let late = draft(&second.session, 1, vec![says("late")]).commit();

    let (first, second, third, repeated, late) = tokio::join!(
        biased;
        store.append(&first),
        store.append(&second),
        store.append(&third),
        store.append(&repeated),
        store.append(&late),
    );
    assert_eq!([first, second, third], [const { Ok(Appended::Recorded) }; 3]);
    assert!(matches!(repeated, Ok(Appended::Duplicate(_))));
    assert_eq!(late, Ok(Appended::Conflict));
    assert_eq!(log(store.as_ref(), session.id).await.len(), 4);
}

pub async fn fifty_tasks_take_every_position_once(store: &Arc<dyn Store>) {
    let id = create(store.as_ref(), 1).await.id;
    let mut tasks = JoinSet::new();
    for task in 0..50 {
        let store = Arc::clone(store);
        tasks.spawn(async move { append_until_recorded(&store, id, &format!("{task}")).await });
    }
    let recorded = tasks.join_all().await;
    assert_eq!(recorded.len(), 50);

    let log = log(store.as_ref(), id).await;
    let positions: Vec<u64> = log.iter().map(|it| it.position.0).collect();
    assert_eq!(positions, (1..=51).collect::<Vec<_>>());
    for entry in recorded {
        assert!(log.contains(&entry), "{entry:?} was acknowledged and is not in the log");
    }
}

async fn append_until_recorded(store: &Arc<dyn Store>, id: SessionId, text: &str) -> Entry {
    for _ in 0..ATTEMPTS_MAX {
        let session = store.load(id).await.unwrap().unwrap();
        let commit = draft(&session, 2, vec![says(text)]).commit();
        match store.append(&commit).await.unwrap() {
            Appended::Recorded => return commit.entries[0].clone(),
            Appended::Conflict => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("somebody else was first every time");
}

pub async fn a_conflict_does_not_fail_its_neighbours(store: &Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for _ in 0..40 {
        let session = create(store.as_ref(), 1).await;
        for rival in ["one", "other"] {
            let store = Arc::clone(store);
            let commit = draft(&session, 2, vec![says(rival)]).commit();
            tasks.spawn(async move { (commit.session.id, store.append(&commit).await.unwrap()) });
        }
    }
    let mut results = tasks.join_all().await;
    results.sort_by_key(|(id, result)| (*id, *result == Appended::Conflict));
    assert_eq!(results.len(), 80);
    for rivals in results.chunks(2) {
        assert_eq!(rivals[0], (rivals[0].0, Appended::Recorded));
        assert_eq!(rivals[1], (rivals[0].0, Appended::Conflict));
        assert_eq!(log(store.as_ref(), rivals[0].0).await.len(), 2);
    }
}

pub async fn the_row_is_what_the_log_folds_to(store: &Arc<dyn Store>) {
    let mut session = create(store.as_ref(), 1).await;
    for (now, events) in [(2, vec![joined()]), (3, vec![says("a")]), (9, vec![says("b")])] {
        session = record(store.as_ref(), draft(&session, now, events).commit()).await;
    }
    let folded = Session::fold(session.id, &log(store.as_ref(), session.id).await);
    assert_eq!(store.load(session.id).await, Ok(folded));
}

pub async fn a_gap_in_a_commit_is_a_fault(store: &Arc<dyn Store>) {
    let session = create(store.as_ref(), 1).await;
    let good = draft(&session, 2, vec![says("a"), says("b")]).commit();
    let gap = Commit { entries: good.entries[1..].into(), ..good.clone() };
    assert_is_a_fault(store, gap).await;
    let empty = Commit { entries: [].into(), ..good };
    assert_is_a_fault(store, empty).await;
}

pub async fn a_row_that_is_not_after_the_last_entry_is_a_fault(store: &Arc<dyn Store>) {
    let session = create(store.as_ref(), 1).await;
    let good = draft(&session, 2, vec![says("a")]).commit();
    assert_is_a_fault(store, Commit { session: Arc::new(session), ..good }).await;
}

/// The caller's task dies, and nothing else does.
pub async fn assert_is_a_fault(store: &Arc<dyn Store>, commit: Commit) {
    let before = log(store.as_ref(), commit.session.id).await;
    let id = commit.session.id;
    let appending = Arc::clone(store);
    let died = tokio::spawn(async move { appending.append(&commit).await }).await;
    assert!(died.unwrap_err().is_panic());
    assert_eq!(log(store.as_ref(), id).await, before);
    assert_eq!(store.check().await, Ok(()));
}

pub async fn the_bots_state_stays_until_it_is_replaced(store: &Arc<dyn Store>) {
    let session = create(store.as_ref(), 1).await;
    assert_eq!(store.bot_state(session.id).await, Ok(None));
    let with_state = draft(&session, 2, vec![joined()]).bot_state("{\"step\":1}").commit();
    let session = record(store.as_ref(), with_state).await;
    let session = record(store.as_ref(), draft(&session, 3, vec![says("a")]).commit()).await;
    assert_eq!(store.bot_state(session.id).await, Ok(Some("{\"step\":1}".to_owned())));
    record(store.as_ref(), draft(&session, 4, vec![says("b")]).bot_state("{}").commit()).await;
    assert_eq!(store.bot_state(session.id).await, Ok(Some("{}".to_owned())));
}
