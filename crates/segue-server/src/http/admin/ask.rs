//! What routes read of a request: each rejection becomes a refusal that says what is wrong.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

use super::error::AdminError;

/// The body, JSON. An empty one is `{}`.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Asked<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let unreadable = |text: String| AdminError::Unreadable(text);
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|it| match it.status() {
            StatusCode::PAYLOAD_TOO_LARGE => AdminError::BodyTooLarge,
            _ => unreadable(it.body_text()),
        })?;
        let body = if body.trim_ascii().is_empty() { &b"{}"[..] } else { &body };
        match serde_json::from_slice(body) {
            Ok(asked) => Ok(Self(asked)),
            Err(error) => Err(unreadable(format!("The body is not what is expected: {error}"))),
        }
    }
}

/// The query of the address.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(error) => Err(AdminError::Unreadable(error.body_text())),
        }
    }
}

/// The one name in the path.
#[derive(Debug)]
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            // A name that is no text names nothing.
            Err(_) => Err(AdminError::NotFound("name")),
        }
    }
}
