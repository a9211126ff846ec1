//! The voice of one attempt at a turn: gathers what the bot gives, and says it under the token.

use std::{future::Future, time::Duration};

use futures_util::FutureExt;
use segue_core::{
    Actor, Command, Failure, HandOff, MessageId, Output, Position, Rejected, Say, SessionId,
    Timestamp, TurnEnd, TurnReason,
    ports::{Answer, BotError},
};
use tokio::{sync::mpsc, time::Instant};
use tracing::info;

use super::{Held, TurnWorker, finished, then, until};
use crate::{
    compose::{Composer, Excess, Piece, Style},
    connectors::Connector,
    hub::Watched,
    limits::{self, Limits},
    metrics::TurnOutcome,
    node::Outcome,
};

/// Why an attempt stops before the bot's answer is through.
#[derive(Debug)]
pub enum Stop {
    /// The bot failed; the user has to be told.
    Failed(BotError),
    /// The turn is not this attempt's any more.
    CutShort,
    /// The store does not answer, and the turn's time is up.
    Unavailable,
}

impl From<BotError> for Stop {
    fn from(error: BotError) -> Self {
        Stop::Failed(error)
    }
}

/// The voice of one attempt.
pub struct Speaker<'a> {
    worker: &'a TurnWorker,
    id: SessionId,
    token: Position,
    may_hand_off: bool,
    connector: Option<&'a Connector>,
    limits: Limits,
    style: Style,
    composer: Composer,
    watch: mpsc::Receiver<Watched>,
    /// Composed, and said together with the turn's end.
    held_back: Vec<Say>,
    /// Outputs that are in the log.
    said: u32,
    /// The turn has time until then.
    deadline: Timestamp,
    /// The bot has to give something until then.
    silence_at: Timestamp,
    heard: Heard,
    /// The bot was asked then for the first time.
    asked_at: Option<Instant>,
    /// The turn was ended for this.
    failure: Option<Failure>,
}

/// What the bot gave beside what is said.
#[derive(Debug, Default)]
struct Heard {
    anything: bool,
    hand_off: Option<HandOff>,
    is_end: bool,
    state: Option<String>,
}

impl<'a> Speaker<'a> {
    pub(super) fn new(
        worker: &'a TurnWorker,
        held: &Held,
        connector: Option<&'a Connector>,
    ) -> Self {
        let facts = &held.session.facts;
        let style = Style::of(facts);
        let limits = connector.map(|it| *it.limits).unwrap_or_default();
        let now = worker.node.now();
        Self {
            worker,
            id: held.session.id,
            token: held.running.token,
            may_hand_off: !matches!(held.running.why, TurnReason::HandoffFailed { .. }),
            connector,
            composer: composer(worker, style, &limits),
            style,
            watch: worker.hub.watch(held.session.id),
            held_back: Vec::new(),
            said: 0,
            deadline: now + limits.turn_seconds * 1_000,
            silence_at: now + limits.turn_silence_seconds * 1_000,
            heard: Heard::default(),
            asked_at: None,
            failure: None,
            limits,
        }
    }

    /// Forgets an attempt of which nothing was said.
    pub fn begin_again(&mut self) {
        self.composer = composer(self.worker, self.style, &self.limits);
        self.heard = Heard::default();
        self.silence_at = self.worker.node.now() + self.limits.turn_silence_seconds * 1_000;
    }

    /// The bot is asked now.
    pub fn ask(&mut self) {
        self.asked_at.get_or_insert_with(Instant::now);
    }

    /// Counts and traces the turn, which ended so.
    pub fn count(&self, ended: &Result<(), Stop>) {
        let outcome = match (ended, self.failure) {
            (Err(Stop::CutShort), _) => TurnOutcome::CutShort,
            (Err(Stop::Unavailable), _) => TurnOutcome::Unavailable,
            (_, Some(Failure::Overloaded)) => TurnOutcome::Overloaded,
            (_, Some(_)) | (Err(Stop::Failed(_)), None) => TurnOutcome::Failed,
            (Ok(()), None) => TurnOutcome::Finished,
        };
        let took = self.asked_at.map(|it| it.elapsed());
        self.worker.node.metrics.turn_ended(self.bot(), outcome, took);
        self.worker.node.traces.ended(outcome);
    }

