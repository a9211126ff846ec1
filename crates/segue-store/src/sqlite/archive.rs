//! The SQL of administration: finding sessions, deleting them, records.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use segue_core::{
    ConnectorId, SessionId, Timestamp,
    ports::{Deletion, Liveness, LogDigest, Order, Put, Record, RecordKind, SessionQuery, Visible},
};

use super::codec::{
    EntryRow, IdBytes, SessionRow, from_column, limit_column, session_bytes, to_column,
};
use super::read::{session_key, walk, with_tail};
use super::tail::Unindexed;
use super::writer::Writing;
use crate::commit::LogDigester;

/// The rows of the sessions that a query asks for.
pub fn sessions(
    reader: &Connection,
    unindexed: &Unindexed,
    query: &SessionQuery,
) -> rusqlite::Result<Vec<SessionRow>> {
    let mut wheres = Wheres::default();
    match &query.connectors {
        Visible::All => {}
        Visible::Only(those) => {
            wheres.and("sessions.connector in (select value from json_each(?))", names(those));
        }
        Visible::Except(those) => {
            wheres.and("sessions.connector not in (select value from json_each(?))", names(those));
        }
    }
    match query.liveness {
        None => {}
        Some(Liveness::Live) => wheres.plain("ended_at is null"),
        Some(Liveness::Ended) => wheres.plain("ended_at is not null"),
    }
    if let Some(at) = query.created_from {
        wheres.and("created_at >= ?", to_column(at));
    }
    if let Some(at) = query.created_before {
        wheres.and("created_at < ?", to_column(at));
    }
    if let Some(at) = query.ended_before {
        wheres.and("ended_at is not null and ended_at < ?", to_column(at));
    }
    if let Some(user_id) = &query.user_id {
        wheres.and("user_id = ?", user_id.clone());
    }
    let (beyond, direction) = match query.order {
        Order::OldestFirst => ("sessions.key > ?", "asc"),
        Order::NewestFirst => ("sessions.key < ?", "desc"),
    };
    if let Some(after) = query.after {
        let Some(key) = session_key(reader, &session_bytes(after))? else { return Ok(Vec::new()) };
        wheres.and(beyond, key);
    }
    let sql = format!(
        "{} {} order by sessions.key {direction} limit {}",
        SessionRow::SELECT,
        wheres.sql(),
        limit_column(query.limit),
    );
    let mut select = reader.prepare_cached(&sql)?;
    let given = wheres.given.iter().map(AsRef::as_ref);
    let rows = select.query_map(rusqlite::params_from_iter(given), SessionRow::from_row)?;
    // To the end first: a statement that is under way shows the index as it was when that began, and the
    // memory is to be looked into before.
    let rows: Vec<SessionRow> = rows.collect::<Result<_, _>>()?;
    let unindexed = unindexed.at_once(reader)?;
    rows.into_iter().map(|it| with_tail(reader, &unindexed, it)).collect()
}

fn names(connectors: &std::collections::BTreeSet<ConnectorId>) -> String {
    serde_json::to_string(connectors).expect("names are plain data")
}

/// Conditions with what is given for their question marks.
#[derive(Default)]
struct Wheres {
    conditions: Vec<&'static str>,
    given: Vec<Box<dyn ToSql>>,
}

impl Wheres {
    fn plain(&mut self, condition: &'static str) {
        self.conditions.push(condition);
    }

    fn and(&mut self, condition: &'static str, given: impl ToSql + 'static) {
        self.conditions.push(condition);
        self.given.push(Box::new(given));
    }

    fn sql(&self) -> String {
        match self.conditions.as_slice() {
            [] => String::new(),
            conditions => format!("where {}", conditions.join(" and ")),
        }
    }
}

