use super::*;
use crate::sqlite::fresh::database;

fn row(position: i64, event: &str) -> EntryRow {
    let message_key = (position % 2 == 0).then_some([9; 16]);
    let id = [u8::try_from(position).unwrap(); 16];
    EntryRow { id, position, reached: position / 2, at: 77, message_key, event: event.into() }
}

fn same(row: &EntryRow, other: &EntryRow) -> bool {
    let parts = |it: &EntryRow| (it.id, it.position, it.reached, it.at, it.message_key);
    parts(row) == parts(other) && *row.event == *other.event
}

fn chunks(connection: &Connection) -> i64 {
    connection.query_row("select count(*) from log", [], |it| it.get(0)).unwrap()
}

#[test]
fn what_was_appended_is_read_at_its_place() {
    let (_folder, connection) = database();
    let mut appender = Appender::open(&connection, 0).unwrap();
    let words = "x".repeat(3 * CHUNK_BYTES);
    let rows: Vec<_> =
        (1..=60).map(|it| row(it, if it == 30 { &words } else { r#"{"is":"é"}"# })).collect();
    let places: Vec<_> = rows.iter().map(|it| appender.push(&connection, 3, it).unwrap()).collect();
    appender.finish(&connection).unwrap();
    // Those before the long one, that one, and those behind it.
    assert_eq!(chunks(&connection), 3);
    let mut log = LogReader::new(&connection).unwrap();
    for (row, place) in rows.iter().zip(&places).rev() {
        assert!(same(&log.entry(*place, 3, row.position).unwrap().unwrap(), row));
    }
    let mut walked = Vec::new();
    walk(&connection, 0, |place, record| {
        walked.push((place, record.session));
        Ok(true)
    })
    .unwrap();
    assert_eq!(walked, places.iter().map(|it| (*it, 3)).collect::<Vec<_>>());
    // Nobody is shown another one than was asked for.
    assert!(log.entry(places[0], 4, 1).is_err());
    assert!(log.entry(places[0], 3, 2).is_err());
    assert!(log.entry(Place { chunk: 1, slot: 200 }, 3, 1).is_err());
    assert!(log.entry(Place { chunk: 99, slot: 0 }, 3, 1).unwrap().is_none());
}

/// A walk that is not over ends where another one may begin.
#[test]
fn a_walk_ends_behind_a_whole_chunk() {
    let (_folder, connection) = database();
    let mut appender = Appender::open(&connection, 0).unwrap();
    for position in 1..=4 {
        appender.push(&connection, 1, &row(position, "{}")).unwrap();
        if position % 2 == 0 {
            appender.finish(&connection).unwrap();
        }
    }
    let mut shown = 0;
    walk(&connection, 0, |_, _| {
        shown += 1;
        Ok(false)
    })
    .unwrap();
    assert_eq!(shown, 2);
}

#[test]
fn what_is_deleted_leaves_the_places_of_the_others_alone() {
    let (_folder, connection) = database();
    let mut appender = Appender::open(&connection, 0).unwrap();
    let places: Vec<_> = (1..=6)
        .map(|it| appender.push(&connection, it % 2, &row(it, "some words")).unwrap())
        .collect();
    appender.finish(&connection).unwrap();
    delete(&connection, 0, &mut [places[0]]).unwrap_err();
    delete(&connection, 1, &mut [places[4], places[0], places[2]]).unwrap();
    let mut log = LogReader::new(&connection).unwrap();
    for (position, place) in (1..).zip(&places) {
        let found = log.entry(*place, position % 2, position).unwrap();
        assert_eq!(found.map(|it| it.position), (position % 2 == 0).then_some(position));
    }
    let bytes: i64 =
        connection.query_row("select length(records) from log", [], |it| it.get(0)).unwrap();
    assert_eq!(bytes, 3 * (4 + 49 + 16 + 10) + 3 * 4);
    // With the last of its entries goes the chunk.
    delete(&connection, 0, &mut [places[1], places[3], places[5]]).unwrap();
    assert_eq!(chunks(&connection), 0);
    assert!(LogReader::new(&connection).unwrap().entry(places[1], 0, 2).unwrap().is_none());
    // Twice is once.
    delete(&connection, 0, &mut [places[1]]).unwrap();
}

#[test]
fn what_is_no_chunk_is_an_error_and_no_entry() {
    let (_folder, connection) = database();
    let mut appender = Appender::open(&connection, 0).unwrap();
    appender.push(&connection, 1, &row(1, "x")).unwrap();
    let place = appender.push(&connection, 1, &row(2, "é")).unwrap();
    appender.finish(&connection).unwrap();
    let whole: Vec<u8> =
        connection.query_row("select records from log", [], |it| it.get(0)).unwrap();
    let read = |bytes: &[u8]| {
        connection.execute("update log set records = ?1", [bytes]).unwrap();
        LogReader::new(&connection).unwrap().entry(place, 1, 2)
    };
    assert!(read(&whole).unwrap().is_some());
    for end in 1..whole.len() {
        assert!(read(&whole[..end]).is_err(), "cut at {end}");
    }
    for (at, byte) in [(3, 3), (54 + 3, 3), (54 + 52, 7), (whole.len() - 1, b'x')] {
        let mut broken = whole.clone();
        broken[at] = byte;
        assert!(!matches!(read(&broken), Ok(Some(_))), "{byte} at {at}");
    }
}

/// The numbers of chunks only grow, whatever was deleted or rolled back.
#[test]
fn no_number_is_given_twice() {
    let (_folder, connection) = database();
    let mut appender = Appender::open(&connection, 7).unwrap();
    let first = appender.push(&connection, 1, &row(1, "a")).unwrap();
    appender.rolled_back();
    let second = appender.push(&connection, 1, &row(1, "b")).unwrap();
    appender.finish(&connection).unwrap();
    assert_eq!((first.chunk, second), (8, Place { chunk: 9, slot: 0 }));
    let mut again = Appender::open(&connection, 7).unwrap();
    assert_eq!(again.push(&connection, 1, &row(2, "c")).unwrap().chunk, 10);
}
