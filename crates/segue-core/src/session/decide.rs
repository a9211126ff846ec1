//! The rules: what follows from a command.

use super::{
    Actor, Command, Decision, Expire, Failure, Floor, Greeting, Rejected, Revoked, Running, Say,
    Session, SessionsMax, Then, TurnEnd,
};
use crate::{
    AttemptId, BotProfile, EndReason, Event, HandOffMode, HandOffReason, Json, Level, Notice,
    Position, Timestamp, Turn, TurnOutcome, TurnReason,
    limits::{GREETING_BACKOFF, HOUR_MS, TURN_STARTS_MAX, UNABLE_TO_START_ERROR_INTERVAL_MS},
    ports::{Claim, Job, NewJob},
};

impl Session {
    /// Decides what a command leads to. Changes nothing.
    pub fn decide(
        &self,
        now: Timestamp,
        actor: Actor,
        command: &Command,
    ) -> Result<Decision, Rejected> {
        let events = match (command, actor) {
            (Command::Start { expire_at, sessions_max }, Actor::System) => {
                return self.decide_start(now, *expire_at, *sessions_max);
            }
            _ if matches!(self.state.floor, Floor::Ended { .. }) => return Err(Rejected::Ended),

            (Command::Join { bot, retry_ms, custom }, Actor::User) => {
                self.decide_join(now, bot, *retry_ms, custom.as_ref())?
            }
            (Command::PostMessage { message_id, text, key, custom }, Actor::User) => {
                if self.state.floor == Floor::Unasked {
                    return Err(Rejected::NotAsked);
                }
                vec![Event::UserMessagePosted {
                    message_id: *message_id,
                    text: text.clone(),
                    key: key.clone(),
                    custom: custom.clone(),
                }]
            }
            (Command::End { custom }, Actor::User) => {
                let asked = Event::EndRequested { custom: custom.clone() };
                self.end(EndReason::UserEnd, Some(asked))
            }
            (Command::StopTurn, Actor::User) => self.decide_stop_turn()?,

            (Command::StartTurn { turn, attempt, input_to, turns_max }, Actor::Bot) => {
                if self.is_over_turns(*turn, *turns_max) {
                    self.use_up_turns()
                } else {
                    self.decide_start_turn(now, *turn, *attempt, *input_to)?
                }
            }
            (Command::Say { token, number, say }, Actor::Bot) => {
                self.decide_say(*token, *number, say)?
            }
            (Command::EndTurn { token, end }, Actor::Bot) => {
                let running = self.held(*token)?;
                let bot_state = match end {
                    TurnEnd::Finished { bot_state, .. } => bot_state.clone(),
                    TurnEnd::Failed(_) => None,
                };
                let events = self.end_turn_events(now, running, end);
                return Ok(Decision { events, bot_state, ..Decision::default() });
            }

            (Command::Expire(clocks), Actor::System) => self.decide_expire(now, clocks)?,
            (Command::Revoke(revoked), Actor::System) => {
                let reason = match revoked {
                    Revoked::Session => EndReason::Revoked,
                    Revoked::Connector => EndReason::NaturalEnd,
                };
                self.end(reason, None)
            }

            // Nobody else may ask for it: a fault of ours, and no reason to change anything.
            _ => return Err(Rejected::Outlived),
        };
        Ok(Decision { events, ..Decision::default() })
    }

    fn decide_start(
        &self,
        now: Timestamp,
        expire_at: Timestamp,
        sessions_max: SessionsMax,
    ) -> Result<Decision, Rejected> {
        if self.state.head > Position(0) {
            return Err(Rejected::AlreadyDone);
        }
        Ok(Decision {
            events: vec![Event::SessionStarted { facts: self.facts.clone() }],
            jobs: vec![NewJob {
                job: Job::ExpireIdle,
                // A token that is about to end makes a life shorter than any silence.
                run_at: expire_at.min(self.facts.expires_at),
            }],
            claims: self.claims(now, sessions_max),
            bot_state: None,
        })
    }

    fn claims(&self, now: Timestamp, sessions_max: SessionsMax) -> Vec<Claim> {
        let connector = || self.facts.connector.clone();
        let token = || self.facts.token.clone();
        let SessionsMax { per_token, live, per_hour } = sessions_max;
        let per_token = per_token.map(|it| Claim::TokenSlot { token: token(), sessions_max: it });
        let live = live.map(|it| Claim::LiveSlot { connector: connector(), sessions_max: it });
        let per_hour = per_hour.map(|sessions_max| {
            // Hours of the clock, which all nodes count alike, also after a restart.
            let since = now - now % HOUR_MS;
            Claim::CreationSlot { connector: connector(), since, sessions_max }
        });
        [per_token, live, per_hour].into_iter().flatten().collect()
    }

