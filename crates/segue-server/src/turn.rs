//! A worker's way through one turn: start it, ask the bot, say what it says, end it.
//!
//! Everything it does to the session goes through `Node::execute` with the token of its attempt, so
//! a worker that is late, doubled or resurrected cannot speak.

use std::{sync::Arc, time::Duration};

use segue_core::{
    Actor, AttemptId, Command, Entry, Failure, Floor, Output, Position, Rejected, Running, Session,
    SessionId, Then, Timestamp, Turn, TurnEnd, TurnReason,
    ports::{Answer, BotError, ReadLimit, Settled, StoreError, TurnRequest},
};
use tracing::{info, warn};

use crate::{
    bot::history::{self, HistoryLimits},
    connectors::Connector,
    directory::Directory,
    hub::Hub,
    limits,
    node::{Node, Outcome},
    wire,
};

mod speaker;

use speaker::{Speaker, Stop};

/// What runs turns on this node.
pub struct TurnWorker {
    /// The door to the sessions.
    pub node: Arc<Node>,
    /// Tells when a turn is cut short.
    pub hub: Arc<Hub>,
    /// Who answers.
    pub connectors: Arc<Directory>,
}

/// Whether the bot has room for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It is asked.
    Given,
    /// It is not asked, and the user is told that it has too much to do.
    None,
}

/// A turn that this worker holds.
struct Held {
    session: Arc<Session>,
    running: Running,
    log: Vec<Entry>,
}

impl TurnWorker {
    /// Runs a turn to its end, and says what becomes of its job.
    pub async fn run(&self, id: SessionId, turn: Turn, room: Room) -> Settled {
        let held = match self.start(id, turn).await {
            Ok(Some(held)) => held,
            Ok(None) => return self.left(id, turn).await,
            Err(error) => {
                warn!(session.id = %id, %error, "cannot start turn {} of session {id}", turn.0);
                return Settled::Again { run_at: self.node.now() + limits::TURN_RETRY_MS };
            }
        };
        let connector = self.connectors.get(&held.session.facts.connector);
        self.node.traces.started(&held.running, connector.as_deref());
        let running = self.node.metrics.turn_began();
        let mut speaker = Speaker::new(self, &held, connector.as_deref());
        let result = match &connector {
            Some(_) if room == Room::None => {
                Err(Stop::Failed(BotError::Overloaded("too many turns wait for it".to_owned())))
            }
            Some(connector) => self.converse(&held, connector, &mut speaker).await,
            None => Err(Stop::Failed(BotError::Failed("its connector is gone".to_owned()))),
        };
        let ended = match result {
            Ok(()) => speaker.finish().await,
            Err(Stop::Failed(error)) => {
                tell(&error, id, turn, connector.as_deref());
                speaker.fail(failure(&error)).await
            }
            Err(stop) => Err(stop),
        };
        drop(running);
        speaker.count(&ended);
        match ended {
            Ok(()) | Err(Stop::Failed(_)) => Settled::Done,
            Err(Stop::CutShort) => self.left(id, turn).await,
            // The store was away until the deadline; whoever comes next ends what was begun.
            Err(Stop::Unavailable) => Settled::Again { run_at: self.node.now() },
        }
    }

    /// What becomes of the job of a turn that is not this worker's: it is done only if the turn is
    /// over. While this worker was at it, its node may have been given the job anew, by one that took
    /// the turn over and died.
    async fn left(&self, id: SessionId, turn: Turn) -> Settled {
        let is_over = match self.node.load(id).await {
            Ok(None) => true,
            Ok(Some(session)) => match &session.state.floor {
                Floor::BotDue { turn: due, .. } => *due != turn,
                Floor::BotRunning(running) => running.turn != turn,
                _ => true,
            },
            Err(_) => false,
        };
        if is_over {
            return Settled::Done;
        }
        Settled::Again { run_at: self.node.now() + limits::TURN_RETRY_MS }
    }

    /// Takes the turn; `None` when it is not to be had: it is over, or this ended it.
    async fn start(&self, id: SessionId, turn: Turn) -> Result<Option<Held>, StoreError> {
        let attempt = AttemptId(self.node.new_id());
        let mut pause_ms = limits::STORE_RETRY_MS;
        for _ in 0..limits::TURN_START_TRIES_MAX {
            let Some(session) = self.node.load(id).await? else { return Ok(None) };
            let after = match &session.state.floor {
                Floor::BotDue { turn: due, .. } if *due == turn => session.state.answered_to,
                Floor::BotRunning(running) if running.turn == turn => running.input_after,
                _ => return Ok(None),
            };
            let log = self.tail(&session, after).await?;
            let input_to = history::input_to(&log, after, limits::INPUT_BYTES_MAX);
            let connector = self.connectors.get(&session.facts.connector);
            let turns_max = connector.map(|it| it.limits.turns_per_session).filter(|it| *it > 0);
            let command = Command::StartTurn { turn, attempt, input_to, turns_max };
            let outcome = self.node.execute(id, Actor::Bot, &[command]).await.remove(0);
            match outcome {
                Outcome::Recorded { .. } | Outcome::Rejected(Rejected::AlreadyDone) => {
                    let Some(session) = self.node.load(id).await? else { return Ok(None) };
                    let running = session.running().filter(|it| it.attempt == attempt).cloned();
                    let Some(running) = running else { return Ok(None) };
                    // Another worker may have fixed the input meanwhile, further than was read here.
                    let is_short = log.last().is_none_or(|it| it.position < running.input_to);
                    let log = if is_short { self.tail(&session, after).await? } else { log };
                    return Ok(Some(Held { session, running, log }));
                }
                Outcome::Unavailable => {
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                    pause_ms *= 2;
                }
                _ => return Ok(None),
            }
        }
        Err(StoreError("gave up".to_owned()))
    }

