//! Many connected users who talk to a server, or to a bare echo, in one of two ways. *Saturated*,
//! a closed loop: each keeps so many messages in flight. *Paced*, an open loop: messages leave on a
//! schedule whatever became of those before, and latency counts from the schedule.

use std::{sync::Arc, time::Duration};

use anyhow::bail;
use async_trait::async_trait;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    board::{Board, Phase},
    check::{Fault, Reading},
    contest::Contender,
    limits,
    sample::Sample,
    usage::Cpu,
    user::User,
};

/// How a crowd talks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As fast as it is answered.
    Saturated,
    /// So many messages a second in all.
    Rate(f64),
}

/// What is counted as an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A message, when its sender has the echo.
    Echo,
    /// A message, each time that a connection has it; its latency is that until others have it.
    Delivery,
    /// A turn of the bot that began; its latency is from the bot's first byte to the first chunk.
    Turn,
}

/// A user who is to join a crowd.
pub struct Member {
    /// Connected, and with nothing in flight.
    pub user: User,
    /// Members of the same group read the same log, and are compared at the end.
    pub group: usize,
}

/// The crowd.
pub struct Crowd {
    name: String,
    pace: Pace,
    unit: Unit,
    board: Arc<Board>,
    /// Of the server, where it is known.
    server: Option<u32>,
    phase: watch::Sender<Phase>,
    /// Of those who talk.
    dues: Vec<mpsc::Sender<u64>>,
    members: Vec<(usize, JoinHandle<Option<Reading>>)>,
}

impl Crowd {
    /// A crowd of these, all of whom share `board`.
    pub fn gather(
        name: &str,
        pace: Pace,
        unit: Unit,
        board: &Arc<Board>,
        server: Option<u32>,
        members: impl IntoIterator<Item = Member>,
    ) -> Self {
        let (phase, watched) = watch::channel(Phase::Rest);
        let mut dues = Vec::new();
        let members = members.into_iter().map(|Member { user, group }| {
            let (due, queue) = mpsc::channel(match pace {
                Pace::Saturated => 1,
                Pace::Rate(_) => limits::LOAD_DUE_QUEUED_MAX,
            });
            if user.account.sending.is_some() {
                dues.push(due);
            }
            (group, tokio::spawn(user.run(watched.clone(), queue)))
        });
        let members = members.collect();
        let (name, board) = (name.to_owned(), Arc::clone(board));
        Self { name, pace, unit, board, server, phase, dues, members }
    }

    /// Waits until everything that was said is answered; what is not, is lost.
    async fn settle(&self) {
        let patience = Instant::now() + Duration::from_secs(limits::LOAD_DRAIN_SECONDS_MAX);
        while !self.board.is_settled() && Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[async_trait]
impl Contender for Crowd {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn measure(&mut self, time: Duration) -> anyhow::Result<Sample> {
        let before = Cpu::now(self.server)?;
        self.board.begin(time);
        match self.pace {
            Pace::Saturated => {
                self.phase.send_replace(Phase::Saturate);
                tokio::time::sleep(time).await;
            }
            Pace::Rate(rate) => {
                self.phase.send_replace(Phase::Paced);
                let schedule = Schedule { rate, time, board: Arc::clone(&self.board) };
                let dues = self.dues.clone();
                tokio::task::spawn_blocking(move || schedule.keep(&dues)).await?;
            }
        }
        let cpu = Cpu::now(self.server)?.since(before);
        self.phase.send_replace(Phase::Rest);
        self.settle().await;
        let board = &self.board;
        let (operations, latency) = match self.unit {
            Unit::Echo => (board.answered_count(), board.echoes.take()),
            Unit::Delivery => (board.delivered_count(), board.heard.take()),
            Unit::Turn => {
                let begun = board.first_chunks.take();
                (begun.len(), begun)
            }
        };
        if operations == 0 {
            bail!("{}: nothing was answered in time: {:?}", self.name, self.board.faults.first());
        }
        let mut sample = Sample::new(operations, time.as_secs_f64(), latency, cpu);
        sample.late = self.board.late.take();
        Ok(sample)
    }

    async fn finish(self: Box<Self>) -> anyhow::Result<()> {
        self.phase.send_replace(Phase::Over);
        let mut first_of_group: Vec<Option<Reading>> = Vec::new();
        for (group, member) in self.members {
            let Some(reading) = member.await? else { continue };
            if group >= first_of_group.len() {
                first_of_group.resize(group + 1, None);
            }
            match &first_of_group[group] {
                None => first_of_group[group] = Some(reading),
                Some(first) => {
                    if let Some(fault) = compare(first, &reading) {
                        self.board.faults.note(format_args!("session {group}"), &fault);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Two readers of the same log, both of whom were told everything.
pub fn compare(one: &Reading, other: &Reading) -> Option<Fault> {
    if one.read_to() != other.read_to() {
        let sequence = one.read_to().min(other.read_to()) + 1;
        return Some(Fault::EventLost { sequence });
    }
    (one.chain() != other.chain()).then_some(Fault::Differs)
}

/// When which user talks. On a thread of its own: the runtime's timers go by milliseconds.
struct Schedule {
    rate: f64,
    time: Duration,
    board: Arc<Board>,
}

impl Schedule {
    #[expect(clippy::cast_precision_loss, reason = "a schedule is short of 2^53 messages")]
    fn keep(&self, dues: &[mpsc::Sender<u64>]) {
        let begin = Instant::now();
        let begin_us = self.board.now_us();
        for (number, due) in (0_u64..).zip(dues.iter().cycle()) {
            let after = Duration::from_secs_f64(number as f64 / self.rate);
            if after >= self.time {
                return;
            }
            while let Some(wait) = after.checked_sub(begin.elapsed()).filter(|it| !it.is_zero()) {
                std::thread::park_timeout(wait);
            }
            let due_us = begin_us + u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
            self.board.due();
            if due.try_send(due_us).is_err() {
                self.board.gave_up(1);
                self.board.faults.note("schedule", &Fault::NotSent);
            }
        }
    }
}
