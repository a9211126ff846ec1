//! What one socket is owed. Pure: no socket, no clock, no randomness, no runtime.
//!
//! Whoever drives it tells it what happened (`handle`), carries out what it answers, and calls it
//! again at `wake_at` at the latest. Order, gaps, pacing, pauses, keep-alives and the signals that
//! are repeated after a replay live here.

use std::sync::Arc;

use segue_core::{
    BotProfile, Command, EndReason, EntryId, Floor, MessageId, Position, Rejected, Sequence,
    Session, Timestamp, ports::ReadLimit,
};

use crate::{
    item::{Frame, Item},
    limits::{self, Limits},
    rates::SessionGate,
    wire::{self, Refusal, Transient},
};

mod delivery;
mod incoming;

use delivery::Delivery;
use incoming::Waiting;

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The client sent a text frame.
    Text(&'a str),
    /// The client sent a binary frame.
    Binary,
    /// The client sent something that keeps the socket alive and says nothing: a ping, a pong.
    Sign,
    /// Entries were recorded. Some may be missing, some may come again.
    Pushed(&'a [Item]),
    /// Entries were recorded that were not pushed.
    Behind,
    /// The read that was asked for came back; `None` when the store did not answer.
    Fetched(Option<Fetched>),
    /// The oldest command under way has come to an end.
    Executed(Fate),
    /// Time has passed.
    Tick,
    /// Another connection takes this one's place.
    Displaced,
    /// The node stops.
    ShuttingDown,
}

/// A part of the log.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// In order, without gaps.
    pub items: Vec<Item>,
    /// Whether the log went on behind it.
    pub more: bool,
}

/// What became of a command.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It is in the log, up to here.
    Recorded(Position),
    /// It was in the log already.
    Duplicate(Item),
    /// It is not allowed, or changes nothing.
    Rejected(Rejected),
    /// Whether it took effect is unknown.
    Unavailable,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a text frame.
    Send(Frame),
    /// Read the log. One read is under way at most.
    Fetch {
        /// Behind this.
        after: Position,
        /// At most so much.
        limit: ReadLimit,
    },
    /// Execute a command for the user; commands take effect in the order in which they are given.
    Execute(Command),
    /// Send a ping.
    Ping,
    /// Close the socket, after what was sent before.
    Close(CloseCode),
}

/// Why a socket is closed by the server (protocol, section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// 1000: the session has ended, and the client was told.
    Ended,
    /// 4001: an administrator has revoked the session, and the client was told that it has ended.
    Revoked,
    /// 1001: the node stops, or the client no longer answers.
    GoingAway,
    /// 1013: try again later.
    TryAgain,
    /// 4002: no frame for a long time.
    Idle,
}

impl CloseCode {
    /// How a socket is closed behind the end of its session.
    fn of(reason: EndReason) -> Self {
        match reason {
            EndReason::Revoked => Self::Revoked,
            EndReason::UserEnd | EndReason::UserAbandoned | EndReason::NaturalEnd => Self::Ended,
        }
    }

    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            CloseCode::Ended => 1000,
            CloseCode::Revoked => 4001,
            CloseCode::GoingAway => 1001,
            CloseCode::TryAgain => 1013,
            CloseCode::Idle => 4002,
        }
    }
}

/// What a connection has counted since somebody took it over.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Frames of the client, each at its `Received`.
    pub received: [u64; Received::ALL.len()],
    /// Refusals, by their codes.
    pub refused: Vec<&'static str>,
    /// Events of the log, each as often as it was sent.
    pub events_sent: u64,
}

/// What a client's frame is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// `USER_MESSAGE`.
    Message,
    /// `REQUEST_POLY_AGENT_JOIN`.
    Join,
    /// `USER_END_SESSION`.
    End,
    /// `HEARTBEAT`.
    Heartbeat,
    /// `USER_TYPING`.
    Typing,
    /// No event that a client may send.
    Unreadable,
}

impl Received {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Message, Self::Join, Self::End, Self::Heartbeat, Self::Typing, Self::Unreadable];

    /// As a label has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Join => "join",
            Self::End => "end",
            Self::Heartbeat => "heartbeat",
            Self::Typing => "typing",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Tally {
    fn receive(&mut self, frame: Received) {
        self.received[frame as usize] += 1;
    }
}

