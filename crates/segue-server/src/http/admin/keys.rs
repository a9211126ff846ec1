//! The keys of this API. Nobody is shown a key again, makes one that holds more than their own, or
//! sees one that does.

use std::collections::BTreeSet;

use axum::{Json, http::StatusCode};
use segue_core::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::info;

use super::{
    ask::{Asked, Name},
    caller::Caller,
    error::AdminError,
};
use crate::{
    api_keys::{ApiKey, KEY_RANDOM_BYTES, NewApiKey, Reach, Scope, Token},
    limits, wire,
};

/// What a key is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "NewKey"))]
pub struct Wanted {
    /// What it is for; 1 to 200 bytes, not blank.
    #[cfg_attr(test, schemars(length(min = 1, max = limits::API_KEY_NAME_BYTES_MAX)))]
    name: String,
    /// What it may do; `*` is everything. None implies another.
    #[cfg_attr(test, schemars(length(min = 1)))]
    scopes: BTreeSet<Scope>,
    /// The names of the connectors that it reaches, or `"all"`, which is meant if it is left out.
    connectors: Option<Reach>,
    /// When it stops working: a day, or a time in UTC. If nothing is said, never.
    #[cfg_attr(test, schemars(extend("examples" = ["2026-05-07", "2026-05-07T12:00:00Z"])))]
    expires_at: Option<String>,
    /// The same, counted from now; not both.
    expires_in_seconds: Option<u64>,
}

/// All keys that the caller may see.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Keys {
    /// In order of their ids.
    keys: Vec<KeyLine>,
}

/// A key, without its secret.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Key"))]
pub struct KeyLine {
    /// Its public name, a part of the key.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{16}$")))]
    id: String,
    /// What it is for.
    name: String,
    /// Whether it works.
    state: KeyState,
    /// What it may do.
    scopes: BTreeSet<Scope>,
    /// Where: the names of connectors, or `"all"`.
    connectors: Reach,
    /// When it was made.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Time"))]
    made_at: String,
    /// Who made it.
    made_by: String,
    /// When it stops working; `null` for never.
    #[cfg_attr(test, schemars(with = "Option<crate::spec::text::Time>"))]
    expires_at: Option<String>,
    /// When it was revoked.
    #[cfg_attr(test, schemars(with = "Option<crate::spec::text::Time>"))]
    revoked_at: Option<String>,
    /// When it was used, on this node and since its start; `null` where it was not.
    #[cfg_attr(test, schemars(with = "Option<crate::spec::text::Time>"))]
    last_used_at: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
enum KeyState {
    Valid,
    Expired,
    Revoked,
}

/// A key that was made. This is the only time that it is told.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "NewKeyMade"))]
pub struct Made {
    /// What is sent as `Authorization: Bearer <key>`.
    key: String,
    #[serde(flatten)]
    line: KeyLine,
}

/// `GET /keys`.
pub async fn list(caller: Caller) -> Result<Json<Keys>, AdminError> {
    let all = caller.app.api_keys.all(caller.app.node.now()).await?;
    let seen = all.iter().filter(|(_, it)| caller.covers(&it.key));
    Ok(Json(Keys { keys: seen.map(|(id, it)| line(&caller, id, &it.key)).collect() }))
}

/// `GET /keys/{id}`.
pub async fn show(caller: Caller, Name(id): Name) -> Result<Json<KeyLine>, AdminError> {
    let all = caller.app.api_keys.all(caller.app.node.now()).await?;
    let kept = all.get(&id).filter(|it| caller.covers(&it.key));
    kept.map(|it| Json(line(&caller, &id, &it.key))).ok_or(AdminError::NotFound("key"))
}

/// `POST /keys`.
pub async fn create(
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
) -> Result<(StatusCode, Json<Made>), AdminError> {
    let now = caller.app.node.now();
    let new = NewApiKey {
        expires_at: expiry(&wanted, now)?,
        name: wanted.name,
        scopes: wanted.scopes,
        connectors: wanted.connectors.unwrap_or(Reach::ALL),
        made_by: caller.name.clone(),
    };
    if new.name.trim().is_empty() || new.name.len() > limits::API_KEY_NAME_BYTES_MAX {
        let max = limits::API_KEY_NAME_BYTES_MAX;
        return Err(AdminError::Invalid(format!("name: 1 to {max} bytes that say what for")));
    }
    if new.scopes.is_empty() {
        return Err(AdminError::Invalid("scopes: at least one".to_owned()));
    }
    caller.may_make(&new)?;
    let token = Token::new(&rand::random::<[u8; KEY_RANDOM_BYTES]>());
    let key = caller.app.api_keys.create(new, &token, now).await?;
    info!(key.id = token.id(), by = caller.name, "made a key of the admin API");
    let line = line(&caller, token.id(), &key);
    Ok((StatusCode::CREATED, Json(Made { key: token.expose(), line })))
}

/// `POST /keys/{id}/revoke`. A second time changes nothing.
pub async fn revoke(caller: Caller, Name(id): Name) -> Result<Json<KeyLine>, AdminError> {
    let now = caller.app.node.now();
    let all = caller.app.api_keys.all(now).await?;
    let is_seen = all.get(&id).is_some_and(|it| caller.covers(&it.key));
    if !is_seen {
        return Err(AdminError::NotFound("key"));
    }
    let key = caller.app.api_keys.revoke(&id, now).await?;
    info!(key.id = id, by = caller.name, "revoked a key of the admin API");
    Ok(Json(line(&caller, &id, &key)))
}

fn expiry(wanted: &Wanted, now: Timestamp) -> Result<Option<Timestamp>, AdminError> {
    let invalid = |text: &str| AdminError::Invalid(text.to_owned());
    let at = match (&wanted.expires_at, wanted.expires_in_seconds) {
        (None, None) => return Ok(None),
        (Some(text), None) => wire::parse_timestamp(text)
            .ok_or_else(|| invalid("expires_at: a time in UTC, such as 2026-05-07T12:00:00Z"))?,
        (None, Some(seconds)) => now.saturating_add(seconds.saturating_mul(1_000)),
        (Some(_), Some(_)) => {
            return Err(invalid("expires_at or expires_in_seconds, not both"));
        }
    };
    if at <= now {
        return Err(invalid("a key that has expired already is of no use"));
    }
    Ok(Some(at))
}

fn line(caller: &Caller, id: &str, key: &ApiKey) -> KeyLine {
    let state = match key {
        ApiKey { revoked_at: Some(_), .. } => KeyState::Revoked,
        _ if !key.is_valid(caller.app.node.now()) => KeyState::Expired,
        _ => KeyState::Valid,
    };
    KeyLine {
        id: id.to_owned(),
        name: key.name.clone(),
        state,
        scopes: key.scopes.clone(),
        connectors: key.connectors.clone(),
        made_at: wire::timestamp(key.made_at),
        made_by: key.made_by.clone(),
        expires_at: key.expires_at.map(wire::timestamp),
        revoked_at: key.revoked_at.map(wire::timestamp),
        last_used_at: caller.app.api_keys.used_at(id).map(wire::timestamp),
    }
}
