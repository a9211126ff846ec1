//! What one connection is owed and was told: every frame is judged here.

use crate::{
    check::{Fault, Faults, Reading, Sending},
    frame::{self, Frame, Key},
};

/// The books of one connection.
#[derive(Debug)]
pub struct Account {
    /// The user, unique within a run of the program.
    pub user: u64,
    /// The log; a bare echo has none.
    pub reading: Option<Reading>,
    /// What was said here; others only listen.
    pub sending: Option<Sending>,
    faults: Faults,
}

/// What a frame turned out to be.
#[derive(Debug)]
pub enum Noted<'a> {
    /// The answer to a message that was sent here.
    Echo(Key),
    /// A message that was sent on another connection of the session.
    Heard(Key),
    /// Another new event with a sequence.
    Event(&'a Frame<'a>),
    /// Passes by.
    Signal(&'a Frame<'a>),
}

impl Account {
    /// The books of a connection that reads a log and, if it has `sending`, talks.
    pub fn new(user: u64, reading: Reading, sending: Option<Sending>, faults: Faults) -> Self {
        Self { user, reading: Some(reading), sending, faults }
    }

    /// The books of a connection to a bare echo.
    pub fn bare(user: u64, faults: Faults) -> Self {
        Self { user, reading: None, sending: Some(Sending::new(user)), faults }
    }

    /// Everything up to here was read.
    pub fn read_to(&self) -> u64 {
        self.reading.as_ref().map_or(0, Reading::read_to)
    }

    /// Notes a fault of this connection.
    pub fn fault(&self, fault: &Fault) {
        self.faults.note(format_args!("user {}", self.user), fault);
    }

    /// Judges a frame, and says what is in it. Faults are noted.
    pub fn take(&mut self, text: &str, mut noted: impl FnMut(Noted<'_>)) {
        let Ok(frame) = Frame::read(text) else { return self.unreadable(text) };
        if frame.kind != frame::BATCH {
            return self.event(&frame, &mut noted);
        }
        let Ok(events) = frame.events() else { return self.unreadable(text) };
        for event in &events {
            self.event(event, &mut noted);
        }
    }

    fn unreadable(&self, text: &str) {
        self.fault(&Fault::Unreadable(text.chars().take(80).collect()));
    }

    fn event(&mut self, event: &Frame<'_>, noted: &mut impl FnMut(Noted<'_>)) {
        let key = if event.kind == frame::USER_MESSAGE { event.key() } else { None };
        if let (Some(key), Some(sending)) = (key, &mut self.sending)
            && sending.is_again(key, event.sequence)
        {
            return;
        }
        match (&mut self.reading, event.sequence) {
            (Some(reading), Some(sequence)) => match reading.take(sequence, event) {
                Ok(true) => {}
                Ok(false) => return,
                // What it says is looked at all the same, except where it came before.
                Err(fault) => {
                    let is_old = matches!(fault, Fault::Repeat { .. });
                    self.fault(&fault);
                    if is_old {
                        return;
                    }
                }
            },
            (Some(_), None) => return self.signal(event, noted),
            (None, _) => {}
        }
        match event.kind {
            frame::USER_MESSAGE => self.echo(key, event, noted),
            frame::SYSTEM_MESSAGE => self.refused(event),
            frame::SESSION_END => self.fault(&Fault::Ended),
            _ => noted(Noted::Event(event)),
        }
    }

    fn signal(&self, event: &Frame<'_>, noted: &mut impl FnMut(Noted<'_>)) {
        if event.kind == frame::SYSTEM_MESSAGE {
            self.refused(event);
        } else {
            noted(Noted::Signal(event));
        }
    }

    fn refused(&self, event: &Frame<'_>) {
        let said: Result<frame::SystemMessage<'_>, _> = serde_json::from_str(event.payload.get());
        self.fault(&Fault::Refused(said.map_or_else(
            |_| "a system message without a message".to_owned(),
            |it| it.message.into_owned(),
        )));
    }

    fn echo(&mut self, key: Option<Key>, event: &Frame<'_>, noted: &mut impl FnMut(Noted<'_>)) {
        let Some(key) = key else { return self.fault(&Fault::EchoUnknown) };
        let Ok(text) = event.text() else {
            return self.fault(&Fault::EchoAltered { number: key.number });
        };
        let Some(sending) = &mut self.sending else {
            if !key.is_text(&text) {
                self.fault(&Fault::EchoAltered { number: key.number });
            }
            return noted(Noted::Heard(key));
        };
        match sending.take(key, event.sequence, &text) {
            Ok(key) => noted(Noted::Echo(key)),
            Err(fault) => {
                self.fault(&fault);
                if matches!(fault, Fault::EchoOutOfTurn { .. } | Fault::EchoAltered { .. }) {
                    // Wrong, but the answer.
                    noted(Noted::Echo(key));
                }
            }
        }
    }

    /// Gives up what was not answered.
    pub fn give_up(&mut self) -> usize {
        let lost = self.sending.as_mut().map(Sending::lost).unwrap_or_default();
        for fault in &lost {
            self.fault(fault);
        }
        lost.len()
    }
}

#[cfg(test)]
mod tests;
