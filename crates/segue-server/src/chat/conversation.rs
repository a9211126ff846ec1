//! The rules of a client, without a socket, a clock or a screen: what it has to send, what it has
//! seen, what it keeps until the server has confirmed it.
//!
//! Whoever drives it reports what happened (`opened`, `receive`, `lose`, `say`, `end`), and after
//! each of these sends what `next_frame` returns until it returns nothing. Times are milliseconds
//! since the start of this program.

use std::collections::VecDeque;

use super::{
    answers::Answers,
    frame::{self, Ask, Capabilities, Event, System, What},
};
use crate::limits;

/// One conversation, seen from the client's end.
#[derive(Debug)]
pub struct Conversation {
    stage: Stage,
    capabilities: Capabilities,
    /// The highest sequence seen: the server is asked for what comes after it.
    cursor: u64,
    join: Join,
    outbox: VecDeque<Draft>,
    /// The outbox rests until then, because the server said so.
    held_until: u64,
    ending: Ending,
    answers: Answers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is no socket.
    Offline,
    /// The socket is open, but what was missed has not begun to arrive.
    Opening { since: u64 },
    /// Everything can be said.
    Open { beat_at: u64, hearing: Hearing },
    /// The session has ended. No socket brings it back.
    Ended { since: u64 },
}

/// Whether the server has been heard since the last heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearing {
    Heard,
    Silent,
}

/// Whether the bot has been asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    Due {
        at: u64,
    },
    Asked,
    Joined,
    /// It has joined, but could not begin.
    Again {
        at: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    Asked,
    Sent,
}

/// A message that is not known to be in the log.
#[derive(Debug)]
struct Draft {
    local_id: String,
    text: String,
    delivery: Delivery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Waiting,
    /// On its way over the current socket.
    Sent,
}

/// What a frame brought that is worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It happened, and is told for the first time.
    Event(What),
    /// This message of ours is in the log.
    Confirmed {
        /// As the server has it.
        text: String,
    },
    /// This message of ours will never be.
    Refused {
        /// As it was typed.
        text: String,
        /// In the server's words.
        why: String,
    },
}

/// A text that the server would refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message has at most {bytes_max} bytes, this one has {bytes}")]
pub struct TooLarge {
    bytes: usize,
    bytes_max: usize,
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            stage: Stage::Offline,
            capabilities: Capabilities::default(),
            cursor: 0,
            join: Join::Due { at: 0 },
            outbox: VecDeque::new(),
            held_until: 0,
            ending: Ending::No,
            answers: Answers::default(),
        }
    }
}

impl Conversation {
    /// From where a new socket has to go on.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// When the session ended.
    pub fn ended_at(&self) -> Option<u64> {
        match self.stage {
            Stage::Ended { since } => Some(since),
            Stage::Offline | Stage::Opening { .. } | Stage::Open { .. } => None,
        }
    }

    /// How many messages are not confirmed.
    pub fn unconfirmed(&self) -> usize {
        self.outbox.len()
    }

    /// Whether another message may be said.
    pub fn has_room(&self) -> bool {
        self.outbox.len() < limits::CHAT_OUTBOX_MESSAGES_MAX
            && self.ended_at().is_none()
            && self.ending == Ending::No
    }

    /// Says something: now, or as soon as there is a connection. The key must be new.
    pub fn say(&mut self, local_id: String, text: String) -> Result<(), TooLarge> {
        assert!(self.has_room(), "whoever says something asks for room first");
        let bytes_max = self.capabilities.max_message_size_bytes;
        if text.len() > bytes_max {
            return Err(TooLarge { bytes: text.len(), bytes_max });
        }
        self.outbox.push_back(Draft { local_id, text, delivery: Delivery::Waiting });
        Ok(())
    }

    /// Ends the conversation once everything that was said has arrived.
    pub fn end(&mut self) {
        if self.ending == Ending::No {
            self.ending = Ending::Asked;
        }
    }

    /// A socket has opened.
    pub fn opened(&mut self, now: u64) {
        if self.ended_at().is_none() {
            self.stage = Stage::Opening { since: now };
        }
    }

