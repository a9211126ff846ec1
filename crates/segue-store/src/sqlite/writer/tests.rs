use std::sync::mpsc::sync_channel;

use super::*;
use crate::sqlite::schema::{open_writer, prepare_files};

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

#[test]
fn the_writer_begins_the_log_anew_when_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let _lock = prepare_files(&path).unwrap();
    let (sender, queue) = mpsc::channel(10);
    let (written, _has_written) = sync_channel(1);
    let mut writer = WriterThread {
        writing: Writing::new(open_writer(&path).unwrap()).unwrap(),
        queue,
        written,
        restart: Arc::new(AtomicBool::new(true)),
        on_group: Arc::new(|_| {}),
        hooks: Hooks::default(),
        is_failing: false,
    };
    let (change, mut answer) = Change::new(0, |writing: &mut Writing| {
        let sql = "insert into bot_states values (1, hex(zeroblob(1000000)))";
        writing.connection.execute(sql, [])
    });
    sender.try_send(Box::new(change)).unwrap();

    assert_eq!(writer.write_next(&mut Waiting::new()), Ok(true));
    assert_eq!(answer.try_recv().unwrap(), Ok(1));
    assert!(!writer.restart.load(Ordering::Relaxed));
    // The next write is the first one in the log.
    let connection = &writer.writing.connection;
    connection.execute("update alive set checks = 1", []).unwrap();
    let logged = |row: &rusqlite::Row<'_>| row.get::<_, i64>(1);
    let pages = connection.query_row("pragma wal_checkpoint(noop)", [], logged).unwrap();
    assert!(pages < 100, "{pages} pages");
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
