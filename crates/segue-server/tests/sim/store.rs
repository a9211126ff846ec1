//! The store as one node sees it: calls fail before or after the commit, hang, are slow; and it ends
//! with the node. What it commits is written into the chronicle at that very moment.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use segue_core::{
    Entry, MessageKey, NodeId, Position, Sequence, Session, SessionId, Timestamp,
    ports::{
        Alive, Appended, ClaimedJob, Commit, Deletion, Downtime, Figures, JobId, JobKind, Listed,
        Page, Put, ReadLimit, Record, RecordKind, SessionQuery, Settled, Store, StoreError,
    },
};

use crate::{plan::Kind, situations::Situation, world::World};

/// One life of a node, from its start to its crash or stop.
#[derive(Debug, Default)]
pub struct Life {
    /// Unique in the world.
    pub number: u64,
    /// Which of the nodes.
    pub place: usize,
    /// Its clock, when it started.
    pub started_at: Timestamp,
    /// How far its clock is ahead, in milliseconds.
    pub skew_ms: i64,
    pub is_dead: AtomicBool,
    pub is_stopping: AtomicBool,
    /// Its calls hang until then.
    pub frozen_until_ms: AtomicU64,
    /// Its calls fail until then.
    pub out_until_ms: AtomicU64,
    /// It cannot renew its leases until then.
    pub no_renewals_until_ms: AtomicU64,
}

impl Life {
    pub fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Relaxed)
    }

    pub fn is_frozen(&self, now_ms: u64) -> bool {
        now_ms < self.frozen_until_ms.load(Ordering::Relaxed)
    }
}

/// The store in the hands of one node.
pub struct NodeStore {
    pub world: Arc<World>,
    pub life: Arc<Life>,
}

