//! The folded state of a session and the door to its rules.
//!
//! `decide` turns a command into events and never changes state; `apply` folds one committed entry
//! and cannot fail. The store commits in between, so state that is visible has been written.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    AttemptId, BotProfile, CallAction, EndReason, Entry, EntryId, Event, Extras, Facts,
    HandOffMode, HandOffReason, Json, MessageId, MessageKey, Position, Sequence, SessionId,
    Timestamp, Turn, TurnReason,
    ports::{Claim, Commit, Job, NewJob},
};

mod apply;
mod decide;

/// A conversation, folded from its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The wire's `session_id`.
    pub id: SessionId,
    /// What is fixed since its creation.
    pub facts: Arc<Facts>,
    /// What its entries add up to.
    pub state: State,
}

/// What the entries of a session add up to. Stored with the session and read by newer versions:
/// add optional fields, never change the meaning of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The newest entry.
    pub head: Position,
    /// The newest event that the user may see.
    pub reached: Sequence,
    /// When the newest entry was recorded.
    pub last_at: Timestamp,
    /// When something was last said, by whomever.
    pub last_said_at: Timestamp,
    /// When the user last did something that is in the log.
    pub last_user_at: Timestamp,
    /// The user's newest message.
    pub last_input: Position,
    /// The newest turn that was started answers the user's messages up to here.
    pub answered_to: Position,
    /// The number of the newest turn.
    pub turns: Turn,
    /// How the bot shows itself, once it has joined.
    pub bot: Option<BotProfile>,
    /// BCP 47, where known.
    pub language: Option<String>,
    /// What became of the greeting.
    pub greeting: Greeting,
    /// Who may speak to the user.
    pub floor: Floor,
}

/// What became of the greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Greeting {
    /// No turn has ended well or was stopped so far.
    Owed {
        /// How often the greeting has failed.
        failures: u32,
        /// When it failed last, or zero.
        failed_at: Timestamp,
    },
    /// A turn has ended well, or the user stopped one; there is never a second greeting.
    Given,
}

/// Who may speak to the user. Changes only by an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Floor {
    /// Nobody yet: the bot was not asked to join.
    Unasked,
    /// The bot joined and owes nothing.
    BotIdle,
    /// The bot owes a turn that nobody has started.
    BotDue {
        /// Which.
        turn: Turn,
        /// Why.
        why: TurnReason,
        /// Not before.
        run_at: Timestamp,
    },
    /// A worker is at it.
    BotRunning(Running),
    /// Nobody: the user's application took over. Messages are kept.
    Nobody,
    /// The conversation is over.
    Ended {
        /// Why.
        reason: EndReason,
        /// Since when.
        at: Timestamp,
    },
}

/// A turn that a worker is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Which turn.
    pub turn: Turn,
    /// Why it was due.
    pub why: TurnReason,
    /// The position of the newest start; every output carries it.
    pub token: Position,
    /// Which attempt holds the token.
    pub attempt: AttemptId,
    /// How often the turn was started.
    pub starts: u32,
    /// Since when the turn is due; zero where an older version began it. Nothing is decided by it.
    #[serde(default)]
    pub due_at: Timestamp,
    /// It answers the user's messages after this …
    pub input_after: Position,
    /// … and up to this.
    pub input_to: Position,
    /// Outputs recorded with the token; the next one has the number after it.
    pub outputs_taken: u32,
    /// Whether the user has seen anything of the turn, whichever attempt gave it.
    pub visible: bool,
    /// The message that has a first chunk and no last one.
    pub open_stream: Option<OpenStream>,
}

/// A message that has a first chunk and no last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenStream {
    /// Which message.
    pub message_id: MessageId,
    /// Its newest chunk.
    pub index: u32,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The person.
    User,
    /// A worker that speaks for the bot.
    Bot,
    /// The server itself, for instance a timer that came due.
    System,
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Create the session.
    Start {
        /// The first look at whether it was abandoned.
        expire_at: Timestamp,
        /// How many sessions there may be.
        sessions_max: SessionsMax,
    },
    /// The user asks for the bot.
    Join {
        /// Who joins.
        bot: BotProfile,
        /// A failed greeting is not tried again before so many milliseconds, and later the more
        /// often it has failed (`GREETING_BACKOFF`).
        retry_ms: u64,
        /// `metadata.custom` as sent.
        custom: Option<Json>,
    },
    /// The user says something.
    PostMessage {
        /// Minted by the node that took it.
        message_id: MessageId,
        /// To the letter.
        text: Arc<str>,
        /// The client's name for it.
        key: Option<MessageKey>,
        /// `metadata.custom` as sent.
        custom: Option<Json>,
    },
    /// The user ends the conversation.
    End {
        /// `metadata.custom` as sent.
        custom: Option<Json>,
    },
    /// The user does not want the turn that is running or due.
    StopTurn,
    /// A worker begins, or takes over, a turn.
    StartTurn {
        /// Which.
        turn: Turn,
        /// The worker's name for this attempt.
        attempt: AttemptId,
        /// How far the worker has read the user's messages. Counts for the first start only.
        input_to: Position,
        /// How many turns the session may have; one more ends it instead. `None` without a limit.
        turns_max: Option<u64>,
    },
    /// A worker has an output of the bot.
    Say {
        /// The token of its attempt.
        token: Position,
        /// 1, 2, 3 … within the token.
        number: u32,
        /// What.
        say: Say,
    },
    /// A worker is through with a turn.
    EndTurn {
        /// The token of its attempt.
        token: Position,
        /// How it went.
        end: TurnEnd,
    },
    /// A timer asks whether the session is over.
    Expire(Expire),
    /// An administrator ends the session.
    Revoke(Revoked),
}