    /// The end of the log: everything after `after`, and enough before it for the history.
    async fn tail(&self, session: &Session, after: Position) -> Result<Vec<Entry>, StoreError> {
        let head = session.state.head;
        let from = head.0.saturating_sub(limits::HISTORY_ENTRIES_MAX).min(after.0);
        let mut log: Vec<Entry> = Vec::new();
        let mut at = Position(from);
        let limit = ReadLimit { entries: limits::PAGE_ENTRIES_MAX, bytes: limits::PAGE_BYTES_MAX };
        while at < head {
            let page = self.node.store.read(session.id, at, limit).await?;
            let Some(last) = page.entries.last() else { break };
            at = last.position;
            log.extend(page.entries);
        }
        Ok(log)
    }

    /// Asks the bot and says what it says, up to the end of its answer.
    async fn converse(
        &self,
        held: &Held,
        connector: &Connector,
        speaker: &mut Speaker<'_>,
    ) -> Result<(), Stop> {
        let is_greeting = held.running.why == TurnReason::Join;
        if let (true, Some(greeting)) = (is_greeting, &connector.bot.greeting) {
            return speaker.take(Output::Text(greeting.clone()));
        }
        let request = self.request(held, connector).await;
        let mut retries = limits::GREETING_RETRIES_MS.iter().filter(|_| is_greeting);
        loop {
            let error = match self.listen(connector, &request, speaker).await {
                Err(Stop::Failed(error)) => error,
                other => return other,
            };
            // The server tries a greeting again by itself before it troubles anybody.
            match retries.next() {
                Some(pause_ms) if !speaker.has_said_anything() => {
                    info!(session.id = %held.session.id, %error, "the greeting of session {} failed, will retry: {error}", held.session.id);
                    speaker.pause(*pause_ms).await?;
                    speaker.begin_again();
                }
                _ => return Err(Stop::Failed(error)),
            }
        }
    }

    async fn listen(
        &self,
        connector: &Connector,
        request: &TurnRequest,
        speaker: &mut Speaker<'_>,
    ) -> Result<(), Stop> {
        speaker.ask();
        let mut answer: Box<dyn Answer> =
            speaker.within_limits(connector.bot.bot.answer(request)).await??;
        speaker.relay(answer.as_mut()).await
    }

    async fn request(&self, held: &Held, connector: &Connector) -> TurnRequest {
        let session = &held.session;
        let said = history::conversation(
            &held.log,
            held.running.input_after,
            held.running.input_to,
            HistoryLimits::default(),
            wire::notice_message,
        );
        // A bot that loses its state answers worse; one that is not asked does not answer at all.
        let state = self.node.store.bot_state(session.id).await.unwrap_or_else(|error| {
            warn!(session.id = %session.id, %error, "the bot's state of session {} cannot be read, it is asked without: {error}", session.id);
            None
        });
        TurnRequest {
            session_id: session.id,
            turn: held.running.turn,
            may_hand_off: connector.can_hand_off()
                && !matches!(held.running.why, TurnReason::HandoffFailed { .. }),
            reason: held.running.why.clone(),
            is_streamed: session.facts.streaming,
            connector: connector.id.clone(),
            platform: session.facts.platform.clone(),
            language: session.state.language.clone(),
            variant_id: session.facts.variant_id.clone(),
            integration_attributes: session
                .facts
                .integration_attributes
                .as_ref()
                .map(|it| it.0.to_string()),
            state,
            input: said.input,
            history: said.history,
            history_truncated: said.truncated,
        }
    }
}

/// A bot that does wrong is somebody's to mend; one that has too much to do says so itself, and often.
fn tell(error: &BotError, id: SessionId, turn: Turn, connector: Option<&Connector>) {
    let (turn, bot) = (turn.0, connector.map_or("none", |it| it.bot.id.0.as_str()));
    match error {
        BotError::Failed(_) => {
            warn!(session.id = %id, turn, bot, %error, "turn {turn} of session {id} failed, the bot {bot} did not answer as it should: {error}");
        }
        BotError::Overloaded(_) => {
            info!(session.id = %id, turn, bot, %error, "turn {turn} of session {id} failed, the bot {bot} has too much to do: {error}");
        }
    }
}

fn failure(error: &BotError) -> Failure {
    match error {
        BotError::Overloaded(_) => Failure::Overloaded,
        BotError::Failed(_) => Failure::Broken,
    }
}

/// How the bot's answer ends the turn.
fn then(
    hand_off: Option<segue_core::HandOff>,
    is_end: bool,
    connector: Option<&Connector>,
) -> Then {
    match hand_off {
        // Both a handoff and an end in one turn: the handoff wins.
        Some(wish) => Then::HandOff {
            mode: connector.and_then(|it| it.hand_off_mode(wish.mode)),
            reason: wish.reason,
            destination: wish.destination,
        },
        None if is_end => Then::End,
        None => Then::Nothing,
    }
}

fn finished(then: Then, bot_state: Option<String>) -> TurnEnd {
    TurnEnd::Finished { then, bot_state }
}

/// How long until then, on this node's clock.
fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::from_millis(at.saturating_sub(now))
}

#[cfg(test)]
mod tests;
