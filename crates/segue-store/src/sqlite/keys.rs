//! Which client's keys the messages of the sessions at work have, as fingerprints in the writer's
//! memory: that a key is new is known without a look into the log.

use foldhash::{HashMap, HashSet};
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
    /// Those of a session. `unindexed` are the digests of those that the index does not have.
    pub fn of_session<D: Iterator<Item = IdBytes>>(
        &mut self,
        connection: &Connection,
        session: i64,
        unindexed: impl FnOnce() -> D,
    ) -> rusqlite::Result<&HashSet<Fingerprint>> {
        if !self.sessions.contains_key(&session) {
            let mut known: HashSet<_> = unindexed().map(Fingerprint::of).collect();
            segments::walk(connection, session, 0, |it| {
                known.extend(it.key);
                Ok(true)
            })?;
            self.insert(session, known);
        }
        Ok(&self.sessions[&session])
    }

    /// The session is new, and has none.
    pub fn begin(&mut self, session: i64) {
        self.insert(session, HashSet::default());
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

    /// Messages with these keys are appended.
    pub fn note(&mut self, session: i64, digests: impl Iterator<Item = IdBytes>) {
        // Those of a session that is not in here are in the log when it comes in.
        if let Some(known) = self.sessions.get_mut(&session) {
            let before = known.len();
            known.extend(digests.map(Fingerprint::of));
            self.count += known.len() - before;
        }
    }
}

#[cfg(test)]
mod tests;
