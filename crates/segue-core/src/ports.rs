//! The three seams of the program. Each has at least two implementations that ship or simulate.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    ConnectorId, Entry, MessageId, MessageKey, NodeId, Output, Position, Sequence, Session,
    SessionId, Timestamp, TokenId, Turn, TurnReason,
};

mod archive;

pub use archive::{
    Deletion, Listed, Liveness, LogDigest, Order, Put, Record, RecordKind, SessionQuery, Visible,
};

// ---------------------------------------------------------------------------------------- store

/// Everything that one conditional write puts into the store: all of it or nothing.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The write holds only if the log of the session ends here. Zero creates the session.
    pub seen: Position,
    /// To append, with the positions right after `seen`. Never empty.
    pub entries: Arc<[Entry]>,
    /// The session with the entries folded in: its row.
    pub session: Arc<Session>,
    /// To be done afterwards, even if this process dies now.
    pub jobs: Vec<NewJob>,
    /// Conditions outside the session.
    pub claims: Vec<Claim>,
    /// Replaces the bot's own state, a row of its own.
    pub bot_state: Option<String>,
}

/// A condition outside the session that must hold in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The token has created fewer than `sessions_max` sessions; this one counts from now on.
    TokenSlot {
        /// Whose.
        token: TokenId,
        /// How many sessions it may create in its life.
        sessions_max: u32,
    },
    /// Fewer than `sessions_max` sessions of the connector live.
    LiveSlot {
        /// Whose.
        connector: ConnectorId,
        /// How many may live at a time.
        sessions_max: u32,
    },
    /// Fewer than `sessions_max` sessions of the connector were created at `since` or later.
    CreationSlot {
        /// Whose.
        connector: ConnectorId,
        /// From when on they count.
        since: Timestamp,
        /// How many may be created from then on.
        sessions_max: u32,
    },
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// All of it is durable.
    Recorded,
    /// The log does not end at `seen`: load, decide again. Nothing was written.
    Conflict,
    /// A message with the key of one of the entries is in the log: here it is. Nothing was written.
    Duplicate(Box<Entry>),
    /// A claim does not hold. Nothing was written.
    Taken,
}

/// How much one read returns at most. Whichever is reached first; at least one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// Entries.
    pub entries: usize,
    /// Bytes of the entries as stored.
    pub bytes: usize,
}

/// A part of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// In order of position, without gaps.
    pub entries: Vec<Entry>,
    /// Whether the log went on behind it when it was read.
    pub more: bool,
}

/// Work that must be done after its cause was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// Have the bot answer this turn. Ignored when the session moved on.
    RunBot {
        /// Which turn.
        turn: Turn,
    },
    /// See whether the session is to be ended for its age, its silence or its absence; each live
    /// session has one, set again until it ends.
    ExpireIdle,
}

/// Which jobs a worker asks for. Turns go before timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobKind {
    /// `Job::RunBot`.
    Turns,
    /// `Job::ExpireIdle`.
    Timers,
}

impl Job {
    /// Which kind it is.
    pub fn kind(self) -> JobKind {
        match self {
            Job::RunBot { .. } => JobKind::Turns,
            Job::ExpireIdle => JobKind::Timers,
        }
    }
}

/// A job with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewJob {
    /// What to do.
    pub job: Job,
    /// Not before.
    pub run_at: Timestamp,
}

/// Names a job within its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobId(pub i64);

/// A job that a node has taken until its lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedJob {
    /// Which.
    pub id: JobId,
    /// Of which session.
    pub session: SessionId,
    /// What to do.
    pub job: Job,
}

/// What becomes of a claimed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is done, or was outlived.
    Done,
    /// It is to run again, free for everybody, not before then.
    Again {
        /// Not before.
        run_at: Timestamp,
    },
}

/// A node that is running, on its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alive {
    /// It started then, and has run ever since.
    pub since: Timestamp,
    /// It runs now.
    pub at: Timestamp,
}

/// A time in which no node ran. Both ends in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Downtime {
    /// A node was alive then for the last time.
    pub from: Timestamp,
    /// A node started then.
    pub to: Timestamp,
}

