//! Which client's keys the messages of the sessions at work have, as fingerprints in the writer's
//! memory: that a key is new is known without a look into the log.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::codec::IdBytes;
use super::segments::{self, Fingerprint};
use crate::limits::{KNOWN_KEYS_MAX, KNOWN_KEYS_OF_SESSION};

/// The keys of sessions. Of a session that is in here, all of them, and perhaps some more: those of
/// a transaction that was rolled back. So what is not in here is new, and what is has to be looked at.
#[derive(Debug, Default)]
pub struct Keys {
    sessions: HashMap<i64, HashSet<Fingerprint>>,
    /// How many there are in all of them.
    count: usize,
}

impl Keys {
    /// Whether a message with this key may be in the log. `unindexed` are the digests of those of the
    /// session that the index does not have.
    pub fn may_have<D: Iterator<Item = IdBytes>>(
        &mut self,
        connection: &Connection,
        session: i64,
        digest: IdBytes,
        unindexed: impl FnOnce() -> D,
    ) -> rusqlite::Result<bool> {
        let fingerprint = Fingerprint::of(digest);
        if let Some(known) = self.sessions.get(&session) {
            return Ok(known.contains(&fingerprint));
        }
        let mut known: HashSet<_> = unindexed().map(Fingerprint::of).collect();
        segments::walk(connection, session, 0, |it| {
            known.extend(it.key);
            Ok(true)
        })?;
        let may_have = known.contains(&fingerprint);
        self.insert(session, known);
        Ok(may_have)
    }

    /// The session is new, and has none.
    pub fn begin(&mut self, session: i64) {
        self.insert(session, HashSet::new());
    }

    fn insert(&mut self, session: i64, known: HashSet<Fingerprint>) {
        let room = known.len() + KNOWN_KEYS_OF_SESSION;
        if self.count + room > KNOWN_KEYS_MAX {
            self.sessions.clear();
            self.count = 0;
        }
        self.count += room;
        self.sessions.insert(session, known);
    }

    /// Forgets those of a session: they are read again.
    pub fn forget(&mut self, session: i64) {
        if let Some(known) = self.sessions.remove(&session) {
            self.count -= known.len() + KNOWN_KEYS_OF_SESSION;
        }
    }

    /// A message with this key is appended.
    pub fn note(&mut self, session: i64, digest: IdBytes) {
        // That of a session that is not in here is in the log when it comes in.
        if let Some(known) = self.sessions.get_mut(&session) {
            self.count += usize::from(known.insert(Fingerprint::of(digest)));
        }
    }
}

#[cfg(test)]
mod tests;
