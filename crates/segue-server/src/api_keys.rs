//! The keys of the admin API: what each may do, how one is recognised, and where they are kept.
//!
//! The store holds a hash of each; the key itself is told once, to whoever made it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use segue_core::{
    ConnectorId, Timestamp,
    ports::{Put, Record, RecordKind, Store, StoreError, Visible},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tracing::warn;

use crate::{config::Secret, limits};

mod first;
#[cfg(test)]
mod tests;

pub use first::{ADMIN_KEY_FILE, FirstKeyError, ensure_first_key};

/// What every key begins with, so that one that was lost is found by those who search for such.
const PREFIX: &str = "sgk_";
const ID_BYTES: usize = 8;
/// As long as the hash: nobody guesses it, so that one round of hashing is enough.
const SECRET_BYTES: usize = 32;
/// Random bytes that a new key is made of.
pub const KEY_RANDOM_BYTES: usize = ID_BYTES + SECRET_BYTES;

/// What a key may do. One scope implies no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum Scope {
    /// Everything, also what later versions add.
    #[serde(rename = "*")]
    Everything,
    /// Look at connectors.
    #[serde(rename = "connectors:read")]
    ConnectorsRead,
    /// Create, change and revoke connectors.
    #[serde(rename = "connectors:write")]
    ConnectorsWrite,
    /// Look at conversations, whole.
    #[serde(rename = "sessions:read")]
    SessionsRead,
    /// Revoke and delete conversations.
    #[serde(rename = "sessions:write")]
    SessionsWrite,
    /// Look at keys of this API, never at the keys themselves.
    #[serde(rename = "keys:read")]
    KeysRead,
    /// Create and revoke keys of this API, and rotate the key of the access tokens.
    #[serde(rename = "keys:write")]
    KeysWrite,
    /// Look at the configuration and the limits in force.
    #[serde(rename = "config:read")]
    ConfigRead,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Everything,
        Self::ConnectorsRead,
        Self::ConnectorsWrite,
        Self::SessionsRead,
        Self::SessionsWrite,
        Self::KeysRead,
        Self::KeysWrite,
        Self::ConfigRead,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Everything => "*",
            Self::ConnectorsRead => "connectors:read",
            Self::ConnectorsWrite => "connectors:write",
            Self::SessionsRead => "sessions:read",
            Self::SessionsWrite => "sessions:write",
            Self::KeysRead => "keys:read",
            Self::KeysWrite => "keys:write",
            Self::ConfigRead => "config:read",
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("there is no scope {text:?}; there are {known}")
        })
    }
}

/// The connectors that a key may see and change, with their sessions. Those that do not exist yet
/// count: they may be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum Reach {
    /// `"all"`: those there are and those to come.
    All(All),
    /// A list of names.
    Only(#[cfg_attr(test, schemars(with = "BTreeSet<String>"))] BTreeSet<ConnectorId>),
}

/// The one word of `Reach::All`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum All {
    /// `"all"`.
    All,
}

impl Reach {
    /// All connectors.
    pub const ALL: Self = Self::All(All::All);

    /// As the store is asked for it.
    pub fn visible(&self) -> Visible {
        match self {
            Self::All(All::All) => Visible::All,
            Self::Only(those) => Visible::Only(those.clone()),
        }
    }

    /// Whether nothing is outside of this that is in the other one.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All(_), _) => true,
            (Self::Only(_), Self::All(_)) => false,
            (Self::Only(those), Self::Only(others)) => those.is_superset(others),
        }
    }
}

/// What is known of a key: the document that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// For people.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// Where.
    pub connectors: Reach,
    /// SHA-256 of its secret part, hexadecimal.
    hash: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// The name of the key that made it.
    pub made_by: String,
    /// It is no longer valid then. `None`: it does not expire.
    pub expires_at: Option<Timestamp>,
    /// It is no longer valid since then.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it may do this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&Scope::Everything) || self.scopes.contains(&scope)
    }

    /// Whether the other one may do nothing that this one may not, and nowhere else.
    pub fn covers(&self, other: &Self) -> bool {
        other.scopes.iter().all(|it| self.may(*it)) && self.connectors.covers(&other.connectors)
    }

    /// Whether it can be used at this time.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

/// What somebody wants a key to be.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// For people.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// Where.
    pub connectors: Reach,
    /// The name of the key that makes it.
    pub made_by: String,
    /// `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// A key as it is told: `sgk_<id>_<secret>`.
#[derive(Debug, Clone)]
pub struct Token {
    id: String,
    secret: Secret,
}

impl Token {
    /// A fresh one of random bytes, which are not used otherwise.
    pub fn new(random: &[u8; KEY_RANDOM_BYTES]) -> Self {
        let (id, secret) = random.split_at(ID_BYTES);
        Self { id: hex(id), secret: Secret::new(URL_SAFE_NO_PAD.encode(secret)) }
    }

