//! The routes over HTTP, as OpenAPI 3.1.

use serde_json::{Map, Value, json};

use super::{license, operation::Operation, schemas::Schemas};
use crate::{
    http::{
        self,
        admin::operations::{ADMIN_CONNECTORS, ADMIN_KEYS, ADMIN_SERVER, ADMIN_SESSIONS},
    },
    limits,
    wire::ErrorBody,
};

/// The access token of a session, as a security scheme.
pub(crate) const ACCESS_TOKEN: &str = "accessToken";
/// The token of a connector, as a security scheme.
pub(crate) const CONNECTOR_TOKEN: &str = "connectorToken";

/// A key of the admin API, as a security scheme.
pub(crate) const ADMIN_KEY: &str = "adminKey";

/// Every operation that is published. Other modules with routes are added here.
fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let mut all = http::operations::all(schemas);
    all.extend(http::admin::operations::all(schemas));
    all
}

/// The document.
pub(crate) fn document() -> Value {
    let mut schemas = Schemas::draft2020_12();
    let error = schemas.written::<ErrorBody<'static>>();
    let mut paths = Map::new();
    for operation in operations(&mut schemas) {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        let method = operation.method.to_ascii_lowercase();
        assert!(path.get(&method).is_none(), "{method} {} twice", operation.path);
        path[method] = operation.to_value(&error);
    }
    json!({
        "openapi": "3.1.1",
        "info": info(),
        "servers": [{"url": "/", "description": "The server that this document came from."}],
        "tags": [
            {"name": "Hand-shake", "description": "Three requests lead to a conversation."},
            {"name": "Conversation", "description": "What is asked beside the socket."},
            {"name": "Health", "description": "For whoever runs the server."},
            {"name": ADMIN_CONNECTORS, "description": "Who may begin conversations. Those of the \
                configuration are shown, and changed there only."},
            {"name": ADMIN_SESSIONS, "description": "Conversations: found, read, ended, deleted."},
            {"name": ADMIN_KEYS, "description": "Who may use this part of the interface."},
            {"name": ADMIN_SERVER, "description": "What is configured, and what signs."},
        ],
        "paths": paths,
        "components": {
            "securitySchemes": security_schemes(),
            "headers": headers(),
            "schemas": schemas.components(),
        },
    })
}

fn info() -> Value {
    json!({
        "title": "Segue: over HTTP",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": "The way to a conversation, what is asked beside it, and administration.",
        "description": "What is said on the socket itself is in the AsyncAPI document beside this \
            one; what both promise is in `docs/protocol.md`, rule by rule.\n\nA request may carry \
            `X-PolyAI-Correlation-Id` (printable ASCII, at most 128 characters); its answer carries \
            the same, or a fresh one. No answer is a redirect. 401 is for good: what may pass by \
            itself is never answered with it.\n\nFields and codes are added at times. A client \
            ignores what it does not know.",
        "license": license(),
    })
}

fn security_schemes() -> Value {
    json!({
        ACCESS_TOKEN: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "What `POST /api/v1/access-token` gave. A session belongs to the token \
                that created it.",
        },
        CONNECTOR_TOKEN: {
            "type": "apiKey",
            "in": "header",
            "name": "X-Token",
            "description": "The connector's token, as the configuration has it.",
        },
        ADMIN_KEY: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "key",
            "description": "A key of the admin API. The role that is asked for is a scope that the \
                key has to have. The first start makes one that may do everything, and keeps it in \
                `admin-key` in the data folder.",
        },
    })
}

fn headers() -> Value {
    json!({
        "CorrelationId": {
            "description": "The request's own, or a fresh one. The log lines of the request have it.",
            "required": true,
            "schema": {"type": "string", "maxLength": limits::CORRELATION_ID_BYTES_MAX},
        },
        "RetryAfter": {
            "description": "When to come again, in seconds.",
            "required": true,
            "schema": {
                "type": "integer", "minimum": 1, "maximum": limits::RETRY_AFTER_SECONDS_MAX,
            },
        },
    })
}
