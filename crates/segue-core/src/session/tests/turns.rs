//! A turn and its workers: what it answers, who may speak, what becomes of a worker that dies.

use super::*;

/// The bot has greeted: the first six entries of most scripts.
const GREETED: &str = "user joins\na starts 1\na says hello\na finishes\n";
const GREETED_LOG: &str =
    "2 join@0, 3 joined +1@0\n4! turn 1 to 0\n5 bot(4):hello\n6! turn 1 finished\n";

#[track_caller]
fn check_greeted(script: &str, log: &str) {
    check(&format!("{GREETED}{script}"), &format!("{GREETED_LOG}{log}"));
}

/// Covers 6.7.
#[test]
fn what_is_said_during_a_turn_is_answered_together_in_the_next() {
    check_greeted(
        "
        user says one
        b starts 2
        user says two
        user says three
        b says first
        user says four
        b finishes
        c starts 3
        c says rest
        c finishes
        ",
        "
        7 user:one +2@0
        8! turn 2 to 7
        9 user:two
        10 user:three
        11 bot(8):first
        12 user:four
        13! turn 2 finished +3@0
        14! turn 3 to 13
        15 bot(14):rest
        16! turn 3 finished
        ",
    );
}

#[test]
fn a_burst_before_the_turn_starts_is_one_turn() {
    check_greeted(
        "
        user says one
        user says two
        b starts 2
        b says both
        b finishes
        ",
        "
        7 user:one +2@0
        8 user:two
        9! turn 2 to 8
        10 bot(9):both
        11! turn 2 finished
        ",
    );
}

/// The worker takes as much of the input as its bot may be given; the rest is the next turn's.
#[test]
fn what_the_worker_does_not_take_is_left_to_the_next_turn() {
    check_greeted(
        "
        user says one
        user says two
        b starts 2 to 7
        b finishes
        c starts 3 to 2
        c finishes
        d starts 4 to 99
        ",
        "
        7 user:one +2@0
        8 user:two
        9! turn 2 to 7
        10! turn 2 finished +3@0
        11! turn 3 to 7
        12! turn 3 finished +4@0
        13! turn 4 to 12
        ",
    );
}

/// A greeting answers nothing: what was said meanwhile has a turn of its own.
#[test]
fn what_is_said_before_the_greeting_is_answered_after_it() {
    check(
        "
        user joins
        user says hi
        a starts 1
        a says hello
        a finishes
        b starts 2
        ",
        "
        2 join@0, 3 joined +1@0
        4 user:hi
        5! turn 1 to 0
        6 bot(5):hello
        7! turn 1 finished +2@0
        8! turn 2 to 7
        ",
    );
}

/// Covers 6.27.
#[test]
fn a_second_worker_silences_the_first_and_has_the_same_input() {
    check_greeted(
        "
        user says hi
        b starts 2
        user says more
        c starts 2
        b says late
        b finishes
        c says answer
        c finishes
        ",
        "
        7 user:hi +2@0
        8! turn 2 to 7
        9 user:more
        10! turn 2 to 7
        Outlived
        Outlived
        11 bot(10):answer
        12! turn 2 finished +3@0
        ",
    );
}

#[test]
fn a_start_that_is_repeated_by_the_same_attempt_changes_nothing() {
    check_greeted(
        "
        user says hi
        b starts 2
        b starts 2
        b says answer
        b starts 2
        b finishes
        b starts 2
        ",
        "
        7 user:hi +2@0
        8! turn 2 to 7
        AlreadyDone
        9 bot(8):answer
        AlreadyDone
        10! turn 2 finished
        Outlived
        ",
    );
}

#[test]
fn turns_that_are_not_due_cannot_be_started() {
    check_greeted(
        "
        b starts 1
        b starts 2
        user says hi
        b starts 1
        b starts 3
        ",
        "
        Outlived
        Outlived
        7 user:hi +2@0
        Outlived
        Outlived
        ",
    );
}

