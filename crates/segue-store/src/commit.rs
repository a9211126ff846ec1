//! What every store takes for granted of a commit. A commit that breaks it is a fault of whoever
//! built it, and is found in their task, before it gets anywhere near the log.

use segue_core::{Position, Session, ports::Commit};

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
