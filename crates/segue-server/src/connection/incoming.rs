//! What the client sends, and what it is told about it.

use std::collections::VecDeque;

use segue_core::{Command, Json, Rejected, Timestamp};

use super::{Connection, Context, Fate, Output, Received, message_id};
use crate::{
    rates::FrameKind,
    wire::{Ask, ClientFrame, Refusal, Transient, Undecodable, decode},
};

/// The commands under way, oldest first: when they were given, and what their senders wrote beside
/// them.
#[derive(Debug, Default)]
pub struct Waiting(VecDeque<(Timestamp, Option<Json>)>);

impl Waiting {
    /// When the oldest was given.
    pub fn oldest_at(&self) -> Option<Timestamp> {
        self.0.front().map(|it| it.0)
    }
}

impl Connection {
    /// How many commands are under way.
    pub fn commands_waiting(&self) -> usize {
        self.waiting.0.len()
    }

    pub(super) fn take_text(
        &mut self,
        text: &str,
        context: &mut Context<'_>,
        outputs: &mut Vec<Output>,
    ) {
        match decode(text) {
            Ok(frame) => self.take_frame(frame, context, outputs),
            Err(undecodable) => self.take_undecodable(undecodable, context, outputs),
        }
    }

    pub(super) fn take_binary(&mut self, context: &mut Context<'_>, outputs: &mut Vec<Output>) {
        let undecodable = Undecodable { refusal: Refusal::Malformed, custom: None };
        self.take_undecodable(undecodable, context, outputs);
    }

    fn take_undecodable(
        &mut self,
        undecodable: Undecodable,
        context: &mut Context<'_>,
        outputs: &mut Vec<Output>,
    ) {
        self.tally.receive(Received::Unreadable);
        let refusal = match context.gate.take(context.now, FrameKind::Rest) {
            Ok(()) => undecodable.refusal,
            Err(retry_after_ms) => Refusal::RateLimited { retry_after_ms },
        };
        self.refuse(refusal, undecodable.custom, context, outputs);
    }

    fn take_frame(
        &mut self,
        frame: ClientFrame,
        context: &mut Context<'_>,
        outputs: &mut Vec<Output>,
    ) {
        let (kind, received) = match frame.ask {
            Ask::Message { .. } => (FrameKind::Message, Received::Message),
            Ask::Heartbeat => (FrameKind::Signal, Received::Heartbeat),
            Ask::Typing(_) => (FrameKind::Signal, Received::Typing),
            Ask::Join => (FrameKind::Rest, Received::Join),
            Ask::End => (FrameKind::Rest, Received::End),
        };
        self.tally.receive(received);
        if let Err(retry_after_ms) = context.gate.take(context.now, kind) {
            let refusal = Refusal::RateLimited { retry_after_ms };
            return self.refuse(refusal, frame.custom, context, outputs);
        }
        let custom = frame.custom;
        match frame.ask {
            // Heartbeats do not wait for commands.
            Ask::Heartbeat => {
                self.send_transient(&Transient::Heartbeat { custom }, context, outputs);
            }
            Ask::Typing(_) if self.end_sent_at.is_some() => {
                self.refuse(Refusal::Ended, custom, context, outputs);
            }
            // Typing is for live agents, and there is no desk yet: nobody listens.
            Ask::Typing(_) => {}
            Ask::Join => {
                let command = Command::Join {
                    bot: self.bot.clone(),
                    retry_ms: self.limits.join_retry_seconds * 1_000,
                    custom: custom.clone(),
                };
                self.execute(command, custom, context.now, outputs);
            }
            Ask::End => {
                let command = Command::End { custom: custom.clone() };
                self.execute(command, custom, context.now, outputs);
            }
            Ask::Message { text, key } => {
                let message_id = message_id(context);
                let command =
                    Command::PostMessage { message_id, text, key, custom: custom.clone() };
                self.execute(command, custom, context.now, outputs);
            }
        }
    }

    fn execute(
        &mut self,
        command: Command,
        custom: Option<Json>,
        now: Timestamp,
        outputs: &mut Vec<Output>,
    ) {
        self.waiting.0.push_back((now, custom));
        outputs.push(Output::Execute(command));
    }

    pub(super) fn take_fate(
        &mut self,
        fate: Fate,
        context: &mut Context<'_>,
        outputs: &mut Vec<Output>,
    ) {
        let waited = self.waiting.0.pop_front();
        let (_, custom) = waited.expect("a fate has a command that waits for it");
        let now = context.now;
        match fate {
            // The echo is on its way like every entry; should it get lost, a look finds it.
            Fate::Recorded(upto) => self.delivery.expect(now, upto),
            Fate::Duplicate(item) => {
                if !self.delivery.has_sent(item.position) {
                    // The original is on its way, and is the answer.
                    self.delivery.expect(now, item.position);
                } else if let Some(echo) = item.event {
                    self.send_again(echo, outputs);
                }
            }
            // It was decided before the end and comes back behind it; after the end nothing may
            // look like a conversation that is open (protocol, section 5).
            Fate::Rejected(Rejected::AlreadyJoined) if self.end_sent_at.is_some() => {
                self.refuse(Refusal::Ended, custom, context, outputs);
            }
            Fate::Rejected(Rejected::AlreadyJoined) => {
                self.send_transient(&Transient::JoinEcho { custom }, context, outputs);
            }
            Fate::Rejected(Rejected::Ended) => {
                self.refuse(Refusal::Ended, custom, context, outputs);
            }
            Fate::Rejected(Rejected::NotAsked) => {
                let level = context.gate.not_asked_level(now);
                self.refuse(Refusal::NotAsked { level }, custom, context, outputs);
            }
            // Not for users; and what became of the command is not known to be bad.
            Fate::Rejected(
                Rejected::NoTurn
                | Rejected::AlreadyDone
                | Rejected::Outlived
                | Rejected::NotYet { .. },
            )
            | Fate::Unavailable => {
                self.delivery.look_soon(now);
                let retry_after_ms = crate::limits::UNAVAILABLE_RETRY_AFTER_MS;
                self.refuse(Refusal::Unavailable { retry_after_ms }, custom, context, outputs);
            }
        }
    }

    fn refuse(
        &mut self,
        refusal: Refusal,
        custom: Option<Json>,
        context: &mut Context<'_>,
        outputs: &mut Vec<Output>,
    ) {
        self.tally.refused.push(refusal.code());
        self.send_transient(&Transient::Refused { refusal, custom }, context, outputs);
    }
}
