//! Why a request of an administrator is refused: the texts and codes of this API, in one place. Of
//! the vendor's protocol nothing is said here.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use segue_core::ports::StoreError;
use tracing::error;

use crate::{
    api_keys::{KeyError, Scope},
    directory::ChangeError,
    http::error::RefusedAs,
    limits,
    wire::ErrorBody,
};

/// Every code that a refusal may have.
pub const CODES: &[&str] = &[
    "missing_key",
    "invalid_key",
    "expired_key",
    "revoked_key",
    "rate_limited",
    "missing_scope",
    "beyond_key",
    "not_found",
    "unreadable_request",
    "invalid_request",
    "declared_in_configuration",
    "connector_exists",
    "connector_revoked",
    "too_many_connectors",
    "too_many_tokens",
    "too_many_keys",
    "changed_meanwhile",
    "body_too_large",
    "too_large",
    "unavailable",
];

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminError {
    /// No key, or not as `Authorization: Bearer <key>`.
    NoKey,
    /// No key of this server.
    UnknownKey,
    /// The key's time is over.
    ExpiredKey,
    /// The key was revoked.
    RevokedKey,
    /// The address has sent too many requests without a valid key.
    TooManyFailures {
        /// When there is room again.
        retry_after_ms: u64,
    },
    /// The key may not do this at all.
    MissingScope(Scope),
    /// What is asked for reaches further than the key.
    BeyondKey(&'static str),
    /// There is nothing of this name that the key may see.
    NotFound(&'static str),
    /// The request does not say what is wanted.
    Unreadable(String),
    /// It can be read, and makes no sense.
    Invalid(String),
    /// It contradicts what there is.
    Conflict {
        /// For programs.
        code: &'static str,
        /// For people.
        text: Cow<'static, str>,
    },
    /// More in the body than is read.
    BodyTooLarge,
    /// Too much to be given in one piece.
    TooLarge(&'static str),
    /// The store does not answer, or something else that may pass.
    Unavailable,
}

impl AdminError {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoKey | Self::UnknownKey | Self::ExpiredKey | Self::RevokedKey => {
                StatusCode::UNAUTHORIZED
            }
            Self::MissingScope(_) | Self::BeyondKey(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Unreadable(_) | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooLarge(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyFailures { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// For programs; stays when words change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoKey => "missing_key",
            Self::UnknownKey => "invalid_key",
            Self::ExpiredKey => "expired_key",
            Self::RevokedKey => "revoked_key",
            Self::TooManyFailures { .. } => "rate_limited",
            Self::MissingScope(_) => "missing_scope",
            Self::BeyondKey(_) => "beyond_key",
            Self::NotFound(_) => "not_found",
            Self::Unreadable(_) => "unreadable_request",
            Self::Invalid(_) => "invalid_request",
            Self::Conflict { code, .. } => code,
            Self::BodyTooLarge => "body_too_large",
            Self::TooLarge(_) => "too_large",
            Self::Unavailable => "unavailable",
        }
    }

    /// For people.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::NoKey => "A key is needed: Authorization: Bearer <key>".into(),
            Self::UnknownKey => "This is no key of this server".into(),
            Self::ExpiredKey => "This key has expired".into(),
            Self::RevokedKey => "This key was revoked".into(),
            Self::TooManyFailures { .. } => "Too many requests without a valid key".into(),
            Self::MissingScope(scope) => {
                format!("This key does not have the scope {}", scope.name()).into()
            }
            Self::BeyondKey(what) => format!("This key does not reach as far as {what}").into(),
            Self::NotFound(what) => format!("There is no such {what}").into(),
            Self::Unreadable(text) | Self::Invalid(text) => text.as_str().into(),
            Self::Conflict { text, .. } => text.as_ref().into(),
            Self::BodyTooLarge => {
                format!("The body may have {} bytes", limits::REQUEST_BODY_BYTES_MAX).into()
            }
            Self::TooLarge(text) => (*text).into(),
            Self::Unavailable => "The server cannot do this now; try again".into(),
        }
    }

    /// When it is worth to ask again; at least 1.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let ms = match self {
            Self::TooManyFailures { retry_after_ms } => *retry_after_ms,
            Self::Unavailable => limits::UNAVAILABLE_RETRY_AFTER_MS,
            _ => return None,
        };
        Some(ms.div_ceil(1_000).clamp(1, limits::RETRY_AFTER_SECONDS_MAX))
    }

    /// The whole answer, in the form that all refusals have.
    pub fn answer(&self, correlation_id: &str) -> Response {
        let text = self.text();
        let body = ErrorBody::new(&text, self.code(), correlation_id);
        let mut response = (self.status(), axum::Json(body)).into_response();
        response.extensions_mut().insert(RefusedAs(self.code()));
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        error!(%error, "the store does not answer an administrator");
        Self::Unavailable
    }
}

impl From<ChangeError> for AdminError {
    fn from(error: ChangeError) -> Self {
        let code = match &error {
            ChangeError::NotFound => return Self::NotFound("connector"),
            ChangeError::NoId | ChangeError::Invalid(_) => return Self::Invalid(error.to_string()),
            ChangeError::Unavailable(_) => {
                error!(%error, "a connector cannot be changed now");
                return Self::Unavailable;
            }
            ChangeError::Conflict => return changed_meanwhile(),
            ChangeError::InConfiguration => "declared_in_configuration",
            ChangeError::Exists => "connector_exists",
            ChangeError::Revoked => "connector_revoked",
            ChangeError::TooMany => "too_many_connectors",
            ChangeError::TooManyTokens => "too_many_tokens",
        };
        Self::Conflict { code, text: error.to_string().into() }
    }
}

impl From<KeyError> for AdminError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Unknown => Self::NotFound("key"),
            KeyError::TooMany => Self::Conflict {
                code: "too_many_keys",
                text: "There are too many valid keys: revoke some".into(),
            },
            KeyError::Conflict => changed_meanwhile(),
            KeyError::Store(error) => error.into(),
        }
    }
}

/// Somebody else was first.
pub fn changed_meanwhile() -> AdminError {
    AdminError::Conflict {
        code: "changed_meanwhile",
        text: "Somebody else changed it at the same time; look again".into(),
    }
}

/// A refusal of a route is written by what is around all of them, which knows the correlation id.
impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
