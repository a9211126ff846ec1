//! The hand-shake over HTTP: a connector's token gives an access token, and that gives a session
//! (protocol, section 1).

use std::{error::Error as _, time::Duration};

use reqwest::{Client, RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Options, address::Address};
use crate::{
    limits,
    outgoing::{self, OutgoingLimits},
};

/// What opens the socket.
#[derive(Clone)]
pub struct Session {
    /// Which conversation.
    pub id: String,
    /// Proves that it is ours. A secret.
    pub access_token: String,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// There is no HTTP client on this machine.
    #[error("cannot set up HTTP: {0}")]
    Client(reqwest::Error),
    /// What was given cannot stand in a request.
    #[error("the token or the host holds what cannot be sent: a line break, or other such signs")]
    Unsendable,
    /// Nobody answers there.
    #[error("cannot reach {server}: {cause}{hint}")]
    Unreachable {
        /// The server.
        server: Address,
        /// What the system says.
        cause: String,
        /// What could be done about it.
        hint: &'static str,
    },
    /// It is not known what to present ourselves with.
    #[error(
        "{0} has no demo connector for this machine: pass the token of a connector with --token \
         (or SEGUE_CHAT_TOKEN), and with --host a host that it may be used from"
    )]
    NoToken(Address),
    /// The server said no.
    #[error("{server} refused {path}: {status}, {message}")]
    Refused {
        /// The server.
        server: Address,
        /// What was asked.
        path: &'static str,
        /// Its answer.
        status: StatusCode,
        /// Its words.
        message: String,
    },
    /// It answered, but not as this protocol does.
    #[error("{server} does not speak this protocol: {path} gave no {missing}")]
    Strange {
        /// The server.
        server: Address,
        /// What was asked.
        path: &'static str,
        /// What should have been in the answer.
        missing: &'static str,
    },
}

/// A connector's token and a host that it may be used from.
#[derive(Deserialize)]
struct Credentials {
    token: String,
    host: String,
}

#[derive(Deserialize)]
struct AccessToken {
    access_token: String,
}

#[derive(Serialize)]
struct NewSession {
    streaming_enabled: bool,
    platform: &'static str,
}

#[derive(Deserialize)]
struct Created {
    session_id: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

/// Begins a session.
pub async fn begin(server: &Address, options: &Options) -> Result<Session, HandshakeError> {
    let (limits, trusted) = (OutgoingLimits::default(), options.trusted.as_ref());
    let client = match trusted {
        Some(trusted) => outgoing::client_trusting(&limits, trusted),
        None => outgoing::client(&limits),
    };
    let client = client.map_err(HandshakeError::Client)?;
    let caller = Caller { client, server };
    let Credentials { token, host } = caller.credentials(options).await?;

    let path = "/api/v1/access-token";
    let request = caller.client.post(server.at(path));
    let request = request.header("X-Token", token).header("X-Host", host);
    let request = request.header("Content-Type", "application/json").body("{}");
    let access: AccessToken = caller.ask(path, "access_token", request).await?;

    let path = "/api/v1/sessions";
    let new = NewSession { streaming_enabled: !options.whole, platform: "custom" };
    let new = serde_json::to_string(&new).expect("flags and names can be written as JSON");
    let request = caller.client.post(server.at(path)).bearer_auth(&access.access_token);
    let request = request.header("Content-Type", "application/json").body(new);
    let created: Created = caller.ask(path, "session_id", request).await?;
    Ok(Session { id: created.session_id, access_token: access.access_token })
}

struct Caller<'a> {
    client: Client,
    server: &'a Address,
}

impl Caller<'_> {
    /// What was given on the command line, completed by what a server on this machine tells.
    async fn credentials(&self, options: &Options) -> Result<Credentials, HandshakeError> {
        if let Some(token) = &options.token {
            let host = options.host.as_deref().unwrap_or(self.server.host());
            return Ok(Credentials { token: token.trim().to_owned(), host: host.to_owned() });
        }
        let request = self.client.get(self.server.at("/demo.json"));
        let (status, body) = self.send(request).await?;
        let demo = serde_json::from_slice::<Credentials>(&body);
        match demo {
            Ok(demo) if status.is_success() => {
                let host = options.host.clone().unwrap_or(demo.host);
                Ok(Credentials { token: demo.token, host })
            }
            _ => Err(HandshakeError::NoToken(self.server.clone())),
        }
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        path: &'static str,
        missing: &'static str,
        request: RequestBuilder,
    ) -> Result<A, HandshakeError> {
        let server = || self.server.clone();
        let (status, body) = self.send(request).await?;
        if !status.is_success() {
            let message = message(&body).unwrap_or_else(|| "and gave no reason".to_owned());
            return Err(HandshakeError::Refused { server: server(), path, status, message });
        }
        serde_json::from_slice(&body).map_err(|_| HandshakeError::Strange {
            server: server(),
            path,
            missing,
        })
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), HandshakeError> {
        let request = request.timeout(Duration::from_millis(limits::CHAT_HANDSHAKE_MS_MAX));
        let answer = async {
            let mut response = request.send().await?;
            let mut body = Vec::new();
            while let Some(bytes) = response.chunk().await? {
                if body.len() + bytes.len() > limits::CHAT_HANDSHAKE_BYTES_MAX {
                    break;
                }
                body.extend_from_slice(&bytes);
            }
            Ok::<_, reqwest::Error>((response.status(), body))
        };
        answer.await.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &reqwest::Error) -> HandshakeError {
        if error.is_builder() {
            return HandshakeError::Unsendable;
        }
        let is_local = error.is_connect() && self.server.is_here();
        let hint = if is_local { " (is `segue serve` running?)" } else { "" };
        // The outer errors only say that there was a request.
        let mut cause = error.to_string();
        let mut inner = error.source();
        while let Some(error) = inner {
            cause = error.to_string();
            inner = error.source();
        }
        HandshakeError::Unreachable { server: self.server.clone(), cause, hint }
    }
}

/// What an error body says for people.
pub fn message(body: &[u8]) -> Option<String> {
    Some(serde_json::from_slice::<ErrorBody>(body).ok()?.message)
}
