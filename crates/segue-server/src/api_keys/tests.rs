//! Keys by themselves: their form, what they cover, how long they are believed.

use segue_store::MemoryStore;

use super::*;

const NOW: Timestamp = 1_700_000_000_000;

fn key(scopes: &[Scope], connectors: Reach) -> NewApiKey {
    NewApiKey {
        name: "ops".to_owned(),
        scopes: scopes.iter().copied().collect(),
        connectors,
        made_by: "admin".to_owned(),
        expires_at: None,
    }
}

fn only(names: &[&str]) -> Reach {
    Reach::Only(names.iter().map(|it| ConnectorId((*it).to_owned())).collect())
}

#[test]
fn a_key_reads_back_what_it_tells_and_nothing_else_is_one() {
    let token = Token::new(&[7; KEY_RANDOM_BYTES]);
    let told = token.expose();
    assert!(told.starts_with("sgk_0707070707070707_"), "{told}");
    let read = Token::parse(&told).unwrap();
    assert_eq!((read.id(), read.expose()), (token.id(), told.clone()));
    // An underscore may be in the secret.
    let told = Token::new(&[0xff; KEY_RANDOM_BYTES]).expose();
    assert_eq!(Token::parse(&told).unwrap().expose(), told);
    let short = told[..told.len() - 1].to_owned();
    for text in
        ["", "sgk_", "sgk_07_x", &short, &told[1..], &format!("{told}a"), &format!("{told} ")]
    {
        assert!(Token::parse(text).is_none(), "{text}");
    }
}

#[test]
fn debug_of_a_key_shows_no_secret() {
    let token = Token::new(&[7; KEY_RANDOM_BYTES]);
    assert!(!format!("{token:?}").contains(token.secret.expose()));
}

#[test]
fn scopes_are_written_as_they_are_named() {
    for scope in Scope::ALL {
        assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        assert_eq!(scope.name().parse(), Ok(scope));
    }
    assert!("sessions".parse::<Scope>().is_err());
}

#[test]
fn reach_is_a_word_or_a_list() {
    for (text, reach) in [("\"all\"", Reach::ALL), ("[\"a\",\"b\"]", only(&["a", "b"]))] {
        assert_eq!(serde_json::from_str::<Reach>(text).unwrap(), reach);
        assert_eq!(serde_json::to_string(&reach).unwrap(), text);
    }
    assert!(serde_json::from_str::<Reach>("\"some\"").is_err());
}

#[tokio::test]
async fn a_key_covers_what_holds_no_more_than_it() {
    let keys = ApiKeys::new(Arc::new(MemoryStore::new()));
    let mut made = Vec::new();
    for (i, new) in [
        key(&[Scope::Everything], Reach::ALL),
        key(&[Scope::SessionsRead, Scope::KeysWrite], only(&["a", "b"])),
        key(&[Scope::SessionsRead], only(&["a"])),
        key(&[Scope::SessionsRead], only(&["c"])),
        key(&[Scope::SessionsRead], Reach::ALL),
        key(&[Scope::Everything], only(&["a"])),
    ]
    .into_iter()
    .enumerate()
    {
        let token = Token::new(&[u8::try_from(i).unwrap(); KEY_RANDOM_BYTES]);
        made.push(keys.create(new, &token, NOW).await.unwrap());
    }
    let covers: Vec<Vec<usize>> = made
        .iter()
        .map(|one| (0..made.len()).filter(|other| one.covers(&made[*other])).collect())
        .collect();
    let expected =
        [vec![0, 1, 2, 3, 4, 5], vec![1, 2], vec![2], vec![3], vec![2, 3, 4], vec![2, 5]];
    assert_eq!(covers, expected);
}

#[tokio::test]
async fn who_has_the_secret_is_told_why_it_no_longer_works() {
    let keys = ApiKeys::new(Arc::new(MemoryStore::new()));
    let token = Token::new(&[1; KEY_RANDOM_BYTES]);
    let new = NewApiKey { expires_at: Some(NOW + 10), ..key(&[Scope::KeysRead], Reach::ALL) };
    keys.create(new, &token, NOW).await.unwrap();
    // The same name with another secret.
    let mut other = [1; KEY_RANDOM_BYTES];
    other[KEY_RANDOM_BYTES - 1] = 2;
    let other = Token::new(&other).expose();
    let told = token.expose();
    let seen = async |offered: &str, now| keys.recognise(offered, now).await.unwrap();
    assert!(matches!(seen(&told, NOW + 9).await, Recognised::Valid { .. }));
    assert!(matches!(seen(&told, NOW + 10).await, Recognised::Expired));
    assert!(matches!(seen(&other, NOW + 9).await, Recognised::Unknown));
    assert!(matches!(seen(&other, NOW + 10).await, Recognised::Unknown));
    keys.revoke(token.id(), NOW + 11).await.unwrap();
    assert!(matches!(seen(&told, NOW + 9).await, Recognised::Revoked));
    assert!(matches!(seen(&other, NOW + 9).await, Recognised::Unknown));
    let again = keys.revoke(token.id(), NOW + 20).await.unwrap();
    assert_eq!(again.revoked_at, Some(NOW + 11));
    assert!(matches!(keys.revoke("0000", NOW).await, Err(KeyError::Unknown)));
}

#[tokio::test]
async fn what_another_node_revoked_is_believed_for_a_moment_only() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (here, there) = (ApiKeys::new(Arc::clone(&store)), ApiKeys::new(store));
    let token = Token::new(&[1; KEY_RANDOM_BYTES]);
    here.create(key(&[Scope::KeysRead], Reach::ALL), &token, NOW).await.unwrap();
    let seen = here.recognise(&token.expose(), NOW).await.unwrap();
    assert!(matches!(seen, Recognised::Valid { .. }));
    there.revoke(token.id(), NOW).await.unwrap();
    let later = NOW + limits::API_KEYS_FRESH_MS;
    let seen = here.recognise(&token.expose(), later).await.unwrap();
    assert!(matches!(seen, Recognised::Revoked));
}
