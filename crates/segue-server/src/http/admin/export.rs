//! A conversation in one piece: as JSON for programs, as Markdown for people.

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use segue_core::{Entry, Position, Session, ports::ReadLimit};
use serde::{Deserialize, Serialize};

use super::{
    ask::{Name, Params},
    caller::Caller,
    error::AdminError,
    sessions::{EntryLine, SessionDetail, detail},
};
use crate::limits;

mod markdown;

/// In which form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Wanted {
    /// JSON for programs, Markdown for people.
    #[serde(default)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum Format {
    #[default]
    Json,
    Markdown,
}

/// A whole conversation.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Export {
    /// What is known of it.
    session: SessionDetail,
    /// Its whole log, internal entries too.
    entries: Vec<EntryLine>,
}

/// A log that is too large for one piece.
pub const TOO_LARGE: AdminError =
    AdminError::TooLarge("This log is too large for one piece: read its entries");

/// `GET /sessions/{id}/export`.
pub async fn export(
    caller: Caller,
    Name(name): Name,
    Params(wanted): Params<Wanted>,
) -> Result<Response, AdminError> {
    let session = caller.session(&name).await?;
    let log = whole_log(&caller, &session).await?;
    // Told from the log that was read: the session may have gone on meanwhile.
    let session = Session::fold(session.id, &log).ok_or(AdminError::NotFound("session"))?;
    Ok(match wanted.format {
        Format::Json => {
            let session = detail(&caller, &session).await?;
            Json(Export { session, entries: log.iter().map(EntryLine::new).collect() })
                .into_response()
        }
        Format::Markdown => {
            let kind = [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")];
            (kind, markdown::write(&session, &log)).into_response()
        }
    })
}

async fn whole_log(caller: &Caller, session: &Session) -> Result<Vec<Entry>, AdminError> {
    let mut log: Vec<Entry> = Vec::new();
    let mut bytes_left = limits::ADMIN_EXPORT_BYTES_MAX;
    loop {
        let after = log.last().map_or(Position(0), |it| it.position);
        let limit = ReadLimit { entries: limits::ADMIN_PAGE_MAX, bytes: limits::PAGE_BYTES_MAX };
        let page = caller.entries(session, after, limit).await?;
        let bytes = page.entries.iter().map(stored_bytes).sum();
        bytes_left = bytes_left.checked_sub(bytes).ok_or(TOO_LARGE)?;
        let is_end = !page.more || page.entries.is_empty();
        log.extend(page.entries);
        if is_end {
            return Ok(log);
        }
    }
}

fn stored_bytes(entry: &Entry) -> usize {
    serde_json::to_vec(&entry.event).map_or(0, |it| it.len())
}