impl NodeStore {
    async fn before(&self, what: &str) -> Result<(), StoreError> {
        let world = &self.world;
        self.live().await;
        let weather = world.weather();
        if world.dice.permille(weather.slow_permille) {
            let ms = world.dice.within(1, weather.slow_ms_max);
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        loop {
            self.live().await;
            let frozen_until_ms = self.life.frozen_until_ms.load(Ordering::Relaxed);
            let Some(left_ms @ 1..) = frozen_until_ms.checked_sub(world.ms()) else { break };
            tokio::time::sleep(Duration::from_millis(left_ms)).await;
        }
        let is_out = world.ms() < self.life.out_until_ms.load(Ordering::Relaxed);
        if is_out || world.dice.permille(world.weather().fails_before_permille) {
            world.count(Situation::FailedBeforeCommit);
            return Err(StoreError(format!("simulated, before {what}")));
        }
        Ok(())
    }

    async fn after(&self, what: &str) -> Result<(), StoreError> {
        let weather = self.world.weather();
        if self.world.dice.permille(weather.slow_permille) {
            let ms = self.world.dice.within(1, weather.slow_ms_max);
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        self.live().await;
        if self.world.dice.permille(weather.fails_after_permille) {
            return Err(StoreError(format!("simulated, after {what}")));
        }
        Ok(())
    }

    /// The dead do not go on.
    async fn live(&self) {
        if self.life.is_dead() {
            pending::<()>().await;
        }
    }
}

#[async_trait]
impl Store for NodeStore {
    async fn append(&self, commit: &Commit) -> Result<Appended, StoreError> {
        self.before("append").await?;
        let dies_of_it = self.world.dies_of(&self.life, commit);
        let appended = self.world.store.append(commit).await?;
        match &appended {
            Appended::Recorded => self.world.committed(&self.life, commit),
            Appended::Conflict => self.world.count(Situation::Conflict),
            Appended::Duplicate(_) => self.world.count(Situation::DuplicateFoundAtAppend),
            Appended::Taken => self.world.count(Situation::TokenUsedUp),
        }
        if dies_of_it && appended == Appended::Recorded {
            World::crash(&self.world, &self.life);
        }
        let told = self.after("append").await;
        if told.is_err() && appended == Appended::Recorded {
            self.world.count(Situation::CommitOfUnknownFate);
        }
        told.map(|()| appended)
    }

    async fn load(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.before("load").await?;
        let session = self.world.store.load(id).await?;
        let (dice, plan) = (&self.world.dice, &self.world.plan);
        if plan.kind == Kind::LateLoads && self.world.is_active() && dice.percent(60) {
            tokio::time::sleep(Duration::from_millis(dice.within(50, 1_200))).await;
        }
        self.after("load").await?;
        Ok(session)
    }

    async fn read(
        &self,
        id: SessionId,
        after: Position,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        self.before("read").await?;
        let page = self.world.store.read(id, after, limit).await?;
        self.after("read").await?;
        Ok(page)
    }

    async fn position_of(&self, id: SessionId, cursor: Sequence) -> Result<Position, StoreError> {
        self.before("position_of").await?;
        let position = self.world.store.position_of(id, cursor).await?;
        self.after("position_of").await?;
        Ok(position)
    }

    async fn heads(&self, ids: &[SessionId]) -> Result<Vec<Position>, StoreError> {
        self.before("heads").await?;
        let heads = self.world.store.heads(ids).await?;
        self.after("heads").await?;
        let looked: Vec<_> = ids.iter().copied().zip(heads.iter().copied()).collect();
        let hub = self.world.with(self.life.place, |it| Arc::clone(&it.hub));
        let behind = hub.map_or(0, |it| it.behind(&looked).len());
        (0..behind).for_each(|_| self.world.count(Situation::FoundByLook));
        Ok(heads)
    }

    async fn log_end(&self) -> Result<u64, StoreError> {
        self.before("log_end").await?;
        let end = self.world.store.log_end().await?;
        self.after("log_end").await?;
        Ok(end)
    }

    async fn find_message(
        &self,
        id: SessionId,
        key: &MessageKey,
    ) -> Result<Option<Entry>, StoreError> {
        self.before("find_message").await?;
        let found = self.world.store.find_message(id, key).await?;
        self.after("find_message").await?;
        Ok(found)
    }

    async fn bot_state(&self, id: SessionId) -> Result<Option<String>, StoreError> {
        self.before("bot_state").await?;
        let state = self.world.store.bot_state(id).await?;
        self.after("bot_state").await?;
        Ok(state)
    }

    async fn claim_jobs(
        &self,
        node: NodeId,
        kind: JobKind,
        now: Timestamp,
        lease_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        self.before("claim_jobs").await?;
        let claimed = self.world.store.claim_jobs(node, kind, now, lease_until, limit).await?;
        self.after("claim_jobs").await?;
        Ok(claimed)
    }

    async fn renew_jobs(
        &self,
        node: NodeId,
        jobs: &[JobId],
        lease_until: Timestamp,
    ) -> Result<(), StoreError> {
        self.before("renew_jobs").await?;
        if self.world.ms() < self.life.no_renewals_until_ms.load(Ordering::Relaxed) {
            return Err(StoreError("simulated, no renewals".to_owned()));
        }
        self.world.store.renew_jobs(node, jobs, lease_until).await?;
        self.after("renew_jobs").await
    }

    async fn settle_jobs(
        &self,
        node: NodeId,
        settled: &[(JobId, Settled)],
    ) -> Result<(), StoreError> {
        self.before("settle_jobs").await?;
        self.world.store.settle_jobs(node, settled).await?;
        self.after("settle_jobs").await
    }

    async fn last_seen(&self, ids: &[SessionId]) -> Result<Vec<Timestamp>, StoreError> {
        self.before("last_seen").await?;
        let seen = self.world.store.last_seen(ids).await?;
        self.after("last_seen").await?;
        Ok(seen)
    }

    async fn record_alive(
        &self,
        alive: Alive,
        seen: &[(SessionId, Timestamp)],
    ) -> Result<Vec<Downtime>, StoreError> {
        self.before("record_alive").await?;
        let downtimes = self.world.store.record_alive(alive, seen).await?;
        self.world.alive_recorded(&self.life, alive, seen);
        self.after("record_alive").await?;
        Ok(downtimes)
    }

    async fn record_start(
        &self,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<Vec<Downtime>, StoreError> {
        self.before("record_start").await?;
        let downtimes = self.world.store.record_start(now, since).await?;
        self.world.start_recorded(&self.life, &downtimes);
        self.after("record_start").await?;
        Ok(downtimes)
    }

    async fn list(&self, query: &SessionQuery) -> Result<Vec<Listed>, StoreError> {
        self.before("list").await?;
        self.world.store.list(query).await
    }

    async fn delete_session(
        &self,
        id: SessionId,
        now: Timestamp,
        by: &str,
    ) -> Result<Option<Deletion>, StoreError> {
        self.before("delete_session").await?;
        let deletion = self.world.store.delete_session(id, now, by).await?;
        self.after("delete_session").await?;
        Ok(deletion)
    }

    async fn deletion(&self, id: SessionId) -> Result<Option<Deletion>, StoreError> {
        self.before("deletion").await?;
        self.world.store.deletion(id).await
    }

    async fn records(&self, kind: RecordKind) -> Result<Vec<Record>, StoreError> {
        self.before("records").await?;
        self.world.store.records(kind).await
    }

    async fn put_record(&self, record: &Record) -> Result<Put, StoreError> {
        self.before("put_record").await?;
        let put = self.world.store.put_record(record).await?;
        self.after("put_record").await?;
        Ok(put)
    }

    async fn figures(&self, now: Timestamp) -> Result<Figures, StoreError> {
        self.before("figures").await?;
        self.world.store.figures(now).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.before("check").await
    }
}
