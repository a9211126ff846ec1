//! The bot inside the generator: an HTTP bot as in `docs/bots.md`. It does what the session's
//! `variant_id` says, and does not check signatures, which would cost the generator time.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use tokio::{net::TcpListener, time::Instant};

/// `variant_id` of a session whose bot hands off at once: then nobody has the floor, and messages
/// are echoed and kept.
pub const NOBODY: &str = "nobody";
/// `variant_id` of a session whose bot talks.
pub const TALK: &str = "talk";

/// How the bot talks.
#[derive(Debug, Clone, Copy)]
pub struct Speech {
    /// Outputs of one turn.
    pub outputs: u64,
    /// Pause between two of them.
    pub pause: Duration,
    /// What times are counted from.
    pub epoch: Instant,
}

/// The bot, listening. Ends with the runtime.
#[derive(Debug, Clone, Copy)]
pub struct Bot {
    /// Where it is asked.
    pub address: SocketAddr,
}

#[derive(Debug, Deserialize)]
struct Turn {
    reason: String,
    variant_id: Option<String>,
}

impl Bot {
    /// Listens on this address.
    pub async fn listen(address: SocketAddr, speech: Speech) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("the bot cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        let routes = Router::new().route("/turn", post(answer)).with_state(speech);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { address })
    }
}

/// The text of one output. The first one says when it was given. A chunk may end in each, but not at
/// its end: white space that nothing follows is held back for a while, as it may be the half of it.
pub fn piece(number: u64, given_us: u64) -> String {
    match number {
        0 => format!("given={given_us} and"),
        number => format!(" then piece {number}"),
    }
}

async fn answer(State(speech): State<Speech>, Json(turn): Json<Turn>) -> Response {
    let is_talk = turn.variant_id.as_deref() == Some(TALK);
    if turn.reason == "join" {
        let output = if is_talk {
            r#"{"outputs":[{"type":"text","text":"Hello."}]}"#
        } else {
            r#"{"outputs":[{"type":"handoff"}]}"#
        };
        return ([(CONTENT_TYPE, "application/json")], output).into_response();
    }
    let outputs = stream::unfold(0, move |number| async move {
        if number >= speech.outputs {
            return None;
        }
        if number > 0 {
            tokio::time::sleep(speech.pause).await;
        }
        let given_us = u64::try_from(speech.epoch.elapsed().as_micros()).unwrap_or(u64::MAX);
        let text = piece(number, given_us);
        let line = format!("data: {{\"type\":\"text\",\"text\":\"{text}\"}}\n\n");
        Some((Ok::<_, Infallible>(Bytes::from(line)), number + 1))
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(outputs)).into_response()
}
