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
    http::{Method, Request},
};
use clap::Args;
use http_body_util::BodyExt;
use segue_store::{OpenError, SqliteOptions, SqliteStore};
use serde_json::Value;
use tower_service::Service;

use super::{Failed, load};
use crate::{
    api_keys::ADMIN_KEY_FILE,
    config::{Config, Environment, StoreUrl},
    http::{self, admin::OnThisMachine},
    limits, outgoing,
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
    key: String,
}

pub struct Here {
    router: Router,
    store: Arc<SqliteStore>,
}

impl Reach {
    /// Gets at the API.
    pub(super) async fn open(&self, intent: Intent, env: &Environment) -> Result<Api, Failed> {
        if let Some(url) = &self.url {
            let folder = self.folder_for(url, env);
            return self.there(&Address::of_url(url), folder.as_deref());
        }
        let config = load(self.config.as_deref(), env)?;
        let StoreUrl::Sqlite(path) = &config.store else {
            // What is in memory is known to its server only.
            return self.there(&Address::of_config(&config), None);
        };
        if !path.exists() {
            return Err(Failed::NotReachable(anyhow::anyhow!(
                "there is no database {}: start the server once, or name its configuration with \
                 --config or its address with --url",
                path.display()
            )));
        }
        let opened = match intent {
            Intent::Look => SqliteStore::open_read_only(path),
            Intent::Change => SqliteStore::open(SqliteOptions::new(path)),
        };
        match opened {
            Ok(store) => Here::open(config, Arc::new(store)).await,
            Err(OpenError::Locked { .. }) => {
                self.there(&Address::of_config(&config), config.store.folder())
            }
            Err(error) => Err(Failed::Work(error.into())),
        }
    }

    /// The folder whose key may go to this address: only to this machine.
    fn folder_for(&self, url: &str, env: &Environment) -> Option<PathBuf> {
        let url = reqwest::Url::parse(url).ok()?;
        let is_here = match url.host_str()? {
            "localhost" => true,
            host => host.trim_matches(['[', ']']).parse().is_ok_and(|it: IpAddr| it.is_loopback()),
        };
        let config = load(self.config.as_deref(), env).ok().filter(|_| is_here)?;
        config.store.folder().map(Path::to_owned)
    }

    fn there(&self, address: &Address, folder: Option<&Path>) -> Result<Api, Failed> {
        let key = match (&self.key, folder) {
            (Some(key), _) => key.trim().to_owned(),
            (None, Some(folder)) => {
                let path = folder.join(ADMIN_KEY_FILE);
                let read = std::fs::read_to_string(&path);
                let context =
                    || format!("there is no --key, and {} cannot be read", path.display());
                read.with_context(context).map_err(Failed::NotAllowed)?.trim().to_owned()
            }
            (None, None) => {
                let text = "a server elsewhere needs a key: --key or SEGUE_ADMIN_KEY";
                return Err(Failed::NotAllowed(anyhow::anyhow!(text)));
            }
        };
        outgoing::install_crypto();
        // No proxy of the environment: the key goes to the server and to nobody in between.
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(limits::BOT_CONNECT_SECONDS_MAX));
        if let Some((name, socket)) = &address.by_name {
            client = client.resolve(name, *socket);
        }
        let client = client.build().context("cannot make a client")?;
        let url = address.url.trim_end_matches('/').to_owned();
        Ok(Api::There(There { client, url, key }))
    }
}

/// Where a server is.
struct Address {
    url: String,
    /// The name in the URL stands for this socket, whatever the name service says of it.
    by_name: Option<(String, SocketAddr)>,
}

impl Address {
    /// As somebody wrote it.
    fn of_url(url: &str) -> Self {
        Self { url: url.to_owned(), by_name: None }
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
        if config.tls.is_none() {
            return Self { url: format!("http://{socket}"), by_name: None };
        }
        let public = reqwest::Url::parse(&config.server.public_url).ok();
        match public.as_ref().and_then(reqwest::Url::domain) {
            None => Self { url: format!("https://{socket}"), by_name: None },
            Some(name) => Self {
                url: format!("https://{name}:{}", socket.port()),
                by_name: Some((name.to_owned(), socket)),
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
            Failed::NotReachable(error.context(format!("cannot reach {}", self.url)))
        };
        let request = self
            .client
            .request(method, url)
            .header("Authorization", format!("Bearer {}", self.key))
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
    async fn open(config: Config, store: Arc<SqliteStore>) -> Result<Api, Failed> {
        let app = server::offline(config, Arc::<SqliteStore>::clone(&store)).await?;
        Ok(Api::Here(Box::new(Self { router: http::router(app), store })))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(u16, String), Failed> {
        let request = Request::builder()
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
    match status {
        400 => Failed::Usage(error),
        401 | 403 => Failed::NotAllowed(error),
        404 => Failed::NotFound(error),
        429 | 502..=504 => Failed::NotReachable(error),
        _ => Failed::Work(error),
    }
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
