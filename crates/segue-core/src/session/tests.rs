//! Each test is a script and the log that it leads to, line for line. Only `check` and what stands
//! below it know the API.
//!
//! A line of a script is `@TIME who does what`, and without a time it happens when the line before
//! it did. `user` and `system` are actors; any other name is a worker, and its newest start gives it
//! the token with which it goes on. A line of a log has the entries with their positions, `!` marks
//! an internal one, and after a `+` the jobs.

use std::{collections::BTreeMap, fmt::Write as _};

use super::*;
use crate::{
    ConnectorId, Level, TokenId, TurnOutcome,
    ports::{Claim, Job},
};

mod arbitrary;
mod ends;
mod expiry;
mod greeting;
mod handoff;
mod places;
mod properties;
mod stops;
mod stored;
mod turns;

/// Runs a script on a session that has just started, and compares what follows from each line.
#[track_caller]
fn check(script: &str, log: &str) {
    let mut stage = Stage::new();
    let actual: Vec<String> = steps(script).map(|line| stage.play(line)).collect();
    let expected: Vec<&str> = steps(log).collect();
    assert_eq!(actual, expected, "\nwhat follows:\n{}\n", actual.join("\n"));
    stage.assert_consistent();
}

fn steps(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|it| !it.is_empty())
}

/// A session, its log and who is at work in it.
struct Stage {
    session: Session,
    log: Vec<Entry>,
    now: Timestamp,
    workers: BTreeMap<String, Worker>,
    ids: u128,
}

#[derive(Default)]
struct Worker {
    attempt: u128,
    token: Position,
    said: u32,
}

/// The life of the sessions of these tests, in milliseconds.
const LIFE_MS: u64 = 82_800_000;

fn facts() -> Arc<Facts> {
    Arc::new(Facts {
        connector: ConnectorId("demo".into()),
        token: TokenId("token".into()),
        expires_at: LIFE_MS,
        streaming: true,
        platform: "web".into(),
        device_type: None,
        user_agent: None,
        language: Some("en".into()),
        variant_id: None,
        integration_attributes: None,
    })
}

fn bot() -> BotProfile {
    BotProfile { name: "Ada".into(), avatar_url: String::new() }
}

impl Stage {
    fn new() -> Self {
        let session = Session::new(SessionId(1), facts());
        let mut stage = Self { session, log: vec![], now: 0, workers: BTreeMap::new(), ids: 0 };
        let start = Command::Start { expire_at: 660_000, sessions_max: SessionsMax::default() };
        let started = stage.run(Actor::System, &[start]);
        assert_eq!(started, "1 started +expire@660000");
        stage
    }

    fn play(&mut self, line: &str) -> String {
        let line = match line.strip_prefix('@').and_then(|it| it.split_once(' ')) {
            Some((now, rest)) => {
                self.now = now.parse().unwrap();
                rest
            }
            None => line,
        };
        let (who, what) = line.split_once(' ').unwrap();
        let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
        match who {
            "user" => {
                let command = self.by_user(verb, rest);
                self.run(Actor::User, &[command])
            }
            "system" if verb == "revokes" => {
                let revoked = match rest {
                    "session" => Revoked::Session,
                    "connector" => Revoked::Connector,
                    other => panic!("the system does not revoke a {other}"),
                };
                self.run(Actor::System, &[Command::Revoke(revoked)])
            }
            "system" => self.run(Actor::System, &[expire(rest)]),
            worker => {
                let command = self.by_worker(worker, verb, rest);
                let outcome = self.run(Actor::Bot, &[command]);
                self.note_token(worker);
                outcome
            }
        }
    }

    fn by_user(&mut self, verb: &str, rest: &str) -> Command {
        match verb {
            "joins" => Command::Join { bot: bot(), retry_ms: 5_000, custom: None },
            "says" => Command::PostMessage {
                message_id: MessageId(self.id()),
                text: rest.into(),
                key: None,
                custom: None,
            },
            "ends" => Command::End { custom: None },
            "stops" => Command::StopTurn,
            other => panic!("users do not know how to {other}"),
        }
    }