/// What a store says of itself, without walking over what it has: for metrics and readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Sessions that live: those that have a `Job::ExpireIdle`.
    pub sessions_live: u64,
    /// Turns that nobody has taken yet.
    pub turns: Due,
    /// Timers that nobody has taken yet.
    pub timers: Due,
    /// When a node was last known to be alive; `None` before the first start.
    pub alive_at: Option<Timestamp>,
}

/// Jobs of one kind that are free and due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    /// How many.
    pub jobs: u64,
    /// Since when the one is due that has been for the longest time.
    pub since: Option<Timestamp>,
}

/// Try again: the store did not do it, or its fate is unknown. Repeating with the same ids is safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("store unavailable: {0}")]
pub struct StoreError(pub String);

/// The log of every session, and the jobs committed along with it.
#[async_trait]
pub trait Store: Send + Sync {
    /// Commits all of `commit`, durably, or nothing. A session that is created (`seen` zero) counts
    /// as last seen when its first entry was recorded.
    async fn append(&self, commit: &Commit) -> Result<Appended, StoreError>;

    /// The folded state of a session; `None` when it does not exist.
    async fn load(&self, id: SessionId) -> Result<Option<Session>, StoreError>;

    /// The log after a position.
    async fn read(
        &self,
        id: SessionId,
        after: Position,
        limit: ReadLimit,
    ) -> Result<Page, StoreError>;

    /// The position of the last entry that somebody has who has every event up to `cursor`: that of
    /// the event with this sequence, or the log's end for a cursor beyond it.
    async fn position_of(&self, id: SessionId, cursor: Sequence) -> Result<Position, StoreError>;

    /// Where the log of each session ends, with everything whose append has returned; zero for a
    /// session that does not exist. Meant for thousands at a time.
    async fn heads(&self, ids: &[SessionId]) -> Result<Vec<Position>, StoreError>;

    /// Where all logs together end: another number than before whenever an append to any of them has
    /// returned since, unless its session was deleted. `heads` that are asked for afterwards have everything
    /// up to there. Holds as long as the store is open, and costs next to nothing.
    async fn log_end(&self) -> Result<u64, StoreError>;

    /// The user's message with this key.
    async fn find_message(
        &self,
        id: SessionId,
        key: &MessageKey,
    ) -> Result<Option<Entry>, StoreError>;

    /// The bot's own state of the session, JSON.
    async fn bot_state(&self, id: SessionId) -> Result<Option<String>, StoreError>;

