//! The end of the log that is durable and not indexed yet, session by session: in the memory of
//! whoever writes, for all who read.
//!
//! Readers look here first and into the database after that. What was indexed in between they find
//! twice, and nothing they miss.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, Row, params};

use super::codec::{EntryRow, IdBytes};

/// Entries that are not indexed yet.
#[derive(Debug, Default)]
pub struct Tail(Mutex<HashMap<IdBytes, Vec<Arc<EntryRow>>>>);

impl Tail {
    /// Adds entries that have become durable: to each session's those that follow on its others.
    pub fn add(&self, entries: impl Iterator<Item = (IdBytes, Arc<EntryRow>)>) {
        let mut sessions = self.0.lock();
        for (session, row) in entries {
            sessions.entry(session).or_default().push(row);
        }
    }

    /// Entries of a session up to a position are indexed, or deleted.
    pub fn remove(&self, ends: impl Iterator<Item = (IdBytes, i64)>) {
        let mut sessions = self.0.lock();
        for (session, position) in ends {
            let Some(rows) = sessions.get_mut(&session) else { continue };
            rows.drain(..rows.partition_point(|it| it.position <= position));
            if rows.is_empty() {
                sessions.remove(&session);
            }
        }
    }

    /// What is behind a position of a session.
    pub fn after(&self, session: &IdBytes, position: i64) -> Vec<Arc<EntryRow>> {
        let sessions = self.0.lock();
        let rows = sessions.get(session).map_or(&[][..], Vec::as_slice);
        rows[rows.partition_point(|it| it.position <= position)..].to_vec()
    }

    /// One entry.
    pub fn get(&self, session: &IdBytes, position: i64) -> Option<Arc<EntryRow>> {
        let sessions = self.0.lock();
        let rows = sessions.get(session)?;
        let at = rows.binary_search_by_key(&position, |it| it.position).ok()?;
        Some(Arc::clone(&rows[at]))
    }

    /// Where the log of a session ends, if its end is here.
    pub fn head(&self, session: &IdBytes) -> Option<i64> {
        self.0.lock().get(session)?.last().map(|it| it.position)
    }
}

/// Where whoever reads finds what is not indexed yet.
#[derive(Debug, Clone)]
pub enum Unindexed {
    /// In the memory of this process.
    Here(Arc<Tail>),
    /// Another process writes: in the log itself, which is walked over from where the index ends.
    InLog,
}

impl Unindexed {
    /// The same for whoever asks for many sessions, in memory in any case.
    pub fn at_once(&self, reader: &Connection) -> rusqlite::Result<Self> {
        if let Self::Here(_) = self {
            return Ok(self.clone());
        }
        let tail = Tail::default();
        tail.add(in_log(reader)?.into_iter().map(|it| (it.session, it.row)));
        Ok(Self::Here(Arc::new(tail)))
    }

    /// Where the log of a session ends, if that is not indexed.
    pub fn head(&self, reader: &Connection, id: &IdBytes) -> rusqlite::Result<Option<i64>> {
        match self {
            Self::Here(tail) => Ok(tail.head(id)),
            Self::InLog => Ok(self.after(reader, id, 0)?.last().map(|it| it.position)),
        }
    }

    /// What is behind a position of a session, and perhaps some of it indexed by now.
    pub fn after(
        &self,
        reader: &Connection,
        id: &IdBytes,
        position: i64,
    ) -> rusqlite::Result<Vec<Arc<EntryRow>>> {
        match self {
            Self::Here(tail) => Ok(tail.after(id, position)),
            Self::InLog => {
                let mut select = reader.prepare_cached(
                    "select entries.id, position, reached, at, event, message_key from entries
                     where session = (select key from sessions where id = ?1) and position > ?2
                     and rowid > (select entry from indexed) order by rowid",
                )?;
                let rows = select.query_map(params![id, position], with_key)?;
                rows.map(|it| it.map(Arc::new)).collect()
            }
        }
    }
}

/// An entry that is in the log and not in its index.
#[derive(Debug, Clone)]
pub struct UnindexedEntry {
    /// The session's integer key.
    pub key: i64,
    pub session: IdBytes,
    /// Its number in the table of entries.
    pub entry: i64,
    pub row: Arc<EntryRow>,
}

/// Everything behind where the index ends, in the order of the log.
pub fn in_log(connection: &Connection) -> rusqlite::Result<Vec<UnindexedEntry>> {
    let mut select = connection.prepare_cached(
        "select entries.id, position, reached, at, event, message_key, sessions.key, sessions.id,
             entries.rowid
         from entries join sessions on sessions.key = entries.session
         where entries.rowid > (select entry from indexed) order by entries.rowid",
    )?;
    let rows = select.query_map([], |row| {
        let (key, session, entry) = (row.get(6)?, row.get(7)?, row.get(8)?);
        Ok(UnindexedEntry { key, session, entry, row: Arc::new(with_key(row)?) })
    })?;
    rows.collect()
}

/// An entry with the digest of its key, in the column behind the others.
fn with_key(row: &Row<'_>) -> rusqlite::Result<EntryRow> {
    Ok(EntryRow { message_key: row.get(5)?, ..EntryRow::from_row(row)? })
}