    fn by_worker(&mut self, name: &str, verb: &str, rest: &str) -> Command {
        let attempt = name.bytes().fold(0, |sum, byte| sum * 256 + u128::from(byte));
        let head = self.session.state.head;
        let worker = self.workers.entry(name.to_owned()).or_default();
        worker.attempt = attempt;
        let (verb, again) = match verb.split_once('#') {
            Some((verb, number)) => (verb, Some(number.parse().unwrap())),
            None => (verb, None),
        };
        let mut say = |say| {
            let number = again.unwrap_or(worker.said + 1);
            worker.said = worker.said.max(number);
            Command::Say { token: worker.token, number, say }
        };
        match verb {
            "starts" => {
                let (rest, turns_max) = rest.split_once(" of ").unwrap_or((rest, ""));
                let (turn, input_to) = rest.split_once(" to ").unwrap_or((rest, ""));
                Command::StartTurn {
                    turn: Turn(turn.parse().unwrap()),
                    attempt: AttemptId(attempt),
                    input_to: input_to.parse().map_or(head, Position),
                    turns_max: turns_max.parse().ok(),
                }
            }
            "says" => say(Say::Message {
                message_id: MessageId(0),
                text: rest.into(),
                extras: Extras::default(),
                call_actions: vec![],
            }),
            // `streams m2.1 text`, and `streams m2.2! text` for the last one.
            "streams" => {
                let (place, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let (message, index) = place.trim_start_matches('m').split_once('.').unwrap();
                say(Say::Chunk {
                    message_id: MessageId(message.parse().unwrap()),
                    index: index.trim_end_matches('!').parse().unwrap(),
                    text: text.into(),
                    extras: Extras::default(),
                    is_complete: index.ends_with('!'),
                })
            }
            "switches" => say(Say::Language(rest.into())),
            "finishes" | "fails" => Command::EndTurn { token: worker.token, end: end(verb, rest) },
            other => panic!("workers do not know how to {other}"),
        }
    }

    /// Decides, commits and folds, as a node does.
    fn run(&mut self, actor: Actor, commands: &[Command]) -> String {
        let mut builder = Commit::begin(&self.session);
        for command in commands {
            match builder.session().decide(self.now, actor, command) {
                Err(rejected) => return format!("{rejected:?}"),
                Ok(decision) => {
                    let ids = &mut self.ids;
                    builder.add(self.now, decision, || {
                        *ids += 1;
                        EntryId(*ids)
                    });
                }
            }
        }
        let commit = builder.finish().unwrap();
        assert_eq!(commit.seen, self.session.state.head);
        for entry in commit.entries.iter() {
            self.session.apply(entry);
        }
        assert_eq!(self.session, *commit.session);
        self.log.extend(commit.entries.iter().cloned());
        rendered(&commit)
    }

    fn note_token(&mut self, name: &str) {
        let Some(worker) = self.workers.get_mut(name) else { return };
        let Some(running) = self.session.running() else { return };
        if running.attempt == AttemptId(worker.attempt) && running.token != worker.token {
            worker.token = running.token;
            worker.said = 0;
        }
    }

    fn id(&mut self) -> u128 {
        self.ids += 1;
        self.ids
    }

    /// What holds of every log, whatever its script.
    fn assert_consistent(&self) {
        assert_eq!(Session::fold(self.session.id, &self.log).as_ref(), Some(&self.session));
        let mut reached = 0;
        for (i, entry) in self.log.iter().enumerate() {
            reached += u64::from(entry.event.is_visible());
            assert_eq!((entry.position.0, entry.reached.0), (i as u64 + 1, reached));
            assert!(i == 0 || entry.at >= self.log[i - 1].at, "time runs backwards");
        }
    }
}

fn end(verb: &str, rest: &str) -> TurnEnd {
    let then = match (verb, rest) {
        ("fails", "") => return TurnEnd::Failed(Failure::Broken),
        ("fails", "overloaded") => return TurnEnd::Failed(Failure::Overloaded),
        (_, "") => Then::Nothing,
        (_, "for good") => Then::End,
        (_, handoff) => Then::HandOff {
            mode: match handoff.strip_prefix("handing off to ").unwrap() {
                "client" => Some(HandOffMode::Client),
                "server" => Some(HandOffMode::Server),
                "nobody" => None,
                other => panic!("{other} takes nobody over"),
            },
            reason: HandOffReason::Policy,
            destination: Some("warranty".into()),
        },
    };
    TurnEnd::Finished { then, bot_state: None }
}

/// `expires seen=… said=… not_before=…`, with the defaults of the protocol.
fn expire(words: &str) -> Command {
    let mut clocks = Expire {
        last_seen: 0,
        last_said: 0,
        not_before: 0,
        idle_ms: 660_000,
        silence_ms: 3_600_000,
    };
    for word in words.split_whitespace() {
        let (name, at) = word.split_once('=').unwrap();
        let at = at.parse().unwrap();
        match name {
            "seen" => clocks.last_seen = at,
            "said" => clocks.last_said = at,
            "not_before" => clocks.not_before = at,
            other => panic!("timers know no {other}"),
        }
    }
    Command::Expire(clocks)
}

fn rendered(commit: &Commit) -> String {
    let mut line = String::new();
    for entry in commit.entries.iter() {
        let mark = if entry.event.is_visible() { "" } else { "!" };
        write!(line, "{}{mark} {}, ", entry.position.0, name(&entry.event)).unwrap();
    }
    line.truncate(line.len() - 2);
    for NewJob { job, run_at } in &commit.jobs {
        match job {
            Job::RunBot { turn } => write!(line, " +{}@{run_at}", turn.0).unwrap(),
            Job::ExpireIdle => write!(line, " +expire@{run_at}").unwrap(),
        }
    }
    line
}

fn name(event: &Event) -> String {
    match event {
        Event::SessionStarted { .. } => "started".into(),
        Event::JoinRequested { run_at, .. } => format!("join@{run_at}"),
        Event::BotJoined { why, .. } => match why {
            TurnReason::Join => "joined".into(),
            TurnReason::Message => "joined for a message".into(),
            TurnReason::HandoffFailed { .. } => "joined again".into(),
        },
        Event::UserMessagePosted { text, .. } => format!("user:{text}"),
        Event::TurnStarted { turn, input_to, .. } => format!("turn {} to {}", turn.0, input_to.0),
        Event::TurnEnded { turn, outcome } => {
            let outcome = match outcome {
                TurnOutcome::Finished => "finished",
                TurnOutcome::Failed => "failed",
                TurnOutcome::CutShort => "cut short",
                TurnOutcome::Stopped => "stopped",
            };
            format!("turn {} {outcome}", turn.0)
        }
        Event::BotMessagePosted { token, text, .. } => format!("bot({}):{text}", token.0),
        Event::BotChunkPosted { token, message_id, index, text, is_complete, .. } => {
            let last = if *is_complete { "!" } else { "" };
            format!("m{}.{index}{last}({}):{text}", message_id.0, token.0)
        }
        Event::LanguageChanged { language_code, .. } => format!("language {language_code}"),
        Event::HandoffTriggered => "handoff".into(),
        Event::ClientHandoffRequired { reason, destination } => {
            format!("client {reason:?} {}", destination.as_deref().unwrap_or("-"))
        }
        Event::BotLeft { .. } => "left".into(),
        Event::HandoffFailed { .. } => "handoff failed".into(),
        Event::NoticePosted { level, notice } => {
            let loud = if *level == Level::Error { "" } else { " softly" };
            format!("{notice:?}{loud}")
        }
        Event::EndRequested { .. } => "end".into(),
        Event::SessionEnded { reason } => format!("{reason:?}"),
    }
}