/// A poison turn must not loop: its third worker is the last.
#[test]
fn a_turn_that_kills_three_workers_has_failed() {
    check_greeted(
        "
        user says boom
        b starts 2
        c starts 2
        d starts 2
        e starts 2
        e starts 2
        ",
        "
        7 user:boom +2@0
        8! turn 2 to 7
        9! turn 2 to 7
        10! turn 2 to 7
        11 TroubleResponding, 12! turn 2 failed
        Outlived
        ",
    );
}

/// Covers 6.24, 6.26.
#[test]
fn a_visible_turn_of_a_dead_worker_is_closed_and_not_repeated() {
    check_greeted(
        "
        user says hi
        b starts 2
        b streams m2.1 It is
        user says hello?
        c starts 2
        b streams m2.2! back
        d starts 3
        ",
        "
        7 user:hi +2@0
        8! turn 2 to 7
        9 m2.1(8):It is
        10 user:hello?
        11 m2.2!(8):, 12 EncounteredError, 13! turn 2 failed +3@0
        Outlived
        14! turn 3 to 13
        ",
    );
}

/// Covers 6.28.
#[test]
fn the_words_of_a_failure_depend_on_what_was_seen() {
    check_greeted(
        "
        user says one
        b starts 2
        b fails
        user says two
        c starts 3
        c says half
        c fails
        user says three
        d starts 4
        d switches fr
        d fails
        ",
        "
        7 user:one +2@0
        8! turn 2 to 7
        9 TroubleResponding, 10! turn 2 failed
        11 user:two +3@0
        12! turn 3 to 11
        13 bot(12):half
        14 EncounteredError, 15! turn 3 failed
        16 user:three +4@0
        17! turn 4 to 16
        18 language fr
        19 EncounteredError, 20! turn 4 failed
        ",
    );
}

/// Covers 6.29, 6.30.
#[test]
fn an_overloaded_bot_is_called_so_also_midway_and_the_conversation_goes_on() {
    check_greeted(
        "
        user says one
        b starts 2
        b fails overloaded
        user says two
        c starts 3
        c streams m3.1 half
        c fails overloaded
        user says three
        d starts 4
        d says fine
        d finishes
        ",
        "
        7 user:one +2@0
        8! turn 2 to 7
        9 HighLoad, 10! turn 2 failed
        11 user:two +3@0
        12! turn 3 to 11
        13 m3.1(12):half
        14 m3.2!(12):, 15 HighLoad, 16! turn 3 failed
        17 user:three +4@0
        18! turn 4 to 17
        19 bot(18):fine
        20! turn 4 finished
        ",
    );
}

#[test]
fn an_output_that_is_said_again_is_done_already() {
    check_greeted(
        "
        user says hi
        b starts 2
        b says one
        b says two
        b says#1 one
        b says#2 two
        b says three
        ",
        "
        7 user:hi +2@0
        8! turn 2 to 7
        9 bot(8):one
        10 bot(8):two
        AlreadyDone
        AlreadyDone
        11 bot(8):three
        ",
    );
}

/// A cached state may be older than the worker's own outputs: whoever has it looks again.
#[test]
fn an_output_that_leaves_a_gap_is_refused() {
    check_greeted(
        "user says hi\nb starts 2\nb says#2 two",
        "7 user:hi +2@0\n8! turn 2 to 7\nOutlived",
    );
}

#[test]
#[should_panic(expected = "chunks come without gaps")]
fn a_gap_between_chunks_is_a_fault_of_ours() {
    check_greeted("user says hi\nb starts 2\nb streams m2.2 two", "");
}

#[test]
#[should_panic(expected = "a stream is closed before another message")]
fn a_message_within_a_stream_is_a_fault_of_ours() {
    check_greeted("user says hi\nb starts 2\nb streams m2.1 one\nb says two", "");
}

