//! Refusals over HTTP: the contract's words in the contract's body.

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use crate::wire::HttpError;

/// The correlation id of a request.
#[derive(Debug, Clone)]
pub struct CorrelationId(pub String);

impl<S: Sync> FromRequestParts<S> for CorrelationId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // `around` puts it there before any route is reached.
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(String::new())))
    }
}

/// The code of a refusal, beside an answer that is one: counted where every answer is.
#[derive(Debug, Clone, Copy)]
pub struct RefusedAs(pub &'static str);

/// A refusal on its way out.
#[derive(Debug)]
pub struct Refused {
    error: HttpError,
    correlation_id: CorrelationId,
}

impl CorrelationId {
    /// Refuses this request.
    pub fn refuse(&self, error: HttpError) -> Refused {
        Refused { error, correlation_id: self.clone() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.error.status())
            .expect("the contract has valid statuses only");
        let body = self.error.body(&self.correlation_id.0);
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut response = (status, json, body).into_response();
        response.extensions_mut().insert(RefusedAs(self.error.code()));
        if let Some(seconds) = self.error.retry_after_seconds() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// There is nothing at this path.
pub async fn unknown_path(correlation_id: CorrelationId) -> Refused {
    correlation_id.refuse(HttpError::UnknownPath)
}

/// There is something at this path, for other methods.
pub async fn wrong_method(correlation_id: CorrelationId) -> Refused {
    correlation_id.refuse(HttpError::WrongMethod)
}
