//! Every text that a client may read when something is refused or fails, with its stable code. The
//! texts are the contract; clients act on some of them word by word (protocol, sections 1, 4, 6, 7).

use std::borrow::Cow;

use segue_core::{Level, Notice};
use serde::Serialize;

use crate::limits;

/// Why what a client sent was not taken (protocol, section 4). For its sender alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not an event: not JSON, no type that is known, a payload of the wrong shape, a blank text, a
    /// binary frame.
    Malformed,
    /// An event that clients may not send; its type, always one of our own constants.
    NotAllowed(&'static str),
    /// Over `limits::MESSAGE_TEXT_BYTES_MAX`.
    TooLarge,
    /// A message before the bot was asked to join.
    NotAsked {
        /// An error at most once in 5 s per session, otherwise a warning: clients answer each such
        /// error with a JOIN.
        level: Level,
    },
    /// The session has ended.
    Ended,
    /// The store does not answer; nothing is known to be recorded.
    Unavailable {
        /// When to send it again, with the same key.
        retry_after_ms: u64,
    },
    /// Over a rate; not processed.
    RateLimited {
        /// When there is room again.
        retry_after_ms: u64,
    },
}

impl Refusal {
    /// How serious it is.
    pub fn level(&self) -> Level {
        match self {
            Refusal::NotAsked { level } => *level,
            Refusal::RateLimited { .. } => Level::Warning,
            Refusal::Malformed
            | Refusal::NotAllowed(_)
            | Refusal::TooLarge
            | Refusal::Ended
            | Refusal::Unavailable { .. } => Level::Error,
        }
    }

    /// The words of the contract. It has none for a rate; those are ours.
    pub fn message(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Refusal::Malformed => "Unknown event type or invalid message format",
            Refusal::NotAllowed(kind) => {
                return Cow::Owned(format!("Event type not allowed: {kind}"));
            }
            Refusal::TooLarge => "Message too large",
            Refusal::NotAsked { .. } => "Error: Conversation not found",
            Refusal::Ended => "Error: Session not found",
            Refusal::Unavailable { .. } => "Error: Unable to retrieve session",
            Refusal::RateLimited { .. } => RATE_LIMIT_EXCEEDED,
        })
    }

    /// Every code there is.
    pub const CODES: &[&'static str] = &[
        "invalid_format",
        "not_allowed",
        "too_large",
        "conversation_not_found",
        "session_not_found",
        "unavailable",
        RATE_LIMITED,
    ];

    /// For programs; stays when words change.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Malformed => "invalid_format",
            Refusal::NotAllowed(_) => "not_allowed",
            Refusal::TooLarge => "too_large",
            Refusal::NotAsked { .. } => "conversation_not_found",
            Refusal::Ended => "session_not_found",
            Refusal::Unavailable { .. } => "unavailable",
            Refusal::RateLimited { .. } => RATE_LIMITED,
        }
    }

    /// When to try again, where that may help.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Refusal::Unavailable { retry_after_ms } | Refusal::RateLimited { retry_after_ms } => {
                Some(*retry_after_ms)
            }
            Refusal::Malformed
            | Refusal::NotAllowed(_)
            | Refusal::TooLarge
            | Refusal::NotAsked { .. }
            | Refusal::Ended => None,
        }
    }
}

const RATE_LIMIT_EXCEEDED: &str = "Rate limit exceeded";
const RATE_LIMITED: &str = "rate_limited";

/// The words of a notice (protocol, sections 6 and 7).
pub fn notice_message(notice: Notice) -> &'static str {
    match notice {
        Notice::HighLoad => "Our system is experiencing high load. Please try again in a moment.",
        Notice::UnableToStart => {
            "Sorry, I'm unable to start a conversation right now. Please try again later."
        }
        Notice::TroubleResponding => {
            "Sorry, I'm having trouble responding right now. Please try again."
        }
        Notice::EncounteredError => "Sorry, I encountered an error. Please try again.",
        Notice::HandoffNotInitiated => "Sorry, handoff could not be initiated.",
        Notice::TurnsUsedUp => {
            "This conversation has reached its limit. Please start a new one to go on."
        }
    }
}

