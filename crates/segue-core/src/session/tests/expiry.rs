//! Sessions that end by themselves.

use super::*;

/// Covers 8.3.
#[test]
fn absence_ends_a_session_after_eleven_minutes() {
    check(
        "
        user joins
        a starts 1
        a finishes
        @659999 system expires
        @660000 system expires seen=1
        @660001 system expires seen=1
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5! turn 1 finished
        NotYet { at: 660000 }
        NotYet { at: 660001 }
        6 UserAbandoned
        ",
    );
}

/// Covers 8.4.
#[test]
fn silence_ends_a_session_after_an_hour_heartbeats_or_not() {
    check(
        "
        user joins
        a starts 1
        @1000 a says hello
        @2000 a finishes
        @3600999 system expires seen=3600000
        @3601000 system expires seen=3600999
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 bot(4):hello
        6! turn 1 finished
        NotYet { at: 3601000 }
        7 UserAbandoned
        ",
    );
}

/// Covers 7.6.
#[test]
fn silence_ends_a_session_that_was_handed_off_to_the_client() {
    check(
        "
        user joins
        a starts 1
        a finishes handing off to client
        @1000 user says hello?
        @3600999 system expires seen=3600000
        @3601000 system expires seen=3600000
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5! turn 1 finished, 6 handoff, 7 client Policy warranty, 8 left
        9 user:hello?
        NotYet { at: 3601000 }
        10 UserAbandoned
        ",
    );
}

/// Covers 8.7.
#[test]
fn the_life_of_a_session_ends_naturally_whatever_goes_on() {
    check(
        "
        user joins
        a starts 1
        @82799999 a streams m1.1 still here
        system expires seen=82799999
        @82800000 system expires seen=82799999
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 m1.1(4):still here
        NotYet { at: 82800000 }
        6 m1.2!(4):, 7! turn 1 cut short, 8 NaturalEnd
        ",
    );
}

/// The timer was set before the user came back: it is outlived.
#[test]
fn what_the_user_did_meanwhile_counts_although_the_timer_does_not_know_it() {
    check(
        "
        user joins
        a starts 1
        a finishes
        @600000 user says hi
        @660000 system expires seen=0
        @1259999 system expires seen=0
        @1260000 system expires seen=0
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5! turn 1 finished
        6 user:hi +2@600000
        NotYet { at: 1260000 }
        NotYet { at: 1260000 }
        7! turn 2 cut short, 8 UserAbandoned
        ",
    );
}

/// What the bot says is no sign of the user.
#[test]
fn words_of_the_bot_do_not_put_absence_off() {
    check(
        "
        user joins
        a starts 1
        @659000 a says hello
        @660000 system expires
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 bot(4):hello
        6! turn 1 cut short, 7 UserAbandoned
        ",
    );
}

/// Covers 8.12.
#[test]
fn times_that_the_timer_has_moved_forward_count() {
    check(
        "
        @660000 system expires seen=100
        @3600000 system expires seen=3600000 said=1000
        @3601000 system expires seen=3600000 said=1000
        ",
        "
        NotYet { at: 660100 }
        NotYet { at: 3601000 }
        2 UserAbandoned
        ",
    );
}

/// Covers 8.13, 8.14.
#[test]
fn nobody_is_abandoned_before_the_grace_is_over_but_a_life_ends_on_time() {
    check(
        "
        @5000000 system expires not_before=5000001
        @5000001 system expires not_before=5000001
        ",
        "
        NotYet { at: 5000001 }
        2 UserAbandoned
        ",
    );
    check("@82800000 system expires seen=82799999 not_before=82900000", "2 NaturalEnd");
}
