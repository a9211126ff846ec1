//! The user stops a turn: what becomes of it, and of what was said before and after.

use super::*;

const GREETED: &str = "user joins\na starts 1\na says hello\na finishes\n";
const GREETED_LOG: &str =
    "2 join@0, 3 joined +1@0\n4! turn 1 to 0\n5 bot(4):hello\n6! turn 1 finished\n";

#[track_caller]
fn check_greeted(script: &str, log: &str) {
    check(&format!("{GREETED}{script}"), &format!("{GREETED_LOG}{log}"));
}

#[test]
fn a_running_turn_is_stopped_with_its_stream_closed_and_without_a_word() {
    check_greeted(
        "
        user says one
        b starts 2
        b streams m1.1 It is
        user stops
        b streams m1.2! back
        b finishes
        b starts 2
        user stops
        user says two
        c starts 3
        ",
        "
        7 user:one +2@0
        8! turn 2 to 7
        9 m1.1(8):It is
        10 m1.2!(8):, 11! turn 2 stopped
        Outlived
        Outlived
        Outlived
        NoTurn
        12 user:two +3@0
        13! turn 3 to 12
        ",
    );
}

#[test]
fn a_turn_that_nobody_has_started_never_answers_what_it_was_stopped_for() {
    check_greeted(
        "
        user says one
        user says two
        user stops
        b starts 2
        user says three
        c starts 3
        ",
        "
        7 user:one +2@0
        8 user:two
        9! turn 2 stopped
        Outlived
        10 user:three +3@0
        11! turn 3 to 10
        ",
    );
    // A turn that asks what is new begins behind what was stopped.
    let mut stage = Stage::new();
    for line in steps(&format!("{GREETED}user says one\nuser stops\nuser says two\nb starts 3")) {
        stage.play(line);
    }
    let running = stage.session.running().unwrap();
    assert_eq!((running.input_after, running.input_to), (Position(7), Position(9)));
}

#[test]
fn what_was_said_during_a_stopped_turn_is_answered_in_the_next() {
    check_greeted(
        "
        user says one
        b starts 2
        user says two
        user stops
        c starts 3
        user stops
        user says three
        ",
        "
        7 user:one +2@0
        8! turn 2 to 7
        9 user:two
        10! turn 2 stopped +3@0
        11! turn 3 to 10
        12! turn 3 stopped
        13 user:three +4@0
        ",
    );
}

#[test]
fn a_greeting_that_was_stopped_is_not_given_again() {
    check(
        "
        user joins
        user stops
        user joins
        a starts 1
        user says hi
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 stopped
        AlreadyJoined
        Outlived
        5 user:hi +2@0
        ",
    );
    // One that would be tried again later, with a message waiting for it.
    check(
        "
        user joins
        a starts 1
        user says hi
        user stops
        user joins
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 user:hi
        6! turn 1 stopped +2@0
        AlreadyJoined
        ",
    );
}

#[test]
fn a_greeting_that_is_due_is_stopped_and_not_what_waits_behind_it() {
    check(
        "
        user joins
        user says hi
        user stops
        b starts 2
        ",
        "
        2 join@0, 3 joined +1@0
        4 user:hi
        5! turn 1 stopped +2@0
        6! turn 2 to 5
        ",
    );
}

#[test]
fn without_a_turn_there_is_nothing_to_stop() {
    check("user stops", "NoTurn");
    check_greeted("user stops\nuser ends\nuser stops", "NoTurn\n7 end, 8 UserEnd\nEnded");
    check_greeted(
        "user says one\nb starts 2\nb finishes handing off to client\nuser says two\nuser stops",
        "7 user:one +2@0\n8! turn 2 to 7\n9! turn 2 finished, 10 handoff, \
         11 client Policy warranty, 12 left\n13 user:two\nNoTurn",
    );
    let session = Stage::new().session;
    for actor in [Actor::Bot, Actor::System] {
        let outcome = session.decide(0, actor, &Command::StopTurn);
        assert_eq!(outcome, Err(Rejected::Outlived), "{actor:?} may not stop the bot");
    }
}

#[test]
fn to_stop_a_turn_is_a_sign_of_the_user() {
    check(
        "
        user joins
        @500000 user stops
        @660000 system expires
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 stopped
        NotYet { at: 1160000 }
        ",
    );
}
