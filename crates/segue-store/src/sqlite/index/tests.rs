use super::*;
use crate::sqlite::schema::{open_writer, prepare_files};

fn row(position: i64) -> Arc<EntryRow> {
    let (id, reached, at, event) = ([0; 16], position, 1, "{}".to_owned());
    Arc::new(EntryRow { id, position, reached, at, message_key: Some([1; 16]), event })
}

/// It would be found by nobody, and stay in memory for ever.
#[test]
fn a_deleted_session_leaves_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let _lock = prepare_files(&path).unwrap();
    let connection = open_writer(&path).unwrap();
    let mut index = Index::open(&connection, IndexPace::default()).unwrap();
    let session = [7; 16];
    index.append(&connection, 1, session, row(1)).unwrap();
    index.work(&connection).unwrap();
    index.committed();
    index.append(&connection, 1, session, row(2)).unwrap();
    assert_eq!((index.head(&session), index.tail().head(&session)), (Some(2), Some(1)));
    index.delete(&connection, 1).unwrap();
    index.committed();
    assert_eq!((index.head(&session), index.tail().head(&session)), (None, None));
    assert!(index.waiting.is_empty());
    let left: i64 = connection.query_row("select count(*) from log", [], |it| it.get(0)).unwrap();
    assert_eq!(left, 0);
}
