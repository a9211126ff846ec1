//! What is sealed comes back, to whoever has the key and means the same thing.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;

fn key(n: u8) -> SecretsKey {
    SecretsKey::from_bytes(&[n; KEY_BYTES])
}

#[test]
fn a_secret_comes_back_with_the_same_key_and_purpose() {
    let secret = Secret::new("sgc_tallow ü");
    let sealed = key(1).seal("connector:shop", &secret);
    assert!(is_sealed(&sealed) && !sealed.contains("tallow"), "{sealed}");
    assert_ne!(sealed, key(1).seal("connector:shop", &secret));
    assert_eq!(key(1).open_sealed("connector:shop", &sealed), Ok(secret));
    assert_eq!(key(2).open_sealed("connector:shop", &sealed), Err(Unopenable));
    assert_eq!(key(1).open_sealed("connector:mill", &sealed), Err(Unopenable));
}

#[test]
fn a_changed_seal_opens_nothing() {
    let sealed = key(1).seal("x", &Secret::new("secret"));
    for at in PREFIX.len()..sealed.len() {
        let mut changed = sealed.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        if URL_SAFE_NO_PAD.decode(&changed[PREFIX.len()..]).is_ok() {
            assert_eq!(key(1).open_sealed("x", &changed), Err(Unopenable), "{changed}");
        }
    }
    for broken in ["", "sealed:v1:", "sealed:v1:AAAA", "sealed:v2:AAAA", "secret"] {
        assert_eq!(key(1).open_sealed("x", broken), Err(Unopenable), "{broken}");
    }
}

#[test]
fn the_key_is_made_once_in_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SecretsKey::open(&SecretsKeySource::DataFolder, Some(folder.path())).unwrap();
    let sealed = open().seal("x", &Secret::new("kept"));
    assert_eq!(open().open_sealed("x", &sealed), Ok(Secret::new("kept")));
    let path = folder.path().join(KEY_FILE);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    fs::write(&path, "not a key").unwrap();
    let error = SecretsKey::open(&SecretsKeySource::DataFolder, Some(folder.path())).unwrap_err();
    let words = error.to_string();
    assert!(words.contains(KEY_FILE) && !words.contains("not a key"), "{words}");
}

#[test]
fn a_key_comes_from_where_the_configuration_says() {
    let text = URL_SAFE_NO_PAD.encode([7; KEY_BYTES]);
    let sealed = key(7).seal("x", &Secret::new("kept"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("elsewhere");
    fs::write(&path, format!("{text}\n")).unwrap();
    for source in [
        SecretsKeySource::Value(Secret::new(text.clone())),
        SecretsKeySource::File(path),
        SecretsKeySource::Command(format!("printf '%s\\n' {text}")),
    ] {
        let key = SecretsKey::open(&source, None).unwrap();
        assert_eq!(key.open_sealed("x", &sealed), Ok(Secret::new("kept")), "{source:?}");
    }
}

#[test]
fn a_key_that_is_not_to_be_had_is_an_error_without_the_key() {
    for (source, says) in [
        (SecretsKeySource::Value(Secret::new("short")), "in secrets.key is not 32 bytes"),
        (SecretsKeySource::File("/nowhere/key".into()), "/nowhere/key"),
        (SecretsKeySource::Command("exit 3".to_owned()), "exit status: 3"),
        (SecretsKeySource::Command("echo short".to_owned()), "from secrets.key_command is not"),
    ] {
        let words = SecretsKey::open(&source, None).unwrap_err().to_string();
        assert!(words.contains(says) && !words.contains("short"), "{words}");
    }
}
