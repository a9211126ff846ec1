//! A bot behind HTTP: one signed POST per turn, answered by an event stream or by one JSON object
//! (bots, `kind = "http"`). It checks what the bot gives, and never decides what becomes of it. How
//! long a turn may last is the worker's business: whoever has waited enough drops the answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use segue_core::{
    Timestamp,
    ports::{Answer, Bot, BotError, TurnRequest},
};

use crate::traces::{self, Ask};
use crate::{limits, outgoing};
use request::Signer;

mod answer;
mod output;
mod request;
mod sse;

/// Tells the time in milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a bot behind HTTP is reached.
#[derive(Clone)]
pub struct HttpBotConfig {
    /// Where turns are posted to, `http` or `https`.
    pub url: Url,
    /// Keys the signature of every request. In no log.
    pub secret: String,
    /// What it may give and ask for.
    pub limits: HttpBotLimits,
}

impl fmt::Debug for HttpBotConfig {
    /// Without the secret, and without the URL: it may hold another one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBotConfig").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What a bot behind HTTP may give and ask for; past it, the turn has failed. The limits of a turn
/// as a whole hold for every kind of bot and are kept by the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpBotLimits {
    /// One line of an event stream, in bytes without its end.
    pub line_bytes_max: usize,
    /// A whole JSON answer, in bytes.
    pub body_bytes_max: usize,
    /// An overloaded bot is asked once more if it wants to be left alone for no longer than this.
    pub retry_after_seconds_max: u64,
}

impl Default for HttpBotLimits {
    fn default() -> Self {
        Self {
            line_bytes_max: limits::BOT_LINE_BYTES_MAX,
            body_bytes_max: limits::BOT_BODY_BYTES_MAX,
            retry_after_seconds_max: limits::BOT_RETRY_AFTER_SECONDS_MAX,
        }
    }
}

/// A bot behind HTTP.
pub struct HttpBot {
    client: Client,
    url: Url,
    signer: Signer,
    limits: HttpBotLimits,
    clock: Clock,
}

impl HttpBot {
    /// A bot that is asked through `client` (see `outgoing::client`). `clock` dates the signatures.
    pub fn new(config: HttpBotConfig, client: Client, clock: Clock) -> Self {
        let HttpBotConfig { url, secret, limits } = config;
        Self { client, url, signer: Signer::new(&secret), limits, clock }
    }

    /// Posts a turn, for the first time or again. The time and with it the signature are new each
    /// time, the turn is not.
    async fn post(
        &self,
        turn: &str,
        body: &Bytes,
        resend: u64,
    ) -> Result<(Response, Ask), BotError> {
        let timestamp = (self.clock)() / 1_000;
        let ask = traces::ask(&self.url, resend);
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream, application/json")
            .header("x-segue-turn", turn)
            .header("x-segue-timestamp", timestamp)
            .header("x-segue-signature", self.signer.sign(timestamp, body))
            .body(body.clone());
        if let Some(traceparent) = ask.traceparent() {
            request = request.header("traceparent", traceparent);
        }
        match request.send().await {
            Ok(response) => {
                ask.answered(response.status());
                Ok((response, ask))
            }
            Err(error) => {
                ask.failed(kind(&error));
                Err(broken(error))
            }
        }
    }
}

#[async_trait]
impl Bot for HttpBot {
    async fn answer(&self, request: &TurnRequest) -> Result<Box<dyn Answer>, BotError> {
        let turn = format!("{}.{}", request.session_id, request.turn.0);
        let body = Bytes::from(request::body(request)?);
        let (mut response, mut ask) = self.post(&turn, &body, 0).await?;
        if let Some(pause) = pause_before_retry(&response, self.limits) {
            // Nothing is held open meanwhile.
            drop((response, ask));
            tokio::time::sleep(pause).await;
            (response, ask) = self.post(&turn, &body, 1).await?;
        }
        let is_ok = response.status() == StatusCode::OK;
        match answer::begin(response, self.limits) {
            Ok(answer) => Ok(ask.until_end_of(answer)),
            Err(error) => {
                // Any other status has said so itself.
                if is_ok {
                    ask.failed("answer");
                }
                Err(error)
            }
        }
    }
}

fn is_overload(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

fn pause_before_retry(response: &Response, limits: HttpBotLimits) -> Option<Duration> {
    if !is_overload(response.status()) {
        return None;
    }
    let seconds = retry_after_seconds(response.headers())?;
    (seconds <= limits.retry_after_seconds_max).then(|| Duration::from_secs(seconds))
}

/// `Retry-After` in whole seconds; a date is as good as nothing.
fn retry_after_seconds(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    // `parse` alone takes a sign.
    value.bytes().all(|it| it.is_ascii_digit()).then(|| value.parse().ok())?
}

/// A request that did not come through.
fn broken(error: reqwest::Error) -> BotError {
    BotError::Failed(outgoing::in_words(error))
}

/// Why a request did not come through, as traces have it.
fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        "connect"
    } else if error.is_timeout() {
        "timeout"
    } else {
        "request"
    }
}

#[cfg(test)]
mod tests;
