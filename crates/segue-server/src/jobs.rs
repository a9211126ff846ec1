//! What must be done after its cause was committed: turns and timers. Claims jobs, runs them,
//! keeps their leases, says what became of them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use segue_core::{
    Actor, Command, Expire, Floor, Rejected, Session, SessionId, Timestamp, Turn, TurnReason,
    ports::{Alive, ClaimedJob, Downtime, Job, JobId, JobKind, Settled, StoreError},
};
use tokio::{
    task::{self, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

mod housekeeping;
mod queue;

use queue::{HeldTurn, TurnQueue};

use crate::{
    config::BotId,
    connectors::Connector,
    directory::Directory,
    hub::Hub,
    limits::{self, Limits},
    node::{Node, Outcome},
    turn::{Room, TurnWorker},
};

/// What runs jobs on this node.
pub struct Workers {
    node: Arc<Node>,
    hub: Arc<Hub>,
    connectors: Arc<Directory>,
    turns: Arc<TurnWorker>,
    /// When this node started.
    started_at: Timestamp,
    /// When no node ran, as far as it matters for sessions that live.
    downtimes: Mutex<Vec<Downtime>>,
    turns_here: Mutex<TurnsHere>,
}

/// The turns that this node has claimed.
#[derive(Default)]
struct TurnsHere {
    /// All of them; their leases are kept.
    held: BTreeMap<JobId, Held>,
    queue: TurnQueue,
}

/// What a turn is doing that this node has claimed.
enum Held {
    Waits,
    /// It has a task, and takes room of this bot.
    Runs(task::Id, Option<BotId>),
}

type Tasks = JoinSet<(JobId, Settled)>;

impl Workers {
    /// Records the node's start, and with it for how long none ran.
    pub async fn start(
        node: Arc<Node>,
        hub: Arc<Hub>,
        connectors: Arc<Directory>,
    ) -> Result<Self, StoreError> {
        let started_at = node.now();
        let since = started_at.saturating_sub(limits::DOWNTIME_KEPT_MS);
        let downtimes = Mutex::new(node.store.record_start(started_at, since).await?);
        let turns = Arc::new(TurnWorker {
            node: Arc::clone(&node),
            hub: Arc::clone(&hub),
            connectors: Arc::clone(&connectors),
        });
        let turns_here = Mutex::default();
        Ok(Self { node, hub, connectors, turns, started_at, downtimes, turns_here })
    }

    /// Runs jobs until told to stop; then no new ones, and those that run have `grace` to end.
    /// What is left goes on after the next start.
    pub async fn run(self: &Arc<Self>, stop: CancellationToken, grace: Duration) {
        let mut tasks = Tasks::new();
        let mut renew = tokio::time::interval(Duration::from_millis(limits::JOB_RENEW_MS));
        let mut alive =
            tokio::time::interval(Duration::from_millis(limits::LIVENESS_WRITE_SECONDS * 1_000));
        let mut timers = tokio::time::interval(Duration::from_millis(limits::TIMERS_INTERVAL_MS));
        let mut housekeeping =
            tokio::time::interval(Duration::from_secs(limits::HOUSEKEEPING_SECONDS));
        let mut settled: Vec<(JobId, Settled)> = Vec::new();
        alive.tick().await;
        loop {
            self.claim_turns(&mut tasks).await;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = tasks.join_next() => settled.extend(self.ended(done)),
                _ = renew.tick() => self.renew().await,
                _ = timers.tick() => {
                    self.record_returned().await;
                    if self.run_timers().await {
                        timers.reset_immediately();
                    }
                }
                _ = alive.tick() => self.record_alive().await,
                _ = housekeeping.tick() => self.keep_house().await,
                () = self.connectors.revocation() => housekeeping.reset_immediately(),
                () = self.node.work.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(limits::JOBS_POLL_MS)) => {}
            }
            while let Some(done) = tasks.try_join_next() {
                settled.extend(self.ended(done));
            }
            self.settle(&mut settled).await;
        }
        self.wind_down(tasks, settled, grace).await;
    }

    /// Running turns have a while; then they are left to whoever runs next.
    async fn wind_down(
        &self,
        mut tasks: Tasks,
        mut settled: Vec<(JobId, Settled)>,
        grace: Duration,
    ) {
        let deadline = Instant::now() + grace;
        while let Ok(Some(done)) = tokio::time::timeout_at(deadline, tasks.join_next()).await {
            settled.extend(self.ended(done));
        }
        tasks.shutdown().await;
        let again = Settled::Again { run_at: self.node.now() };
        let left: Vec<JobId> = self.turns_here.lock().held.keys().copied().collect();
        settled.extend(left.into_iter().map(|it| (it, again)));
        self.settle(&mut settled).await;
        self.record_alive().await;
    }

    /// Takes all turns that are due, as far as there is room to hold them, and begins those whose
    /// bots have room. All, because a bot that is flooded must not hide the others' turns.
    async fn claim_turns(&self, tasks: &mut Tasks) {
        loop {
            let held = self.turns_here.lock().held.len();
            let room = limits::TURNS_HELD_MAX.saturating_sub(held).min(limits::TURNS_BATCH_MAX);
            if room == 0 {
                break;
            }
            let claimed = self.claim(JobKind::Turns, room).await;
            let may_be_more = claimed.len() == room;
            for claimed in claimed {
                self.take_turn(claimed, tasks).await;
            }
            if !may_be_more {
                break;
            }
        }
        self.begin_turns(tasks);
    }

    /// Has a turn wait for its bot, or finds out that too many do.
    async fn take_turn(&self, claimed: ClaimedJob, tasks: &mut Tasks) {
        let Job::RunBot { turn } = claimed.job else { return };
        let taken_at = self.node.traces.clock();
        let turn = HeldTurn { job: claimed.id, session: claimed.session, turn, taken_at };
        // A lease that lapsed under a turn that is held: it is this node's again.
        if self.turns_here.lock().held.contains_key(&turn.job) {
            return;
        }
        let session = self.node.last_known(claimed.session).await.unwrap_or_else(|error| {
            warn!(session.id = %claimed.session, %error, "cannot read whose turn is due");
            None
        });
        let connector = session.as_ref().and_then(|it| self.connectors.get(&it.facts.connector));
        let asks_bot = |connector: &Arc<Connector>| {
            let is_greeting = session.as_ref().is_some_and(|it| owes_greeting(it, turn.turn));
            !is_greeting || connector.bot.greeting.is_none()
        };
        let mut here = self.turns_here.lock();
        let Some(connector) = connector.filter(asks_bot) else {
            // A greeting that is configured; or it cannot be answered, which is found out like
            // everything else about a turn.
            let id = self.spawn(turn, Room::Given, tasks);
            here.held.insert(turn.job, Held::Runs(id, None));
            return;
        };
        here.held.insert(turn.job, Held::Waits);
        let bot = &connector.bot;
        if let Some(refused) = here.queue.push(&bot.id, bot.limits, &connector.id, turn) {
            warn!(session.id = %refused.session, bot = %bot.id, "too many turns wait for bot {}", bot.id);
            let id = self.spawn(refused, Room::None, tasks);
            here.held.insert(refused.job, Held::Runs(id, None));
        }
    }

    /// Begins the turns whose bots have room.
    fn begin_turns(&self, tasks: &mut Tasks) {
        let mut here = self.turns_here.lock();
        while let Some((bot, turn)) = here.queue.next() {
            let id = self.spawn(turn, Room::Given, tasks);
            here.held.insert(turn.job, Held::Runs(id, Some(bot)));
        }
    }

    fn spawn(&self, held: HeldTurn, room: Room, tasks: &mut Tasks) -> task::Id {
        let turns = Arc::clone(&self.turns);
        let HeldTurn { job, session, turn, taken_at } = held;
        let attempt = self.node.traces.attempt(session, turn, taken_at);
        tasks
            .spawn(async move {
                let settled = attempt.around(turns.run(session, turn, room)).await;
                (job, settled)
            })
            .id()
    }

    async fn claim(&self, kind: JobKind, limit: usize) -> Vec<ClaimedJob> {
        let now = self.node.now();
        let lease_until = now + limits::JOB_LEASE_MS;
        let claim = self.node.store.claim_jobs(self.node.id, kind, now, lease_until, limit).await;
        claim.unwrap_or_else(|error| {
            warn!(%error, "cannot claim jobs now, will retry: {error}");
            Vec::new()
        })
    }

    fn ended(&self, done: Result<(JobId, Settled), JoinError>) -> Option<(JobId, Settled)> {
        match done {
            Ok((id, settled)) => {
                self.turns_here.lock().forget(id);
                Some((id, settled))
            }
            Err(error) => {
                // Its lease ends, and it runs again: a turn's starts are counted.
                warn!(%error, "the task of a turn died, its job runs again when its lease ends: {error}");
                let mut here = self.turns_here.lock();
                let is_it = |it: &Held| matches!(it, Held::Runs(task, _) if *task == error.id());
                let dead = here.held.iter().find(|(_, it)| is_it(it)).map(|(id, _)| *id);
                if let Some(id) = dead {
                    here.forget(id);
                }
                None
            }
        }
    }

    async fn settle(&self, settled: &mut Vec<(JobId, Settled)>) {
        if settled.is_empty() {
            return;
        }
        match self.node.store.settle_jobs(self.node.id, settled).await {
            Ok(()) => settled.clear(),
            // Kept for the next round; should this node die, the leases end.
            Err(error) => warn!(%error, "cannot settle jobs now, will retry: {error}"),
        }
    }

    async fn renew(&self) {
        let jobs: Vec<JobId> = self.turns_here.lock().held.keys().copied().collect();
        if jobs.is_empty() {
            return;
        }
        let lease_until = self.node.now() + limits::JOB_LEASE_MS;
        if let Err(error) = self.node.store.renew_jobs(self.node.id, &jobs, lease_until).await {
            warn!(%error, "cannot renew leases of running turns now: {error}");
        }
    }

    async fn record_alive(&self) {
        let news = self.hub.take_news(self.node.now());
        self.record(&news).await;
    }

    /// Who comes back after a long silence may be just in time, and another node may be the one
    /// that looks: that cannot wait for the next minute.
    async fn record_returned(&self) {
        let news = self.hub.take_returned();
        if !news.is_empty() {
            self.record(&news).await;
        }
    }

    async fn record(&self, news: &[(SessionId, Timestamp)]) {
        let alive = Alive { since: self.started_at, at: self.node.now() };
        match self.node.store.record_alive(alive, news).await {
            Ok(downtimes) => *self.downtimes.lock() = downtimes,
            Err(error) => {
                warn!(%error, "cannot record that this node is alive: {error}");
                self.hub.return_news(news);
            }
        }
    }

    /// Looks after a batch of sessions whose timer is due, all at once. Whether there may be more:
    /// turns go first.
    async fn run_timers(&self) -> bool {
        let claimed = self.claim(JobKind::Timers, limits::TIMERS_BATCH_MAX).await;
        if claimed.is_empty() {
            return false;
        }
        let ids: Vec<SessionId> = claimed.iter().map(|it| it.session).collect();
        let seen = match self.node.store.last_seen(&ids).await {
            Ok(seen) => seen,
            Err(error) => {
                warn!(%error, "cannot read when users were last seen, no session is ended now: {error}");
                return false;
            }
        };
        let looked_after = claimed
            .iter()
            .zip(seen)
            .map(async |(job, seen)| (job.id, self.expire(job.session, seen).await));
        let mut settled = futures_util::future::join_all(looked_after).await;
        self.settle(&mut settled).await;
        claimed.len() == limits::TIMERS_BATCH_MAX
    }

    /// Ends a session whose time is up, or says when to look again.
    async fn expire(&self, id: SessionId, stored_seen: Timestamp) -> Settled {
        let retry = Settled::Again { run_at: self.node.now() + limits::TIMER_RETRY_MS };
        let session = match self.node.load(id).await {
            Ok(Some(session)) => session,
            Ok(None) => return Settled::Done,
            Err(_) => return retry,
        };
        if session.ended_at().is_some() {
            return Settled::Done;
        }
        let limits = self.limits(&session.facts.connector);
        let seen = stored_seen.max(self.hub.seen_at(id).unwrap_or(0));
        let clocks = Expire {
            last_seen: self.without_downtime(seen),
            last_said: self.without_downtime(session.state.last_said_at),
            not_before: self.started_at + limits.restart_grace_seconds * 1_000,
            idle_ms: limits.idle_seconds * 1_000,
            silence_ms: limits.silence_seconds * 1_000,
        };
        let (at, _) = session.expiry(&clocks);
        if self.node.now() < at {
            return Settled::Again { run_at: at };
        }
        let command = Command::Expire(clocks);
        match self.node.execute(id, Actor::System, &[command]).await.remove(0) {
            Outcome::Rejected(Rejected::NotYet { at }) => Settled::Again { run_at: at },
            Outcome::Unavailable => retry,
            _ => Settled::Done,
        }
    }

    fn limits(&self, connector: &segue_core::ConnectorId) -> Arc<Limits> {
        self.connectors.get(connector).map(|it| Arc::clone(&it.limits)).unwrap_or_default()
    }

    /// Moves a time forward by the downtime since: time in which no node ran does not count.
    fn without_downtime(&self, at: Timestamp) -> Timestamp {
        let down_ms = |it: &Downtime| it.to.saturating_sub(it.from.max(at));
        at + self.downtimes.lock().iter().map(down_ms).sum::<u64>()
    }
}

/// Whether this turn is due and is the greeting.
fn owes_greeting(session: &Session, turn: Turn) -> bool {
    let Floor::BotDue { turn: due, why, .. } = &session.state.floor else { return false };
    *due == turn && *why == TurnReason::Join
}

impl TurnsHere {
    /// A turn's task is over: its bot has room again.
    fn forget(&mut self, id: JobId) {
        if let Some(Held::Runs(_, Some(bot))) = self.held.remove(&id) {
            self.queue.ended(&bot);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
