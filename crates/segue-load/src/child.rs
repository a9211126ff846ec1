//! Programs that the generator starts, and ends by their id.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child as Process, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::sync::oneshot;

use crate::limits;

/// On which cores a program runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cores {
    /// On all that we may use.
    #[default]
    All,
    /// On this one.
    One(usize),
}

/// A program, running. Killed when dropped.
#[derive(Debug)]
pub struct Child {
    process: Process,
    address: SocketAddr,
    log: PathBuf,
}

impl Child {
    /// Starts a program and waits until it says on its standard output that it `listens on` an
    /// address. Its standard error goes to the end of `log`.
    pub async fn start(
        mut command: Command,
        stdin: Stdio,
        cores: Cores,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let errors = File::options().create(true).append(true).open(log)?;
        command.stdin(stdin).stdout(Stdio::piped()).stderr(errors);
        // The child inherits them from this thread, so that no moment is without.
        let ours = sched_getaffinity(None)?;
        if let Cores::One(core) = cores {
            let mut one = CpuSet::new();
            one.set(core);
            sched_setaffinity(None, &one).with_context(|| format!("cannot use core {core}"))?;
        }
        let spawned = command.spawn();
        sched_setaffinity(None, &ours)?;
        let mut process = spawned.with_context(|| format!("cannot start {command:?}"))?;

        let (listens, address) = oneshot::channel();
        let stdout = BufReader::new(process.stdout.take().expect("it was asked for"));
        std::thread::spawn(move || {
            let mut listens = Some(listens);
            // To the end, so that it never waits for its words to be read.
            for line in stdout.lines().map_while(Result::ok) {
                let address = line.split("listens on http://").nth(1);
                let address = address.and_then(|it| it.split(' ').next()?.parse().ok());
                if let Some(address) = address
                    && let Some(listens) = listens.take()
                {
                    // Nobody waits any more: that was said already.
                    let _ = listens.send(address);
                }
            }
        });
        let patience = Duration::from_secs(limits::LOAD_START_SECONDS_MAX);
        let address = tokio::time::timeout(patience, address).await;
        let mut child = Self { process, address: ([0, 0, 0, 0], 0).into(), log: log.to_owned() };
        match address {
            Ok(Ok(address)) => child.address = address,
            Ok(Err(_)) => bail!("{}", child.last_words("did not start")),
            Err(_) => bail!("{}", child.last_words("does not listen")),
        }
        Ok(child)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Fails if it has ended by itself.
    pub fn still_there(&mut self) -> anyhow::Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{}", self.last_words(&format!("ended by itself, {status}"))),
        }
    }

    /// Kills it at once: SIGKILL.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.wait().await?;
        Ok(())
    }

    /// Asks it to stop, and waits until it has: SIGTERM.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        kill_process(id.context("a process has an id")?, Signal::TERM)?;
        self.wait().await
    }

    async fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let patience = Duration::from_secs(limits::LOAD_STOP_SECONDS_MAX);
        let waiting = async {
            loop {
                if let Some(status) = self.process.try_wait()? {
                    return anyhow::Ok(status);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(patience, waiting).await.context("a program does not end")?
    }

    fn last_words(&self, what: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(limits::LOAD_LOG_LINES_SHOWN);
        format!("the program {what}; the end of its log:\n{}", lines[from..].join("\n"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended; there is nobody to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
