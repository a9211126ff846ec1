//! The store that a configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use segue_core::ports::Store;

use crate::{MemoryStore, SqliteOptions, SqliteStore};

/// Why there is no store. Said once, at the start, to whoever started the program.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration names no store that there is.
    #[error("unknown store {url:?}: write \"memory:\" or \"sqlite:PATH\"")]
    UnknownUrl {
        /// As written.
        url: String,
    },
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

/// An open store, and what is needed to close it.
pub struct Opened {
    /// To be shared.
    pub store: Arc<dyn Store>,
    sqlite: Option<Arc<SqliteStore>>,
}

impl Opened {
    /// Finishes what was asked of the store, leaves one tidy file and frees the data folder.
    /// Whoever asks for something afterwards is told that the store is closed.
    pub async fn close(&self) {
        if let Some(sqlite) = &self.sqlite {
            sqlite.close().await;
        }
    }
}

/// Opens the store that `url` names: `memory:` or `sqlite:PATH`, where a relative path starts at
/// the working directory. Blocks while it opens.
pub fn open_url(url: &str) -> Result<Opened, OpenError> {
    if url == "memory:" {
        return Ok(Opened { store: Arc::new(MemoryStore::new()), sqlite: None });
    }
    let path = url.strip_prefix("sqlite:").filter(|path| {
        // "sqlite://data/x" would be the absolute path "/data/x", which nobody means.
        !path.is_empty() && !path.starts_with("//") && !path.starts_with(':')
    });
    let Some(path) = path else { return Err(OpenError::UnknownUrl { url: url.to_owned() }) };
    let sqlite = Arc::new(SqliteStore::open(SqliteOptions::new(path))?);
    Ok(Opened { store: Arc::<SqliteStore>::clone(&sqlite), sqlite: Some(sqlite) })
}
