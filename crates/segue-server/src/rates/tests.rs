//! Buckets and gates, on plain numbers for time.

use super::*;

/// Covers 4.35.
#[test]
fn a_bucket_gives_its_burst_at_once_and_then_its_rate() {
    let mut bucket = Bucket::new(5, 20);
    for _ in 0..20 {
        assert_eq!(bucket.take(1_000), Ok(()));
    }
    assert_eq!(bucket.take(1_000), Err(200));
    assert_eq!(bucket.take(1_150), Err(50));
    assert_eq!(bucket.take(1_200), Ok(()));
    assert_eq!(bucket.take(1_200), Err(200));
    // A second fills five, and never more than the burst.
    for _ in 0..5 {
        assert_eq!(bucket.take(2_200), Ok(()));
    }
    assert_eq!(bucket.take(2_200), Err(200));
    for _ in 0..20 {
        assert_eq!(bucket.take(1_000_000), Ok(()));
    }
    assert_eq!(bucket.take(1_000_000), Err(200));
}

/// Whoever waits as long as it was told gets through, whatever the rate.
#[test]
fn what_a_bucket_says_about_the_wait_is_true() {
    for per_second in [1, 2, 3, 7, 10, 999, 1_000, 5_000] {
        let mut bucket = Bucket::new(per_second, 1);
        let mut now = 77_777;
        assert_eq!(bucket.take(now), Ok(()));
        for _ in 0..50 {
            match bucket.take(now) {
                Err(after_ms) => {
                    assert!(after_ms > 0);
                    assert!(bucket.take(now + after_ms - 1).is_err(), "{per_second} a second");
                    now += after_ms;
                }
                Ok(()) => panic!("{per_second} a second is more than that"),
            }
            assert_eq!(bucket.take(now), Ok(()), "{per_second} a second");
        }
    }
}

#[test]
fn a_clock_that_runs_backwards_fills_nothing() {
    let mut bucket = Bucket::new(1, 1);
    assert_eq!(bucket.take(10_000), Ok(()));
    assert_eq!(bucket.take(5_000), Err(1_000));
    assert_eq!(bucket.take(5_999), Err(1));
    // As it said, and not only when the clock has come to where it was.
    assert_eq!(bucket.take(6_000), Ok(()));
}

#[test]
fn a_rate_of_zero_sets_no_limit_and_a_burst_of_zero_is_one() {
    let mut none = Bucket::new(0, 0);
    for _ in 0..1_000 {
        assert_eq!(none.take(0), Ok(()));
    }
    assert!(none.is_full(0));
    let mut one = Bucket::new(1, 0);
    assert_eq!(one.take(0), Ok(()));
    assert_eq!(one.take(0), Err(1_000));
}

#[test]
fn a_bucket_is_full_again_when_its_burst_has_come_back() {
    let mut bucket = Bucket::new(5, 20);
    assert!(bucket.is_full(0));
    bucket.take(0).unwrap();
    bucket.take(0).unwrap();
    assert!(!bucket.is_full(399));
    assert!(bucket.is_full(400));
}

fn taken(gate: &mut SessionGate, kind: FrameKind) -> u64 {
    (0..1_000).take_while(|_| gate.take(0, kind).is_ok()).count() as u64
}

/// Covers 4.36.
#[test]
fn the_three_buckets_of_a_session_do_not_know_each_other() {
    let mut gate = SessionGate::new(5, 20);
    assert_eq!(taken(&mut gate, FrameKind::Message), 20);
    assert_eq!(taken(&mut gate, FrameKind::Signal), limits::LIVENESS_BURST);
    assert_eq!(taken(&mut gate, FrameKind::Rest), limits::REQUESTS_BURST);
    let waits = [FrameKind::Message, FrameKind::Signal, FrameKind::Rest].map(|it| gate.take(0, it));
    assert_eq!(waits, [Err(200), Err(200), Err(500)]);
}

#[test]
fn a_rate_of_zero_turns_all_three_off() {
    let mut gate = SessionGate::new(0, 20);
    for kind in [FrameKind::Message, FrameKind::Signal, FrameKind::Rest] {
        assert!((0..1_000).all(|_| gate.take(0, kind).is_ok()), "{kind:?}");
    }
    assert!(gate.is_full(0));
}

#[test]
fn a_gate_can_be_forgotten_when_all_its_buckets_are_full() {
    for (kind, full_at) in
        [(FrameKind::Message, 200), (FrameKind::Signal, 200), (FrameKind::Rest, 500)]
    {
        let mut gate = SessionGate::new(5, 20);
        gate.take(0, kind).unwrap();
        assert!(!gate.is_full(full_at - 1), "{kind:?}");
        assert!(gate.is_full(full_at), "{kind:?}");
    }
}

/// Covers 4.30.
#[test]
fn not_asked_is_loud_once_in_five_seconds() {
    let mut gate = SessionGate::new(5, 20);
    let levels = [0, 4_999, 5_000, 9_999, 10_000].map(|now| gate.not_asked_level(now));
    let [error, warning] = [Level::Error, Level::Warning];
    assert_eq!(levels, [error, warning, error, warning, error]);
}
