//! Access tokens (protocol, section 1): made, and believed again.
//!
//! One algorithm, one form. A token whose first part is not, byte for byte, one that these keys
//! write is refused before anything in it is parsed, so there is no header to be talked into
//! another algorithm by. Why this is not a library: `docs/adr/0002-own-jwt.md`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use segue_core::{ConnectorId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;

use crate::limits::{ACCESS_TOKEN_BYTES_MAX, ACCESS_TOKEN_SECONDS};

mod file;
mod signing;
#[cfg(test)]
mod tests;

pub use file::KeyFileError;
pub use signing::SigningKeys;

/// Who makes these tokens. Not the public address: changing that must not end conversations.
const ISSUER: &str = "segue";
/// What these tokens are for. Keeps them apart from any other kind made with the same keys.
const AUDIENCE: &str = "segue:messaging";

/// Name of the file of the keys in the data folder.
pub const KEY_FILE: &str = "jwt.json";

/// As long as the output of the hash: longer adds nothing, shorter weakens it.
const SECRET_BYTES: usize = 32;
/// Enough that no two keys of one server share a name.
const KID_BYTES: usize = 8;
/// Random bytes that a new key is made of.
pub const KEY_RANDOM_BYTES: usize = SECRET_BYTES + KID_BYTES;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Its own name. Sessions belong to it.
    pub jti: TokenId,
    /// The connector that it was made for.
    pub connector: ConnectorId,
    /// When it was made, in seconds since the Unix epoch.
    pub iat: u64,
    /// When it is no longer valid, in seconds since the Unix epoch.
    pub exp: u64,
}

impl Claims {
    /// A token made now, with the usual life.
    pub fn new(jti: TokenId, connector: ConnectorId, now: Timestamp) -> Self {
        let iat = now / 1_000;
        Self { jti, connector, iat, exp: iat + ACCESS_TOKEN_SECONDS }
    }
}

/// Why a token is not believed. For the log: clients are told one text for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// Over `ACCESS_TOKEN_BYTES_MAX`.
    #[error("token too long")]
    TooLong,
    /// Not three parts of base64url.
    #[error("token malformed")]
    Malformed,
    /// Another algorithm, another form of header, or a key that is unknown or long gone.
    #[error("token not made with a known key")]
    UnknownKey,
    /// Changed, or made by somebody else.
    #[error("token signature wrong")]
    WrongSignature,
    /// Made with our key, but for something else.
    #[error("token made for another purpose")]
    WrongPurpose,
    /// Past its time.
    #[error("token expired")]
    Expired,
}

/// The keys of a server: the newest signs, all of them verify.
#[derive(Clone)]
pub struct Keys {
    /// Never empty; the newest is the last.
    keys: Vec<Key>,
}

/// One key, with the only header that its tokens have.
#[derive(Clone)]
struct Key {
    kid: String,
    secret: [u8; SECRET_BYTES],
    made_at_seconds: u64,
    /// First part of every token made with this key.
    header: String,
}

/// The claims as they are written.
#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    iss: String,
    aud: String,
    jti: TokenId,
    connector: ConnectorId,
    iat: u64,
    exp: u64,
}

impl Keys {
    /// The token that says this, made with the newest key.
    pub fn sign(&self, claims: &Claims) -> String {
        self.newest().sign(&Payload {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            jti: claims.jti.clone(),
            connector: claims.connector.clone(),
            iat: claims.iat,
            exp: claims.exp,
        })
    }

    /// What a token says, if one of these keys made it and it is still valid.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refused> {
        if token.len() > ACCESS_TOKEN_BYTES_MAX {
            return Err(Refused::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refused::Malformed);
        };
        let key = self.keys.iter().find(|key| key.header == header).ok_or(Refused::UnknownKey)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refused::Malformed)?;
        key.mac(payload).verify_slice(&signature).map_err(|_| Refused::WrongSignature)?;

        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Refused::WrongPurpose)?;
        let payload: Payload =
            serde_json::from_slice(&payload).map_err(|_| Refused::WrongPurpose)?;
        if payload.iss != ISSUER || payload.aud != AUDIENCE {
            return Err(Refused::WrongPurpose);
        }
        if now / 1_000 >= payload.exp {
            return Err(Refused::Expired);
        }
        Ok(Claims {
            jti: payload.jti,
            connector: payload.connector,
            iat: payload.iat,
            exp: payload.exp,
        })
    }

    /// These with a newer one, without those whose last token has expired. A key signs until the one
    /// behind it is made.
    fn with_new(&self, now: Timestamp, random: &[u8; KEY_RANDOM_BYTES]) -> Self {
        let mut keys = self.keys.clone();
        keys.push(Key::from_random(random, now));
        let has_tokens = |i: usize| {
            keys.get(i + 1).is_none_or(|it| it.made_at_seconds + ACCESS_TOKEN_SECONDS > now / 1_000)
        };
        let kept = (0..keys.len()).filter(|i| has_tokens(*i)).map(|i| keys[i].clone()).collect();
        Self { keys: kept }
    }

    fn newest(&self) -> &Key {
        self.keys.last().expect("a server has at least one key")
    }
}

/// Shows which keys there are, never the keys.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.kid)).finish()
    }
}

impl Key {
    fn new(kid: String, secret: [u8; SECRET_BYTES], made_at_seconds: u64) -> Self {
        // This text is part of every token in circulation: changing it refuses them all, and
        // clients take that for a wrong key. The kid is plain, so that nothing needs escaping.
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT"}}"#);
        Self { kid, secret, made_at_seconds, header: URL_SAFE_NO_PAD.encode(header) }
    }

    /// A key made of random bytes.
    fn from_random(random: &[u8; KEY_RANDOM_BYTES], now: Timestamp) -> Self {
        let mut secret = [0; SECRET_BYTES];
        secret.copy_from_slice(&random[..SECRET_BYTES]);
        Self::new(URL_SAFE_NO_PAD.encode(&random[SECRET_BYTES..]), secret, now / 1_000)
    }

    fn sign(&self, payload: &Payload) -> String {
        let json = serde_json::to_vec(payload).expect("texts and numbers are always JSON");
        let payload = URL_SAFE_NO_PAD.encode(json);
        let signature = URL_SAFE_NO_PAD.encode(self.mac(&payload).finalize().into_bytes());
        format!("{}.{payload}.{signature}", self.header)
    }

    fn mac(&self, payload: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.secret).expect("a MAC takes a key of any length");
        mac.update(self.header.as_bytes());
        mac.update(b".");
        mac.update(payload.as_bytes());
        mac
    }
}
