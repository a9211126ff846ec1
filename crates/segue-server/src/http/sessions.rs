//! `POST /api/v1/sessions` (protocol, section 1).

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::HeaderMap,
};
use segue_core::{Command, Facts, Session, SessionId, SessionsMax, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tracing::{error, info};

use super::{
    App,
    error::{CorrelationId, Refused},
    jwt::Claims,
};
use crate::{address::Client, connectors::Connector, limits, node::Outcome, wire::HttpError};

/// A session that exists.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "CreatedSession"))]
pub struct Created {
    /// Names it.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Uuid"))]
    session_id: String,
}

/// What the session is to be like. Everything may be left out.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "NewSession"))]
pub(super) struct Wanted {
    /// Whether the agent's messages arrive in chunks; by default they do not.
    streaming_enabled: Option<bool>,
    /// What the client runs on: `web` (the default), `ios`, `android`, `ios-web`, `android-web` or
    /// `custom`. Anything else counts as `custom`.
    #[cfg_attr(test, schemars(extend("examples" = PLATFORMS)))]
    platform: Option<String>,
    /// `mobile`, `tablet`, `desktop`, or anything else: kept, not looked at. Of more than 200 bytes
    /// the beginning is kept.
    device_type: Option<String>,
    /// The user's language, for the bot; BCP 47.
    #[cfg_attr(test, schemars(length(max = limits::LANGUAGE_BYTES_MAX)))]
    language: Option<String>,
    /// Which variant of the bot, for the bot.
    #[cfg_attr(test, schemars(length(max = limits::VARIANT_ID_BYTES_MAX)))]
    variant_id: Option<String>,
    /// Anything about the user or the page, for the bot; at most 8,192 bytes of JSON.
    #[cfg_attr(test, schemars(with = "Option<crate::spec::text::Object>"))]
    integration_attributes: Option<Box<RawValue>>,
    /// Names of extensions that the client knows. None is granted so far.
    // The shape is checked all the same (protocol, section 9).
    #[serde(rename = "extensions")]
    _extensions: Option<Vec<String>>,
}

const PLATFORMS: [&str; 6] = ["web", "ios", "android", "ios-web", "android-web", "custom"];

/// Creates a conversation.
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    correlation_id: CorrelationId,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Created>, Refused> {
    let refuse = |error| correlation_id.refuse(error);
    let token = bearer(&headers).map_err(refuse)?;
    app.admit_new().map_err(refuse)?;
    let origin = headers.get("origin").map(|it| it.to_str().unwrap_or(""));
    let known = app.authenticate(token, origin).filter(|(_, connector)| connector.is_open());
    let now = app.node.now();
    let connector = known.as_ref().map(|(_, connector)| connector);
    let limits = connector.map_or(&app.limits, |it| &it.limits);
    app.handshakes.take(now, client.address, connector.map(|it| &it.id), limits).map_err(refuse)?;
    let (claims, connector) = known.ok_or_else(|| refuse(HttpError::InvalidAccessToken))?;
    let wanted = body.ok().as_deref().and_then(parse);
    let wanted = wanted.ok_or_else(|| refuse(HttpError::UnreadableRequest))?;
    let user_agent = headers.get("user-agent").and_then(|it| it.to_str().ok());
    // A session ends well before its token does: then a token that is about to end opens none.
    let expires_at =
        life_end(now, &claims, &connector).ok_or_else(|| refuse(HttpError::InvalidAccessToken))?;
    let facts = facts(wanted, claims, expires_at, user_agent);
    let start = start(now, &connector, expires_at);
    let id = SessionId(uuid::Builder::from_random_bytes(rand::random()).into_uuid().as_u128());
    match app.node.create(Session::new(id, Arc::new(facts)), start).await {
        Outcome::Recorded { .. } => {
            info!(session.id = %id, connector = %connector.id, "created session {id}");
            Ok(Json(Created { session_id: id.to_string() }))
        }
        Outcome::Taken => {
            let retry_after_ms = limits::RETRY_AFTER_SECONDS_MAX * 1_000;
            Err(refuse(HttpError::RateLimited { retry_after_ms }))
        }
        outcome => {
            error!(session.id = %id, ?outcome, "cannot create session {id}");
            Err(refuse(HttpError::SessionNotCreated))
        }
    }
}

/// The token of an `Authorization` header.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, HttpError> {
    let header = headers.get("authorization").ok_or(HttpError::MissingAccessToken)?;
    let malformed = HttpError::MissingAuthenticationHeaders;
    let text = header.to_str().map_err(|_| malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(malformed)?;
    let token = token.trim();
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
    if is_bearer { Ok(token) } else { Err(malformed) }
}

/// `None` when the body is no JSON object, a field has the wrong type, or is too long.
fn parse(body: &[u8]) -> Option<Wanted> {
    if body.trim_ascii().is_empty() {
        return Some(Wanted::default());
    }
    let wanted: Wanted = serde_json::from_slice(body).ok()?;
    let is_short = |text: &Option<String>, bytes_max| {
        text.as_ref().is_none_or(|it: &String| it.len() <= bytes_max)
    };
    let attributes_are_fit = wanted.integration_attributes.as_ref().is_none_or(|it| {
        it.get().starts_with('{')
            && it.get().len() <= limits::ATTRIBUTES_BYTES_MAX
            && depth(it.get()) <= limits::ATTRIBUTES_DEPTH_MAX
    });
    let is_fit = body.trim_ascii_start().starts_with(b"{")
        && attributes_are_fit
        && is_short(&wanted.language, limits::LANGUAGE_BYTES_MAX)
        && is_short(&wanted.variant_id, limits::VARIANT_ID_BYTES_MAX);
    is_fit.then_some(wanted)
}

/// The levels of objects and arrays in what is known to be JSON. Does not recurse.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0, 0);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !is_text => depth -= 1,
            _ => {}
        }
    }
    deepest
}

