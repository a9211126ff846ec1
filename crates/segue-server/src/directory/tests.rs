//! Connectors that are made and changed at run time: durable before they are told, and the same after
//! a restart.

use std::sync::atomic::{AtomicU64, Ordering};

use segue_core::{
    BotProfile,
    ports::{Answer, Bot, BotError, Store, TurnRequest},
};
use segue_store::MemoryStore;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    config::{BotId, Config, Environment},
    connectors::{ConfiguredBot, ConnectorSource},
    limits::{BotLimits, Limits},
    secrets::SecretsKey,
};

/// Nobody asks it.
struct Silent;

#[async_trait::async_trait]
impl Bot for Silent {
    async fn answer(&self, _: &TurnRequest) -> Result<Box<dyn Answer>, BotError> {
        Err(BotError::Failed("nobody should ask".to_owned()))
    }
}

/// A store that outlives directories, and a clock.
struct Bench {
    store: Arc<MemoryStore>,
    now: Arc<AtomicU64>,
    bots: Vec<&'static str>,
}

impl Bench {
    fn new() -> Self {
        let now = Arc::new(AtomicU64::new(1_000_000));
        Self { store: Arc::default(), now, bots: vec!["ada", "bob"] }
    }

    /// The directory of a server that starts now.
    async fn open(&self) -> Directory {
        let now = Arc::clone(&self.now);
        let bot = || {
            let profile = BotProfile::default();
            Arc::new(ConfiguredBot {
                id: BotId("ada".to_owned()),
                limits: BotLimits::default(),
                profile,
                greeting: None,
                bot: Arc::new(Silent),
            })
        };
        let changes = Changes {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            key: Arc::new(SecretsKey::from_bytes(&[7; 32])),
            now: Arc::new(move || now.load(Ordering::Relaxed)),
            bots: self.bots.iter().map(|it| (BotId((*it).to_owned()), bot())).collect(),
            limits: Limits { idle_seconds: 777, ..Limits::default() },
            changing: tokio::sync::Mutex::default(),
            has_revoked: tokio::sync::Notify::default(),
        };
        let text = "[[connectors]]\nid = \"fixed\"\ntoken = \"fixed-token\"\nbot = \"ada\"\n\
                    hosts = [\"fixed.example\"]\n[[bots]]\nid = \"ada\"\nkind = \"knowledge\"\n\
                    name = \"Ada\"\n";
        let config = Config::load(Some(text), &Environment::new()).unwrap();
        let configured = config.connectors.into_iter().map(|it| (it, bot())).collect();
        Directory::open(configured, changes).await.unwrap()
    }

    fn now(&self) -> Timestamp {
        self.now.load(Ordering::Relaxed)
    }

    fn pass(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::Relaxed);
    }
}

fn id(text: &str) -> ConnectorId {
    ConnectorId(text.to_owned())
}