/// Covers 6.10, 6.11.
#[test]
fn a_language_within_a_stream_leaves_it_open() {
    check_greeted(
        "
        user says hi
        b starts 2
        b streams m2.1 one
        b switches es
        b streams m2.2 two
        b streams m2.3! three
        b streams m3.1! four
        b finishes
        ",
        "
        7 user:hi +2@0
        8! turn 2 to 7
        9 m2.1(8):one
        10 language es
        11 m2.2(8):two
        12 m2.3!(8):three
        13 m3.1!(8):four
        14! turn 2 finished
        ",
    );
}

/// A bot that finishes with a stream open has still closed it.
#[test]
fn a_turn_that_finishes_within_a_stream_closes_it() {
    check_greeted(
        "
        user says hi
        b starts 2
        b streams m2.1 one
        b finishes
        ",
        "
        7 user:hi +2@0
        8! turn 2 to 7
        9 m2.1(8):one
        10 m2.2!(8):, 11! turn 2 finished
        ",
    );
}

#[test]
fn one_turn_more_than_a_session_may_have_ends_it_and_says_why() {
    check_greeted(
        "
        user says one
        b starts 2 of 2
        user says two
        b says first
        b finishes
        c starts 3 of 2
        c starts 3 of 2
        user says three
        ",
        "
        7 user:one +2@0
        8! turn 2 to 7
        9 user:two
        10 bot(8):first
        11! turn 2 finished +3@0
        12 TurnsUsedUp softly, 13! turn 3 cut short, 14 NaturalEnd
        Ended
        Ended
        ",
    );
}

/// A turn that was begun is gone through with, also by the next worker, and also where the limit
/// was lowered meanwhile.
#[test]
fn a_turn_that_runs_is_not_one_too_many() {
    check_greeted(
        "
        user says one
        b starts 2 of 2
        c starts 2 of 1
        c says first
        c finishes
        ",
        "
        7 user:one +2@0
        8! turn 2 to 7
        9! turn 2 to 7
        10 bot(9):first
        11! turn 2 finished
        ",
    );
}

/// Nobody may ask for what is not theirs to ask for.
#[test]
fn commands_of_the_wrong_actor_change_nothing() {
    let mut stage = Stage::new();
    let join = Command::Join { bot: bot(), retry_ms: 5_000, custom: None };
    let end = Command::End { custom: None };
    let start = Command::StartTurn {
        turn: Turn(1),
        attempt: AttemptId(1),
        input_to: Position(1),
        turns_max: None,
    };
    for (actor, command) in [
        (Actor::Bot, &join),
        (Actor::System, &join),
        (Actor::Bot, &end),
        (Actor::User, &start),
        (Actor::User, &expire("")),
        (Actor::Bot, &expire("")),
    ] {
        assert_eq!(stage.run(actor, std::slice::from_ref(command)), "Outlived", "{command:?}");
    }
    let again = Command::Start { expire_at: 0, sessions_max: SessionsMax::default() };
    assert_eq!(stage.run(Actor::User, std::slice::from_ref(&again)), "Outlived");
    assert_eq!(stage.run(Actor::System, &[again]), "AlreadyDone");
}

/// The state of the bot is replaced by a turn that ends well, and only by that.
#[test]
fn the_state_of_the_bot_comes_with_the_end_of_a_turn_that_went_well() {
    let mut stage = Stage::new();
    for line in steps("user joins\na starts 1") {
        stage.play(line);
    }
    let token = stage.session.running().unwrap().token;
    let kept = |end| {
        let command = Command::EndTurn { token, end };
        stage.session.decide(0, Actor::Bot, &command).unwrap().bot_state
    };
    let finished = TurnEnd::Finished { then: Then::Nothing, bot_state: Some(r#"{"a":1}"#.into()) };
    assert_eq!(kept(finished).as_deref(), Some(r#"{"a":1}"#));
    assert_eq!(kept(TurnEnd::Failed(Failure::Broken)), None);
}
