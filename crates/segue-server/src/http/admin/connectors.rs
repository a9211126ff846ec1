//! Connectors. What the configuration declares is shown as such, and is changed there only.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, http::StatusCode};
use segue_core::ConnectorId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::info;

use super::{
    ask::{Asked, Name},
    caller::Caller,
    error::AdminError,
};
use crate::{
    config::{Handoff, Secret},
    connectors::{Connector, ConnectorSource, ConnectorState},
    directory::NewConnector,
    limits::{self, Limits},
};

/// All connectors that the caller may see.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Connectors {
    /// In order of their names.
    connectors: Vec<ConnectorLine>,
}

/// A connector, without its token.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Connector"))]
pub struct ConnectorLine {
    /// Names it.
    id: String,
    /// Where it comes from: one that is `stored` is changed here, one of the `configuration` there.
    source: ConnectorSource,
    /// Whether it begins conversations: one that is `disabled` begins none, and those of one that is
    /// `revoked` have ended, for good.
    state: ConnectorState,
    /// The id of the bot that answers.
    bot: String,
    /// Where a page may use it from.
    hosts: Vec<String>,
    /// The applications that may use it.
    apps: Vec<String>,
    /// Who takes over when the bot hands off.
    handoff: Handoff,
    /// Whom it belongs to; free text.
    account: String,
    /// What it is for; free text.
    project: String,
    /// To tell connectors apart; free text.
    labels: Vec<String>,
    /// Whether its token is kept by servers only, and so is told once.
    server_only: bool,
    /// Its limits that are not the server's, by name.
    limits: BTreeMap<&'static str, u64>,
}

/// A connector by itself.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConnectorDetail {
    #[serde(flatten)]
    line: ConnectorLine,
    /// Its newest token, where whoever uses the application can read it anyway.
    token: Option<String>,
}

/// A connector with a token that was made just now.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ConnectorWithToken"))]
pub struct Told {
    #[serde(flatten)]
    line: ConnectorLine,
    /// What applications send as `X-Token`.
    token: String,
    /// How much longer the tokens before it are good. Not there for a connector that is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "u64"))]
    overlap_seconds: Option<u64>,
}

/// `GET /connectors`.
pub async fn list(caller: Caller) -> Json<Connectors> {
    let connectors = caller.connectors();
    Json(Connectors { connectors: connectors.iter().map(|it| line(&caller, it)).collect() })
}

/// `GET /connectors/{id}`.
pub async fn show(caller: Caller, Name(name): Name) -> Result<Json<ConnectorDetail>, AdminError> {
    let connector = caller.connector(&name)?;
    let token = match connector.source {
        ConnectorSource::Configuration => None,
        ConnectorSource::Stored => caller.app.connectors.token(&connector.id).await?,
    };
    let token = token.map(|it| it.expose().to_owned());
    Ok(Json(ConnectorDetail { line: line(&caller, &connector), token }))
}

/// `POST /connectors`: its `id`, and any key of `[[connectors]]`.
pub async fn create(
    caller: Caller,
    Asked(mut settings): Asked<Map<String, Value>>,
) -> Result<(StatusCode, Json<Told>), AdminError> {
    let Some(Value::String(id)) = settings.remove("id") else {
        return Err(AdminError::Invalid("id: the name of the connector is missing".to_owned()));
    };
    let id = ConnectorId(id);
    // Before it is looked whether there is one: whoever may not see it does not learn that.
    if !caller.sees(&id) {
        return Err(AdminError::BeyondKey("this connector"));
    }
    let (connector, token) = caller.app.connectors.create(NewConnector { id, settings }).await?;
    info!(connector = %connector.id, by = caller.name, "made connector {}", connector.id);
    Ok((StatusCode::CREATED, Json(told(&caller, &connector, &token, None))))
}

