//! Proofs that sessions were deleted.

use axum::Json;
use segue_core::ports::Deletion;
use serde::Serialize;

use super::{ask::Name, caller::Caller, error::AdminError};
use crate::wire;

/// What is left of a session.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Deletion"))]
pub struct DeletionLine {
    /// The session that is gone.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Uuid"))]
    session_id: String,
    /// Its connector.
    connector: String,
    /// When it began.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Time"))]
    created_at: String,
    /// When it was deleted.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Time"))]
    deleted_at: String,
    /// Who deleted it: the name of a key, or a part of the server.
    deleted_by: String,
    /// How many entries its log had.
    entries: u64,
    /// SHA-256 of its log, hexadecimal. `docs/admin.md` says over what.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
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
