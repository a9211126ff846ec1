//! Where each value comes from.

use serde_json::{Value as Json, json};

use super::*;
use crate::config::section::Section;
use crate::config::settings::is_secret;

const FILE: &str = r#"
[limits]
idle_seconds = 700
[[connectors]]
id = "shop"
token = "shop-token-5f1c"
hosts = ["tallow.example"]
bot = "wick"
[[bots]]
id = "wick"
kind = "http"
name = "Wick"
url = "https://bots.example/turn?key=url-key-77"
secret = "bot-secret-19"
"#;

fn shown(settings: &[Setting], name: &str) -> Json {
    let setting = settings.iter().find(|it| it.name == name);
    serde_json::to_value(setting.unwrap_or_else(|| panic!("no {name}"))).unwrap()
}

#[test]
fn each_value_says_where_it_comes_from() {
    let variables = env(&[
        ("SEGUE_LIMITS_SILENCE_SECONDS", "1800"),
        ("SEGUE_CONNECTORS_SHOP_IDLE_SECONDS", "650"),
    ]);
    let settings = Config::load(Some(FILE), &variables).unwrap().settings;
    for (name, expected) in [
        ("limits.idle_seconds", json!({"value": 700, "from": "file", "line": 3})),
        (
            "limits.silence_seconds",
            json!({
                "value": 1800, "from": "environment", "variable": "SEGUE_LIMITS_SILENCE_SECONDS",
            }),
        ),
        ("limits.turn_seconds", json!({"value": 300, "from": "default"})),
        ("server.listen", json!({"value": "127.0.0.1:8080", "from": "default"})),
        ("connectors.shop.token", json!({"value": "***", "from": "file", "line": 6})),
        ("connectors.shop.hosts", json!({"value": ["tallow.example"], "from": "file", "line": 7})),
        (
            "connectors.shop.idle_seconds",
            json!({
                "value": 650, "from": "environment",
                "variable": "SEGUE_CONNECTORS_SHOP_IDLE_SECONDS",
            }),
        ),
        (
            "bots.wick.url",
            json!({"value": "https://bots.example/turn?***", "from": "file", "line": 13}),
        ),
        ("bots.wick.secret", json!({"value": "***", "from": "file", "line": 14})),
    ] {
        let mut shown = shown(&settings, name);
        shown.as_object_mut().unwrap().remove("name");
        assert_eq!(shown, expected, "{name}");
    }
    let all = serde_json::to_string(&settings).unwrap();
    for secret in ["shop-token-5f1c", "bot-secret-19", "url-key-77"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[test]
fn the_demonstration_is_a_default_and_hides_its_token() {
    let config = Config::demo(&Secret::new("demo-token-3"), &env(&[])).unwrap();
    assert_eq!(
        shown(&config.settings, "connectors.demo.token"),
        json!({"name": "connectors.demo.token", "value": "***", "from": "default"})
    );
}

/// A new key that may hold a secret is masked, or it is said here that it holds none.
#[test]
fn every_key_that_sounds_like_a_secret_is_masked() {
    let harmless =
        ["tls.key", "secrets.key_file", "limits.sessions_per_token", "limits.turn_seconds"];
    for section in Section::ALL {
        for key in section.keys() {
            let name = format!("{}.{}", section.name(), key.name);
            let sounds = ["token", "secret", "password", "key", "command", "header"]
                .iter()
                .any(|it| key.name.contains(it));
            let is_number = matches!(key.kind, crate::config::section::Kind::Whole { .. });
            if sounds && !is_number && !harmless.contains(&name.as_str()) {
                assert!(is_secret(section, key.name), "{name} is shown");
            }
        }
    }
}

#[test]
fn an_option_of_the_command_line_says_so_and_the_public_address_follows_it_unless_it_is_set() {
    let origins = |text: &str, more: &[(&str, &str)]| {
        let mut variables = env(&[("--listen", "127.0.0.1:9090"), ("--ephemeral", "memory:")]);
        variables.extend(env(more));
        let config = Config::load(Some(text), &variables).unwrap();
        assert_eq!(config.server.listen, "127.0.0.1:9090".parse().unwrap());
        let mut public = shown(&config.settings, "server.public_url");
        public.as_object_mut().unwrap().remove("name");
        (shown(&config.settings, "store.url")["option"].clone(), public)
    };
    let option = |url: &str| json!({"value": url, "from": "option", "option": "--listen"});
    let ephemeral = json!("--ephemeral");
    assert_eq!(origins("", &[]), (ephemeral.clone(), option("http://127.0.0.1:9090")));
    let tls = "[tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"";
    assert_eq!(origins(tls, &[]).1, option("https://127.0.0.1:9090"));
    let text = "[server]\npublic_url = \"https://chat.example\"";
    let file = json!({"value": "https://chat.example", "from": "file", "line": 2});
    assert_eq!(origins(text, &[]).1, file);
    let name = "SEGUE_SERVER_PUBLIC_URL";
    let variable = json!({"value": "https://b.example", "from": "environment", "variable": name});
    assert_eq!(origins(text, &[(name, "https://b.example")]).1, variable);
    // A file that says where to listen says nothing of the public address.
    let config = Config::load(Some("[server]\nlisten = \"127.0.0.1:1\""), &env(&[])).unwrap();
    assert_eq!(config.server.public_url, "http://localhost:8080");
}