fn life_end(now: Timestamp, claims: &Claims, connector: &Connector) -> Option<Timestamp> {
    let life_ms = connector.limits.session_life_seconds * 1_000;
    let token_end = (claims.exp - limits::ACCESS_TOKEN_MARGIN_SECONDS) * 1_000;
    Some((now + life_ms).min(token_end)).filter(|it| *it > now)
}

fn facts(wanted: Wanted, claims: Claims, expires_at: Timestamp, user_agent: Option<&str>) -> Facts {
    Facts {
        connector: claims.connector,
        token: claims.jti,
        expires_at,
        streaming: wanted.streaming_enabled.unwrap_or(false),
        platform: platform(wanted.platform.as_deref()).to_owned(),
        // Kept, not checked.
        device_type: wanted
            .device_type
            .map(|it| cut(&it, limits::DEVICE_TYPE_BYTES_MAX).to_owned()),
        user_agent: user_agent.map(|it| cut(it, limits::USER_AGENT_BYTES_MAX).to_owned()),
        language: wanted.language,
        variant_id: wanted.variant_id,
        integration_attributes: wanted
            .integration_attributes
            .map(|it| segue_core::Json(it.get().into())),
    }
}

fn start(now: Timestamp, connector: &Connector, expires_at: Timestamp) -> Command {
    let limits = &connector.limits;
    let abandoned_at = now + limits.idle_seconds.min(limits.silence_seconds) * 1_000;
    // Zero is no limit.
    let some = |count: u64| (count > 0).then(|| u32::try_from(count).unwrap_or(u32::MAX));
    let sessions_max = SessionsMax {
        per_token: some(limits.sessions_per_token),
        live: some(limits.live_sessions),
        per_hour: some(limits.sessions_per_hour),
    };
    Command::Start { expire_at: abandoned_at.min(expires_at), sessions_max }
}

fn platform(wanted: Option<&str>) -> &str {
    match wanted {
        None => "web",
        Some(it) if PLATFORMS.contains(&it) => it,
        Some(_) => "custom",
    }
}

/// The beginning of a text, with whole characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