fn map(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn new(name: &str, settings: Value) -> NewConnector {
    NewConnector { id: id(name), settings: map(settings) }
}

fn shop() -> NewConnector {
    new("shop", json!({"bot": "ada", "hosts": ["shop.example"], "turn_seconds": 30}))
}

#[tokio::test]
async fn a_connector_is_used_at_once_and_after_a_restart() {
    let bench = Bench::new();
    let directory = bench.open().await;
    let (made, token) = directory.create(shop()).await.unwrap();
    assert_eq!((made.source, made.state), (ConnectorSource::Stored, ConnectorState::Active));
    for directory in [directory, bench.open().await] {
        let found = directory.by_token(token.expose(), bench.now()).unwrap();
        assert_eq!(found.id, id("shop"));
        assert!(found.settings.hosts.accept_host("www.shop.example"));
        // Its own limits lie over those of the server.
        assert_eq!((found.limits.turn_seconds, found.limits.idle_seconds), (30, 777));
        assert_eq!(directory.token(&id("shop")).await.unwrap(), Some(token.clone()));
        assert_eq!(directory.by_token("sgc_wrong", bench.now()).map(|it| it.id.clone()), None);
    }
}

#[tokio::test]
async fn no_record_holds_a_token_in_the_clear() {
    let bench = Bench::new();
    let directory = bench.open().await;
    let (_, published) = directory.create(shop()).await.unwrap();
    let secret = new("back", json!({"bot": "ada", "hosts": ["x.example"], "server_only": true}));
    let (_, kept) = directory.create(secret).await.unwrap();
    let records = bench.store.records(segue_core::ports::RecordKind::Connector).await.unwrap();
    for record in records {
        for token in [&published, &kept] {
            assert!(!record.body.contains(token.expose()), "{}", record.id);
        }
    }
    assert_eq!(directory.token(&id("back")).await.unwrap(), None);
}

#[tokio::test]
async fn old_and_new_token_work_while_they_overlap() {
    let bench = Bench::new();
    let directory = bench.open().await;
    let (_, old) = directory.create(shop()).await.unwrap();
    let fresh = directory.rotate(&id("shop"), 5_000).await.unwrap();
    let again = bench.open().await;
    for directory in [&directory, &again] {
        let opens = |token: &Secret, now| directory.by_token(token.expose(), now).is_some();
        let now = bench.now();
        assert!(opens(&old, now + 4_999) && opens(&fresh, now + 4_999));
        assert!(!opens(&old, now + 5_000) && opens(&fresh, now + 500_000));
    }
    // Rotating again lengthens nothing.
    directory.rotate(&id("shop"), 60_000).await.unwrap();
    assert!(directory.by_token(old.expose(), bench.now() + 5_000).is_none());
    let last = directory.rotate(&id("shop"), 0).await.unwrap();
    for gone in [&old, &fresh] {
        assert!(directory.by_token(gone.expose(), bench.now()).is_none());
    }
    assert_eq!(directory.token(&id("shop")).await.unwrap(), Some(last));
}

#[tokio::test]
async fn a_connector_has_only_so_many_tokens_at_a_time() {
    let bench = Bench::new();
    let directory = bench.open().await;
    directory.create(shop()).await.unwrap();
    for _ in 1..crate::limits::CONNECTOR_TOKENS_MAX {
        directory.rotate(&id("shop"), 5_000).await.unwrap();
    }
    let refused = directory.rotate(&id("shop"), 5_000).await.unwrap_err();
    assert!(matches!(refused, ChangeError::TooManyTokens), "{refused}");
    bench.pass(5_000);
    directory.rotate(&id("shop"), 5_000).await.unwrap();
}

#[tokio::test]
async fn settings_are_changed_one_by_one_and_taken_back_with_null() {
    let bench = Bench::new();
    let directory = bench.open().await;
    directory.create(shop()).await.unwrap();
    let patch = json!({"bot": "bob", "turn_seconds": null, "labels": ["test"]});
    let changed = directory.update(&id("shop"), map(patch)).await.unwrap();
    for connector in [changed, bench.open().await.get(&id("shop")).unwrap()] {
        assert_eq!(connector.settings.bot, BotId("bob".to_owned()));
        assert_eq!(connector.limits.turn_seconds, Limits::default().turn_seconds);
        assert_eq!(connector.settings.labels, ["test"]);
        assert!(connector.settings.hosts.accept_host("shop.example"));
    }
}

#[tokio::test]
async fn what_makes_no_sense_changes_nothing() {
    let bench = Bench::new();
    let directory = bench.open().await;
    for (settings, says) in [
        (json!({"hosts": ["a.example"]}), "connectors.x.bot: missing"),
        (json!({"bot": "adam"}), "connectors.x.bot: no bot has the id \"adam\""),
        (json!({"bot": "ada", "hosts": ["co.uk"]}), "is a public suffix"),
        (json!({"bot": "ada", "hosts": "a.example"}), "expected a list of texts"),
        (json!({"bot": "ada", "idle_secs": 3}), "the nearest known one is idle_seconds"),
        (json!({"bot": "ada", "token": "mine"}), "unknown key token"),
    ] {
        let refused = directory.create(new("x", settings)).await.err().unwrap();
        assert!(matches!(refused, ChangeError::Invalid(_)), "{refused}");
        assert!(refused.to_string().contains(says), "{refused}");
    }
    let refused = directory.create(new("a b", json!({"bot": "ada"}))).await.err().unwrap();
    assert!(matches!(refused, ChangeError::NoId), "{refused}");
    directory.create(shop()).await.unwrap();
    let bad = directory.update(&id("shop"), map(json!({"bot": "x"}))).await.err().unwrap();
    assert!(matches!(bad, ChangeError::Invalid(_)), "{bad}");
    assert_eq!(directory.get(&id("shop")).unwrap().settings.bot, BotId("ada".to_owned()));
    assert_eq!(bench.open().await.all().len(), 2);
}

#[tokio::test]
async fn the_configuration_alone_changes_what_it_declares() {
    let bench = Bench::new();
    let directory = bench.open().await;
    let fixed = id("fixed");
    assert!(directory.by_token("fixed-token", bench.now()).is_some());
    let errors = [
        directory.update(&fixed, Map::new()).await.err().unwrap(),
        directory.rotate(&fixed, 0).await.err().unwrap(),
        directory.set_state(&fixed, ConnectorState::Revoked).await.err().unwrap(),
        directory.token(&fixed).await.err().unwrap(),
    ];
    assert!(errors.iter().all(|it| matches!(it, ChangeError::InConfiguration)), "{errors:?}");
    for name in ["fixed", "shop"] {
        let made = directory.create(new(name, json!({"bot": "ada"}))).await;
        assert_eq!(made.is_ok(), name == "shop");
    }
    assert!(matches!(directory.create(shop()).await, Err(ChangeError::Exists)));
    let missing = directory.rotate(&id("missing"), 0).await.err().unwrap();
    assert!(matches!(missing, ChangeError::NotFound), "{missing}");
}

#[tokio::test]
async fn a_revoked_connector_stays_revoked() {
    let bench = Bench::new();
    let directory = bench.open().await;
    let (_, token) = directory.create(shop()).await.unwrap();
    let shop = id("shop");
    for state in [ConnectorState::Disabled, ConnectorState::Active, ConnectorState::Revoked] {
        assert_eq!(directory.set_state(&shop, state).await.unwrap().state, state);
        assert_eq!(directory.get(&shop).unwrap().is_open(), state == ConnectorState::Active);
    }
    // Whoever waits for it hears of it, also afterwards.
    directory.revocation().await;
    assert_eq!(directory.revoked(), std::slice::from_ref(&shop));
    directory.set_state(&shop, ConnectorState::Revoked).await.unwrap();
    let back = directory.set_state(&shop, ConnectorState::Active).await.err().unwrap();
    assert!(matches!(back, ChangeError::Revoked), "{back}");
    assert!(matches!(directory.rotate(&shop, 0).await, Err(ChangeError::Revoked)));
    // Its token still names it, so that it is told from one that never was.
    let again = bench.open().await;
    assert_eq!(again.by_token(token.expose(), bench.now()).unwrap().state, ConnectorState::Revoked);
    assert!(matches!(again.create(self::shop()).await, Err(ChangeError::Exists)));
}

#[tokio::test]
async fn a_connector_whose_bot_is_gone_stays() {
    let mut bench = Bench::new();
    let (_, token) = bench.open().await.create(shop()).await.unwrap();
    bench.bots = vec!["bob"];
    let directory = bench.open().await;
    assert!(directory.by_token(token.expose(), bench.now()).is_some());
    directory.set_state(&id("shop"), ConnectorState::Disabled).await.unwrap();
    let patch = map(json!({"bot": "bob"}));
    let mended = directory.update(&id("shop"), patch).await.unwrap();
    assert_eq!(mended.settings.bot, BotId("bob".to_owned()));
}

#[tokio::test]
async fn changes_at_the_same_time_are_made_one_after_another() {
    let bench = Bench::new();
    let directory = Arc::new(bench.open().await);
    directory.create(shop()).await.unwrap();
    let changes = (0..5).map(|n| {
        let directory = Arc::clone(&directory);
        let patch = map(json!({"account": format!("a{n}")}));
        tokio::spawn(async move { directory.update(&id("shop"), patch).await.is_ok() })
    });
    for done in changes.collect::<Vec<_>>() {
        assert!(done.await.unwrap());
    }
    // Another node has the version from before.
    let other = bench.open().await;
    directory.rotate(&id("shop"), 0).await.unwrap();
    other.set_state(&id("shop"), ConnectorState::Disabled).await.unwrap();
    let records = bench.store.records(segue_core::ports::RecordKind::Connector).await.unwrap();
    assert_eq!(records[0].revision, 8);
}
