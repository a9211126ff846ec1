//! What is configured and which limits are in force, each with where it comes from.

use std::collections::BTreeMap;

use axum::Json;
use segue_core::{ConnectorId, ports::Visible};
use serde::Serialize;
use serde_json::Value;

use super::{caller::Caller, connectors::own_limits, error::AdminError};
use crate::{
    config::{Origin, Setting},
    connectors::{Connector, ConnectorSource},
    limits::{Limit, Limits, ServerLimits},
};

/// Every setting that the caller may see.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Settings {
    /// In the order of the documentation.
    settings: Vec<Setting>,
}

/// Every limit in force.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "LimitsInForce"))]
pub struct InForce {
    /// Those of the server, in the order of the documentation.
    limits: Vec<LimitLine>,
    /// Of those connectors that have some of their own.
    connectors: BTreeMap<String, Vec<OwnLimit>>,
}

/// A limit of the server.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Limit"))]
struct LimitLine {
    /// Its key in the configuration; it ends in the unit where there is one.
    name: &'static str,
    /// What it is.
    value: u64,
    /// What it is where nobody sets it.
    default: u64,
    /// The smallest value that it may have.
    min: u64,
    /// The largest value that it may have.
    max: u64,
    /// What it bounds.
    about: &'static str,
    /// Whether connectors may have their own.
    per_connector: bool,
    #[serde(flatten)]
    #[cfg_attr(test, schemars(with = "crate::config::OriginFields"))]
    origin: Origin,
}

/// A limit that a connector has of its own.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OwnLimit {
    /// Its key in the configuration.
    name: &'static str,
    /// What it is.
    value: u64,
    #[serde(flatten)]
    #[cfg_attr(test, schemars(with = "crate::config::OriginFields"))]
    origin: OwnOrigin,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum OwnOrigin {
    Configured(Origin),
    /// It was set through this API.
    Api {
        from: &'static str,
    },
}

/// `GET /config`. Whoever sees only some connectors sees nothing of bots, stores and keys.
pub async fn config(caller: Caller) -> Json<Settings> {
    let sees_all = caller.visible() == Visible::All;
    let is_seen = |it: &&Setting| match &it.connector {
        Some(connector) => caller.sees(connector),
        None => sees_all || it.name.starts_with("limits."),
    };
    Json(Settings { settings: caller.app.settings.iter().filter(is_seen).cloned().collect() })
}

/// `GET /limits`.
pub async fn limits(caller: Caller) -> Result<Json<InForce>, AdminError> {
    let app = &caller.app;
    let origin = |name: &str| origin_of(&app.settings, &format!("limits.{name}"));
    let line = |limit: &Limit, value: u64, per_connector| LimitLine {
        name: limit.name,
        value,
        default: limit.default,
        min: limit.min,
        max: limit.max,
        about: limit.doc.trim(),
        per_connector,
        origin: origin(limit.name).unwrap_or(Origin::Default),
    };
    let of_all = Limits::ALL.iter().filter_map(|it| Some((it, app.limits.get(it.name)?, true)));
    let of_server = ServerLimits::ALL
        .iter()
        .filter_map(|it| Some((it, app.server_limits.get(it.name)?, false)));
    let limits = of_all.chain(of_server).map(|(limit, value, own)| line(limit, value, own));
    let mut connectors = BTreeMap::new();
    for connector in caller.connectors() {
        let own = own(&connector, &app.limits, &app.settings);
        if !own.is_empty() {
            connectors.insert(connector.id.to_string(), own);
        }
    }
    Ok(Json(InForce { limits: limits.collect(), connectors }))
}

fn own(connector: &Connector, server: &Limits, settings: &[Setting]) -> Vec<OwnLimit> {
    let own = own_limits(connector, server).into_iter();
    own.map(|(name, value)| OwnLimit {
        name,
        value,
        origin: match connector.source {
            ConnectorSource::Stored => OwnOrigin::Api { from: "api" },
            ConnectorSource::Configuration => {
                OwnOrigin::Configured(of_connector(settings, &connector.id, name))
            }
        },
    })
    .collect()
}

fn of_connector(settings: &[Setting], id: &ConnectorId, name: &str) -> Origin {
    origin_of(settings, &format!("connectors.{id}.{name}")).unwrap_or(Origin::Default)
}

fn origin_of(settings: &[Setting], name: &str) -> Option<Origin> {
    let setting = settings.iter().find(|it| it.name == name && it.value != Value::Null)?;
    Some(setting.origin.clone())
}
