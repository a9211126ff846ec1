//! The store alone, with the statements of the server: what is left when there are no sockets.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use segue_core::{
    Session,
    ports::{Appended, Commit, Store as _},
};
use segue_store::{SqliteOptions, SqliteStore};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::Instant};

use super::entries;
use crate::{
    contest::Contender,
    sample::{Latencies, Sample},
    usage::Cpu,
};

/// What is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A user's message with a key: what `echo` appends.
    Message,
    /// A bot's message.
    Reply,
    /// A whole turn: three entries and a job in one commit.
    Turn,
}

/// A store of its own, to which sessions append, one commit each at a time.
pub struct StoreAlone {
    kind: Kind,
    store: Arc<SqliteStore>,
    /// As far as they were written.
    sessions: Vec<Session>,
    _folder: TempDir,
}

impl StoreAlone {
    /// A store on the disk under `parent`, with so many sessions.
    pub async fn open(parent: &Path, kind: Kind, sessions: usize) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("segue-load-").tempdir_in(parent)?;
        let store = SqliteStore::open(SqliteOptions::new(folder.path().join("segue.db")))?;
        let store = Arc::new(store);
        let mut starts = JoinSet::new();
        for _ in 0..sessions {
            let store = Arc::clone(&store);
            starts.spawn(async move {
                let session = entries::session("store", "store");
                append(&store, entries::start(&session)).await
            });
        }
        let mut sessions = Vec::new();
        while let Some(started) = starts.join_next().await {
            sessions.push(started??);
        }
        Ok(Self { kind, store, sessions, _folder: folder })
    }
}

/// Appends, and gives the session as it is then.
pub async fn append(store: &SqliteStore, commit: Commit) -> anyhow::Result<Session> {
    match store.append(&commit).await.context("the store alone")? {
        Appended::Recorded => Ok(Session::clone(&commit.session)),
        other => bail!("the store alone refused a commit: {other:?}"),
    }
}

#[async_trait]
impl Contender for StoreAlone {
    fn name(&self) -> String {
        let what = match self.kind {
            Kind::Message => "messages",
            Kind::Reply => "replies",
            Kind::Turn => "turns of three entries",
        };
        format!("store alone, {what}")
    }

    async fn measure(&mut self, time: Duration) -> anyhow::Result<Sample> {
        let before = Cpu::now(None)?;
        let latencies = Arc::new(Latencies::default());
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        let kind = self.kind;
        for mut session in self.sessions.drain(..) {
            let (store, latencies) = (Arc::clone(&self.store), Arc::clone(&latencies));
            tasks.spawn(async move {
                let mut appended = 0;
                while begin.elapsed() < time {
                    let sent = Instant::now();
                    let commit = match kind {
                        Kind::Message => entries::message(&session, session.state.head.0),
                        Kind::Reply => entries::reply(&session),
                        Kind::Turn => entries::turn(&session),
                    };
                    session = append(&store, commit).await?;
                    latencies.note(sent.elapsed());
                    appended += 1;
                }
                anyhow::Ok((session, appended))
            });
        }
        let mut appended = 0;
        while let Some(done) = tasks.join_next().await {
            let (session, count) = done??;
            self.sessions.push(session);
            appended += count;
        }
        let seconds = begin.elapsed().as_secs_f64();
        Ok(Sample::new(appended, seconds, latencies.take(), Cpu::now(None)?.since(before)))
    }

    async fn finish(self: Box<Self>) -> anyhow::Result<()> {
        self.store.close().await;
        Ok(())
    }
}
