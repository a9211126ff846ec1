//! Opening the database: the folder and its lock, the connections and their settings, the schema.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::OpenError;
use crate::limits::{
    LOCK_WAIT_MS, READER_CACHE_KIB, STATEMENTS_MAX, WAL_BYTES_KEPT, WRITER_CACHE_KIB,
};

/// Each brings the schema from the version before it to its own, counted from 1. Once released, one
/// is never changed: add another.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_log.sql"),
    include_str!("../../migrations/sqlite/0002_archive.sql"),
    include_str!("../../migrations/sqlite/0003_states.sql"),
    include_str!("../../migrations/sqlite/0004_index.sql"),
    include_str!("../../migrations/sqlite/0005_chunks.sql"),
    include_str!("../../migrations/sqlite/0006_segments.sql"),
];

/// Marks a database as Segue's, so that a path to something else is noticed before it is changed.
const APPLICATION_ID: i64 = 0x5365_6775;

const LOCK_FILE: &str = "segue.lock";

/// Makes the folder and the file where they are missing, readable by nobody else, and takes the
/// folder for this process until the returned file is unlocked or closed.
pub fn prepare_files(path: &Path) -> Result<File, OpenError> {
    let lock = prepare_folder(path)?;
    let folder = folder_of(path);
    let failed = |path: &Path, cause| OpenError::Files { path: path.to_owned(), cause };
    // SQLite gives its other files the permissions of this one. One that exists is not even opened:
    // closing it would take away the locks that SQLite has on it elsewhere in this process.
    match private_file().create_new(true).open(path) {
        Ok(_) => {}
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(failed(path, cause)),
    }
    // The names must be as durable as what will be in the files.
    sync_folder(&folder).map_err(|cause| failed(&folder, cause))?;
    Ok(lock)
}

/// Makes the folder of this database where it is missing, and takes it for this process until the
/// returned file is unlocked or closed.
pub fn prepare_folder(path: &Path) -> Result<File, OpenError> {
    let folder = folder_of(path);
    let failed = |path: &Path, cause| OpenError::Files { path: path.to_owned(), cause };
    make_folder(&folder).map_err(|cause| failed(&folder, cause))?;

    let lock_path = lock_path(path);
    let lock = private_file()
        .create(true)
        .truncate(false)
        .open(&lock_path)
        .map_err(|cause| failed(&lock_path, cause))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { folder }),
        Err(TryLockError::Error(cause)) => Err(failed(&lock_path, cause)),
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// What is locked for whoever has the database.
pub fn lock_path(path: &Path) -> PathBuf {
    folder_of(path).join(LOCK_FILE)
}

/// The write-ahead log of a database, as SQLite names it.
pub fn wal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    for parent in fs::canonicalize(folder)?.ancestors().skip(1) {
        // Some parents may not be read, hence not be synced. File systems with a journal make them
        // durable with what is in them.
        let _ = sync_folder(parent);
    }
    Ok(())
}

pub fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The one connection that writes, with the schema of today and every lease given up: whoever held
/// one died before this process could take the folder.
pub fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let failed = |cause| database_error(path, &cause);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    set_up(&connection).map_err(failed)?;

    // Before anything is changed in what may be somebody else's.
    let version = checked_version(&connection, path)?;
    if version == 0 {
        connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    }
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(failed)?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog { path: path.to_owned(), found: mode });
    }
    set_up_writer(&connection).map_err(failed)?;
    migrate(&mut connection, version).map_err(failed)?;
    connection
        .execute("update jobs set node = null, lease_until = null where node is not null", [])
        .map_err(failed)?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    // One plan for all values: SQLite would make a new one whenever another number is bound to a
    // condition that a range of an index answers, which takes longer than the search.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.busy_timeout(Duration::from_millis(LOCK_WAIT_MS))
}

fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    // FULL syncs the write-ahead log with every commit; NORMAL may lose what was acknowledged.
    connection.pragma_update(None, "synchronous", "full")?;
    // The checkpoints have a thread of their own: here each would hold up a commit.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    set_cache(connection, WRITER_CACHE_KIB)
}

fn set_cache(connection: &Connection, kib: usize) -> rusqlite::Result<()> {
    let kib = i64::try_from(kib).expect("a limit fits a column");
    // Negative means KiB, positive would be pages.
    connection.pragma_update(None, "cache_size", -kib)
}

/// The connection that carries what was written from the write-ahead log into the database.
pub fn open_for_checkpoints(path: &Path) -> Result<Connection, OpenError> {
    let failed = |cause| database_error(path, &cause);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    set_up(&connection).map_err(failed)?;
    connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
    Ok(connection)
}

/// A connection that only reads.
pub fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let failed = |cause| database_error(path, &cause);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    set_up(&connection).map_err(failed)?;
    set_cache(&connection, READER_CACHE_KIB).map_err(failed)?;
    Ok(connection)
}

/// Refuses a schema that this program cannot read as it is.
pub fn check_readable(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let (found, known) = (checked_version(connection, path)?, known_version());
    if found < known {
        return Err(OpenError::TooOld { path: path.to_owned(), found, known });
    }
    Ok(())
}

fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("there are few migrations")
}

/// The version of the schema, zero in an empty database.
pub fn checked_version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let failed = |cause| database_error(path, &cause);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = pragma("user_version").map_err(failed)?;
    let application = pragma("application_id").map_err(failed)?;
    let tables: i64 = connection
        .query_row("select count(*) from sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    if application != APPLICATION_ID && (application != 0 || found != 0 || tables != 0) {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let known = known_version();
    if found > known {
        return Err(OpenError::TooNew { path: path.to_owned(), found, known });
    }
    Ok(found)
}

fn migrate(connection: &mut Connection, version: i64) -> rusqlite::Result<()> {
    // Pages that a change frees may hold what is deleted later.
    connection.pragma_update(None, "secure_delete", true)?;
    for (number, script) in (1_i64..).zip(MIGRATIONS) {
        if number <= version {
            continue;
        }
        // The number changes with the schema or not at all: a crash here leaves the version before.
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute_batch(script)?;
        change.pragma_update(None, "user_version", number)?;
        change.commit()?;
    }
    // What moves from page to page is overwritten where it was: it may be deleted later, and only where
    // it is then. Freed pages are so when something is deleted.
    connection.pragma_update(None, "secure_delete", "fast")
}

pub fn database_error(path: &Path, cause: &rusqlite::Error) -> OpenError {
    match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign { path: path.to_owned() },
        Some(ErrorCode::DatabaseCorrupt) => {
            OpenError::Damaged { path: path.to_owned(), what: cause.to_string() }
        }
        _ => OpenError::Database { path: path.to_owned(), cause: cause.to_string() },
    }
}
