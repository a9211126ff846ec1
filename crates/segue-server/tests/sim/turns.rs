//! Promises about the bot: who may speak when, what a turn answers, how it ends, and that what is in
//! the log is what the bot gave.

use std::collections::BTreeMap;

use segue_core::{Entry, Event, MessageId, Position, Timestamp, Turn, TurnOutcome, TurnReason};

use crate::{
    bots::Call,
    promises::Case,
    situations::Situation,
    world::{GREETING, World},
};

/// What the turns of a session add up to.
#[derive(Debug, Default)]
pub struct Turns {
    /// Messages up to here were answered.
    pub answered_to: Position,
    /// Nobody has the floor.
    pub is_left: bool,
}

/// A walk along the log, with a memory of its own: it does not ask the code that it checks.
struct Walk<'a> {
    world: &'a World,
    case: &'a Case,
    calls: &'a [Call],
    now: Option<Now>,
    due: Option<TurnReason>,
    /// It does not run before.
    due_at: Timestamp,
    is_joined: bool,
    is_ended: bool,
    is_greeted: bool,
    greetings: u32,
    state: Option<String>,
    /// The bot's state before each turn.
    states: BTreeMap<u64, Option<String>>,
    /// Turns that the user stopped, and up to where nobody answers for them.
    unwanted: Vec<(Turn, Position)>,
    sums: Turns,
}

/// The turn that runs.
struct Now {
    turn: Turn,
    reason: TurnReason,
    token: Position,
    starts: u32,
    input_to: Position,
    is_visible: bool,
    open: Option<(MessageId, u32)>,
    text: String,
    attachments: usize,
    suggestions: usize,
    call_actions: usize,
}

/// Checks the bot's part of a log.
pub fn check_turns(world: &World, case: &Case) -> Turns {
    let calls = world.calls(|it| it.clone());
    let mut walk = Walk {
        world,
        case,
        calls: &calls,
        now: None,
        due: None,
        due_at: 0,
        is_joined: false,
        is_ended: false,
        is_greeted: false,
        greetings: 0,
        state: None,
        states: BTreeMap::new(),
        unwanted: Vec::new(),
        sums: Turns::default(),
    };
    for commit in &case.commits {
        for (i, entry) in commit.entries.iter().enumerate() {
            let rest = &commit.entries[i + 1..];
            walk.step(entry, rest, commit.bot_state.as_ref());
        }
    }
    if let Some(now) = &walk.now {
        walk.violated(&format!("turn {} has not ended", now.turn.0));
    }
    if walk.due.is_some() && !walk.is_ended {
        walk.violated("a turn is due and was not run");
    }
    if walk.greetings > 1 {
        walk.violated("a second greeting");
    }
    if walk.state != case.bot_state {
        walk.violated("the bot's state is not that of the last turn that set it");
    }
    walk.check_calls();
    walk.sums
}

