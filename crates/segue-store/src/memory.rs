//! A store that forgets everything with the process: for tests, the simulator and `--ephemeral`.
//!
//! Ordered maps only, so that two runs from one seed see the same. It never waits: a simulator may
//! drive it on a runtime with a clock of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use segue_core::{
    ConnectorId, Entry, Event, MessageKey, NodeId, Position, Sequence, Session, SessionId,
    Timestamp, TokenId,
    ports::{
        Alive, Appended, Claim, ClaimedJob, Commit, Deletion, Downtime, Due, Figures, Job, JobId,
        JobKind, Listed, Liveness, NewJob, Order, Page, Put, ReadLimit, Record, RecordKind,
        SessionQuery, Settled, Store, StoreError,
    },
};

use crate::commit::{LogDigester, assert_well_formed, ended_with, user_of};

/// Every session in the memory of this process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    sessions: BTreeMap<SessionId, Kept>,
    /// In order of creation; a session's place is its number, also once it was deleted.
    created: Vec<SessionId>,
    tokens: BTreeMap<TokenId, u32>,
    connectors: BTreeMap<ConnectorId, Sessions>,
    jobs: BTreeMap<JobId, KeptJob>,
    due: BTreeSet<(JobKind, Timestamp, JobId)>,
    newest_job: i64,
    /// How many commits were recorded.
    appends: u64,
    alive_at: Option<Timestamp>,
    downtimes: Vec<Downtime>,
    deletions: BTreeMap<SessionId, Deletion>,
    records: BTreeMap<(RecordKind, String), Record>,
}

/// The sessions of a connector.
#[derive(Debug, Default)]
struct Sessions {
    live: usize,
    /// When each was created, also those that were deleted since.
    created_at: Vec<Timestamp>,
}

#[derive(Debug)]
struct Kept {
    number: usize,
    session: Arc<Session>,
    /// Each entry with the bytes that it has where entries are stored.
    log: Vec<(Entry, usize)>,
    keys: BTreeMap<MessageKey, usize>,
    bot_state: Option<String>,
    created_at: Timestamp,
    last_seen: Timestamp,
}

#[derive(Debug)]
struct KeptJob {
    session: SessionId,
    job: Job,
    run_at: Timestamp,
    lease: Option<Lease>,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    node: NodeId,
    until: Timestamp,
}

