//! The keys that sign access tokens: their names, and a new one.

use axum::Json;
use serde::Serialize;
use tracing::{error, info};

use super::{caller::Caller, error::AdminError};

/// The names of the keys.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SigningKeys {
    /// The one that signs.
    signs: String,
    /// All whose tokens are still believed, the newest last.
    verify: Vec<String>,
}

/// They concern all connectors.
pub const BEYOND: AdminError = AdminError::BeyondKey("keys that all connectors share");

/// `GET /signing-keys`.
pub async fn list(caller: Caller) -> Result<Json<SigningKeys>, AdminError> {
    caller.must_see_all(BEYOND)?;
    Ok(Json(names(&caller)))
}

/// `POST /signing-keys/rotate`: the keys before it verify until their last token has expired.
pub async fn rotate(caller: Caller) -> Result<Json<SigningKeys>, AdminError> {
    caller.must_see_all(BEYOND)?;
    let now = caller.app.node.now();
    match caller.app.keys.rotate(now, &rand::random()) {
        Ok(kid) => {
            info!(kid, by = caller.name, "made a new key that signs access tokens");
            Ok(Json(names(&caller)))
        }
        Err(error) => {
            error!(%error, "there is no new key that signs access tokens");
            Err(AdminError::Unavailable)
        }
    }
}

fn names(caller: &Caller) -> SigningKeys {
    let verify = caller.app.keys.names();
    SigningKeys { signs: verify.last().cloned().unwrap_or_default(), verify }
}
