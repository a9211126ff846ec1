//! The index of the log, behind the writer: entries are appended without it, and put into it some
//! thousand at a time, session by session, a few with every group (docs/adr/0033).

use std::sync::Arc;

use foldhash::HashSet;
use rusqlite::Connection;
use segue_core::SessionId;
use tracing::error;

use super::checkpoint::carry_over;
use super::codec::{EntryRow, IdBytes};
use super::log::{self, Appender, broken, is_damaged};
use super::options::IndexPace;
use super::segments::{self, Segment};
use super::tail::{Tail, UnindexedEntry, in_log, indexed_to};
use crate::limits::{INDEX_BATCH_BYTES, SEGMENT_ENTRIES, UNINDEXED_BYTES_MAX};

/// What the writer knows of entries that are not indexed.
#[derive(Debug, Default)]
pub struct Index {
    /// What of it is durable, for readers.
    tail: Arc<Tail>,
    /// The end of the log.
    log: Appender,
    /// Appended by the transaction at work.
    appended: Vec<(UnindexedEntry, EntryRow)>,
    /// Durable, in the order of the log.
    waiting: Vec<UnindexedEntry>,
    waiting_bytes: usize,
    batch: Batch,
    /// Sessions that the transaction at work deletes.
    deleted: HashSet<i64>,
    /// Sessions whose index was found to be damaged, by key and id.
    damaged: Vec<(i64, IdBytes)>,
    pace: IndexPace,
}

/// Entries that are being indexed.
#[derive(Debug, Default)]
struct Batch {
    /// By session and position.
    entries: Vec<UnindexedEntry>,
    /// So many of them are indexed, durably …
    done: usize,
    /// … or by the transaction at work.
    reached: usize,
    /// The newest chunk of the log with one of them.
    up_to: i64,
    /// Sessions that were deleted since the batch was begun, or whose index is damaged.
    left_out: HashSet<i64>,
}

impl Index {
    /// With what an earlier process left without an index. As much of it as may be without one stays
    /// so, the rest is indexed.
    pub fn open(connection: &Connection, pace: IndexPace) -> rusqlite::Result<Self> {
        let log = Appender::open(connection, indexed_to(connection)?)?;
        let mut index = Self { log, pace, ..Self::default() };
        loop {
            let limit = index.pace.batch_entries;
            let (appended, more) = in_log(connection, limit)?;
            index.appended = appended;
            index.committed();
            if !more {
                return Ok(index);
            }
            index.finish(connection)?;
            // Nobody else does it yet.
            carry_over(connection)?;
        }
    }

    /// What is durable of what is not indexed.
    pub fn tail(&self) -> &Arc<Tail> {
        &self.tail
    }

    /// Appends an entry to the log within the transaction at work.
    pub fn append(
        &mut self,
        connection: &Connection,
        key: i64,
        session: IdBytes,
        row: &EntryRow,
    ) -> rusqlite::Result<()> {
        let place = self.log.push(connection, key, row)?;
        self.appended.push((UnindexedEntry::of(key, session, place, row), row.clone()));
        Ok(())
    }

    /// Where a session's log ends, if its end is not indexed.
    pub fn head(&self, session: &IdBytes) -> Option<i64> {
        let newest = self.appended.iter().rev().find(|(it, _)| it.session == *session);
        newest.map(|(it, _)| it.position).or_else(|| self.tail.head(session))
    }

    /// The message with this key, if it is not indexed.
    pub fn message(&self, session: &IdBytes, digest: IdBytes) -> Option<EntryRow> {
        let appended = self.appended_to(session).find(|it| it.message_key == Some(digest));
        appended.cloned().or_else(|| self.tail.message(session, digest))
    }

    /// Everything of a session that is not indexed.
    pub fn of_session(&self, session: &IdBytes) -> Vec<EntryRow> {
        let mut rows = self.tail.after(session, 0);
        rows.extend(self.appended_to(session).cloned());
        rows
    }

    fn appended_to(&self, session: &IdBytes) -> impl Iterator<Item = &EntryRow> {
        self.appended.iter().filter(|(it, _)| it.session == *session).map(|(_, row)| row)
    }

    /// The transaction at work deletes a session: takes everything that it has in the log, and its
    /// index.
    pub fn delete(&mut self, connection: &Connection, key: i64) -> rusqlite::Result<()> {
        // Into the log first, where it can be taken from.
        self.log.finish(connection)?;
        self.deleted.insert(key);
        let mut places = Vec::new();
        segments::walk(connection, key, 0, |it| {
            places.push(it.place);
            Ok(true)
        })?;
        let appended = self.appended.iter().map(|(it, _)| it);
        let unindexed = self.batch.entries.iter().chain(&self.waiting).chain(appended);
        places.extend(unindexed.filter(|it| it.key == key).map(|it| it.place));
        log::delete(connection, key, &mut places)?;
        segments::delete(connection, key)
    }

    /// Writes the end of the log, and indexes some entries, within the transaction at work: a few, and
    /// two for each that it appends, so that no group takes much longer than the others and the end of
    /// the batch comes all the same.
    pub fn work(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.log.finish(connection)?;
        let step = self.pace.step_entries + 2 * self.appended.len();
        let is_too_much = self.waiting_bytes > UNINDEXED_BYTES_MAX;
        self.index(connection, if is_too_much { usize::MAX } else { step })
    }

