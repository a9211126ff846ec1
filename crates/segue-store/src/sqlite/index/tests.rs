use rusqlite::params;

use super::*;
use crate::sqlite::fresh::database;

fn row(position: i64) -> EntryRow {
    let (id, reached, at, event) = ([0; 16], position, 1, "{}".into());
    EntryRow { id, position, reached, at, message_key: Some([1; 16]), event }
}

/// It would be found by nobody, and stay in memory for ever.
#[test]
fn a_deleted_session_leaves_the_memory() {
    let (_folder, connection) = database();
    let mut index = Index::open(&connection, IndexPace::default()).unwrap();
    let session = [7; 16];
    index.append(&connection, 1, session, &row(1)).unwrap();
    index.work(&connection).unwrap();
    index.committed();
    index.append(&connection, 1, session, &row(2)).unwrap();
    assert_eq!((index.head(&session), index.tail().head(&session)), (Some(2), Some(1)));
    index.delete(&connection, 1).unwrap();
    index.committed();
    assert_eq!((index.head(&session), index.tail().head(&session)), (None, None));
    assert!(index.waiting.is_empty());
    let left: i64 = connection.query_row("select count(*) from log", [], |it| it.get(0)).unwrap();
    assert_eq!(left, 0);
}

/// What a process that dies had indexed of its batch is met again by the next.
#[test]
fn an_entry_is_indexed_once_however_often_it_is_begun() {
    let (_folder, connection) = database();
    let pace = IndexPace { batch_entries: 6, step_entries: 1 };
    let mut index = Index::open(&connection, pace).unwrap();
    for key in [1, 2] {
        connection
            .execute(
                "insert into sessions (key, id, facts) values (?1, ?2, '')",
                params![key, [key; 16]],
            )
            .unwrap();
        for position in 1..=3 {
            index.append(&connection, key.into(), [key; 16], &row(position)).unwrap();
        }
    }
    index.work(&connection).unwrap();
    index.committed();
    // Those of the first session.
    index.work(&connection).unwrap();
    index.committed();
    let indexed = |session| {
        let mut places = Vec::new();
        segments::walk(&connection, session, 0, |it| {
            places.push(it.place);
            Ok(true)
        })
        .unwrap();
        places
    };
    assert_eq!((indexed(1).len(), indexed(2).len()), (3, 0));

    let mut again = Index::open(&connection, pace).unwrap();
    again.append(&connection, 1, [1; 16], &row(4)).unwrap();
    again.work(&connection).unwrap();
    again.committed();
    again.finish(&connection).unwrap();
    let chunks = |session| indexed(session).iter().map(|it| it.chunk).collect::<Vec<_>>();
    assert_eq!((chunks(1), chunks(2)), (vec![1, 1, 1, 2], vec![1, 1, 1]));
    assert_eq!(indexed_to(&connection).unwrap(), 2);
}
