//! The routes of this folder, as `docs/api/openapi.json` describes them. Only tests run this. The
//! scope of each, and what every one of them refuses, comes from the table of routes.

use serde_json::{Value, json};

use super::{
    connectors, deletions, ending, error::AdminError, export, keys, routes, sessions, settings,
    signing_keys,
};
use crate::{
    api_keys::KeyError,
    directory::ChangeError,
    spec::{
        openapi::ADMIN_KEY,
        operation::{Operation, Told},
        schemas::Schemas,
    },
};

mod bodies;
mod examples;

use examples::{CONNECTOR, KEY_ID, SESSION};

/// Tags of the document.
pub(crate) const ADMIN_CONNECTORS: &str = "Administration: connectors";
pub(crate) const ADMIN_SESSIONS: &str = "Administration: conversations";
pub(crate) const ADMIN_KEYS: &str = "Administration: keys";
pub(crate) const ADMIN_SERVER: &str = "Administration: the server";

/// All of them.
pub(crate) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    let mut all = Vec::new();
    all.extend(connectors(schemas));
    all.extend(connector_changes(schemas));
    all.extend(sessions(schemas));
    all.extend(session_ends(schemas));
    all.extend(keys(schemas));
    all.extend(server(schemas));
    all.into_iter().map(guarded).collect()
}

/// With what stands before every route of this API.
fn guarded(operation: Operation) -> Operation {
    let Operation { method, path, .. } = operation;
    let route = routes().into_iter().find(|it| it.method == method && it.path == path);
    let scope = route.unwrap_or_else(|| panic!("{method} {path} is no route")).scope;
    operation.needs_role(ADMIN_KEY, scope.name()).refuses([
        AdminError::NoKey,
        AdminError::UnknownKey,
        AdminError::ExpiredKey,
        AdminError::RevokedKey,
        AdminError::MissingScope(scope),
        AdminError::TooManyFailures { retry_after_ms: 0 },
        AdminError::Unavailable,
    ])
}

impl From<AdminError> for Told {
    fn from(error: AdminError) -> Self {
        Self {
            status: error.status().as_u16(),
            text: error.text().into_owned().into(),
            is_fixed: !matches!(error, AdminError::Unreadable(_) | AdminError::Invalid(_)),
            code: error.code(),
            has_retry_after: error.retry_after_seconds().is_some(),
        }
    }
}

fn unreadable() -> AdminError {
    AdminError::Unreadable("The body is not what is expected: unknown field `nmae`".to_owned())
}

fn invalid(text: &str) -> AdminError {
    AdminError::Invalid(text.to_owned())
}

/// Why a connector cannot be changed.
fn unchangeable() -> Vec<AdminError> {
    let errors = [ChangeError::InConfiguration, ChangeError::Revoked, ChangeError::Conflict];
    let mut all: Vec<AdminError> = errors.into_iter().map(AdminError::from).collect();
    all.push(AdminError::NotFound("connector"));
    all.push(invalid("bot: there is no bot \"adda\""));
    all
}

fn connectors(schemas: &mut Schemas) -> [Operation; 3] {
    let all = schemas.written::<connectors::Connectors>();
    let one = schemas.written::<connectors::ConnectorDetail>();
    let told = schemas.written::<connectors::Told>();
    let new = schemas.add("NewConnector", bodies::new_connector());
    [
        Operation::new("GET /admin/v1/connectors", "listConnectors", ADMIN_CONNECTORS)
            .about("All connectors", "All that the key reaches.")
            .answers(200, "The connectors.", &all, &json!({"connectors": [examples::connector()]})),
        Operation::new("POST /admin/v1/connectors", "createConnector", ADMIN_CONNECTORS)
            .about(
                "Make a connector",
                "It begins conversations at once, on every node within moments.",
            )
            .reads(&new, &json!({"id": CONNECTOR, "bot": "ada", "hosts": ["shop.example.com"]}))
            .answers(201, "It exists; its token.", &told, &examples::connector_with_token(None))
            .refuses([
                unreadable(),
                AdminError::BodyTooLarge,
                invalid("id: the name of the connector is missing"),
                AdminError::BeyondKey("this connector"),
            ])
            .refuses(
                [
                    ChangeError::InConfiguration,
                    ChangeError::Exists,
                    ChangeError::TooMany,
                    ChangeError::Conflict,
                ]
                .map(AdminError::from),
            ),
        Operation::new("GET /admin/v1/connectors/{id}", "getConnector", ADMIN_CONNECTORS)
            .about(
                "One connector",
                "With its newest token, where that stands in an application and so is no secret.",
            )
            .takes("path", "id", &text(CONNECTOR), "The connector.")
            .answers(200, "The connector.", &one, &examples::connector_with_token(None))
            .refuses([AdminError::NotFound("connector")]),
    ]
}

