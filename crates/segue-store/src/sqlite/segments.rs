//! The index of the log: where the entries of each session are, some dozens of them to a row, in
//! order of position. A row is a segment (docs/adr/0035).
//!
//! A segment is the chunk that its places are counted from (8 bytes), and for each entry, from
//! `first` on without gaps: the chunk beyond that (4), the slot in it (2), and the fingerprint of the
//! client's key (8), zero for an entry without one. All big-endian.

use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::codec::{EntryRow, IdBytes};
use super::log::{LogReader, Place};
use crate::limits::SEGMENT_ENTRIES;

const HEAD_BYTES: usize = 8;
const PLACE_BYTES: usize = 4 + 2 + 8;

/// What tells messages of a session apart, nearly always: whoever finds one looks at the message
/// itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    pub fn of(digest: IdBytes) -> Self {
        let first = digest.first_chunk().expect("a digest has 16 bytes");
        // Zero is none.
        Self(u64::from_be_bytes(*first).max(1))
    }
}

/// Entries of a session that follow each other.
#[derive(Debug)]
pub struct Segment {
    session: i64,
    /// The position of the first.
    first: i64,
    places: Vec<u8>,
}

impl Segment {
    /// An empty one for entries from a position on.
    pub fn new(session: i64, first: i64, chunk: i64) -> Self {
        let mut places = Vec::with_capacity(HEAD_BYTES + SEGMENT_ENTRIES * PLACE_BYTES);
        places.extend_from_slice(&chunk.to_be_bytes());
        Self { session, first, places }
    }

    /// From the columns first, places.
    fn from_row(session: i64, row: &Row<'_>) -> rusqlite::Result<Self> {
        let (first, places): (_, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let is_whole =
            places.len() >= HEAD_BYTES && (places.len() - HEAD_BYTES).is_multiple_of(PLACE_BYTES);
        if !is_whole {
            let cause = "a segment of the index cannot be read".into();
            return Err(rusqlite::Error::FromSqlConversionFailure(1, Type::Blob, cause));
        }
        Ok(Self { session, first, places })
    }

    fn len(&self) -> usize {
        (self.places.len() - HEAD_BYTES) / PLACE_BYTES
    }

    /// The position of its last entry.
    pub fn last(&self) -> i64 {
        self.first + i64::try_from(self.len()).expect("a segment is short") - 1
    }

    fn base(&self) -> i64 {
        let (base, _) = self.places.split_first_chunk().expect("a segment has a head");
        i64::from_be_bytes(*base)
    }

    /// Where its entries are and what their keys look like, from a position on.
    fn from(&self, position: i64) -> impl Iterator<Item = (Place, Option<Fingerprint>)> {
        let skipped = usize::try_from(position - self.first).unwrap_or(0);
        let base = self.base();
        self.places[HEAD_BYTES..].chunks_exact(PLACE_BYTES).skip(skipped).map(move |it| {
            let (chunk, it) = it.split_first_chunk().expect("4 of 14 bytes");
            let (slot, key) = it.split_first_chunk().expect("2 of 10 bytes");
            let place = Place {
                chunk: base + i64::from(u32::from_be_bytes(*chunk)),
                slot: u16::from_be_bytes(*slot),
            };
            let key = u64::from_be_bytes(key.try_into().expect("8 of 8 bytes"));
            (place, (key > 0).then_some(Fingerprint(key)))
        })
    }

    /// Adds the entry behind its last one; `false` where there is no room.
    #[must_use]
    pub fn push(&mut self, place: Place, digest: Option<IdBytes>) -> bool {
        let Ok(chunk) = u32::try_from(place.chunk - self.base()) else { return false };
        if self.len() >= SEGMENT_ENTRIES {
            return false;
        }
        let key = digest.map_or(0, |it| Fingerprint::of(it).0);
        self.places.extend_from_slice(&chunk.to_be_bytes());
        self.places.extend_from_slice(&place.slot.to_be_bytes());
        self.places.extend_from_slice(&key.to_be_bytes());
        true
    }

    /// Writes it, or over what it was before.
    pub fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut write = connection.prepare_cached(
            "insert into segments (session, first, places) values (?1, ?2, ?3)
             on conflict (session, first) do update set places = excluded.places",
        )?;
        write.execute(params![self.session, self.first, self.places]).map(drop)
    }
}

/// The one that a session's index ends with.
pub fn last(connection: &Connection, session: i64) -> rusqlite::Result<Option<Segment>> {
    holding(connection, session, i64::MAX)
}

/// The one with a position, or the last before it.
fn holding(
    connection: &Connection,
    session: i64,
    position: i64,
) -> rusqlite::Result<Option<Segment>> {
    let mut select = connection.prepare_cached(
        "select first, places from segments where session = ?1 and first <= ?2
         order by first desc limit 1",
    )?;
    select.query_row([session, position], |row| Segment::from_row(session, row)).optional()
}

/// Where the log of a session ends as far as it is indexed, zero where nothing is.
pub fn head(connection: &Connection, session: i64) -> rusqlite::Result<i64> {
    Ok(last(connection, session)?.map_or(0, |it| it.last()))
}

/// Shows where the entries of a session are from a position on, in order, until `take` has enough.
pub fn walk(
    connection: &Connection,
    session: i64,
    from: i64,
    mut take: impl FnMut(Place, Option<Fingerprint>) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached(
        "select first, places from segments where session = ?1 and first >=
             coalesce((select max(first) from segments where session = ?1 and first <= ?2), 0)
         order by first",
    )?;
    // Rows are fetched one by one, so what lies behind the limit costs nothing.
    let mut rows = select.query([session, from])?;
    while let Some(row) = rows.next()? {
        for (place, key) in Segment::from_row(session, row)?.from(from) {
            if !take(place, key)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// An entry that is indexed; `None` where its session was deleted a moment ago.
pub fn entry(
    connection: &Connection,
    log: &mut LogReader<'_>,
    session: i64,
    position: i64,
) -> rusqlite::Result<Option<EntryRow>> {
    let Some(segment) = holding(connection, session, position)? else { return Ok(None) };
    let Some((place, _)) = segment.from(position).next() else { return Ok(None) };
    log.entry(place)
}

/// The entry of a user's message, if it is indexed.
pub fn message(
    connection: &Connection,
    session: i64,
    digest: IdBytes,
) -> rusqlite::Result<Option<EntryRow>> {
    let (fingerprint, mut log) = (Fingerprint::of(digest), LogReader::new(connection)?);
    let mut found = None;
    walk(connection, session, 0, |place, key| {
        if key == Some(fingerprint) {
            found = log.entry(place)?.filter(|it| it.message_key == Some(digest));
        }
        Ok(found.is_none())
    })?;
    Ok(found)
}

/// Takes away the index of a session.
pub fn delete(connection: &Connection, session: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("delete from segments where session = ?1")?.execute([session])?;
    Ok(())
}

#[cfg(test)]
mod tests;
