//! Between the domain's types and the columns of the database. What is written here is read for
//! ever: see `segue_core::Event` and `State` for what may change.

use std::{cell::RefCell, ops::Deref, sync::Arc};

use rusqlite::{Row, types::Type};
use segue_core::{
    Entry, EntryId, Facts, MessageKey, Position, Sequence, Session, SessionId, State, Timestamp,
    TokenId, Turn,
    ports::{Claim, Commit, Job, JobKind, NewJob, StoreError},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::commit::{ended_with, user_of};
use crate::limits::{CHUNK_BYTES, STATE_EVERY_ENTRIES};

/// The layout of the folded state. Raise it when an older state cannot be read as it is, or would
/// mean something else; rows with another number are folded anew from their log.
pub const STATE_VERSION: i64 = 1;

/// An id as a column has it.
pub type IdBytes = [u8; 16];

/// A session's id as a column has it.
pub fn session_bytes(id: SessionId) -> IdBytes {
    id.0.to_be_bytes()
}

/// A whole number as a column has it. Times and counts stay far below the limit; "never" is the
/// greatest number there is.
pub fn to_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A whole number from a column that is never negative.
pub fn from_column(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A read limit as SQL has it.
pub fn limit_column(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// An event as JSON, within what was encoded with it: those of a commit have one piece of memory, which
/// the writer reads from its beginning to its end.
#[derive(Debug, Clone)]
pub struct EventText {
    of_all: Arc<str>,
    from: usize,
    to: usize,
}

impl Deref for EventText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.of_all[self.from..self.to]
    }
}

impl From<&str> for EventText {
    fn from(text: &str) -> Self {
        Self { of_all: text.into(), from: 0, to: text.len() }
    }
}

/// An entry as its row has it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EntryRow {
    pub id: IdBytes,
    pub position: i64,
    pub reached: i64,
    pub at: i64,
    pub message_key: Option<IdBytes>,
    pub event: EventText,
}

impl EntryRow {
    fn of(entry: &Entry, event: EventText) -> Self {
        Self {
            id: entry.id.0.to_be_bytes(),
            position: to_column(entry.position.0),
            reached: to_column(entry.reached.0),
            at: to_column(entry.at),
            message_key: entry.event.message_key().map(digest),
            event,
        }
    }

    pub fn decode(&self) -> Result<Entry, StoreError> {
        let id = EntryId(u128::from_be_bytes(self.id));
        let event = serde_json::from_str(&self.event)
            .map_err(|cause| StoreError(format!("entry {id} cannot be read: {cause}")))?;
        Ok(Entry {
            id,
            position: Position(from_column(self.position)),
            reached: Sequence(from_column(self.reached)),
            at: from_column(self.at),
            event,
        })
    }
}

/// The client's key, short enough for an index. 128 bits of it: nobody finds two keys with the same
/// digest, and somebody who did would mislead only themselves.
pub fn digest(key: &MessageKey) -> IdBytes {
    let (name_space, key) = match key {
        MessageKey::Local(key) => (b'l', key),
        MessageKey::ClientEvent(key) => (b'c', key),
    };
    let whole = Sha256::new().chain_update([name_space]).chain_update(key.as_bytes()).finalize();
    *whole.first_chunk().expect("a digest has 32 bytes")
}

/// A commit as the writer takes it: encoded where it came from, because there is one writer.
#[derive(Debug)]
pub struct CommitRows {
    pub session: IdBytes,
    pub seen: i64,
    pub head: i64,
    pub entries: Vec<EntryRow>,
    pub connector: String,
    /// Needed only if this commit creates the session.
    pub facts: Option<FactColumns>,
    /// Where the session ends with this commit.
    pub ended_at: Option<i64>,
    /// Where it is written with this commit.
    pub state: Option<String>,
    pub jobs: Vec<JobColumns>,
    pub claims: Vec<ClaimColumns>,
    pub bot_state: Option<String>,
}