    fn decide_join(
        &self,
        now: Timestamp,
        bot: &BotProfile,
        retry_ms: u64,
        custom: Option<&Json>,
    ) -> Result<Vec<Event>, Rejected> {
        match (&self.state.floor, self.state.greeting) {
            (Floor::Unasked, _) => Ok(vec![
                Event::JoinRequested { run_at: now, custom: custom.cloned() },
                Event::BotJoined { bot: bot.clone(), why: TurnReason::Join },
            ]),
            (Floor::BotIdle, Greeting::Owed { failures, failed_at }) => {
                let run_at = now.max(failed_at + retry_ms * greeting_backoff(failures));
                Ok(vec![Event::JoinRequested { run_at, custom: custom.cloned() }])
            }
            (Floor::BotIdle, Greeting::Given) => Err(Rejected::AlreadyJoined),
            // A greeting is under way, or an answer that makes one unnecessary.
            (Floor::BotDue { .. } | Floor::BotRunning(_), _) => Err(Rejected::AlreadyJoined),
            // After a handoff.
            (Floor::Nobody, _) => Err(Rejected::AlreadyJoined),
            (Floor::Ended { .. }, _) => Err(Rejected::Ended),
        }
    }

    fn decide_start_turn(
        &self,
        now: Timestamp,
        turn: Turn,
        attempt: AttemptId,
        input_to: Position,
    ) -> Result<Vec<Event>, Rejected> {
        match &self.state.floor {
            Floor::BotDue { turn: due, why, .. } if *due == turn => {
                let input_to = match why {
                    // A greeting answers nothing; what was said meanwhile has a turn of its own.
                    TurnReason::Join => self.state.answered_to,
                    TurnReason::Message | TurnReason::HandoffFailed { .. } => {
                        input_to.max(self.state.answered_to).min(self.state.head)
                    }
                };
                Ok(vec![Event::TurnStarted { turn, attempt, input_to }])
            }
            Floor::BotRunning(running) if running.turn == turn => {
                if running.attempt == attempt {
                    return Err(Rejected::AlreadyDone);
                }
                // What the user has seen cannot be taken back, and what killed one worker may kill
                // the next.
                if running.visible || running.starts >= TURN_STARTS_MAX {
                    return Ok(self.failed_events(now, running, Failure::Broken));
                }
                let input_to = running.input_to;
                Ok(vec![Event::TurnStarted { turn, attempt, input_to }])
            }
            _ => Err(Rejected::Outlived),
        }
    }

    /// Ends the turn that is there, and says nothing about it: it is what the user wanted. Messages
    /// that wait behind a running turn were not what it was about, and make the next one.
    fn decide_stop_turn(&self) -> Result<Vec<Event>, Rejected> {
        let events = self.close_turn(TurnOutcome::Stopped);
        if events.is_empty() { Err(Rejected::NoTurn) } else { Ok(events) }
    }

    /// Whether this turn is due, and one more than the session may have.
    fn is_over_turns(&self, turn: Turn, turns_max: Option<u64>) -> bool {
        let is_due = matches!(&self.state.floor, Floor::BotDue { turn: due, .. } if *due == turn);
        is_due && turns_max.is_some_and(|it| turn.0 > it)
    }

    /// Says why, and ends the session: a bot that is there and never answers again serves nobody,
    /// and clients begin a new session after an end (docs/adr/0022).
    fn use_up_turns(&self) -> Vec<Event> {
        let notice = Event::NoticePosted { level: Level::Warning, notice: Notice::TurnsUsedUp };
        let mut events = vec![notice];
        events.extend(self.end(EndReason::NaturalEnd, None));
        events
    }

    fn decide_say(&self, token: Position, number: u32, say: &Say) -> Result<Vec<Event>, Rejected> {
        let running = self.held(token)?;
        if number <= running.outputs_taken {
            return Err(Rejected::AlreadyDone);
        }
        if number > running.outputs_taken + 1 {
            // Either this state is an old one, and whoever has it looks again, or a worker has left
            // something out, and may not go on as if it had not.
            return Err(Rejected::Outlived);
        }
        let bot = self.state.bot.clone().unwrap_or_default();
        Ok(vec![said(token, running, bot, say)])
    }

    /// The turn that is held with this token.
    fn held(&self, token: Position) -> Result<&Running, Rejected> {
        self.running().filter(|it| it.token == token).ok_or(Rejected::Outlived)
    }

    fn end_turn_events(&self, now: Timestamp, running: &Running, end: &TurnEnd) -> Vec<Event> {
        let then = match end {
            TurnEnd::Failed(failure) => return self.failed_events(now, running, *failure),
            TurnEnd::Finished { then, .. } => then,
        };
        let mut events = self.close_turn(TurnOutcome::Finished);
        let may_hand_off = !matches!(running.why, TurnReason::HandoffFailed { .. });
        match then {
            Then::End if !self.has_unanswered_input() => {
                events.push(Event::SessionEnded { reason: EndReason::NaturalEnd });
            }
            Then::HandOff { mode, reason, destination } if may_hand_off => {
                events.extend(self.hand_off_events(*mode, *reason, destination.as_ref()));
            }
            Then::Nothing | Then::End | Then::HandOff { .. } => {}
        }
        events
    }

