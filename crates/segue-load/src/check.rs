//! The checker: whether what a connection received is right. Pure; a fast wrong answer fails.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{
    frame::{Frame, Key, SESSION_START},
    limits,
};

mod telling;
#[cfg(test)]
mod tests;

pub use telling::{Telling, Told};

/// What is wrong with what was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Events in between are missing.
    Gap {
        /// The sequence that had to come.
        expected: u64,
        /// The one that came.
        got: u64,
    },
    /// An event came again.
    Repeat {
        /// Which.
        sequence: u64,
    },
    /// An event came after later ones.
    Late {
        /// Which.
        sequence: u64,
    },
    /// The first event of a connection is not the start of its session.
    NoStart {
        /// What it is.
        sequence: u64,
    },
    /// Two readers of one log were told different events.
    Differs,
    /// An event never came that others were told of.
    EventLost {
        /// The first that is missing.
        sequence: u64,
    },
    /// An echo came before that of an earlier message.
    EchoOutOfTurn {
        /// The number of the message whose echo had to come.
        expected: u64,
        /// The one that came.
        got: u64,
    },
    /// An echo came again that nobody asked for again.
    EchoTwice {
        /// The number of the message.
        number: u64,
    },
    /// An echo says something else than the message.
    EchoAltered {
        /// The number of the message.
        number: u64,
    },
    /// An echo of a message that nobody here sent.
    EchoUnknown,
    /// A message was never answered.
    EchoLost {
        /// Its number.
        number: u64,
    },
    /// The bot's message did not arrive as the bot gave it.
    BotMessage(
        /// What is wrong with it.
        String,
    ),
    /// The server refused something.
    Refused(
        /// What it said.
        String,
    ),
    /// A session ended.
    Ended,
    /// A socket closed or broke.
    Closed(
        /// How.
        String,
    ),
    /// A frame that is no event.
    Unreadable(
        /// Its beginning.
        String,
    ),
    /// The generator could not keep its schedule: what was measured says nothing.
    NotSent,
    /// A turn was still running when the next one of its session was due.
    StillBusy,
    /// A heartbeat was never answered.
    HeartbeatLost,
}

impl Fault {
    /// Its name in the report.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Gap { .. } => "gap",
            Fault::Repeat { .. } => "repeat",
            Fault::Late { .. } => "late",
            Fault::NoStart { .. } => "no_start",
            Fault::Differs => "differs",
            Fault::EventLost { .. } => "event_lost",
            Fault::EchoOutOfTurn { .. } => "echo_out_of_turn",
            Fault::EchoTwice { .. } => "echo_twice",
            Fault::EchoAltered { .. } => "echo_altered",
            Fault::EchoUnknown => "echo_unknown",
            Fault::EchoLost { .. } => "echo_lost",
            Fault::BotMessage(_) => "bot_message",
            Fault::Refused(_) => "refused",
            Fault::Ended => "ended",
            Fault::Closed(_) => "closed",
            Fault::Unreadable(_) => "unreadable",
            Fault::NotSent => "not_sent",
            Fault::StillBusy => "still_busy",
            Fault::HeartbeatLost => "heartbeat_lost",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Gap { expected, got } => {
                write!(f, "a gap: sequence {got} came where {expected} had to")
            }
            Fault::Repeat { sequence } => write!(f, "sequence {sequence} came again"),
            Fault::Late { sequence } => write!(f, "sequence {sequence} came after later ones"),
            Fault::NoStart { sequence } => {
                write!(f, "a connection began with sequence {sequence}, not with SESSION_START")
            }
            Fault::Differs => write!(f, "two connections were told different logs"),
            Fault::EventLost { sequence } => write!(f, "sequence {sequence} never came"),
            Fault::EchoOutOfTurn { expected, got } => {
                write!(f, "the echo of message {got} came before that of {expected}")
            }
            Fault::EchoTwice { number } => write!(f, "the echo of message {number} came again"),
            Fault::EchoAltered { number } => {
                write!(f, "the echo of message {number} says something else")
            }
            Fault::EchoUnknown => write!(f, "an echo of a message that was not sent here"),
            Fault::EchoLost { number } => write!(f, "message {number} was never answered"),
            Fault::BotMessage(what) => write!(f, "the bot's message {what}"),
            Fault::Refused(what) => write!(f, "refused: {what}"),
            Fault::Ended => write!(f, "a session ended"),
            Fault::Closed(how) => write!(f, "a socket closed: {how}"),
            Fault::Unreadable(frame) => write!(f, "not an event: {frame}"),
            Fault::NotSent => write!(f, "the generator could not keep its schedule"),
            Fault::StillBusy => write!(f, "a turn was still running when the next was due"),
            Fault::HeartbeatLost => write!(f, "a heartbeat was never answered"),
        }
    }
}

/// All faults of a run: how many of each kind, and the first ones in full.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    counts: BTreeMap<&'static str, u64>,
    first: Vec<String>,
}

impl Faults {
    /// Notes one, with whom it happened to.
    pub fn note(&self, whom: impl fmt::Display, fault: &Fault) {
        let mut found = self.0.lock();
        *found.counts.entry(fault.kind()).or_default() += 1;
        if found.first.len() < limits::LOAD_FAULTS_SHOWN_MAX {
            found.first.push(format!("{whom}: {fault}"));
        }
    }

