//! The exit codes of docs/admin.md, and that what is refused is told by the name that was written.

use std::{fs, net::TcpListener, process::Stdio};

use super::{
    admin::{CONFIG, Place},
    complaint, segue,
};

/// A port on which nobody listens: it was ours a moment ago.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_chat_that_does_not_begin_says_why_by_its_code() {
    let place = Place::new();
    place.fails("chat ftp://chat.example", 2, "http:// or https://");
    place.fails("chat http://", 2, "not an address");
    place.fails(&format!("chat {}", nobody()), 5, "is `segue serve` running?");
    let server = place.serve();
    place.fails(&format!("chat {}", server.url), 4, "--token");
    let asked = format!("chat {} --host tallow.example --token", server.url);
    place.fails(&format!("{asked} unknown"), 4, "Connector token does not exist");
    let asked = segue(&place.folder).args(["chat", &server.url, "--token", "a\nb"]).output();
    let asked = asked.unwrap();
    assert_eq!(asked.status.code(), Some(2), "{}", complaint(&asked));
    server.stop();
}

#[test]
fn an_address_that_is_none_is_wrong_usage() {
    let place = Place::new();
    for url in ["ftp://chat.example", "http://", "http://chat.example:port"] {
        place.fails(&format!("session list --key sgk_x --url {url}"), 2, "address of a server");
    }
    // What is meant is understood, as by `segue chat`.
    let server = place.serve();
    let bare = server.url.strip_prefix("http://").unwrap();
    assert_eq!(place.json(&format!("key list --url {bare}")).len(), 1);
    server.stop();
}

#[test]
fn who_is_not_reached_is_named_with_what_may_be_wrong() {
    let place = Place::new();
    let server = place.serve();
    let elsewhere = nobody();
    let config = CONFIG.replace("127.0.0.1:0", elsewhere.strip_prefix("http://").unwrap());
    fs::write(place.folder.path().join("segue.toml"), config).unwrap();
    place.fails("key create a --scope keys:read", 5, "`server.listen` of the configuration");
    let output = place.run(&format!("session list --url {elsewhere}"));
    let complaint = complaint(&output);
    assert_eq!(output.status.code(), Some(5), "{complaint}");
    assert!(complaint.contains(&format!("cannot reach {elsewhere}: ")), "{complaint}");
    server.stop();
}

#[test]
fn a_key_that_is_given_counts_also_where_none_is_needed() {
    let place = Place::new();
    for line in ["session list", "connector list", "connector disable shop", "key list"] {
        place.text(line.strip_suffix("disable shop").map_or(line, |_| "connector list"));
        place.fails(&format!("{line} --key sgk_x"), 4, "no key of this server");
    }
    let empty = segue(&place.folder).args(["session", "list", "--key", ""]).output().unwrap();
    assert_eq!(empty.status.code(), Some(4), "{}", complaint(&empty));
    let key = place.text("key create reports --scope sessions:read");
    let key = key.trim();
    place.text(&format!("session list --key {key}"));
    place.fails(&format!("connector list --key {key}"), 4, "scope connectors:read");
    let mut by_variable = segue(&place.folder);
    by_variable.args(["session", "list"]).env("SEGUE_ADMIN_KEY", "sgk_x");
    assert_eq!(by_variable.output().unwrap().status.code(), Some(4));
}

#[test]
fn an_option_that_is_refused_is_named_as_it_was_written() {
    let folder = tempfile::TempDir::new().unwrap();
    let serve = |listen: &str| {
        let mut command = segue(&folder);
        command.args(["serve", "--ephemeral", "--listen", listen]);
        command.env("SEGUE_SERVER_LISTEN", "127.0.0.1:0").stdout(Stdio::null());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", complaint(&output));
        complaint(&output)
    };
    // Without a configuration it is the demonstration, which is for this machine only.
    let said = serve("0.0.0.0:0");
    assert!(said.contains("--listen: server.listen: 0.0.0.0:0 can be reached"), "{said}");
    let said = serve("here");
    assert!(said.contains("--listen") && !said.contains("SEGUE_SERVER_LISTEN"), "{said}");
}

/// Whoever starts a server in memory is told that nobody can look after it, and so is who tries.
#[test]
fn a_server_in_memory_has_no_key_and_says_so() {
    let place = Place::new();
    let (mut server, lines) = super::serve(&place.folder, "Its admin API has no key");
    let url = lines[0].split("on ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let key = fs::read_to_string(place.folder.path().join("data/admin-key")).unwrap();
    place.fails(&format!("key list --url {url} --key {key}"), 4, "no key of this server");
    server.kill().unwrap();
    server.wait().unwrap();
    let config = format!("{CONFIG}[store]\nurl = \"memory:\"\n");
    fs::write(place.folder.path().join("segue.toml"), config).unwrap();
    for line in ["session list", "session list --url localhost:9"] {
        place.fails(line, 4, "keeps conversations in memory");
    }
}

/// Which of the two a token opens would be left to chance.
#[test]
fn a_connector_of_the_configuration_takes_no_token_of_a_stored_one() {
    let place = Place::new();
    let token = place.text("connector create kiosk --bot ada --host tallow.example");
    let config = CONFIG.replace("shop-token-5f1c", token.trim());
    fs::write(place.folder.path().join("segue.toml"), config).unwrap();
    let says = "connector shop of the configuration has the token of connector kiosk";
    for line in ["serve --listen 127.0.0.1:0", "connector list"] {
        let output = place.run(line);
        let complaint = complaint(&output);
        assert_eq!(output.status.code(), Some(2), "{line}: {complaint}");
        assert!(complaint.contains(says) && !complaint.contains(token.trim()), "{complaint}");
    }
    // One that has run out is free.
    fs::write(place.folder.path().join("segue.toml"), CONFIG).unwrap();
    place.text("connector rotate kiosk --overlap-seconds 0");
    let config = CONFIG.replace("shop-token-5f1c", token.trim());
    place.serve_with(&config).stop();
}