impl Walk<'_> {
    fn violated(&self, what: &str) {
        self.case.violated(self.world, what);
    }

    fn step(&mut self, entry: &Entry, rest: &[Entry], bot_state: Option<&String>) {
        let is_closing = matches!(entry.event, Event::BotChunkPosted { .. });
        let is_by_user = matches!(entry.event, Event::UserMessagePosted { .. });
        let is_open = self.now.as_ref().is_some_and(|it| it.open.is_some());
        if is_open && !is_closing && !is_by_user {
            self.violated(&format!("a stream is open at {:?}", entry.position));
        }
        match &entry.event {
            Event::BotJoined { why, .. } => {
                self.is_joined = true;
                self.sums.is_left = false;
                self.make_due(why.clone(), entry.at);
            }
            Event::JoinRequested { run_at, .. } if self.is_joined => {
                self.make_due(TurnReason::Join, *run_at);
            }
            Event::UserMessagePosted { .. } => self.take_input(entry.at),
            Event::TurnStarted { turn, input_to, .. } => {
                self.start(*turn, entry.position, *input_to);
            }
            Event::TurnEnded { turn, outcome } => {
                let input = self.newest_input(entry.position);
                match (&self.now, *outcome) {
                    (None, outcome) => self.end_due(*turn, outcome, input),
                    _ => self.end(*turn, *outcome, input, rest, bot_state),
                }
            }
            Event::BotMessagePosted { token, text, extras, call_actions, .. } => {
                let Some(now) = self.speak(*token, entry.position) else { return };
                now.text.push_str(text);
                now.attachments += extras.attachments.len();
                now.suggestions += extras.suggestions.len();
                now.call_actions += call_actions.len();
            }
            Event::BotChunkPosted { token, message_id, index, text, extras, is_complete } => {
                let Some(now) = self.speak(*token, entry.position) else { return };
                let wanted = now.open.map_or((*message_id, 1), |(id, index)| (id, index + 1));
                now.text.push_str(text);
                now.attachments += extras.attachments.len();
                now.suggestions += extras.suggestions.len();
                now.open = (!is_complete).then_some((*message_id, *index));
                let is_bare = extras.is_empty() || *is_complete;
                if wanted != (*message_id, *index) || !is_bare || (*index == 1 && text.is_empty()) {
                    self.violated(&format!("a chunk out of order at {:?}", entry.position));
                }
            }
            Event::LanguageChanged { token, .. } => drop(self.speak(*token, entry.position)),
            Event::BotLeft { .. } => {
                self.is_joined = false;
                self.sums.is_left = true;
                self.due = None;
            }
            Event::SessionEnded { .. } => {
                self.is_ended = true;
                self.due = None;
                if self.now.is_some() {
                    self.violated("the session ended while a turn ran");
                }
            }
            _ => {}
        }
    }

    fn make_due(&mut self, why: TurnReason, at: Timestamp) {
        if self.now.is_some() {
            self.violated("a turn is due while another one runs");
        }
        self.due = Some(why);
        self.due_at = at;
    }

    fn take_input(&mut self, at: Timestamp) {
        if !self.is_joined && !self.sums.is_left {
            self.violated("a message before the bot joined");
        }
        let is_idle = self.now.is_none() && self.due.is_none() && self.is_joined;
        // A message does not wait for a greeting that is put off.
        let is_put_off = self.due == Some(TurnReason::Join) && self.due_at > at;
        if is_idle || (is_put_off && self.now.is_none()) {
            self.due = Some(TurnReason::Message);
        }
    }

    fn start(&mut self, turn: Turn, token: Position, input_to: Position) {
        let starts = match &self.now {
            None => 1,
            Some(now) if now.turn == turn => {
                if now.is_visible {
                    self.violated("a turn runs again that was seen already");
                }
                if now.input_to != input_to {
                    self.violated("a repeated turn has another input");
                }
                now.starts + 1
            }
            Some(_) => {
                self.violated("a turn starts while another one runs");
                1
            }
        };
        self.states.insert(turn.0, self.state.clone());
        if starts > 3 {
            self.violated("a turn was started four times");
        }
        let reason = match &self.now {
            Some(now) => now.reason.clone(),
            None => self.due.take().unwrap_or_else(|| {
                self.violated("a turn started that was not due");
                TurnReason::Message
            }),
        };
        if reason == TurnReason::Join && self.is_greeted {
            self.violated("a greeting after a turn that ended well");
        }
        self.now = Some(Now {
            turn,
            reason,
            token,
            starts,
            input_to,
            is_visible: false,
            open: None,
            text: String::new(),
            attachments: 0,
            suggestions: 0,
            call_actions: 0,
        });
    }

    /// The bot speaks: it has the floor, and the newest token.
    fn speak(&mut self, token: Position, at: Position) -> Option<&mut Now> {
        if self.is_ended || !self.is_joined {
            self.violated(&format!("the bot speaks without the floor at {at:?}"));
        }
        let holds = self.now.as_ref().is_some_and(|it| it.token == token);
        if !holds {
            self.violated(&format!("the bot speaks without the running token at {at:?}"));
            return None;
        }
        let now = self.now.as_mut()?;
        now.is_visible = true;
        Some(now)
    }

    /// One that was due ends and was never started.
    fn end_due(&mut self, turn: Turn, outcome: TurnOutcome, input: Position) {
        let due = self.due.take();
        if outcome == TurnOutcome::Finished || due.is_none() {
            self.violated("a turn ended that did not run");
        }
        if outcome != TurnOutcome::Stopped {
            return;
        }
        self.is_greeted = true;
        if due != Some(TurnReason::Join) {
            self.sums.answered_to = input;
            self.unwanted.push((turn, input));
        } else if input > self.sums.answered_to {
            // What waited behind a greeting was not what was stopped.
            self.due = Some(TurnReason::Message);
        }
    }

    fn end(
        &mut self,
        turn: Turn,
        outcome: TurnOutcome,
        input: Position,
        rest: &[Entry],
        bot_state: Option<&String>,
    ) {
        let Some(now) = self.now.take() else { return };
        if now.turn != turn {
            self.violated("another turn ended than the one that ran");
        }
        self.sums.answered_to = self.sums.answered_to.max(now.input_to);
        let is_more = input > now.input_to;
        self.check_words(&now, outcome, is_more, rest, bot_state);
        if outcome == TurnOutcome::Finished {
            self.greetings += u32::from(now.reason == TurnReason::Join);
            self.is_greeted = true;
            if let Some(state) = bot_state {
                self.state = Some(state.clone());
            }
        }
        if outcome == TurnOutcome::Stopped {
            self.is_greeted = true;
            self.unwanted.push((turn, now.input_to));
        }
        if is_more {
            self.due = Some(TurnReason::Message);
        }
    }

    /// The user's newest message before this.
    fn newest_input(&self, to: Position) -> Position {
        let inputs = self.case.log.iter().filter(|it| it.position < to);
        let newest = inputs.rev().find(|it| matches!(it.event, Event::UserMessagePosted { .. }));
        newest.map_or(Position(0), |it| it.position)
    }

    /// What is in the log is what the bot gave.
    fn check_words(
        &self,
        now: &Now,
        outcome: TurnOutcome,
        is_more: bool,
        rest: &[Entry],
        bot_state: Option<&String>,
    ) {
        if now.reason == TurnReason::Join && self.world.plan.has_greeting {
            let is_whole = outcome == TurnOutcome::Finished;
            if !(now.text == GREETING || (!is_whole && GREETING.starts_with(&now.text))) {
                self.violated("the greeting is not the one that was configured");
            }
            return;
        }
        let Some(call) = self.call_of(now) else {
            if !now.text.is_empty() {
                self.violated("words in the log that nobody gave");
            }
            return;
        };
        if call.session != self.case.talk.id || call.turn != now.turn {
            self.violated("the words of another turn");
        }
        if outcome != TurnOutcome::Finished {
            if !call.text.starts_with(&now.text) {
                self.violated("words in the log that the bot did not give");
            }
            return;
        }
        let given = (&call.text, call.attachments, call.suggestions, call.calls_to_make);
        if given != (&now.text, now.attachments, now.suggestions, now.call_actions) {
            self.violated(&format!("turn {} is not what the bot gave", now.turn.0));
        }
        if !call.is_complete {
            self.violated(&format!("turn {} finished before the bot did", now.turn.0));
        }
        if call.state.as_ref() != bot_state {
            self.violated("the bot's state was not kept with its turn");
        }
        let ends = rest.iter().any(|it| matches!(it.event, Event::SessionEnded { .. }));
        let hands_off = rest.iter().any(|it| matches!(it.event, Event::HandoffTriggered));
        if hands_off != call.is_hand_off {
            self.violated("a handoff and the bot's wish for it differ");
        }
        let may_end = call.is_end && !call.is_hand_off && !is_more;
        if ends != may_end {
            self.violated("an end and the bot's wish for it differ");
        }
        if call.is_end && !call.is_hand_off && is_more {
            self.world.count(Situation::EndOfBotOutlived);
        }
    }

    /// The call whose words these are: they begin with its number.
    fn call_of(&self, now: &Now) -> Option<&Call> {
        let number = now.text.strip_prefix("[c")?.split(']').next()?;
        self.calls.get(number.parse::<usize>().ok()?)
    }

    /// A repeat of a turn asks the same, and what is asked is what the user said.
    fn check_calls(&self) {
        let mut asked: BTreeMap<u64, &Call> = BTreeMap::new();
        let mine = self.calls.iter().filter(|it| it.session == self.case.talk.id);
        for call in mine {
            // A store that did not answer leaves the bot without its state; a worker whose turn was
            // taken over asks for nothing, and may meet what came after it.
            let is_state = call.state_before.is_none()
                || call.state_before == self.state
                || self.states.range(call.turn.0..).any(|(_, it)| *it == call.state_before);
            if !is_state {
                self.violated(&format!("turn {} was asked with a wrong state", call.turn.0));
            }
            let can_hand_off = self.case.session.facts.connector.0 == "client"
                && !matches!(call.reason, TurnReason::HandoffFailed { .. });
            if call.may_hand_off != can_hand_off {
                self.violated(&format!("turn {} was asked with a wrong leave", call.turn.0));
            }
            let first = asked.entry(call.turn.0).or_insert(call);
            if first.input != call.input || first.reason != call.reason {
                self.violated(&format!("turn {} was asked twice, differently", call.turn.0));
            }
        }
        for call in asked.values() {
            let stopped = self.unwanted.iter().filter(|(turn, _)| *turn < call.turn);
            let upto = stopped.map(|(_, upto)| *upto).max().unwrap_or(Position(0));
            if call.input.iter().any(|it| self.place_of(it) <= upto) {
                self.violated(&format!("turn {} answers what was stopped", call.turn.0));
            }
        }
        let mut inputs = asked.values().flat_map(|it| it.input.iter());
        let mut newest = Position(0);
        let wrong = inputs.find(|id| {
            let place = self.place_of(id);
            let is_wrong = place <= newest;
            newest = place;
            is_wrong
        });
        if wrong.is_some() {
            self.violated("a message was asked twice, or none that was said");
        }
    }
    /// Where a message of the user stands.
    fn place_of(&self, id: &MessageId) -> Position {
        let is_it = |it: &&Entry| matches!(&it.event, Event::UserMessagePosted { message_id, .. } if message_id == id);
        self.case.log.iter().find(is_it).map_or(Position(0), |it| it.position)
    }
}
