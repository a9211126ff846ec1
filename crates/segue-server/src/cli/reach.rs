//! How a command gets at what it concerns: always through the admin API, which is called in this
//! process where the data folder can be had, and otherwise over the network.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Request},
};
use clap::Args;
use http_body_util::BodyExt;
use segue_store::{OpenError, SqliteOptions, SqliteStore};
use serde_json::Value;
use tower_service::Service;

use super::{Failed, chat::untrusted, load};
use crate::{
    api_keys::ADMIN_KEY_FILE,
    chat,
    config::{Config, Environment, StoreUrl},
    http::{self, admin::OnThisMachine},
    limits,
    outgoing::{self, Trusted},
    serve::Peer,
    server,
};

/// Where, with which key, and in which form.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where and how")]
pub struct Reach {
    /// The server; without it, the data folder and the server of the configuration.
    #[arg(long, env = "SEGUE_URL", global = true, value_name = "URL")]
    pub url: Option<String>,
    /// A key of the admin API; without it, the one in the data folder.
    #[arg(
        long,
        env = "SEGUE_ADMIN_KEY",
        hide_env_values = true,
        global = true,
        value_name = "KEY"
    )]
    key: Option<String>,
    /// The configuration file; `./segue.toml` if it is there.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Trust the certificates in this file, PEM, and no others.
    #[arg(long, env = "SEGUE_CA", global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// JSON instead of tables, one object a line.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What a command wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// It changes nothing.
    Look,
    /// It may.
    Change,
}

/// The admin API.
pub enum Api {
    /// Of a server, over the network.
    There(There),
    /// In this process, on the data folder.
    Here(Box<Here>),
}

pub struct There {
    client: reqwest::Client,
    url: String,
    /// What may be wrong where nobody answers.
    hint: &'static str,
    key: HeaderValue,
}

pub struct Here {
    router: Router,
    store: Arc<SqliteStore>,
    /// The key that was given, if any: it allows what it allows elsewhere.
    key: Option<HeaderValue>,
}

impl Reach {
    /// Gets at the API.
    pub(super) async fn open(&self, intent: Intent, env: &Environment) -> Result<Api, Failed> {
        let key = self.key()?;
        if let Some(url) = &self.url {
            let server = chat::Address::parse(url).map_err(|it| Failed::Usage(it.into()))?;
            let key = match key {
                Some(key) => key,
                None => self.key_for(&server, env)?,
            };
            return self.there(&Address::of_url(&server), key);
        }
        let config = load(self.config.as_deref(), env)?;
        let StoreUrl::Sqlite(path) = &config.store else {
            // What is in memory is known to its server only.
            let key = key.ok_or_else(no_key_in_memory)?;
            return self.there(&Address::of_config(&config), key);
        };
        must_be_there(path)?;
        let opened = match intent {
            Intent::Look => SqliteStore::open_read_only(path),
            Intent::Change => SqliteStore::open(SqliteOptions::new(path)),
        };
        match opened {
            Ok(store) => Here::open(config, Arc::new(store), key).await,
            Err(OpenError::Locked { .. }) => {
                let key = match (key, config.store.folder()) {
                    (Some(key), _) => key,
                    (None, Some(folder)) => key_in(folder)?,
                    (None, None) => return Err(no_key_in_memory()),
                };
                self.there(&Address::of_config(&config), key)
            }
            Err(error) => Err(anyhow::Error::new(error).into()),
        }
    }

    /// The key that was given, as it is sent. Whatever was given counts, so that what goes wrong
    /// with it is told: without a key, this machine may do everything.
    fn key(&self) -> Result<Option<HeaderValue>, Failed> {
        self.key.as_deref().map(bearer).transpose()
    }

    /// The key of the data folder, for this address: it goes to this machine only.
    fn key_for(&self, server: &chat::Address, env: &Environment) -> Result<HeaderValue, Failed> {
        let host = server.host();
        let bare = host.trim_matches(['[', ']']);
        if host != "localhost" && !bare.parse().is_ok_and(|it: IpAddr| it.is_loopback()) {
            let text = "a server elsewhere needs a key: --key or SEGUE_ADMIN_KEY";
            return Err(Failed::NotAllowed(anyhow::anyhow!(text)));
        }
        match load(self.config.as_deref(), env)?.store.folder() {
            Some(folder) => key_in(folder),
            None => Err(no_key_in_memory()),
        }
    }

    fn there(&self, address: &Address, key: HeaderValue) -> Result<Api, Failed> {
        outgoing::install_crypto();
        // No proxy of the environment: the key goes to the server and to nobody in between.
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(limits::BOT_CONNECT_SECONDS_MAX));
        if let Some((name, socket)) = &address.by_name {
            client = client.resolve(name, *socket);
        }
        if let Some(path) = &self.ca {
            client = Trusted::read(path).map_err(untrusted)?.only(client);
        }
        let client = client.build().context("cannot make a client")?;
        let url = address.url.trim_end_matches('/').to_owned();
        Ok(Api::There(There { client, url, hint: address.hint, key }))
    }
}

/// Looking makes nothing, and neither does a backup.
pub fn must_be_there(database: &Path) -> Result<(), Failed> {
    if database.exists() {
        return Ok(());
    }
    Err(Failed::NotReachable(anyhow::anyhow!(
        "there is no database {}: start the server once, or name its configuration with --config",
        database.display()
    )))
}