/// Deletes a session and leaves the proof. What was in its pages is overwritten, and right after the
/// commit the write-ahead log is emptied: then it is in no file any more.
pub fn delete(
    writing: &mut Writing,
    id: SessionId,
    now: Timestamp,
    by: &str,
) -> rusqlite::Result<Option<Deletion>> {
    let connection = &writing.connection;
    if let Some(earlier) = deletion(connection, id)? {
        return Ok(Some(earlier));
    }
    let bytes = session_bytes(id);
    let found = connection
        .prepare_cached("select key, connector, created_at from sessions where id = ?1")?
        .query_row([bytes], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
        })
        .optional()?;
    let Some((key, connector, created_at)) = found else { return Ok(None) };
    let (entries, digest) = digest(connection, key, writing.index.of_session(&bytes))?;
    let deletion = Deletion {
        session: id,
        connector: ConnectorId(connector),
        created_at: from_column(created_at),
        deleted_at: now,
        by: by.to_owned(),
        entries,
        digest,
    };
    connection.pragma_update(None, "secure_delete", true)?;
    let removed = writing
        .index
        .delete(connection, key)
        .and_then(|()| remove(connection, key, bytes))
        .and_then(|()| record(connection, &deletion));
    connection.pragma_update(None, "secure_delete", "fast")?;
    removed?;
    writing.known.remove(&bytes);
    // It may have lived.
    writing.counts.clear();
    writing.has_erased = true;
    Ok(Some(deletion))
}

fn digest(
    connection: &Connection,
    key: i64,
    unindexed: Vec<EntryRow>,
) -> rusqlite::Result<(u64, LogDigest)> {
    let mut digester = LogDigester::default();
    walk(connection, key, 0, unindexed, |row| {
        digester.take(row.id, from_column(row.position), from_column(row.at), &row.event);
        true
    })?;
    Ok((digester.entries, digester.finish()))
}

fn remove(connection: &Connection, key: i64, id: IdBytes) -> rusqlite::Result<()> {
    for sql in [
        "delete from states where session = ?1",
        "delete from presence where session = ?1",
        "delete from bot_states where session = ?1",
        "delete from jobs where session = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([key])?;
    }
    connection.prepare_cached("delete from sessions where id = ?1")?.execute([id]).map(drop)
}

fn record(connection: &Connection, deletion: &Deletion) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "insert into deletions
             (session, connector, created_at, deleted_at, deleted_by, entries, digest)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let given = params![
        session_bytes(deletion.session),
        deletion.connector.0,
        to_column(deletion.created_at),
        to_column(deletion.deleted_at),
        deletion.by,
        to_column(deletion.entries),
        deletion.digest.0,
    ];
    insert.execute(given).map(drop)
}

/// The proof that a session was deleted.
pub fn deletion(reader: &Connection, id: SessionId) -> rusqlite::Result<Option<Deletion>> {
    let mut select = reader.prepare_cached(
        "select connector, created_at, deleted_at, deleted_by, entries, digest
         from deletions where session = ?1",
    )?;
    let read = |row: &Row<'_>| {
        Ok(Deletion {
            session: id,
            connector: ConnectorId(row.get(0)?),
            created_at: from_column(row.get(1)?),
            deleted_at: from_column(row.get(2)?),
            by: row.get(3)?,
            entries: from_column(row.get(4)?),
            digest: LogDigest(row.get(5)?),
        })
    };
    select.query_row([session_bytes(id)], read).optional()
}

fn kind_column(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Connector => "connector",
        RecordKind::ApiKey => "api_key",
    }
}

/// All records of a kind.
pub fn records(reader: &Connection, kind: RecordKind) -> rusqlite::Result<Vec<Record>> {
    let mut select = reader
        .prepare_cached("select id, revision, body from records where kind = ?1 order by id")?;
    let rows = select.query_map([kind_column(kind)], |row| {
        let revision = from_column(row.get(1)?);
        Ok(Record { kind, id: row.get(0)?, revision, body: row.get(2)? })
    })?;
    rows.collect()
}

/// Writes a record if it follows the stored one.
pub fn put_record(writing: &Writing, record: &Record) -> rusqlite::Result<Put> {
    let (kind, revision) = (kind_column(record.kind), to_column(record.revision));
    let sql = if record.revision == 1 {
        "insert into records (kind, id, revision, body) values (?1, ?2, ?3, ?4)
         on conflict do nothing"
    } else {
        "update records set revision = ?3, body = ?4
         where kind = ?1 and id = ?2 and revision = ?3 - 1"
    };
    let mut write = writing.connection.prepare_cached(sql)?;
    let written = write.execute(params![kind, record.id, revision, record.body])?;
    Ok(if written == 1 { Put::Written } else { Put::Conflict })
}
