//! The log as it lies in the database: entries in the order in which they were appended, many to a
//! row. A row is a chunk and fills about a page, so that what an append costs is the bytes that it
//! adds and not a row for each entry (docs/adr/0035).
//!
//! A chunk is a sequence of records, and a record has its place in it for ever. Numbers are
//! big-endian: bytes behind this number (4), session's key (8), position (8), sequence reached (8),
//! time (8), id (16), bytes of the key's digest (1: 0 or 16), digest, event. A record of no bytes
//! was deleted.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params, types::Type};

use super::codec::{EntryRow, IdBytes};
use crate::limits::CHUNK_BYTES;

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of its chunk.
    pub chunk: i64,
    /// Which of its records.
    pub slot: u16,
}

/// An entry of some session.
#[derive(Debug)]
pub struct Record {
    /// The session's integer key.
    pub session: i64,
    pub row: EntryRow,
}

/// The end of the log, as the writer appends to it.
#[derive(Debug, Default)]
pub struct Appender {
    /// The newest chunk: the one at work, if it has records.
    newest: i64,
    bytes: Vec<u8>,
    slots: u16,
}

impl Appender {
    /// Behind everything that is in the log. `indexed` is the chunk up to which it is indexed: what has
    /// a number below it counts as indexed, also when everything up to there was deleted.
    pub fn open(connection: &Connection, indexed: i64) -> rusqlite::Result<Self> {
        let newest = newest_chunk(connection)?.max(indexed);
        Ok(Self { newest, ..Self::default() })
    }

    /// Appends an entry within the transaction at work. Which chunk is written when is of no concern
    /// to anybody, as long as `finish` comes before the commit.
    pub fn push(
        &mut self,
        connection: &Connection,
        session: i64,
        row: &EntryRow,
    ) -> rusqlite::Result<Place> {
        if self.bytes.len() + record_bytes(row) > CHUNK_BYTES || self.slots == u16::MAX {
            self.finish(connection)?;
        }
        if self.slots == 0 {
            self.newest += 1;
        }
        put_record(&mut self.bytes, session, row);
        let slot = self.slots;
        self.slots += 1;
        Ok(Place { chunk: self.newest, slot })
    }

    /// Writes the chunk at work.
    pub fn finish(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.slots == 0 {
            return Ok(());
        }
        connection
            .prepare_cached("insert into log (chunk, records) values (?1, ?2)")?
            .execute(params![self.newest, self.bytes])?;
        self.begin_anew();
        Ok(())
    }

    /// Nothing of the transaction was written.
    pub fn rolled_back(&mut self) {
        self.begin_anew();
    }

    fn begin_anew(&mut self) {
        self.bytes.clear();
        // What one large event took is given back.
        self.bytes.shrink_to(CHUNK_BYTES);
        self.slots = 0;
    }
}

/// The number of the newest chunk, zero where there is none.
pub fn newest_chunk(connection: &Connection) -> rusqlite::Result<i64> {
    let mut select = connection.prepare_cached("select coalesce(max(chunk), 0) from log")?;
    select.query_row([], |row| row.get(0))
}

/// What a record has before the digest and the event, without its own length.
const FIXED_BYTES: usize = 4 * 8 + 16 + 1;

fn record_bytes(row: &EntryRow) -> usize {
    let digest = row.message_key.map_or(0, |it| it.len());
    4 + FIXED_BYTES + digest + row.event.len()
}

fn put_record(out: &mut Vec<u8>, session: i64, row: &EntryRow) {
    let EntryRow { id, position, reached, at, message_key, event } = row;
    let length = u32::try_from(record_bytes(row) - 4).expect("an event is far below 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    for number in [session, *position, *reached, *at] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(id);
    let digest = message_key.as_ref().map_or(&[][..], |it| it);
    out.push(if digest.is_empty() { 0 } else { 16 });
    out.extend_from_slice(digest);
    out.extend_from_slice(event.as_bytes());
}

/// The records of a chunk, each whole with its length.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = rusqlite::Result<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let length = self.0.first_chunk().map(|it| u32::from_be_bytes(*it) as usize);
        let Some((record, rest)) = length.and_then(|it| self.0.split_at_checked(4 + it)) else {
            self.0 = &[];
            return Some(Err(broken()));
        };
        self.0 = rest;
        Some(Ok(record))
    }
}