    /// How many of each kind.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().counts.clone()
    }

    /// The first ones.
    pub fn first(&self) -> Vec<String> {
        self.0.lock().first.clone()
    }
}

/// How one reader reads one log, over any number of connections.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    read_to: u64,
    missing: BTreeSet<u64>,
    has_begun: bool,
    chain: u64,
}

impl Reading {
    /// A reader that has nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything up to here was read: the cursor.
    pub fn read_to(&self) -> u64 {
        self.read_to
    }

    /// Two readers that read the same events in the same order have the same.
    pub fn chain(&self) -> u64 {
        self.chain
    }

    /// The next event comes on another connection.
    pub fn reconnect(&mut self) {
        self.has_begun = false;
    }

    /// Takes an event with a sequence. `Ok(false)`: it is the start, told once more.
    pub fn take(&mut self, sequence: u64, event: &Frame<'_>) -> Result<bool, Fault> {
        let is_first = !self.has_begun;
        self.has_begun = true;
        if is_first {
            if sequence != 1 || event.kind != SESSION_START {
                // What follows is compared all the same.
                let _ = self.advance(sequence, event.id);
                return Err(Fault::NoStart { sequence });
            }
            if self.read_to > 0 {
                return Ok(false);
            }
        }
        self.advance(sequence, event.id).map(|()| true)
    }

    fn advance(&mut self, sequence: u64, id: Option<&str>) -> Result<(), Fault> {
        let expected = self.read_to + 1;
        if sequence < expected {
            let was_missing = self.missing.remove(&sequence);
            return Err(if was_missing {
                Fault::Late { sequence }
            } else {
                Fault::Repeat { sequence }
            });
        }
        let mut hasher = DefaultHasher::new();
        (self.chain, sequence, id).hash(&mut hasher);
        self.chain = hasher.finish();
        self.read_to = sequence;
        if sequence > expected {
            let room = limits::LOAD_MISSING_KEPT_MAX.saturating_sub(self.missing.len());
            self.missing.extend((expected..sequence).take(room));
            return Err(Fault::Gap { expected, got: sequence });
        }
        Ok(())
    }
}

/// The messages of one user.
#[derive(Debug, Clone)]
pub struct Sending {
    user: u64,
    /// Number of the newest message.
    newest: u64,
    in_flight: VecDeque<Key>,
    /// Sent again and answered: the sequence of the echo, and how often it may come once more.
    again: BTreeMap<u64, Again>,
}

#[derive(Debug, Clone, Copy)]
struct Again {
    sequence: Option<u64>,
    times: u64,
}

impl Sending {
    /// A user who has said nothing.
    pub fn new(user: u64) -> Self {
        Self { user, newest: 0, in_flight: VecDeque::new(), again: BTreeMap::new() }
    }

    /// How many messages have not been answered.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// How many messages were sent.
    pub fn sent(&self) -> u64 {
        self.newest
    }

    /// The next message.
    pub fn send(&mut self, due_us: u64) -> Key {
        self.newest += 1;
        let key = Key { user: self.user, number: self.newest, due_us };
        self.in_flight.push_back(key);
        key
    }

    /// Sends everything again that was not answered, as after a lost connection.
    pub fn send_again(&mut self) -> Vec<Key> {
        for key in &self.in_flight {
            self.again.entry(key.number).or_insert(Again { sequence: None, times: 0 }).times += 1;
        }
        self.in_flight.iter().copied().collect()
    }

    /// Whether this echo repeats one that came already, as the answer to a message that was sent
    /// again. Such an echo has the sequence of the first one.
    pub fn is_again(&mut self, key: Key, sequence: Option<u64>) -> bool {
        let Some(again) = self.again.get_mut(&key.number) else { return false };
        let is_waited_for = self.in_flight.iter().any(|it| it.number == key.number);
        if is_waited_for || key.user != self.user || again.times == 0 || again.sequence != sequence
        {
            return false;
        }
        again.times -= 1;
        true
    }

    /// Takes the first echo of a message.
    pub fn take(&mut self, key: Key, sequence: Option<u64>, text: &str) -> Result<Key, Fault> {
        if key.user != self.user || key.number == 0 || key.number > self.newest {
            return Err(Fault::EchoUnknown);
        }
        let number = key.number;
        let Some(place) = self.in_flight.iter().position(|it| it.number == number) else {
            return Err(Fault::EchoTwice { number });
        };
        let expected = self.in_flight[0].number;
        let sent = self.in_flight.remove(place).expect("the place was just found");
        if let Some(again) = self.again.get_mut(&number) {
            again.sequence = sequence;
        }
        if place > 0 {
            return Err(Fault::EchoOutOfTurn { expected, got: number });
        }
        if sent != key || !key.is_text(text) {
            return Err(Fault::EchoAltered { number });
        }
        Ok(sent)
    }

    /// Messages that were never answered: all that are in flight are given up.
    pub fn lost(&mut self) -> Vec<Fault> {
        self.in_flight.drain(..).map(|it| Fault::EchoLost { number: it.number }).collect()
    }
}
