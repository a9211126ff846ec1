//! The SQL of every read. Rows come back as they are: they are decoded by whoever waits for them.

use rusqlite::{Connection, OptionalExtension, params};
use segue_core::{
    Position, Sequence, SessionId, Timestamp,
    ports::{Due, Figures, JobKind, ReadLimit},
};

use super::codec::{
    EntryRow, IdBytes, SessionRow, from_column, kind_column, session_bytes, to_column,
};
use super::log::{LogReader, broken, is_damaged, newest_chunk};
use super::segments;
use super::tail::Unindexed;

/// The rows of a session.
pub fn session(
    reader: &Connection,
    unindexed: &Unindexed,
    id: SessionId,
) -> rusqlite::Result<Option<SessionRow>> {
    let sql = format!("{} where sessions.id = ?1", SessionRow::SELECT);
    let mut select = reader.prepare_cached(&sql)?;
    let row = select.query_row([session_bytes(id)], SessionRow::from_row).optional()?;
    row.map(|it| with_tail(reader, unindexed, it)).transpose()
}

/// Adds what lies in the log behind the state. What is appended meanwhile may be in it.
pub fn with_tail(
    reader: &Connection,
    unindexed: &Unindexed,
    mut session: SessionRow,
) -> rusqlite::Result<SessionRow> {
    let newest = unindexed.after(reader, &session_bytes(session.id), session.head)?;
    walk(reader, session.key, session.head, newest, |row| {
        session.tail.push(row);
        true
    })?;
    Ok(session)
}

