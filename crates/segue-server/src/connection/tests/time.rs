//! Keep-alives, and every way in which a connection is closed.

use super::*;

fn open() -> Bench {
    let mut bench = Bench::open(&Log::new());
    assert_eq!(bench.seen(), ["@0 batch 1"]);
    bench
}

const MINUTE: u64 = 60_000;

/// Covers 8.2.
#[test]
fn a_silent_connection_is_pinged_after_forty_seconds_and_closed_after_forty_more() {
    let mut bench = open();
    bench.run_until(MINUTE * 5);
    assert_eq!(bench.seen(), ["@40000 ping", "@80000 close 1001"]);
}

/// Covers 8.2.
#[test]
fn anything_that_comes_answers_a_ping_and_puts_the_next_one_off() {
    let mut bench = open();
    bench.run_until(30_000);
    bench.handle(Input::Sign);
    bench.run_until(70_000);
    bench.run_until(109_999);
    bench.handle(Input::Sign);
    bench.run_until(149_999);
    assert_eq!(bench.seen(), ["@70000 ping", "@149999 ping"]);
    bench.handle(Input::Binary);
    bench.seen();
    bench.run_until(200_000);
    assert_eq!(bench.seen(), ["@189999 ping"]);
    assert_eq!(bench.connection.silent_since(), 149_999);
}

/// Covers 8.1.
#[test]
fn pongs_do_not_keep_a_connection_that_sends_no_text_for_ten_minutes() {
    let mut bench = open();
    let mut pings = 0;
    for second in 1..=11 * 60 {
        bench.run_until(second * 1_000);
        for line in bench.seen() {
            if line.ends_with("ping") {
                pings += 1;
                bench.handle(Input::Sign);
            } else {
                assert_eq!((line.as_str(), pings), ("@600000 close 4002", 14));
                return;
            }
        }
    }
    panic!("it was not closed");
}

/// Covers 8.1.
#[test]
fn heartbeats_keep_a_connection() {
    let mut bench = open();
    for i in 1..=60 {
        bench.run_until(i * 30_000);
        bench.heartbeat();
    }
    assert!(bench.seen().iter().all(|it| it.ends_with("~HEARTBEAT")));
    for i in 1..=21 {
        bench.run_until(30 * MINUTE + i * 30_000);
        bench.handle(Input::Sign);
    }
    assert_eq!(bench.seen(), ["@2400000 close 4002"]);
}

/// Covers 8.8.
#[test]
fn two_seconds_after_the_end_of_the_session_the_socket_is_closed() {
    let mut bench = open();
    bench.run_until(1_000);
    bench.publish(Log::ends);
    bench.heartbeat();
    bench.run_until(10_000);
    assert_eq!(bench.seen(), ["@1000 2 SESSION_END", "@1000 ~HEARTBEAT", "@3000 close 1000"]);
}

/// Covers 8.8.
#[test]
fn the_end_of_the_session_is_stronger_than_every_other_clock() {
    // A ping is under way, and would be given up within the two seconds.
    let mut bench = open();
    bench.run_until(79_000);
    bench.publish(Log::ends);
    bench.run_until(90_000);
    assert_eq!(bench.seen(), ["@40000 ping", "@79000 2 SESSION_END", "@81000 close 1000"]);

    // The connection would be idle within them.
    let mut bench = open();
    for i in 1..20 {
        bench.run_until(i * 30_000);
        bench.handle(Input::Sign);
    }
    bench.run_until(599_000);
    bench.publish(Log::ends);
    bench.run_until(700_000);
    assert_eq!(bench.seen(), ["@599000 2 SESSION_END", "@601000 close 1000"]);
}

