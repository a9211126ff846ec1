//! `segue session`: conversations as they are in the data folder, also while the server runs.

use std::io::{self, Write};

use anyhow::{Context as _, bail};
use segue_core::{
    Floor, Position, SessionId, Timestamp,
    ports::{Listed, ReadLimit, SessionQuery, Store},
};
use segue_store::SqliteStore;
use serde_json::json;

use crate::{config::StoreUrl, limits, wire};

/// Prints all sessions, in the order of their creation.
pub async fn list(url: &StoreUrl, is_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let store = open(url)?;
    if !is_json {
        writeln!(
            out,
            "{:36}  {:24}  {:24}  {:12}  {:>6}  STATE",
            "ID", "STARTED", "LAST EVENT", "CONNECTOR", "EVENTS"
        )?;
    }
    let mut query = SessionQuery::first(limits::LIST_PAGE);
    loop {
        let page = store.list(&query).await?;
        let Some(last) = page.last() else { return Ok(()) };
        query.after = Some(last.session.id);
        for listed in &page {
            if is_json { list_json(listed, out)? } else { list_line(listed, out)? }
        }
    }
}

fn list_line(listed: &Listed, out: &mut impl Write) -> io::Result<()> {
    let session = &listed.session;
    writeln!(
        out,
        "{:36}  {:24}  {:24}  {:12}  {:>6}  {}",
        session.id.to_string(),
        wire::timestamp(listed.created_at),
        wire::timestamp(session.state.last_at),
        session.facts.connector.to_string(),
        session.state.reached.0,
        state(&session.state.floor),
    )
}

fn list_json(listed: &Listed, out: &mut impl Write) -> io::Result<()> {
    let session = &listed.session;
    let line = json!({
        "session_id": session.id.to_string(),
        "connector": session.facts.connector.to_string(),
        "platform": session.facts.platform,
        "last_event_at": wire::timestamp(session.state.last_at),
        "last_seen_at": wire::timestamp(listed.last_seen),
        "sequence": session.state.reached.0,
        "position": session.state.head.0,
        "state": state(&session.state.floor),
    });
    writeln!(out, "{line}")
}

/// Prints one session with its whole log; internal entries are marked.
pub async fn show(
    url: &StoreUrl,
    id: SessionId,
    is_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let store = open(url)?;
    let session = store.load(id).await?.with_context(|| format!("there is no session {id}"))?;
    if !is_json {
        writeln!(
            out,
            "session {id}, connector {}, {}",
            session.facts.connector,
            state(&session.state.floor)
        )?;
    }
    let limit = ReadLimit { entries: limits::PAGE_ENTRIES_MAX, bytes: limits::PAGE_BYTES_MAX };
    let mut after = Position(0);
    loop {
        let page = store.read(id, after, limit).await?;
        let Some(last) = page.entries.last() else { return Ok(()) };
        after = last.position;
        for entry in &page.entries {
            let event = serde_json::to_value(&entry.event)?;
            if is_json {
                writeln!(
                    out,
                    "{}",
                    line(
                        &entry.id.to_string(),
                        entry.position,
                        entry.sequence().map(|it| it.0),
                        entry.at,
                        &event
                    )
                )?;
            } else {
                let sequence =
                    entry.sequence().map_or("internal".to_owned(), |it| it.0.to_string());
                writeln!(
                    out,
                    "{:>6}  {sequence:>8}  {}  {event}",
                    entry.position.0,
                    wire::timestamp(entry.at)
                )?;
            }
        }
    }
}

fn line(
    id: &str,
    position: Position,
    sequence: Option<u64>,
    at: Timestamp,
    event: &serde_json::Value,
) -> serde_json::Value {
    json!({
        "id": id,
        "position": position.0,
        "sequence": sequence,
        "internal": sequence.is_none(),
        "timestamp": wire::timestamp(at),
        "event": event,
    })
}

fn open(url: &StoreUrl) -> anyhow::Result<SqliteStore> {
    match url {
        StoreUrl::Memory => bail!("conversations in memory can be seen by their server only"),
        StoreUrl::Sqlite(path) => Ok(SqliteStore::open_read_only(path)?),
    }
}

fn state(floor: &Floor) -> &'static str {
    match floor {
        Floor::Unasked => "not joined",
        Floor::BotIdle => "bot",
        Floor::BotDue { .. } => "bot, turn due",
        Floor::BotRunning(_) => "bot, at work",
        Floor::Nobody => "handed off",
        Floor::Ended { .. } => "ended",
    }
}
