//! The index of the log: where the entries of each session are, some dozens of them to a row, in
//! order of position. A row is a segment, and its key a number of its session and the position of its
//! first entry (docs/adr/0035).
//!
//! A segment is the chunk that its places are counted from (8 bytes), and for each entry, from
//! the first on without gaps: the chunk beyond that (4), the slot in it (2), and the fingerprint of the
//! client's key (8), zero for an entry without one. All big-endian.

use std::ops::RangeInclusive;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::codec::{EntryRow, IdBytes};
use super::log::{LogReader, Place, broken};
use crate::limits::{POSITION_BITS, POSITION_MAX, SEGMENT_ENTRIES, SESSION_KEY_MAX};

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

/// An entry as the index has it.
#[derive(Debug, Clone, Copy)]
pub struct Indexed {
    pub position: i64,
    pub place: Place,
    /// What its key looks like, if it has one.
    pub key: Option<Fingerprint>,
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

    /// From the columns key, places.
    fn from_row(session: i64, row: &Row<'_>) -> rusqlite::Result<Self> {
        let (key, places): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let first = key & POSITION_MAX;
        let is_whole =
            places.len() >= HEAD_BYTES && (places.len() - HEAD_BYTES).is_multiple_of(PLACE_BYTES);
        let segment = Self { session, first, places };
        // What follows may count on it.
        let is_in_range = is_whole && segment.first > 0 && segment.base() > 0 && {
            let entries = i64::try_from(segment.len()).unwrap_or(i64::MAX);
            segment.first.checked_add(entries).is_some()
                && segment.base().checked_add(u32::MAX.into()).is_some()
        };
        if is_in_range { Ok(segment) } else { Err(broken()) }
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

    /// Its entries from a position on.
    fn from(&self, position: i64) -> impl Iterator<Item = Indexed> {
        let position = position.max(self.first);
        let skipped = usize::try_from(position - self.first).unwrap_or(usize::MAX);
        let base = self.base();
        let places = self.places[HEAD_BYTES..].chunks_exact(PLACE_BYTES).skip(skipped);
        // In this order: behind the last place there need not be a number.
        places.zip(position..).map(move |(it, position)| {
            let (chunk, it) = it.split_first_chunk().expect("4 of 14 bytes");
            let (slot, key) = it.split_first_chunk().expect("2 of 10 bytes");
            let place = Place {
                chunk: base + i64::from(u32::from_be_bytes(*chunk)),
                slot: u16::from_be_bytes(*slot),
            };
            let key = u64::from_be_bytes(key.try_into().expect("8 of 8 bytes"));
            Indexed { position, place, key: (key > 0).then_some(Fingerprint(key)) }
        })
    }

    /// Adds the entry behind its last one; `false` where there is no room.
    #[must_use]
    pub fn push(&mut self, place: Place, digest: Option<IdBytes>) -> bool {
        let Ok(chunk) = u32::try_from(place.chunk.saturating_sub(self.base())) else {
            return false;
        };
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
        let key = row_key(self.session, self.first)?;
        let mut write = connection.prepare_cached(
            "insert into segments (key, places) values (?1, ?2)
             on conflict (key) do update set places = excluded.places",
        )?;
        write.execute(params![key, self.places]).map(drop)
    }
}

/// The key of the row of a session that begins with a position.
fn row_key(session: i64, first: i64) -> rusqlite::Result<i64> {
    let is_known = (0..=SESSION_KEY_MAX).contains(&session) && (0..=POSITION_MAX).contains(&first);
    // Whoever appends sees to it.
    if is_known { Ok(session << POSITION_BITS | first) } else { Err(broken()) }
}

/// The keys of the rows of a session that begin with positions up to this one.
fn row_keys(session: i64, up_to: i64) -> rusqlite::Result<RangeInclusive<i64>> {
    Ok(row_key(session, 0)?..=row_key(session, up_to.clamp(0, POSITION_MAX))?)
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
        "select key, places from segments where key between ?1 and ?2 order by key desc limit 1",
    )?;
    let (first, last) = row_keys(session, position)?.into_inner();
    select.query_row([first, last], |row| Segment::from_row(session, row)).optional()
}

/// Where the log of a session ends as far as it is indexed, zero where nothing is.
pub fn head(connection: &Connection, session: i64) -> rusqlite::Result<i64> {
    Ok(last(connection, session)?.map_or(0, |it| it.last()))
}

/// Shows the entries of a session from a position on, in order, until `take` has enough.
pub fn walk(
    connection: &Connection,
    session: i64,
    from: i64,
    mut take: impl FnMut(Indexed) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached(
        "select key, places from segments where key between
             coalesce((select max(key) from segments where key between ?1 and ?2), ?1) and ?3
         order by key",
    )?;
    let (first, begin) = row_keys(session, from)?.into_inner();
    // Rows are fetched one by one, so what lies behind the limit costs nothing.
    let mut rows = select.query([first, begin, row_key(session, POSITION_MAX)?])?;
    // Where the next segment begins, at the latest; from the second on, exactly.
    let mut next = None;
    while let Some(row) = rows.next()? {
        let segment = Segment::from_row(session, row)?;
        let is_gap = next.map_or(segment.first > from.max(1), |it| segment.first != it);
        if is_gap {
            return Err(broken());
        }
        next = Some(segment.last() + 1);
        for it in segment.from(from) {
            if !take(it)? {
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
    match segment.from(position).next() {
        Some(it) if it.position == position => log.entry(it.place, session, position),
        _ => Ok(None),
    }
}

/// The entry of a user's message, if it is indexed.
pub fn message(
    connection: &Connection,
    session: i64,
    digest: IdBytes,
) -> rusqlite::Result<Option<EntryRow>> {
    let (fingerprint, mut log) = (Fingerprint::of(digest), LogReader::new(connection)?);
    let mut found = None;
    walk(connection, session, 0, |it| {
        if it.key == Some(fingerprint) {
            // Read while the index is: there it is as it was then.
            let row = log.entry(it.place, session, it.position)?.ok_or_else(broken)?;
            found = Some(row).filter(|it| it.message_key == Some(digest));
        }
        Ok(found.is_none())
    })?;
    Ok(found)
}

/// Takes away the index of a session.
pub fn delete(connection: &Connection, session: i64) -> rusqlite::Result<()> {
    let (first, last) = row_keys(session, POSITION_MAX)?.into_inner();
    let mut delete =
        connection.prepare_cached("delete from segments where key between ?1 and ?2")?;
    delete.execute([first, last]).map(drop)
}

#[cfg(test)]
mod tests;
