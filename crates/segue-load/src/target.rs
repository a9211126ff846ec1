//! The way into a server: hand-shake and socket, from a loopback address of our own choice.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{client::IntoClientRequest as _, protocol::WebSocketConfig},
};

use crate::limits;

/// A socket as the generator has it.
pub type Web = WebSocketStream<TcpStream>;

/// Where a server is, and as whom it is spoken to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its address.
    pub address: SocketAddr,
    /// The connector's token.
    pub token: String,
    /// A host that the connector may be used from.
    pub host: String,
    /// So many loopback addresses are used as our own.
    pub sources: usize,
}

/// An access token.
#[derive(Debug, Clone)]
pub struct Access {
    /// As it is sent.
    pub token: String,
}

/// A conversation and its key.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Which session.
    pub session: String,
    /// The access token that opens it.
    pub access: Access,
}

impl Target {
    /// A TCP connection. The user's number says from which address: a port range is short for
    /// thousands of connections.
    pub async fn connect(&self, user: u64) -> anyhow::Result<TcpStream> {
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if self.address.is_ipv4() && self.address.ip().is_loopback() {
            let sources = self.sources.clamp(1, limits::LOAD_SOURCES_MAX) as u64;
            let last = 2 + u8::try_from(user % sources).expect("at most LOAD_SOURCES_MAX");
            socket.bind(SocketAddr::from(([127, 0, 0, last], 0)))?;
        }
        let tcp = socket.connect(self.address).await?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    /// Opens a socket on a conversation.
    pub async fn open(&self, user: u64, ticket: &Ticket, cursor: u64) -> anyhow::Result<Web> {
        let path = match cursor {
            0 => format!("?session_id={}&access_token={}", ticket.session, ticket.access.token),
            _ => format!(
                "?session_id={}&access_token={}&cursor={cursor}",
                ticket.session, ticket.access.token
            ),
        };
        self.open_at(user, &format!("/ws{path}")).await
    }

    /// Opens a socket at a path.
    pub async fn open_at(&self, user: u64, path: &str) -> anyhow::Result<Web> {
        let tcp = self.connect(user).await?;
        let request = format!("ws://{}{path}", self.address).into_client_request()?;
        let config = WebSocketConfig::default()
            .read_buffer_size(limits::LOAD_SOCKET_BUFFER_BYTES)
            .write_buffer_size(limits::LOAD_SOCKET_BUFFER_BYTES);
        let upgrade = tokio_tungstenite::client_async_with_config(request, tcp, Some(config));
        let (web, _) = in_time("an upgrade", upgrade).await?.context("the upgrade was refused")?;
        Ok(web)
    }
}

/// Waits for an answer, but not for ever.
pub async fn in_time<T>(what: &str, answer: impl Future<Output = T>) -> anyhow::Result<T> {
    let patience = Duration::from_secs(limits::LOAD_ANSWER_SECONDS_MAX);
    let answered = tokio::time::timeout(patience, answer).await;
    answered.with_context(|| format!("{what} took over {} s", limits::LOAD_ANSWER_SECONDS_MAX))
}

/// A connection for hand-shakes, kept open from one to the next.
pub struct Door {
    target: Target,
    requests: SendRequest<Full<Bytes>>,
}

impl Door {
    /// Opens one.
    pub async fn open(target: &Target, user: u64) -> anyhow::Result<Self> {
        let tcp = target.connect(user).await.context("cannot connect to the server")?;
        let (requests, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await?;
        // Its errors are those of the requests.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { target: target.clone(), requests })
    }

    /// Asks for an access token.
    pub async fn access(&mut self) -> anyhow::Result<Access> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: String,
        }
        let request = Request::post("/api/v1/access-token")
            .header("X-Token", &self.target.token)
            .header("X-Host", &self.target.host);
        let answer: Answer = self.ask("an access token", request, "{}".to_owned()).await?;
        Ok(Access { token: answer.access_token })
    }

    /// Creates a session. The bot is told `variant`, and behaves accordingly.
    pub async fn session(&mut self, access: &Access, variant: &str) -> anyhow::Result<Ticket> {
        #[derive(Deserialize)]
        struct Answer {
            session_id: String,
        }
        let request = Request::post("/api/v1/sessions")
            .header("Authorization", format!("Bearer {}", access.token));
        let body = format!(r#"{{"streaming_enabled":true,"variant_id":"{variant}"}}"#);
        let answer: Answer = self.ask("a session", request, body).await?;
        Ok(Ticket { session: answer.session_id, access: access.clone() })
    }

    async fn ask<T: for<'a> Deserialize<'a>>(
        &mut self,
        what: &str,
        request: hyper::http::request::Builder,
        body: String,
    ) -> anyhow::Result<T> {
        let request = request
            .header("Host", self.target.address.to_string())
            .header("Content-Type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let answer = async {
            self.requests.ready().await?;
            let answer = self.requests.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), limits::LOAD_ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
            anyhow::Ok((status, body))
        };
        let (status, body) = in_time(what, answer).await?.with_context(|| format!("no {what}"))?;
        if !status.is_success() {
            bail!("{what} was refused: {status} {}", String::from_utf8_lossy(&body));
        }
        serde_json::from_slice(&body).with_context(|| format!("{what} came as something else"))
    }
}
