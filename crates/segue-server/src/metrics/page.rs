//! `/metrics`, on a listener of its own: reads what is only read when somebody asks, and writes it
//! all down as OpenMetrics text.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use segue_store::SqliteStore;
use tracing::error;

use super::Metrics;
use crate::{health::Health, hub::Hub, limits, node::Node};

const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// What is read for an answer.
pub struct Page {
    node: Arc<Node>,
    hub: Arc<Hub>,
    sqlite: Option<Arc<SqliteStore>>,
    health: Arc<Health>,
}

impl Page {
    /// Of a node that starts now.
    pub fn new(
        node: &Arc<Node>,
        hub: &Arc<Hub>,
        sqlite: Option<Arc<SqliteStore>>,
        health: &Arc<Health>,
    ) -> Self {
        node.metrics.process.set_start(node.now());
        let (node, hub) = (Arc::clone(node), Arc::clone(hub));
        Self { node, hub, sqlite, health: Arc::clone(health) }
    }

    /// What its node counts.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.node.metrics)
    }

    async fn text(&self) -> Result<String, std::fmt::Error> {
        let metrics = &self.node.metrics;
        let figures = &metrics.figures;
        figures.set_sessions(&self.node.floors(&self.hub.connected()));
        let queued = self.sqlite.as_ref().map_or(0, |it| it.queued_writes());
        figures.set_local(self.node.cached(), queued);
        figures.set_ready(&self.health.unmet().await);
        figures.set_free(self.health.free_bytes());
        figures.set_files(self.sqlite.as_ref().and_then(|it| it.file_bytes().ok()));
        let now = self.node.now();
        let patience = Duration::from_millis(limits::METRICS_STORE_MS_MAX);
        let read = tokio::time::timeout(patience, self.node.store.figures(now)).await;
        figures.set_store(now, read.ok().and_then(Result::ok).as_ref());
        metrics.process.refresh();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry)?;
        Ok(text)
    }
}

/// The routes of the listener for metrics.
pub fn router(page: Arc<Page>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(page)
}

async fn metrics(State(page): State<Arc<Page>>) -> Response {
    match page.text().await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(cause) => {
            error!(%cause, "the metrics cannot be written down");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