    fn bot(&self) -> &str {
        self.connector.map_or("none", |it| &it.bot.id.0)
    }

    /// Whether anything of this attempt is in the log.
    pub fn has_said_anything(&self) -> bool {
        self.said > 0
    }

    /// Says what the bot gives, up to the end of its answer. Nothing at all is a failure.
    pub async fn relay(&mut self, answer: &mut dyn Answer) -> Result<(), Stop> {
        self.relay_all(answer).await?;
        if self.heard.anything {
            return Ok(());
        }
        Err(Stop::Failed(BotError::Failed("it gave nothing".to_owned())))
    }

    async fn relay_all(&mut self, answer: &mut dyn Answer) -> Result<(), Stop> {
        loop {
            let now = self.worker.node.now();
            let wake_at = self.composer.wake_at().unwrap_or(Timestamp::MAX).min(self.limit_at());
            tokio::select! {
                biased;
                Some(Watched::TurnMoved) = self.watch.recv() => self.check_hold().await?,
                next = answer.next() => match next? {
                    None => return self.keep_pace().await,
                    // What is there already is composed together: chunks are few and whole.
                    Some(output) => {
                        self.take(output)?;
                        while let Some(next) = answer.next().now_or_never() {
                            match next? {
                                Some(output) => self.take(output)?,
                                None => return self.keep_pace().await,
                            }
                        }
                    }
                },
                () = tokio::time::sleep(until(now, wake_at)) => self.check_limits()?,
            }
            let ready = self.composer.ready(self.worker.node.now());
            self.say(ready, None).await?;
        }
    }

    /// The answer is through: says what still waits for its time. The last of it is left to
    /// `finish`, so that a message is never complete in the log while its turn is not.
    async fn keep_pace(&mut self) -> Result<(), Stop> {
        self.composer.end_message();
        while let Some(wake_at) = self.composer.wake_at() {
            let now = self.worker.node.now();
            self.within_limits(tokio::time::sleep(until(now, wake_at))).await?;
            let ready = self.composer.ready(self.worker.node.now());
            if self.composer.wake_at().is_none() {
                self.held_back = ready;
                break;
            }
            self.say(ready, None).await?;
        }
        Ok(())
    }

    /// Takes one output of the bot.
    pub fn take(&mut self, output: Output) -> Result<(), Stop> {
        let now = self.worker.node.now();
        self.silence_at = now + self.limits.turn_silence_seconds * 1_000;
        // What does not go to the user counts towards the outputs of a turn all the same.
        if matches!(output, Output::State(_) | Output::HandOff(_) | Output::End | Output::Silence) {
            self.composer.count().map_err(failed)?;
        }
        match output {
            Output::HandOff(_) if !self.may_hand_off => {
                info!(session.id = %self.id, "the bot may not hand off in this turn of session {}, ignored", self.id);
                return Ok(());
            }
            Output::HandOff(wish) => self.heard.hand_off = Some(wish),
            Output::End => self.heard.is_end = true,
            Output::State(state) => self.heard.state = Some(state),
            Output::Silence => {}
            // By itself it is nothing.
            Output::MessageBreak => return self.push(now, Piece::MessageBreak),
            // Blank, it shows nothing; by itself it is nothing.
            Output::Text(text) if text.trim().is_empty() => {
                return self.push(now, Piece::Text(text));
            }
            for_the_user => match Piece::of(for_the_user) {
                Ok(piece) => self.push(now, piece)?,
                Err(_) => unreachable!("all that does not go to the user stands above"),
            },
        }
        self.heard.anything = true;
        Ok(())
    }

    fn push(&mut self, now: Timestamp, piece: Piece) -> Result<(), Stop> {
        self.composer.push(now, piece).map_err(failed)
    }

    /// The bot gave all it had: says the rest and ends the turn, in one write.
    pub async fn finish(&mut self) -> Result<(), Stop> {
        let mut rest = std::mem::take(&mut self.held_back);
        rest.extend(self.composer.finish());
        let heard = std::mem::take(&mut self.heard);
        let then = then(heard.hand_off, heard.is_end, self.connector);
        self.say(rest, Some(finished(then, heard.state))).await
    }