/// The code of a notice, for programs.
pub fn notice_code(notice: Notice) -> &'static str {
    match notice {
        Notice::HighLoad => "high_load",
        Notice::UnableToStart => "unable_to_start",
        Notice::TroubleResponding => "trouble_responding",
        Notice::EncounteredError => "encountered_error",
        Notice::HandoffNotInitiated => "handoff_not_initiated",
        Notice::TurnsUsedUp => "turns_used_up",
    }
}

/// Why a request over HTTP is refused (protocol, section 1).
///
/// 401 and 403 are for good to clients: nothing that may pass has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpError {
    /// `X-Token` or `X-Host` absent or empty; or `Authorization` not of the form `Bearer <token>`.
    MissingAuthenticationHeaders,
    /// An unknown, revoked or disabled connector token.
    UnknownConnectorToken,
    /// The connector has no host registered.
    NoHostRegistered,
    /// `X-Host` or `Origin` does not match.
    HostMismatch,
    /// Anything internal while making an access token.
    TokenNotCreated,
    /// No `Authorization` header.
    MissingAccessToken,
    /// The access token is malformed, expired, forged, used from a wrong origin or by a connector
    /// that was disabled since, or for a session that it did not create.
    InvalidAccessToken,
    /// The body is not JSON, or a field is of the wrong type.
    UnreadableRequest,
    /// Anything internal while making a session.
    SessionNotCreated,
    /// Anything internal while stopping a turn.
    TurnNotStopped,
    /// Too many requests from an address or for a connector, or too many sessions of a token.
    RateLimited {
        /// When there is room again.
        retry_after_ms: u64,
    },
    /// Upgrade: a parameter is missing.
    MissingParameters,
    /// Upgrade: a bad or expired token, a wrong origin, or not this session's token.
    NotAuthenticated,
    /// An unknown session, or one past its retention.
    UnknownSession,
    /// Upgrade: the session has as many connections as it may, all alive.
    TooManyConnections {
        /// When one of them may have to give way.
        retry_after_ms: u64,
    },
    /// There is nothing at this path.
    UnknownPath,
    /// There is something at this path, for other methods.
    WrongMethod,
}

