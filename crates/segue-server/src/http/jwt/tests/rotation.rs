//! Keys that change while their tokens are in use.

use super::*;

const SECOND_MS: Timestamp = 1_000;
const LIFE_MS: Timestamp = ACCESS_TOKEN_SECONDS * SECOND_MS;
const DAY_MS: Timestamp = 86_400 * SECOND_MS;

fn random(n: u8) -> [u8; KEY_RANDOM_BYTES] {
    [n; KEY_RANDOM_BYTES]
}

fn claims_at(now: Timestamp) -> Claims {
    Claims::new(TokenId("t".into()), ConnectorId("demo".into()), now)
}

/// Covers 1.51.
#[test]
fn a_token_outlives_the_rotation_of_its_key() {
    let keys = SigningKeys::ephemeral(NOW, &random(1));
    let old = claims_at(NOW);
    let token = keys.sign(&old);
    // As late as it gets: made right before the first rotation, read right before its end.
    for n in 2..6 {
        let kid = keys.rotate(NOW, &random(n)).unwrap();
        assert_eq!(keys.names().last(), Some(&kid));
        assert_eq!(keys.verify(&token, NOW + LIFE_MS - SECOND_MS), Ok(old.clone()));
    }
    assert_eq!(keys.verify(&token, NOW + LIFE_MS), Err(Refused::Expired));
    let new = keys.sign(&claims_at(NOW));
    assert_ne!(new.split('.').next(), token.split('.').next(), "it still signs with the old key");
}

#[test]
fn a_key_is_forgotten_when_its_last_token_has_expired() {
    let keys = SigningKeys::ephemeral(NOW, &random(1));
    let token = keys.sign(&claims_at(NOW));
    keys.rotate(NOW + DAY_MS, &random(2)).unwrap();
    // The first key may have signed until then.
    keys.rotate(NOW + DAY_MS + LIFE_MS - SECOND_MS, &random(3)).unwrap();
    assert_eq!(keys.names().len(), 3);
    keys.rotate(NOW + DAY_MS + LIFE_MS, &random(4)).unwrap();
    assert_eq!(keys.names().len(), 3);
    assert_eq!(keys.verify(&token, NOW), Err(Refused::UnknownKey));
}

#[test]
fn a_rotation_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(KEY_FILE);
    let keys = SigningKeys::open(path.clone(), NOW, &random(1)).unwrap();
    let before = keys.sign(&claims_at(NOW));
    keys.rotate(NOW, &random(2)).unwrap();
    let after = keys.sign(&claims_at(NOW));
    let again = SigningKeys::open(path.clone(), NOW, &random(3)).unwrap();
    assert_eq!(again.names(), keys.names());
    for token in [&before, &after] {
        assert_eq!(again.verify(token, NOW), Ok(claims_at(NOW)));
    }
    assert_eq!(again.sign(&claims_at(NOW)), after);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_key_that_cannot_be_kept_does_not_sign() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join(KEY_FILE);
    fs::create_dir(path.parent().unwrap()).unwrap();
    let keys = SigningKeys::open(path.clone(), NOW, &random(1)).unwrap();
    let names = keys.names();
    // Nothing can be written where a file stands in the place of the folder.
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path.parent().unwrap(), "in the way").unwrap();
    let error = keys.rotate(NOW, &random(2)).unwrap_err();
    assert!(matches!(error, KeyFileError::Unwritable { .. }), "{error}");
    assert_eq!(keys.names(), names);
}

#[test]
fn an_old_key_is_replaced_by_itself() {
    let keys = SigningKeys::ephemeral(NOW, &random(1));
    let old_at = NOW + crate::limits::SIGNING_KEY_DAYS * DAY_MS;
    keys.rotate_when_old(old_at - SECOND_MS, &random(2));
    assert_eq!(keys.names().len(), 1);
    keys.rotate_when_old(old_at, &random(2));
    assert_eq!(keys.names().len(), 2);
    keys.rotate_when_old(old_at + SECOND_MS, &random(3));
    assert_eq!(keys.names().len(), 2);
}
