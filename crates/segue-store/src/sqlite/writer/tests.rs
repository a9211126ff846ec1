use std::path::Path;
use std::sync::mpsc::sync_channel;

use super::*;
use crate::sqlite::schema::{open_reader, open_writer, prepare_files};

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

#[test]
fn a_failed_sync_is_the_end_wherever_it_happens() {
    for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC] {
        assert!(is_fate_unknown(Stage::BeforeCommit, &failure(code)));
        assert!(is_fate_unknown(Stage::Commit, &failure(code)));
    }
}

#[test]
fn another_failure_of_the_disk_is_the_end_only_where_it_may_have_been_the_commit() {
    let failure = failure(ffi::SQLITE_IOERR_READ);
    assert!(!is_fate_unknown(Stage::BeforeCommit, &failure));
    assert!(is_fate_unknown(Stage::Commit, &failure));
}

#[test]
fn what_passes_is_never_the_end() {
    for code in [
        ffi::SQLITE_FULL,
        ffi::SQLITE_BUSY,
        ffi::SQLITE_NOMEM,
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_IOERR_SHMSIZE,
        ffi::SQLITE_CONSTRAINT_UNIQUE,
    ] {
        assert!(!is_fate_unknown(Stage::BeforeCommit, &failure(code)), "{code}");
        assert!(!is_fate_unknown(Stage::Commit, &failure(code)), "{code}");
    }
}

/// A writer that is asked to begin the log anew, and the way to it.
fn writer_on(path: &Path) -> (WriterThread, mpsc::Sender<Box<dyn Write>>) {
    let (sender, queue) = mpsc::channel(10);
    let writer = WriterThread {
        writing: Writing::new(open_writer(path).unwrap(), IndexPace::default()).unwrap(),
        queue,
        written: sync_channel(1).0,
        restart: Arc::new(AtomicBool::new(true)),
        on_group: Arc::new(|_| {}),
        hooks: Hooks::default(),
        is_failing: false,
        tidy_at: Instant::now(),
        commits_take: Duration::ZERO,
    };
    (writer, sender)
}

#[test]
fn a_group_lasts_four_commits_within_its_bounds() {
    for (commits_ms, group_ms) in [(0, 2), (1, 4), (5, 20), (25, 100), (1_000, 100)] {
        let expected = Duration::from_millis(group_ms);
        assert_eq!(group_time(Duration::from_millis(commits_ms)), expected, "{commits_ms}");
    }
}

/// Each takes longer than a group may.
#[test]
fn what_comes_too_late_for_a_group_is_first_in_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let _lock = prepare_files(&path).unwrap();
    let (mut writer, sender) = writer_on(&path);
    let mut answers = Vec::new();
    for number in 0..4 {
        let (change, answer) = Change::new(1, move |_| {
            let began_at = Instant::now();
            while began_at.elapsed() <= Duration::from_millis(GROUP_MS_MIN) {}
            Ok(number)
        });
        sender.try_send(Box::new(change)).unwrap();
        answers.push(answer);
    }
    let mut waiting = Waiting::new();
    for (number, mut answer) in (0..).zip(answers) {
        assert!(answer.try_recv().is_err(), "{number} was answered with the one before it");
        // However slow this disk is.
        writer.commits_take = Duration::ZERO;
        assert!(writer.write_next(&mut waiting).unwrap());
        assert_eq!(answer.try_recv().unwrap(), Ok(number));
    }
}

fn large_change(writing: &mut Writing) -> rusqlite::Result<usize> {
    let sql = "insert into bot_states
        select coalesce(max(session), 0) + 1, hex(zeroblob(1000000)) from bot_states";
    writing.connection.execute(sql, [])
}

/// Pages in the log after one more small write.
fn logged(writer: &WriterThread) -> i64 {
    let connection = &writer.writing.connection;
    connection.execute("update alive set checks = checks + 1", []).unwrap();
    let logged = |row: &rusqlite::Row<'_>| row.get::<_, i64>(1);
    connection.query_row("pragma wal_checkpoint(noop)", [], logged).unwrap()
}

#[test]
fn the_writer_begins_the_log_anew_when_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let _lock = prepare_files(&path).unwrap();
    let (mut writer, sender) = writer_on(&path);
    let (change, mut answer) = Change::new(0, large_change);
    sender.try_send(Box::new(change)).unwrap();

    assert_eq!(writer.write_next(&mut Waiting::new()), Ok(true));
    assert_eq!(answer.try_recv().unwrap(), Ok(1));
    assert!(!writer.restart.load(Ordering::Relaxed));
    // The next write is the first one in the log.
    assert!(logged(&writer) < 100);
}

/// A backup reads for minutes: the writer waits for it once in a while, not after every group.
#[test]
fn a_reader_that_stays_does_not_hold_up_the_writer_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let _lock = prepare_files(&path).unwrap();
    let (mut writer, sender) = writer_on(&path);
    let reader = open_reader(&path).unwrap();
    let reading = reader.unchecked_transaction().unwrap();
    reading.query_row("select count(*) from bot_states", [], |_| Ok(())).unwrap();
    for has_erased in [true, false] {
        writer.tidy_at = Instant::now();
        writer.writing.has_erased = has_erased;
        let mut tries = 0;
        for _ in 0..10 {
            writer.restart.store(true, Ordering::Relaxed);
            let before = writer.tidy_at;
            sender.try_send(Box::new(Change::new(0, large_change).0)).unwrap();
            assert_eq!(writer.write_next(&mut Waiting::new()), Ok(true));
            tries += u32::from(writer.tidy_at != before);
            // As if the machine were quick.
            writer.tidy_at += Duration::from_mins(1);
        }
        assert_eq!(tries, 1);
        assert_eq!(writer.writing.has_erased, has_erased);
    }
    drop(reading);
    writer.tidy_at = Instant::now();
    writer.writing.has_erased = true;
    writer.tidy_log().unwrap();
    assert!(!writer.writing.has_erased);
    assert!(logged(&writer) < 100);
}

#[test]
fn a_group_ends_where_it_has_enough_bytes() {
    let writes = |bytes: &[usize]| -> Waiting {
        let write = |bytes: &usize| -> Box<dyn Write> {
            Box::new(Change::new(*bytes, |_: &mut Writing| Ok(())).0)
        };
        bytes.iter().map(write).collect()
    };
    assert_eq!(group_len(&writes(&[1, 2, 3])), 3);
    assert_eq!(group_len(&writes(&[1, GROUP_BYTES_MAX, 1, 1])), 2);
    assert_eq!(group_len(&writes(&[GROUP_BYTES_MAX * 3, 1])), 1);
}