fn connector_changes(schemas: &mut Schemas) -> [Operation; 5] {
    let line = schemas.written::<connectors::ConnectorLine>();
    let told = schemas.written::<connectors::Told>();
    let rotation = schemas.read::<connectors::Rotation>();
    let patch = schemas.add("ConnectorPatch", bodies::connector_patch());
    let example = examples::connector();
    let change = |route, id, summary, description| {
        Operation::new(route, id, ADMIN_CONNECTORS)
            .about(summary, description)
            .takes("path", "id", &text(CONNECTOR), "The connector.")
            .refuses(unchangeable())
    };
    let set = |route, id, summary, description| {
        change(route, id, summary, description).answers(200, "As it is now.", &line, &example)
    };
    [
        set(
            "PATCH /admin/v1/connectors/{id}",
            "changeConnector",
            "Change a connector",
            "Sets what it names; `null` takes a setting back to its default.",
        )
        .reads(&patch, &json!({"hosts": ["shop.example.com"], "idle_seconds": null}))
        .refuses([unreadable(), AdminError::BodyTooLarge]),
        change(
            "POST /admin/v1/connectors/{id}/rotate",
            "rotateConnectorToken",
            "Make a new token of a connector",
            "Those before it are good for a while, so that applications can change over.",
        )
        .may_read(&rotation, &json!({"overlap_seconds": 604_800}))
        .answers(200, "The new token.", &told, &examples::connector_with_token(Some(604_800)))
        .refuses([
            unreadable(),
            AdminError::BodyTooLarge,
            ChangeError::TooManyTokens.into(),
        ]),
        set(
            "POST /admin/v1/connectors/{id}/disable",
            "disableConnector",
            "Let a connector begin no conversations",
            "New access tokens and sessions are refused; conversations go on. A body is not looked at.",
        ),
        set(
            "POST /admin/v1/connectors/{id}/enable",
            "enableConnector",
            "Let a connector begin conversations again",
            "The reverse of `disable`. A body is not looked at.",
        ),
        set(
            "POST /admin/v1/connectors/{id}/revoke",
            "revokeConnector",
            "End a connector for good",
            "Its conversations end. There is no way back. A body is not looked at.",
        ),
    ]
}

fn sessions(schemas: &mut Schemas) -> [Operation; 4] {
    let page = schemas.written::<sessions::Sessions>();
    let detail = schemas.written::<sessions::SessionDetail>();
    let entries = schemas.written::<sessions::Entries>();
    let export = schemas.written::<export::Export>();
    let of_session = |route, id| {
        Operation::new(route, id, ADMIN_SESSIONS)
            .takes("path", "id", &session_id(), "The session.")
            .refuses([AdminError::NotFound("session")])
    };
    [
        Operation::new("GET /admin/v1/sessions", "listSessions", ADMIN_SESSIONS)
            .about(
                "Find conversations",
                "The newest first, in pages. What the key does not reach is not there.",
            )
            .may_take_query::<sessions::Wanted>()
            .answers(
                200,
                "A page of sessions.",
                &page,
                &json!({"sessions": [examples::session()], "next_cursor": null}),
            )
            .refuses([bad_query(), invalid("limit: 1 to 500")]),
        of_session("GET /admin/v1/sessions/{id}", "getSession")
            .about("One conversation", "What is known of it beside its log.")
            .answers(200, "The session.", &detail, &examples::session_detail()),
        of_session("GET /admin/v1/sessions/{id}/entries", "listEntries")
            .about(
                "The log of a conversation",
                "The whole log in pages, as it is stored; what the user never sees is `internal`.",
            )
            .may_take_query::<sessions::Range>()
            .answers(
                200,
                "A part of the log.",
                &entries,
                &json!({"entries": [examples::entry()], "next_after": 1}),
            )
            .refuses([bad_query(), invalid("limit: 1 to 500")]),
        of_session("GET /admin/v1/sessions/{id}/export", "exportSession")
            .about(
                "A conversation in one piece",
                "As JSON, or as a document in Markdown with `format=markdown`. It need not have \
                 ended.",
            )
            .may_take_query::<export::Wanted>()
            .answers(
                200,
                "All of it.",
                &export,
                &json!({"session": examples::session_detail(), "entries": [examples::entry()]}),
            )
            .or_as(200, "text/markdown", &json!({"type": "string"}))
            .refuses([bad_query(), export::TOO_LARGE]),
    ]
}

