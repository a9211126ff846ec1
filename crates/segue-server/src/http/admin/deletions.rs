//! Proofs that sessions were deleted.

use axum::Json;
use segue_core::ports::Deletion;
use serde::Serialize;

use super::{ask::Name, caller::Caller, error::AdminError};
use crate::wire;

/// What is left of a session.
#[derive(Debug, Serialize)]
pub struct DeletionLine {
    session_id: String,
    connector: String,
    created_at: String,
    deleted_at: String,
    deleted_by: String,
    entries: u64,
    /// SHA-256 of its log, hexadecimal.
    digest: String,
}

impl DeletionLine {
    /// The proof as it is given to people.
    pub fn new(deletion: &Deletion) -> Self {
        Self {
            session_id: deletion.session.to_string(),
            connector: deletion.connector.to_string(),
            created_at: wire::timestamp(deletion.created_at),
            deleted_at: wire::timestamp(deletion.deleted_at),
            deleted_by: deletion.by.clone(),
            entries: deletion.entries,
            digest: deletion.digest.to_string(),
        }
    }
}

/// `GET /deletions/{id}`.
pub async fn show(caller: Caller, Name(name): Name) -> Result<Json<DeletionLine>, AdminError> {
    let deletion = caller.deletion(&name).await?;
    Ok(Json(DeletionLine::new(&deletion)))
}