/// Covers 8.9.
#[test]
fn each_of_these_times_is_a_setting() {
    let limits = Limits {
        connection_idle_seconds: 7,
        ping_after_seconds: 2,
        ping_timeout_seconds: 3,
        close_after_end_ms: 500,
        ..Limits::default()
    };
    let open = || {
        let mut bench = Bench::open_with(&Log::new(), 0, &limits, Reads::Answered);
        bench.seen();
        bench
    };
    let mut bench = open();
    bench.run_until(MINUTE);
    assert_eq!(bench.seen(), ["@2000 ping", "@5000 close 1001"]);
    let mut bench = open();
    for i in 1..10 {
        bench.run_until(i * 1_000);
        bench.handle(Input::Sign);
    }
    assert_eq!(bench.seen(), ["@7000 close 4002"]);
    let mut bench = open();
    bench.publish(Log::ends);
    bench.run_until(MINUTE);
    assert_eq!(bench.seen(), ["@0 2 SESSION_END", "@500 close 1000"]);
}

/// Covers 2.7, 5.8.
#[test]
fn the_pauses_are_settings_too() {
    let limits = Limits {
        replay_batch_interval_ms: 100,
        live_after_replay_ms: 300,
        thinking_repeat_seconds: 1,
        ..Limits::default()
    };
    let mut log = Log::new();
    log.joined();
    log.turn_starts();
    for _ in 0..20 {
        log.user(&"x".repeat(1_000));
    }
    let mut bench = Bench::open_with(&log, 0, &limits, Reads::Answered);
    bench.run_until(1_500);
    let thinking = "~POLY_AGENT_THINKING";
    let seen = bench.seen();
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen[0].starts_with("@0 batch") && seen[1].starts_with("@100 batch"), "{seen:?}");
    assert_eq!(seen[2..], [format!("@400 {thinking}"), format!("@1400 {thinking}")]);
}

/// Covers 1.36.
#[test]
fn a_connection_that_is_displaced_is_told_to_come_again() {
    let mut bench = open();
    bench.handle(Input::Displaced);
    assert_eq!(bench.seen(), ["@0 close 1013"]);
}

/// Covers 8.17.
#[test]
fn a_node_that_stops_says_so() {
    let mut bench = open();
    bench.handle(Input::ShuttingDown);
    assert_eq!(bench.seen(), ["@0 close 1001"]);
}

#[test]
fn nothing_follows_a_close() {
    let mut bench = open();
    bench.message("a");
    bench.handle(Input::ShuttingDown);
    bench.seen();
    bench.heartbeat();
    bench.publish(Log::joined);
    bench.fate(Fate::Recorded(Position(2)));
    bench.handle(Input::Fetched(None));
    bench.handle(Input::Tick);
    assert_eq!(bench.seen(), none());
}

/// Covers 8.36.
#[test]
fn a_revoked_session_is_closed_with_a_code_of_its_own() {
    let mut bench = open();
    bench.run_until(5_000);
    bench.publish(Log::revoked);
    bench.run_until(10_000);
    assert_eq!(bench.seen(), ["@5000 2 SESSION_END", "@7000 close 4001"]);

    // Whoever comes back is told the same, whatever the cursor.
    let mut log = Log::new();
    log.revoked();
    for cursor in [0, 2, 9] {
        let mut bench = Bench::open_at(&log, cursor);
        bench.run_until(10_000);
        assert_eq!(bench.seen().last().unwrap(), "@2000 close 4001", "cursor {cursor}");
    }
}

/// Covers 8.19.
#[test]
fn close_codes_are_those_of_the_protocol() {
    use CloseCode::{Ended, GoingAway, Idle, Revoked, TryAgain};
    let codes = [Ended, GoingAway, TryAgain, Revoked, Idle];
    assert_eq!(codes.map(CloseCode::number), [1000, 1001, 1013, 4001, 4002]);
}

/// An idle socket costs a few wake-ups a minute, for its pings.
#[test]
fn at_rest_a_connection_hardly_wakes() {
    let mut bench = open();
    bench.wakes = 0;
    for second in 1..=500 {
        bench.run_until(second * 1_000);
        if bench.seen().iter().any(|it| it.ends_with("ping")) {
            bench.handle(Input::Sign);
        }
    }
    assert!(bench.wakes <= 12, "{} times in 500 s", bench.wakes);
}
