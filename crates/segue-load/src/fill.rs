//! Writes sessions into the database of a server that is down, as the server would have written
//! them: through the store. Five million entries through a socket would take an hour.

use std::{path::Path, sync::Arc, time::SystemTime};

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use segue_core::{EndReason, Event, Session, SessionId, Timestamp, ports::Store as _};
use segue_store::{SqliteOptions, SqliteStore};

use crate::{
    limits,
    reference::{
        entries::{self, commit, said},
        store::append,
    },
    server::CONNECTOR,
    target::Ticket,
};

/// Sequences that a filled session begins with: its start, and that the bot left.
pub const HEAD: u64 = 2;

/// Gives each of these sessions, which are new, so many visible entries in all. Nobody has the
/// floor in them then.
pub async fn histories(database: &Path, tickets: &[Ticket], visible: u64) -> anyhow::Result<()> {
    let store = Arc::new(SqliteStore::open(SqliteOptions::new(database))?);
    let filling = stream::iter(tickets).map(|ticket| {
        let store = Arc::clone(&store);
        async move {
            let id: SessionId = ticket.session.parse().ok().context("the session has no UUID")?;
            let session = store.load(id).await?.context("the session is not in the database")?;
            let at = session.state.last_at;
            history(&store, session, at, visible, false).await
        }
    });
    filling
        .buffer_unordered(limits::LOAD_FILL_AT_ONCE_MAX)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    store.close().await;
    Ok(())
}

/// Adds sessions that ended long ago, with so many visible entries each: what a store has of a
/// past.
pub async fn past(database: &Path, sessions: usize, visible: u64) -> anyhow::Result<()> {
    let store = Arc::new(SqliteStore::open(SqliteOptions::new(database))?);
    let at = now();
    let filling = stream::iter(0..sessions).map(|_| {
        let store = Arc::clone(&store);
        async move {
            let session = entries::session(CONNECTOR, "past");
            let start = Event::SessionStarted { facts: Arc::clone(&session.facts) };
            let session = append(&store, commit(&session, at, vec![start], vec![])).await?;
            history(&store, session, at, visible, true).await
        }
    });
    filling
        .buffer_unordered(limits::LOAD_FILL_AT_ONCE_MAX)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    store.close().await;
    Ok(())
}

/// Writes what follows the start.
async fn history(
    store: &SqliteStore,
    mut session: Session,
    at: Timestamp,
    visible: u64,
    has_ended: bool,
) -> anyhow::Result<()> {
    let mut events = vec![Event::BotLeft { reason: Some("handoff".to_owned()) }];
    for number in HEAD..visible {
        events.push(said(number));
        if events.len() == limits::LOAD_FILL_ENTRIES_MAX {
            session =
                append(store, commit(&session, at, std::mem::take(&mut events), vec![])).await?;
        }
    }
    if has_ended {
        events.push(Event::SessionEnded { reason: EndReason::NaturalEnd });
    }
    if !events.is_empty() {
        append(store, commit(&session, at, events, vec![])).await?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "nothing that is made here decides anything")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}
