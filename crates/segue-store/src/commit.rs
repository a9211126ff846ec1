//! What every store takes for granted of a commit. A commit that breaks it is a fault of whoever
//! built it, and is found in their task, before it gets anywhere near the log.

use segue_core::{
    Entry, Facts, Position, Session,
    ports::{Commit, LogDigest},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::limits::USER_ID_BYTES_MAX;

/// Panics unless the entries lie right behind `seen`, the session is the one after them, and no
/// message key occurs twice.
pub(crate) fn assert_well_formed(commit: &Commit) {
    let id = commit.session.id;
    let mut position = commit.seen;
    for entry in commit.entries.iter() {
        assert_eq!(entry.position, position.next(), "a gap in a commit to session {id}");
        position = entry.position;
    }
    assert_ne!(position, commit.seen, "an empty commit to session {id}");
    assert_ends_at(&commit.session, position);

    let keys = commit.entries.iter().filter_map(|it| it.event.message_key());
    for (i, key) in keys.clone().enumerate() {
        let is_first = keys.clone().take(i).all(|earlier| earlier != key);
        assert!(is_first, "a message key occurs twice in one commit to session {id}");
    }
}

fn assert_ends_at(session: &Session, position: Position) {
    let (id, head) = (session.id, session.state.head);
    assert_eq!(head, position, "the row of session {id} is not the one after its last entry");
}

/// Whose session it is, where its integration says so in a text that is not too long for an index.
pub fn user_of(facts: &Facts) -> Option<String> {
    #[derive(Deserialize)]
    struct Attributes {
        user_id: String,
    }
    let attributes = facts.integration_attributes.as_ref()?;
    let attributes: Attributes = serde_json::from_str(&attributes.0).ok()?;
    Some(attributes.user_id).filter(|it| !it.is_empty() && it.len() <= USER_ID_BYTES_MAX)
}

/// When the session that a commit leaves behind ended, if it ended with it.
pub(crate) fn ended_with(commit: &Commit) -> Option<u64> {
    let is_end = |it: &Entry| matches!(it.event, segue_core::Event::SessionEnded { .. });
    let at = commit.session.ended_at()?;
    commit.entries.iter().any(is_end).then_some(at)
}

/// Digests a log, entry by entry.
#[derive(Default)]
pub(crate) struct LogDigester {
    sha: Sha256,
    pub entries: u64,
}

impl LogDigester {
    /// Takes the next entry: id, position and time as they are in its row, and its event's JSON.
    pub fn take(&mut self, id: [u8; 16], position: u64, at: u64, event: &str) {
        self.sha.update(id);
        for number in [position, at, event.len() as u64] {
            self.sha.update(number.to_be_bytes());
        }
        self.sha.update(event);
        self.entries += 1;
    }

    pub fn finish(self) -> LogDigest {
        LogDigest(self.sha.finalize().into())
    }
}
