//! The end of the log that is durable and not indexed yet, session by session: in the memory of
//! whoever writes, for all who read.
//!
//! Readers look here first and into the database after that. What was indexed in between they find
//! twice, and nothing they miss.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::HashMap;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension};

use super::codec::{EntryRow, IdBytes};
use super::log::{self, Place, Record};
use super::read::session_key;
use crate::limits::INDEX_BATCH_BYTES;

/// Entries that are not indexed yet.
#[derive(Debug, Default)]
pub struct Tail(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    sessions: HashMap<IdBytes, Vec<EntryRow>>,
    /// How often some were added.
    adds: u64,
}

impl Tail {
    /// Adds entries that have become durable: to each session's those that follow on its others.
    pub fn add(&self, entries: impl Iterator<Item = (IdBytes, EntryRow)>) {
        let Entries { sessions, adds } = &mut *self.0.lock();
        let mut entries = entries.peekable();
        *adds += u64::from(entries.peek().is_some());
        while let Some((session, row)) = entries.next() {
            let rows = sessions.entry(session).or_default();
            rows.push(row);
            // Mostly several of a session, one behind the other.
            while let Some((_, row)) = entries.next_if(|it| it.0 == session) {
                rows.push(row);
            }
        }
    }

    /// Entries of a session up to a position are indexed, or deleted.
    pub fn remove(&self, ends: impl Iterator<Item = (IdBytes, i64)>) {
        let Entries { sessions, .. } = &mut *self.0.lock();
        for (session, position) in ends {
            let Some(rows) = sessions.get_mut(&session) else { continue };
            rows.drain(..rows.partition_point(|it| it.position <= position));
            if rows.is_empty() {
                sessions.remove(&session);
            }
        }
    }

    /// What is behind a position of a session.
    pub fn after(&self, session: &IdBytes, position: i64) -> Vec<EntryRow> {
        let Entries { sessions, .. } = &*self.0.lock();
        let rows = sessions.get(session).map_or(&[][..], Vec::as_slice);
        rows[rows.partition_point(|it| it.position <= position)..].to_vec()
    }

    /// The message with a key.
    pub fn message(&self, session: &IdBytes, digest: IdBytes) -> Option<EntryRow> {
        let Entries { sessions, .. } = &*self.0.lock();
        let mut rows = sessions.get(session)?.iter();
        rows.find(|it| it.message_key == Some(digest)).cloned()
    }

    /// Where the log of a session ends, if its end is here.
    pub fn head(&self, session: &IdBytes) -> Option<i64> {
        self.0.lock().sessions.get(session)?.last().map(|it| it.position)
    }

    /// How often entries were added. Whoever asks afterwards finds all of these.
    pub fn adds(&self) -> u64 {
        self.0.lock().adds
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
        let (tail, all) = (Tail::default(), usize::MAX);
        let (entries, _) = in_log(reader, all)?;
        tail.add(entries.into_iter().map(|(it, row)| (it.session, row)));
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
    ) -> rusqlite::Result<Vec<EntryRow>> {
        match self {
            Self::Here(tail) => Ok(tail.after(id, position)),
            Self::InLog => {
                let Some(key) = session_key(reader, id)? else { return Ok(Vec::new()) };
                let mut found = Vec::new();
                log::walk(reader, indexed_to(reader)?, |_, Record { session, row }| {
                    if session == key && row.position > position {
                        found.push(row);
                    }
                    Ok(true)
                })?;
                Ok(found)
            }
        }
    }

    /// The message with a key, if it is not indexed.
    pub fn message(
        &self,
        reader: &Connection,
        id: &IdBytes,
        digest: IdBytes,
    ) -> rusqlite::Result<Option<EntryRow>> {
        match self {
            Self::Here(tail) => Ok(tail.message(id, digest)),
            Self::InLog => {
                let mut rows = self.after(reader, id, 0)?.into_iter();
                Ok(rows.find(|it| it.message_key == Some(digest)))
            }
        }
    }
}

/// An entry that is in the log and not in its index.
#[derive(Debug, Clone, Copy)]
pub struct UnindexedEntry {
    /// The session's integer key.
    pub key: i64,
    pub session: IdBytes,
    pub position: i64,
    pub place: Place,
    pub message_key: Option<IdBytes>,
}

impl UnindexedEntry {
    pub fn of(key: i64, session: IdBytes, place: Place, row: &EntryRow) -> Self {
        Self { key, session, position: row.position, place, message_key: row.message_key }
    }
}

/// The chunk of the log up to which everything is indexed.
pub fn indexed_to(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("select chunk from indexed")?.query_row([], |row| row.get(0))
}

/// What lies behind where the index ends, in the order of the log: about so many entries at the most,
/// and whether there are more.
pub fn in_log(
    connection: &Connection,
    entries_max: usize,
) -> rusqlite::Result<(Vec<(UnindexedEntry, EntryRow)>, bool)> {
    let mut id = connection.prepare_cached("select id from sessions where key = ?1")?;
    let mut ids = HashMap::default();
    let (mut found, mut bytes, mut more) = (Vec::new(), 0, false);
    log::walk(connection, indexed_to(connection)?, |place, Record { session: key, row }| {
        let session = match ids.entry(key) {
            Entry::Occupied(it) => *it.get(),
            Entry::Vacant(it) => *it.insert(id.query_row([key], |row| row.get(0)).optional()?),
        };
        // Without it, its session was deleted between two looks into the database.
        if let Some(session) = session {
            bytes += row.event.len();
            found.push((UnindexedEntry::of(key, session, place, &row), row));
        }
        more =
            found.len() >= entries_max || (entries_max < usize::MAX && bytes >= INDEX_BATCH_BYTES);
        Ok(!more)
    })?;
    Ok((found, more))
}
