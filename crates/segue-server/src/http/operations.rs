//! The routes of this folder, as `docs/api/openapi.json` describes them. Only tests run this.

use serde_json::{Value, json};

use super::{access_token::AccessToken, sessions};
use crate::{
    health::CHECKS,
    limits,
    spec::{
        openapi::{ACCESS_TOKEN, CONNECTOR_TOKEN},
        operation::Operation,
        schemas::Schemas,
    },
    wire::HttpError,
};

const HANDSHAKE: &str = "Hand-shake";
const CONVERSATION: &str = "Conversation";
const HEALTH: &str = "Health";

/// A refusal of a rate; when to come again is no part of what is published.
const RATE_LIMITED: HttpError = HttpError::RateLimited { retry_after_ms: 0 };

const SESSION: &str = "0f4c1a86-0c5c-4b0e-9a57-f1f1c8a3d2e4";
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJzZWd1ZSJ9.kq0V9w";

/// All of them.
pub(crate) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    let mut all = vec![access_token(schemas), session(schemas), socket(), stop()];
    all.extend(health());
    all
}

fn access_token(schemas: &mut Schemas) -> Operation {
    let answer = schemas.written::<AccessToken>();
    let host =
        json!({"type": "string", "minLength": 1, "examples": ["https://shop.tallow.example"]});
    Operation::new("POST /api/v1/access-token", "createAccessToken", HANDSHAKE)
        .about(
            "Turn a connector's token into an access token",
            "The first of three steps. A browser's `Origin` has to be one of the connector's hosts \
             too. A body is not looked at.",
        )
        .needs(CONNECTOR_TOKEN)
        .takes("header", "X-Host", &host, "Where the client runs: a host, or the name of an app.")
        .answers(
            200,
            "An access token.",
            &answer,
            &json!({"access_token": TOKEN, "expires_in": 86_400, "token_type": "Bearer"}),
        )
        .refuses([
            HttpError::MissingAuthenticationHeaders,
            HttpError::UnknownConnectorToken,
            HttpError::NoHostRegistered,
            HttpError::HostMismatch,
            RATE_LIMITED,
            HttpError::TokenNotCreated,
        ])
}

fn session(schemas: &mut Schemas) -> Operation {
    let body = schemas.read::<sessions::Wanted>();
    let answer = schemas.written::<sessions::Created>();
    let example = json!({
        "streaming_enabled": true, "platform": "web", "language": "en",
        "integration_attributes": {"plan": "gold"},
    });
    Operation::new("POST /api/v1/sessions", "createSession", HANDSHAKE)
        .about(
            "Create a session",
            "The second of three steps. The session belongs to the access token. Fields that are not \
             known are ignored.",
        )
        .needs(ACCESS_TOKEN)
        .may_read(&body, &example)
        .answers(200, "The session exists.", &answer, &json!({"session_id": SESSION}))
        .refuses([
            HttpError::MissingAccessToken,
            HttpError::UnreadableRequest,
            HttpError::MissingAuthenticationHeaders,
            HttpError::InvalidAccessToken,
            RATE_LIMITED,
            HttpError::SessionNotCreated,
        ])
}

fn socket() -> Operation {
    let text = |example: &str| json!({"type": "string", "examples": [example]});
    let cursor = json!({"type": "string", "examples": ["7", "seq:7"]});
    Operation::new("GET /ws", "openSocket", HANDSHAKE)
        .about(
            "Open a socket on a session",
            "The last of three steps: a WebSocket upgrade. Parameters come in any order. The token \
             may travel as a sub-protocol instead, so that it stays out of access logs: \
             `Sec-WebSocket-Protocol: segue.v1, bearer.<token>`. For trouble of the moment the \
             upgrade is not refused: the socket opens and is closed with 1013. What is said on it is \
             in the AsyncAPI document.",
        )
        .takes("query", "session_id", &session_id(), "The session.")
        .may_take("query", "access_token", &text(TOKEN), "The token that created the session.")
        .may_take("query", "auth_token", &text(TOKEN), "Another name for `access_token`.")
        .may_take(
            "query",
            "cursor",
            &cursor,
            "The sequence up to which the client has everything. What is no number counts as 0.",
        )
        .answers_bare(101, "The socket is open. The first frame is a batch of the log.")
        .refuses([
            HttpError::MissingParameters,
            HttpError::NotAuthenticated,
            HttpError::UnknownSession,
            HttpError::TooManyConnections { retry_after_ms: 0 },
        ])
}

fn stop() -> Operation {
    Operation::new("POST /api/v1/sessions/{id}/stop", "stopTurn", CONVERSATION)
        .about(
            "Stop the agent's turn where it is",
            "A message that has begun gets its last chunk at once, and nothing more of the turn \
             follows. What the turn answers, or would have answered, is done with; what was said \
             while it ran is answered next. A body is not looked at.",
        )
        .needs(ACCESS_TOKEN)
        .takes("path", "id", &session_id(), "The session.")
        .answers_bare(204, "The turn is over, or there was none.")
        .refuses([
            HttpError::MissingAccessToken,
            HttpError::MissingAuthenticationHeaders,
            HttpError::InvalidAccessToken,
            HttpError::UnknownSession,
            RATE_LIMITED,
            HttpError::TurnNotStopped,
        ])
}

fn health() -> [Operation; 2] {
    [
        Operation::new("GET /healthz", "isAlive", HEALTH)
            .about("Whether the process lives", "Answers for as long as it does.")
            .answers_line(200, "It does.", &["ok\n"]),
        Operation::new("GET /readyz", "isReady", HEALTH)
            .about(
                "Whether new conversations are welcome",
                "A load balancer should send nobody here while they are not.",
            )
            .answers_line(200, "They are.", &["ready\n"])
            .answers_text(
                503,
                "They are not: the server stops, or a line for each promise that cannot be kept.",
                &format!("^(stopping\\n|(({}): [^\\n]+\\n)+)$", CHECKS.join("|")),
            ),
    ]
}

fn session_id() -> Value {
    json!({"type": "string", "format": "uuid", "examples": [SESSION]})
}

/// An access token lives so long; the contract says how long.
const _: () = assert!(limits::ACCESS_TOKEN_SECONDS == 86_400);
