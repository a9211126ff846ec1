//! The first key of a store: made at the first start, for whoever may read the data folder.

use std::{io, path::Path};

use segue_core::Timestamp;

use super::{ApiKeys, KEY_RANDOM_BYTES, KeyError, NewApiKey, Reach, Scope, Token, private_path};
use crate::private::write_private;

/// Name of the file in the data folder that holds the first key, readable by its owner only.
pub const ADMIN_KEY_FILE: &str = "admin-key";

/// The first key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FirstKeyError {
    /// Its file is there, and cannot be read or made.
    #[error("cannot use {path}: {error}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// Its file holds something else.
    #[error("{path} does not hold a key of the admin API: remove it, and one is made")]
    NoKey {
        /// Which.
        path: String,
    },
    /// The store did not take it.
    #[error("cannot keep the first key of the admin API: {0}")]
    Keep(#[from] KeyError),
}

/// Sees to it that there is a key: where there is none at all, valid or not, the one in the file is
/// taken, and where there is no file, one is made. It may do everything and does not expire.
///
/// In this order, a crash between the two leaves a file whose key the next start takes. A file that
/// was put there beforehand gives a server a key that is known from elsewhere.
pub async fn ensure_first_key(
    keys: &ApiKeys,
    folder: &Path,
    now: Timestamp,
    random: &[u8; KEY_RANDOM_BYTES],
) -> Result<(), FirstKeyError> {
    if !keys.all(now).await.map_err(KeyError::from)?.is_empty() {
        return Ok(());
    }
    let file = private_path(folder);
    let path = file.display().to_string();
    let token = match std::fs::read_to_string(&file) {
        Ok(text) => Token::parse(text.trim()).ok_or(FirstKeyError::NoKey { path })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = Token::new(random);
            write_private(&file, &token.expose())
                .map_err(|error| FirstKeyError::File { path, error })?;
            token
        }
        Err(error) => return Err(FirstKeyError::File { path, error }),
    };
    let new = NewApiKey {
        name: "admin".to_owned(),
        scopes: [Scope::Everything].into(),
        connectors: Reach::ALL,
        made_by: "the first start".to_owned(),
        expires_at: None,
    };
    keys.create(new, &token, now).await?;
    Ok(())
}