impl HttpError {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            HttpError::MissingAccessToken
            | HttpError::UnreadableRequest
            | HttpError::MissingParameters => 400,
            HttpError::MissingAuthenticationHeaders
            | HttpError::UnknownConnectorToken
            | HttpError::NoHostRegistered
            | HttpError::HostMismatch
            | HttpError::InvalidAccessToken
            | HttpError::NotAuthenticated => 401,
            HttpError::UnknownSession | HttpError::UnknownPath => 404,
            HttpError::WrongMethod => 405,
            HttpError::RateLimited { .. } | HttpError::TooManyConnections { .. } => 429,
            HttpError::TokenNotCreated
            | HttpError::SessionNotCreated
            | HttpError::TurnNotStopped => 500,
        }
    }

    /// The words of the contract. It has none for a wrong path or method; those are ours.
    pub fn text(&self) -> &'static str {
        match self {
            HttpError::MissingAuthenticationHeaders => "Missing authentication headers",
            HttpError::UnknownConnectorToken => "Connector token does not exist",
            HttpError::NoHostRegistered => "Connector missing host domain",
            HttpError::HostMismatch => "Failed to validate connector",
            HttpError::TokenNotCreated => "Failed to create access token",
            HttpError::MissingAccessToken => "Missing access token",
            HttpError::InvalidAccessToken => "Invalid access token",
            HttpError::UnreadableRequest => "Error parsing request",
            HttpError::SessionNotCreated => "Failed to create session",
            HttpError::TurnNotStopped => "Failed to stop turn",
            HttpError::RateLimited { .. } => RATE_LIMIT_EXCEEDED,
            HttpError::MissingParameters => "invalid connection parameters",
            HttpError::NotAuthenticated => "authentication failed",
            HttpError::UnknownSession => "session not found",
            HttpError::TooManyConnections { .. } => "connection limit exceeded for session",
            HttpError::UnknownPath => "not found",
            HttpError::WrongMethod => "method not allowed",
        }
    }

    /// Every code there is.
    pub const CODES: &[&'static str] = &[
        "missing_authentication_headers",
        "connector_token_does_not_exist",
        "connector_missing_host_domain",
        "failed_to_validate_connector",
        "failed_to_create_access_token",
        "missing_access_token",
        "invalid_access_token",
        "error_parsing_request",
        "failed_to_create_session",
        "failed_to_stop_turn",
        RATE_LIMITED,
        "invalid_connection_parameters",
        "authentication_failed",
        "session_not_found",
        "connection_limit_exceeded",
        "not_found",
        "method_not_allowed",
    ];

    /// For programs; stays when words change.
    pub fn code(&self) -> &'static str {
        match self {
            HttpError::MissingAuthenticationHeaders => "missing_authentication_headers",
            HttpError::UnknownConnectorToken => "connector_token_does_not_exist",
            HttpError::NoHostRegistered => "connector_missing_host_domain",
            HttpError::HostMismatch => "failed_to_validate_connector",
            HttpError::TokenNotCreated => "failed_to_create_access_token",
            HttpError::MissingAccessToken => "missing_access_token",
            HttpError::InvalidAccessToken => "invalid_access_token",
            HttpError::UnreadableRequest => "error_parsing_request",
            HttpError::SessionNotCreated => "failed_to_create_session",
            HttpError::TurnNotStopped => "failed_to_stop_turn",
            HttpError::RateLimited { .. } => RATE_LIMITED,
            HttpError::MissingParameters => "invalid_connection_parameters",
            HttpError::NotAuthenticated => "authentication_failed",
            HttpError::UnknownSession => "session_not_found",
            HttpError::TooManyConnections { .. } => "connection_limit_exceeded",
            HttpError::UnknownPath => "not_found",
            HttpError::WrongMethod => "method_not_allowed",
        }
    }

    /// The value of `Retry-After`, in whole seconds: every 429 has one, of at least 1 and at most
    /// `limits::RETRY_AFTER_SECONDS_MAX`.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            HttpError::RateLimited { retry_after_ms }
            | HttpError::TooManyConnections { retry_after_ms } => {
                let seconds = retry_after_ms.div_ceil(1_000);
                Some(seconds.clamp(1, limits::RETRY_AFTER_SECONDS_MAX))
            }
            _ => None,
        }
    }

    /// The body of the answer, JSON: the text twice, because clients differ in the key that they read.
    pub fn body(&self, correlation_id: &str) -> String {
        let (text, code) = (self.text(), self.code());
        let body = ErrorBody::new(text, code, correlation_id);
        serde_json::to_string(&body).expect("strings cannot fail to become JSON")
    }
}

/// The body of every error.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Error"))]
pub(crate) struct ErrorBody<'a> {
    /// What is wrong, in words.
    error: &'a str,
    /// The same again: clients differ in the key that they read.
    message: &'a str,
    /// For programs; stays when the words change.
    #[cfg_attr(test, schemars(regex(pattern = "^[a-z][a-z0-9_]*$")))]
    code: &'a str,
    /// That of the answer's header. Name it when you ask for help.
    correlation_id: &'a str,
}

impl<'a> ErrorBody<'a> {
    /// Of an error in these words.
    pub fn new(text: &'a str, code: &'a str, correlation_id: &'a str) -> Self {
        Self { error: text, message: text, code, correlation_id }
    }
}
