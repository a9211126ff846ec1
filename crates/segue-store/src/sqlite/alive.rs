//! Who was there when, within the writer's transaction: users, and the nodes themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rusqlite::params;
use segue_core::{
    SessionId, Timestamp,
    ports::{Alive, Downtime},
};

use super::codec::{from_column, to_column};
use super::writer::Writing;

/// Takes note of a node's life and of when users were seen, never of an earlier time than noted.
pub fn record_alive(
    writing: &Writing,
    alive: Alive,
    seen: &str,
) -> rusqlite::Result<Vec<Downtime>> {
    move_alive(writing, alive.at)?;
    // What was taken for a downtime when another node started: this one ran.
    let mut delete =
        writing.connection.prepare_cached("delete from downtimes where from_at >= ?1")?;
    delete.execute([to_column(alive.since)])?;
    // In order of the ids, so that neighbours in the index are read together.
    let mut update = writing.connection.prepare_cached(
        "update presence set seen_at = seen.at
         from (
             select sessions.key as session, value ->> 1 as at
             from json_each(?1)
             join sessions on sessions.id = unhex(value ->> 0)
         ) as seen
         where presence.session = seen.session and presence.seen_at < seen.at",
    )?;
    update.execute([seen])?;
    downtimes(writing)
}

/// Sessions and times for one statement: SQLite binds no arrays, but reads JSON.
pub fn seen_json(seen: &[(SessionId, Timestamp)]) -> String {
    let mut newest = BTreeMap::<SessionId, Timestamp>::new();
    for (id, at) in seen {
        let newest = newest.entry(*id).or_default();
        *newest = (*newest).max(*at);
    }
    let mut json = String::with_capacity(2 + newest.len() * 56);
    json.push('[');
    for (i, (id, at)) in newest.into_iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let at = to_column(at);
        write!(json, "{comma}[\"{:032x}\",{at}]", id.0).expect("a string takes what it is given");
    }
    json.push(']');
    json
}

/// Takes note of a node's start and of the time before it in which there was none.
pub fn record_start(
    writing: &Writing,
    now: Timestamp,
    since: Timestamp,
) -> rusqlite::Result<Vec<Downtime>> {
    let connection = &writing.connection;
    connection.execute(
        "insert into downtimes (from_at, to_at) select alive_at, ?1 from alive where alive_at < ?1",
        [to_column(now)],
    )?;
    connection.execute("delete from downtimes where to_at <= ?1", [to_column(since)])?;
    move_alive(writing, now)?;
    downtimes(writing)
}

fn downtimes(writing: &Writing) -> rusqlite::Result<Vec<Downtime>> {
    let mut select =
        writing.connection.prepare_cached("select from_at, to_at from downtimes order by rowid")?;
    let downtimes = select.query_map([], |row| {
        Ok(Downtime { from: from_column(row.get(0)?), to: from_column(row.get(1)?) })
    })?;
    downtimes.collect()
}

fn move_alive(writing: &Writing, now: Timestamp) -> rusqlite::Result<()> {
    let mut update = writing
        .connection
        .prepare_cached("update alive set alive_at = max(coalesce(alive_at, 0), ?1)")?;
    update.execute([to_column(now)]).map(drop)
}

/// Writes something that means nothing: proves that the next commit can be written, too.
pub fn check(writing: &Writing) -> rusqlite::Result<()> {
    let mut update = writing.connection.prepare_cached("update alive set checks = checks + 1")?;
    update.execute(params![]).map(drop)
}
