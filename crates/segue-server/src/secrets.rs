//! Secrets that have to be kept readable: sealed under one key, which is kept apart from them.
//!
//! ChaCha20-Poly1305 (RFC 8439). What a sealed text is for is authenticated with it, so that one
//! cannot be put in the place of another.

use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::config::{Secret, SecretsKeySource};

/// What a sealed text begins with. A new form gets another number.
const PREFIX: &str = "sealed:v1:";

/// What values of the configuration are sealed for.
pub const FOR_CONFIGURATION: &str = "configuration";

/// Name of the key's file in the data folder.
pub const KEY_FILE: &str = "secrets.key";

const KEY_BYTES: usize = 32;

/// The key that secrets are sealed under.
pub struct SecretsKey(LessSafeKey);

/// Why there is no key. Nothing of the key is in it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not 32 bytes in base64url.
    #[error("the key of the secrets {origin} is not 32 bytes in base64url without padding")]
    Malformed {
        /// Where it came from.
        origin: String,
    },
    /// Its file cannot be read or made.
    #[error("cannot use the key of the secrets in {path}: {error}")]
    File {
        /// Which file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The command that gives it failed.
    #[error("the command of secrets.key_command failed: {what}")]
    Command {
        /// How.
        what: String,
    },
}

/// A sealed text that this key does not open: another key's, changed, or sealed for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret cannot be opened with this key")]
pub struct Unopenable;

impl SecretsKey {
    /// The key that the configuration names; by default one in the data folder, which is made where
    /// it is missing, readable by nobody else. Without a folder it lasts as long as the process.
    pub fn open(source: &SecretsKeySource, folder: Option<&Path>) -> Result<Self, KeyError> {
        match (source, folder) {
            (SecretsKeySource::Value(key), _) => Self::parse(key.expose(), "in secrets.key"),
            (SecretsKeySource::File(path), _) => Self::of_file(path),
            (SecretsKeySource::Command(command), _) => Self::of_command(command),
            (SecretsKeySource::DataFolder, Some(folder)) => {
                let path = folder.join(KEY_FILE);
                if !path.exists() {
                    let text = URL_SAFE_NO_PAD.encode(rand::random::<[u8; KEY_BYTES]>());
                    crate::private::write_private(&path, &text)
                        .map_err(|it| file_error(&path, it))?;
                }
                Self::of_file(&path)
            }
            (SecretsKeySource::DataFolder, None) => Ok(Self::from_bytes(&rand::random())),
        }
    }

    /// A key of these bytes.
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).expect("a key of the right length");
        Self(LessSafeKey::new(key))
    }

    fn of_file(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path).map_err(|it| file_error(path, it))?;
        Self::parse(&text, &format!("in {}", path.display()))
    }

    fn of_command(command: &str) -> Result<Self, KeyError> {
        let failed = |what: String| KeyError::Command { what };
        let output = std::process::Command::new("sh")
            .args(["-c", command])
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(|it| failed(it.to_string()))?;
        if !output.status.success() {
            return Err(failed(output.status.to_string()));
        }
        let text = String::from_utf8(output.stdout).unwrap_or_default();
        Self::parse(&text, "from secrets.key_command")
    }

    fn parse(text: &str, origin: &str) -> Result<Self, KeyError> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).ok();
        let bytes: Option<[u8; KEY_BYTES]> = bytes.and_then(|it| it.try_into().ok());
        let bytes = bytes.ok_or_else(|| KeyError::Malformed { origin: origin.to_owned() })?;
        Ok(Self::from_bytes(&bytes))
    }

    /// Seals a secret for one purpose. Two seals of one secret differ.
    pub fn seal(&self, purpose: &str, secret: &Secret) -> String {
        // Random, of 96 bits: a server seals far fewer than the 2^32 that are safe.
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut bytes = secret.expose().as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose.as_bytes()),
                &mut bytes,
            )
            .expect("a secret is far shorter than what can be sealed");
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([&nonce[..], &bytes].concat()))
    }

    /// Opens what `seal` has made for this purpose.
    pub fn open_sealed(&self, purpose: &str, sealed: &str) -> Result<Secret, Unopenable> {
        let bytes = sealed.strip_prefix(PREFIX).and_then(|it| URL_SAFE_NO_PAD.decode(it).ok());
        let bytes = bytes.ok_or(Unopenable)?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(Unopenable)?;
        let mut rest = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(purpose.as_bytes());
        let text = self.0.open_in_place(nonce, aad, &mut rest).map_err(|_| Unopenable)?;
        String::from_utf8(text.to_vec()).map(Secret::new).map_err(|_| Unopenable)
    }
}

impl std::fmt::Debug for SecretsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretsKey(***)")
    }
}

/// Whether a text is meant to be a sealed secret.
pub fn is_sealed(text: &str) -> bool {
    text.starts_with("sealed:")
}

fn file_error(path: &Path, error: std::io::Error) -> KeyError {
    KeyError::File { path: path.display().to_string(), error }
}

#[cfg(test)]
mod tests;
