//! The bot gives the user to somebody else.

use super::*;

/// Covers 7.1, 7.2, 7.3, 7.4, 7.5, 7.12.
#[test]
fn a_client_managed_handoff_leaves_the_floor_to_nobody() {
    check(
        "
        user joins
        a starts 1
        a streams m1.1 a person is
        a finishes handing off to client
        a says more
        user says hello?
        user joins
        b starts 1
        b starts 2
        user ends
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 m1.1(4):a person is
        6 m1.2!(4):, 7! turn 1 finished, 8 handoff, 9 client Policy warranty, 10 left
        Outlived
        11 user:hello?
        AlreadyJoined
        Outlived
        Outlived
        12 end, 13 UserEnd
        ",
    );
}

/// What waits when the floor is lost stays in the log, and nobody is asked about it.
#[test]
fn a_message_that_waits_during_a_client_managed_handoff_makes_no_turn() {
    check(
        "
        user joins
        a starts 1
        user says hi
        a finishes handing off to client
        b starts 2
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 user:hi
        6! turn 1 finished, 7 handoff, 8 client Policy warranty, 9 left
        Outlived
        ",
    );
}

/// Covers 7.7, 7.8.
#[test]
fn a_handoff_to_nobody_fails_at_once_and_the_bot_is_back_with_a_turn() {
    let failed = "6! turn 1 finished, 7 handoff, 8 left, 9 handoff failed, \
                  10 HandoffNotInitiated, 11 joined again +2@0";
    for to in ["nobody", "server"] {
        check(
            &format!(
                "
                user joins
                a starts 1
                a says sure
                a finishes handing off to {to}
                user joins
                b starts 2
                b says sorry
                b finishes
                "
            ),
            &format!(
                "
                2 join@0, 3 joined +1@0
                4! turn 1 to 0
                5 bot(4):sure
                {failed}
                AlreadyJoined
                12! turn 2 to 11
                13 bot(12):sorry
                14! turn 2 finished
                "
            ),
        );
    }
}

/// What waited meanwhile is the input of the turn after the failure: one turn, one job.
#[test]
fn a_message_that_waits_during_a_failed_handoff_is_answered_in_the_turn_after_it() {
    check(
        "
        user joins
        a starts 1
        user says hi
        a finishes handing off to nobody
        b starts 2
        b starts 3
        b says here I am
        b finishes
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 user:hi
        6! turn 1 finished, 7 handoff, 8 left, 9 handoff failed, 10 HandoffNotInitiated, 11 joined again +3@0
        Outlived
        12! turn 3 to 11
        13 bot(12):here I am
        14! turn 3 finished
        ",
    );
}

/// Covers 7.9.
#[test]
fn the_turn_after_a_failed_handoff_may_not_hand_off_and_the_next_one_may() {
    check(
        "
        user joins
        a starts 1
        a finishes handing off to nobody
        b starts 2
        b says again
        b finishes handing off to client
        user says please
        c starts 3
        c finishes handing off to client
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5! turn 1 finished, 6 handoff, 7 left, 8 handoff failed, 9 HandoffNotInitiated, 10 joined again +2@0
        11! turn 2 to 10
        12 bot(11):again
        13! turn 2 finished
        14 user:please +3@0
        15! turn 3 to 14
        16! turn 3 finished, 17 handoff, 18 client Policy warranty, 19 left
        ",
    );
}

/// A turn after a failed handoff that fails is no failed greeting.
#[test]
fn the_turn_after_a_failed_handoff_fails_like_any_other() {
    check(
        "
        user joins
        a starts 1
        a finishes handing off to nobody
        b starts 2
        b fails
        user joins
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5! turn 1 finished, 6 handoff, 7 left, 8 handoff failed, 9 HandoffNotInitiated, 10 joined again +2@0
        11! turn 2 to 10
        12 TroubleResponding, 13! turn 2 failed
        AlreadyJoined
        ",
    );
}
