//! Files and variables in, configurations or complaints out.

use std::fmt::Write;

use super::section::{Kind, Section};
use super::*;
use crate::limits::LimitsOverrides;

mod environment;
mod server;
mod settings;
mod tls;
mod tracing;

/// A file in which everything is as it has to be.
const SOUND: &str = r#"
[server]
listen = "[::1]:9000"
public_url = "https://chat.example.com/segue/"

[store]
url = "memory:"

[limits]
idle_seconds = 700
messages_per_second = 0

[[connectors]]
id = "my-shop"
token = "token-of-the-shop"
hosts = ["example.com", "localhost:3000"]
apps = ["com.example.app"]
bot = "ada"
handoff = "client"
account = "acme"
project = "shop"
disabled = true
idle_seconds = 800
turn_seconds = 30

[[connectors]]
id = "plain"
token = "token-of-the-plain"
hosts = ["plain.example"]
bot = "mine"

[[bots]]
id = "ada"
kind = "knowledge"
name = "Ada"
avatar_url = "https://example.com/ä.png"
greeting = "Hello"
topics = "some/folder"

[[bots]]
id = "mine"
kind = "http"
name = "Mine"
greeting = ""
url = "http://localhost:9000/turn?v=1"
secret = "secret-of-mine"
"#;

fn env(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(text: &str) -> Config {
    Config::load(Some(text), &Environment::new()).unwrap()
}

fn with(variables: &[(&str, &str)]) -> Config {
    Config::load(Some(SOUND), &env(variables)).unwrap()
}

/// The complaints about a file, as they are printed.
#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let error = Config::load(Some(text), &Environment::new()).unwrap_err();
    assert_eq!(error.problems(), expected, "{text}");
    assert_eq!(error.to_string(), expected.join("\n"));
}

/// The complaints about variables over a sound file.
#[track_caller]
fn refused_with(variables: &[(&str, &str)], expected: &[&str]) {
    let error = Config::load(Some(SOUND), &env(variables)).unwrap_err();
    assert_eq!(error.problems(), expected, "{variables:?}");
}

/// The sound file with one line more at the end of its first connector or its first bot.
fn connector_with(line: &str) -> String {
    SOUND.replacen("turn_seconds = 30", &format!("turn_seconds = 30\n{line}"), 1)
}

