//! The one way to change a session. Sockets, bots and timers all come through `Node::execute`.

use std::{num::NonZeroUsize, ops::Range, sync::Arc};

use lru::LruCache;
use parking_lot::Mutex;
use segue_core::{
    Actor, Command, Entry, EntryId, MessageKey, NodeId, Position, Rejected, Session, SessionId,
    Timestamp,
    ports::{Appended, Broker, Commit, Deletion, Store, StoreError},
};
use tokio::{sync::Notify, time::Instant};
use tracing::{debug, warn};

use crate::{
    limits,
    metrics::{Metrics, floor_label},
    overload::AppendsUnderWay,
    traces::Traces,
};

/// Where a node takes time and randomness from. The simulator gives its own.
#[derive(Clone)]
pub struct Sources {
    /// Milliseconds since the epoch.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Yields a fresh UUID v7 each.
    pub new_id: Arc<dyn Fn() -> u128 + Send + Sync>,
}

/// A process that serves sessions.
pub struct Node {
    /// Its name in leases; another one after every start.
    pub id: NodeId,
    /// The log.
    pub store: Arc<dyn Store>,
    /// Where it takes time and randomness from.
    pub sources: Sources,
    /// Something was committed that a worker has to do.
    pub work: Notify,
    /// What the store was asked to write and has not answered.
    pub appends: AppendsUnderWay,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// What it says of turns; nothing unless it is given something.
    pub traces: Traces,
    broker: Arc<dyn Broker>,
    /// States as they were when last seen here. Others may have moved on: a cached state may only
    /// lead to an append, which then finds out.
    cache: Mutex<LruCache<SessionId, Arc<Session>>>,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is in the log.
    Recorded {
        /// With these entries; none for a command that had nothing to record.
        last: Position,
    },
    /// A message with the same key was in the log already, in this entry.
    Duplicate(Box<Entry>),
    /// It is not allowed now, or changes nothing.
    Rejected(Rejected),
    /// A condition outside the session does not hold.
    Taken,
    /// There is no such session.
    NotFound,
    /// Whether it took effect is unknown. Repeating it with the same ids is safe.
    Unavailable,
}

/// What was decided for each command, on one state.
struct Plan {
    commit: Option<Commit>,
    /// For each command that is still open: its number, and what becomes of it if the write holds.
    steps: Vec<(usize, Step)>,
}

enum Step {
    Append(Range<usize>),
    Refuse(Rejected),
    /// The same message stands earlier among the commands.
    SameAs(usize),
}

impl Node {
    /// A node that has not served anybody yet.
    pub fn new(
        id: NodeId,
        store: Arc<dyn Store>,
        broker: Arc<dyn Broker>,
        sources: Sources,
        metrics: Arc<Metrics>,
    ) -> Self {
        let size = NonZeroUsize::new(limits::SESSIONS_CACHED_MAX).unwrap_or(NonZeroUsize::MIN);
        let cache = Mutex::new(LruCache::new(size));
        Self {
            id,
            store,
            sources,
            work: Notify::new(),
            appends: AppendsUnderWay::default(),
            metrics,
            traces: Traces::default(),
            broker,
            cache,
        }
    }

    /// Now, on this node's clock.
    pub fn now(&self) -> Timestamp {
        (self.sources.now)()
    }

    /// A fresh UUID v7.
    pub fn new_id(&self) -> u128 {
        (self.sources.new_id)()
    }

    /// The newest state of a session; `None` when it does not exist.
    pub async fn load(&self, id: SessionId) -> Result<Option<Arc<Session>>, StoreError> {
        let session = self.store.load(id).await?.map(Arc::new);
        if let Some(session) = &session {
            self.remember(session);
        }
        Ok(session)
    }

    /// A session as it was when last seen here; `None` when it does not exist. Its facts are those
    /// of today, its state may be an old one.
    pub async fn last_known(&self, id: SessionId) -> Result<Option<Arc<Session>>, StoreError> {
        let cached = self.cache.lock().peek(&id).cloned();
        match cached {
            Some(session) => Ok(Some(session)),
            None => self.load(id).await,
        }
    }

    /// Whether the state of a session is in the cache: it was at work here of late, or has just begun.
    pub fn knows(&self, id: SessionId) -> bool {
        self.cache.lock().contains(&id)
    }

    /// How many states are in the cache.
    pub fn cached(&self) -> usize {
        self.cache.lock().len()
    }