    /// The socket is gone. What it carried without a confirmation counts as not sent: the server
    /// knows a message again by its key, so sending it twice does no harm, and not at all would.
    pub fn lose(&mut self) {
        if self.ended_at().is_none() {
            self.stage = Stage::Offline;
        }
        self.outbox.iter_mut().for_each(|it| it.delivery = Delivery::Waiting);
        if self.join == Join::Asked {
            self.join = Join::Due { at: 0 };
        }
        if self.ending == Ending::Sent {
            self.ending = Ending::Asked;
        }
        self.answers.lose();
    }

    /// Takes in a frame.
    pub fn receive(&mut self, now: u64, frame: &str) -> Vec<Seen> {
        let mut seen = Vec::new();
        for event in frame::read(frame) {
            self.take(now, event, &mut seen);
        }
        match &mut self.stage {
            Stage::Opening { .. } => {
                let beat_at = now + self.heartbeat_ms();
                self.stage = Stage::Open { beat_at, hearing: Hearing::Heard };
                self.answers.resume(now);
            }
            Stage::Open { hearing, .. } => *hearing = Hearing::Heard,
            Stage::Offline | Stage::Ended { .. } => {}
        }
        seen
    }

    fn take(&mut self, now: u64, event: Event, seen: &mut Vec<Seen>) {
        let draft = event.local_id.as_deref().and_then(|it| self.draft(it));
        if let Some(sequence) = event.sequence {
            // Every connection begins with SESSION_START, and a message that was sent again brings
            // its first echo again.
            let is_known = sequence <= self.cursor;
            self.cursor = self.cursor.max(sequence);
            if is_known && draft.is_none() {
                return;
            }
        }
        self.answers.take(now, &event);
        match event.what {
            What::UserMessage(message) if let Some(draft) = draft => {
                self.outbox.remove(draft);
                self.answers.ask(now);
                seen.push(Seen::Confirmed { text: message.text });
                return;
            }
            What::System(system) if event.sequence.is_none() => {
                return self.take_refusal(now, system, draft, seen);
            }
            What::SessionStart(capabilities) => self.capabilities = capabilities,
            What::BotJoined(_) => {
                self.join = Join::Joined;
                self.answers.ask(now);
            }
            What::System(ref system) if system.wants_join() => self.join_again(now),
            What::SessionEnd(_) => {
                seen.push(Seen::Event(event.what));
                return self.finish(now, seen);
            }
            _ => {}
        }
        seen.push(Seen::Event(event.what));
    }

    fn take_refusal(
        &mut self,
        now: u64,
        system: System,
        draft: Option<usize>,
        seen: &mut Vec<Seen>,
    ) {
        let retry_at = system.retry_after_ms.map(|it| {
            now + it.clamp(limits::CHAT_RETRY_AFTER_MS_MIN, limits::CHAT_RETRY_AFTER_MS_MAX)
        });
        match (draft, retry_at) {
            (Some(draft), _) if system.misses_conversation() => {
                self.outbox[draft].delivery = Delivery::Waiting;
                self.join = Join::Due { at: now + limits::CHAT_JOIN_AGAIN_MS };
                return;
            }
            (Some(draft), Some(at)) => {
                self.outbox[draft].delivery = Delivery::Waiting;
                self.held_until = self.held_until.max(at);
                return;
            }
            (Some(draft), None) => {
                if let Some(draft) = self.outbox.remove(draft) {
                    seen.push(Seen::Refused { text: draft.text, why: system.message });
                }
                return;
            }
            // Without a key it is not said what was refused. Only these can have been.
            (None, Some(at)) => {
                if self.join == Join::Asked {
                    self.join = Join::Due { at };
                }
                if self.ending == Ending::Sent {
                    self.ending = Ending::Asked;
                    self.held_until = self.held_until.max(at);
                }
                return;
            }
            (None, None) => {}
        }
        if system.wants_join() {
            self.join_again(now);
        }
        seen.push(Seen::Event(What::System(system)));
    }

    fn join_again(&mut self, now: u64) {
        let at = now + limits::CHAT_JOIN_AGAIN_MS;
        self.join = match self.join {
            Join::Joined | Join::Again { .. } => Join::Again { at },
            Join::Asked | Join::Due { .. } => Join::Due { at },
        };
    }

