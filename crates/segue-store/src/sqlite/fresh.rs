//! A database for one unit test.

use rusqlite::Connection;
use tempfile::TempDir;

use super::schema::{open_writer, prepare_files};

/// An empty one with the schema of today, as the writer has it; its folder goes with what is returned.
pub fn database() -> (TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("segue.db");
    let _lock = prepare_files(&path).unwrap();
    let connection = open_writer(&path).unwrap();
    (folder, connection)
}