    /// The bot failed: closes what is open and ends the turn, in one write.
    pub async fn fail(&mut self, failure: Failure) -> Result<(), Stop> {
        self.failure = Some(failure);
        let mut rest = std::mem::take(&mut self.held_back);
        rest.extend(self.composer.break_off());
        self.say(rest, Some(TurnEnd::Failed(failure))).await
    }

    /// Waits, unless the turn is cut short.
    pub async fn pause(&mut self, ms: u64) -> Result<(), Stop> {
        self.silence_at = self.worker.node.now() + ms + self.limits.turn_silence_seconds * 1_000;
        self.within_limits(tokio::time::sleep(Duration::from_millis(ms))).await
    }

    /// Waits for something within the turn's time, unless the turn is cut short.
    pub async fn within_limits<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::pin!(work);
        loop {
            let sleep = tokio::time::sleep(until(self.worker.node.now(), self.limit_at()));
            tokio::select! {
                biased;
                Some(Watched::TurnMoved) = self.watch.recv() => self.check_hold().await?,
                done = &mut work => return Ok(done),
                () = sleep => self.check_limits()?,
            }
        }
    }

    fn limit_at(&self) -> Timestamp {
        self.deadline.min(self.silence_at)
    }

    fn check_limits(&self) -> Result<(), Stop> {
        if self.worker.node.now() < self.limit_at() {
            return Ok(());
        }
        Err(Stop::Failed(BotError::Failed("it took too long".to_owned())))
    }

    /// A turn of the session moved: whether this one is still held.
    async fn check_hold(&self) -> Result<(), Stop> {
        match self.worker.node.load(self.id).await {
            Ok(Some(session)) if session.running().is_some_and(|it| it.token == self.token) => {
                Ok(())
            }
            Ok(_) => Err(Stop::CutShort),
            // The next output finds out.
            Err(_) => Ok(()),
        }
    }

    /// Appends what is said, and the turn's end where it comes with it, in one write. While the
    /// store is away, keeps trying until the turn's time is up: the numbers tell what is done.
    async fn say(&mut self, says: Vec<Say>, end: Option<TurnEnd>) -> Result<(), Stop> {
        let numbers = self.said + 1..;
        let count = u32::try_from(says.len()).expect("a turn has few outputs");
        let said =
            numbers.zip(says).map(|(number, say)| Command::Say { token: self.token, number, say });
        let end = end.map(|end| Command::EndTurn { token: self.token, end });
        let commands: Vec<Command> = said.chain(end).collect();
        if commands.is_empty() {
            return Ok(());
        }
        let mut pause_ms = limits::STORE_RETRY_MS;
        loop {
            let outcomes = self.worker.node.execute(self.id, Actor::Bot, &commands).await;
            let is_held = |it: &Outcome| {
                matches!(
                    it,
                    Outcome::Recorded { .. }
                        | Outcome::Rejected(Rejected::AlreadyDone)
                        | Outcome::Unavailable
                )
            };
            if !outcomes.iter().all(is_held) {
                return Err(Stop::CutShort);
            }
            if !outcomes.contains(&Outcome::Unavailable) {
                if let (0, 1.., Some(asked_at)) = (self.said, count, self.asked_at) {
                    self.worker.node.metrics.turn_first_output(self.bot(), asked_at.elapsed());
                    self.worker.node.traces.first_output();
                }
                self.said += count;
                return Ok(());
            }
            if self.worker.node.now() + pause_ms >= self.deadline {
                return Err(Stop::Unavailable);
            }
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = (pause_ms * 2).min(limits::STORE_RETRY_MS_MAX);
        }
    }
}

fn failed(excess: Excess) -> Stop {
    Stop::Failed(BotError::Failed(excess.to_string()))
}

fn composer(worker: &TurnWorker, style: Style, limits: &Limits) -> Composer {
    let node = std::sync::Arc::clone(&worker.node);
    Composer::new(style, limits.chunk_interval_ms, move || MessageId(node.new_id()))
}
