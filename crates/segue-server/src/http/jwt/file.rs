//! The file that keeps the keys. It is made once; a file that is there and cannot be used stops
//! the server, because other keys would throw every client out of its conversation.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use segue_core::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{KEY_RANDOM_BYTES, Key, Keys, SECRET_BYTES};

/// The form of the file that this server writes and reads.
const VERSION: u32 = 1;

/// The keys cannot be had; the server must not start.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// There, but cannot be read.
    #[error("cannot read the keys of the access tokens from {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There, but not what a server has written.
    #[error(
        "the keys of the access tokens in {} are damaged ({what}): restore the file, or remove it \
         and every conversation under way is lost to its user",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong; nothing of its content.
        what: &'static str,
    },
    /// Not there, and cannot be made.
    #[error("cannot write the keys of the access tokens to {}: {error}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    version: u32,
    /// The newest is the last.
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    kid: String,
    /// Base64url without padding.
    secret: String,
    made_at_seconds: u64,
}

impl Keys {
    /// The keys in this file. Where there is no such file, one key is made of the random bytes
    /// and written, readable by nobody else; the bytes are not used otherwise.
    ///
    /// The folder has to be there, and to belong to this process alone: two that start at once
    /// would overwrite each other's key.
    pub fn open(
        path: &Path,
        now: Timestamp,
        random: &[u8; KEY_RANDOM_BYTES],
    ) -> Result<Self, KeyFileError> {
        match fs::read(path) {
            Ok(bytes) => {
                parse(&bytes).map_err(|what| KeyFileError::Corrupt { path: path.to_owned(), what })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = Self::ephemeral(now, random);
                keys.write(path)?;
                Ok(keys)
            }
            Err(error) => Err(KeyFileError::Unreadable { path: path.to_owned(), error }),
        }
    }

    /// One key that is kept nowhere, for a server whose sessions end with it.
    pub fn ephemeral(now: Timestamp, random: &[u8; KEY_RANDOM_BYTES]) -> Self {
        Self { keys: vec![Key::from_random(random, now)] }
    }

    /// Writes them all to this file.
    pub(super) fn write(&self, path: &Path) -> Result<(), KeyFileError> {
        write(path, self).map_err(|error| KeyFileError::Unwritable { path: path.to_owned(), error })
    }
}

fn parse(bytes: &[u8]) -> Result<Keys, &'static str> {
    let file: KeyFile = serde_json::from_slice(bytes).map_err(|_| "not the expected JSON")?;
    if file.version != VERSION {
        return Err("written by another version");
    }
    let mut keys: Vec<Key> = Vec::new();
    for stored in file.keys {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if stored.kid.is_empty() || !stored.kid.bytes().all(plain) {
            return Err("a key has no valid name");
        }
        if keys.iter().any(|key| key.kid == stored.kid) {
            return Err("two keys have the same name");
        }
        let secret: [u8; SECRET_BYTES] = URL_SAFE_NO_PAD
            .decode(&stored.secret)
            .ok()
            .and_then(|secret| secret.try_into().ok())
            .ok_or("a secret does not have its length")?;
        keys.push(Key::new(stored.kid, secret, stored.made_at_seconds));
    }
    if keys.is_empty() { Err("there is no key") } else { Ok(Keys { keys }) }
}

/// Writes the whole file beside its place and moves it there, so that a crash at any moment leaves
/// either no file or a whole one.
fn write(path: &Path, keys: &Keys) -> io::Result<()> {
    let stored = |key: &Key| StoredKey {
        kid: key.kid.clone(),
        secret: URL_SAFE_NO_PAD.encode(key.secret),
        made_at_seconds: key.made_at_seconds,
    };
    let content = KeyFile { version: VERSION, keys: keys.keys.iter().map(stored).collect() };
    let mut json = serde_json::to_vec_pretty(&content)?;
    json.push(b'\n');

    let temporary = path.with_extension("tmp");
    // One that a crash has left may have been made with other permissions.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&json)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    // The new name lives in the folder, which has to reach the disk as well.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