/// What an administrator has revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// This session, by itself.
    Session,
    /// Its connector, and with it all its sessions.
    Connector,
}

/// How many sessions there may be; `None` without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionsMax {
    /// That one access token creates in its life.
    pub per_token: Option<u32>,
    /// Of one connector, that live.
    pub live: Option<u32>,
    /// Of one connector, that are created in one hour of the clock.
    pub per_hour: Option<u32>,
}

/// One output of the bot that becomes one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    /// A message, whole.
    Message {
        /// One message, one id.
        message_id: MessageId,
        /// Markdown.
        text: String,
        /// Attachments and suggestions.
        extras: Extras,
        /// Numbers to call.
        call_actions: Vec<CallAction>,
    },
    /// A part of a message.
    Chunk {
        /// Shared by the chunks of a message.
        message_id: MessageId,
        /// 1, 2, 3 …
        index: u32,
        /// The message is the concatenation of these.
        text: String,
        /// Only with the last one.
        extras: Extras,
        /// Whether this is the last one.
        is_complete: bool,
    },
    /// Another language, BCP 47.
    Language(String),
}

/// How a turn went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnEnd {
    /// The bot gave all it had.
    Finished {
        /// What follows from it.
        then: Then,
        /// Replaces the bot's own state.
        bot_state: Option<String>,
    },
    /// The bot failed.
    Failed(Failure),
}

/// What follows from a turn that ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Nothing; the bot keeps the floor.
    Nothing,
    /// The conversation ends, unless the user has said something meanwhile.
    End,
    /// Somebody else is to take over.
    HandOff {
        /// Who carries it out; what is not there fails. (There is no desk yet: `Server` fails.)
        mode: Option<HandOffMode>,
        /// Why.
        reason: HandOffReason,
        /// Where to.
        destination: Option<String>,
    },
}

/// How a bot failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It was overloaded.
    Overloaded,
    /// No answer, a wrong one, too late, or broken off: the words depend on what was seen of it.
    Broken,
}

/// What a timer knows when it asks whether a session is over. All times take into account when no
/// node ran (protocol, section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expire {
    /// When a frame of the user last came, downtime added.
    pub last_seen: Timestamp,
    /// When something was last said, downtime added; zero to take the session's own.
    pub last_said: Timestamp,
    /// Absence and silence end nothing before this: people need time to come back after a start.
    pub not_before: Timestamp,
    /// Absent for so long, the user has abandoned the session, in milliseconds.
    pub idle_ms: u64,
    /// Silent for so long, too, in milliseconds.
    pub silence_ms: u64,
}

/// What follows from a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// To append, in this order.
    pub events: Vec<Event>,
    /// To be done afterwards. (The job of a turn that the events make due is added on commit.)
    pub jobs: Vec<NewJob>,
    /// Conditions outside the session.
    pub claims: Vec<Claim>,
    /// Replaces the bot's own state.
    pub bot_state: Option<String>,
}

/// The command is not allowed now, or changes nothing. Not a fault: whoever asked is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The conversation is over.
    #[error("the session has ended")]
    Ended,
    /// The bot was not asked to join.
    #[error("the bot was not asked to join")]
    NotAsked,
    /// The bot joined, or was there and left: nothing to do.
    #[error("the bot has joined already")]
    AlreadyJoined,
    /// No turn is running or due: there is nothing to stop.
    #[error("no turn is running or due")]
    NoTurn,
    /// This very thing is in the log.
    #[error("done already")]
    AlreadyDone,
    /// The world has moved on: another attempt, another turn, another floor.
    #[error("outlived")]
    Outlived,
    /// It is not time yet.
    #[error("not before {at}")]
    NotYet {
        /// When to ask again.
        at: Timestamp,
    },
}

