//! What an omniscient bystander of a world writes down: commits at their moment, what the bots were
//! asked, which frames reached a node, and the situations that come of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use segue_core::{
    EndReason, Entry, EntryId, Event, Notice, OpenStream, Position, Running, Session, SessionId,
    TurnOutcome, ports::Commit,
};
use segue_server::wire;

use crate::{
    bots::Call,
    situations::{Situation, Tally},
    store::Life,
};

/// One commit.
#[derive(Debug, Clone)]
pub struct Committed {
    /// On the world's own clock.
    pub at_ms: u64,
    pub life: Arc<Life>,
    pub entries: Arc<[Entry]>,
    pub session: Arc<Session>,
    pub bot_state: Option<String>,
}

/// Everything that was observed.
#[derive(Default)]
pub struct Chronicle {
    pub tally: Tally,
    pub violations: Vec<String>,
    pub commits: BTreeMap<SessionId, Vec<Committed>>,
    /// How each event looked when it was committed.
    pub events: BTreeMap<(SessionId, u64), String>,
    pub ids: BTreeSet<EntryId>,
    pub calls: Vec<Call>,
    /// Who started the newest turn, and when.
    pub workers: BTreeMap<SessionId, (Arc<Life>, u64)>,
    /// The newest push that somebody missed, and when.
    pub lost: BTreeMap<SessionId, (Position, u64)>,
    /// What happened, hashed: two runs from one seed have the same.
    pub hash: u64,
    /// Whether somebody wants to read it.
    pub prints: bool,
}

impl Chronicle {
    pub fn write(&mut self, at_ms: u64, line: &str) {
        let mut hash = self.hash ^ at_ms;
        for byte in line.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.hash = hash;
        if self.prints {
            println!("{at_ms:>9} {line}");
        }
    }

    pub fn violated(&mut self, at_ms: u64, what: String) {
        self.write(at_ms, &format!("VIOLATED {what}"));
        self.violations.push(what);
    }

    /// Takes down a commit that has just become durable.
    pub fn take_down(&mut self, at_ms: u64, life: &Arc<Life>, commit: &Commit) {
        let id = commit.session.id;
        let before = self.commits.get(&id).and_then(|it| it.last()).map(|it| it.session.clone());
        for entry in commit.entries.iter() {
            let told = format!(
                "s{:x} node {}.{} +{} {}",
                id.0 & 0xff,
                life.place,
                life.number,
                entry.position.0,
                in_short(&entry.event)
            );
            self.write(at_ms, &told);
            if !self.ids.insert(entry.id) {
                self.violated(at_ms, format!("the id {} was given twice", entry.id));
            }
            if let Some(text) = wire::event(entry) {
                self.events.insert((id, entry.reached.0), text);
            }
        }
        if let Some(before) = &before {
            self.tell_situations(at_ms, life, commit, before);
        }
        let is_start = |it: &Entry| matches!(it.event, Event::TurnStarted { .. });
        if commit.entries.iter().any(is_start) {
            self.workers.insert(id, (Arc::clone(life), at_ms));
        }
        self.commits.entry(id).or_default().push(Committed {
            at_ms,
            life: Arc::clone(life),
            entries: Arc::clone(&commit.entries),
            session: Arc::clone(&commit.session),
            bot_state: commit.bot_state.clone(),
        });
    }

