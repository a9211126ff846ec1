use super::*;
use crate::sqlite::fresh::database;
use crate::sqlite::log::Appender;

fn place(chunk: i64) -> Place {
    Place { chunk, slot: u16::try_from(chunk % 7).unwrap() }
}

/// The chunks that a walk shows.
fn walked(connection: &Connection, session: i64, from: i64) -> Vec<i64> {
    let mut chunks = Vec::new();
    let mut next = from.max(1);
    walk(connection, session, from, |it| {
        assert_eq!((it.position, it.place), (next, place(it.place.chunk)));
        next += 1;
        chunks.push(it.place.chunk);
        Ok(true)
    })
    .unwrap();
    chunks
}

#[test]
fn a_segment_takes_so_many_entries_of_the_chunks_near_it() {
    let mut segment = Segment::new(1, 1, 5);
    assert_eq!(segment.last(), 0);
    for chunk in (5..).take(SEGMENT_ENTRIES) {
        assert!(segment.push(place(chunk), None));
    }
    assert!(!segment.push(place(100), None));
    assert_eq!(usize::try_from(segment.last()).unwrap(), SEGMENT_ENTRIES);
    let mut segment = Segment::new(1, 1, 5);
    assert!(!segment.push(place(4), None), "no chunk before its first");
    assert!(segment.push(place(5 + i64::from(u32::MAX)), None));
    assert!(!segment.push(place(6 + i64::from(u32::MAX)), None));
}

#[test]
fn four_full_segments_lie_in_a_page() {
    let (_folder, connection) = database();
    let pages = || {
        let count = "select count(*) from dbstat where name = 'segments' and pagetype = 'leaf'";
        connection.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    for (written, first) in (1..=8).zip((1..).step_by(SEGMENT_ENTRIES)) {
        let mut segment = Segment::new(SESSION_KEY_MAX, first, 1);
        while segment.push(place(1), Some([7; 16])) {}
        segment.write(&connection).unwrap();
        assert_eq!(pages(), (written + 3) / 4);
    }
}

#[test]
fn the_last_session_and_the_last_position_have_a_row() {
    let (_folder, connection) = database();
    for session in [SESSION_KEY_MAX - 1, SESSION_KEY_MAX] {
        let mut segment = Segment::new(session, POSITION_MAX, 1);
        assert!(segment.push(place(1), None));
        segment.write(&connection).unwrap();
        assert_eq!(head(&connection, session).unwrap(), POSITION_MAX);
    }
    assert_eq!(head(&connection, SESSION_KEY_MAX - 2).unwrap(), 0);
    assert!(Segment::new(SESSION_KEY_MAX + 1, 1, 1).write(&connection).is_err());
    assert!(Segment::new(1, POSITION_MAX + 1, 1).write(&connection).is_err());
    assert!(Segment::new(1, -1, 1).write(&connection).is_err());
}

#[test]
fn entries_are_found_from_any_position_on() {
    let (_folder, connection) = database();
    for session in [1, 2, 3] {
        for first in [1, 11, 21] {
            let mut segment = Segment::new(session, first, session * 1_000);
            for position in first..first + 10 {
                assert!(segment.push(place(session * 1_000 + position), None));
            }
            segment.write(&connection).unwrap();
        }
    }
    assert_eq!(head(&connection, 2).unwrap(), 30);
    assert_eq!(head(&connection, 4).unwrap(), 0);
    for from in 0..=32 {
        let expected: Vec<_> = (from.max(1)..=30).map(|it| 2_000 + it).collect();
        assert_eq!(walked(&connection, 2, from), expected, "from {from}");
    }
    assert_eq!(walked(&connection, 4, 1), [0; 0]);
    delete(&connection, 2).unwrap();
    assert_eq!(walked(&connection, 2, 1), [0; 0]);
    assert_eq!(walked(&connection, 3, 30), [3_030]);
}

#[test]
fn what_is_no_segment_is_an_error() {
    let (_folder, connection) = database();
    for length in [0, 7, 9, 21] {
        connection
            .execute("insert into segments values ((?1 + 1) << 28 | 1, zeroblob(?1))", [length])
            .unwrap();
        assert!(head(&connection, length + 1).is_err(), "{length} bytes");
    }
    // Numbers that no segment has.
    for (first, base) in [(0, 1), (1, 0), (1, i64::MAX - 9)] {
        connection.execute("delete from segments", []).unwrap();
        let mut segment = Segment::new(7, first, base);
        assert!(segment.push(Place { chunk: base, slot: 0 }, None));
        segment.write(&connection).unwrap();
        assert!(head(&connection, 7).is_err(), "from {first}, based on {base}");
    }
}

#[test]
fn a_gap_between_segments_is_an_error() {
    let (_folder, connection) = database();
    let write = |first| {
        let mut segment = Segment::new(1, first, 1);
        for _ in 0..5 {
            assert!(segment.push(place(1), None));
        }
        segment.write(&connection).unwrap();
    };
    let all = || walk(&connection, 1, 0, |_| Ok(true));
    write(6);
    assert!(all().is_err(), "the beginning is missing");
    write(1);
    all().unwrap();
    write(12);
    assert!(all().is_err(), "the eleventh is missing");
    write(11);
    assert!(all().is_err(), "some are there twice");
}

/// A fingerprint is half a digest: whoever looks like another is not taken for it.
#[test]
fn messages_whose_fingerprints_are_the_same_are_told_apart() {
    let (_folder, connection) = database();
    let digest = |end| {
        let mut digest = [7; 16];
        digest[15] = end;
        digest
    };
    let mut log = Appender::open(&connection, 0).unwrap();
    let mut segment = Segment::new(1, 1, 1);
    for position in 1..=3 {
        let message_key = Some(digest(u8::try_from(position).unwrap()));
        let (id, event) = ([0; 16], "{}".into());
        let row = EntryRow { id, position, reached: position, at: 1, message_key, event };
        assert!(segment.push(log.push(&connection, 1, &row).unwrap(), message_key));
    }
    log.finish(&connection).unwrap();
    segment.write(&connection).unwrap();
    let found = |end| message(&connection, 1, digest(end)).unwrap().map(|it| it.position);
    assert_eq!([1, 2, 3, 4].map(found), [Some(1), Some(2), Some(3), None]);
}
