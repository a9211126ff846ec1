//! Every promise, checked from outside when everything has come to rest: the log of the store, and
//! what the clients were told.

use std::{collections::BTreeMap, sync::Arc};

use segue_core::{
    Entry, Event, MessageId, MessageKey, Position, Session,
    ports::{ReadLimit, Store},
};

use crate::{
    chronicle::Committed,
    stops::check_stops,
    talk::{Key, Talk},
    turns::{Turns, check_turns},
    users::LATE_MS_MAX,
    world::World,
};

/// What the checkers look at in one session.
pub struct Case {
    pub talk: Arc<Talk>,
    pub session: Session,
    pub log: Vec<Entry>,
    pub commits: Vec<Committed>,
    pub bot_state: Option<String>,
}

/// Checks a world that has come to rest.
pub async fn check(world: &World) {
    let mut tokens: BTreeMap<String, u64> = BTreeMap::new();
    let talks = world.talks.lock().clone();
    for talk in talks {
        let Some(session) = world.store.load(talk.id).await.unwrap() else { continue };
        *tokens.entry(session.facts.token.0.clone()).or_default() += 1;
        let all = ReadLimit { entries: usize::MAX, bytes: usize::MAX };
        let log = world.store.read(talk.id, Position(0), all).await.unwrap().entries;
        let bot_state = world.store.bot_state(talk.id).await.unwrap();
        let commits = world.chronicle(|it| it.commits[&talk.id].clone());
        let case = Case { talk, session, log, commits, bot_state };
        check_log(world, &case);
        check_keys(world, &case);
        check_row(world, &case);
        check_stops(world, &case);
        let turns = check_turns(world, &case);
        check_answered(world, &case, &turns);
        check_users(world, &case);
        if case.session.ended_at().is_none() {
            crate::endings::check_still_alive(world, &case.session);
        }
    }
    for (token, sessions) in tokens {
        if sessions > world.plan.limits.sessions_per_token {
            world.violated(format!("{token} has created {sessions} sessions"));
        }
    }
    check_jobs(world).await;
    crate::endings::check_downtimes(world).await;
}

/// Positions and sequences have no gaps, time does not run backwards, and the log is what was
/// committed.
fn check_log(world: &World, case: &Case) {
    let mut sequence = 0;
    let mut at = 0;
    let committed = case.commits.iter().flat_map(|it| it.entries.iter());
    if !committed.eq(case.log.iter()) {
        case.violated(world, "the log is not what was committed");
    }
    for (i, entry) in case.log.iter().enumerate() {
        sequence += u64::from(entry.event.is_visible());
        if entry.position.0 != i as u64 + 1 || entry.reached.0 != sequence {
            case.violated(
                world,
                &format!("entry {i} is at {:?} {:?}", entry.position, entry.reached),
            );
        }
        if entry.at < at {
            case.violated(world, &format!("time runs backwards at {:?}", entry.position));
        }
        at = entry.at;
    }
    let is_start = |it: &Entry| matches!(it.event, Event::SessionStarted { .. });
    if case.log.iter().filter(|it| is_start(it)).count() != 1 || !is_start(&case.log[0]) {
        case.violated(world, "the log does not begin with its one start");
    }
    let ends = case.log.iter().position(|it| matches!(it.event, Event::SessionEnded { .. }));
    if let Some(end) = ends
        && case.log[end + 1..].iter().any(|it| it.event.is_visible())
    {
        case.violated(world, "something visible follows the end");
    }
}

/// A message with a key is there once.
fn check_keys(world: &World, case: &Case) {
    let mut keys: Vec<&MessageKey> =
        case.log.iter().filter_map(|it| it.event.message_key()).collect();
    keys.sort();
    if keys.windows(2).any(|it| it[0] == it[1]) {
        case.violated(world, "a key is in the log twice");
    }
    let ids = case.log.iter().filter_map(|it| match &it.event {
        Event::UserMessagePosted { message_id, .. } => Some(*message_id),
        _ => None,
    });
    let mut ids: Vec<MessageId> = ids.collect();
    ids.sort();
    if ids.windows(2).any(|it| it[0] == it[1]) {
        case.violated(world, "a message id is in the log twice");
    }
}