/// Takes a record apart; `None` for one that was deleted.
fn parse(record: &[u8]) -> rusqlite::Result<Option<Record>> {
    let mut rest = record.get(4..).ok_or_else(broken)?;
    if rest.is_empty() {
        return Ok(None);
    }
    let mut number = || Some(i64::from_be_bytes(*rest.split_off(..8)?.first_chunk()?));
    let numbers = (number(), number(), number(), number());
    let (Some(session), Some(position), Some(reached), Some(at)) = numbers else {
        return Err(broken());
    };
    let mut bytes = |length| rest.split_off(..length).ok_or_else(broken);
    let id = id_bytes(bytes(16)?)?;
    let digest = bytes(1)?[0];
    let message_key = match digest {
        0 => None,
        16 => Some(id_bytes(bytes(16)?)?),
        _ => return Err(broken()),
    };
    let event = std::str::from_utf8(rest).map_err(|_| broken())?.into();
    let row = EntryRow { id, position, reached, at, message_key, event };
    Ok(Some(Record { session, row }))
}

fn id_bytes(bytes: &[u8]) -> rusqlite::Result<IdBytes> {
    bytes.try_into().map_err(|_| broken())
}

/// What stands there is not what must stand there: somebody else wrote into the database, or the disk
/// lost something.
pub fn broken() -> rusqlite::Error {
    let cause = "the log and its index are damaged".into();
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, cause)
}

/// Whether a row was found that nobody of us wrote.
pub fn is_damaged(cause: &rusqlite::Error) -> bool {
    matches!(cause, rusqlite::Error::FromSqlConversionFailure(..))
}

/// Reads entries by their places. Those that lie together are read together.
pub struct LogReader<'a> {
    select: CachedStatement<'a>,
    /// The chunk that was read last.
    chunk: i64,
    records: Vec<u8>,
}

impl<'a> LogReader<'a> {
    pub fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        let select = connection.prepare_cached("select records from log where chunk = ?1")?;
        // No chunk has this number.
        Ok(Self { select, chunk: 0, records: Vec::new() })
    }

    /// The entry at a place, which must be that of this session with this position; `None` where it
    /// was deleted.
    pub fn entry(
        &mut self,
        place: Place,
        session: i64,
        position: i64,
    ) -> rusqlite::Result<Option<EntryRow>> {
        if self.chunk != place.chunk {
            let Self { select, records, .. } = self;
            let found = select.query_row([place.chunk], |row| {
                records.clear();
                records.extend_from_slice(row.get_ref(0)?.as_blob()?);
                Ok(())
            });
            // Gone, where everything in it was deleted.
            if found.optional()?.is_none() {
                records.clear();
            }
            self.chunk = place.chunk;
        }
        if self.records.is_empty() {
            return Ok(None);
        }
        for (slot, record) in (0..).zip(Records(&self.records)) {
            let record = record?;
            if slot == place.slot {
                return match parse(record)? {
                    Some(it) if it.session != session || it.row.position != position => {
                        Err(broken())
                    }
                    found => Ok(found.map(|it| it.row)),
                };
            }
        }
        Err(broken())
    }
}

/// Shows every entry behind a chunk with its place, in the order of the log, until `take` has
/// enough.
pub fn walk(
    connection: &Connection,
    after: i64,
    mut take: impl FnMut(Place, Record) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    let mut select = connection
        .prepare_cached("select chunk, records from log where chunk > ?1 order by chunk")?;
    let mut rows = select.query([after])?;
    while let Some(row) = rows.next()? {
        let chunk = row.get(0)?;
        let mut more = true;
        for (slot, record) in (0..).zip(Records(row.get_ref(1)?.as_blob()?)) {
            if let Some(record) = parse(record?)? {
                more = take(Place { chunk, slot }, record)?;
            }
        }
        // Only whole chunks: where the next walk begins is the number of one.
        if !more {
            return Ok(());
        }
    }
    Ok(())
}

/// Takes entries of a session out of the log. What they were is overwritten if `secure_delete` is on.
pub fn delete(connection: &Connection, session: i64, places: &mut [Place]) -> rusqlite::Result<()> {
    places.sort_unstable();
    let mut select = connection.prepare_cached("select records from log where chunk = ?1")?;
    let mut update = connection.prepare_cached("update log set records = ?2 where chunk = ?1")?;
    let mut delete = connection.prepare_cached("delete from log where chunk = ?1")?;
    for places in places.chunk_by(|a, b| a.chunk == b.chunk) {
        let chunk = places[0].chunk;
        let records: Option<Vec<u8>> = select.query_row([chunk], |row| row.get(0)).optional()?;
        let Some(records) = records else { continue };
        let mut left = Vec::with_capacity(records.len());
        let mut is_empty = true;
        for (slot, record) in (0..).zip(Records(&records)) {
            let record = record?;
            if places.iter().any(|it| it.slot == slot) {
                // Never what somebody else has said.
                if parse(record)?.is_some_and(|it| it.session != session) {
                    return Err(broken());
                }
                left.extend_from_slice(&[0; 4]);
            } else {
                is_empty &= record.len() == 4;
                left.extend_from_slice(record);
            }
        }
        if is_empty {
            delete.execute([chunk])?
        } else {
            update.execute(params![chunk, left])?
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests;
