//! How the bot comes, and what becomes of a greeting that fails.

use super::*;

/// Covers 4.6, 6.4, 6.33.
#[test]
fn the_first_join_brings_the_bot_and_no_other_does() {
    check(
        "
        @7 user joins
        user joins
        a starts 1
        user joins
        a says hello
        a finishes
        user joins
        ",
        "
        2 join@7, 3 joined +1@7
        AlreadyJoined
        4! turn 1 to 0
        AlreadyJoined
        5 bot(4):hello
        6! turn 1 finished
        AlreadyJoined
        ",
    );
}

/// Covers 4.29.
#[test]
fn a_message_before_the_first_join_is_refused() {
    check("user says anybody?", "NotAsked");
}

/// Covers 6.32, 6.34, 6.35.
#[test]
fn greetings_that_fail_again_and_again_are_tried_after_growing_pauses() {
    check(
        "
        user joins
        a starts 1
        @100 a fails
        @100 user joins
        @5100 b starts 2
        @5200 b fails
        @5300 user joins
        @15200 c starts 3
        @15200 c fails
        @15200 user joins
        @35200 d starts 4
        @35200 d fails
        @35200 user joins
        @75200 e starts 5
        @75200 e fails
        @75200 user joins
        @135200 f starts 6
        @135200 f fails
        @135200 user joins
        @195200 g starts 7
        @195200 g fails
        @300000 user joins
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 UnableToStart, 6! turn 1 failed
        7 join@5100 +2@5100
        8! turn 2 to 0
        9 UnableToStart, 10! turn 2 failed
        11 join@15200 +3@15200
        12! turn 3 to 0
        13 UnableToStart, 14! turn 3 failed
        15 join@35200 +4@35200
        16! turn 4 to 0
        17 UnableToStart, 18! turn 4 failed
        19 join@75200 +5@75200
        20! turn 5 to 0
        21 UnableToStart, 22! turn 5 failed
        23 join@135200 +6@135200
        24! turn 6 to 0
        25 UnableToStart, 26! turn 6 failed
        27 join@195200 +7@195200
        28! turn 7 to 0
        29 UnableToStart, 30! turn 7 failed
        31 join@300000 +8@300000
        ",
    );
}

/// Covers 6.34.
#[test]
fn joins_while_an_attempt_is_scheduled_schedule_no_second_one() {
    check(
        "
        user joins
        a starts 1
        a fails
        @10 user joins
        @20 user joins
        @4999 user joins
        @5000 b starts 2
        b says hello
        b finishes
        user joins
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 UnableToStart, 6! turn 1 failed
        7 join@5000 +2@5000
        AlreadyJoined
        AlreadyJoined
        8! turn 2 to 0
        9 bot(8):hello
        10! turn 2 finished
        AlreadyJoined
        ",
    );
}

/// Covers 6.36.
#[test]
fn unable_to_start_is_an_error_once_in_five_seconds() {
    check(
        "
        user joins
        a starts 1
        @1000 a fails
        @6000 user joins
        b starts 2
        @5999 b fails
        @15999 user joins
        c starts 3
        @16000 c fails
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 UnableToStart, 6! turn 1 failed
        7 join@6000 +2@6000
        8! turn 2 to 0
        9 UnableToStart softly, 10! turn 2 failed
        11 join@16000 +3@16000
        12! turn 3 to 0
        13 UnableToStart, 14! turn 3 failed
        ",
    );
}

/// Covers 6.33.
#[test]
fn a_message_after_a_failed_greeting_is_an_ordinary_turn_and_ends_the_matter() {
    check(
        "
        user joins
        a starts 1
        a fails
        user says hi
        b starts 2
        user joins
        b says hello
        b finishes
        user joins
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 UnableToStart, 6! turn 1 failed
        7 user:hi +2@0
        8! turn 2 to 7
        AlreadyJoined
        9 bot(8):hello
        10! turn 2 finished
        AlreadyJoined
        ",
    );
}

/// An ordinary turn that fails leaves the greeting owed, and says so in its own words.
#[test]
fn a_message_that_fails_after_a_failed_greeting_leaves_the_greeting_owed() {
    check(
        "
        user joins
        a starts 1
        a fails
        user says hi
        b starts 2
        @2000 b fails
        user joins
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 UnableToStart, 6! turn 1 failed
        7 user:hi +2@0
        8! turn 2 to 7
        9 TroubleResponding, 10! turn 2 failed
        11 join@5000 +3@5000
        ",
    );
}

/// The user does not wait for the pause of the greeting, and the greeting's own job is outlived.
#[test]
fn a_message_takes_the_place_of_a_greeting_that_is_scheduled() {
    check(
        "
        user joins
        a starts 1
        a fails
        @1000 user joins
        @2000 user says hi
        b starts 3
        c starts 2
        b says hello
        b finishes
        @5000 c starts 2
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 UnableToStart, 6! turn 1 failed
        7 join@5000 +2@5000
        8 user:hi +3@2000
        9! turn 3 to 8
        Outlived
        10 bot(9):hello
        11! turn 3 finished
        Outlived
        ",
    );
}

/// At the very moment at which it is due, the greeting goes first.
#[test]
fn a_message_when_the_greeting_is_due_waits_for_it() {
    check(
        "
        user joins
        a starts 1
        a fails
        user joins
        @5000 user says hi
        b starts 2
        b fails
        c starts 3
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 UnableToStart, 6! turn 1 failed
        7 join@5000 +2@5000
        8 user:hi
        9! turn 2 to 0
        10 UnableToStart, 11! turn 2 failed +3@5000
        12! turn 3 to 11
        ",
    );
}

/// The user hears one thing of a greeting that fails, whatever was wrong with the bot.
#[test]
fn an_overloaded_greeting_is_one_that_cannot_start() {
    check(
        "
        user joins
        a starts 1
        a fails overloaded
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 UnableToStart, 6! turn 1 failed
        ",
    );
}
