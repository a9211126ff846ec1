//! `POST /api/v1/sessions/{id}/stop` (protocol, section 9).

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
};
use segue_core::{Actor, Command, Rejected};
use tracing::{error, info, warn};

use super::{
    App, NotOpened,
    error::{CorrelationId, Refused},
    sessions::bearer,
};
use crate::{address::Client, node::Outcome, wire::HttpError};

/// Ends the turn of the bot that is running or due; without one, changes nothing. A disabled
/// connector's sessions go on, so they can be stopped too.
pub async fn stop(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    correlation_id: CorrelationId,
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Refused> {
    let refuse = |error| correlation_id.refuse(error);
    let token = bearer(&headers).map_err(refuse)?;
    let origin = headers.get("origin").map(|it| it.to_str().unwrap_or(""));
    let (claims, connector) =
        app.authenticate(token, origin).ok_or_else(|| refuse(HttpError::InvalidAccessToken))?;
    // As with a socket: new sessions must not keep out who has one and wants the bot to stop.
    app.handshakes
        .take_socket(app.node.now(), client.address, &connector.id, &connector.limits)
        .map_err(|retry_after_ms| refuse(HttpError::RateLimited { retry_after_ms }))?;
    let Ok(Path(name)) = name else { return Err(refuse(HttpError::UnknownSession)) };
    let session = app.open(&name, &claims, &connector).await.map_err(|it| match it {
        NotOpened::Unknown => refuse(HttpError::UnknownSession),
        NotOpened::NotYours => refuse(HttpError::InvalidAccessToken),
        NotOpened::Unavailable(error) => {
            warn!(session = name, %error, "cannot open session {name} now");
            refuse(HttpError::TurnNotStopped)
        }
    })?;
    let id = session.id;
    match app.node.execute(id, Actor::User, &[Command::StopTurn]).await.remove(0) {
        Outcome::Recorded { .. } => {
            info!(session.id = %id, "the user stopped a turn of session {id}");
            Ok(StatusCode::NO_CONTENT)
        }
        Outcome::Rejected(Rejected::NoTurn | Rejected::Ended) => Ok(StatusCode::NO_CONTENT),
        outcome => {
            error!(session.id = %id, ?outcome, "cannot stop the turn of session {id}");
            Err(refuse(HttpError::TurnNotStopped))
        }
    }
}