impl CommitRows {
    pub fn of(commit: &Commit) -> Self {
        let session = &commit.session;
        Self {
            session: session_bytes(session.id),
            seen: to_column(commit.seen.0),
            head: to_column(session.state.head.0),
            entries: entry_rows(&commit.entries),
            connector: session.facts.connector.0.clone(),
            facts: (commit.seen == Position(0)).then(|| FactColumns::of(&session.facts)),
            ended_at: ended_with(commit).map(to_column),
            state: is_state_due(commit).then(|| json(&session.state)),
            jobs: commit.jobs.iter().map(JobColumns::of).collect(),
            claims: commit.claims.iter().map(ClaimColumns::of).collect(),
            bot_state: commit.bot_state.clone(),
        }
    }

    /// The digests of the keys of its messages.
    pub fn message_keys(&self) -> impl Iterator<Item = IdBytes> {
        self.entries.iter().filter_map(|it| it.message_key)
    }

    /// About how much of the write-ahead log it takes.
    pub fn bytes(&self) -> usize {
        let events: usize = self.entries.iter().map(|it| it.event.len()).sum();
        let states = [&self.state, &self.bot_state].into_iter().flatten();
        events + states.map(String::len).sum::<usize>()
    }
}

/// Whether the session's state is written with this commit, and not only folded by whoever loads it:
/// at its beginning, at its end, and whenever the log has grown by so much in between.
fn is_state_due(commit: &Commit) -> bool {
    let step = |it: Position| it.0 / STATE_EVERY_ENTRIES;
    commit.seen == Position(0)
        || step(commit.seen) != step(commit.session.state.head)
        || commit.session.ended_at().is_some()
}

thread_local! {
    static SHARED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Plain data as JSON.
fn json(data: &impl Serialize) -> String {
    encoded([data]).0
}

fn entry_rows(entries: &[Entry]) -> Vec<EntryRow> {
    let (of_all, ends): (Arc<str>, _) = encoded(entries.iter().map(|it| &it.event));
    let mut from = 0;
    let row = |(entry, to)| {
        let event = EventText { of_all: Arc::clone(&of_all), from, to };
        from = to;
        EntryRow::of(entry, event)
    };
    entries.iter().zip(ends).map(row).collect()
}

/// Plain data as JSON, one behind the other, and where each of them ends. Written where there is room
/// already and then copied: it is kept until it is indexed, and has no more memory than it needs.
fn encoded<'a, D, T>(data: impl IntoIterator<Item = &'a D>) -> (T, Vec<usize>)
where
    D: Serialize + 'a,
    T: for<'t> From<&'t str>,
{
    SHARED.with_borrow_mut(|shared| {
        // Of one that panicked.
        shared.clear();
        let mut end = |it| {
            serde_json::to_writer(&mut *shared, it).expect("what is stored is plain data");
            shared.len()
        };
        let ends = data.into_iter().map(&mut end).collect();
        let copied = str::from_utf8(shared).expect("JSON is text").into();
        // What one large event took is given back, and what it said with it.
        shared.clear();
        shared.shrink_to(CHUNK_BYTES);
        (copied, ends)
    })
}

/// What is fixed of a session, as its row has it.
#[derive(Debug)]
pub struct FactColumns {
    pub facts: String,
    pub user_id: Option<String>,
}

impl FactColumns {
    fn of(facts: &Facts) -> Self {
        Self { facts: json(facts), user_id: user_of(facts) }
    }
}

/// A claim as the writer checks it: what is counted, and how much of it there may be.
#[derive(Debug)]
pub struct ClaimColumns {
    pub counted: Counted,
    pub sessions_max: i64,
}

/// What a claim counts.
#[derive(Debug)]
pub enum Counted {
    OfToken(TokenId),
    /// Of the connector of the session, like the next.
    Live,
    CreatedSince(i64),
}

impl ClaimColumns {
    fn of(claim: &Claim) -> Self {
        let (counted, sessions_max) = match claim {
            Claim::TokenSlot { token, sessions_max } => {
                (Counted::OfToken(token.clone()), sessions_max)
            }
            Claim::LiveSlot { sessions_max, .. } => (Counted::Live, sessions_max),
            Claim::CreationSlot { since, sessions_max, .. } => {
                (Counted::CreatedSince(to_column(*since)), sessions_max)
            }
        };
        Self { counted, sessions_max: i64::from(*sessions_max) }
    }
}

