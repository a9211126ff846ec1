use super::*;
use crate::sqlite::fresh::database;

fn digest(number: usize) -> IdBytes {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
    digest
}

/// A key that is taken for new is written twice.
#[test]
fn what_was_noted_or_is_not_indexed_is_known_also_after_all_was_forgotten() {
    let (_folder, connection) = database();
    let mut keys = Keys::default();
    let may_have = |keys: &mut Keys, number| {
        let unindexed = || [digest(5), digest(6)].into_iter();
        let known = keys.of_session(&connection, 1, unindexed).unwrap();
        known.contains(&Fingerprint::of(digest(number)))
    };
    assert!(may_have(&mut keys, 6));
    assert!(!may_have(&mut keys, 7));
    keys.note(1, [digest(7), digest(8)].into_iter());
    assert!(may_have(&mut keys, 7) && may_have(&mut keys, 8));
    // Of a session that is new nobody has to be asked.
    keys.begin(2);
    let known = keys
        .of_session(&connection, 2, || -> std::iter::Empty<_> { panic!("nothing is to be read") });
    assert!(known.unwrap().is_empty());

    let mut session = 3;
    while keys.sessions.contains_key(&1) {
        assert!(keys.count <= KNOWN_KEYS_MAX);
        keys.begin(session);
        session += 1;
    }
    assert_eq!(keys.sessions.len(), 1);
    // That it had the seventh is for the log to say.
    keys.note(1, [digest(7)].into_iter());
    assert!(may_have(&mut keys, 5));
    assert!(keys.of_session(&connection, 4, std::iter::empty).unwrap().is_empty());
}
