//! Frames as a server sends them, right and wrong.

use std::collections::BTreeMap;

use super::*;
use crate::frame::Key;

const START: &str =
    r#"{"id":"a1","sequence":1,"type":"EVENT_TYPE_SESSION_START","timestamp":"t","payload":{}}"#;

fn batch(events: &[String]) -> String {
    let events = events.join(",");
    format!(
        r#"{{"id":"b","type":"EVENT_TYPE_EVENT_BATCH","sequence":null,"timestamp":"t","payload":{{"events":[{events}]}}}}"#
    )
}

fn echo(key: Key, sequence: u64) -> String {
    let (text, name) = (key.text(), key.local_id());
    format!(
        r#"{{"id":"a{sequence}","sequence":{sequence},"timestamp":"t","type":"EVENT_TYPE_USER_MESSAGE","payload":{{"message_id":"m","text":"{text}"}},"metadata":{{"custom":{{"local_id":"{name}"}}}}}}"#
    )
}

struct Desk {
    account: Account,
    faults: Faults,
    noted: Vec<String>,
}

impl Desk {
    fn new() -> Self {
        let faults = Faults::default();
        let account = Account::new(3, Reading::new(), Some(Sending::new(3)), faults.clone());
        Self { account, faults, noted: Vec::new() }
    }

    fn send(&mut self) -> Key {
        self.account.sending.as_mut().unwrap().send(5)
    }

    fn take(&mut self, text: &str) {
        let noted = &mut self.noted;
        self.account.take(text, |it| {
            noted.push(match it {
                Noted::Echo(key) => format!("echo {}", key.number),
                Noted::Heard(key) => format!("heard {}", key.number),
                Noted::Event(event) => format!("event {}", event.sequence.unwrap()),
                Noted::Signal(event) => format!("signal {}", event.kind),
            });
        });
    }

    fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.faults.counts()
    }
}

#[test]
fn a_conversation_in_order_is_right() {
    let mut desk = Desk::new();
    desk.take(&batch(&[START.to_owned()]));
    let keys = [desk.send(), desk.send()];
    desk.take(&echo(keys[0], 2));
    desk.take(r#"{"id":"s","type":"EVENT_TYPE_POLY_AGENT_THINKING","sequence":null,"payload":{}}"#);
    desk.take(&batch(&[echo(keys[1], 3)]));
    assert_eq!(
        desk.noted,
        ["event 1", "echo 1", "signal EVENT_TYPE_POLY_AGENT_THINKING", "echo 2"]
    );
    assert_eq!(desk.account.give_up(), 0);
    assert!(desk.counts().is_empty(), "{:?}", desk.faults.first());
}

#[test]
fn a_gap_a_repeat_and_a_lost_echo_are_found_within_frames() {
    let mut desk = Desk::new();
    desk.take(&batch(&[START.to_owned()]));
    let keys = [desk.send(), desk.send(), desk.send()];
    desk.take(&echo(keys[0], 2));
    desk.take(&echo(keys[0], 2));
    desk.take(&echo(keys[2], 4));
    assert_eq!(desk.account.give_up(), 1);
    let expected = [("echo_lost", 1), ("echo_out_of_turn", 1), ("gap", 1), ("repeat", 1)];
    assert_eq!(desk.counts(), BTreeMap::from(expected));
}

#[test]
fn a_message_that_is_recorded_twice_is_found() {
    let mut desk = Desk::new();
    desk.take(&batch(&[START.to_owned()]));
    let key = desk.send();
    desk.account.sending.as_mut().unwrap().send_again();
    desk.take(&echo(key, 2));
    desk.take(&echo(key, 2));
    assert!(desk.counts().is_empty(), "the answer to the copy: {:?}", desk.faults.first());
    desk.take(&echo(key, 3));
    assert_eq!(desk.counts(), BTreeMap::from([("echo_twice", 1)]));
}

#[test]
fn a_refusal_an_end_and_nonsense_are_found() {
    let mut desk = Desk::new();
    desk.take(&batch(&[START.to_owned()]));
    desk.take(
        r#"{"id":"s","type":"EVENT_TYPE_SYSTEM_MESSAGE","sequence":null,"payload":{"message":"No \"x\""}}"#,
    );
    desk.take(r#"{"id":"e","type":"EVENT_TYPE_SESSION_END","sequence":2,"payload":{}}"#);
    desk.take("nonsense");
    let expected = [("ended", 1), ("refused", 1), ("unreadable", 1)];
    assert_eq!(desk.counts(), BTreeMap::from(expected));
    assert_eq!(desk.faults.first()[0], r#"user 3: refused: No "x""#);
}

#[test]
fn a_listener_finds_an_altered_text() {
    let faults = Faults::default();
    let mut account = Account::new(9, Reading::new(), None, faults.clone());
    let key = Key { user: 3, number: 1, due_us: 5 };
    let mut heard = 0;
    account.take(&batch(&[START.to_owned(), echo(key, 2)]), |it| {
        heard += u64::from(matches!(it, Noted::Heard(_)));
    });
    let altered = echo(key, 3).replace("a lamp on Monday", "a lamp on Tuesday");
    account.take(&altered, |_| {});
    assert_eq!((heard, faults.counts()), (1, BTreeMap::from([("echo_altered", 1)])));
}
