//! What can be wrong with the place of a store.

use std::path::PathBuf;

/// Why there is no store. Said once, at the start, to whoever started the program.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else has the folder.
    #[error("the data folder {} is in use by another process", folder.display())]
    Locked {
        /// Which.
        folder: PathBuf,
    },
    /// The folder or a file in it cannot be made or opened.
    #[error("cannot open {}: {cause}", path.display())]
    Files {
        /// What could not be opened.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// SQLite cannot use the file.
    #[error("cannot open database {}: {cause}", path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// In SQLite's words.
        cause: String,
    },
    /// What SQLite finds in it does not fit together.
    #[error("database {} is damaged: {what}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// The first fault, in SQLite's words.
        what: String,
    },
    /// It is a database, but of another program.
    #[error("{} is not a database of Segue", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// A newer Segue has written it.
    #[error(
        "database {} has schema version {found}, this program knows versions up to {known}: \
         use the newer version of Segue that wrote it",
        path.display()
    )]
    TooNew {
        /// Which.
        path: PathBuf,
        /// What it has.
        found: i64,
        /// What this program can do.
        known: i64,
    },
    /// It was to be read only, and lacks what this version expects.
    #[error(
        "database {} has schema version {found}, which must first be brought to {known}: \
         start the server once",
        path.display()
    )]
    TooOld {
        /// Which.
        path: PathBuf,
        /// What it has.
        found: i64,
        /// What this program expects.
        known: i64,
    },
    /// The file system cannot keep what the log promises.
    #[error("database {} cannot have a write-ahead log, only {found:?}", path.display())]
    NoWriteAheadLog {
        /// Which.
        path: PathBuf,
        /// The journal mode that SQLite fell back to.
        found: String,
    },
}
