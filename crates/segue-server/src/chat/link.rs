//! The socket and the way to it. Knows frames as text only; decides nothing about what they say.

use std::{future::Future, pin::Pin, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpStream, time::Instant};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest as _,
        error::ProtocolError,
        http::{HeaderValue, header},
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{address::Address, handshake, handshake::Session};
use crate::{limits, outgoing::Trusted};

/// With it the access token travels as a sub-protocol, and stays out of access logs.
const SUB_PROTOCOL: &str = "segue.v1";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Opened = Result<Socket, tungstenite::Error>;
type Opening = Pin<Box<dyn Future<Output = Opened> + Send>>;

/// The way to the server, whatever state it is in.
pub struct Link {
    server: Address,
    session: Session,
    /// What checks the server's certificate, where this machine's own does not.
    tls: Option<Connector>,
    state: State,
    /// Attempts since something was last heard from the server.
    attempts: u32,
}

enum State {
    Opening(Opening),
    Open(Box<Socket>),
    Waiting { until: Instant },
    Done,
}

/// What happened to it.
#[derive(Debug)]
pub enum News {
    /// The socket is open.
    Opened,
    /// A frame has come.
    Frame(String),
    /// The socket is gone, or was never there.
    Lost(Loss),
    /// It is time to try again; `open` does.
    Due,
}

/// How it was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// The server closed it.
    Closed {
        /// With this code.
        code: u16,
    },
    /// The server refused to open it.
    Refused {
        /// With this status.
        status: u16,
        /// And these words, if any.
        message: Option<String>,
    },
    /// The network, or the server, was not there.
    Broken,
}

impl Link {
    /// A link that is not open yet.
    pub fn new(server: Address, session: Session, trusted: Option<&Trusted>) -> Self {
        let tls = trusted.map(|it| Connector::Rustls(it.client_config()));
        Self { server, session, tls, state: State::Done, attempts: 0 }
    }

    /// Begins to open the socket: what comes after the cursor is asked for.
    pub fn open(&mut self, cursor: u64) {
        let (server, session) = (self.server.clone(), self.session.clone());
        let opening = open(server, session, self.tls.clone(), cursor);
        self.state = State::Opening(Box::pin(opening));
    }

    /// Something was heard: the next loss begins to count anew. Not when it opens: a server that
    /// is overloaded accepts and closes at once.
    pub fn heard(&mut self) {
        self.attempts = 0;
    }

    /// Gives the socket up and waits a while before the next attempt. The random number spreads
    /// those who lost it together.
    pub fn wait(&mut self, random: u64) {
        let retry_ms = retry_ms(self.attempts, random);
        self.attempts = self.attempts.saturating_add(1);
        self.state = State::Waiting { until: Instant::now() + Duration::from_millis(retry_ms) };
    }

    /// Waits for the next news. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> News {
        match &mut self.state {
            State::Opening(opening) => match opening.await {
                Ok(socket) => {
                    self.state = State::Open(Box::new(socket));
                    News::Opened
                }
                Err(error) => {
                    self.state = State::Done;
                    News::Lost(loss(error))
                }
            },
            State::Open(socket) => loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => return News::Frame(text.to_string()),
                    Some(Ok(Message::Close(frame))) => {
                        // 1005 stands for a close without a code.
                        let code = frame.map_or(1005, |it| it.code.into());
                        return News::Lost(Loss::Closed { code });
                    }
                    // Pings are answered by the library; the server sends nothing in binary.
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return News::Lost(Loss::Broken),
                }
            },
            State::Waiting { until } => {
                tokio::time::sleep_until(*until).await;
                News::Due
            }
            State::Done => std::future::pending().await,
        }
    }

    /// Sends a frame; `Err` when the socket is gone.
    pub async fn send(&mut self, frame: String) -> Result<(), Loss> {
        let State::Open(socket) = &mut self.state else { return Err(Loss::Broken) };
        let sending = socket.send(Message::Text(frame.into()));
        match tokio::time::timeout(Duration::from_millis(limits::CHAT_SEND_MS_MAX), sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Loss::Broken),
        }
    }

    /// Says goodbye, or answers the server's goodbye, and waits a moment for the other end.
    pub async fn close(&mut self) {
        let State::Open(mut socket) = std::mem::replace(&mut self.state, State::Done) else {
            return;
        };
        let goodbye = async {
            let frame = CloseFrame { code: CloseCode::Normal, reason: "client leaves".into() };
            // Fails where the server was first; then reading sends the answer.
            let _ = socket.send(Message::Close(Some(frame))).await;
            while let Some(Ok(_)) = socket.next().await {}
        };
        // Should it not be heard, the server finds out by itself; nothing depends on it.
        let _ =
            tokio::time::timeout(Duration::from_millis(limits::CHAT_CLOSE_MS_MAX), goodbye).await;
    }
}

async fn open(server: Address, session: Session, tls: Option<Connector>, cursor: u64) -> Opened {
    let opening = async {
        let mut request = server.socket(&session.id, cursor).as_str().into_client_request()?;
        let protocols = format!("{SUB_PROTOCOL}, bearer.{}", session.access_token);
        let mut protocols = HeaderValue::try_from(protocols)?;
        protocols.set_sensitive(true);
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocols);
        let stream = TcpStream::connect(server.host_and_port()).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(limits::CHAT_FRAME_BYTES_MAX))
            .max_frame_size(Some(limits::CHAT_FRAME_BYTES_MAX));
        let (socket, _) = client_async_tls_with_config(request, stream, Some(config), tls).await?;
        Ok(socket)
    };
    match tokio::time::timeout(Duration::from_millis(limits::CHAT_OPEN_MS_MAX), opening).await {
        Ok(opened) => opened,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

fn loss(error: tungstenite::Error) -> Loss {
    match error {
        tungstenite::Error::Http(response) => {
            let message = response.body().as_deref().and_then(handshake::message);
            Loss::Refused { status: response.status().as_u16(), message }
        }
        // It would say so again.
        tungstenite::Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => {
            let message = Some(format!("it does not speak {SUB_PROTOCOL}"));
            Loss::Refused { status: 101, message }
        }
        _ => Loss::Broken,
    }
}

/// How long to wait before an attempt: doubling, spread by a fifth, never over the maximum.
fn retry_ms(attempts: u32, random: u64) -> u64 {
    let doubled_ms = limits::CHAT_RECONNECT_MS
        .saturating_mul(1 << attempts.min(16))
        .min(limits::CHAT_RECONNECT_MS_MAX);
    let spread_ms = doubled_ms / 5;
    doubled_ms - random % (spread_ms + 1)
}

#[cfg(test)]
mod tests;
