//! What can be asked for on the command line.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};

use crate::{child::Cores, crowd::Pace, limits};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Messages that are recorded and echoed; no bot answers.
    Echo,
    /// Turns of a bot inside the generator: 8 outputs, 250 ms apart.
    Turns,
    /// Connections that only say that they are there: memory, and what is given back.
    Idle,
    /// Several connections a session.
    Fanout,
    /// Every user loses the server and resumes.
    Storm,
    /// Cold sessions of 50, 500 and 5,000 entries are read from their beginning.
    Replay,
    /// Hand-shakes: access token, session, socket, first batch.
    Create,
    /// Some of everything at once.
    Mixed,
    /// Echoes beside a store that is full of old conversations, and beside an empty one, in turn.
    Growth,
    /// The limits of the machine alone: disk, plain file, store, bare echo.
    Limits,
    /// For the generator itself: a bare echo, until its standard input ends.
    #[value(hide = true)]
    BareEcho,
}

/// What an `echo` and a `create` are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum References {
    /// Everything that limits them.
    All,
    /// A bare echo, and nothing else: more pairs in less time.
    BareEcho,
    /// Nothing.
    None,
}

/// Puts a load on a server and checks every answer.
///
/// Starts a server of its own in a temporary folder below the working directory, on the disk that
/// is to be measured, unless --url names one. References (a bare echo on the same WebSocket library,
/// the store alone, the disk) run in turn with it, because on a shared machine only ratios mean
/// something. Fails when anything that it receives is out of order, missing, repeated or altered.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// What to measure.
    pub scenario: Scenario,
    /// Sessions, each with a connection.
    #[arg(long, value_name = "N")]
    pub sessions: Option<usize>,
    /// Messages that each connection keeps in flight while it saturates.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub depth: usize,
    /// Requests a second in all, on a schedule; without it as many as are answered.
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// Length of one run.
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    pub seconds: f64,
    /// Length of the run before those that count.
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    pub warm_up: f64,
    /// How often each contender runs, in turn with the others.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub runs: usize,
    /// Connections of each session, for `fanout`.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub members: usize,
    /// Events that each session begins with, for `echo` and `idle`.
    #[arg(long, value_name = "N")]
    pub history: Option<u64>,
    /// Old sessions that are in the store already ...
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub stored_sessions: usize,
    /// ... and the events of each.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub stored_entries: u64,
    /// Have the server of a `storm` stop and start under a service manager instead of killing it.
    #[arg(long)]
    pub planned: bool,
    /// Seconds between two heartbeats of one connection, for `idle`.
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    pub heartbeat: f64,
    /// What runs in turn with the server.
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = References::All)]
    pub references: References,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Loopback addresses to connect from.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub sources: usize,
    /// Make temporary folders here.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// The program to start as the server; this one if not given.
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
    /// Keep servers that are started to this core.
    #[arg(long, value_name = "CORE")]
    pub pin: Option<usize>,
    /// A server that runs already, instead of one of our own.
    #[arg(long, value_name = "ADDR", requires_all = ["token", "host"])]
    pub url: Option<SocketAddr>,
    /// The token of a connector of that server, which has no rates and hands off to the client.
    #[arg(long, env = "SEGUE_LOAD_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// A host that this connector may be used from.
    #[arg(long)]
    pub host: Option<String>,
    /// Where that connector's HTTP bot is asked: the generator listens there.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub bot: SocketAddr,
    /// The process of that server, to report what it uses.
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
}

const EXAMPLES: &str = "\
Examples:
  segue load echo --sessions 1000                  as fast as it goes, beside the limits
  segue load echo --sessions 200 --depth 16        16 messages in flight on each socket
  segue load echo --sessions 1000 --rate 5000      5,000 a second offered
  segue load echo --sessions 1 --history 5000      one message after the other, in a long session
  segue load turns --sessions 400 --rate 100       100 turns a second, 1.75 s each
  segue load idle --sessions 15000 --runs 1        memory of a connection; wants 15,000 descriptors
  segue load fanout --sessions 50 --depth 8        10 connections a session, beside an echo
  segue load storm --sessions 1000 --runs 3        the server is killed; --planned: it is restarted
  segue load replay                                cold sessions, read from the beginning
  segue load create --rate 50                      50 hand-shakes a second
  segue load mixed --seconds 30                    some of everything at once
  segue load limits --json                         what the machine gives without a server

Exit codes: 0 everything right, 1 failed or something received was wrong, 2 wrong usage.";

impl Options {
    /// Refuses what makes no sense.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            (1..=limits::LOAD_DEPTH_MAX).contains(&self.depth),
            "--depth is from 1 to {}",
            limits::LOAD_DEPTH_MAX
        );
        ensure!(
            (1..=limits::LOAD_SOURCES_MAX).contains(&self.sources),
            "--sources is from 1 to {}",
            limits::LOAD_SOURCES_MAX
        );
        ensure!(self.runs > 0, "--runs is at least 1");
        ensure!(self.sessions != Some(0), "--sessions is at least 1");
        ensure!(self.seconds >= 0.1, "--seconds is at least 0.1");
        ensure!(self.warm_up >= 0.0, "--warm-up is not negative");
        ensure!(self.members > 0, "--members is at least 1");
        ensure!(self.heartbeat > 0.0, "--heartbeat is over 0");
        let least = crate::fill::HEAD + 1;
        ensure!(self.history.is_none_or(|it| it >= least), "--history is at least {least}");
        ensure!(self.stored_entries >= least, "--stored-entries is at least {least}");
        let is_all = self.references == References::All;
        ensure!(is_all || self.scenario != Scenario::Limits, "limits are all references");
        if self.url.is_some() {
            let own = match self.scenario {
                Scenario::Idle | Scenario::Storm | Scenario::Replay => true,
                _ => self.history.is_some() || self.stored_sessions > 0,
            };
            ensure!(!own, "this needs a server of our own, which --url is not");
        }
        if self.rate.is_some_and(|it| !(it > 0.0 && it.is_finite())) {
            bail!("--rate is over 0");
        }
        Ok(())
    }

    /// How crowds talk.
    pub fn pace(&self) -> Pace {
        self.rate.map_or(Pace::Saturated, Pace::Rate)
    }

    /// Where servers that are started run.
    pub fn cores(&self) -> Cores {
        self.pin.map_or(Cores::All, Cores::One)
    }

    /// The program that is started as the server.
    pub fn program(&self) -> anyhow::Result<PathBuf> {
        match &self.program {
            Some(program) => Ok(program.clone()),
            None => Ok(std::env::current_exe()?),
        }
    }
}
