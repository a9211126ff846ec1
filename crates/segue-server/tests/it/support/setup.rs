//! A server to test: its configuration, its start, and the way to a session on it.

use std::net::SocketAddr;

use segue_core::{ConnectorId, TokenId};
use segue_server::{
    config::{Config, Environment},
    http::jwt::{Claims, KEY_FILE, Keys},
    server::{Server, Tweaks},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Bot, Talk, events_of, http::Request, within};
use crate::metrics::Scraped;

/// The token of the connector that every server has.
pub const SHOP_TOKEN: &str = "shop-token-5f1c";
/// A host that it may be used from.
pub const SHOP_HOST: &str = "tallow.example";

/// The configuration of a server, with one connector `shop` and one bot `wick`. Can be started any
/// number of times, one after the other; with SQLite each start finds what the one before left.
pub struct Setup {
    store: Store,
    server: String,
    bot_url: String,
    greeting: String,
    limits: String,
    connector: String,
    also: String,
}

enum Store {
    Memory,
    Sqlite(TempDir),
}

impl Setup {
    /// A server in memory whose bot is this one, with the greeting `Hello.`.
    pub fn new(bot: &Bot) -> Self {
        Self {
            store: Store::Memory,
            server: String::new(),
            bot_url: bot.url(),
            greeting: "Hello.".to_owned(),
            limits: String::new(),
            connector: String::new(),
            also: String::new(),
        }
    }

    /// Keeps its log in SQLite, in a folder that goes with this.
    pub fn sqlite(mut self) -> Self {
        self.store = Store::Sqlite(TempDir::new().unwrap());
        self
    }

    /// What the bot says first. Empty: the bot is asked.
    pub fn greeting(mut self, text: &str) -> Self {
        text.clone_into(&mut self.greeting);
        self
    }

    /// More lines of `[server]`.
    pub fn server(mut self, lines: &str) -> Self {
        self.server.push_str(lines);
        self.server.push('\n');
        self
    }

    /// Lines of `[limits]`.
    pub fn limits(mut self, lines: &str) -> Self {
        self.limits.push_str(lines);
        self.limits.push('\n');
        self
    }

    /// More lines of the connector `shop`, such as `handoff = "client"`.
    pub fn connector(mut self, lines: &str) -> Self {
        self.connector.push_str(lines);
        self.connector.push('\n');
        self
    }

    /// More tables, such as another connector.
    pub fn also(mut self, tables: &str) -> Self {
        self.also.push_str(tables);
        self.also.push('\n');
        self
    }

    /// A token of the connector, as the server with this data folder gave it so many seconds ago.
    /// Its `jti` is the same each time.
    pub fn own_token(&self, age_seconds: u64) -> String {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap();
        let made_at = u64::try_from(since.as_millis()).unwrap() - age_seconds * 1_000;
        let file = self.folder().unwrap().join(KEY_FILE);
        let keys = Keys::open(&file, made_at, &[7; 40]).unwrap();
        keys.sign(&Claims::new(TokenId("t".to_owned()), ConnectorId("shop".to_owned()), made_at))
    }

    /// The data folder, where there is one.
    pub fn folder(&self) -> Option<&std::path::Path> {
        match &self.store {
            Store::Memory => None,
            Store::Sqlite(folder) => Some(folder.path()),
        }
    }

    /// Starts the server on a free port.
    pub async fn start(&self) -> Running {
        self.start_with(Tweaks::default()).await
    }

    /// Starts it with its insides changed.
    pub async fn start_with(&self, tweaks: Tweaks) -> Running {
        let text = self.toml();
        let config = Config::load(Some(&text), &Environment::default())
            .unwrap_or_else(|error| panic!("{error}\nin\n{text}"));
        let server = Server::start(config, None, tweaks).await.unwrap();
        Running::of(server)
    }

    fn toml(&self) -> String {
        let store = match &self.store {
            Store::Memory => "memory:".to_owned(),
            Store::Sqlite(folder) => format!("sqlite:{}", folder.path().join("segue.db").display()),
        };
        format!(
            r#"
[server]
listen = "127.0.0.1:0"
{server}
[store]
url = {store}
[limits]
{limits}
[[connectors]]
id = "shop"
token = "{SHOP_TOKEN}"
hosts = ["{SHOP_HOST}"]
apps = ["com.example.tallow"]
bot = "wick"
{connector}
[[bots]]
id = "wick"
kind = "http"
name = "Wick"
avatar_url = "https://tallow.example/wick.png"
greeting = {greeting}
url = "{url}"
secret = "{secret}"
{also}"#,
            store = Value::from(store),
            server = self.server,
            limits = self.limits,
            connector = self.connector,
            greeting = Value::from(self.greeting.as_str()),
            url = self.bot_url,
            secret = Bot::SECRET,
            also = self.also,
        )
    }
}

/// A server that runs.
pub struct Running {
    server: Server,
    address: SocketAddr,
}

impl Running {
    /// A server that was started in another way.
    pub fn of(server: Server) -> Self {
        Self { address: server.address(), server }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers to those who ask for metrics.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.server.metrics_address()
    }

