//! The least that durability costs: a plain file, appended to in groups, each synced.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;
use tempfile::TempDir;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::Instant,
};

use super::entries;
use crate::{
    contest::Contender,
    sample::{Latencies, Sample},
    usage::Cpu,
};

type Line = (Vec<u8>, oneshot::Sender<()>);

/// The file, and its writer's thread.
#[derive(Debug)]
pub struct PlainFile {
    sessions: usize,
    lines: mpsc::Sender<Line>,
    writer: JoinHandle<io::Result<()>>,
    _folder: TempDir,
}

impl PlainFile {
    /// A file on the disk under `parent`, to which so many sessions append, one line each at a time.
    pub fn open(parent: &Path, sessions: usize) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("segue-load-").tempdir_in(parent)?;
        let file = File::create_new(folder.path().join("plain.log"))?;
        // As many waiting writes and as many in a group as the store has.
        let (lines, queue) = mpsc::channel(segue_store::limits::QUEUED_WRITES_MAX);
        let writer = std::thread::spawn(move || write(file, queue));
        Ok(Self { sessions, lines, writer, _folder: folder })
    }
}

fn write(mut file: File, mut lines: mpsc::Receiver<Line>) -> io::Result<()> {
    let (mut group, mut bytes) = (Vec::new(), Vec::new());
    while lines.blocking_recv_many(&mut group, segue_store::limits::GROUP_WRITES_MAX) > 0 {
        bytes.clear();
        for (line, _) in &group {
            bytes.extend_from_slice(line);
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        for (_, reply) in group.drain(..) {
            // Whoever asked gave up; the line is there all the same.
            let _ = reply.send(());
        }
    }
    Ok(())
}

#[async_trait]
impl Contender for PlainFile {
    fn name(&self) -> String {
        "plain file, synced in groups".to_owned()
    }

    async fn measure(&mut self, time: Duration) -> anyhow::Result<Sample> {
        let before = Cpu::now(None)?;
        let latencies = std::sync::Arc::new(Latencies::default());
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..self.sessions {
            let (lines, latencies) = (self.lines.clone(), std::sync::Arc::clone(&latencies));
            let session = entries::session("plain", "plain");
            tasks.spawn(async move {
                let mut written = 0_u64;
                while begin.elapsed() < time {
                    let sent = Instant::now();
                    // The same work before the writer: an event as JSON.
                    let commit = entries::message(&session, written);
                    let mut line = serde_json::to_vec(&commit.entries[0].event)?;
                    line.push(b'\n');
                    let (reply, answer) = oneshot::channel();
                    lines.send((line, reply)).await.context("the writer has ended")?;
                    answer.await.context("the writer has ended")?;
                    latencies.note(sent.elapsed());
                    written += 1;
                }
                anyhow::Ok(written)
            });
        }
        let mut written = 0;
        while let Some(done) = tasks.join_next().await {
            written += done??;
        }
        let seconds = begin.elapsed().as_secs_f64();
        Ok(Sample::new(written, seconds, latencies.take(), Cpu::now(None)?.since(before)))
    }

    async fn finish(self: Box<Self>) -> anyhow::Result<()> {
        drop(self.lines);
        self.writer.join().expect("the writer does not panic").context("the plain file")
    }
}