    /// Sessions whose index was found to be damaged since this was asked last: what is remembered of
    /// them must not hide it.
    pub fn take_damaged(&mut self) -> Vec<(i64, IdBytes)> {
        std::mem::take(&mut self.damaged)
    }

    /// Indexes at least so many entries of the batch, or all of it.
    fn index(&mut self, connection: &Connection, entries: usize) -> rusqlite::Result<()> {
        let Self { batch, deleted, damaged, .. } = self;
        if batch.entries.is_empty() {
            return Ok(());
        }
        let goal = batch.entries.len().min(batch.done.saturating_add(entries));
        while batch.reached < goal {
            let left = &batch.entries[batch.reached..];
            let UnindexedEntry { key, session, .. } = left[0];
            let of_session = left.iter().take(SEGMENT_ENTRIES).take_while(|it| it.key == key);
            let of_session = &left[..of_session.count()];
            if batch.left_out.contains(&key) || deleted.contains(&key) {
                batch.reached += of_session.len();
                continue;
            }
            match extend(connection, key, of_session) {
                Ok(extended) => batch.reached += extended,
                // Of one session, and not of those whose writes these are: they shall not wait for it.
                Err(cause) if is_damaged(&cause) => {
                    let id = SessionId(u128::from_be_bytes(session));
                    error!(session.id = %id, "the index of session {id} is damaged: the session cannot be read any more");
                    batch.left_out.insert(key);
                    damaged.push((key, session));
                }
                Err(cause) => return Err(cause),
            }
        }
        if batch.reached == batch.entries.len() {
            connection.prepare_cached("update indexed set chunk = ?1")?.execute([batch.up_to])?;
        }
        Ok(())
    }

    /// The transaction is durable.
    pub fn committed(&mut self) {
        self.forget_deleted();
        self.waiting_bytes += self.appended.iter().map(|(_, row)| row.event.len()).sum::<usize>();
        self.waiting.extend(self.appended.iter().map(|(it, _)| *it));
        self.tail.add(self.appended.drain(..).map(|(it, row)| (it.session, row)));

        self.batch.done = self.batch.reached;
        if self.batch.done == self.batch.entries.len() {
            self.end_batch();
            let is_due = self.waiting.len() >= self.pace.batch_entries
                || self.waiting_bytes >= INDEX_BATCH_BYTES;
            if is_due {
                self.begin_batch();
            }
        }
    }

    /// Nothing of the transaction was written.
    pub fn rolled_back(&mut self) {
        self.log.rolled_back();
        self.appended.clear();
        self.deleted.clear();
        self.batch.reached = self.batch.done;
    }

    /// Indexes everything, in a transaction of its own.
    pub fn finish(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        while !(self.batch.entries.is_empty() && self.waiting.is_empty()) {
            if self.batch.entries.is_empty() {
                self.begin_batch();
            }
            let transaction = connection.unchecked_transaction()?;
            self.index(connection, usize::MAX)?;
            transaction.commit()?;
            self.committed();
        }
        Ok(())
    }

    fn begin_batch(&mut self) {
        let mut entries = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let up_to = entries.last().map_or(0, |it| it.place.chunk);
        entries.sort_unstable_by_key(|it| (it.key, it.position));
        self.batch = Batch { entries, up_to, ..Batch::default() };
    }

    fn end_batch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        // The last of each session says it for those before it.
        let of_sessions = batch.entries.chunk_by(|a, b| a.key == b.key);
        let ends = of_sessions.filter_map(|it| it.last().map(|it| (it.session, it.position)));
        self.tail.remove(ends);
    }

    fn forget_deleted(&mut self) {
        if self.deleted.is_empty() {
            return;
        }
        let deleted = std::mem::take(&mut self.deleted);
        let of_deleted = |it: &&UnindexedEntry| deleted.contains(&it.key);
        let known = self.batch.entries.iter().chain(&self.waiting);
        self.tail.remove(known.filter(of_deleted).map(|it| (it.session, i64::MAX)));
        self.appended.retain(|(it, _)| !deleted.contains(&it.key));
        self.waiting.retain(|it| !deleted.contains(&it.key));
        self.batch.left_out.extend(deleted);
    }
}

/// Adds entries of a session, or as many as its last segment has room for, to its index. Says how many;
/// what a process that died had indexed of its batch is there already.
fn extend(
    connection: &Connection,
    key: i64,
    entries: &[UnindexedEntry],
) -> rusqlite::Result<usize> {
    let last = segments::last(connection, key)?;
    let head = last.as_ref().map_or(0, Segment::last);
    let known = entries.partition_point(|it| it.position <= head);
    let Some(first) = entries.get(known) else { return Ok(known) };
    if first.position != head + 1 {
        return Err(broken());
    }
    let anew = || Segment::new(key, first.position, first.place.chunk);
    let push = |segment: &mut Segment, it: &UnindexedEntry| segment.push(it.place, it.message_key);
    let mut segment = last.unwrap_or_else(anew);
    let mut added = entries[known..].iter().take_while(|it| push(&mut segment, it)).count();
    if added == 0 {
        segment = anew();
        added = entries[known..].iter().take_while(|it| push(&mut segment, it)).count();
    }
    segment.write(connection)?;
    Ok(known + added)
}

#[cfg(test)]
mod tests;