/// What a connection needs from outside to handle an input.
pub struct Context<'a> {
    /// Now.
    pub now: Timestamp,
    /// Yields a fresh UUID v7 each.
    pub ids: &'a mut dyn FnMut() -> u128,
    /// The rates of the session, shared by its connections.
    pub gate: &'a mut SessionGate,
}

/// One socket of one session.
#[derive(Debug)]
pub struct Connection {
    limits: Arc<Limits>,
    bot: BotProfile,
    delivery: Delivery,
    waiting: Waiting,
    /// What waits for the first batch, because that is the first frame on every socket.
    early: Vec<Early>,
    /// The newest timestamp that was sent; none after it is older.
    last_at: Timestamp,
    /// A text frame came then for the last time.
    text_at: Timestamp,
    /// Anything came then for the last time.
    sign_at: Timestamp,
    pinged_at: Option<Timestamp>,
    /// The socket was sent the session's end, or claims to have it.
    end_sent_at: Option<Timestamp>,
    /// What the socket is closed with then.
    end_code: CloseCode,
    is_closed: bool,
    tally: Tally,
}

/// Something that the client is told before its first batch.
#[derive(Debug)]
enum Early {
    Transient(Transient),
    /// An echo that it has, once more.
    Echo(Frame),
}

impl Connection {
    /// A connection that has just been upgraded. The client has everything up to `cursor`, which
    /// is the event before or at `position`. Call `handle` with a tick to begin.
    pub fn open(
        now: Timestamp,
        limits: Arc<Limits>,
        bot: BotProfile,
        session: &Session,
        cursor: Sequence,
        position: Position,
    ) -> Self {
        Self {
            delivery: Delivery::new(now, session, cursor, position),
            limits,
            bot,
            waiting: Waiting::default(),
            early: Vec::new(),
            // Whoever has everything has seen this; whoever has not is sent something as new.
            last_at: if position >= session.state.head { session.state.last_at } else { 0 },
            text_at: now,
            sign_at: now,
            pinged_at: None,
            end_sent_at: None,
            end_code: match session.state.floor {
                Floor::Ended { reason, .. } => CloseCode::of(reason),
                _ => CloseCode::Ended,
            },
            is_closed: false,
            tally: Tally::default(),
        }
    }

    /// Whether more may be read from the socket: what waits for the first batch is bounded.
    pub fn has_room(&self) -> bool {
        self.early.len() + limits::FRAMES_TOGETHER_MAX <= limits::EARLY_FRAMES_MAX
    }

    /// What was counted; whoever takes it over empties it.
    pub fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// Takes in what happened and adds what to do about it, in this order.
    pub fn handle(
        &mut self,
        input: Input<'_>,
        context: &mut Context<'_>,
        outputs: &mut Vec<Output>,
    ) {
        if self.is_closed {
            return;
        }
        let now = context.now;
        match input {
            Input::Text(text) => {
                self.text_at = now;
                self.take_sign(now);
                self.take_text(text, context, outputs);
            }
            Input::Binary => {
                self.take_sign(now);
                self.take_binary(context, outputs);
            }
            Input::Sign => self.take_sign(now),
            Input::Pushed(items) => self.delivery.take_pushed(items),
            Input::Behind => self.delivery.take_behind(),
            Input::Fetched(fetched) => {
                if !self.delivery.take_fetched(now, fetched) {
                    return self.close(CloseCode::TryAgain, outputs);
                }
            }
            Input::Executed(fate) => self.take_fate(fate, context, outputs),
            Input::Tick => {}
            Input::Displaced => return self.close(CloseCode::TryAgain, outputs),
            Input::ShuttingDown => return self.close(CloseCode::GoingAway, outputs),
        }
        self.deliver(context, outputs);
        if self.early.len() > limits::EARLY_FRAMES_MAX {
            return self.close(CloseCode::TryAgain, outputs);
        }
        if let Some(code) = self.due_close(now) {
            return self.close(code, outputs);
        }
        self.ping_if_due(now, outputs);
    }