    /// Takes at most `limit` free jobs of one kind that are due at `now`, the longest due first,
    /// and leases them to `node` until `lease_until`. A job whose lease has ended is free.
    async fn claim_jobs(
        &self,
        node: NodeId,
        kind: JobKind,
        now: Timestamp,
        lease_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<ClaimedJob>, StoreError>;

    /// Prolongs leases that `node` holds; those that it lost meanwhile stay lost.
    async fn renew_jobs(
        &self,
        node: NodeId,
        jobs: &[JobId],
        lease_until: Timestamp,
    ) -> Result<(), StoreError>;

    /// Says what became of jobs that `node` holds; those that it lost meanwhile are left alone.
    async fn settle_jobs(
        &self,
        node: NodeId,
        settled: &[(JobId, Settled)],
    ) -> Result<(), StoreError>;

    /// When the user of each session was last known to be there; zero for an unknown session.
    async fn last_seen(&self, ids: &[SessionId]) -> Result<Vec<Timestamp>, StoreError>;

    /// Records that a node is alive, and when users were last seen (never earlier than recorded
    /// already), in one transaction. Where another node started meanwhile, it was not the end of a
    /// downtime: this one ran all along. Returns the downtimes that remain, oldest first.
    async fn record_alive(
        &self,
        alive: Alive,
        seen: &[(SessionId, Timestamp)],
    ) -> Result<Vec<Downtime>, StoreError>;

    /// Records that a node starts at `now`, and with it the time since a node was last alive as
    /// downtime, if there was any: as far as is known, since another node may be running that has
    /// not said so lately. Returns all downtimes that ended after `since`, oldest first; older ones
    /// may be forgotten.
    async fn record_start(
        &self,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<Vec<Downtime>, StoreError>;

    /// The sessions that a query asks for.
    async fn list(&self, query: &SessionQuery) -> Result<Vec<Listed>, StoreError>;

    /// Deletes a session with everything that was kept of it, live or not, and keeps the proof; that
    /// of the first time where it was deleted before. `None` for a session that never was.
    async fn delete_session(
        &self,
        id: SessionId,
        now: Timestamp,
        by: &str,
    ) -> Result<Option<Deletion>, StoreError>;

    /// The proof that a session was deleted.
    async fn deletion(&self, id: SessionId) -> Result<Option<Deletion>, StoreError>;

    /// All records of a kind, in order of their ids.
    async fn records(&self, kind: RecordKind) -> Result<Vec<Record>, StoreError>;

    /// Writes a record, if the stored one has the revision before it, or none is stored and it is
    /// the first.
    async fn put_record(&self, record: &Record) -> Result<Put, StoreError>;

    /// How much there is to do, and when a node was last alive.
    async fn figures(&self, now: Timestamp) -> Result<Figures, StoreError>;

    /// Whether the store can write now; for readiness.
    async fn check(&self) -> Result<(), StoreError>;
}

// --------------------------------------------------------------------------------------- broker

/// Tells all nodes what was recorded. May lose, repeat and reorder: the log is the truth.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Tells of entries that are durably in the log of a session, in order of position.
    async fn publish(&self, id: SessionId, entries: Arc<[Entry]>);
}

// ------------------------------------------------------------------------------------------ bot

/// What a bot is asked.
#[derive(Debug, Clone)]
pub struct TurnRequest {
    /// Whose conversation.
    pub session_id: SessionId,
    /// Which turn; a repeat of it has the same number.
    pub turn: Turn,
    /// Why it is due.
    pub reason: TurnReason,
    /// Whether this turn may end in a handoff that somebody can carry out.
    pub may_hand_off: bool,
    /// Whether the user sees the answer while it is given.
    pub is_streamed: bool,
    /// Through which integration.
    pub connector: ConnectorId,
    /// One of the wire's platforms.
    pub platform: String,
    /// BCP 47, as far as known.
    pub language: Option<String>,
    /// As given at the session's creation.
    pub variant_id: Option<String>,
    /// A JSON object, as given at the session's creation.
    pub integration_attributes: Option<String>,
    /// The bot's own state, a JSON object.
    pub state: Option<String>,
    /// Every message of the user since the last turn, within the limit.
    pub input: Vec<InputMessage>,
    /// What was said before, the newest within the limits.
    pub history: Vec<HistoryMessage>,
    /// Whether older messages did not fit into `history`.
    pub history_truncated: bool,
}

/// A message that a turn answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputMessage {
    /// Its id.
    pub message_id: MessageId,
    /// To the letter.
    pub text: String,
    /// `metadata.custom` as sent, a JSON object.
    pub custom: Option<String>,
    /// When it was recorded.
    pub at: Timestamp,
}

/// A message that was said before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryMessage {
    /// Who said it.
    pub by: Speaker,
    /// The speaker's name, where it has one.
    pub name: Option<String>,
    /// What was said.
    pub text: String,
    /// The wire's number; of a message in chunks that of its last one.
    pub sequence: Sequence,
    /// When it was recorded.
    pub at: Timestamp,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The person.
    User,
    /// The bot.
    Bot,
    /// The server.
    System,
}

/// Why a bot did not answer, by what is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BotError {
    /// It said that it has too much to do.
    #[error("bot is overloaded: {0}")]
    Overloaded(String),
    /// It gave no answer, a wrong one, or broke off. The text is for the log.
    #[error("bot failed: {0}")]
    Failed(String),
}

/// What answers the user. Must be safe to ask again for the same turn.
#[async_trait]
pub trait Bot: Send + Sync {
    /// Asks for a turn. Returns as soon as the answer begins.
    async fn answer(&self, request: &TurnRequest) -> Result<Box<dyn Answer>, BotError>;
}

/// An answer on its way. Dropping it ends the request.
#[async_trait]
pub trait Answer: Send {
    /// The next output; `None` at the end. Cancel safe: a call that is dropped loses nothing.
    async fn next(&mut self) -> Result<Option<Output>, BotError>;
}