/// `PATCH /connectors/{id}`: any key of `[[connectors]]`; `null` takes one back to its default.
pub async fn update(
    caller: Caller,
    Name(name): Name,
    Asked(patch): Asked<Map<String, Value>>,
) -> Result<Json<ConnectorLine>, AdminError> {
    let id = caller.connector(&name)?.id.clone();
    let connector = caller.app.connectors.update(&id, patch).await?;
    info!(connector = %id, by = caller.name, "changed connector {id}");
    Ok(Json(line(&caller, &connector)))
}

/// How long the tokens before are good.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rotation {
    /// How many seconds the tokens before are good; a day if it is left out.
    #[cfg_attr(test, schemars(range(max = limits::ADMIN_OVERLAP_SECONDS_MAX)))]
    overlap_seconds: Option<u64>,
}

/// `POST /connectors/{id}/rotate`.
pub async fn rotate(
    caller: Caller,
    Name(name): Name,
    Asked(wanted): Asked<Rotation>,
) -> Result<Json<Told>, AdminError> {
    let id = caller.connector(&name)?.id.clone();
    let overlap_seconds = wanted.overlap_seconds.unwrap_or(limits::ADMIN_OVERLAP_SECONDS);
    if overlap_seconds > limits::ADMIN_OVERLAP_SECONDS_MAX {
        let max = limits::ADMIN_OVERLAP_SECONDS_MAX;
        return Err(AdminError::Invalid(format!("overlap_seconds: at most {max}")));
    }
    let token = caller.app.connectors.rotate(&id, overlap_seconds * 1_000).await?;
    info!(connector = %id, by = caller.name, overlap_seconds, "rotated the token of connector {id}");
    let connector = caller.connector(&name)?;
    Ok(Json(told(&caller, &connector, &token, Some(overlap_seconds))))
}

/// `POST /connectors/{id}/disable`: refuses new conversations; running ones go on.
pub async fn disable(caller: Caller, name: Name) -> Result<Json<ConnectorLine>, AdminError> {
    set_state(&caller, &name, ConnectorState::Disabled).await
}

/// `POST /connectors/{id}/enable`.
pub async fn enable(caller: Caller, name: Name) -> Result<Json<ConnectorLine>, AdminError> {
    set_state(&caller, &name, ConnectorState::Active).await
}

/// `POST /connectors/{id}/revoke`: ends its conversations, for good.
pub async fn revoke(caller: Caller, name: Name) -> Result<Json<ConnectorLine>, AdminError> {
    set_state(&caller, &name, ConnectorState::Revoked).await
}

async fn set_state(
    caller: &Caller,
    Name(name): &Name,
    state: ConnectorState,
) -> Result<Json<ConnectorLine>, AdminError> {
    let id = caller.connector(name)?.id.clone();
    let connector = caller.app.connectors.set_state(&id, state).await?;
    info!(connector = %id, by = caller.name, ?state, "set the state of connector {id}");
    Ok(Json(line(caller, &connector)))
}

fn told(
    caller: &Caller,
    connector: &Arc<Connector>,
    token: &Secret,
    overlap_seconds: Option<u64>,
) -> Told {
    Told { line: line(caller, connector), token: token.expose().to_owned(), overlap_seconds }
}

fn line(caller: &Caller, connector: &Connector) -> ConnectorLine {
    let settings = &connector.settings;
    let (hosts, apps) = settings.hosts.names();
    ConnectorLine {
        id: connector.id.to_string(),
        source: connector.source,
        state: connector.state,
        bot: settings.bot.to_string(),
        hosts,
        apps,
        handoff: settings.handoff,
        account: settings.account.clone(),
        project: settings.project.clone(),
        labels: settings.labels.clone(),
        server_only: settings.server_only,
        limits: own_limits(connector, &caller.app.limits),
    }
}

/// The limits of a connector that are not the server's.
pub fn own_limits(connector: &Connector, server: &Limits) -> BTreeMap<&'static str, u64> {
    let own = Limits::ALL.iter().filter_map(|limit| {
        let value = connector.limits.get(limit.name)?;
        (server.get(limit.name) != Some(value)).then_some((limit.name, value))
    });
    own.collect()
}