    fn hand_off_events(
        &self,
        mode: Option<HandOffMode>,
        reason: HandOffReason,
        destination: Option<&String>,
    ) -> Vec<Event> {
        match mode {
            Some(HandOffMode::Client) => vec![
                Event::HandoffTriggered,
                Event::ClientHandoffRequired { reason, destination: destination.cloned() },
                Event::BotLeft { reason: Some("handoff".to_owned()) },
            ],
            // There is no desk: nobody could take over, and nobody is left alone.
            Some(HandOffMode::Server) | None => {
                let why = Some("no handoff is configured".to_owned());
                vec![
                    Event::HandoffTriggered,
                    Event::BotLeft { reason: Some("handoff".to_owned()) },
                    Event::HandoffFailed { reason: why.clone() },
                    Event::NoticePosted {
                        level: Level::Error,
                        notice: Notice::HandoffNotInitiated,
                    },
                    Event::BotJoined {
                        bot: self.state.bot.clone().unwrap_or_default(),
                        why: TurnReason::HandoffFailed { reason: why },
                    },
                ]
            }
        }
    }

    fn failed_events(&self, now: Timestamp, running: &Running, failure: Failure) -> Vec<Event> {
        let (level, notice) = match (&running.why, failure) {
            (TurnReason::Join, _) => (self.unable_to_start_level(now), Notice::UnableToStart),
            (_, Failure::Overloaded) => (Level::Error, Notice::HighLoad),
            (_, Failure::Broken) if running.visible => (Level::Error, Notice::EncounteredError),
            (_, Failure::Broken) => (Level::Error, Notice::TroubleResponding),
        };
        let mut events = close_stream(running).into_iter().collect::<Vec<_>>();
        events.push(Event::NoticePosted { level, notice });
        events.push(Event::TurnEnded { turn: running.turn, outcome: TurnOutcome::Failed });
        events
    }

    fn unable_to_start_level(&self, now: Timestamp) -> Level {
        match self.state.greeting {
            Greeting::Owed { failures, failed_at }
                if failures > 0 && now < failed_at + UNABLE_TO_START_ERROR_INTERVAL_MS =>
            {
                Level::Warning
            }
            Greeting::Owed { .. } | Greeting::Given => Level::Error,
        }
    }

    fn decide_expire(&self, now: Timestamp, clocks: &Expire) -> Result<Vec<Event>, Rejected> {
        let (at, reason) = self.expiry(clocks);
        if now < at {
            return Err(Rejected::NotYet { at });
        }
        Ok(self.end(reason, None))
    }

    /// Ends the session, and before it whatever is open in it.
    fn end(&self, reason: EndReason, asked: Option<Event>) -> Vec<Event> {
        let mut events = self.close_turn(TurnOutcome::CutShort);
        events.extend(asked);
        events.push(Event::SessionEnded { reason });
        events
    }

    /// Ends the turn that is due or running, its stream first: a stream is closed before anybody
    /// but the user says anything else.
    fn close_turn(&self, outcome: TurnOutcome) -> Vec<Event> {
        match &self.state.floor {
            Floor::BotRunning(running) => {
                let mut events = close_stream(running).into_iter().collect::<Vec<_>>();
                events.push(Event::TurnEnded { turn: running.turn, outcome });
                events
            }
            Floor::BotDue { turn, .. } => vec![Event::TurnEnded { turn: *turn, outcome }],
            Floor::Unasked | Floor::BotIdle | Floor::Nobody | Floor::Ended { .. } => vec![],
        }
    }
}

/// The last chunk of a message that has none.
fn close_stream(running: &Running) -> Option<Event> {
    let open = running.open_stream?;
    Some(Event::BotChunkPosted {
        token: running.token,
        message_id: open.message_id,
        index: open.index + 1,
        text: String::new(),
        extras: crate::Extras::default(),
        is_complete: true,
    })
}

fn said(token: Position, running: &Running, bot: BotProfile, say: &Say) -> Event {
    match say {
        Say::Message { message_id, text, extras, call_actions } => {
            assert!(running.open_stream.is_none(), "a stream is closed before another message");
            Event::BotMessagePosted {
                token,
                message_id: *message_id,
                text: text.clone(),
                extras: extras.clone(),
                call_actions: call_actions.clone(),
                bot,
            }
        }
        Say::Chunk { message_id, index, text, extras, is_complete } => {
            let (open_id, newest) =
                running.open_stream.map_or((*message_id, 0), |it| (it.message_id, it.index));
            assert_eq!((open_id, newest + 1), (*message_id, *index), "chunks come without gaps");
            Event::BotChunkPosted {
                token,
                message_id: *message_id,
                index: *index,
                text: text.clone(),
                extras: extras.clone(),
                is_complete: *is_complete,
            }
        }
        Say::Language(code) => Event::LanguageChanged { token, language_code: code.clone() },
    }
}

/// How many of the shortest pauses to wait.
fn greeting_backoff(failures: u32) -> u64 {
    match failures.checked_sub(1) {
        None => 0,
        Some(i) => GREETING_BACKOFF[(i as usize).min(GREETING_BACKOFF.len() - 1)],
    }
}
