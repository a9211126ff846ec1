//! A store that counts what it is asked, and can be without an answer to `heads`.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use segue_core::{
    Entry, MessageKey, NodeId, Position, Sequence, Session, SessionId, Timestamp,
    ports::{
        Alive, Appended, ClaimedJob, Commit, Deletion, Downtime, Figures, JobId, JobKind, Listed,
        Page, Put, ReadLimit, Record, RecordKind, SessionQuery, Settled, Store, StoreError,
    },
};
use segue_store::MemoryStore;

#[derive(Default)]
pub struct CountingStore {
    store: MemoryStore,
    asked: Mutex<BTreeMap<&'static str, usize>>,
    is_blind: AtomicBool,
}

impl CountingStore {
    /// What it was asked since the last call, and how often.
    pub fn asked(&self) -> Vec<(&'static str, usize)> {
        std::mem::take(&mut *self.asked.lock()).into_iter().collect()
    }

    /// Whether it cannot say where logs end.
    pub fn set_blind(&self, is_blind: bool) {
        self.is_blind.store(is_blind, Ordering::Relaxed);
    }

    fn ask(&self, name: &'static str) -> Result<(), StoreError> {
        *self.asked.lock().entry(name).or_default() += 1;
        match name {
            "heads" if self.is_blind.load(Ordering::Relaxed) => {
                Err(StoreError("the test has blinded the store".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

macro_rules! counted {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)+) => {
        #[async_trait]
        impl Store for CountingStore {
            $(async fn $name(&self, $($arg: $kind),*) -> Result<$out, StoreError> {
                self.ask(stringify!($name))?;
                self.store.$name($($arg),*).await
            })+
        }
    };
}

counted! {
    append(commit: &Commit) -> Appended;
    load(id: SessionId) -> Option<Session>;
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
