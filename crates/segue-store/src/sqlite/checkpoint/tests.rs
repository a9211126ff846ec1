use std::path::Path;
use std::sync::mpsc::{channel, sync_channel};

use super::*;
use crate::sqlite::schema::{open_for_checkpoints, open_reader, open_writer, prepare_files};

fn thread_on(path: &Path) -> CheckpointThread {
    let connection = open_for_checkpoints(path).unwrap();
    CheckpointThread { connection, written: sync_channel(1).1, stop: channel().1 }
}

fn write(writer: &Connection, bytes: i64) {
    let sql = "insert into bot_states
        select coalesce(max(session), 0) + 1, hex(zeroblob(?1)) from bot_states";
    writer.execute(sql, [bytes / 2]).unwrap();
}

/// Pages in the write-ahead log, and how many of them the database has, too.
fn wal_pages(connection: &Connection) -> (i64, i64) {
    let sql = "pragma wal_checkpoint(noop)";
    connection.query_row(sql, [], |row| Ok((row.get(1)?, row.get(2)?))).unwrap()
}

#[test]
fn everything_is_carried_over_and_a_large_log_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let _lock = prepare_files(&path).unwrap();
    let writer = open_writer(&path).unwrap();
    let checkpoints = thread_on(&path);

    write(&writer, 100_000);
    let (pages, carried) = wal_pages(&writer);
    assert!(pages > carried, "the writer does not stop for it");
    checkpoints.checkpoint().unwrap();
    let (pages, carried) = wal_pages(&writer);
    assert_eq!(pages, carried);

    // A reader that is still at it keeps the log from being begun anew by itself.
    let reader = open_reader(&path).unwrap();
    let reading = reader.unchecked_transaction().unwrap();
    reading.query_row("select count(*) from bot_states", [], |_| Ok(())).unwrap();
    write(&writer, 4_096 * (WAL_PAGES_MAX + 100));
    checkpoints.checkpoint().unwrap();
    assert!(wal_pages(&writer).0 > WAL_PAGES_MAX);
    drop(reading);
    checkpoints.checkpoint().unwrap();
    write(&writer, 100);
    assert!(wal_pages(&writer).0 < 100, "the log was begun anew");
}