fn session_ends(schemas: &mut Schemas) -> [Operation; 4] {
    let detail = schemas.written::<sessions::SessionDetail>();
    let deletion = schemas.written::<deletions::DeletionLine>();
    let deleted = schemas.written::<ending::Deleted>();
    let of_session = |route, id| {
        Operation::new(route, id, ADMIN_SESSIONS).takes("path", "id", &session_id(), "The session.")
    };
    [
        of_session("POST /admin/v1/sessions/{id}/revoke", "revokeSession")
            .about(
                "End a conversation",
                "Its sockets are closed with 4001. One that has ended stays as it is. A body is not \
                 looked at.",
            )
            .answers(200, "As it is now.", &detail, &examples::session_detail())
            .refuses([AdminError::NotFound("session")]),
        of_session("DELETE /admin/v1/sessions/{id}", "deleteSession")
            .about(
                "Delete a conversation",
                "It ends, and everything that was kept of it is deleted. A second time gives the \
                 proof of the first.",
            )
            .answers(200, "The proof.", &deletion, &examples::deletion())
            .refuses([AdminError::NotFound("session")]),
        Operation::new("DELETE /admin/v1/sessions", "deleteSessionsOfUser", ADMIN_SESSIONS)
            .about(
                "Delete the conversations of a user",
                "Those that the key reaches, 500 at a time.",
            )
            .takes("query", "user_id", &text("ann"), "That of their `integration_attributes`.")
            .answers(
                200,
                "The proofs.",
                &deleted,
                &json!({"deletions": [examples::deletion()], "more": false}),
            )
            .refuses([bad_query(), AdminError::NotFound("session")]),
        of_session("GET /admin/v1/deletions/{id}", "getDeletion")
            .about("The proof that a conversation was deleted", "It is kept.")
            .answers(200, "The proof.", &deletion, &examples::deletion())
            .refuses([AdminError::NotFound("deletion")]),
    ]
}

fn keys(schemas: &mut Schemas) -> [Operation; 4] {
    let all = schemas.written::<keys::Keys>();
    let line = schemas.written::<keys::KeyLine>();
    let made = schemas.written::<keys::Made>();
    let new = schemas.read::<keys::Wanted>();
    let of_key = |route, id| {
        Operation::new(route, id, ADMIN_KEYS)
            .takes("path", "id", &text(KEY_ID), "The public name of the key.")
            .refuses([AdminError::NotFound("key")])
    };
    let example = json!({
        "name": "reports", "scopes": ["sessions:read"], "connectors": [CONNECTOR],
        "expires_in_seconds": 7_776_000,
    });
    [
        Operation::new("GET /admin/v1/keys", "listKeys", ADMIN_KEYS)
            .about("All keys", "Those that could do nothing which the caller's cannot.")
            .answers(200, "The keys.", &all, &json!({"keys": [examples::key()]})),
        Operation::new("POST /admin/v1/keys", "createKey", ADMIN_KEYS)
            .about(
                "Make a key",
                "With no more scopes, connectors and time than the caller's has. It is told in this \
                 answer only.",
            )
            .reads(&new, &example)
            .answers(201, "The key.", &made, &examples::key_made())
            .refuses([
                unreadable(),
                AdminError::BodyTooLarge,
                invalid("scopes: at least one"),
                AdminError::BeyondKey("these scopes"),
                AdminError::BeyondKey("these connectors"),
                AdminError::BeyondKey("this expiry"),
                KeyError::TooMany.into(),
                KeyError::Conflict.into(),
            ]),
        of_key("GET /admin/v1/keys/{id}", "getKey")
            .about("One key", "Without its secret, which nobody is shown again.")
            .answers(200, "The key.", &line, &examples::key()),
        of_key("POST /admin/v1/keys/{id}/revoke", "revokeKey")
            .about(
                "Revoke a key",
                "It no longer works, for good. A second time changes nothing. A body is not looked \
                 at.",
            )
            .answers(200, "As it is now.", &line, &examples::key())
            .refuses([AdminError::from(KeyError::Conflict)]),
    ]
}

fn server(schemas: &mut Schemas) -> [Operation; 4] {
    let names = schemas.written::<signing_keys::SigningKeys>();
    let limits = schemas.written::<settings::InForce>();
    let settings = schemas.written::<settings::Settings>();
    let signing = |route, id, summary, description| {
        Operation::new(route, id, ADMIN_SERVER)
            .about(summary, description)
            .answers(200, "The names of the keys.", &names, &examples::signing_keys())
            .refuses([signing_keys::BEYOND])
    };
    [
        signing(
            "GET /admin/v1/signing-keys",
            "listSigningKeys",
            "The keys that sign access tokens",
            "Their names only.",
        ),
        signing(
            "POST /admin/v1/signing-keys/rotate",
            "rotateSigningKeys",
            "Sign access tokens with a new key",
            "Those before it verify until their last token has expired. A body is not looked at.",
        ),
        Operation::new("GET /admin/v1/limits", "listLimits", ADMIN_SERVER)
            .about(
                "The limits in force",
                "Those of the server, and those of the connectors that have some of their own.",
            )
            .answers(200, "The limits.", &limits, &examples::limits()),
        Operation::new("GET /admin/v1/config", "listSettings", ADMIN_SERVER)
            .about(
                "The configuration",
                "Every setting with where it comes from. Secrets are `***`. A key that reaches some \
                 connectors only sees their settings and the limits.",
            )
            .answers(200, "The settings.", &settings, &examples::settings()),
    ]
}

fn bad_query() -> AdminError {
    AdminError::Unreadable("Failed to deserialize query string: unknown field `limt`".to_owned())
}

fn text(example: &str) -> Value {
    json!({"type": "string", "examples": [example]})
}

fn session_id() -> Value {
    json!({"type": "string", "format": "uuid", "examples": [SESSION]})
}