#[test]
fn a_sound_file_is_read_in_full() {
    let config = load(SOUND);
    assert_eq!(config.server.listen, "[::1]:9000".parse().unwrap());
    assert_eq!(config.server.public_url, "https://chat.example.com/segue");
    assert_eq!(config.store, StoreUrl::Memory);
    assert_eq!(config.broker, BrokerUrl::Local);
    let limits = Limits { idle_seconds: 700, messages_per_second: 0, ..Limits::default() };
    assert_eq!(config.limits, limits);
    let [shop, plain] = &config.connectors[..] else {
        panic!("{:?}", config.connectors);
    };
    assert_eq!(shop.id, ConnectorId("my-shop".to_owned()));
    assert!(shop.token.matches("token-of-the-shop"));
    assert!(shop.settings.hosts.accept_host("www.example.com"));
    assert!(shop.settings.hosts.accept_host("localhost:3000"));
    assert!(shop.settings.hosts.accept_host("com.example.app"));
    assert!(!shop.settings.hosts.accept_host("localhost:3001"));
    assert_eq!(shop.settings.bot, BotId("ada".to_owned()));
    assert_eq!(shop.settings.handoff, Handoff::Client);
    assert_eq!((shop.settings.account.as_str(), shop.settings.project.as_str()), ("acme", "shop"));
    assert!(shop.disabled);
    assert_eq!(shop.settings.limits, Limits { idle_seconds: 800, turn_seconds: 30, ..limits });
    assert_eq!(plain.settings.handoff, Handoff::None);
    assert!(!plain.disabled);
    assert_eq!(plain.settings.limits, limits);

    let ada = config.bot(&shop.settings.bot).unwrap();
    assert_eq!(ada.name, "Ada");
    assert_eq!(ada.avatar_url.as_deref(), Some("https://example.com/%C3%A4.png"));
    assert_eq!(ada.greeting.as_deref(), Some("Hello"));
    assert_eq!(ada.kind, BotKind::Knowledge { topics: Some("some/folder".into()) });
    let mine = config.bot(&plain.settings.bot).unwrap();
    assert_eq!(mine.greeting, None);
    assert_eq!(mine.avatar_url, None);
    let url = Url::parse("http://localhost:9000/turn?v=1").unwrap();
    assert_eq!(mine.kind, BotKind::Http { url, secret: Secret::new("secret-of-mine") });
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn a_password_in_a_url_is_not_repeated() {
    let text = "[store]\nurl = \"postgres://u:hidden@h/db\"";
    refused(text, &["line 2: store.url: the value is not memory: or sqlite:PATH"]);
}

#[test]
fn the_documented_file_parses_to_the_defaults() {
    let mut documented = load(DEFAULT_TOML);
    let mut default = Config::load(None, &Environment::new()).unwrap();
    // The same values, from another place.
    let values = |it: &Config| -> Vec<_> {
        it.settings.iter().map(|it| (it.name.clone(), it.value.clone())).collect()
    };
    assert_eq!(values(&documented), values(&default));
    documented.settings.clear();
    default.settings.clear();
    assert_eq!(documented, default);
    assert_eq!(documented.server.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(documented.server.public_url, "http://localhost:8080");
    assert_eq!(documented.store, StoreUrl::Sqlite("data/segue.db".into()));
    assert_eq!(documented.limits, Limits::default());
    assert_eq!(documented.warnings, ["there are no [[connectors]]: nobody can open a session"]);
}

#[test]
fn the_documented_file_has_every_key_below_a_comment() {
    let mut section = "";
    let mut seen: Vec<(&str, &str)> = Vec::new();
    let mut comment_above = false;
    for line in DEFAULT_TOML.lines() {
        let setting = line.strip_prefix('#').filter(|rest| !rest.is_empty()).unwrap_or(line);
        if setting.starts_with('[') {
            section = setting.trim_matches(['[', ']']);
        } else if let Some((key, _)) = setting.split_once(" = ")
            && !setting.starts_with(' ')
        {
            // A key of an example, or the second of two that one comment explains.
            let explained = comment_above || seen.iter().any(|(known, _)| *known == section);
            assert!(explained, "{section}.{key} has no comment");
            seen.push((section, key));
        }
        comment_above = line.starts_with("# ");
    }
    for section in Section::ALL {
        for key in section.keys() {
            let is_limit = Limits::ALL.iter().any(|limit| limit.name == key.name);
            let in_place = seen.contains(&(section.name(), key.name));
            assert!(
                in_place || (section == Section::Connectors && is_limit),
                "{}.{} is not documented",
                section.name(),
                key.name
            );
        }
    }
}

#[test]
fn the_examples_of_the_documented_file_are_sound() {
    let mut text = String::new();
    for line in DEFAULT_TOML.lines() {
        let example = line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#']));
        writeln!(text, "{}", example.unwrap_or(line)).unwrap();
    }
    let config = load(&text);
    assert_eq!(config.connectors.len(), 1);
    assert_eq!(config.bots.len(), 2);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn a_key_that_does_not_exist_is_named_with_its_line_and_the_nearest() {
    refused(
        "[server]\nlisten = \"127.0.0.1:1\"\nlissten = 1\n",
        &["line 3: server: unknown key lissten; the nearest known one is listen"],
    );
    refused(
        "\n[limits]\nidel_seconds = 1",
        &["line 3: limits: unknown key idel_seconds; the nearest known one is idle_seconds"],
    );
    refused(
        "[sever]\nlisten = 1",
        &["line 1: unknown section sever; the nearest known one is server"],
    );
    refused(
        "idle_seconds = 1",
        &["line 1: idle_seconds is a key of [limits]: it has to stand there"],
    );
    let line = 1 + connector_with("hots = []").lines().position(|l| l == "hots = []").unwrap();
    refused(
        &connector_with("hots = []"),
        &[&format!(
            "line {line}: connectors.my-shop: unknown key hots; the nearest known one is hosts"
        )],
    );
    refused(
        "[[bots]]\nnmae = \"Ada\"\nkind = \"knowledge\"\nname = \"x\"\n",
        &[
            "line 1: bots[0].id: missing",
            "line 2: bots[0]: unknown key nmae; the nearest known one is name",
        ],
    );
    let sections = Section::ALL.map(Section::name).join(", ");
    refused(
        "\"a banana\\nb\" = 1",
        &[&format!("line 1: unknown section a banana\\nb; known are {sections}")],
    );
    let keys: Vec<&str> = Section::Server.keys().iter().map(|it| it.name).collect();
    refused(
        "[server]\nbanana = 1",
        &[&format!("line 2: server: unknown key banana; known are {}", keys.join(", "))],
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_what_was_expected() {
    refused(
        "[server]\nlisten = 8080\npublic_url = true\n[limits]\nidle_seconds = \"660\"\n\
         silence_seconds = -1\nturn_seconds = 1.5\n",
        &[
            "line 2: server.listen: expected text in quotes, found integer",
            "line 3: server.public_url: expected text in quotes, found boolean",
            "line 5: limits.idle_seconds: expected a whole number from 1 to 31536000, found string",
            "line 6: limits.silence_seconds: expected a whole number from 1 to 31536000, found -1",
            "line 7: limits.turn_seconds: expected a whole number from 1 to 31536000, found float",
        ],
    );
    refused(
        "server = 1\nstore = []\nlimits = [[]]\nbots = 7\n[connectors]\nid = \"a\"\n",
        &[
            "line 1: server: expected a table: write [server]",
            "line 2: store: expected a table: write [store]",
            "line 3: limits: expected a table: write [limits]",
            "line 4: bots: expected tables: write [[bots]] for each",
            "line 5: connectors: expected tables: write [[connectors]] for each",
        ],
    );
    refused("bots = [1]", &["line 1: bots[0]: expected a table"]);
    refused(
        &SOUND.replace("[\"plain.example\"]", "\"plain.example\"").replace("= true", "= \"yes\""),
        &[
            "line 22: connectors.my-shop.disabled: expected true or false, found string",
            "line 29: connectors.plain.hosts: expected a list of texts in quotes, found string",
        ],
    );
    refused(
        &SOUND.replace("[\"plain.example\"]", "[\"plain.example\", 7]"),
        &["line 29: connectors.plain.hosts: expected a list of texts in quotes, found array"],
    );
}

#[test]
fn broken_syntax_is_reported_with_its_line_and_without_its_text() {
    for text in [
        "[server]\n[[connectors]]\ntoken = \"hidden-value\nid = \"a\"\n",
        "[server]\n[[connectors]]\ntoken = hidden-value\n",
        "[server]\n[[connectors]]\ntoken = \"hidden-value\" \"hidden-value\"\n",
    ] {
        let error = Config::load(Some(text), &Environment::new()).unwrap_err();
        assert!(error.problems().iter().all(|line| line.starts_with("line 3: ")), "{error}");
        assert!(!error.to_string().contains("hidden-value"), "{error}");
    }
    refused("[store]\nurl = \"memory:\"\nurl = \"memory:\"", &["line 3: duplicate key"]);
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    let text = "[server]\nlisten = \"here\"\n[store]\nurl = \"postgres://x\"\n[broker]\n\
                url = \"nats://x\"\n[limits]\nidle_seconds = 0\n[[connectors]]\nid = \"a b\"\n";
    let problems = [
        "line 2: server.listen: \"here\" is not an address with a port, such as 127.0.0.1:8080",
        "line 4: store.url: \"postgres://x\" is not memory: or sqlite:PATH",
        "line 6: broker.url: \"nats://x\" is not local:",
        "line 8: limits.idle_seconds: 0 makes no sense, at least 1",
        "line 9: connectors[0].bot: missing",
        "line 9: connectors[0].token: missing",
        "line 10: connectors[0].id: \"a b\": an id has 1 to 64 letters, digits, '-', '_' and '.', and \
         not dots alone",
    ];
    refused(text, &problems);
}

#[test]
fn metrics_are_off_unless_they_have_an_address() {
    assert_eq!(load("").metrics, None);
    let address = Some("[::1]:9464".parse().unwrap());
    assert_eq!(load("[metrics]\nlisten = \"[::1]:9464\"").metrics, address);
    assert_eq!(load("[metrics]\nlisten = \"\"").metrics, None);
    let complaint = "line 2: metrics.listen: \"9464\" is not an address with a port, such as \
                     127.0.0.1:9464";
    refused("[metrics]\nlisten = \"9464\"", &[complaint]);
}

#[test]
fn addresses_have_to_be_ones() {
    for (key, value, complaint) in [
        ("listen", "localhost:8080", "\"localhost:8080\" is not an address with a port, such as"),
        ("listen", "127.0.0.1", "\"127.0.0.1\" is not an address with a port, such as"),
        ("public_url", "chat.example.com", "expected a URL that begins with http:// or https://"),
        ("public_url", "ftp://example.com", "expected a URL that begins with http:// or https://"),
        ("public_url", "https://a:b@example.com", "must not hold a user name or a password"),
        ("public_url", "https://example.com/?a", "may have a path, but no query and no fragment"),
    ] {
        let error =
            Config::load(Some(&format!("[server]\n{key} = \"{value}\"")), &Environment::new())
                .unwrap_err();
        let expected = format!("line 2: server.{key}: {complaint}");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    for url in [
        "sqlite:",
        "sqlite:a/",
        "sqlite:..",
        "sqlite://x.db",
        "sqlite::memory:",
        "memory",
        "memory:x",
        "",
        "sqlite",
    ] {
        refused(
            &format!("[store]\nurl = \"{url}\""),
            &[&format!("line 2: store.url: {url:?} is not memory: or sqlite:PATH")],
        );
    }
}

#[test]
fn the_data_folder_is_that_of_the_database() {
    for (url, folder) in [
        ("memory:", None),
        ("sqlite:segue.db", Some(".")),
        ("sqlite:data/segue.db", Some("data")),
        ("sqlite:/var/lib/segue/segue.db", Some("/var/lib/segue")),
    ] {
        let config = load(&format!("[store]\nurl = \"{url}\""));
        assert_eq!(config.store.folder(), folder.map(Path::new), "{url}");
    }
}

#[test]
fn limits_have_to_make_sense() {
    for limit in Limits::ALL {
        let at = |value: u64| format!("[limits]\n{} = {value}", limit.name);
        refused(
            &at(limit.max + 1),
            &[&format!(
                "line 2: limits.{}: {} is too much, at most {}",
                limit.name,
                limit.max + 1,
                limit.max
            )],
        );
        assert_eq!(load(&at(limit.max)).limits.get(limit.name), Some(limit.max));
        match limit.name {
            "messages_burst"
            | "handshakes_burst"
            | "connector_handshakes_burst"
            | "sockets_burst" => {}
            _ if limit.min == 0 => assert_eq!(load(&at(0)).limits.get(limit.name), Some(0)),
            _ => refused(
                &at(0),
                &[&format!("line 2: limits.{}: 0 makes no sense, at least 1", limit.name)],
            ),
        }
    }
}

#[test]
fn a_burst_of_nothing_goes_only_with_a_rate_that_is_off() {
    load("[limits]\nmessages_burst = 0\nmessages_per_second = 0");
    refused(
        "[limits]\nhandshakes_burst = 0",
        &["line 2: limits.handshakes_burst: 0 would refuse everything; to turn the rate off, set \
           handshakes_per_second to 0"],
    );
    refused(
        &connector_with("messages_burst = 0\nmessages_per_second = 1"),
        &["line 25: connectors.my-shop.messages_burst: 0 would refuse everything; to turn the \
           rate off, set messages_per_second to 0"],
    );
    // Of the connectors, only those that say something themselves are complained about.
    let off =
        SOUND.replace("messages_per_second = 0", "messages_per_second = 0\nmessages_burst = 0");
    load(&off);
    refused(
        &off.replace("turn_seconds = 30", "messages_per_second = 1"),
        &["line 25: connectors.my-shop.messages_burst: 0 would refuse everything; to turn the \
           rate off, set messages_per_second to 0"],
    );
}

#[test]
fn a_connector_may_repeat_any_limit() {
    for limit in Limits::ALL {
        let text = format!(
            "[limits]\n{name} = {}\n[[connectors]]\nid = \"a\"\ntoken = \"t\"\nhosts = [\"a.b\"]\n\
             bot = \"b\"\n{name} = {}\n[[bots]]\nid = \"b\"\nkind = \"knowledge\"\nname = \"B\"",
            limit.max - 1,
            limit.max,
            name = limit.name,
        );
        let config = load(&text);
        let mut own = LimitsOverrides::default();
        own.set(limit.name, limit.max);
        assert_eq!(config.limits.get(limit.name), Some(limit.max - 1));
        assert_eq!(config.connectors[0].settings.limits, config.limits.with(&own));
    }
}

#[test]
fn connectors_have_to_be_sound() {
    for (from, to, problem) in [
        ("\"token-of-the-plain\"", "\"\"", "line 28: connectors.plain.token: must not be empty"),
        (
            "\"token-of-the-plain\"",
            "\"token-of-the-shop\"",
            "line 28: connectors.plain.token: the same as that of number 1 already",
        ),
        (
            "\"token-of-the-plain\"",
            "\"hidden value\"",
            "line 28: connectors.plain.token: has to fit into a header: printable ASCII without \
             spaces, at most 512 bytes",
        ),
        (
            "\"plain\"",
            "\"my-shop\"",
            "line 27: connectors.my-shop.id: the same as that of number 1 already",
        ),
        (
            "bot = \"mine\"",
            "bot = \"mien\"",
            "line 30: connectors.plain.bot: no bot has the id \"mien\"; the nearest known one is \
             mine",
        ),
        ("bot = \"mine\"", "", "line 26: connectors.plain.bot: missing"),
        (
            "\"client\"",
            "\"desk\"",
            "line 19: connectors.my-shop.handoff: \"desk\" is not one of \"none\", \"server\", \
             \"client\"",
        ),
        (
            "[\"plain.example\"]",
            "[\"plain.example\", \"*.example\"]",
            "line 29: connectors.plain.hosts: \"*.example\" must not hold a wildcard: the \
             subdomains of a host are included",
        ),
        (
            "com.example.app",
            "com/example",
            "line 17: connectors.my-shop.apps: \"com/example\" is not the namespace of an app, \
             such as com.yourcompany.app",
        ),
    ] {
        assert!(SOUND.contains(from));
        refused(&SOUND.replace(from, to), &[problem]);
    }
}

#[test]
fn bots_have_to_be_sound() {
    for (from, to, problem) in [
        ("name = \"Mine\"", "", "line 40: bots.mine.name: missing"),
        ("name = \"Mine\"", "name = \"\"", "line 43: bots.mine.name: must not be empty"),
        (
            "kind = \"http\"",
            "kind = \"openai\"",
            "line 42: bots.mine.kind: \"openai\" is not one of \"knowledge\", \"http\"",
        ),
        ("kind = \"http\"", "", "line 40: bots.mine.kind: missing"),
        ("secret = \"secret-of-mine\"", "", "line 40: bots.mine.secret: missing"),
        ("secret-of-mine", "", "line 46: bots.mine.secret: must not be empty"),
        ("url = \"http://localhost:9000/turn?v=1\"", "", "line 40: bots.mine.url: missing"),
        (
            "http://localhost",
            "localhost",
            "line 45: bots.mine.url: expected a URL that begins with http:// or https://",
        ),
        (
            "http://localhost",
            "http://me:hidden@localhost",
            "line 45: bots.mine.url: must not hold a user name or a password",
        ),
        (
            "https://example.com/ä.png",
            "/ada.png",
            "line 36: bots.ada.avatar_url: expected a URL that begins with http:// or https://",
        ),
        (
            "\"Hello\"",
            "\" \"",
            "line 37: bots.ada.greeting: has to be empty or to say something, in 8192 bytes",
        ),
        (
            "topics = \"some/folder\"",
            "secret = \"hidden\"",
            "line 38: bots.ada.secret: a bot of kind \"knowledge\" has none",
        ),
        (
            "greeting = \"\"",
            "topics = \"x\"",
            "line 44: bots.mine.topics: a bot of kind \"http\" has none",
        ),
    ] {
        assert!(SOUND.contains(from), "{from}");
        refused(&SOUND.replace(from, to), &[problem]);
    }
    let doubled =
        SOUND.replace("id = \"mine\"", "id = \"ada\"").replace("bot = \"mine\"", "bot = \"ada\"");
    refused(&doubled, &["line 41: bots.ada.id: the same as that of number 1 already"]);
    refused(
        "[[connectors]]\nid = \"a\"\ntoken = \"t\"\nbot = \"b\"",
        &["line 4: connectors.a.bot: no bot has the id \"b\"; there are no [[bots]]"],
    );
}

#[test]
fn what_is_hardly_meant_is_warned_about() {
    let text = SOUND
        .replace("[\"plain.example\"]", "[]")
        .replace("idle_seconds = 700", "connection_idle_seconds = 30")
        .replace("idle_seconds = 800", "idle_seconds = 29");
    assert_eq!(
        load(&text).warnings,
        [
            "connectors.plain has neither hosts nor apps: nobody can use it",
            "limits.connection_idle_seconds is not above the 30 s between the heartbeats of a \
             client: quiet ones will be thrown out",
            "connectors.my-shop.idle_seconds is not above the 30 s between the heartbeats of a \
             client: quiet ones will be thrown out",
        ]
    );
}

proptest::proptest! {
    #[test]
    fn any_file_is_read_or_refused_without_a_panic(text in proptest::prelude::any::<String>()) {
        let _ = Config::load(Some(&text), &Environment::new());
    }

    #[test]
    fn any_edit_of_a_sound_file_is_read_or_refused_in_one_line_each(
        at in 0..SOUND.len(), gone in 0..20_usize, put in r#"[\[\]="a-z0-9.\n #]{0,6}"#,
    ) {
        let mut bytes = SOUND.as_bytes().to_vec();
        bytes.splice(at..(at + gone).min(SOUND.len()), put.into_bytes());
        if let Ok(text) = String::from_utf8(bytes)
            && let Err(error) = Config::load(Some(&text), &Environment::new())
        {
            proptest::prop_assert!(!error.problems().is_empty());
            proptest::prop_assert_eq!(error.to_string().lines().count(), error.problems().len());
            proptest::prop_assert!(!error.to_string().contains("secret-of-mine"), "{}", error);
        }
    }

    #[test]
    fn any_variable_is_read_or_refused_without_a_panic(
        name in "SEGUE_(SERVER|LIMITS|CONNECTORS|BOTS)_[A-Z_]{0,20}", value in ".{0,20}",
    ) {
        let _ = Config::load(Some(SOUND), &env(&[(&name, &value)]));
    }
}