    /// Call `handle` then, if nothing happens before.
    pub fn wake_at(&self) -> Timestamp {
        let own_at = match self.end_sent_at {
            // No other clock matters any more; one that is over would keep waking the connection.
            Some(at) => at + self.limits.close_after_end_ms,
            None => {
                let idle_at = self.text_at + self.limits.connection_idle_seconds * 1_000;
                idle_at.min(self.ping_at())
            }
        };
        own_at.min(self.delivery.wake_at())
    }

    /// The log is known to reach this far, and is read up to here unasked.
    pub fn known(&self) -> Position {
        self.delivery.known()
    }

    /// Whether anybody may be at the other end: nothing has come since then.
    pub fn silent_since(&self) -> Timestamp {
        self.sign_at
    }

    fn take_sign(&mut self, now: Timestamp) {
        self.sign_at = now;
        self.pinged_at = None;
    }

    fn ping_at(&self) -> Timestamp {
        match self.pinged_at {
            Some(at) => at + self.limits.ping_timeout_seconds * 1_000,
            None => self.sign_at + self.limits.ping_after_seconds * 1_000,
        }
    }

    fn ping_if_due(&mut self, now: Timestamp, outputs: &mut Vec<Output>) {
        let is_wanted = self.pinged_at.is_none() && self.end_sent_at.is_none();
        if is_wanted && now >= self.ping_at() {
            self.pinged_at = Some(now);
            outputs.push(Output::Ping);
        }
    }

    fn due_close(&self, now: Timestamp) -> Option<CloseCode> {
        if let Some(at) = self.end_sent_at {
            return (now >= at + self.limits.close_after_end_ms).then_some(self.end_code);
        }
        if now >= self.text_at + self.limits.connection_idle_seconds * 1_000 {
            return Some(CloseCode::Idle);
        }
        let is_dead = self.pinged_at.is_some() && now >= self.ping_at();
        is_dead.then_some(CloseCode::GoingAway)
    }

    fn close(&mut self, code: CloseCode, outputs: &mut Vec<Output>) {
        self.is_closed = true;
        outputs.push(Output::Close(code));
    }

    /// Sends something that is not in the log.
    fn send_transient(
        &mut self,
        transient: &Transient,
        context: &mut Context<'_>,
        outputs: &mut Vec<Output>,
    ) {
        if self.delivery.is_opening() {
            self.early.push(Early::Transient(transient.clone()));
            return;
        }
        self.last_at = self.last_at.max(self.stamp(context.now));
        let id = EntryId((context.ids)());
        let frame = wire::transient(id, self.last_at, transient);
        outputs.push(Output::Send(frame.into()));
    }

    /// The time of what is not in the log: the clock's, less what an entry may take from its decision
    /// to this socket, so that none comes behind it that is older (protocol, section 3; docs/adr/0030).
    fn stamp(&self, now: Timestamp) -> Timestamp {
        let settled_at = now.saturating_sub(limits::ENTRY_ON_ITS_WAY_MS);
        self.waiting.oldest_at().map_or(settled_at, |it| it.min(settled_at))
    }

    /// Sends an echo once more that the client has.
    fn send_again(&mut self, echo: Frame, outputs: &mut Vec<Output>) {
        if self.delivery.is_opening() {
            self.early.push(Early::Echo(echo));
        } else if self.end_sent_at.is_none() && !self.delivery.claims_end() {
            outputs.push(Output::Send(echo));
        }
        // After the end another echo would re-open mobile clients (protocol, section 4).
    }

    /// The first batch is out: sends what waited for it.
    fn send_early(&mut self, context: &mut Context<'_>, outputs: &mut Vec<Output>) {
        for early in std::mem::take(&mut self.early) {
            match early {
                // The batch brought the end; after it comes no echo of a JOIN.
                Early::Transient(Transient::JoinEcho { custom }) if self.end_sent_at.is_some() => {
                    let refusal = Refusal::Ended;
                    self.send_transient(&Transient::Refused { refusal, custom }, context, outputs);
                }
                Early::Transient(transient) => self.send_transient(&transient, context, outputs),
                Early::Echo(echo) => self.send_again(echo, outputs),
            }
        }
    }
}

fn message_id(context: &mut Context<'_>) -> MessageId {
    MessageId((context.ids)())
}

#[cfg(test)]
mod tests;