    /// Its metrics, which have to be turned on.
    pub async fn metrics(&self) -> Scraped {
        let address = self.metrics_address().expect("metrics are on");
        let answer = Request::new(address, "GET", "/metrics").send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Scraped::read(String::from_utf8(answer.body).unwrap())
    }

    /// Its metrics as soon as they are so.
    pub async fn metrics_once(&self, is_so: impl Fn(&Scraped) -> bool) -> Scraped {
        let asking = async {
            loop {
                let scraped = self.metrics().await;
                if is_so(&scraped) {
                    return scraped;
                }
            }
        };
        within("the metrics to say so", asking).await
    }

    /// The same server, from now on reached at this address, as through a tunnel.
    pub fn reached_at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Stops it, as SIGTERM does.
    pub async fn stop(self) {
        within("the server to stop", self.server.stop()).await;
    }

    /// A request, to be filled and sent.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// A request for an access token of the connector `shop`.
    pub fn token_request(&self) -> Request {
        self.request("POST", "/api/v1/access-token")
            .header("X-Token", SHOP_TOKEN)
            .header("X-Host", SHOP_HOST)
            .header("Content-Type", "application/json")
            .body("{}")
    }

    /// An access token of the connector `shop`.
    pub async fn access_token(&self) -> String {
        self.access_token_of(SHOP_TOKEN).await
    }

    /// An access token of the connector with this token.
    pub async fn access_token_of(&self, token: &str) -> String {
        let answer = self.token_request().header("X-Token", token).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A request for a session.
    pub fn session_request(&self, access_token: &str, body: &Value) -> Request {
        self.request("POST", "/api/v1/sessions")
            .header("Authorization", format!("Bearer {access_token}"))
            .json(body)
    }

    /// A request that stops the turn of a session.
    pub fn stop_request(&self, session: &Session) -> Request {
        self.request("POST", &format!("/api/v1/sessions/{}/stop", session.id))
            .header("Authorization", format!("Bearer {}", session.token))
    }

    /// A session of the connector `shop`, made with this body.
    pub async fn session(&self, body: Value) -> Session {
        let token = self.access_token().await;
        self.session_of(token, &body, None).await
    }

    /// A session that streams.
    pub async fn streaming_session(&self) -> Session {
        self.session(json!({"streaming_enabled": true})).await
    }

    /// A session that streams, of a mobile SDK.
    pub async fn native_session(&self) -> Session {
        let token = self.access_token().await;
        let body = json!({"streaming_enabled": true, "platform": "ios"});
        self.session_of(token, &body, Some("PolyMessaging-iOS/2.4.0")).await
    }

    /// A session of this access token.
    pub async fn session_of(
        &self,
        token: String,
        body: &Value,
        user_agent: Option<&str>,
    ) -> Session {
        let mut request = self.session_request(&token, body);
        if let Some(user_agent) = user_agent {
            request = request.header("User-Agent", user_agent);
        }
        let answer = request.send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.json()["session_id"].as_str().unwrap().to_owned();
        Session { address: self.address, id, token }
    }
}

/// A session that exists, and the token that opens it.
#[derive(Clone)]
pub struct Session {
    /// Where its server listens.
    pub address: SocketAddr,
    /// Its id.
    pub id: String,
    /// The access token that made it.
    pub token: String,
}

impl Session {
    /// The same session on a server that was started again, on another port.
    pub fn on(&self, server: &Running) -> Self {
        Self { address: server.address, ..self.clone() }
    }

    /// The request for a socket, with `more` behind it in the query, such as `&cursor=3`.
    pub fn socket_request(&self, more: &str) -> Request {
        let Self { id, token, .. } = self;
        let path = format!("/ws?session_id={id}&access_token={token}{more}");
        Request::new(self.address, "GET", &path)
    }

    /// A socket, with nothing read yet.
    pub async fn open(&self) -> Talk {
        self.socket_request("").open().await
    }

    /// A socket behind this sequence.
    pub async fn open_from(&self, cursor: u64) -> Talk {
        self.socket_request(&format!("&cursor={cursor}")).open().await
    }

    /// The log up to this sequence, as a fresh socket is sent it.
    pub async fn log(&self, to: u64) -> Vec<Value> {
        self.open().await.events_to(to).await
    }

    /// The log of a session that has ended or is about to.
    pub async fn whole_log(&self) -> Vec<Value> {
        let has_end = |frame: &Value| {
            let events = events_of(std::slice::from_ref(frame));
            events.iter().any(|it| it["type"] == "EVENT_TYPE_SESSION_END")
        };
        events_of(&self.open().await.until_that("the end", has_end).await)
    }

    /// A socket on which the bot has joined and said its configured greeting.
    pub async fn open_joined(&self) -> Talk {
        let mut talk = self.open().await;
        // A JOIN that overtakes the first batch would have its effects in it.
        talk.expect("EVENT_BATCH").await;
        talk.join().await;
        talk.greeted().await;
        talk
    }
}
