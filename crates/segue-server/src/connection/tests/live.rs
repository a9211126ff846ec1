//! Entry by entry, whatever the broker and the store do.

use super::*;

/// A connection that is live, with nothing in its timeline.
fn live() -> Bench {
    let mut log = Log::new();
    log.joined();
    let mut bench = Bench::open(&log);
    bench.run_until(1_000);
    bench.seen();
    bench
}

/// Covers 2.10.
#[test]
fn a_push_that_got_lost_is_read_when_the_next_one_comes() {
    let mut bench = live();
    bench.log.users(3);
    bench.push(&[6]);
    assert_eq!(
        bench.seen(),
        ["@1000 4 USER_MESSAGE", "@1000 5 USER_MESSAGE", "@1000 6 USER_MESSAGE"]
    );
}

/// Covers 2.10.
#[test]
fn pushes_that_come_again_or_in_another_order_are_sent_once_and_in_order() {
    let mut bench = live();
    bench.reads = Reads::Held;
    bench.log.users(4);
    bench.push(&[4, 4, 6, 5, 4, 6]);
    assert_eq!(
        bench.seen(),
        [
            "@1000 4 USER_MESSAGE",
            "@1000 read after 4",
            "@1000 5 USER_MESSAGE",
            "@1000 6 USER_MESSAGE"
        ]
    );
    bench.answer();
    bench.push(&[7, 5]);
    bench.run_until(5_000);
    assert_eq!(bench.seen(), ["@1000 7 USER_MESSAGE"]);
}

/// Covers 2.10.
#[test]
fn what_is_pushed_during_a_read_is_not_lost() {
    let mut bench = live();
    bench.reads = Reads::Held;
    bench.log.users(2);
    // The first of two is lost, so the log is read; meanwhile another one is recorded.
    bench.push(&[5]);
    bench.log.users(1);
    bench.push(&[6]);
    bench.answer();
    let first = ["@1000 read after 3", "@1000 4 USER_MESSAGE", "@1000 5 USER_MESSAGE"];
    let seen = bench.seen();
    assert_eq!(seen[..3], first);
    assert_eq!(seen[3..], ["@1000 read after 5"]);
    bench.answer();
    assert_eq!(bench.seen(), ["@1000 6 USER_MESSAGE"]);
}

/// Covers 2.10.
#[test]
fn what_is_pushed_during_the_first_read_is_not_lost() {
    let mut bench = Bench::open_with(&Log::new(), 0, &Limits::default(), Reads::Held);
    // The read has seen the log; then this is recorded, and its push is the only word of it.
    bench.publish(|log| log.user("hi"));
    bench.answer();
    bench.run_until(10);
    while !bench.held.is_empty() {
        bench.answer();
    }
    bench.run_until(100);
    assert_eq!(bench.sequences(), [1, 2]);
}

/// Covers 2.10.
#[test]
fn falling_behind_during_a_read_brings_another_read() {
    let mut bench = live();
    bench.reads = Reads::Held;
    bench.log.users(2);
    bench.push(&[5]);
    bench.log.users(1);
    bench.handle(Input::Behind);
    bench.answer();
    bench.answer();
    assert_eq!(bench.sequences(), [1, 2, 3, 4, 5, 6]);
}

/// Covers 2.10.
#[test]
fn one_read_is_under_way_at_most() {
    let mut bench = live();
    bench.reads = Reads::Held;
    bench.log.users(3);
    bench.push(&[5, 6]);
    bench.handle(Input::Behind);
    bench.handle(Input::Tick);
    assert_eq!(bench.seen(), ["@1000 read after 3"]);
}

/// Covers 1.37.
#[test]
fn a_store_that_is_away_when_the_client_comes_sends_it_away_for_a_while() {
    let bench = |cursor| {
        let mut log = Log::new();
        log.joined();
        Bench::open_with(&log, cursor, &Limits::default(), Reads::Failing).seen()
    };
    assert_eq!(bench(0), ["@0 read after 0", "@0 close 1013"]);
    assert_eq!(bench(2), ["@0 read after 0", "@0 close 1013"]);
}

#[test]
fn a_read_that_fails_later_is_tried_again_with_growing_pauses() {
    let mut bench = live();
    bench.reads = Reads::Failing;
    bench.log.users(2);
    bench.push(&[5]);
    bench.run_until(13_000);
    let times = [1_000, 1_250, 1_750, 2_750, 4_750, 8_750, 12_750];
    assert_eq!(bench.seen(), times.map(|at| format!("@{at} read after 3")));
    bench.reads = Reads::Answered;
    bench.run_until(16_750);
    assert_eq!(bench.seen(), ["@16750 4 USER_MESSAGE", "@16750 5 USER_MESSAGE"]);
    // The next trouble begins with the shortest pause.
    bench.reads = Reads::Failing;
    bench.log.users(2);
    bench.push(&[7]);
    bench.run_until(17_000);
    assert_eq!(bench.seen(), ["@16750 read after 5", "@17000 read after 5"]);
}

/// Covers 2.7.
#[test]
fn a_read_that_fails_between_batches_delays_them_and_loses_nothing() {
    let mut log = Log::new();
    log.users(600);
    let mut bench = Bench::open_with(&log, 0, &Limits::default(), Reads::Held);
    bench.answer();
    bench.reads = Reads::Failing;
    bench.run_until(400);
    bench.held.clear();
    bench.handle(Input::Fetched(None));
    bench.run_until(2_000);
    bench.reads = Reads::Answered;
    bench.run_until(20_000);
    assert_eq!(bench.sequences(), (1..=601).collect::<Vec<u64>>());
}

