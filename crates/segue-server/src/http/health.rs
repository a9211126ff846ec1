//! `/healthz`: the process is there. `/readyz`: it can keep its promises.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use super::App;

/// The process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// New conversations are welcome here: every promise can be kept, and the node does not stop. Where
/// not, a line for each reason.
pub async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, String) {
    if app.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    let unmet = app.health.unmet().await;
    if unmet.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let lines = unmet.iter().map(|it| format!("{}: {}\n", it.check, it.why));
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect())
}
