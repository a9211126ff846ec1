//! `/api`: the specifications, and a page that draws them.

use std::sync::Arc;

use axum::{Router, routing::get};

use super::{App, demo::file};

/// The documents as they are committed, and the files of the page.
pub fn routes() -> Router<Arc<App>> {
    const HTML: &str = "text/html; charset=utf-8";
    const CSS: &str = "text/css; charset=utf-8";
    const JS: &str = "text/javascript; charset=utf-8";
    const JSON: &str = "application/json";
    const PAGE: &str = include_str!("../../../../web/reference/index.html");
    const STYLE: &str = include_str!("../../../../web/reference/reference.css");
    const SCRIPT: &str = include_str!("../../../../web/reference/reference.js");
    const PARTS: &str = include_str!("../../../../web/reference/reference-parts.js");
    const OPENAPI: &str = include_str!("../../../../docs/api/openapi.json");
    const ASYNCAPI: &str = include_str!("../../../../docs/api/asyncapi.json");
    Router::new()
        .route("/api", get(async || file(HTML, PAGE)))
        .route("/api/reference.css", get(async || file(CSS, STYLE)))
        .route("/api/reference.js", get(async || file(JS, SCRIPT)))
        .route("/api/reference-parts.js", get(async || file(JS, PARTS)))
        .route("/api/openapi.json", get(async || file(JSON, OPENAPI)))
        .route("/api/asyncapi.json", get(async || file(JSON, ASYNCAPI)))
}
