//! Folding one committed entry into the state.

use crate::{
    AttemptId, Entry, Event, Floor, Greeting, OpenStream, Position, Running, Session, Timestamp,
    Turn, TurnOutcome, TurnReason,
};

impl Session {
    /// Folds one entry of the log into the state. The log decides; this cannot fail.
    pub fn apply(&mut self, entry: &Entry) {
        self.state.head = entry.position;
        self.state.reached = entry.reached;
        self.state.last_at = entry.at;
        if is_said(&entry.event) {
            self.state.last_said_at = entry.at;
        }
        if is_by_user(&entry.event) {
            self.state.last_user_at = entry.at;
        }
        match &entry.event {
            Event::SessionStarted { facts } => self.state.language.clone_from(&facts.language),
            Event::JoinRequested { run_at, .. } => {
                if self.state.floor != Floor::Unasked {
                    self.make_due(TurnReason::Join, *run_at);
                }
            }
            Event::BotJoined { bot, why } => {
                self.state.bot = Some(bot.clone());
                self.make_due(why.clone(), entry.at);
            }
            Event::UserMessagePosted { .. } => self.take_input(entry),
            Event::TurnStarted { attempt, input_to, .. } => {
                self.start_turn(entry.position, *attempt, *input_to);
            }
            Event::TurnEnded { turn, outcome } => self.end_turn(*turn, *outcome, entry.at),
            Event::BotMessagePosted { .. } => self.take_output(None),
            Event::BotChunkPosted { message_id, index, is_complete, .. } => {
                let open = OpenStream { message_id: *message_id, index: *index };
                self.take_output((!is_complete).then_some(open));
            }
            Event::LanguageChanged { language_code, .. } => {
                self.state.language = Some(language_code.clone());
                let open = self.running().and_then(|it| it.open_stream);
                self.take_output(open);
            }
            Event::BotLeft { .. } => self.state.floor = Floor::Nobody,
            Event::SessionEnded { reason } => {
                self.state.floor = Floor::Ended { reason: *reason, at: entry.at };
            }
            Event::HandoffTriggered
            | Event::ClientHandoffRequired { .. }
            | Event::HandoffFailed { .. }
            | Event::NoticePosted { .. }
            | Event::EndRequested { .. } => {}
        }
    }

    /// The turn that a worker is at.
    pub fn running(&self) -> Option<&Running> {
        match &self.state.floor {
            Floor::BotRunning(running) => Some(running),
            _ => None,
        }
    }

    fn make_due(&mut self, why: TurnReason, run_at: Timestamp) {
        self.state.turns = Turn(self.state.turns.0 + 1);
        self.state.floor = Floor::BotDue { turn: self.state.turns, why, run_at };
    }

    fn take_input(&mut self, entry: &Entry) {
        self.state.last_input = entry.position;
        match &self.state.floor {
            Floor::BotIdle => self.make_due(TurnReason::Message, entry.at),
            // The greeting failed and waits for its next attempt; the user does not wait for it.
            Floor::BotDue { why: TurnReason::Join, run_at, .. } if *run_at > entry.at => {
                self.make_due(TurnReason::Message, entry.at);
            }
            _ => {}
        }
    }

    fn start_turn(&mut self, token: Position, attempt: AttemptId, input_to: Position) {
        let input_after = self.state.answered_to;
        self.state.floor = match &self.state.floor {
            Floor::BotDue { turn, why, run_at } => {
                self.state.answered_to = input_to;
                Floor::BotRunning(Running {
                    turn: *turn,
                    why: why.clone(),
                    token,
                    attempt,
                    starts: 1,
                    due_at: *run_at,
                    input_after,
                    input_to,
                    outputs_taken: 0,
                    visible: false,
                    open_stream: None,
                })
            }
            Floor::BotRunning(running) => Floor::BotRunning(Running {
                token,
                attempt,
                starts: running.starts + 1,
                outputs_taken: 0,
                ..running.clone()
            }),
            other => other.clone(),
        };
    }

    fn take_output(&mut self, open_stream: Option<OpenStream>) {
        if let Floor::BotRunning(running) = &mut self.state.floor {
            running.outputs_taken += 1;
            running.visible = true;
            running.open_stream = open_stream;
        }
    }

    fn end_turn(&mut self, turn: Turn, outcome: TurnOutcome, at: Timestamp) {
        let was_greeting = match &self.state.floor {
            Floor::BotRunning(running) if running.turn == turn => running.why == TurnReason::Join,
            Floor::BotDue { turn: due, why, .. } if *due == turn => {
                let is_greeting = *why == TurnReason::Join;
                // What it would have answered is not wanted any more. A greeting answers nothing.
                if outcome == TurnOutcome::Stopped && !is_greeting {
                    self.state.answered_to = self.state.last_input;
                }
                is_greeting
            }
            _ => return,
        };
        self.state.greeting = match (self.state.greeting, outcome) {
            (_, TurnOutcome::Finished | TurnOutcome::Stopped) => Greeting::Given,
            (Greeting::Owed { failures, .. }, TurnOutcome::Failed) if was_greeting => {
                Greeting::Owed { failures: failures + 1, failed_at: at }
            }
            (unchanged, TurnOutcome::Failed | TurnOutcome::CutShort) => unchanged,
        };
        if self.has_unanswered_input() {
            self.make_due(TurnReason::Message, at);
        } else {
            self.state.floor = Floor::BotIdle;
        }
    }
}

/// What counts against the silence of a session (protocol, section 8).
fn is_said(event: &Event) -> bool {
    matches!(
        event,
        Event::SessionStarted { .. }
            | Event::JoinRequested { .. }
            | Event::BotJoined { .. }
            | Event::UserMessagePosted { .. }
            | Event::BotMessagePosted { .. }
            | Event::BotChunkPosted { .. }
    )
}

fn is_by_user(event: &Event) -> bool {
    matches!(
        event,
        Event::SessionStarted { .. }
            | Event::JoinRequested { .. }
            | Event::UserMessagePosted { .. }
            | Event::EndRequested { .. }
            | Event::TurnEnded { outcome: TurnOutcome::Stopped, .. }
    )
}
