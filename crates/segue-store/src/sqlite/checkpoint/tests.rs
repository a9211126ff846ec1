use std::path::Path;
use std::sync::mpsc::{channel, sync_channel};

use rusqlite::Row;

use super::*;
use crate::sqlite::schema::{open_for_checkpoints, open_reader, open_writer, prepare_files};

fn thread_on(path: &Path) -> CheckpointThread {
    CheckpointThread {
        connection: open_for_checkpoints(path).unwrap(),
        written: sync_channel(1).1,
        stop: channel().1,
        restart: Arc::default(),
    }
}

fn write(writer: &Connection, bytes: i64) {
    let sql = "insert into bot_states
        select coalesce(max(session), 0) + 1, hex(zeroblob(?1)) from bot_states";
    writer.execute(sql, [bytes / 2]).unwrap();
}

/// Pages in the write-ahead log, and how many of them the database has, too.
fn pages(connection: &Connection) -> Pages {
    let sql = "pragma wal_checkpoint(noop)";
    let pages = |row: &Row<'_>| Ok(Pages { logged: row.get(1)?, carried: row.get(2)? });
    connection.query_row(sql, [], pages).unwrap()
}

struct Pages {
    logged: i64,
    carried: i64,
}

#[test]
fn everything_is_carried_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let _lock = prepare_files(&path).unwrap();
    let writer = open_writer(&path).unwrap();
    let thread = thread_on(&path);

    write(&writer, 100_000);
    assert!(pages(&writer).carried < pages(&writer).logged, "the writer does not stop for it");
    thread.checkpoint().unwrap();
    assert_eq!(pages(&writer).carried, pages(&writer).logged);
    assert!(!thread.restart.load(Ordering::Relaxed));
}

#[test]
fn a_large_log_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let _lock = prepare_files(&path).unwrap();
    let writer = open_writer(&path).unwrap();
    let thread = thread_on(&path);

    write(&writer, 100_000);
    thread.checkpoint().unwrap();
    assert!(!thread.restart.load(Ordering::Relaxed), "a small log is left alone");
    let reader = open_reader(&path).unwrap();
    let reading = reader.unchecked_transaction().unwrap();
    reading.query_row("select count(*) from bot_states", [], |_| Ok(())).unwrap();
    write(&writer, 4_096 * (WAL_PAGES_MAX + 100));
    thread.checkpoint().unwrap();
    assert!(thread.restart.swap(false, Ordering::Relaxed));

    assert_eq!(restart_log(&writer), Ok(false));
    write(&writer, 100);
    assert!(pages(&writer).logged > WAL_PAGES_MAX, "the reader is in the way");
    drop(reading);
    // Everything of that moment is carried over, but a writer under load is always ahead.
    thread.checkpoint().unwrap();
    assert!(thread.restart.load(Ordering::Relaxed));
    write(&writer, 100);
    assert_eq!(restart_log(&writer), Ok(true));
    write(&writer, 100);
    assert!(pages(&writer).logged < 100);
}
