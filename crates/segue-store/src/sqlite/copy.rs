//! Copies of a database: made while a server writes to it, looked at before one takes its place
//! (docs/adr/0027-backup-by-vacuum.md).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::schema::{
    checked_version, database_error, open_reader, prepare_folder, private_file, sync_folder,
    wal_path,
};
use crate::OpenError;

/// Takes the data folder of this database for this process, until what is returned is dropped. The
/// folder is made where it is missing, the database is not.
pub fn lock_folder(database: &Path) -> Result<File, OpenError> {
    prepare_folder(database)
}

/// A database and what SQLite keeps beside it, whether they are there or not.
pub fn database_files(database: &Path) -> [PathBuf; 3] {
    let mut index = database.as_os_str().to_owned();
    index.push("-shm");
    [database.to_owned(), wal_path(database), PathBuf::from(index)]
}

/// Copies a database as it is at one moment into a new file that nobody else may read, and syncs it.
/// Everything that was committed before is in it; pages that were freed are not. Whoever writes
/// meanwhile is not held up, but its write-ahead log grows until the copy is made.
///
/// The schema may be older than that of this program. Blocks, for as long as it takes to read and
/// write all of it.
pub fn copy_database(database: &Path, copy: &Path) -> Result<(), OpenError> {
    let failed = |cause| OpenError::Files { path: copy.to_owned(), cause };
    let reader = open_reader(database)?;
    checked_version(&reader, database)?;
    // SQLite takes an empty file for none, and would give another one the permissions of the umask.
    private_file().create_new(true).open(copy).map_err(failed)?;
    // Absolute, so that SQLite takes no name for a URI.
    let target = std::path::absolute(copy).map_err(failed)?;
    let target = target.to_str().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
    reader.execute("vacuum into ?1", [target]).map_err(|it| database_error(database, &it))?;
    File::open(copy).and_then(|it| it.sync_all()).map_err(failed)?;
    sync_folder(copy.parent().unwrap_or(copy)).map_err(failed)
}

/// Reads all of a copy and returns the version of its schema, which this program knows. Blocks.
pub fn check_copy(copy: &Path) -> Result<i64, OpenError> {
    // An empty database would be as good as none to SQLite.
    fs::metadata(copy).map_err(|cause| OpenError::Files { path: copy.to_owned(), cause })?;
    let connection = open_reader(copy)?;
    let version = checked_version(&connection, copy)?;
    let what = match version {
        0 => "there is nothing in it".to_owned(),
        _ => first_fault(&connection).map_err(|it| database_error(copy, &it))?,
    };
    match what.as_str() {
        "ok" => Ok(version),
        _ => Err(OpenError::Damaged { path: copy.to_owned(), what }),
    }
}

/// `ok`, or what is wrong.
fn first_fault(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("pragma integrity_check(1)", [], |row| row.get(0))
}
