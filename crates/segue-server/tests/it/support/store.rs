//! A store that can be away.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use segue_core::{
    Entry, MessageKey, NodeId, Position, Sequence, Session, SessionId, Timestamp,
    ports::{
        Alive, Appended, ClaimedJob, Commit, Deletion, Downtime, Figures, JobId, JobKind, Listed,
        Page, Put, ReadLimit, Record, RecordKind, SessionQuery, Settled, Store, StoreError,
    },
};
use segue_server::server::Tweaks;
use tokio::sync::watch;

/// Takes the store away, or only its jobs, and brings it back.
#[derive(Clone, Default)]
pub struct Switch {
    is_off: Arc<AtomicBool>,
    is_without_jobs: Arc<AtomicBool>,
    has_fault: Arc<AtomicBool>,
    held: Arc<watch::Sender<BTreeSet<SessionId>>>,
}

impl Switch {
    /// A server with this has a store that answers only while the switch is on, as it is at first.
    pub fn tweaks(&self) -> Tweaks {
        let switch = self.clone();
        let around_store = move |store| Arc::new(Switched { store, switch }) as Arc<dyn Store>;
        Tweaks { around_store: Some(Box::new(around_store)), ..Tweaks::default() }
    }

    /// The store does not answer from now on.
    pub fn off(&self) {
        self.is_off.store(true, Ordering::SeqCst);
    }

    /// The store answers, but gives nobody a job: turns are due and not started.
    pub fn without_jobs(&self) {
        self.is_without_jobs.store(true, Ordering::SeqCst);
    }

    /// Whoever reads a log meets a fault, and not only a store that is away.
    pub fn broken(&self) {
        self.has_fault.store(true, Ordering::SeqCst);
    }

    /// The states of these sessions are not to be had until others are named.
    pub fn hold(&self, ids: impl IntoIterator<Item = SessionId>) {
        self.held.send_replace(ids.into_iter().collect());
    }

    /// How many wait for one of them.
    pub fn waiting(&self) -> usize {
        self.held.receiver_count()
    }

    /// The store answers again.
    pub fn on(&self) {
        self.is_off.store(false, Ordering::SeqCst);
        self.is_without_jobs.store(false, Ordering::SeqCst);
        self.has_fault.store(false, Ordering::SeqCst);
    }

    fn check(&self, method: &str) -> Result<(), StoreError> {
        let is_fault = self.has_fault.load(Ordering::SeqCst) && method == "read";
        assert!(!is_fault, "the test has put a fault into the log");
        let has_no_jobs = self.is_without_jobs.load(Ordering::SeqCst);
        if self.is_off.load(Ordering::SeqCst) || (has_no_jobs && method == "claim_jobs") {
            return Err(StoreError("the test has taken the store away".to_owned()));
        }
        Ok(())
    }
}

struct Switched {
    store: Arc<dyn Store>,
    switch: Switch,
}

macro_rules! switched {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)+) => {
        #[async_trait]
        impl Store for Switched {
            async fn load(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
                self.switch.check("load")?;
                if self.switch.held.borrow().contains(&id) {
                    let freed = |it: &BTreeSet<SessionId>| !it.contains(&id);
                    let _ = self.switch.held.subscribe().wait_for(freed).await;
                }
                self.store.load(id).await
            }
            $(async fn $name(&self, $($arg: $kind),*) -> Result<$out, StoreError> {
                self.switch.check(stringify!($name))?;
                self.store.$name($($arg),*).await
            })+
        }
    };
}

switched! {
    append(commit: &Commit) -> Appended;
    read(id: SessionId, after: Position, limit: ReadLimit) -> Page;
    position_of(id: SessionId, cursor: Sequence) -> Position;
    heads(ids: &[SessionId]) -> Vec<Position>;
    log_end() -> u64;
    find_message(id: SessionId, key: &MessageKey) -> Option<Entry>;
    bot_state(id: SessionId) -> Option<String>;
    claim_jobs(
        node: NodeId, kind: JobKind, now: Timestamp, lease_until: Timestamp, limit: usize
    ) -> Vec<ClaimedJob>;
    renew_jobs(node: NodeId, jobs: &[JobId], lease_until: Timestamp) -> ();
    settle_jobs(node: NodeId, settled: &[(JobId, Settled)]) -> ();
    last_seen(ids: &[SessionId]) -> Vec<Timestamp>;
    record_alive(alive: Alive, seen: &[(SessionId, Timestamp)]) -> Vec<Downtime>;
    record_start(now: Timestamp, since: Timestamp) -> Vec<Downtime>;
    list(query: &SessionQuery) -> Vec<Listed>;
    delete_session(id: SessionId, now: Timestamp, by: &str) -> Option<Deletion>;
    deletion(id: SessionId) -> Option<Deletion>;
    records(kind: RecordKind) -> Vec<Record>;
    put_record(record: &Record) -> Put;
    figures(now: Timestamp) -> Figures;
    check() -> ();
}