/// The row is the folded log, after every commit.
fn check_row(world: &World, case: &Case) {
    let mut folded = Session::new(case.session.id, Arc::clone(&case.session.facts));
    for commit in &case.commits {
        commit.entries.iter().for_each(|it| folded.apply(it));
        if folded != *commit.session {
            return case.violated(world, "a row is not the folded log");
        }
    }
    if folded != case.session || Session::fold(case.session.id, &case.log) != Some(folded) {
        case.violated(world, "the row is not the folded log");
    }
}

/// Every message of the user is answered by a turn that has ended, unless nobody has to.
fn check_answered(world: &World, case: &Case, turns: &Turns) {
    if case.session.ended_at().is_some() || turns.is_left {
        return;
    }
    for entry in &case.log {
        let is_message = matches!(entry.event, Event::UserMessagePosted { .. });
        if is_message && entry.position > turns.answered_to {
            case.violated(world, &format!("nobody answers {:?}", entry.position));
        }
    }
}

/// What the user was told is so, and the user was told.
fn check_users(world: &World, case: &Case) {
    let known = case.talk.known.lock();
    let is_hushed = world.ms() >= case.talk.character.hush_at_ms;
    let mut posted: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in &case.log {
        if let Event::UserMessagePosted { text, .. } = &entry.event {
            *posted.entry(text).or_default() += 1;
        }
    }
    for (tag, sent) in &known.messages {
        let times = posted.get(sent.text.as_str()).copied().unwrap_or(0);
        if times > sent.copies.len() as u64 || (times > 1 && sent.key != Key::None) {
            case.violated(world, &format!("{tag} is in the log {times} times"));
        }
        if sent.echoed.is_some() && times == 0 {
            case.violated(world, &format!("{tag} was echoed and is not in the log"));
        }
        if sent.is_refused_for_good && times > 0 && sent.key != Key::None {
            case.violated(world, &format!("{tag} was refused and is in the log"));
        }
        if sent.refusals >= sent.copies.len() as u64 && times > 0 {
            case.violated(world, &format!("every copy of {tag} was refused, and it is in the log"));
        }
        let is_asking = !known.is_ended && !is_hushed && case.session.ended_at().is_none();
        if sent.is_open() && is_asking {
            case.violated(world, &format!("{tag} was never answered"));
        }
    }
    let reached = case.session.state.reached.0;
    for (number, client) in &known.clients {
        let is_settled = client
            .sound_since_ms
            .is_some_and(|it| world.ms() > it.max(world.plan.active_ms) + LATE_MS_MAX);
        if is_settled && client.cursor < reached {
            let cursor = client.cursor;
            case.violated(world, &format!("client {number} has {cursor} of {reached} events"));
        }
    }
}

/// Jobs come to rest: no turn is left, and each session that lives has its one timer.
async fn check_jobs(world: &World) {
    use segue_core::ports::Job;
    let mut timers: BTreeMap<_, u64> = BTreeMap::new();
    for left in world.jobs_left().await {
        match left.job {
            Job::RunBot { turn } => {
                world.violated(format!("the job of turn {} is left in {}", turn.0, left.session));
            }
            Job::ExpireIdle => *timers.entry(left.session).or_default() += 1,
        }
    }
    let talks = world.talks.lock().clone();
    for talk in talks {
        let Some(session) = world.newest(talk.id) else { continue };
        let count = timers.get(&talk.id).copied().unwrap_or(0);
        let is_right = if session.ended_at().is_none() { count == 1 } else { count <= 1 };
        if !is_right {
            world.violated(format!("session {} has {count} timers", talk.id));
        }
    }
}

impl Case {
    pub fn violated(&self, world: &World, what: &str) {
        world.violated(format!("s{:x}: {what}", self.talk.id.0 & 0xff));
    }
}