/// Shows the entries behind a position, in order, until `take` has enough. `unindexed` is what was
/// not indexed a moment ago; what was deleted since then is not shown in part.
pub fn walk(
    reader: &Connection,
    key: i64,
    after: i64,
    unindexed: Vec<EntryRow>,
    mut take: impl FnMut(EntryRow) -> bool,
) -> rusqlite::Result<()> {
    let mut shown = after;
    let mut wants_more = true;
    // Mostly somebody wants the newest, and they are here.
    if unindexed.first().is_none_or(|it| it.position > after + 1) {
        let mut log = LogReader::new(reader)?;
        segments::walk(reader, key, after.saturating_add(1), |it| {
            // Read while the index is: there it is as it was then.
            let row = log.entry(it.place, key, it.position)?.ok_or_else(broken)?;
            shown = row.position;
            wants_more = take(row);
            Ok(wants_more)
        })?;
    }
    if !wants_more {
        return Ok(());
    }
    for row in unindexed {
        if row.position == shown + 1 {
            shown = row.position;
            if !take(row) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A session's integer key.
pub fn session_key(reader: &Connection, id: &IdBytes) -> rusqlite::Result<Option<i64>> {
    let mut select = reader.prepare_cached("select key from sessions where id = ?1")?;
    select.query_row([id], |row| row.get(0)).optional()
}

/// Where each of many logs ends; zero for one that does not exist.
pub fn heads(
    reader: &Connection,
    unindexed: &Unindexed,
    ids: &[IdBytes],
) -> rusqlite::Result<Vec<Position>> {
    // All of what is in memory first, and then the index, as it is at one moment.
    let unindexed = unindexed.at_once(reader)?;
    let newest: Vec<Option<i64>> =
        ids.iter().map(|id| unindexed.head(reader, id)).collect::<Result<_, _>>()?;
    let moment = reader.unchecked_transaction()?;
    let mut heads = Vec::with_capacity(ids.len());
    for (id, newest) in ids.iter().zip(newest) {
        let head = match newest {
            Some(head) => head,
            None => match indexed_head(&moment, id) {
                // One that cannot be read is no reason not to answer for the others.
                Err(cause) if is_damaged(&cause) => 0,
                head => head?,
            },
        };
        heads.push(Position(from_column(head)));
    }
    Ok(heads)
}

/// Where the log ends that another process writes: its newest chunk. No two groups of writes have one in
/// common.
pub fn log_end(reader: &Connection) -> rusqlite::Result<u64> {
    newest_chunk(reader).map(from_column)
}

fn indexed_head(reader: &Connection, id: &IdBytes) -> rusqlite::Result<i64> {
    session_key(reader, id)?.map_or(Ok(0), |key| segments::head(reader, key))
}

/// A part of a log, and whether it went on behind it.
pub fn entries(
    reader: &Connection,
    unindexed: &Unindexed,
    id: SessionId,
    after: Position,
    limit: ReadLimit,
) -> rusqlite::Result<(Vec<EntryRow>, bool)> {
    let (id, after) = (session_bytes(id), to_column(after.0));
    let newest = unindexed.after(reader, &id, after)?;
    let Some(key) = session_key(reader, &id)? else { return Ok((Vec::new(), false)) };
    let (mut found, mut more) = (Vec::new(), false);
    let mut bytes_left = limit.bytes;
    walk(reader, key, after, newest, |entry| {
        let bytes = entry.event.len();
        let is_full = found.len() >= limit.entries || bytes > bytes_left;
        if is_full && !found.is_empty() {
            more = true;
            return false;
        }
        bytes_left = bytes_left.saturating_sub(bytes);
        found.push(entry);
        true
    })?;
    Ok((found, more))
}

/// The position of the event with a sequence, or the log's end for one beyond it.
pub fn position_of(
    reader: &Connection,
    unindexed: &Unindexed,
    id: SessionId,
    cursor: Sequence,
) -> rusqlite::Result<Position> {
    let cursor = to_column(cursor.0);
    if cursor == 0 {
        return Ok(Position(0));
    }
    let id = session_bytes(id);
    // A sequence is never greater than its position. Beyond the end there is only the end to be found.
    let mut newest = unindexed.after(reader, &id, cursor - 1)?;
    if newest.is_empty() {
        newest = unindexed.after(reader, &id, 0)?;
    }
    let Some(key) = session_key(reader, &id)? else { return Ok(Position(0)) };
    let indexed = segments::head(reader, key)?;
    let head = newest.last().map_or(0, |it| it.position).max(indexed);

    let mut log = LogReader::new(reader)?;
    // Zero for one that was deleted meanwhile.
    let mut reached = |position: i64| match newest.binary_search_by_key(&position, |it| it.position)
    {
        Ok(at) => Ok::<_, rusqlite::Error>(newest[at].reached),
        Err(_) => Ok(segments::entry(reader, &mut log, key, position)?.map_or(0, |it| it.reached)),
    };
    if cursor > head || cursor > reached(head)? {
        return Ok(Position(from_column(head)));
    }
    // The first entry that reached the cursor is the event itself.
    let (mut low, mut high) = (cursor, head);
    while low < high {
        let middle = low + (high - low) / 2;
        if reached(middle)? < cursor {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(Position(from_column(low)))
}

/// The entry of a user's message.
pub fn message(
    reader: &Connection,
    unindexed: &Unindexed,
    id: SessionId,
    digest: IdBytes,
) -> rusqlite::Result<Option<EntryRow>> {
    let id = session_bytes(id);
    if let Some(row) = unindexed.message(reader, &id, digest)? {
        return Ok(Some(row));
    }
    match session_key(reader, &id)? {
        Some(key) => Ok(segments::message(reader, key, digest)?),
        None => Ok(None),
    }
}

/// The bot's own state.
pub fn bot_state(reader: &Connection, id: SessionId) -> rusqlite::Result<Option<String>> {
    let mut select = reader.prepare_cached(
        "select state from sessions join bot_states on bot_states.session = sessions.key
         where sessions.id = ?1",
    )?;
    select.query_row([session_bytes(id)], |row| row.get(0)).optional()
}

/// When each user was last known to be there.
pub fn last_seen(reader: &Connection, ids: &[IdBytes]) -> rusqlite::Result<Vec<Timestamp>> {
    let mut select = reader.prepare_cached(
        "select seen_at from sessions join presence on presence.session = sessions.key
         where sessions.id = ?1",
    )?;
    let mut seen = Vec::with_capacity(ids.len());
    for id in ids {
        let at: Option<i64> = select.query_row([id], |row| row.get(0)).optional()?;
        seen.push(at.map_or(0, from_column));
    }
    Ok(seen)
}

/// How much there is to do, and when a node was last alive.
pub fn figures(reader: &Connection, now: Timestamp) -> rusqlite::Result<Figures> {
    // Both indexes of jobs begin with the kind.
    let mut live = reader.prepare_cached(
        "select (select count(*) from jobs where kind = ?1 and node is null)
              + (select count(*) from jobs where kind = ?1 and node is not null)",
    )?;
    let live = live.query_row([kind_column(JobKind::Timers)], |row| row.get(0))?;
    let mut alive = reader.prepare_cached("select alive_at from alive")?;
    let alive_at: Option<i64> = alive.query_row([], |row| row.get(0))?;
    Ok(Figures {
        sessions_live: from_column(live),
        turns: due(reader, JobKind::Turns, now)?,
        timers: due(reader, JobKind::Timers, now)?,
        alive_at: alive_at.map(from_column),
    })
}

fn due(reader: &Connection, kind: JobKind, now: Timestamp) -> rusqlite::Result<Due> {
    let mut select = reader.prepare_cached(
        "select count(*), min(run_at) from (
             select run_at from jobs where node is null and kind = ?1 and run_at <= ?2
             union all
             select run_at from jobs
             where node is not null and kind = ?1 and lease_until <= ?2 and run_at <= ?2)",
    )?;
    select.query_row(params![kind_column(kind), to_column(now)], |row| {
        let since: Option<i64> = row.get(1)?;
        Ok(Due { jobs: from_column(row.get(0)?), since: since.map(from_column) })
    })
}