/// The key that the first start has left in a data folder.
fn key_in(folder: &Path) -> Result<HeaderValue, Failed> {
    let path = folder.join(ADMIN_KEY_FILE);
    let context = || format!("there is no --key, and {} cannot be read", path.display());
    let key = std::fs::read_to_string(&path).with_context(context).map_err(Failed::NotAllowed)?;
    bearer(&key)
}

fn bearer(key: &str) -> Result<HeaderValue, Failed> {
    let key = key.trim();
    let header = HeaderValue::try_from(format!("Bearer {key}")).ok().filter(|_| !key.is_empty());
    let mut header = header.ok_or_else(|| {
        Failed::NotAllowed(anyhow::anyhow!("what is given as a key of the admin API is none"))
    })?;
    header.set_sensitive(true);
    Ok(header)
}

fn no_key_in_memory() -> Failed {
    Failed::NotAllowed(anyhow::anyhow!(
        "the configuration keeps conversations in memory, and such a server has no key of its admin \
         API: nobody can look after it"
    ))
}

/// Where a server is.
struct Address {
    url: String,
    /// The name in the URL stands for this socket, whatever the name service says of it.
    by_name: Option<(String, SocketAddr)>,
    /// What may be wrong where nobody answers.
    hint: &'static str,
}

/// The data folder is in use, but by whom?
const LISTENS_ELSEWHERE: &str =
    ", which is `server.listen` of the configuration; name the address with --url if it is another";

impl Address {
    /// As somebody wrote it.
    fn of_url(server: &chat::Address) -> Self {
        Self { url: server.to_string(), by_name: None, hint: "" }
    }

    /// Where the server of a configuration is reached from its own machine: on the socket that it
    /// listens on, and nowhere else, whoever its public name leads to. With TLS it is called by that
    /// name, which its certificate has.
    fn of_config(config: &Config) -> Self {
        let listen = config.server.listen;
        let ip = match listen.ip() {
            IpAddr::V4(it) if it.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(it) if it.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            other => other,
        };
        let socket = SocketAddr::new(ip, listen.port());
        let hint = LISTENS_ELSEWHERE;
        if config.tls.is_none() {
            return Self { url: format!("http://{socket}"), by_name: None, hint };
        }
        let public = reqwest::Url::parse(&config.server.public_url).ok();
        match public.as_ref().and_then(reqwest::Url::domain) {
            None => Self { url: format!("https://{socket}"), by_name: None, hint },
            Some(name) => Self {
                url: format!("https://{name}:{}", socket.port()),
                by_name: Some((name.to_owned(), socket)),
                hint,
            },
        }
    }
}

impl Api {
    /// What is there.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Failed> {
        self.call(Method::GET, path, None).await
    }

    /// What becomes of a change.
    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Value, Failed> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Calls a route whose answer is JSON.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Failed> {
        let text = self.text(method, path, body).await?;
        Ok(serde_json::from_str(&text).context("the server does not answer with JSON")?)
    }

    /// Calls a route, whatever its answer is.
    pub(super) async fn text(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<String, Failed> {
        let path = format!("{}{path}", http::admin::PREFIX);
        let body = body.map(|it| it.to_string()).unwrap_or_default();
        let (status, text) = match self {
            Api::There(there) => there.send(method, &path, body).await?,
            Api::Here(here) => here.send(method, &path, body).await?,
        };
        if (200..300).contains(&status) { Ok(text) } else { Err(refused(status, &text)) }
    }

    /// Lets go of the data folder.
    pub(super) async fn close(self) {
        if let Api::Here(here) = self {
            here.store.close().await;
        }
    }
}

impl There {
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(u16, String), Failed> {
        let url = format!("{}{path}", self.url);
        let unreachable = |error: reqwest::Error| {
            let error = anyhow::Error::new(error.without_url());
            Failed::NotReachable(error.context(format!("cannot reach {}{}", self.url, self.hint)))
        };
        let request = self
            .client
            .request(method, url)
            .header("Authorization", self.key.clone())
            .header("Content-Type", "application/json")
            .body(body);
        let answer = request.send().await.map_err(unreachable)?;
        // Every answer of a server has one; what has none is something else that listens there.
        if !answer.headers().contains_key("x-polyai-correlation-id") {
            let text = format!("what answers at {} is no Segue server", self.url);
            return Err(Failed::NotReachable(anyhow::anyhow!(text)));
        }
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(unreachable)?))
    }
}

impl Here {
    async fn open(
        config: Config,
        store: Arc<SqliteStore>,
        key: Option<HeaderValue>,
    ) -> Result<Api, Failed> {
        let app = server::offline(config, Arc::<SqliteStore>::clone(&store)).await?;
        Ok(Api::Here(Box::new(Self { router: http::router(app), store, key })))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(u16, String), Failed> {
        let request = match self.key.clone() {
            Some(key) => Request::builder().header("Authorization", key),
            None => Request::builder(),
        };
        let request = request
            .method(method)
            .uri(path)
            .extension(OnThisMachine)
            .extension(Peer::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))
            .body(Body::from(body))
            .context("not a request")?;
        let answer = match self.router.clone().call(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.context("the answer broke off")?;
        Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    }
}

fn refused(status: u16, text: &str) -> Failed {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let message = body["message"].as_str().unwrap_or("the server refuses without a word");
    let error = anyhow::anyhow!("{message} ({status})");
    Failed::refused(status, error)
}

/// A text as a part of a path.
pub fn path_part(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
