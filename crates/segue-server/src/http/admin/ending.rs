//! The end of conversations: revoked by itself, or deleted with everything that was kept.

use std::{sync::Arc, time::Duration};

use axum::Json;
use segue_core::{Actor, Command, Revoked, Session, ports::SessionQuery};
use serde::{Deserialize, Serialize};
use tracing::{error, info};

use super::{
    ask::{Name, Params},
    caller::Caller,
    deletions::DeletionLine,
    error::AdminError,
    sessions::{SessionDetail, detail},
};
use crate::{limits, node::Outcome};

/// What was deleted.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Deletions"))]
pub struct Deleted {
    /// The proof for each session.
    deletions: Vec<DeletionLine>,
    /// Whether there are more: ask again.
    more: bool,
}

/// `POST /sessions/{id}/revoke`: ends it; its sockets are closed with 4001. One that has ended stays
/// as it is.
pub async fn revoke(caller: Caller, Name(name): Name) -> Result<Json<SessionDetail>, AdminError> {
    let session = caller.session(&name).await?;
    end(&caller, &session).await?;
    let session = caller.session(&name).await?;
    Ok(Json(detail(&caller, &session).await?))
}

/// `DELETE /sessions/{id}`: the proof. A second time, that of the first.
pub async fn delete(caller: Caller, Name(name): Name) -> Result<Json<DeletionLine>, AdminError> {
    let session = match caller.session(&name).await {
        Ok(session) => session,
        Err(AdminError::NotFound(what)) => {
            let earlier = caller.deletion(&name).await.map_err(|it| match it {
                AdminError::NotFound(_) => AdminError::NotFound(what),
                other => other,
            })?;
            return Ok(Json(DeletionLine::new(&earlier)));
        }
        Err(error) => return Err(error),
    };
    erase(&caller, &session).await.map(Json)
}

/// Whose sessions. In the query, because users choose their names: a part of a path cannot be `.` or
/// `..`, however it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfUser {
    user_id: String,
}

/// `DELETE /sessions`: all of a user that the caller may see, a page at a time.
pub async fn delete_of_user(
    caller: Caller,
    Params(OfUser { user_id }): Params<OfUser>,
) -> Result<Json<Deleted>, AdminError> {
    let query =
        SessionQuery { user_id: Some(user_id), ..SessionQuery::first(limits::ADMIN_PAGE_MAX + 1) };
    let mut listed = caller.sessions(query).await?;
    let more = listed.len() > limits::ADMIN_PAGE_MAX;
    listed.truncate(limits::ADMIN_PAGE_MAX);
    let mut deletions = Vec::with_capacity(listed.len());
    for it in &listed {
        deletions.push(erase(&caller, &it.session).await?);
    }
    Ok(Json(Deleted { deletions, more }))
}

/// Ends a session that goes on.
async fn end(caller: &Caller, session: &Session) -> Result<(), AdminError> {
    let id = session.id;
    let revoke = [Command::Revoke(Revoked::Session)];
    match caller.app.node.execute(id, Actor::System, &revoke).await.remove(0) {
        Outcome::Recorded { .. } => {
            info!(session.id = %id, by = caller.name, "revoked session {id}");
            Ok(())
        }
        // It had ended, or is gone.
        Outcome::Rejected(_) | Outcome::NotFound => Ok(()),
        outcome => {
            error!(session.id = %id, ?outcome, "cannot end session {id}");
            Err(AdminError::Unavailable)
        }
    }
}

async fn erase(caller: &Caller, session: &Session) -> Result<DeletionLine, AdminError> {
    let id = session.id;
    end(caller, session).await?;
    let deletion = caller.app.node.delete(id, &caller.name).await?;
    let deletion = deletion.ok_or(AdminError::NotFound("session"))?;
    info!(session.id = %id, by = caller.name, entries = deletion.entries, "deleted session {id}");
    let (app, connector) = (Arc::clone(&caller.app), &session.facts.connector);
    let close_ms = app.connectors.get(connector).map_or(0, |it| it.limits.close_after_end_ms);
    let after_ms = close_ms + limits::ADMIN_DISPLACE_AFTER_MS;
    // A connection that was behind would wait for an end that is in no log any more.
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        app.hub.displace(id);
    });
    Ok(DeletionLine::new(&deletion))
}
