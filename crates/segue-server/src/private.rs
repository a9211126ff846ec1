//! Files that nobody but their owner is to read.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tracing::warn;

use crate::{
    backup::BESIDE,
    config::{Config, SecretsKeySource, StoreUrl},
};

/// Says in the log which of a server's files keep secrets and may be read by others: the server makes
/// them for its user only, but a copy, a backup or an umask may have changed that. Those that are not
/// there are passed over.
pub fn warn_of_readable(config: &Config) {
    for path in files(config) {
        let Ok(found) = fs::metadata(&path) else { continue };
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.display();
            warn!(
                %path,
                "{path} keeps secrets and has the mode {mode:o}, so others than its owner may use it: \
                 make that 600"
            );
        }
    }
}

fn files(config: &Config) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let SecretsKeySource::File(path) = &config.secrets_key {
        files.push(path.clone());
    }
    if let Some(folder) = config.store.folder() {
        files.extend(BESIDE.map(|it| folder.join(it)));
    }
    if let StoreUrl::Sqlite(path) = &config.store {
        files.push(path.clone());
    }
    files
}

/// Writes a file that nobody else may read, and its folder; one that is there is left alone.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