    /// The floor of each session, as a metric's label has it; `None` where its state is not cached.
    pub fn floors(&self, ids: &[SessionId]) -> Vec<Option<&'static str>> {
        let mut floors = Vec::with_capacity(ids.len());
        for ids in ids.chunks(limits::METRICS_LOOKUPS_MAX) {
            let cache = self.cache.lock();
            let floor = |id| cache.peek(id).map(|it| floor_label(&it.state.floor));
            floors.extend(ids.iter().map(floor));
        }
        floors
    }

    /// Creates a session, if its token may create another one.
    pub async fn create(&self, session: Session, start: Command) -> Outcome {
        let plan = self.plan(&session, Actor::System, &[start], &[None]);
        let Some(commit) = plan.commit else { return Outcome::Rejected(Rejected::AlreadyDone) };
        match self.append(&session, &commit).await {
            Ok(Appended::Recorded) => {
                self.committed(&commit).await;
                Outcome::Recorded { last: commit.session.state.head }
            }
            Ok(Appended::Taken) => Outcome::Taken,
            Ok(Appended::Conflict | Appended::Duplicate(_)) => {
                Outcome::Rejected(Rejected::AlreadyDone)
            }
            Err(error) => {
                warn!(session.id = %session.id, %error, "session {} was not created: {error}", session.id);
                Outcome::Unavailable
            }
        }
    }

    /// Deletes a session with everything that was kept of it, and returns the proof. One that goes on
    /// has to be ended first, or its connections wait for what never comes.
    pub async fn delete(&self, id: SessionId, by: &str) -> Result<Option<Deletion>, StoreError> {
        let deletion = self.store.delete_session(id, self.now(), by).await?;
        self.forget(id);
        Ok(deletion)
    }

    /// Executes commands of one actor on one session: decided one after another on the same state,
    /// appended as one conditional write, told to everybody. One outcome for each, in order.
    pub async fn execute(&self, id: SessionId, actor: Actor, commands: &[Command]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; commands.len()];
        // What comes of it is remembered, and only then is it the newest in the cache: to move it there
        // touches the memory of others.
        let mut cached = self.cache.lock().peek(&id).cloned();
        self.metrics.cache_looked_at(cached.is_some());
        // A copy of a message is no conflict: it takes a round, and settles one of the commands.
        for _ in 0..limits::CONFLICTS_MAX + commands.len() {
            let is_cached = cached.is_some();
            let session = match cached.take() {
                Some(session) => session,
                None => match self.load(id).await {
                    Ok(Some(session)) => session,
                    Ok(None) => return settle(outcomes, &Outcome::NotFound),
                    Err(error) => {
                        warn!(session.id = %id, %error, "cannot load session {id}: {error}");
                        return settle(outcomes, &Outcome::Unavailable);
                    }
                },
            };
            let plan = self.plan(&session, actor, commands, &outcomes);
            if is_cached && plan.refuses() {
                // Others may have moved on: only the row itself is believed in this.
                continue;
            }
            let Ok(found) = self.find_refused(id, commands, &plan).await else {
                return settle(outcomes, &Outcome::Unavailable);
            };
            let appended = match &plan.commit {
                None => Ok(Appended::Recorded),
                Some(commit) => self.append(&session, commit).await,
            };
            match appended {
                Ok(Appended::Recorded) => {
                    if let Some(commit) = &plan.commit {
                        self.committed(commit).await;
                    }
                    plan.settle(&mut outcomes, found);
                    return settle(outcomes, &Outcome::Unavailable);
                }
                Ok(Appended::Conflict) => {
                    debug!(session.id = %id, "somebody was first in session {id}, deciding again");
                    self.forget(id);
                }
                Ok(Appended::Duplicate(entry)) => {
                    self.forget(id);
                    mark_duplicates(&mut outcomes, commands, &entry);
                }
                Ok(Appended::Taken) => return settle(outcomes, &Outcome::Taken),
                Err(error) => {
                    self.forget(id);
                    warn!(session.id = %id, %error, "cannot append to session {id}, what was asked is refused: {error}");
                    return settle(outcomes, &Outcome::Unavailable);
                }
            }
        }
        warn!(session.id = %id, "too many conflicts in session {id}");
        settle(outcomes, &Outcome::Unavailable)
    }

    /// Decides the open commands one after another, each on what the ones before it lead to.
    fn plan(
        &self,
        session: &Session,
        actor: Actor,
        commands: &[Command],
        outcomes: &[Option<Outcome>],
    ) -> Plan {
        let now = self.now();
        let mut builder = Commit::begin(session);
        let mut steps: Vec<(usize, Step)> = Vec::with_capacity(commands.len());
        for (i, command) in commands.iter().enumerate() {
            if outcomes[i].is_some() {
                continue;
            }
            let same = command.message_key().and_then(|key| same_before(commands, i, key));
            if let Some(earlier) = same {
                steps.push((i, Step::SameAs(earlier)));
                continue;
            }
            let before = builder.entries().len();
            let step = match builder.session().decide(now, actor, command) {
                Err(rejected) => Step::Refuse(rejected),
                Ok(decision) => {
                    builder.add(now, decision, || EntryId(self.new_id()));
                    Step::Append(before..builder.entries().len())
                }
            };
            steps.push((i, step));
        }
        Plan { commit: builder.finish(), steps }
    }

    /// Before a message that has a key is refused, it is looked for: a retry of what succeeded must
    /// be told so, also when the rules would no longer allow it.
    async fn find_refused(
        &self,
        id: SessionId,
        commands: &[Command],
        plan: &Plan,
    ) -> Result<Vec<(usize, Entry)>, StoreError> {
        let mut found = Vec::new();
        for (i, step) in &plan.steps {
            let (Step::Refuse(_), Some(key)) = (step, commands[*i].message_key()) else { continue };
            if let Some(entry) = self.store.find_message(id, key).await? {
                found.push((*i, entry));
            }
        }
        Ok(found)
    }

    async fn append(&self, before: &Session, commit: &Commit) -> Result<Appended, StoreError> {
        let _under_way = self.appends.begin();
        let traced = self.traces.append(before, commit);
        let began_at = Instant::now();
        let appended = self.store.append(commit).await;
        self.metrics.appended(began_at.elapsed(), commit.entries.len(), &appended);
        traced.end(&appended);
        appended
    }

    /// Commit, then tell.
    async fn committed(&self, commit: &Commit) {
        self.remember(&commit.session);
        let id = commit.session.id;
        debug!(session.id = %id, entries = commit.entries.len(), "appended to session {id}");
        self.broker.publish(id, Arc::clone(&commit.entries)).await;
        if !commit.jobs.is_empty() {
            self.work.notify_one();
        }
    }

    fn remember(&self, session: &Arc<Session>) {
        let mut cache = self.cache.lock();
        match cache.get_mut(&session.id) {
            Some(known) if known.state.head >= session.state.head => {}
            Some(known) => *known = Arc::clone(session),
            None => drop(cache.put(session.id, Arc::clone(session))),
        }
    }

    /// Keeps the state of a session no longer: it is loaded again when somebody needs it.
    pub fn forget(&self, id: SessionId) {
        self.cache.lock().pop(&id);
    }
}

