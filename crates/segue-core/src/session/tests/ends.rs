//! The end of a conversation, whoever wants it.

use super::*;

/// Covers 4.8, 5.25.
#[test]
fn the_user_ends_it_before_anything_happened_and_nothing_follows() {
    check(
        "
        @5 user ends
        user ends
        user says hi
        user joins
        system expires
        a starts 1
        a says hi
        ",
        "
        2 end, 3 UserEnd
        Ended
        Ended
        Ended
        Ended
        Ended
        Ended
        ",
    );
}

/// Covers 6.25, 7.12.
#[test]
fn the_user_ends_it_during_a_stream_in_one_commit() {
    check(
        "
        user joins
        a starts 1
        a streams m1.1 It is
        user ends
        a streams m1.2! back
        a finishes
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 m1.1(4):It is
        6 m1.2!(4):, 7! turn 1 cut short, 8 end, 9 UserEnd
        Ended
        Ended
        ",
    );
}

/// Covers 4.8.
#[test]
fn the_user_ends_it_while_a_turn_is_due_and_no_other_becomes_due() {
    check(
        "
        user joins
        user says hi
        user ends
        a starts 1
        ",
        "
        2 join@0, 3 joined +1@0
        4 user:hi
        5! turn 1 cut short, 6 end, 7 UserEnd
        Ended
        ",
    );
}

#[test]
fn the_user_ends_it_while_messages_wait_and_no_turn_becomes_due() {
    check(
        "
        user joins
        a starts 1
        user says hi
        user ends
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 user:hi
        6! turn 1 cut short, 7 end, 8 UserEnd
        ",
    );
}

/// Covers 6.9.
#[test]
fn the_bot_ends_it_behind_its_words() {
    check(
        "
        user joins
        a starts 1
        a streams m1.1 goodbye
        a finishes for good
        user says wait
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 m1.1(4):goodbye
        6 m1.2!(4):, 7! turn 1 finished, 8 NaturalEnd
        Ended
        ",
    );
}

/// Covers 6.9.
#[test]
fn the_bot_may_not_end_it_while_the_user_waits_for_an_answer() {
    check(
        "
        user joins
        a starts 1
        a says goodbye
        user says wait
        a finishes for good
        b starts 2
        b says yes?
        b finishes for good
        ",
        "
        2 join@0, 3 joined +1@0
        4! turn 1 to 0
        5 bot(4):goodbye
        6 user:wait
        7! turn 1 finished +2@0
        8! turn 2 to 7
        9 bot(8):yes?
        10! turn 2 finished, 11 NaturalEnd
        ",
    );
}

#[test]
fn an_ended_session_knows_when_it_ended() {
    let mut stage = Stage::new();
    assert_eq!(stage.session.ended_at(), None);
    stage.play("@4321 user ends");
    assert_eq!(stage.session.ended_at(), Some(4_321));
}

#[test]
fn an_administrator_ends_it_and_closes_what_is_open_first() {
    for (revoked, reason) in [("session", "Revoked"), ("connector", "NaturalEnd")] {
        check(
            &format!(
                "user joins
                a starts 1
                a streams m1.1 It is
                system revokes {revoked}
                a streams m1.2! back
                user says hi
                system revokes {revoked}"
            ),
            &format!(
                "2 join@0, 3 joined +1@0
                4! turn 1 to 0
                5 m1.1(4):It is
                6 m1.2!(4):, 7! turn 1 cut short, 8 {reason}
                Ended
                Ended
                Ended"
            ),
        );
    }
}

#[test]
fn only_the_system_revokes() {
    for actor in [Actor::User, Actor::Bot] {
        let session = Stage::new().session;
        let outcome = session.decide(0, actor, &Command::Revoke(Revoked::Session));
        assert_eq!(outcome, Err(Rejected::Outlived));
    }
}
