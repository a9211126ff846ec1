//! Commands against a server whose certificate nobody vouches for but a file.

use std::fs;

use super::{
    admin::{CONFIG, Place},
    complaint,
    real::Identity,
    segue,
};

#[test]
fn a_server_with_an_authority_of_its_own_is_reached_by_naming_it() {
    let place = Place::new();
    let (folder, ours, other) = (place.folder.path(), Identity::new(), Identity::new());
    fs::create_dir(folder.join("other")).unwrap();
    ours.write(folder);
    other.write(&folder.join("other"));
    let toml = Identity::toml(folder);
    let config = format!("{CONFIG}{toml}")
        .replace("[server]", "[server]\npublic_url = \"https://localhost\"");
    fs::write(folder.join("segue.toml"), &config).unwrap();
    let server = place.serve_with(&config);
    let url = server.url.replace("127.0.0.1", "localhost");

    // The folder is in use, so this goes over the network.
    let create = "key create a --scope keys:read";
    place.text(&format!("{create} --ca certificate.pem"));
    assert_eq!(place.json(&format!("key list --url {url} --ca certificate.pem")).len(), 2);
    for ca in ["", "--ca other/certificate.pem"] {
        place.fails(&format!("{create} {ca}"), 5, "certificate");
        place.fails(&format!("key list --url {url} {ca}"), 5, "certificate");
    }
    place.fails(&format!("{create} --ca nowhere.pem"), 2, "cannot read nowhere.pem");
    place.fails(&format!("{create} --ca key.pem"), 2, "key.pem holds no certificate");
    let by_variable = segue(&place.folder)
        .args(["key", "list", "--url", &url])
        .env("SEGUE_CA", "certificate.pem")
        .output()
        .unwrap();
    assert_eq!(by_variable.status.code(), Some(0), "{}", complaint(&by_variable));

    // The hand-shake of a conversation, and its socket.
    let chat = format!("chat {url} --host tallow.example --token shop-token-5f1c --json");
    let talked = place.run(&format!("{chat} --ca certificate.pem"));
    let said = String::from_utf8(talked.stdout.clone()).unwrap();
    assert_eq!(talked.status.code(), Some(0), "{}", complaint(&talked));
    assert!(said.contains("EVENT_TYPE_SESSION_START"), "{said}");
    place.fails(&chat, 5, "certificate");
    place.fails(&format!("{chat} --ca nowhere.pem"), 2, "cannot read nowhere.pem");
    server.stop();
}

/// The command of docs/deploy.md, where openssl is there to run it.
#[test]
fn a_certificate_made_as_the_document_says_can_be_named() {
    let page = include_str!("../../../../docs/deploy.md");
    let line = page.lines().find_map(|it| it.trim().strip_prefix("openssl ")).unwrap();
    let place = Place::new();
    let mut openssl = std::process::Command::new("openssl");
    let openssl = openssl.current_dir(place.folder.path()).args(line.split_whitespace());
    let Ok(made) = openssl.output() else { return };
    assert!(made.status.success(), "{}", complaint(&made));
    let config = format!("{CONFIG}{}", Identity::toml(place.folder.path()));
    fs::write(place.folder.path().join("segue.toml"), &config).unwrap();
    let server = place.serve_with(&config);
    let url = server.url.replace("127.0.0.1", "localhost");
    assert_eq!(place.json(&format!("key list --url {url} --ca certificate.pem")).len(), 1);
    server.stop();
}
