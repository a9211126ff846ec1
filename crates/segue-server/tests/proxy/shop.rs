//! A server in this process, with a bot that needs no network, and the way to a session on it.

use std::net::SocketAddr;

use segue_server::{
    config::Config,
    server::{Server, Tweaks},
};
use serde_json::{Value, json};

use crate::{
    client,
    configuration::{TOKEN, toml},
    raw::Raw,
};

/// Where it listens, if nothing else is said.
pub const LISTEN: &str = "listen = \"127.0.0.1:0\"";

/// Lines of `[limits]`: no rates and no pauses.
pub const UNHURRIED: &str = "\
messages_per_second = 0
handshakes_per_second = 0
connector_handshakes_per_second = 0
sockets_per_second = 0
connections_per_address = 0
sessions_per_token = 0
live_after_replay_ms = 0
replay_batch_interval_ms = 0
";

/// A server, and an access token for any number of sessions.
pub struct Shop {
    server: Server,
    token: String,
}

/// A session, and how to get to it.
pub struct Visit {
    /// Where its server listens.
    pub address: SocketAddr,
    /// Its id.
    pub id: String,
    /// The token that opens it.
    pub token: String,
}

impl Shop {
    /// A server in memory, without pauses and rates, with these lines in its `[limits]`.
    pub async fn open(limits: &str) -> Self {
        let text = toml(LISTEN, "memory:", &format!("{UNHURRIED}{limits}"));
        let config = Config::load(Some(&text), &std::collections::BTreeMap::default()).unwrap();
        let server = Server::start(config, None, Tweaks::default()).await.unwrap();
        let token = client::access_token(server.address(), TOKEN).await.unwrap();
        Self { server, token }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// A new session in which nothing has happened.
    pub async fn visit(&self) -> Visit {
        let (address, token) = (self.address(), self.token.clone());
        let id = client::session(address, &token, &json!({})).await.unwrap();
        Visit { address, id, token }
    }

    /// A session in which the bot has greeted: four events. And a socket that has them.
    pub async fn greeted(&self) -> (Visit, Raw) {
        let visit = self.visit().await;
        let socket = visit.greeted(visit.address).await;
        (visit, socket)
    }

    /// Stops the server.
    pub async fn close(self) {
        self.server.stop().await;
    }
}

impl Visit {
    /// The path of its upgrade.
    pub fn path(&self, cursor: Option<u64>) -> String {
        client::socket_path(&self.id, &self.token, cursor)
    }

    /// A socket behind this cursor.
    pub async fn open(&self, cursor: u64) -> Raw {
        Raw::open(self.address, &self.path(Some(cursor))).await
    }

    /// A first socket over this address, on which the bot has joined and greeted.
    pub async fn greeted(&self, address: SocketAddr) -> Raw {
        let mut socket = Raw::open(address, &self.path(None)).await;
        socket.send(&crate::raw::text(&client::plain("REQUEST_POLY_AGENT_JOIN"))).await;
        socket.events_to(4).await;
        socket
    }

    /// The whole log, up to this sequence, as a client sees it that knows nothing.
    pub async fn log(&self, to: u64) -> Vec<Value> {
        self.open(0).await.events_to(to).await
    }
}

/// A message of the user as a frame.
pub fn say(text: &str, key: &str) -> Vec<u8> {
    crate::raw::text(&client::user_message(text, key))
}

/// The types of events, without their prefix.
pub fn kinds(events: &[Value]) -> Vec<&str> {
    let kinds = events.iter().map(|it| it["type"].as_str().unwrap());
    kinds.map(|it| it.trim_start_matches("EVENT_TYPE_")).collect()
}