impl Session {
    /// A session before its first entry.
    pub fn new(id: SessionId, facts: Arc<Facts>) -> Self {
        let state = State {
            head: Position(0),
            reached: Sequence(0),
            last_at: 0,
            last_said_at: 0,
            last_user_at: 0,
            last_input: Position(0),
            answered_to: Position(0),
            turns: Turn(0),
            bot: None,
            language: facts.language.clone(),
            greeting: Greeting::Owed { failures: 0, failed_at: 0 },
            floor: Floor::Unasked,
        };
        Self { id, facts, state }
    }

    /// Folds a whole log. `None` unless it begins with the start of a session.
    pub fn fold(id: SessionId, log: &[Entry]) -> Option<Self> {
        let Event::SessionStarted { facts } = &log.first()?.event else { return None };
        let mut session = Self::new(id, Arc::clone(facts));
        for entry in log {
            session.apply(entry);
        }
        Some(session)
    }

    /// Gives events their places behind the newest entry. `ids` yields a fresh UUID v7 each.
    pub fn place(
        &self,
        now: Timestamp,
        events: Vec<Event>,
        mut ids: impl FnMut() -> EntryId,
    ) -> Vec<Entry> {
        let mut position = self.state.head;
        let mut reached = self.state.reached;
        // Clocks of nodes differ; time within a session never runs backwards (protocol, section 3).
        let at = now.max(self.state.last_at);
        let place = |event: Event| {
            position = position.next();
            reached.0 += u64::from(event.is_visible());
            Entry { id: ids(), position, reached, at, event }
        };
        events.into_iter().map(place).collect()
    }

    /// When the session ended, if it has.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self.state.floor {
            Floor::Ended { at, .. } => Some(at),
            _ => None,
        }
    }

    /// Whether user messages wait that no started turn answers.
    pub fn has_unanswered_input(&self) -> bool {
        self.state.last_input > self.state.answered_to
    }

    /// When the session ends if nothing else happens, and why.
    pub fn expiry(&self, clocks: &Expire) -> (Timestamp, EndReason) {
        let seen = clocks.last_seen.max(self.state.last_user_at);
        let said = clocks.last_said.max(self.state.last_said_at);
        let abandoned_at =
            (seen + clocks.idle_ms).min(said + clocks.silence_ms).max(clocks.not_before);
        if self.facts.expires_at <= abandoned_at {
            (self.facts.expires_at, EndReason::NaturalEnd)
        } else {
            (abandoned_at, EndReason::UserAbandoned)
        }
    }
}

impl Session {
    /// The job of the turn that has become due after the turn `newest`, if one has. Folding decides
    /// when a turn is due, so that one place knows it.
    fn due_since(&self, newest: Turn) -> Option<NewJob> {
        match self.state.floor {
            Floor::BotDue { turn, run_at, .. } if turn > newest => {
                Some(NewJob { job: Job::RunBot { turn }, run_at })
            }
            _ => None,
        }
    }
}

impl Command {
    /// The client's name for this command, if a retry must be told from a second one.
    pub fn message_key(&self) -> Option<&MessageKey> {
        match self {
            Command::PostMessage { key, .. } => key.as_ref(),
            _ => None,
        }
    }
}

impl Commit {
    /// Adds a decision to what is to be written, on top of `session`, which moves along with it.
    /// Several decisions become one write.
    pub fn begin(session: &Session) -> CommitBuilder {
        CommitBuilder {
            seen: session.state.head,
            turns: session.state.turns,
            session: session.clone(),
            entries: Vec::new(),
            jobs: Vec::new(),
            claims: Vec::new(),
            bot_state: None,
        }
    }
}

/// Gathers decisions, each taken on the state that the ones before it lead to, into one write.
#[derive(Debug, Clone)]
pub struct CommitBuilder {
    seen: Position,
    turns: Turn,
    session: Session,
    entries: Vec<Entry>,
    jobs: Vec<NewJob>,
    claims: Vec<Claim>,
    bot_state: Option<String>,
}

impl CommitBuilder {
    /// The state that the decisions so far lead to.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The entries so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds a decision that was taken on `self.session()`.
    pub fn add(&mut self, now: Timestamp, decision: Decision, ids: impl FnMut() -> EntryId) {
        let placed = self.session.place(now, decision.events, ids);
        for entry in &placed {
            self.session.apply(entry);
        }
        self.entries.extend(placed);
        self.jobs.extend(decision.jobs);
        self.claims.extend(decision.claims);
        self.bot_state = decision.bot_state.or(self.bot_state.take());
    }

    /// What to write; `None` when there is nothing.
    pub fn finish(self) -> Option<Commit> {
        if self.entries.is_empty() {
            return None;
        }
        let mut jobs = self.jobs;
        jobs.extend(self.session.due_since(self.turns));
        Some(Commit {
            seen: self.seen,
            entries: self.entries.into(),
            session: Arc::new(self.session),
            jobs,
            claims: self.claims,
            bot_state: self.bot_state,
        })
    }
}

#[cfg(test)]
mod tests;
