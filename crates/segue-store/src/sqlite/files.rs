//! The files of a database under their names: an open one that was removed or replaced still takes
//! writes, and the next start finds none of them.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::schema::{lock_path, wal_path};

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFault {
    file: &'static str,
    is_there: bool,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_there { "replaced" } else { "removed" };
        write!(f, "the {} was {what}", self.file)
    }
}

impl std::error::Error for FileFault {}

/// Which files they were when they were opened.
#[derive(Debug)]
pub struct Files(Vec<Opened>);

#[derive(Debug)]
struct Opened {
    what: &'static str,
    path: PathBuf,
    identity: Identity,
}

/// Device and number: the same only for the same file.
type Identity = (u64, u64);

impl Files {
    /// Those of a database that has just been opened, as far as they are there.
    pub fn of(path: &Path) -> Self {
        let names = [
            ("database", path.to_owned()),
            ("write-ahead log", wal_path(path)),
            ("lock of the data folder", lock_path(path)),
        ];
        let opened = names
            .into_iter()
            .filter_map(|(what, path)| Some(Opened { what, identity: identity(&path)?, path }));
        Self(opened.collect())
    }

    /// Whether all of them are still there.
    pub fn check(&self) -> Result<(), FileFault> {
        for file in &self.0 {
            let found = identity(&file.path);
            if found != Some(file.identity) {
                return Err(FileFault { file: file.what, is_there: found.is_some() });
            }
        }
        Ok(())
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}
