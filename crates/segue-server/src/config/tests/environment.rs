//! Variables over a file, over the demonstration, and what is never printed of either.

use super::*;

#[test]
fn every_key_can_be_set_by_a_variable() {
    let mut source = Source::read(SOUND, &mut Problems::default());
    let mut variables = Environment::new();
    let mut expected = Vec::new();
    for section in Section::ALL {
        let (id, table) = match section {
            Section::Connectors => ("MY_SHOP_", "connectors.my-shop"),
            Section::Bots => ("ADA_", "bots.ada"),
            _ => ("", section.name()),
        };
        for key in section.keys().iter().filter(|key| key.name != "id") {
            let name =
                format!("SEGUE_{}_{id}{}", section.name().to_uppercase(), key.name.to_uppercase());
            let (text, value) = match key.kind {
                Kind::Text => ("a, b", Value::Text("a, b".to_owned())),
                Kind::Flag => ("false", Value::Flag(false)),
                Kind::Whole { .. } => ("17", Value::Whole(17)),
                Kind::Texts => (" a,b , ", Value::Texts(vec!["a".to_owned(), "b".to_owned()])),
            };
            variables.insert(name.clone(), text.to_owned());
            expected.push((table, key.name, Given { value, place: Place::Variable(name) }));
        }
    }
    let mut problems = Problems::default();
    source.overlay(&variables, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let (arrays, singles): (Vec<_>, Vec<_>) =
        Section::ALL.into_iter().partition(|it| it.is_array());
    let tables: Vec<_> = singles
        .into_iter()
        .map(|it| source.one(it))
        .chain(arrays.into_iter().flat_map(|it| source.many(it)))
        .collect();
    for (path, key, given) in expected {
        let table = tables.iter().find(|table| table.path == path).unwrap();
        assert_eq!(table.values.get(key), Some(&given), "{path}.{key}");
    }
    let plain = tables.iter().find(|table| table.path == "connectors.plain").unwrap();
    assert_eq!(plain.text("token").unwrap().0, "token-of-the-plain");
}

#[test]
fn a_variable_wins_over_the_file_and_is_checked_like_it() {
    let config = with(&[
        ("SEGUE_LIMITS_IDLE_SECONDS", "701"),
        ("SEGUE_CONNECTORS_MY_SHOP_TOKEN", "other"),
        ("SEGUE_CONNECTORS_MY_SHOP_HOSTS", "a.example, b.example"),
        ("SEGUE_CONNECTORS_MY_SHOP_APPS", ""),
        ("SEGUE_CONNECTORS_MY_SHOP_DISABLED", "false"),
        ("SEGUE_BOTS_MINE_URL", "https://bot.example/"),
        ("SEGUE_CONFIG", "some.toml"),
        ("SEGUE_LOG", "debug"),
        ("SEGUE_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("SEGUE_SERVICE_HOST", "10.0.0.1"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(config.limits.idle_seconds, 701);
    let [shop, plain] = &config.connectors[..] else {
        panic!("{:?}", config.connectors);
    };
    assert!(shop.token.matches("other"));
    assert!(
        shop.settings.hosts.accept_host("b.example")
            && !shop.settings.hosts.accept_host("example.com")
    );
    assert!(!shop.settings.hosts.accept_host("com.example.app"));
    assert!(!shop.disabled);
    assert_eq!((shop.settings.limits.idle_seconds, plain.settings.limits.idle_seconds), (800, 701));

    refused_with(
        &[
            ("SEGUE_CONNECTORS_MY_SHOP_DISABLED", "yes"),
            ("SEGUE_CONNECTORS_PLAIN_BOT", "nobody"),
            ("SEGUE_LIMITS_IDLE_SECONDS", "-1"),
            ("SEGUE_SERVER_LISTEN", "here"),
        ],
        &[
            "SEGUE_CONNECTORS_MY_SHOP_DISABLED: expected true or false",
            "SEGUE_CONNECTORS_PLAIN_BOT: connectors.plain.bot: no bot has the id \"nobody\"; known \
             are ada, mine",
            "SEGUE_LIMITS_IDLE_SECONDS: expected a whole number from 1 to 31536000",
            "SEGUE_SERVER_LISTEN: server.listen: \"here\" is not an address with a port, such as \
             127.0.0.1:8080",
        ],
    );
}

#[test]
fn a_variable_may_give_what_the_file_lacks() {
    let text = SOUND.replace("token = \"token-of-the-plain\"\n", "");
    refused(&text, &["line 26: connectors.plain.token: missing"]);
    let config =
        Config::load(Some(&text), &env(&[("SEGUE_CONNECTORS_PLAIN_TOKEN", "given")])).unwrap();
    assert!(config.connectors[1].token.matches("given"));
}

#[test]
fn a_variable_that_sets_nothing_is_an_error() {
    for (name, nearest) in [
        ("SEGUE_LIMITS_IDEL_SECONDS", "SEGUE_LIMITS_IDLE_SECONDS"),
        ("SEGUE_LIMIT_IDLE_SECONDS", "SEGUE_LIMITS_IDLE_SECONDS"),
        ("SEGUE_SERVER_LISTEN_", "SEGUE_SERVER_LISTEN"),
        ("SEGUE_BOT_MINE_URL", "SEGUE_BOTS_MINE_URL"),
        ("SEGUE_CONNECTORS_PLANE_TOKEN", "SEGUE_CONNECTORS_PLAIN_TOKEN"),
        ("SEGUE_CONNECTORS_PLAIN_ID", "SEGUE_CONNECTORS_PLAIN_BOT"),
    ] {
        refused_with(
            &[(name, "hidden")],
            &[&format!("{name}: sets nothing; the nearest known variable is {nearest}")],
        );
    }
}

#[test]
fn a_variable_that_is_near_nothing_is_told_what_there_is() {
    let known = |section: Section, ids: &[&str]| {
        let mut known = Vec::new();
        for id in ids {
            let keys = section.keys().into_iter().filter(|it| it.name != "id");
            known.extend(
                keys.map(|it| format!("SEGUE_{}_{id}{}", section.name(), it.name).to_uppercase()),
            );
        }
        known.join(", ")
    };
    refused_with(
        &[("SEGUE_SERVER_BANANA", "x"), ("SEGUE_BOTS_ZEBRA_STRIPES_EVERYWHERE", "x")],
        &[
            &format!(
                "SEGUE_BOTS_ZEBRA_STRIPES_EVERYWHERE: sets nothing; known are {}",
                known(Section::Bots, &["ada_", "mine_"])
            ),
            &format!(
                "SEGUE_SERVER_BANANA: sets nothing; known are {}",
                known(Section::Server, &[""])
            ),
        ],
    );
    let text = "[server]\nlisten = \"127.0.0.1:0\"";
    let error =
        Config::load(Some(text), &env(&[("SEGUE_CONNECTORS_SHOP_TOKEN", "x")])).unwrap_err();
    assert_eq!(
        error.problems(),
        ["SEGUE_CONNECTORS_SHOP_TOKEN: sets nothing: the file has no such table"]
    );
}

#[test]
fn a_fault_of_the_file_hides_none_of_the_environment() {
    let variables = [
        ("SEGUE_CONNECTORS_MY_SHOP_DISABLED", "yes"),
        ("SEGUE_LIMITS_IDEL_SECONDS", "1"),
        ("SEGUE_LIMITS_IDLE_SECONDS", "soon"),
        ("SEGUE_SERVER_LISTEN", "here"),
    ];
    let of_variables = [
        "SEGUE_LIMITS_IDEL_SECONDS: sets nothing; the nearest known variable is \
         SEGUE_LIMITS_IDLE_SECONDS",
        "SEGUE_LIMITS_IDLE_SECONDS: expected a whole number from 1 to 31536000",
        "SEGUE_SERVER_LISTEN: server.listen: \"here\" is not an address with a port, such as \
         127.0.0.1:8080",
    ];
    // A wrong type: the table is there, and so the variable is looked at as well.
    let wrong_type = SOUND.replace("idle_seconds = 700", "idle_seconds = true");
    let error = Config::load(Some(&wrong_type), &env(&variables)).unwrap_err();
    let problems = error.problems();
    assert_eq!(
        problems[..2],
        [
            "line 10: limits.idle_seconds: expected a whole number from 1 to 31536000, found boolean",
            "SEGUE_CONNECTORS_MY_SHOP_DISABLED: expected true or false",
        ]
    );
    assert_eq!(problems[2..], of_variables);
    // Nobody knows which connectors there are: their variables are not complained about.
    for torn in [
        SOUND.replace("[server]", "[server"),
        SOUND.replace("[[connectors]]", "[[conectors]]"),
        SOUND.replace("id = \"my-shop\"", "id = 7"),
    ] {
        let error = Config::load(Some(&torn), &env(&variables)).unwrap_err();
        let of_file = error.problems().iter().take_while(|it| it.starts_with("line ")).count();
        assert!(of_file > 0, "{error}");
        assert_eq!(error.problems()[of_file..], of_variables, "{error}");
    }
}

#[test]
fn a_variable_that_could_mean_two_is_an_error() {
    let text = SOUND.replace("id = \"plain\"", "id = \"my_shop\"");
    load(&text);
    let error =
        Config::load(Some(&text), &env(&[("SEGUE_CONNECTORS_MY_SHOP_TOKEN", "x")])).unwrap_err();
    assert_eq!(
        error.problems(),
        ["SEGUE_CONNECTORS_MY_SHOP_TOKEN: ambiguous: several connectors have this name"]
    );
}

#[test]
fn the_demonstration_is_for_this_machine() {
    let token = Secret::new("a-random-token");
    let config = Config::demo(&token, &Environment::new()).unwrap();
    let [connector] = &config.connectors[..] else {
        panic!("{:?}", config.connectors);
    };
    assert_eq!(connector.token, token);
    assert_eq!(connector.settings.handoff, Handoff::None);
    for host in ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"] {
        assert!(connector.settings.hosts.accept_origin(host), "{host}");
    }
    assert!(!connector.settings.hosts.accept_origin("http://192.168.0.1:8080"));
    let bot = config.bot(&connector.settings.bot).unwrap();
    assert_eq!(bot.name, "Ada");
    assert_eq!(bot.kind, BotKind::Knowledge { topics: None });
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(config.store, StoreUrl::Sqlite("data/segue.db".into()));
}

#[test]
fn the_environment_changes_the_demonstration() {
    let token = Secret::new("a-random-token");
    let variables = env(&[
        ("SEGUE_SERVER_LISTEN", "[::1]:0"),
        ("SEGUE_STORE_URL", "memory:"),
        ("SEGUE_CONNECTORS_DEMO_TOKEN", "chosen"),
        ("SEGUE_BOTS_DEMO_NAME", "Bo"),
        ("SEGUE_LIMITS_IDLE_SECONDS", "70"),
    ]);
    let config = Config::demo(&token, &variables).unwrap();
    assert_eq!(config.store, StoreUrl::Memory);
    assert!(config.connectors[0].token.matches("chosen"));
    assert_eq!(config.connectors[0].settings.limits.idle_seconds, 70);
    assert_eq!(config.bots[0].name, "Bo");
}

#[test]
fn the_demonstration_is_refused_where_others_can_reach_it() {
    let token = Secret::new("a-random-token");
    for listen in ["0.0.0.0:8080", "[::]:8080", "192.168.0.1:80"] {
        let error = Config::demo(&token, &env(&[("SEGUE_SERVER_LISTEN", listen)])).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
        let expected = format!("SEGUE_SERVER_LISTEN: server.listen: {listen} can be reached");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    Config::demo(&token, &env(&[("SEGUE_SERVER_LISTEN", "127.0.0.2:1")])).unwrap();
}

#[test]
fn secrets_are_never_printed() {
    let config = load(SOUND);
    let printed = format!("{config:?} {}", config.connectors[0].token);
    for secret in ["token-of-the-shop", "token-of-the-plain", "secret-of-mine"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(printed.ends_with(" ***"));
}

#[test]
fn secrets_are_equal_where_their_text_is() {
    let secret = Secret::new("abc");
    assert_eq!(secret, Secret::new("abc"));
    assert_ne!(secret, Secret::new("abd"));
    assert_ne!(secret, Secret::new("ab"));
    assert_ne!(secret, Secret::new("abcd"));
    assert!(secret.matches("abc"));
    assert_eq!(secret.expose(), "abc");
}
