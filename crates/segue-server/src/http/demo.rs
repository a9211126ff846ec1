//! The page to try it, and what the page on this machine needs to know.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use super::{
    App,
    error::{CorrelationId, Refused},
};
use crate::{address::Client, config::Secret, serve::Peer, wire::HttpError};

/// The connector of a server without a configuration.
#[derive(Debug, Clone)]
pub struct DemoConnector {
    /// Its token.
    pub token: Secret,
    /// A host that it may be used from.
    pub host: String,
}

#[derive(Serialize)]
struct Demo {
    token: String,
    host: String,
}

const CONTENT_POLICY: &str = "default-src 'self'; img-src 'self' https: data:; connect-src 'self' \
     ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page's files and what they ask for.
pub fn routes() -> Router<Arc<App>> {
    const HTML: &str = "text/html; charset=utf-8";
    const CSS: &str = "text/css; charset=utf-8";
    const SVG: &str = "image/svg+xml";
    const JS: &str = "text/javascript; charset=utf-8";
    Router::new()
        .route("/", get(async || file(HTML, include_str!("../../../../web/page/index.html"))))
        .route("/page.css", get(async || file(CSS, include_str!("../../../../web/page/page.css"))))
        .route("/page.js", get(async || file(JS, include_str!("../../../../web/page/page.js"))))
        .route("/icon.svg", get(async || file(SVG, include_str!("../../../../web/page/icon.svg"))))
        .route("/client.js", get(async || file(JS, include_str!("../../../../web/page/client.js"))))
        .route("/demo.json", get(demo))
}

/// A file of a page: a string of this program, never cached without asking.
pub(super) fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text).into_response()
}

/// Tells pages and programs on this machine how to reach the demo connector; nobody else, and no
/// page that reaches this machine under a foreign name.
async fn demo(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Extension(client): Extension<Client>,
    correlation_id: CorrelationId,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok()).unwrap_or("");
    // Who comes by way of a proxy on this machine may be anywhere, whatever it is said to be.
    let is_here = peer.address.ip().to_canonical().is_loopback()
        && !client.is_forwarded
        && is_loopback_name(host);
    let demo = app.demo.as_ref().filter(|_| is_here);
    let demo = demo.ok_or_else(|| correlation_id.refuse(HttpError::UnknownPath))?;
    let body = Demo { token: demo.token.expose().to_owned(), host: demo.host.clone() };
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(([no_store], Json(body)).into_response())
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}