/// A job as its row has it.
#[derive(Debug, Clone, Copy)]
pub struct JobColumns {
    pub kind: i64,
    pub turn: Option<i64>,
    pub run_at: i64,
}

impl JobColumns {
    fn of(new: &NewJob) -> Self {
        let turn = match new.job {
            Job::RunBot { turn } => Some(to_column(turn.0)),
            Job::ExpireIdle => None,
        };
        Self { kind: kind_column(new.job.kind()), turn, run_at: to_column(new.run_at) }
    }
}

/// A kind of job as a column has it.
pub fn kind_column(kind: JobKind) -> i64 {
    match kind {
        JobKind::Turns => 0,
        JobKind::Timers => 1,
    }
}

/// A job from its columns.
pub fn job_from(kind: JobKind, turn: Option<i64>) -> rusqlite::Result<Job> {
    match (kind, turn) {
        (JobKind::Turns, Some(turn)) => Ok(Job::RunBot { turn: Turn(from_column(turn)) }),
        (JobKind::Timers, None) => Ok(Job::ExpireIdle),
        (JobKind::Turns, None) => Err(unreadable("a job to run the bot without a turn")),
        (JobKind::Timers, Some(_)) => Err(unreadable("a timer with a turn")),
    }
}

fn unreadable(what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, what.into())
}

/// A session as its rows have it.
#[derive(Debug)]
pub struct SessionRow {
    pub id: SessionId,
    /// When its first entry was recorded.
    pub created_at: Timestamp,
    /// When the user was last known to be there.
    pub last_seen: Timestamp,
    /// Whose it is, where known.
    pub user_id: Option<String>,
    /// Its integer key.
    pub key: i64,
    /// Up to where `state` is folded.
    pub head: i64,
    /// What lies behind it in the log.
    pub tail: Vec<EntryRow>,
    facts: String,
    version: i64,
    state: String,
}

impl SessionRow {
    /// What `from_row` reads, in its order. The tail is another select.
    pub const SELECT: &str = "select
            sessions.id, seen_at, facts, version, state, created_at, user_id, key, head
        from sessions
        join states on states.session = sessions.key
        join presence on presence.session = sessions.key";

    pub fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: SessionId(u128::from_be_bytes(row.get(0)?)),
            last_seen: from_column(row.get(1)?),
            facts: row.get(2)?,
            version: row.get(3)?,
            state: row.get(4)?,
            created_at: from_column(row.get(5)?),
            user_id: row.get(6)?,
            key: row.get(7)?,
            head: row.get(8)?,
            tail: Vec::new(),
        })
    }

    /// The session, if its state is in the layout of today; otherwise its log has to be folded.
    pub fn decode(&self) -> Result<Option<Session>, StoreError> {
        if self.version != STATE_VERSION {
            return Ok(None);
        }
        let unreadable =
            |cause| StoreError(format!("the row of session {} cannot be read: {cause}", self.id));
        let facts = serde_json::from_str(&self.facts).map_err(unreadable)?;
        let state: State = serde_json::from_str(&self.state).map_err(unreadable)?;
        let mut session = Session { id: self.id, facts: Arc::new(facts), state };
        for row in &self.tail {
            session.apply(&row.decode()?);
        }
        Ok(Some(session))
    }

    /// The session, folded from all its entries.
    pub fn fold(&self, log: &[Entry]) -> Result<Session, StoreError> {
        Session::fold(self.id, log)
            .ok_or_else(|| StoreError(format!("the log of session {} has no start", self.id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_large_text_took_is_given_back() {
        for text in ["a", &"large".repeat(100_000), "b", ""] {
            assert_eq!(json(&text), format!("\"{text}\""));
            assert!(SHARED.with_borrow(Vec::capacity) <= CHUNK_BYTES);
        }
    }
}
