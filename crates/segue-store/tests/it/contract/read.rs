//! Parts of the log, and where a cursor lies in it.

use std::sync::Arc;

use segue_core::{
    AttemptId, Entry, Event, Position, Sequence, Session, SessionId, Turn, TurnOutcome,
    ports::{Appended, Page, ReadLimit, Store},
};

use crate::support::{ALL, create, draft, joined, log, record, says, unique};

async fn page(store: &Arc<dyn Store>, session: &Session, after: u64, limit: ReadLimit) -> Page {
    store.read(session.id, Position(after), limit).await.unwrap()
}

fn positions(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|it| it.position.0).collect()
}

async fn session_of_ten(store: &Arc<dyn Store>) -> Session {
    let session = create(store.as_ref(), 1).await;
    let mut events = vec![joined()];
    events.extend((3..=10).map(|number| says(&"x".repeat(100 * number))));
    record(store.as_ref(), draft(&session, 2, events).commit()).await
}

pub async fn a_page_ends_at_its_limit_of_entries(store: &Arc<dyn Store>) {
    let session = session_of_ten(store).await;
    let limit = |entries| ReadLimit { entries, ..ALL };
    let first = page(store, &session, 0, limit(4)).await;
    assert_eq!((positions(&first), first.more), (vec![1, 2, 3, 4], true));
    let middle = page(store, &session, 4, limit(4)).await;
    assert_eq!((positions(&middle), middle.more), (vec![5, 6, 7, 8], true));
    let last = page(store, &session, 8, limit(4)).await;
    assert_eq!((positions(&last), last.more), (vec![9, 10], false));
    let exact = page(store, &session, 6, limit(4)).await;
    assert_eq!((positions(&exact), exact.more), (vec![7, 8, 9, 10], false));
    assert_eq!(page(store, &session, 10, limit(4)).await, Page::default());
    assert_eq!(page(store, &session, 99, limit(4)).await, Page::default());
    assert_eq!(page(store, &session, u64::MAX, limit(4)).await, Page::default());
}

pub async fn a_page_ends_at_its_limit_of_bytes(store: &Arc<dyn Store>) {
    let session = session_of_ten(store).await;
    let all = log(store.as_ref(), session.id).await;
    let bytes = |entry: &Entry| serde_json::to_string(&entry.event).unwrap().len();
    let three: usize = all[2..5].iter().map(bytes).sum();

    let limit = |bytes| ReadLimit { bytes, ..ALL };
    let exact = page(store, &session, 2, limit(three)).await;
    assert_eq!((positions(&exact), exact.more), (vec![3, 4, 5], true));
    let short = page(store, &session, 2, limit(three - 1)).await;
    assert_eq!((positions(&short), short.more), (vec![3, 4], true));
    let whole: usize = all.iter().map(bytes).sum();
    let whole = page(store, &session, 0, limit(whole)).await;
    assert_eq!((whole.entries.len(), whole.more), (10, false));
    let both = ReadLimit { entries: 2, bytes: three };
    assert_eq!(positions(&page(store, &session, 2, both).await), [3, 4]);
}

pub async fn a_page_has_at_least_one_entry(store: &Arc<dyn Store>) {
    let session = session_of_ten(store).await;
    for limit in [
        ReadLimit { bytes: 0, ..ALL },
        ReadLimit { entries: 0, ..ALL },
        ReadLimit { entries: 0, bytes: 0 },
    ] {
        let first = page(store, &session, 6, limit).await;
        assert_eq!((positions(&first), first.more), (vec![7], true), "{limit:?}");
        let last = page(store, &session, 9, limit).await;
        assert_eq!((positions(&last), last.more), (vec![10], false), "{limit:?}");
    }
}

pub async fn behind_every_position_there_is_nothing(store: &Arc<dyn Store>) {
    let session = session_of_ten(store).await;
    // What follows may carry an index on.
    for now in 0..5 {
        create(store.as_ref(), now).await;
    }
    for after in [10, 11, 1 << 40, i64::MAX as u64 - 1, i64::MAX as u64, u64::MAX] {
        let page = page(store, &session, after, ALL).await;
        assert_eq!((positions(&page), page.more), (vec![], false), "{after}");
    }
}

