//! `/healthz`: the process is there. `/readyz`: it can keep its promises.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use tracing::warn;

use super::App;

/// The process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// New conversations are welcome here: the store can write, and the node does not stop.
pub async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match app.node.store.check().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "store unavailable\n")
        }
    }
}
