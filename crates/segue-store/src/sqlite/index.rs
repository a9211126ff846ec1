//! The index of the log, behind the writer: entries are appended without it, and put into it some
//! thousand at a time, session by session, a few with every group (docs/adr/0033).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::codec::{EntryRow, IdBytes};
use super::options::IndexPace;
use super::tail::{Tail, UnindexedEntry, in_log};
use crate::limits::{INDEX_BATCH_BYTES, UNINDEXED_BYTES_MAX};

/// What the writer knows of entries that are not indexed.
#[derive(Debug, Default)]
pub struct Index {
    /// What of it is durable, for readers.
    tail: Arc<Tail>,
    /// Appended by the transaction at work.
    appended: Vec<UnindexedEntry>,
    /// Durable, in the order of the log.
    waiting: Vec<UnindexedEntry>,
    waiting_bytes: usize,
    batch: Batch,
    /// Where the messages among all of these are.
    keys: HashMap<(i64, IdBytes), i64>,
    /// Sessions that the transaction at work deletes.
    deleted: HashSet<i64>,
    newest_entry: i64,
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
    /// The newest of them in the log.
    up_to: i64,
    /// Sessions that were deleted since the batch was begun.
    deleted: HashSet<i64>,
}

impl Index {
    /// With what an earlier process left without an index.
    pub fn open(connection: &Connection, pace: IndexPace) -> rusqlite::Result<Self> {
        let mut index = Self {
            pace,
            // Not a number that a deleted one had: up to `indexed` they count as indexed.
            newest_entry: connection.query_row(
                "select max(coalesce((select max(rowid) from entries), 0), entry) from indexed",
                [],
                |row| row.get(0),
            )?,
            ..Self::default()
        };
        for UnindexedEntry { key, session, entry, row } in in_log(connection)? {
            index.note(key, session, entry, row);
        }
        index.committed();
        Ok(index)
    }

    /// What is durable of what is not indexed.
    pub fn tail(&self) -> &Arc<Tail> {
        &self.tail
    }

    /// A number for an entry that no other has.
    pub fn next_entry(&mut self) -> i64 {
        self.newest_entry += 1;
        self.newest_entry
    }

    /// The transaction at work has appended an entry.
    pub fn note(&mut self, key: i64, session: IdBytes, entry: i64, row: Arc<EntryRow>) {
        if let Some(digest) = row.message_key {
            self.keys.insert((key, digest), row.position);
        }
        self.appended.push(UnindexedEntry { key, session, entry, row });
    }

    /// Where a session's log ends, if its end is not indexed.
    pub fn head(&self, session: &IdBytes) -> Option<i64> {
        let newest = self.appended.iter().rev().find(|it| it.session == *session);
        newest.map(|it| it.row.position).or_else(|| self.tail.head(session))
    }

    /// The message with this key, if it is not indexed.
    pub fn message(&self, key: i64, session: &IdBytes, digest: IdBytes) -> Option<Arc<EntryRow>> {
        let position = *self.keys.get(&(key, digest))?;
        let is_it = |it: &&UnindexedEntry| it.key == key && it.row.position == position;
        let appended = self.appended.iter().find(is_it).map(|it| Arc::clone(&it.row));
        appended.or_else(|| self.tail.get(session, position))
    }

    /// Everything of a session that is not indexed.
    pub fn of_session(&self, session: &IdBytes) -> Vec<Arc<EntryRow>> {
        let mut rows = self.tail.after(session, 0);
        let appended = self.appended.iter().filter(|it| it.session == *session);
        rows.extend(appended.map(|it| Arc::clone(&it.row)));
        rows
    }

    /// The transaction at work deletes a session, whose rows in the index are gone: takes away what it
    /// has in the log beside them.
    pub fn delete(&mut self, connection: &Connection, key: i64) -> rusqlite::Result<()> {
        self.deleted.insert(key);
        let mut delete = connection.prepare_cached("delete from entries where rowid = ?1")?;
        let all = self.batch.entries.iter().chain(&self.waiting).chain(&self.appended);
        for entry in all.filter(|it| it.key == key) {
            delete.execute([entry.entry])?;
        }
        Ok(())
    }

    /// Indexes some entries within the transaction at work: a few, and two for each that it appends,
    /// so that no group takes much longer than the others and the end of the batch comes all the same.
    pub fn work(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let step = self.pace.step_entries + 2 * self.appended.len();
        let is_too_much = self.waiting_bytes > UNINDEXED_BYTES_MAX;
        self.index(connection, if is_too_much { usize::MAX } else { step })
    }

    fn index(&mut self, connection: &Connection, entries: usize) -> rusqlite::Result<()> {
        let Self { batch, deleted, .. } = self;
        if batch.entries.is_empty() {
            return Ok(());
        }
        // What a process that died had indexed of its batch is there already.
        let mut position = connection.prepare_cached(
            "insert into positions (session, position, entry) values (?1, ?2, ?3)
             on conflict do nothing",
        )?;
        let mut digest = connection.prepare_cached(
            "insert into message_keys (session, digest, position) values (?1, ?2, ?3)
             on conflict do nothing",
        )?;
        let end = batch.entries.len().min(batch.done.saturating_add(entries));
        for UnindexedEntry { key, entry, row, .. } in &batch.entries[batch.done..end] {
            if batch.deleted.contains(key) || deleted.contains(key) {
                continue;
            }
            position.execute([*key, row.position, *entry])?;
            if let Some(message_key) = row.message_key {
                digest.execute(params![key, message_key, row.position])?;
            }
        }
        batch.reached = end;
        if end == batch.entries.len() {
            connection.prepare_cached("update indexed set entry = ?1")?.execute([batch.up_to])?;
        }
        Ok(())
    }

    /// The transaction is durable.
    pub fn committed(&mut self) {
        self.forget_deleted();
        let durable = self.appended.iter().map(|it| (it.session, Arc::clone(&it.row)));
        self.tail.add(durable);
        self.waiting_bytes += self.appended.iter().map(|it| it.row.event.len()).sum::<usize>();
        self.waiting.append(&mut self.appended);

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
        for UnindexedEntry { key, row, .. } in self.appended.drain(..) {
            if let Some(digest) = row.message_key {
                self.keys.remove(&(key, digest));
            }
        }
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
        let up_to = entries.last().map_or(0, |it| it.entry);
        entries.sort_unstable_by_key(|it| (it.key, it.row.position));
        self.batch = Batch { entries, up_to, ..Batch::default() };
    }

    fn end_batch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        for UnindexedEntry { key, row, .. } in &batch.entries {
            if let Some(digest) = row.message_key {
                self.keys.remove(&(*key, digest));
            }
        }
        // The last of each session says it for those before it.
        let of_sessions = batch.entries.chunk_by(|a, b| a.key == b.key);
        let ends = of_sessions.filter_map(|it| it.last().map(|it| (it.session, it.row.position)));
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
        self.keys.retain(|(key, _), _| !deleted.contains(key));
        self.appended.retain(|it| !deleted.contains(&it.key));
        self.waiting.retain(|it| !deleted.contains(&it.key));
        self.batch.deleted.extend(deleted);
    }
}

#[cfg(test)]
mod tests;