    /// Nothing follows a SESSION_END, so what has no echo by now is not in the log.
    fn finish(&mut self, now: u64, seen: &mut Vec<Seen>) {
        self.stage = Stage::Ended { since: now };
        let lost = std::mem::take(&mut self.outbox).into_iter();
        let why = "the conversation has ended";
        seen.extend(lost.map(|it| Seen::Refused { text: it.text, why: why.to_owned() }));
    }

    fn draft(&self, local_id: &str) -> Option<usize> {
        self.outbox.iter().position(|it| it.local_id == local_id)
    }

    /// What is to be sent now; to be called until there is nothing.
    ///
    /// One message is on its way at a time: the next one leaves when the server has confirmed it.
    /// That keeps their order whatever is refused for a while or sent again.
    pub fn next_frame(&mut self, now: u64) -> Option<String> {
        let Stage::Open { beat_at, .. } = self.stage else { return None };
        match self.join {
            Join::Due { at } if now >= at => {
                self.join = Join::Asked;
                return Some(Ask::Join.to_frame());
            }
            Join::Again { at } if now >= at => {
                self.join = Join::Joined;
                return Some(Ask::Join.to_frame());
            }
            Join::Due { .. } | Join::Asked | Join::Joined | Join::Again { .. } => {}
        }
        if now >= beat_at {
            let beat_at = now + self.heartbeat_ms();
            self.stage = Stage::Open { beat_at, hearing: Hearing::Silent };
            return Some(Ask::Heartbeat.to_frame());
        }
        // A message before the JOIN would be refused.
        if now < self.held_until || matches!(self.join, Join::Due { .. }) {
            return None;
        }
        match self.outbox.front_mut() {
            Some(Draft { delivery: Delivery::Sent, .. }) => None,
            Some(draft) => {
                draft.delivery = Delivery::Sent;
                let ask = Ask::Say { local_id: &draft.local_id, text: &draft.text };
                Some(ask.to_frame())
            }
            None if self.ending == Ending::Asked => {
                self.ending = Ending::Sent;
                Some(Ask::End.to_frame())
            }
            None => None,
        }
    }

    /// Whether the socket is open in name only: the network swallows what is sent.
    pub fn is_dead(&self, now: u64) -> bool {
        match self.stage {
            Stage::Opening { since } => now >= since + limits::CHAT_FIRST_FRAME_MS_MAX,
            Stage::Open { beat_at, hearing } => hearing == Hearing::Silent && now >= beat_at,
            Stage::Offline | Stage::Ended { .. } => false,
        }
    }

    /// When to look again, should nothing happen before.
    pub fn wake_at(&self, now: u64) -> Option<u64> {
        let beat_at = match self.stage {
            Stage::Offline | Stage::Ended { .. } => return None,
            Stage::Opening { since } => return Some(since + limits::CHAT_FIRST_FRAME_MS_MAX),
            Stage::Open { beat_at, .. } => beat_at,
        };
        let join_at = match self.join {
            Join::Due { at } | Join::Again { at } => Some(at),
            Join::Asked | Join::Joined => None,
        };
        let held_until = Some(self.held_until).filter(|it| *it > now);
        [Some(beat_at), join_at, held_until].into_iter().flatten().min()
    }

    /// When everything that was said has been confirmed and answered; `None` while it has not.
    pub fn settled_at(&self) -> Option<u64> {
        let is_said =
            self.outbox.is_empty() && !matches!(self.join, Join::Due { .. } | Join::Asked);
        let is_open = matches!(self.stage, Stage::Open { .. });
        if is_said && (is_open || !self.answers.are_due()) {
            self.answers.settled_at()
        } else {
            None
        }
    }

    fn heartbeat_ms(&self) -> u64 {
        match self.capabilities.heartbeat_interval_seconds {
            // Some servers mean "none" by it. One now and then keeps the session all the same.
            0 => Capabilities::default().heartbeat_interval_seconds * 1_000,
            seconds => seconds.saturating_mul(1_000).max(limits::CHAT_HEARTBEAT_MS_MIN),
        }
    }
}

#[cfg(test)]
mod tests;
