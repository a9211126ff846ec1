//! What every request has around it: a correlation id, CORS, one line in the log.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::{Instrument, info_span};

use super::{
    App, admin,
    error::{CorrelationId, RefusedAs},
};
use crate::{limits, serve::Peer};

static CORRELATION_ID: HeaderName = HeaderName::from_static("x-polyai-correlation-id");
const REQUEST_HEADERS: &str =
    "content-type, x-token, x-host, authorization, x-polyai-correlation-id";
const EXPOSED_HEADERS: &str = "Retry-After, X-PolyAI-Correlation-Id";

/// Protocol, section 1. Every route finds the `Client` of its request.
pub async fn around(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let id = correlation_id(&app, request.headers());
    // No page of another origin has any business with the admin API.
    let is_shared = !request.uri().path().starts_with(admin::PREFIX);
    let origin = request.headers().get(header::ORIGIN).cloned().filter(|_| is_shared);
    let is_preflight = is_shared
        && request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let method = request.method().clone();
    // Without the query: it may hold a token.
    let path = request.uri().path().to_owned();
    // Not the path itself: a client may choose any.
    let route = request.extensions().get::<MatchedPath>().map(|it| it.as_str().to_owned());
    let span = info_span!("request", correlation_id = %id);
    request.extensions_mut().insert(CorrelationId(id.clone()));
    let peer = request.extensions().get::<Peer>().expect("whoever serves says who is there");
    let client = app.door.client(peer.address.ip(), request.headers());
    request.extensions_mut().insert(client);
    let started_at = tokio::time::Instant::now();
    let mut response = if is_preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).instrument(span.clone()).await
    };
    if let Some(origin) = origin {
        add_cors(&app, &origin, is_preflight, response.headers_mut());
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(CORRELATION_ID.clone(), id);
    }
    let status = response.status().as_u16();
    let took = started_at.elapsed();
    let refused = response.extensions().get::<RefusedAs>().map(|it| it.0);
    app.node.metrics.answered(route.as_deref().unwrap_or("none"), status, took, refused);
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(%method, path, status, took_ms, "{method} {path} {status}"));
    response
}

/// The request's own, if it is fit to be repeated, else a fresh one.
fn correlation_id(app: &App, headers: &HeaderMap) -> String {
    let own = headers.get(&CORRELATION_ID).and_then(|it| it.to_str().ok());
    let is_fit = |it: &&str| {
        !it.is_empty()
            && it.len() <= limits::CORRELATION_ID_BYTES_MAX
            && it.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    };
    match own.filter(is_fit) {
        Some(own) => own.to_owned(),
        None => uuid::Uuid::from_u128(app.node.new_id()).to_string(),
    }
}

/// A preflight carries no token, so any origin that any connector allows will do; the request
/// itself is checked against its own.
fn add_cors(app: &App, origin: &HeaderValue, is_preflight: bool, headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Ok(text) = origin.to_str() else { return };
    if !app.connectors.all().iter().any(|it| it.accepts_origin(Some(text))) {
        return;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers
        .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    if is_preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(REQUEST_HEADERS),
        );
        headers.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from(limits::PREFLIGHT_MAX_AGE_SECONDS),
        );
    }
}