impl Plan {
    /// Whether any command is refused.
    fn refuses(&self) -> bool {
        self.steps.iter().any(|(_, it)| matches!(it, Step::Refuse(_)))
    }

    /// The write holds: says what became of each command.
    fn settle(self, outcomes: &mut [Option<Outcome>], found: Vec<(usize, Entry)>) {
        let entries = self.commit.as_ref().map_or(&[][..], |it| &it.entries);
        let mut same = Vec::new();
        for (i, step) in self.steps {
            outcomes[i] = Some(match step {
                Step::Append(range) => {
                    let last = entries[range].last();
                    Outcome::Recorded { last: last.map_or(Position(0), |it| it.position) }
                }
                Step::Refuse(rejected) => Outcome::Rejected(rejected),
                Step::SameAs(earlier) => {
                    same.push((i, earlier));
                    continue;
                }
            });
        }
        for (i, entry) in found {
            outcomes[i] = Some(Outcome::Duplicate(Box::new(entry)));
        }
        for (i, earlier) in same {
            outcomes[i] = match &outcomes[earlier] {
                Some(Outcome::Recorded { last }) => entries
                    .iter()
                    .find(|it| it.position == *last)
                    .map(|it| Outcome::Duplicate(Box::new(it.clone()))),
                other => other.clone(),
            };
        }
    }
}

/// The earlier command that carries the same message.
fn same_before(commands: &[Command], i: usize, key: &MessageKey) -> Option<usize> {
    commands[..i].iter().position(|it| it.message_key() == Some(key))
}

fn mark_duplicates(outcomes: &mut [Option<Outcome>], commands: &[Command], entry: &Entry) {
    for (outcome, command) in outcomes.iter_mut().zip(commands) {
        if command.message_key().is_some() && command.message_key() == entry.event.message_key() {
            *outcome = Some(Outcome::Duplicate(Box::new(entry.clone())));
        }
    }
}

fn settle(outcomes: Vec<Option<Outcome>>, rest: &Outcome) -> Vec<Outcome> {
    outcomes.into_iter().map(|it| it.unwrap_or_else(|| rest.clone())).collect()
}
