//! `POST /api/v1/access-token` (protocol, section 1).

use std::{borrow::Cow, sync::Arc};

use axum::{Extension, Json, extract::State, http::HeaderMap};
use segue_core::TokenId;
use serde::Serialize;
use tracing::info;

use super::{
    App,
    error::{CorrelationId, Refused},
    jwt::Claims,
};
use crate::{address::Client, limits, wire::HttpError};

/// What creates sessions, and opens those that it has created.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(clippy::struct_field_names, reason = "the contract's names")]
pub struct AccessToken {
    /// Goes into `Authorization: Bearer <access_token>`. A JWT; its claims are the server's affair.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Jwt"))]
    access_token: String,
    /// How long it is valid, in seconds.
    expires_in: u64,
    /// Always the same.
    #[cfg_attr(test, schemars(extend("const" = "Bearer")))]
    token_type: &'static str,
}

/// Gives an access token for a connector's token and one of its hosts. The body says nothing.
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    correlation_id: CorrelationId,
    headers: HeaderMap,
) -> Result<Json<AccessToken>, Refused> {
    let refuse = |error| correlation_id.refuse(error);
    app.admit_new().map_err(refuse)?;
    let token = text(&headers, "x-token");
    let now = app.node.now();
    let known = token.as_deref().and_then(|token| app.connectors.by_token(token, now));
    let known = known.as_ref();
    let limits = known.map_or(&app.limits, |it| &it.limits);
    app.handshakes
        .take(app.node.now(), client.address, known.map(|it| &it.id), limits)
        .map_err(refuse)?;
    let (Some(_), Some(host)) = (&token, text(&headers, "x-host")) else {
        return Err(refuse(HttpError::MissingAuthenticationHeaders));
    };
    let connector =
        known.filter(|it| it.is_open()).ok_or_else(|| refuse(HttpError::UnknownConnectorToken))?;
    if connector.settings.hosts.is_empty() {
        return Err(refuse(HttpError::NoHostRegistered));
    }
    let origin = headers.get("origin").map(|it| it.to_str().unwrap_or(""));
    if !connector.settings.hosts.accept_host(&host) || !connector.accepts_origin(origin) {
        return Err(refuse(HttpError::HostMismatch));
    }
    let token = TokenId(uuid::Uuid::from_u128(app.node.new_id()).to_string());
    let claims = Claims::new(token, connector.id.clone(), app.node.now());
    info!(connector = %connector.id, token = %claims.jti, "gave an access token");
    Ok(Json(AccessToken {
        access_token: app.keys.sign(&claims),
        expires_in: limits::ACCESS_TOKEN_SECONDS,
        token_type: "Bearer",
    }))
}

/// A header's text; `None` when it is absent or empty. A host may be written in any script, which
/// is UTF-8 here; what is no UTF-8 matches nothing, but it is not absent.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<Cow<'h, str>> {
    let value = headers.get(name)?.as_bytes().trim_ascii();
    (!value.is_empty()).then(|| String::from_utf8_lossy(value))
}
