//! Commands that look after a server: on its data folder while it is stopped, through its admin API
//! while it runs, and the same either way.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{complaint, segue};

pub const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
[[connectors]]
id = "shop"
token = "shop-token-5f1c"
hosts = ["tallow.example"]
bot = "ada"
[[bots]]
id = "ada"
kind = "http"
name = "Ada"
url = "http://127.0.0.1:9/turn"
secret = "bot-secret-19"
"#;

/// A folder with a configuration, and a database that a server has left there.
pub struct Place {
    /// Where `segue.toml` is.
    pub folder: TempDir,
}

/// The real server on it.
pub struct Server {
    child: Child,
    /// Its address.
    pub url: String,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { folder: TempDir::new().unwrap() };
        fs::write(place.folder.path().join("segue.toml"), CONFIG).unwrap();
        place.serve().stop();
        place
    }

    /// Starts a server and writes its address into the configuration, where commands look for it.
    pub fn serve(&self) -> Server {
        self.serve_with(CONFIG)
    }

    /// The same with this configuration.
    pub fn serve_with(&self, config: &str) -> Server {
        let mut child = segue(&self.folder)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.split("on ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        let config = config.replace("127.0.0.1:0", url.split("//").nth(1).unwrap());
        fs::write(self.folder.path().join("segue.toml"), config).unwrap();
        Server { child, url }
    }

    pub fn run(&self, line: &str) -> Output {
        segue(&self.folder).args(line.split_whitespace()).output().unwrap()
    }

    /// What a command prints that does what it is asked.
    pub fn text(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", complaint(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same as JSON, one value for each line.
    pub fn json(&self, line: &str) -> Vec<Value> {
        let text = self.text(&format!("{line} --json"));
        text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
    }

    #[track_caller]
    pub fn fails(&self, line: &str, code: i32, says: &str) {
        let output = self.run(line);
        let complaint = complaint(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {complaint}");
        assert!(
            complaint.starts_with("segue: ") && complaint.contains(says),
            "{line}: {complaint}"
        );
        assert!(output.stdout.is_empty(), "{line}");
    }
}

impl Server {
    pub fn stop(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Makes a session with a connector's token, and gives its id.
    async fn session(&self, token: &str, body: &str) -> Option<String> {
        segue_server::outgoing::install_crypto();
        let client = reqwest::Client::new();
        let ask = client.post(format!("{}/api/v1/access-token", self.url));
        let ask = ask.header("X-Token", token).header("X-Host", "tallow.example");
        let answer = ask.send().await.unwrap();
        if answer.status() == 401 {
            return None;
        }
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let access = answer["access_token"].as_str().unwrap().to_owned();
        let ask = client.post(format!("{}/api/v1/sessions", self.url)).body(body.to_owned());
        let answer = ask.header("Authorization", format!("Bearer {access}")).send().await.unwrap();
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        Some(answer["session_id"].as_str().unwrap().to_owned())
    }
}

/// Every command for connectors and keys, whichever way it goes.
fn look_after_connectors_and_keys(place: &Place) {
    let token = place.text("connector create kiosk --bot ada --host tallow.example --label hall");
    let token = token.trim().to_owned();
    assert!(token.starts_with("sgc_") && !token.contains('\n'), "{token}");
    let shown = place.json("connector show kiosk").remove(0);
    assert_eq!(shown["token"], token.as_str());
    assert_eq!(shown["labels"][0], "hall");
    let listed = place.text("connector list");
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("CONNECTOR  STATE   SOURCE"), "{listed}");
    assert!(lines[1].starts_with("kiosk      active  stored         ada"), "{listed}");
    assert!(lines[2].starts_with("shop       active  configuration  ada"), "{listed}");
    assert!(!listed.contains(&token) && !listed.contains("shop-token-5f1c"), "{listed}");
    let set = "connector set kiosk --host else.example --limit idle_seconds=700 --default labels";
    let changed = place.json(set).remove(0);
    assert_eq!(
        (&changed["hosts"][0], &changed["limits"]["idle_seconds"]),
        (&"else.example".into(), &700.into())
    );
    assert_eq!(changed["labels"].as_array().unwrap().len(), 0);
    let rotated = place.json("connector rotate kiosk --overlap-seconds 60").remove(0);
    assert_ne!(rotated["token"], token.as_str());
    for (what, state) in [("disable", "disabled"), ("enable", "active"), ("revoke", "revoked")] {
        let line = format!("connector {what} kiosk");
        assert_eq!(place.json(&line)[0]["state"], state);
    }
    place.fails("connector enable kiosk", 1, "revoked");
    place.fails("connector show nothing", 3, "no such connector");
    place.fails("connector disable shop", 1, "declared in the configuration");
    place.fails("connector create other --bot nobody", 2, "no bot has the id");
    place.fails("connector create other --bot ada --limit idle=x", 2, "NAME=NUMBER");

    let key = place.text("key create reports --scope sessions:read --connector shop --days 5");
    let key = key.trim().to_owned();
    assert!(key.starts_with("sgk_") && !key.contains('\n'), "{key}");
    let id = key.split('_').nth(1).unwrap();
    let listed = place.text("key list");
    assert!(
        listed.contains(id) && listed.contains("reports") && !listed.contains(&key),
        "{listed}"
    );
    assert_eq!(place.json(&format!("key revoke {id}"))[0]["state"], "revoked");
    place.fails("key revoke 0000000000000000", 3, "no such key");
    let before = fs::read_to_string(place.folder.path().join("data/jwt.json")).unwrap();
    let rotated = place.json("key rotate").remove(0);
    assert_eq!(rotated["verify"].as_array().unwrap().len(), 2);
    let after = fs::read_to_string(place.folder.path().join("data/jwt.json")).unwrap();
    assert!(after.contains(rotated["signs"].as_str().unwrap()) && after != before);
}

#[test]
fn connectors_and_keys_are_looked_after_while_the_server_is_stopped() {
    look_after_connectors_and_keys(&Place::new());
}

#[tokio::test]
async fn connectors_and_keys_are_looked_after_while_the_server_runs() {
    let place = Place::new();
    let server = place.serve();
    look_after_connectors_and_keys(&place);
    // It takes effect at once, without a start.
    let token = place.text("connector create stand --bot ada --host tallow.example");
    assert!(server.session(token.trim(), "{}").await.is_some());
    place.text("connector disable stand");
    assert!(server.session(token.trim(), "{}").await.is_none());
    server.stop();
    // What was done to the running server is there without it.
    assert_eq!(place.json("connector show stand")[0]["state"], "disabled");
}

#[tokio::test]
async fn conversations_are_looked_at_and_deleted_either_way() {
    let place = Place::new();
    let server = place.serve();
    let ann = r#"{"integration_attributes": {"user_id": "ann lee"}}"#;
    let mut ids = Vec::new();
    for body in [ann, "{}", "{}", ann] {
        ids.push(server.session("shop-token-5f1c", body).await.unwrap());
    }
    // Looking needs neither a key nor the server's address.
    fs::rename(place.folder.path().join("data/admin-key"), place.folder.path().join("key"))
        .unwrap();
    let listed = place.text("session list");
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines.len() == 5 && lines[0].starts_with("SESSION"), "{listed}");
    assert!(lines[1].starts_with(&ids[3]) && lines[1].contains("ann lee"), "{listed}");
    assert_eq!(place.json("session list --limit 2").len(), 2);
    assert_eq!(place.json("session list --connector shop --state live").len(), 4);
    assert_eq!(place.json("session list --state ended").len(), 0);
    let shown = place.json(&format!("session show {}", ids[0]));
    assert_eq!((shown.len(), &shown[0]["event"]["is"]), (1, &"session_started".into()));
    let shown = place.text(&format!("session show {}", ids[0]));
    assert!(shown.contains("state") && shown.contains("session_started"), "{shown}");
    place.fails(&format!("session revoke {}", ids[0]), 4, "admin-key");
    fs::rename(place.folder.path().join("key"), place.folder.path().join("data/admin-key"))
        .unwrap();

    let exported = place.text(&format!("session export {}", ids[1]));
    let exported: Value = serde_json::from_str(&exported).unwrap();
    assert_eq!(exported["session"]["session_id"], ids[1].as_str());
    place.text(&format!("session export {} --format markdown --out talk.md", ids[1]));
    let page = fs::read_to_string(place.folder.path().join("talk.md")).unwrap();
    assert!(page.starts_with("# Conversation "), "{page}");

    let revoked = place.json(&format!("session revoke {} {}", ids[0], ids[1]));
    assert!(revoked.len() == 2 && revoked.iter().all(|it| it["end_reason"] == "revoked"));
    place.fails(&format!("session delete {}", ids[0]), 2, "--yes");
    let proof = place.json(&format!("session delete {} --yes", ids[0])).remove(0);
    assert_eq!(proof["session_id"], ids[0].as_str());
    place.fails(&format!("session show {}", ids[0]), 3, "no such session");
    server.stop();

    // The same on the folder alone.
    assert_eq!(place.json("session list").len(), 3);
    let again = place.json(&format!("session delete {} --yes", ids[0])).remove(0);
    assert_eq!(again, proof);
    let revoked = place.json(&format!("session revoke {}", ids[2])).remove(0);
    assert_eq!(revoked["state"], "ended");
    let deleted = segue(&place.folder)
        .args(["session", "delete", "--user", "ann lee", "--yes", "--json"])
        .output()
        .unwrap();
    let deleted = String::from_utf8(deleted.stdout).unwrap();
    assert!(deleted.lines().count() == 1 && deleted.contains(&ids[3]), "{deleted}");
    assert_eq!(place.json("session list").len(), 2);
    place.fails("session show 01934b2e-7c00-4abc-8def-0123456789ab", 3, "no such session");
}

/// Whoever is to be forgotten is, whatever their name would mean in an address.
#[tokio::test]
async fn a_user_of_any_name_is_deleted_over_a_running_server() {
    let place = Place::new();
    let server = place.serve();
    for user in [".", "..", "a/../b", "ann & bob=1#?%2e", "ünsal", "+"] {
        let body = serde_json::json!({"integration_attributes": {"user_id": user}}).to_string();
        let id = server.session("shop-token-5f1c", &body).await.unwrap();
        let mut delete = segue(&place.folder);
        delete.args(["session", "delete", "--user", user, "--yes", "--json"]);
        let output = delete.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{user}: {}", complaint(&output));
        let proof: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(proof["session_id"], id.as_str(), "{user}");
    }
    assert_eq!(place.json("session list").len(), 0);
    server.stop();
}

#[tokio::test]
async fn one_that_is_not_there_does_not_keep_the_others() {
    let place = Place::new();
    let server = place.serve();
    let unknown = ["01934b2e-7c00-4abc-8def-0123456789ab", "01934b2e-7c00-4abc-8def-0123456789ac"];
    for what in ["revoke", "delete --yes"] {
        let known = server.session("shop-token-5f1c", "{}").await.unwrap();
        let ids = format!("{} {} {known}", unknown[0], unknown[1]);
        let output = place.run(&format!("session {what} {ids} --json"));
        let complaint = complaint(&output);
        assert_eq!(output.status.code(), Some(3), "{what}: {complaint}");
        let done: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(done["session_id"], known.as_str());
        for id in unknown {
            assert!(complaint.contains(&format!("segue: {id}: There is no such")), "{complaint}");
        }
    }
    server.stop();
}

#[test]
fn whoever_makes_a_token_a_secret_is_told_to_change_it() {
    let place = Place::new();
    let token = place.text("connector create kiosk --bot ada --host tallow.example");
    let set = place.run("connector set kiosk --server-only");
    assert_eq!(set.status.code(), Some(0));
    let said = complaint(&set);
    assert!(said.contains("not shown any more"), "{said}");
    assert!(said.contains("segue connector rotate kiosk"), "{said}");
    assert!(!place.text("connector show kiosk").contains(token.trim()));
    let set = place.run("connector set kiosk --label hall");
    assert_eq!(complaint(&set), "");
}

#[test]
fn where_a_server_listens_by_its_option_is_told_as_such() {
    let place = Place::new();
    let config = CONFIG.replace("[server]", "[server]\npublic_url = \"https://chat.example\"");
    let shown = |config: &str| {
        fs::write(place.folder.path().join("segue.toml"), config).unwrap();
        let server = place.serve_with(config);
        let shown = place.json(&format!("config show --url {}", server.url));
        let table = place.text(&format!("config show --url {}", server.url));
        server.stop();
        let line = table.lines().find(|it| it.starts_with("server.public_url")).unwrap();
        let setting = |name: &str| shown.iter().find(|it| it["name"] == name).unwrap().clone();
        (setting("server.listen"), setting("server.public_url"), line.to_owned())
    };
    let (listen, public, line) = shown(&config);
    assert_eq!((&listen["from"], &listen["option"]), (&"option".into(), &"--listen".into()));
    assert_eq!((&public["from"], &public["line"]), (&"file".into(), &3.into()));
    assert_eq!(public["value"], "https://chat.example");
    assert!(line.ends_with("line 3"), "{line}");
    let (_, public, line) = shown(CONFIG);
    assert_eq!((&public["from"], &public["option"]), (&"option".into(), &"--listen".into()));
    assert_eq!(public["value"], "http://127.0.0.1:0");
    assert!(line.ends_with("--listen"), "{line}");
}

#[test]
fn what_cannot_be_done_says_so_with_its_exit_code() {
    let place = Place::new();
    let nowhere = "--url http://127.0.0.1:9 --key sgk_x";
    place.fails(&format!("session list {nowhere}"), 5, "cannot reach http://127.0.0.1:9");
    place.fails("session list --url https://chat.example", 4, "--key");
    let server = place.serve();
    place.fails(&format!("key list --url {} --key sgk_x", server.url), 4, "no key of this server");
    // The key of this folder goes to this machine only, and there it need not be named.
    assert_eq!(place.json(&format!("key list --url {}", server.url)).len(), 1);
    server.stop();
    assert_eq!(place.run("session").status.code(), Some(2));
    assert_eq!(place.run("session show nonsense").status.code(), Some(2));
    place.fails("session list --config nothing.toml", 2, "cannot read nothing.toml");
    let empty = Place { folder: TempDir::new().unwrap() };
    empty.fails("session list", 5, "there is no database data/segue.db");
    assert!(!empty.folder.path().join("data").exists(), "looking makes nothing");
}

#[test]
fn the_configuration_is_shown_with_where_each_value_comes_from() {
    let place = Place { folder: TempDir::new().unwrap() };
    fs::write(place.folder.path().join("segue.toml"), CONFIG).unwrap();
    let mut command = segue(&place.folder);
    command.env("SEGUE_LIMITS_IDLE_SECONDS", "700").args(["config", "show"]);
    let shown = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let line = |name: &str| {
        let line = shown.lines().find(|it| it.split_whitespace().next() == Some(name));
        line.unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let listen = ["server.listen", "127.0.0.1:0", "segue.toml:3"];
    assert_eq!(line("server.listen"), listen);
    let idle = ["limits.idle_seconds", "700", "SEGUE_LIMITS_IDLE_SECONDS"];
    assert_eq!(line("limits.idle_seconds"), idle);
    assert_eq!(line("limits.silence_seconds"), ["limits.silence_seconds", "3600", "default"]);
    assert_eq!(line("connectors.shop.token"), ["connectors.shop.token", "***", "segue.toml:6"]);
    assert!(!shown.contains("shop-token-5f1c"));
    let json = place.json("config show");
    let listen = json.iter().find(|it| it["name"] == "server.listen").unwrap();
    assert_eq!((&listen["from"], &listen["line"]), (&"file".into(), &3.into()));
}

#[test]
fn a_check_says_as_json_what_is_wrong() {
    let place = Place { folder: TempDir::new().unwrap() };
    let path = place.folder.path().join("segue.toml");
    fs::write(&path, CONFIG).unwrap();
    let found = place.json("config check").remove(0);
    assert_eq!((&found["valid"], found["problems"].as_array().unwrap().len()), (&true.into(), 0));
    fs::write(&path, format!("{CONFIG}colour = 1\n[limits]\nidle_seconds = 0\n")).unwrap();
    let output = place.run("config check --json");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &found["valid"]), (Some(2), &false.into()));
    let problems: Vec<&str> =
        found["problems"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(problems.len() == 2 && problems[0].contains("colour"), "{problems:?}");
    assert!(problems[1].contains("limits.idle_seconds"), "{problems:?}");
}