    /// The parts of what somebody offers; `None` for what no key looks like.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_id = id.len() == 2 * ID_BYTES && id.bytes().all(|it| it.is_ascii_hexdigit());
        let secret_bytes = URL_SAFE_NO_PAD.decode(secret).ok()?;
        (is_id && secret_bytes.len() == SECRET_BYTES)
            .then(|| Self { id: id.to_owned(), secret: Secret::new(secret) })
    }

    /// Its name, which is no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole of it, to be told once.
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret.expose())
    }

    fn hash(&self) -> String {
        hex(&Sha256::digest(self.secret.expose()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What became of a key that somebody offered.
#[derive(Debug, Clone)]
pub enum Recognised {
    /// It is this one.
    Valid {
        /// Its name in the store.
        id: String,
        /// What it may do.
        key: Arc<ApiKey>,
    },
    /// No key, or not its secret.
    Unknown,
    /// It was one.
    Expired,
    /// It was one.
    Revoked,
}

/// A key as it is stored.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What is known of it.
    pub key: Arc<ApiKey>,
    revision: u64,
}

/// All keys by their names.
pub type Keyring = BTreeMap<String, Kept>;

/// The keys of a store.
pub struct ApiKeys {
    store: Arc<dyn Store>,
    /// As read then. Another node may have revoked one since, so it is not believed for long.
    read: Mutex<Option<(Timestamp, Arc<Keyring>)>>,
    /// When each was last used here, since the start.
    used: Mutex<BTreeMap<String, Timestamp>>,
}

/// Why a key was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is none of this name.
    #[error("no such key")]
    Unknown,
    /// There are `limits::API_KEYS_MAX` that are valid.
    #[error("too many keys")]
    TooMany,
    /// Somebody else changed it at the same time.
    #[error("the key was changed meanwhile")]
    Conflict,
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ApiKeys {
    /// The keys of this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, read: Mutex::default(), used: Mutex::default() }
    }

    /// All keys, valid or not; as they were a moment ago.
    pub async fn all(&self, now: Timestamp) -> Result<Arc<Keyring>, StoreError> {
        if let Some((at, keys)) = &*self.read.lock()
            && (*at..*at + limits::API_KEYS_FRESH_MS).contains(&now)
        {
            return Ok(Arc::clone(keys));
        }
        let mut keys = Keyring::new();
        for Record { id, revision, body, .. } in self.store.records(RecordKind::ApiKey).await? {
            match serde_json::from_str::<ApiKey>(&body) {
                Ok(key) => {
                    keys.insert(id, Kept { key: Arc::new(key), revision });
                }
                Err(error) => {
                    warn!(key.id = id, %error, "key {id} cannot be read and is not valid");
                }
            }
        }
        let keys = Arc::new(keys);
        *self.read.lock() = Some((now, Arc::clone(&keys)));
        Ok(keys)
    }

    /// Whose key this is. Says that it has expired or was revoked only to who has it.
    pub async fn recognise(&self, offered: &str, now: Timestamp) -> Result<Recognised, StoreError> {
        let Some(token) = Token::parse(offered) else { return Ok(Recognised::Unknown) };
        let keys = self.all(now).await?;
        let Some(Kept { key, .. }) = keys.get(token.id()) else { return Ok(Recognised::Unknown) };
        let is_it: bool = key.hash.as_bytes().ct_eq(token.hash().as_bytes()).into();
        if !is_it {
            return Ok(Recognised::Unknown);
        }
        if key.revoked_at.is_some() {
            return Ok(Recognised::Revoked);
        }
        if !key.is_valid(now) {
            return Ok(Recognised::Expired);
        }
        self.used.lock().insert(token.id.clone(), now);
        Ok(Recognised::Valid { id: token.id, key: Arc::clone(key) })
    }

    /// When a key was last used here, if it was since the start.
    pub fn used_at(&self, id: &str) -> Option<Timestamp> {
        self.used.lock().get(id).copied()
    }

    /// Makes a key of this token.
    pub async fn create(
        &self,
        new: NewApiKey,
        token: &Token,
        now: Timestamp,
    ) -> Result<ApiKey, KeyError> {
        let valid = self.all(now).await?.values().filter(|it| it.key.is_valid(now)).count();
        if valid >= limits::API_KEYS_MAX {
            return Err(KeyError::TooMany);
        }
        let NewApiKey { name, scopes, connectors, made_by, expires_at } = new;
        let hash = token.hash();
        let key = ApiKey {
            name,
            scopes,
            connectors,
            hash,
            made_at: now,
            made_by,
            expires_at,
            revoked_at: None,
        };
        self.put(token.id(), 1, &key).await?;
        Ok(key)
    }

    /// Makes a key invalid, for good; from the first time on.
    pub async fn revoke(&self, id: &str, now: Timestamp) -> Result<Arc<ApiKey>, KeyError> {
        *self.read.lock() = None;
        let Kept { key, revision } =
            self.all(now).await?.get(id).cloned().ok_or(KeyError::Unknown)?;
        if key.revoked_at.is_some() {
            return Ok(key);
        }
        let key = Arc::new(ApiKey { revoked_at: Some(now), ..ApiKey::clone(&key) });
        self.put(id, revision + 1, &key).await?;
        Ok(key)
    }

    async fn put(&self, id: &str, revision: u64, key: &ApiKey) -> Result<(), KeyError> {
        let body = serde_json::to_string(key).expect("a key is plain data");
        let record = Record { kind: RecordKind::ApiKey, id: id.to_owned(), revision, body };
        let put = self.store.put_record(&record).await;
        // Also after an error: it may have been written all the same.
        *self.read.lock() = None;
        match put? {
            Put::Written => Ok(()),
            Put::Conflict => Err(KeyError::Conflict),
        }
    }
}

fn private_path(folder: &Path) -> PathBuf {
    folder.join(ADMIN_KEY_FILE)
}
