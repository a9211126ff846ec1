//! What a simulated user is sent, held against what it has to be.

use axum::extract::ws::Utf8Bytes;

use super::{Client, Expected};
use crate::{
    frames::{Frame, parse},
    situations::Situation,
};

impl Client {
    pub(super) fn take(&mut self, text: &Utf8Bytes, expected: &mut Expected) {
        let Ok(frame) = parse(text) else { return };
        self.world.write(&format!(
            "s{:x} client {} < {text:.300}",
            self.talk.id.0 & 0xff,
            self.number
        ));
        if !frame.is("EVENT_BATCH") {
            if frame.sequence.is_some() {
                expected.is_live = true;
                if expected.is_first_batch && !self.is_repeated_echo(&frame, expected) {
                    self.wrong("a single event before the first batch", &frame);
                }
                self.take_event(&frame, expected, Place::Single);
            } else {
                self.take_transient(&frame, expected);
            }
            return;
        }
        if text.len() > 131_072 {
            self.wrong("a batch is too large", &frame);
        }
        if expected.is_live && !expected.is_first_batch {
            self.world.count(Situation::CaughtUpInBatches);
        }
        let events = frame.events();
        if events.is_empty() || events.len() > 100 {
            self.world.violated(format!("a batch of {} events", events.len()));
        }
        for (i, event) in events.iter().enumerate() {
            let is_head = expected.is_first_batch && i == 0;
            if is_head && !event.is("SESSION_START") {
                self.wrong("the first batch begins with something else than the start", event);
            }
            if event.sequence.is_none() {
                self.wrong("a transient event in a batch", event);
            }
            self.take_event(event, expected, if is_head { Place::Head } else { Place::Batch });
        }
        expected.is_first_batch = false;
    }

    fn take_event(&mut self, event: &Frame<'_>, expected: &mut Expected, place: Place) {
        let sequence = event.sequence.unwrap_or(0);
        if !self.world.is_as_committed(self.talk.id, sequence, event.text) {
            self.wrong("an event is not the one that was committed", event);
        }
        if sequence != expected.next {
            let is_start = place == Place::Head && sequence == 1;
            let is_echo = place == Place::Single && self.is_repeated_echo(event, expected);
            let is_beyond = expected.opened_with >= 1_000_000;
            if is_beyond && !is_start && !is_echo && expected.next > 1_000_000 {
                // It claimed more than there was: later events follow, from wherever.
                expected.next = sequence;
            } else if !is_start && !is_echo {
                let wanted = expected.next;
                self.wrong(&format!("expected {wanted}"), event);
                expected.next = sequence;
            } else {
                return self.take_echo(event);
            }
        }
        if expected.is_ended {
            self.wrong("an event after the end", event);
        }
        if event.timestamp < expected.newest_at.as_str() {
            self.wrong("time runs backwards", event);
        }
        event.timestamp.clone_into(&mut expected.newest_at);
        expected.is_ended |= event.is("SESSION_END");
        expected.next = sequence + 1;
        if expected.opened_with < 1_000_000 {
            self.cursor = self.cursor.max(sequence);
            let cursor = self.cursor;
            self.note(|it| it.cursor = cursor);
        }
        self.take_echo(event);
        if expected.is_ended {
            self.talk.known.lock().is_ended = true;
        }
    }

    /// Whether it repeats what this socket was sent before, because a copy was sent over it.
    fn is_repeated_echo(&self, event: &Frame<'_>, expected: &Expected) -> bool {
        let _ = self;
        event.sequence.is_some_and(|it| it < expected.next)
            && event.is("USER_MESSAGE")
            && event.tag().is_some_and(|tag| expected.sent.contains(&tag))
    }

    fn take_echo(&self, event: &Frame<'_>) {
        let Some(tag) = event.tag().filter(|_| event.is("USER_MESSAGE")) else { return };
        let mut known = self.talk.known.lock();
        let Some(sent) = known.messages.get_mut(&tag) else { return };
        let before = *sent.echoed.get_or_insert(event.sequence.unwrap_or(0));
        let is_refused = sent.is_refused_for_good;
        drop(known);
        if Some(before) != event.sequence {
            self.wrong("a second echo of one message", event);
        }
        if is_refused {
            self.wrong("the echo of a message that was refused for good", event);
        }
    }

    fn take_transient(&self, event: &Frame<'_>, expected: &mut Expected) {
        if expected.is_first_batch && event.is("POLY_AGENT_THINKING") {
            self.wrong("thinking before the first batch", event);
        }
        if expected.is_ended && !event.is("HEARTBEAT") && !event.is("SYSTEM_MESSAGE") {
            self.wrong("something after the end", event);
        }
        if event.timestamp < expected.newest_at.as_str() {
            self.wrong("time runs backwards", event);
        }
        if event.is("POLY_AGENT_THINKING") {
            self.world.count(Situation::Thinking);
            let now_ms = self.world.ms();
            self.note(|it| it.thinking_ms = now_ms);
        }
        if event.is("SYSTEM_MESSAGE") {
            self.take_refusal(event);
        }
    }

    fn take_refusal(&self, event: &Frame<'_>) {
        let (code, tag) = (event.code().unwrap_or_default(), event.tag());
        let mut known = self.talk.known.lock();
        match code.as_str() {
            "session_not_found" => {
                if !self.world.has_ended(self.talk.id) {
                    self.world.violated("a session that lives is said to have ended".to_owned());
                }
                if let Some(sent) = tag.and_then(|it| known.messages.get_mut(&it)) {
                    sent.is_refused_for_good = true;
                    sent.refusals += 1;
                }
            }
            "conversation_not_found" => {
                known.is_not_asked = true;
                self.world.count(Situation::MessageBeforeJoin);
                if let Some(sent) = tag.and_then(|it| known.messages.get_mut(&it)) {
                    sent.refusals += 1;
                }
            }
            _ => {}
        }
    }

    fn wrong(&self, what: &str, event: &Frame<'_>) {
        let (id, sequence, kind) = (event.id, event.sequence, event.kind);
        let (session, number) = (self.talk.id.0 & 0xff, self.number);
        self.world
            .violated(format!("client {number} of s{session:x}: {what}: {kind} {sequence:?} {id}"));
    }
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// First in the first batch.
    Head,
    Batch,
    Single,
}