pub async fn heads_are_where_the_logs_end(store: &Arc<dyn Store>) {
    let ten = session_of_ten(store).await;
    let one = create(store.as_ref(), 1).await;
    let unknown = SessionId(unique());
    let heads = async |ids: &[SessionId]| store.heads(ids).await.unwrap();
    assert_eq!(heads(&[one.id, unknown, ten.id]).await, [1, 0, 10].map(Position));
    assert_eq!(heads(&[ten.id, ten.id]).await, [10, 10].map(Position));
    assert_eq!(heads(&[]).await, []);
    record(store.as_ref(), draft(&one, 2, vec![joined(), says("x")]).commit()).await;
    assert_eq!(heads(&[ten.id, one.id]).await, [10, 3].map(Position));
    store.delete_session(ten.id, 1, "ann").await.unwrap();
    assert_eq!(heads(&[ten.id, one.id]).await, [0, 3].map(Position));
}

/// More than one read of a store gives.
pub async fn heads_of_thousands_come_in_their_order(store: &Arc<dyn Store>) {
    let session = create(store.as_ref(), 1).await;
    let mut ids: Vec<SessionId> = (0..3_000).map(|_| SessionId(unique())).collect();
    let places = [0, 999, 1_000, 2_500, 2_999];
    for place in places {
        ids[place] = session.id;
    }
    let heads = store.heads(&ids).await.unwrap();
    assert_eq!(heads.len(), ids.len());
    let found = heads.iter().enumerate().filter(|(_, it)| **it == Position(1));
    assert_eq!(found.map(|(place, _)| place).collect::<Vec<_>>(), places);
}

pub async fn the_end_of_all_logs_moves_with_every_append_and_with_nothing_else(
    store: &Arc<dyn Store>,
) {
    let end = async || store.log_end().await.unwrap();
    assert_eq!(end().await, end().await);
    let mut ends = vec![end().await];
    let one = create(store.as_ref(), 1).await;
    ends.push(end().await);
    let two = create(store.as_ref(), 1).await;
    ends.push(end().await);
    let said = draft(&one, 2, vec![joined(), says("x")]).commit();
    let one = record(store.as_ref(), said.clone()).await;
    ends.push(end().await);
    assert_eq!(store.append(&said).await, Ok(Appended::Conflict));
    store.last_seen(&[one.id]).await.unwrap();
    assert_eq!(Some(&end().await), ends.last());
    // What is gone needs no end, but what follows has one that was never there.
    store.delete_session(one.id, 1, "ann").await.unwrap();
    record(store.as_ref(), draft(&two, 3, vec![joined(), says("y")]).commit()).await;
    ends.push(end().await);
    let seen = ends.len();
    ends.sort_unstable();
    ends.dedup();
    assert_eq!(ends.len(), seen, "{ends:?}");
}

/// Entries with their sequences, of which a bar is an internal one:
/// 1 2 | | 3 | 4 5 | at the positions 1 to 9.
async fn session_with_internal_entries(store: &Arc<dyn Store>) -> Session {
    let session = create(store.as_ref(), 1).await;
    let start = |attempt| Event::TurnStarted {
        turn: Turn(1),
        attempt: AttemptId(attempt),
        input_to: Position(0),
    };
    let end = Event::TurnEnded { turn: Turn(1), outcome: TurnOutcome::Failed };
    let events = vec![joined(), start(1), start(2), says("a"), start(3), says("b"), says("c"), end];
    record(store.as_ref(), draft(&session, 2, events).commit()).await
}

pub async fn a_cursor_is_found_between_internal_entries(store: &Arc<dyn Store>) {
    let session = session_with_internal_entries(store).await;
    for (cursor, position) in [(0, 0), (1, 1), (2, 2), (3, 5), (4, 7), (5, 8)] {
        let found = store.position_of(session.id, Sequence(cursor)).await;
        assert_eq!(found, Ok(Position(position)), "cursor {cursor}");
    }
}

pub async fn a_cursor_beyond_the_end_is_the_end(store: &Arc<dyn Store>) {
    let session = session_with_internal_entries(store).await;
    for cursor in [6, 9, 10, 1_000_000, u64::MAX] {
        let found = store.position_of(session.id, Sequence(cursor)).await;
        assert_eq!(found, Ok(Position(9)), "cursor {cursor}");
    }
}
