//! What is signed is believed; nothing else is.

mod rotation;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = 1_780_000_000_500;
const RANDOM: [u8; KEY_RANDOM_BYTES] = [7; KEY_RANDOM_BYTES];
const OTHER_RANDOM: [u8; KEY_RANDOM_BYTES] = [8; KEY_RANDOM_BYTES];

fn keys() -> Keys {
    Keys::ephemeral(NOW, &RANDOM)
}

fn claims() -> Claims {
    Claims::new(TokenId("token-1".to_owned()), ConnectorId("demo".to_owned()), NOW)
}

/// A token whose first two parts are as given, with a signature that is right for them.
fn signed(key: &Key, header: &str, payload: &str) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret).unwrap();
    mac.update(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn payload() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "jti": "token-1", "connector": "demo",
        "iat": NOW / 1_000, "exp": NOW / 1_000 + ACCESS_TOKEN_SECONDS,
    })
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn a_token_is_a_jwt_that_clients_can_read() {
    let keys = keys();
    let token = keys.sign(&claims());
    assert_eq!(token.split('.').count(), 3);
    assert_eq!(part(&token, 0), json!({"alg": "HS256", "kid": keys.newest().kid, "typ": "JWT"}));
    assert_eq!(part(&token, 1), payload());
}

/// The example of RFC 7515, appendix A.1: the MAC is the one that others compute.
#[test]
fn signatures_are_those_of_the_standard() {
    let secret =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let mut mac = Hmac::<Sha256>::new_from_slice(&URL_SAFE_NO_PAD.decode(secret).unwrap()).unwrap();
    mac.update(
        b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAs\
          DQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
    );
    assert_eq!(
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()),
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
    // The helper of these tests and the code agree, so what the others refuse, they refuse for
    // its content.
    let keys = keys();
    let header = format!(r#"{{"alg":"HS256","kid":"{}","typ":"JWT"}}"#, keys.newest().kid);
    assert_eq!(
        keys.verify(&signed(keys.newest(), &header, &payload().to_string()), NOW),
        Ok(claims())
    );
}

#[test]
fn a_token_verifies_until_the_second_in_which_it_expires() {
    let keys = keys();
    let token = keys.sign(&claims());
    assert_eq!(keys.verify(&token, NOW), Ok(claims()));
    let expiry_ms = claims().exp * 1_000;
    assert_eq!(claims().exp, NOW / 1_000 + 86_400);
    assert_eq!(keys.verify(&token, expiry_ms - 1), Ok(claims()));
    assert_eq!(keys.verify(&token, expiry_ms), Err(Refused::Expired));
    assert_eq!(keys.verify(&token, u64::MAX), Err(Refused::Expired));
}

#[test]
fn two_tokens_differ_by_their_names() {
    let other = Claims { jti: TokenId("token-2".to_owned()), ..claims() };
    assert_ne!(keys().sign(&claims()), keys().sign(&other));
}

#[test]
fn no_other_header_is_believed_even_with_a_right_signature() {
    let keys = keys();
    let key = keys.newest();
    let kid = &key.kid;
    for header in [
        format!(r#"{{"alg":"none","kid":"{kid}","typ":"JWT"}}"#),
        format!(r#"{{"alg":"None","kid":"{kid}","typ":"JWT"}}"#),
        format!(r#"{{"alg":"HS512","kid":"{kid}","typ":"JWT"}}"#),
        format!(r#"{{"alg":"RS256","kid":"{kid}","typ":"JWT"}}"#),
        format!(r#"{{"alg":"hs256","kid":"{kid}","typ":"JWT"}}"#),
        format!(r#"{{"alg":"HS256","alg":"none","kid":"{kid}","typ":"JWT"}}"#),
        format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT","crit":["b64"],"b64":false}}"#),
        r#"{"alg":"HS256","kid":"other","typ":"JWT"}"#.to_owned(),
        r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(),
        String::new(),
    ] {
        let token = signed(key, &header, &payload().to_string());
        assert_eq!(keys.verify(&token, NOW), Err(Refused::UnknownKey), "{header}");
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(keys.verify(&unsigned, NOW), Err(Refused::UnknownKey), "{header}");
    }
}

#[test]
fn no_other_claims_are_believed_even_with_a_right_signature() {
    let keys = keys();
    let key = keys.newest();
    let header = URL_SAFE_NO_PAD.decode(&key.header).unwrap();
    let header = String::from_utf8(header).unwrap();
    for (claim, value) in [
        ("iss", json!("other")),
        ("aud", json!("segue:desk")),
        ("aud", json!([AUDIENCE])),
        ("jti", json!(1)),
        ("connector", json!(null)),
        ("iat", json!("1780000000")),
        ("exp", json!("1880000000")),
        ("exp", json!(1.5e9)),
        ("exp", json!(-1)),
        ("exp", json!(null)),
    ] {
        let mut payload = payload();
        payload[claim] = value.clone();
        let token = signed(key, &header, &payload.to_string());
        assert_eq!(keys.verify(&token, NOW), Err(Refused::WrongPurpose), "{claim} {value}");
        payload.as_object_mut().unwrap().remove(claim);
        let token = signed(key, &header, &payload.to_string());
        assert_eq!(keys.verify(&token, NOW), Err(Refused::WrongPurpose), "without {claim}");
    }
    let mut stale = payload();
    stale["exp"] = json!(NOW / 1_000);
    let token = signed(key, &header, &stale.to_string());
    assert_eq!(keys.verify(&token, NOW), Err(Refused::Expired));
}

#[test]
fn a_token_of_another_shape_is_refused() {
    let keys = keys();
    let token = keys.sign(&claims());
    let (front, signature) = token.rsplit_once('.').unwrap();
    for (text, refused) in [
        (String::new(), Refused::Malformed),
        ("..".to_owned(), Refused::UnknownKey),
        (front.to_owned(), Refused::Malformed),
        (format!("{token}."), Refused::Malformed),
        (format!("{token}.{signature}"), Refused::Malformed),
        (format!(".{token}"), Refused::Malformed),
        (format!("{front}..{signature}"), Refused::Malformed),
        (format!("{front}."), Refused::WrongSignature),
        (format!("{front}.AAAA"), Refused::WrongSignature),
        (format!("{token}="), Refused::Malformed),
        (format!("{token} "), Refused::Malformed),
        (format!("{token}AAAA"), Refused::WrongSignature),
        (format!(" {token}"), Refused::UnknownKey),
        ("a".repeat(ACCESS_TOKEN_BYTES_MAX + 1), Refused::TooLong),
        ("a".repeat(ACCESS_TOKEN_BYTES_MAX), Refused::Malformed),
    ] {
        assert_eq!(keys.verify(&text, NOW), Err(refused), "{text:?}");
    }
}

#[test]
fn every_changed_character_is_noticed() {
    let keys = keys();
    let token = keys.sign(&claims());
    for index in 0..token.len() {
        for replacement in [b'A', b'B', b'-', b'.', b'='] {
            let mut changed = token.clone().into_bytes();
            if changed[index] == replacement {
                continue;
            }
            changed[index] = replacement;
            let changed = String::from_utf8(changed).unwrap();
            assert!(keys.verify(&changed, NOW).is_err(), "{changed}");
        }
    }
}

#[test]
fn the_newest_key_signs_and_all_verify() {
    let old = keys();
    let mut both = old.clone();
    both.keys.push(Key::from_random(&OTHER_RANDOM, NOW));
    let new = Keys { keys: vec![both.keys[1].clone()] };
    let (by_old, by_both) = (old.sign(&claims()), both.sign(&claims()));
    assert_eq!(by_both, new.sign(&claims()));
    assert_eq!(both.verify(&by_old, NOW), Ok(claims()));
    assert_eq!(both.verify(&by_both, NOW), Ok(claims()));
    assert_eq!(old.verify(&by_both, NOW), Err(Refused::UnknownKey));
    assert_eq!(new.verify(&by_old, NOW), Err(Refused::UnknownKey));
}

#[test]
fn a_key_of_the_same_name_is_not_the_same_key() {
    let mut random = RANDOM;
    random[0] ^= 1;
    let impostor = Keys::ephemeral(NOW, &random);
    assert_eq!(impostor.newest().kid, keys().newest().kid);
    assert_eq!(impostor.verify(&keys().sign(&claims()), NOW), Err(Refused::WrongSignature));
}

#[test]
fn keys_print_their_names_only() {
    let keys = keys();
    assert_eq!(format!("{keys:?}"), format!("[{:?}]", keys.newest().kid));
}

#[test]
fn the_file_is_made_once_and_read_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(KEY_FILE);
    let made = Keys::open(&path, NOW, &RANDOM).unwrap();
    let read = Keys::open(&path, NOW + 1, &OTHER_RANDOM).unwrap();
    let token = made.sign(&claims());
    assert_eq!(read.verify(&token, NOW), Ok(claims()));
    assert_eq!(read.sign(&claims()), token);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(names, [KEY_FILE], "nothing is left beside the file");
}

#[test]
fn what_a_crash_has_left_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(KEY_FILE);
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, "half of a fi").unwrap();
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o644)).unwrap();
    Keys::open(&path, NOW, &RANDOM).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!temporary.exists());
    Keys::open(&path, NOW, &OTHER_RANDOM).unwrap();
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(KEY_FILE);
    Keys::open(&path, NOW, &RANDOM).unwrap();
    let whole: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let change = |change: &dyn Fn(&mut Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        changed.to_string()
    };
    for (content, what) in [
        (String::new(), "not the expected JSON"),
        (whole.to_string()[..60].to_owned(), "not the expected JSON"),
        (change(&|file| file["extra"] = json!(1)), "not the expected JSON"),
        (change(&|file| file["version"] = json!(2)), "written by another version"),
        (change(&|file| file["keys"] = json!([])), "there is no key"),
        (change(&|file| file["keys"][0]["kid"] = json!("")), "a key has no valid name"),
        (change(&|file| file["keys"][0]["kid"] = json!("\"")), "a key has no valid name"),
        (
            change(&|file| file["keys"][0]["secret"] = json!("AAAA")),
            "a secret does not have its length",
        ),
        (
            change(&|file| file["keys"][0]["secret"] = json!("?")),
            "a secret does not have its length",
        ),
        (
            change(&|file| file["keys"] = json!([file["keys"][0], file["keys"][0]])),
            "two keys have the same name",
        ),
    ] {
        fs::write(&path, &content).unwrap();
        match Keys::open(&path, NOW, &OTHER_RANDOM) {
            Err(KeyFileError::Corrupt { what: found, .. }) => assert_eq!(found, what, "{content}"),
            other => panic!("{content}: {other:?}"),
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn a_file_that_cannot_be_read_or_made_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    // A folder in the place of the file cannot be read by anybody, not even by root.
    let error = Keys::open(folder.path(), NOW, &RANDOM).unwrap_err();
    assert!(matches!(error, KeyFileError::Unreadable { .. }));
    assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");

    let nowhere = folder.path().join("missing").join(KEY_FILE);
    let error = Keys::open(&nowhere, NOW, &RANDOM).unwrap_err();
    assert!(matches!(error, KeyFileError::Unwritable { .. }));
    assert!(error.to_string().contains(nowhere.to_str().unwrap()), "{error}");
}

proptest! {
    #[test]
    fn any_text_is_refused_without_a_panic(text in any::<String>()) {
        prop_assert!(keys().verify(&text, NOW).is_err());
    }

    #[test]
    fn any_payload_and_signature_are_refused_without_a_panic(
        payload in any::<Vec<u8>>(), signature in any::<Vec<u8>>(),
    ) {
        let keys = keys();
        let header = &keys.newest().header;
        let [payload, signature] = [payload, signature].map(|part| URL_SAFE_NO_PAD.encode(part));
        let refused = keys.verify(&format!("{header}.{payload}.{signature}"), NOW);
        prop_assert_eq!(refused, Err(Refused::WrongSignature));
    }

    #[test]
    fn what_is_signed_is_read_back(jti in ".{0,50}", connector in ".{0,50}", made in 0..NOW) {
        let claims = Claims::new(TokenId(jti), ConnectorId(connector), made);
        prop_assert_eq!(keys().verify(&keys().sign(&claims), made), Ok(claims));
    }
}
