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
