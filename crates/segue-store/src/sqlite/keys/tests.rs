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
    let none = || std::iter::empty();
    let may_have = |keys: &mut Keys, number| {
        keys.may_have(&connection, 1, digest(number), || [digest(5), digest(6)].into_iter())
    };
    assert_eq!(may_have(&mut keys, 6), Ok(true));
    assert_eq!(may_have(&mut keys, 7), Ok(false));
    keys.note(1, digest(7));
    assert_eq!(may_have(&mut keys, 7), Ok(true));
    // Of a session that is new nobody has to be asked.
    keys.begin(2);
    let asked = keys.may_have(&connection, 2, digest(1), || -> std::iter::Empty<_> {
        panic!("nothing is to be read")
    });
    assert_eq!(asked, Ok(false));

    let mut session = 3;
    while keys.sessions.contains_key(&1) {
        assert!(keys.count <= KNOWN_KEYS_MAX);
        keys.begin(session);
        session += 1;
    }
    assert_eq!(keys.sessions.len(), 1);
    // That it had the seventh is for the log to say.
    keys.note(1, digest(7));
    assert_eq!(may_have(&mut keys, 5), Ok(true));
    assert_eq!(keys.may_have(&connection, 4, digest(5), none), Ok(false));
}
