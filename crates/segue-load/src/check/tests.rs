//! The checker bites.

use super::*;
use crate::frame::{Frame, SESSION_START, USER_MESSAGE};

fn event(reading: &mut Reading, sequence: u64) -> Result<bool, Fault> {
    let kind = if sequence == 1 { SESSION_START } else { USER_MESSAGE };
    named(reading, sequence, kind, &sequence.to_string())
}

fn named(reading: &mut Reading, sequence: u64, kind: &str, id: &str) -> Result<bool, Fault> {
    let text = format!(r#"{{"id":"{id}","sequence":{sequence},"type":"{kind}","payload":{{}}}}"#);
    reading.take(sequence, &Frame::read(&text).unwrap())
}

fn read_to(sequence: u64) -> Reading {
    let mut reading = Reading::new();
    for sequence in 1..=sequence {
        assert_eq!(event(&mut reading, sequence), Ok(true));
    }
    reading
}

#[test]
fn a_log_in_order_is_right() {
    assert_eq!(read_to(5).read_to(), 5);
    assert_eq!(read_to(5).chain(), read_to(5).chain());
}

#[test]
fn a_gap_is_found() {
    let mut reading = read_to(3);
    assert_eq!(event(&mut reading, 5), Err(Fault::Gap { expected: 4, got: 5 }));
    assert_eq!(event(&mut reading, 6), Ok(true));
}

#[test]
fn a_repeat_is_found() {
    let mut reading = read_to(3);
    assert_eq!(event(&mut reading, 3), Err(Fault::Repeat { sequence: 3 }));
    assert_eq!(event(&mut reading, 1), Err(Fault::Repeat { sequence: 1 }));
    assert_eq!(event(&mut reading, 4), Ok(true));
}

#[test]
fn two_events_that_changed_places_are_found() {
    let mut reading = read_to(3);
    assert_eq!(event(&mut reading, 5), Err(Fault::Gap { expected: 4, got: 5 }));
    assert_eq!(event(&mut reading, 4), Err(Fault::Late { sequence: 4 }));
    assert_eq!(event(&mut reading, 4), Err(Fault::Repeat { sequence: 4 }));
}

#[test]
fn a_connection_has_to_begin_with_the_start_and_go_on_at_the_cursor() {
    let mut reading = read_to(3);
    reading.reconnect();
    assert_eq!(event(&mut reading, 1), Ok(false));
    assert_eq!(event(&mut reading, 4), Ok(true));
    reading.reconnect();
    assert_eq!(event(&mut reading, 5), Err(Fault::NoStart { sequence: 5 }));
    reading.reconnect();
    assert_eq!(event(&mut reading, 1), Ok(false));
    assert_eq!(event(&mut reading, 7), Err(Fault::Gap { expected: 6, got: 7 }));
    assert_eq!(event(&mut Reading::new(), 2), Err(Fault::NoStart { sequence: 2 }));
}

#[test]
fn readers_who_are_told_different_things_differ() {
    let mut reading = read_to(3);
    named(&mut reading, 4, USER_MESSAGE, "another").unwrap();
    assert_eq!(reading.read_to(), read_to(4).read_to());
    assert_ne!(reading.chain(), read_to(4).chain());
}

fn three_sent() -> (Sending, Vec<Key>) {
    let mut sending = Sending::new(7);
    let keys = (0..3).map(|it| sending.send(it)).collect();
    (sending, keys)
}

fn echo(sending: &mut Sending, key: Key) -> Result<Key, Fault> {
    sending.take(key, Some(key.number + 6), &key.text())
}

#[test]
fn echoes_in_order_are_right() {
    let (mut sending, keys) = three_sent();
    for key in keys {
        assert_eq!(echo(&mut sending, key), Ok(key));
    }
    assert_eq!((sending.in_flight(), sending.lost()), (0, vec![]));
}

#[test]
fn a_lost_echo_is_found() {
    let (mut sending, keys) = three_sent();
    echo(&mut sending, keys[0]).unwrap();
    assert_eq!(echo(&mut sending, keys[2]), Err(Fault::EchoOutOfTurn { expected: 2, got: 3 }));
    assert_eq!(sending.lost(), [Fault::EchoLost { number: 2 }]);
}

#[test]
fn an_echo_that_comes_again_is_found() {
    let (mut sending, keys) = three_sent();
    echo(&mut sending, keys[0]).unwrap();
    assert_eq!(echo(&mut sending, keys[0]), Err(Fault::EchoTwice { number: 1 }));
}

#[test]
fn an_echo_that_says_something_else_is_found() {
    let (mut sending, keys) = three_sent();
    let altered = sending.take(keys[0], Some(7), &keys[1].text());
    assert_eq!(altered, Err(Fault::EchoAltered { number: 1 }));
    let of_another = sending.take(Key { user: 8, ..keys[1] }, Some(8), &keys[1].text());
    assert_eq!(of_another, Err(Fault::EchoUnknown));
    let never_sent = Key { number: 4, ..keys[1] };
    assert_eq!(sending.take(never_sent, Some(8), &never_sent.text()), Err(Fault::EchoUnknown));
}

#[test]
fn a_message_that_was_sent_again_may_be_answered_again_at_the_same_place_and_no_more() {
    let (mut sending, keys) = three_sent();
    assert_eq!(sending.send_again(), keys);
    assert!(!sending.is_again(keys[0], Some(7)), "this is the first answer");
    echo(&mut sending, keys[0]).unwrap();
    assert!(!sending.is_again(keys[0], Some(9)), "recorded twice");
    assert!(sending.is_again(keys[0], Some(7)));
    assert!(!sending.is_again(keys[0], Some(7)), "once for each time that it was sent again");
    assert!(!sending.is_again(keys[1], Some(8)));
}

#[test]
fn faults_are_counted_and_the_first_are_kept() {
    let faults = Faults::default();
    for sequence in 0..50 {
        faults.note("user 1", &Fault::Repeat { sequence });
    }
    faults.note("user 2", &Fault::Ended);
    assert_eq!(faults.counts(), BTreeMap::from([("ended", 1), ("repeat", 50)]));
    assert_eq!(faults.first().len(), limits::LOAD_FAULTS_SHOWN_MAX);
    assert_eq!(faults.first()[0], "user 1: sequence 0 came again");
}
