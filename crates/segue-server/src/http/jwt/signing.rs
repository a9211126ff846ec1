//! The keys of a running server, which change: by hand or by age.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use segue_core::Timestamp;
use tracing::{error, info};

use super::{Claims, KEY_RANDOM_BYTES, KeyFileError, Keys, Refused};
use crate::limits::SIGNING_KEY_DAYS;

const DAY_SECONDS: u64 = 86_400;

/// The keys of a server, with the place where they are kept.
#[derive(Debug)]
pub struct SigningKeys {
    /// `None` where nothing is kept.
    path: Option<PathBuf>,
    current: RwLock<Arc<Keys>>,
    /// One change at a time, from reading to writing.
    changing: Mutex<()>,
}

impl SigningKeys {
    /// Keys that are kept nowhere.
    pub fn ephemeral(now: Timestamp, random: &[u8; KEY_RANDOM_BYTES]) -> Self {
        Self::of(None, Keys::ephemeral(now, random))
    }

    /// The keys of this file, which is made where it is missing.
    pub fn open(
        path: PathBuf,
        now: Timestamp,
        random: &[u8; KEY_RANDOM_BYTES],
    ) -> Result<Self, KeyFileError> {
        let keys = Keys::open(&path, now, random)?;
        Ok(Self::of(Some(path), keys))
    }

    fn of(path: Option<PathBuf>, keys: Keys) -> Self {
        Self { path, current: RwLock::new(Arc::new(keys)), changing: Mutex::default() }
    }

    /// The token that says this, made with the newest key.
    pub fn sign(&self, claims: &Claims) -> String {
        self.current().sign(claims)
    }

    /// What a token says, if one of these keys made it and it is still valid.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refused> {
        self.current().verify(token, now)
    }

    /// The names of the keys that verify, the one that signs last.
    pub fn names(&self) -> Vec<String> {
        self.current().keys.iter().map(|it| it.kid.clone()).collect()
    }

    /// Signs with a new key from now on. The old ones verify until their last token has expired; those
    /// of which none is left are forgotten. It is in the file before it signs anything: a token whose
    /// key were lost with a crash would throw its client out. Returns the new key's name.
    pub fn rotate(
        &self,
        now: Timestamp,
        random: &[u8; KEY_RANDOM_BYTES],
    ) -> Result<String, KeyFileError> {
        let _changing = self.changing.lock();
        let keys = self.current().with_new(now, random);
        if let Some(path) = &self.path {
            keys.write(path)?;
        }
        let kid = keys.newest().kid.clone();
        *self.current.write() = Arc::new(keys);
        info!(kid, "access tokens are signed with the new key {kid} from now on");
        Ok(kid)
    }

    /// Rotates when the newest key is older than `SIGNING_KEY_DAYS`.
    pub fn rotate_when_old(&self, now: Timestamp, random: &[u8; KEY_RANDOM_BYTES]) {
        let age_seconds = (now / 1_000).saturating_sub(self.current().newest().made_at_seconds);
        if age_seconds < SIGNING_KEY_DAYS * DAY_SECONDS {
            return;
        }
        if let Err(error) = self.rotate(now, random) {
            error!(%error, "the key that signs access tokens is old, and no new one can be made");
        }
    }

    fn current(&self) -> Arc<Keys> {
        Arc::clone(&self.current.read())
    }
}