    fn tell_situations(&mut self, at_ms: u64, life: &Arc<Life>, commit: &Commit, before: &Session) {
        use Situation as S;
        let id = before.id;
        if let Some((_, lost_ms)) = self.lost.remove(&id)
            && at_ms > lost_ms + 1_000
        {
            self.tally.count(S::LostLastPush);
        }
        let running = before.running();
        let open = running.and_then(|it| it.open_stream);
        let worker = self.workers.get(&id).cloned();
        for entry in commit.entries.iter() {
            let situation = match &entry.event {
                Event::TurnStarted { .. } if running.is_some() => {
                    if worker
                        .as_ref()
                        .is_some_and(|it| !it.0.is_dead() && it.0.number != life.number)
                    {
                        self.tally.count(S::SecondWorker);
                    }
                    S::RepeatOfTurn
                }
                Event::UserMessagePosted { .. } => match &running {
                    Some(it) if before.state.last_input > it.token => S::BurstDuringTurn,
                    _ if before.state.floor == segue_core::Floor::Nobody => S::MessageAfterHandoff,
                    _ => continue,
                },
                Event::EndRequested { .. } if open.is_some() => S::EndAgainstStream,
                Event::JoinRequested { .. } if before.state.bot.is_some() => S::GreetingAgain,
                Event::NoticePosted { notice: Notice::UnableToStart, .. } => S::GreetingFailed,
                Event::NoticePosted { notice: Notice::HandoffNotInitiated, .. } => S::HandoffFailed,
                Event::NoticePosted { .. } => S::TurnFailed,
                Event::ClientHandoffRequired { .. } => S::HandoffToClient,
                Event::SessionEnded { reason: EndReason::UserEnd } => S::EndedByUser,
                Event::SessionEnded { reason: EndReason::NaturalEnd } => {
                    if entry.at >= before.facts.expires_at { S::EndedForAge } else { S::EndedByBot }
                }
                Event::TurnEnded { outcome: TurnOutcome::Stopped, .. } => {
                    if running.is_some() && before.has_unanswered_input() {
                        self.tally.count(S::StopBeforeWaitingMessage);
                    }
                    match running {
                        None => S::StopOfDueTurn,
                        Some(_) if open.is_some() => S::StopInStream,
                        Some(_) => S::StopOfSilentTurn,
                    }
                }
                Event::TurnEnded { outcome: TurnOutcome::Failed, .. } => {
                    let Some((worker, since_ms)) = &worker else { continue };
                    self.tell_failed_turn(worker, at_ms - since_ms, life, running, open);
                    continue;
                }
                _ => continue,
            };
            self.tally.count(situation);
        }
    }

    fn tell_failed_turn(
        &mut self,
        worker: &Life,
        lasted_ms: u64,
        life: &Life,
        running: Option<&Running>,
        open: Option<OpenStream>,
    ) {
        let Some(running) = running else { return };
        if worker.number != life.number && open.is_some() {
            self.tally.count(Situation::CutStreamClosedByNextWorker);
        }
        if worker.is_dead() && running.starts >= 3 {
            self.tally.count(Situation::PoisonTurnGivenUp);
        }
        if worker.number == life.number && lasted_ms > 4_000 {
            self.tally.count(Situation::TurnTooLate);
        }
    }

    /// A crash or a stop: what was under way there.
    pub fn tell_end_of(&mut self, life: &Life, is_crash: bool) {
        use Situation as S;
        let mut situations = Vec::new();
        for (id, (worker, _)) in &self.workers {
            let Some(newest) = self.commits.get(id).and_then(|it| it.last()) else { continue };
            let Some(running) = newest.session.running() else { continue };
            if worker.number != life.number {
                continue;
            }
            situations.push(if is_crash { S::CrashInTurn } else { S::StopInTurn });
            if is_crash && running.open_stream.is_some() {
                situations.push(S::CrashInStream);
            }
        }
        for situation in situations {
            self.tally.count(situation);
        }
    }
}

/// An event in a few words.
pub fn in_short(event: &Event) -> String {
    match event {
        Event::UserMessagePosted { text, key, .. } => format!("user {text} {key:?}"),
        Event::BotMessagePosted { token, text, .. } => {
            format!("bot t{} {} bytes {:.20}", token.0, text.len(), text)
        }
        Event::BotChunkPosted { token, index, text, is_complete, .. } => {
            format!("chunk t{} {index} {is_complete} {text:?}", token.0)
        }
        Event::TurnStarted { turn, input_to, .. } => {
            format!("turn {} started, input to {}", turn.0, input_to.0)
        }
        Event::TurnEnded { turn, outcome } => format!("turn {} {outcome:?}", turn.0),
        Event::SessionStarted { .. } => "started".to_owned(),
        other => format!("{other:?}"),
    }
}