impl MemoryStore {
    /// A store without sessions.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn append(&self, commit: &Commit) -> Result<Appended, StoreError> {
        assert_well_formed(commit);
        Ok(self.memory.lock().append(commit))
    }

    async fn load(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(self.memory.lock().sessions.get(&id).map(|it| Session::clone(&it.session)))
    }

    async fn read(
        &self,
        id: SessionId,
        after: Position,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        let memory = self.memory.lock();
        Ok(memory.sessions.get(&id).map(|it| it.page(after, limit)).unwrap_or_default())
    }

    async fn position_of(&self, id: SessionId, cursor: Sequence) -> Result<Position, StoreError> {
        let memory = self.memory.lock();
        Ok(memory.sessions.get(&id).map(|it| it.position_of(cursor)).unwrap_or_default())
    }

    async fn heads(&self, ids: &[SessionId]) -> Result<Vec<Position>, StoreError> {
        let memory = self.memory.lock();
        let head = |id| memory.sessions.get(id).map_or(Position(0), |it| it.session.state.head);
        Ok(ids.iter().map(head).collect())
    }

    async fn log_end(&self) -> Result<u64, StoreError> {
        Ok(self.memory.lock().appends)
    }

    async fn find_message(
        &self,
        id: SessionId,
        key: &MessageKey,
    ) -> Result<Option<Entry>, StoreError> {
        let memory = self.memory.lock();
        Ok(memory.sessions.get(&id).and_then(|it| it.find_message(key)).cloned())
    }

    async fn bot_state(&self, id: SessionId) -> Result<Option<String>, StoreError> {
        Ok(self.memory.lock().sessions.get(&id).and_then(|it| it.bot_state.clone()))
    }

    async fn claim_jobs(
        &self,
        node: NodeId,
        kind: JobKind,
        now: Timestamp,
        lease_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        let lease = Lease { node, until: lease_until };
        Ok(self.memory.lock().claim_jobs(kind, now, lease, limit))
    }

    async fn renew_jobs(
        &self,
        node: NodeId,
        jobs: &[JobId],
        lease_until: Timestamp,
    ) -> Result<(), StoreError> {
        let mut memory = self.memory.lock();
        for id in jobs {
            if let Some(job) = memory.jobs.get_mut(id).filter(|it| it.is_held_by(node)) {
                job.lease = Some(Lease { node, until: lease_until });
            }
        }
        Ok(())
    }

    async fn settle_jobs(
        &self,
        node: NodeId,
        settled: &[(JobId, Settled)],
    ) -> Result<(), StoreError> {
        let mut memory = self.memory.lock();
        for (id, settled) in settled {
            memory.settle_job(node, *id, *settled);
        }
        Ok(())
    }

    async fn last_seen(&self, ids: &[SessionId]) -> Result<Vec<Timestamp>, StoreError> {
        let memory = self.memory.lock();
        let last_seen = |id| memory.sessions.get(id).map_or(0, |it| it.last_seen);
        Ok(ids.iter().map(last_seen).collect())
    }

    async fn record_alive(
        &self,
        alive: Alive,
        seen: &[(SessionId, Timestamp)],
    ) -> Result<Vec<Downtime>, StoreError> {
        let mut memory = self.memory.lock();
        memory.alive_at = memory.alive_at.max(Some(alive.at));
        memory.downtimes.retain(|it| it.from < alive.since);
        for (id, at) in seen {
            if let Some(kept) = memory.sessions.get_mut(id) {
                kept.last_seen = kept.last_seen.max(*at);
            }
        }
        Ok(memory.downtimes.clone())
    }

    async fn record_start(
        &self,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<Vec<Downtime>, StoreError> {
        let mut memory = self.memory.lock();
        if let Some(from) = memory.alive_at.filter(|it| *it < now) {
            memory.downtimes.push(Downtime { from, to: now });
        }
        memory.alive_at = memory.alive_at.max(Some(now));
        memory.downtimes.retain(|it| it.to > since);
        Ok(memory.downtimes.clone())
    }

    async fn list(&self, query: &SessionQuery) -> Result<Vec<Listed>, StoreError> {
        Ok(self.memory.lock().list(query))
    }

    async fn delete_session(
        &self,
        id: SessionId,
        now: Timestamp,
        by: &str,
    ) -> Result<Option<Deletion>, StoreError> {
        Ok(self.memory.lock().delete_session(id, now, by))
    }

    async fn deletion(&self, id: SessionId) -> Result<Option<Deletion>, StoreError> {
        Ok(self.memory.lock().deletions.get(&id).cloned())
    }

    async fn records(&self, kind: RecordKind) -> Result<Vec<Record>, StoreError> {
        let memory = self.memory.lock();
        Ok(memory.records.values().filter(|it| it.kind == kind).cloned().collect())
    }

    async fn put_record(&self, record: &Record) -> Result<Put, StoreError> {
        let mut memory = self.memory.lock();
        let place = (record.kind, record.id.clone());
        let stored = memory.records.get(&place).map_or(0, |it| it.revision);
        if stored + 1 != record.revision {
            return Ok(Put::Conflict);
        }
        memory.records.insert(place, record.clone());
        Ok(Put::Written)
    }

    async fn figures(&self, now: Timestamp) -> Result<Figures, StoreError> {
        let memory = self.memory.lock();
        let is_timer = |it: &&KeptJob| it.job.kind() == JobKind::Timers;
        Ok(Figures {
            sessions_live: memory.jobs.values().filter(is_timer).count() as u64,
            turns: memory.due(JobKind::Turns, now),
            timers: memory.due(JobKind::Timers, now),
            alive_at: memory.alive_at,
        })
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Memory {
    fn append(&mut self, commit: &Commit) -> Appended {
        let id = commit.session.id;
        let kept = self.sessions.get(&id);
        let mut keys = commit.entries.iter().filter_map(|it| it.event.message_key());
        if let Some(kept) = kept
            && let Some(found) = keys.find_map(|key| kept.find_message(key))
        {
            return Appended::Duplicate(Box::new(found.clone()));
        }
        if kept.map_or(Position(0), |it| it.session.state.head) != commit.seen {
            return Appended::Conflict;
        }
        if !commit.claims.iter().all(|it| self.holds(it)) {
            return Appended::Taken;
        }

        let is_new = kept.is_none();
        self.appends += 1;
        for claim in &commit.claims {
            if let Claim::TokenSlot { token, .. } = claim {
                *self.tokens.entry(token.clone()).or_default() += 1;
            }
        }
        let connector = self.connectors.entry(commit.session.facts.connector.clone()).or_default();
        if is_new {
            connector.live += 1;
            connector.created_at.push(commit.entries[0].at);
        }
        connector.live -= usize::from(ended_with(commit).is_some());
        for job in &commit.jobs {
            self.add_job(id, *job);
        }
        let created = &mut self.created;
        let kept = self.sessions.entry(id).or_insert_with(|| {
            created.push(id);
            Kept::new(created.len() - 1, commit)
        });
        kept.take(commit);
        Appended::Recorded
    }

    fn holds(&self, claim: &Claim) -> bool {
        match claim {
            Claim::TokenSlot { token, sessions_max } => {
                self.tokens.get(token).copied().unwrap_or(0) < *sessions_max
            }
            Claim::LiveSlot { connector, sessions_max } => {
                let live = self.connectors.get(connector).map_or(0, |it| it.live);
                live < *sessions_max as usize
            }
            Claim::CreationSlot { connector, since, sessions_max } => {
                let created = self.connectors.get(connector).map_or(0, |it| it.created(*since));
                created < *sessions_max as usize
            }
        }
    }

    fn list(&self, query: &SessionQuery) -> Vec<Listed> {
        let after = match query.after {
            None => None,
            Some(id) => match self.sessions.get(&id) {
                None => return Vec::new(),
                Some(kept) => Some(kept.number),
            },
        };
        let numbers: Box<dyn Iterator<Item = usize>> = match query.order {
            Order::OldestFirst => Box::new(after.map_or(0, |it| it + 1)..self.created.len()),
            Order::NewestFirst => Box::new((0..after.unwrap_or(self.created.len())).rev()),
        };
        numbers
            .filter_map(|number| self.sessions.get(&self.created[number]))
            .map(Kept::listed)
            .filter(|it| fits(query, it))
            .take(query.limit)
            .collect()
    }

    fn delete_session(&mut self, id: SessionId, now: Timestamp, by: &str) -> Option<Deletion> {
        if let Some(earlier) = self.deletions.get(&id) {
            return Some(earlier.clone());
        }
        let kept = self.sessions.remove(&id)?;
        if kept.session.ended_at().is_none()
            && let Some(sessions) = self.connectors.get_mut(&kept.session.facts.connector)
        {
            sessions.live -= 1;
        }
        let mut digester = LogDigester::default();
        for (entry, _) in &kept.log {
            let event = serde_json::to_string(&entry.event).expect("an event is plain data");
            digester.take(entry.id.0.to_be_bytes(), entry.position.0, entry.at, &event);
        }
        let jobs = self.jobs.extract_if(.., |_, it| it.session == id);
        for (job_id, job) in jobs {
            self.due.remove(&(job.job.kind(), job.run_at, job_id));
        }
        let deletion = Deletion {
            session: id,
            connector: kept.session.facts.connector.clone(),
            created_at: kept.created_at,
            deleted_at: now,
            by: by.to_owned(),
            entries: digester.entries,
            digest: digester.finish(),
        };
        self.deletions.insert(id, deletion.clone());
        Some(deletion)
    }

    fn add_job(&mut self, session: SessionId, new: NewJob) {
        self.newest_job += 1;
        let id = JobId(self.newest_job);
        self.due.insert((new.job.kind(), new.run_at, id));
        self.jobs.insert(id, KeptJob { session, job: new.job, run_at: new.run_at, lease: None });
    }

    fn claim_jobs(
        &mut self,
        kind: JobKind,
        now: Timestamp,
        lease: Lease,
        limit: usize,
    ) -> Vec<ClaimedJob> {
        let due = self.due.range((kind, 0, JobId(i64::MIN))..=(kind, now, JobId(i64::MAX)));
        let mut claimed = Vec::new();
        for (_, _, id) in due {
            if claimed.len() == limit {
                break;
            }
            let job = self.jobs.get_mut(id).expect("what is due is a job");
            if job.is_free(now) {
                job.lease = Some(lease);
                claimed.push(ClaimedJob { id: *id, session: job.session, job: job.job });
            }
        }
        claimed
    }

    fn due(&self, kind: JobKind, now: Timestamp) -> Due {
        let due = self.due.range((kind, 0, JobId(i64::MIN))..=(kind, now, JobId(i64::MAX)));
        let mut free = due.filter(|(_, _, id)| self.jobs[id].is_free(now)).peekable();
        let since = free.peek().map(|(_, run_at, _)| *run_at);
        Due { jobs: free.count() as u64, since }
    }

    fn settle_job(&mut self, node: NodeId, id: JobId, settled: Settled) {
        let Some(job) = self.jobs.get_mut(&id).filter(|it| it.is_held_by(node)) else { return };
        let kind = job.job.kind();
        self.due.remove(&(kind, job.run_at, id));
        match settled {
            Settled::Done => {
                self.jobs.remove(&id);
            }
            Settled::Again { run_at } => {
                job.run_at = run_at;
                job.lease = None;
                self.due.insert((kind, run_at, id));
            }
        }
    }
}

impl Sessions {
    /// How many were created since then.
    fn created(&self, since: Timestamp) -> usize {
        self.created_at.iter().rev().take_while(|at| **at >= since).count()
    }
}

impl Kept {
    fn new(number: usize, commit: &Commit) -> Self {
        Self {
            number,
            session: Arc::clone(&commit.session),
            log: Vec::new(),
            keys: BTreeMap::new(),
            bot_state: None,
            created_at: commit.entries[0].at,
            last_seen: commit.entries[0].at,
        }
    }

    fn take(&mut self, commit: &Commit) {
        for entry in commit.entries.iter() {
            if let Some(key) = entry.event.message_key() {
                self.keys.insert(key.clone(), self.log.len());
            }
            self.log.push((entry.clone(), stored_bytes(&entry.event)));
        }
        self.session = Arc::clone(&commit.session);
        if let Some(state) = &commit.bot_state {
            self.bot_state = Some(state.clone());
        }
    }

    fn find_message(&self, key: &MessageKey) -> Option<&Entry> {
        self.keys.get(key).map(|at| &self.log[*at].0)
    }

    fn page(&self, after: Position, limit: ReadLimit) -> Page {
        let first = usize::try_from(after.0).map_or(self.log.len(), |it| it.min(self.log.len()));
        let rest = &self.log[first..];
        let mut page = Page::default();
        let mut bytes_left = limit.bytes;
        for (entry, bytes) in rest {
            let is_full = page.entries.len() >= limit.entries || *bytes > bytes_left;
            if is_full && !page.entries.is_empty() {
                break;
            }
            bytes_left = bytes_left.saturating_sub(*bytes);
            page.entries.push(entry.clone());
        }
        page.more = page.entries.len() < rest.len();
        page
    }

    fn position_of(&self, cursor: Sequence) -> Position {
        if cursor > self.session.state.reached {
            return self.session.state.head;
        }
        // The first entry that reached the cursor is the event itself; entries lie at their
        // positions, counted from 1.
        let before = self.log.partition_point(|(entry, _)| entry.reached < cursor);
        self.log
            .get(before)
            .filter(|_| cursor > Sequence(0))
            .map_or(Position(0), |it| it.0.position)
    }

    fn listed(&self) -> Listed {
        Listed {
            session: Session::clone(&self.session),
            created_at: self.created_at,
            last_seen: self.last_seen,
            user_id: user_of(&self.session.facts),
        }
    }
}

impl KeptJob {
    fn is_free(&self, now: Timestamp) -> bool {
        self.lease.is_none_or(|it| it.until <= now)
    }

    /// A lease that has ended is held until somebody else takes the job.
    fn is_held_by(&self, node: NodeId) -> bool {
        self.lease.is_some_and(|it| it.node == node)
    }
}

fn fits(query: &SessionQuery, listed: &Listed) -> bool {
    let ended_at = listed.session.ended_at();
    let is_wanted = match query.liveness {
        None => true,
        Some(Liveness::Live) => ended_at.is_none(),
        Some(Liveness::Ended) => ended_at.is_some(),
    };
    is_wanted
        && query.connectors.includes(&listed.session.facts.connector)
        && query.created_from.is_none_or(|from| listed.created_at >= from)
        && query.created_before.is_none_or(|before| listed.created_at < before)
        && query.ended_before.is_none_or(|before| ended_at.is_some_and(|it| it < before))
        && query.user_id.as_ref().is_none_or(|it| listed.user_id.as_ref() == Some(it))
}

/// As many as where entries are stored, so that pages are the same everywhere.
fn stored_bytes(event: &Event) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    serde_json::to_writer(&mut count, event).expect("an event is plain data");
    count.0
}
