//! A store that can be away.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use segue_core::{
    Entry, MessageKey, NodeId, Position, Sequence, Session, SessionId, Timestamp,
    ports::{
        Alive, Appended, ClaimedJob, Commit, Downtime, JobId, JobKind, Listed, Page, ReadLimit,
        Settled, Store, StoreError,
    },
};
use segue_server::server::Tweaks;

/// Takes the store away and brings it back.
#[derive(Clone, Default)]
pub struct Switch(Arc<AtomicBool>);

impl Switch {
    /// A server with this has a store that answers only while the switch is on, as it is at first.
    pub fn tweaks(&self) -> Tweaks {
        let switch = self.clone();
        let around_store = move |store| Arc::new(Switched { store, switch }) as Arc<dyn Store>;
        Tweaks { around_store: Some(Box::new(around_store)), ..Tweaks::default() }
    }

    /// The store does not answer from now on.
    pub fn off(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// The store answers again.
    pub fn on(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.0.load(Ordering::SeqCst) {
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
            $(async fn $name(&self, $($arg: $kind),*) -> Result<$out, StoreError> {
                self.switch.check()?;
                self.store.$name($($arg),*).await
            })+
        }
    };
}

switched! {
    append(commit: &Commit) -> Appended;
    load(id: SessionId) -> Option<Session>;
    read(id: SessionId, after: Position, limit: ReadLimit) -> Page;
    position_of(id: SessionId, cursor: Sequence) -> Position;
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
    list(after: Option<SessionId>, limit: usize) -> Vec<Listed>;
    check() -> ();
}