/// The node looks for all its connections at once.
#[test]
fn a_connection_that_waits_for_nothing_does_not_look_by_itself() {
    let mut bench = live();
    bench.reads = Reads::Held;
    bench.log.users(1);
    bench.wakes = 0;
    bench.run_until(39_999);
    assert_eq!((bench.seen(), bench.wakes), (none(), 0));
    assert_eq!(bench.connection.known(), Position(3));
    bench.handle(Input::Behind);
    bench.answer();
    assert_eq!(bench.seen(), ["@39999 read after 3", "@39999 4 USER_MESSAGE"]);
    assert_eq!(bench.connection.known(), Position(4));
    bench.run_until(79_000);
    assert_eq!(bench.seen(), ["@40000 ping"]);
}

/// What was heard of and cannot be read yet is not for the node to find.
#[test]
fn a_connection_knows_of_what_it_was_told_before_it_has_it() {
    let mut bench = live();
    bench.reads = Reads::Failing;
    bench.log.users(3);
    bench.push(&[6]);
    assert_eq!(bench.connection.known(), Position(6));
}

#[test]
fn while_the_bot_is_at_work_looks_are_more_frequent() {
    let mut bench = live();
    bench.publish(Log::turn_starts);
    assert_eq!(bench.seen(), ["@1000 ~POLY_AGENT_THINKING"]);
    bench.log.bot("hello");
    bench.log.turn_ends();
    bench.run_until(3_000);
    assert_eq!(bench.seen(), ["@3000 4 POLY_AGENT_MESSAGE"]);
    bench.run_until(12_000);
    assert_eq!(bench.seen(), none());
}

#[test]
fn after_a_command_of_its_own_a_connection_looks_for_the_echo() {
    let mut bench = live();
    bench.message("a");
    bench.log.user_with("hi", Some("a"));
    bench.fate(Fate::Recorded(Position(4)));
    bench.run_until(1_999);
    assert_eq!(bench.seen(), ["@1000 execute message hi"]);
    bench.run_until(2_000);
    assert_eq!(bench.seen(), ["@2000 4 USER_MESSAGE"]);
}

/// Covers 5.8, 6.1, 6.2.
#[test]
fn thinking_follows_the_start_of_a_turn_and_comes_again_until_it_ends() {
    let mut bench = Bench::open(&Log::new());
    bench.publish(|log| {
        log.joined();
        log.turn_starts()
    });
    assert_eq!(
        bench.seen(),
        [
            "@0 batch 1",
            "@0 2 REQUEST_POLY_AGENT_JOIN",
            "@0 3 POLY_AGENT_JOINED",
            "@0 ~POLY_AGENT_THINKING"
        ]
    );
    bench.run_until(10_000);
    bench.publish(|log| log.bot("one moment"));
    bench.run_until(20_000);
    assert_eq!(
        bench.seen(),
        [
            "@8000 ~POLY_AGENT_THINKING",
            "@10000 4 POLY_AGENT_MESSAGE",
            "@16000 ~POLY_AGENT_THINKING"
        ]
    );
    bench.publish(|log| {
        log.bot("there");
        log.turn_ends()
    });
    bench.run_until(39_000);
    assert_eq!(bench.seen(), ["@20000 5 POLY_AGENT_MESSAGE"]);
}

/// Covers 5.8.
#[test]
fn a_turn_that_is_over_when_its_start_comes_is_not_thought_about() {
    let mut bench = live();
    bench.publish(|log| {
        log.turn_starts();
        log.bot("hello");
        log.turn_ends()
    });
    bench.run_until(20_000);
    let thinking = bench.seen().iter().filter(|it| it.contains("THINKING")).count();
    assert!(thinking <= 1);
    let newest = bench.newest_frame();
    assert_eq!(kind(newest), "POLY_AGENT_MESSAGE");
}

/// Covers 5.8, 5.26.
#[test]
fn the_end_of_the_session_is_the_end_of_thinking() {
    let mut bench = live();
    bench.publish(|log| {
        log.turn_starts();
        log.ends()
    });
    bench.run_until(60_000);
    let expected = ["@1000 ~POLY_AGENT_THINKING", "@1000 4 SESSION_END", "@3000 close 1000"];
    assert_eq!(bench.seen(), expected);
}

/// A commit that is not known to be durable has no frame: only the log makes the echo.
///
/// Covers 4.21.
#[test]
fn nothing_is_said_of_a_message_while_its_commit_hangs() {
    let mut bench = live();
    bench.message("a");
    bench.run_until(30_000);
    assert_eq!(bench.seen(), ["@1000 execute message hi"]);
    bench.publish(|log| log.user_with("hi", Some("a")));
    bench.fate(Fate::Recorded(Position(4)));
    assert_eq!(bench.seen(), ["@30000 4 USER_MESSAGE"]);
}

/// Internal entries fill positions and send nothing.
#[test]
fn internal_entries_are_passed_over() {
    let mut bench = live();
    bench.publish(Log::turn_starts);
    bench.publish(Log::turn_ends);
    bench.publish(|log| log.user("hi"));
    assert_eq!(bench.seen(), ["@1000 ~POLY_AGENT_THINKING", "@1000 4 USER_MESSAGE"]);
    assert_eq!(bench.sequences(), [1, 2, 3, 4]);
}

#[test]
fn turn_number_is_what_the_log_says() {
    let mut log = Log::new();
    log.joined();
    log.turn_starts();
    assert_eq!(log.session.running().map(|it| it.turn), Some(Turn(1)));
}
