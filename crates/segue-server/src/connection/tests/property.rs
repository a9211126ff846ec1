//! Whatever happens, in whatever order, with whatever loss: the client gets every event once and
//! in order, and the connection is at rest when there is nothing to do.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Happens {
    /// Something is recorded. How the push fares is another matter.
    Record(Recorded),
    /// The entries behind this share of the log are pushed, so many of them.
    Push {
        from: prop::sample::Index,
        count: usize,
    },
    /// The newest entries are pushed, as a broker does that works.
    PushNewest(usize),
    Behind,
    /// The node looks for lost pushes.
    Look,
    /// The read under way comes back, with what the log held when it began.
    Answer,
    /// The read under way fails.
    Fail,
    Pass(u64),
    Heartbeat,
    Pong,
}

#[derive(Debug, Clone, Copy)]
enum Recorded {
    User,
    Large,
    Huge,
    Many,
    TurnStarts,
    TurnEnds,
}

fn happens() -> impl Strategy<Value = Happens> {
    let recorded = prop_oneof![
        6 => Just(Recorded::User),
        3 => Just(Recorded::Large),
        1 => Just(Recorded::Huge),
        1 => Just(Recorded::Many),
        2 => Just(Recorded::TurnStarts),
        2 => Just(Recorded::TurnEnds),
    ];
    prop_oneof![
        6 => recorded.prop_map(Happens::Record),
        2 => (any::<prop::sample::Index>(), 1..4_usize)
            .prop_map(|(from, count)| Happens::Push { from, count }),
        5 => (1..4_usize).prop_map(Happens::PushNewest),
        1 => Just(Happens::Behind),
        1 => Just(Happens::Look),
        5 => Just(Happens::Answer),
        1 => Just(Happens::Fail),
        6 => prop_oneof![0..15_u64, 0..9_000_u64].prop_map(Happens::Pass),
        2 => Just(Happens::Heartbeat),
        1 => Just(Happens::Pong),
    ]
}

fn record(log: &mut Log, what: Recorded) {
    match what {
        Recorded::User => log.user("hi"),
        Recorded::Large => log.user(&"x".repeat(9_000)),
        Recorded::Huge => log.user(&"x".repeat(limits::MESSAGE_TEXT_BYTES_MAX)),
        Recorded::Many => {
            log.users(25);
            log.head()
        }
        Recorded::TurnStarts => log.turn_starts(),
        Recorded::TurnEnds => log.turn_ends(),
    };
}

fn happen(bench: &mut Bench, what: &Happens) {
    match what {
        Happens::Record(what) => {
            bench.log.now = bench.now;
            record(&mut bench.log, *what);
        }
        Happens::Push { from, count } => {
            let from = from.index(bench.log.items.len());
            let to = (from + count).min(bench.log.items.len());
            let items = bench.log.items[from..to].to_vec();
            bench.handle(Input::Pushed(&items));
        }
        Happens::PushNewest(count) => {
            let from = bench.log.items.len().saturating_sub(*count);
            let items = bench.log.items[from..].to_vec();
            bench.handle(Input::Pushed(&items));
        }
        Happens::Behind => bench.handle(Input::Behind),
        Happens::Look => look(bench),
        Happens::Answer if !bench.held.is_empty() => bench.answer(),
        Happens::Fail if !bench.held.is_empty() && !bench.frames.is_empty() => {
            bench.held.clear();
            bench.handle(Input::Fetched(None));
        }
        Happens::Answer | Happens::Fail => {}
        Happens::Pass(ms) => {
            let after = bench.now - bench.opened_at + ms;
            bench.run_until(after);
            // Silence is another test's matter.
            bench.handle(Input::Sign);
        }
        Happens::Heartbeat => bench.heartbeat(),
        Happens::Pong => bench.handle(Input::Sign),
    }
}

/// What the node does now and then.
fn look(bench: &mut Bench) {
    if bench.connection.known() < bench.log.head() {
        bench.handle(Input::Behind);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Covers 2.3, 2.4, 2.5, 2.10.
    #[test]
    fn every_event_comes_once_and_in_order(
        before in prop::collection::vec(happens(), 0..12),
        after in prop::collection::vec(happens(), 0..60),
        cursor in 0..20_u64,
        is_native in any::<bool>(),
    ) {
        let mut log = if is_native { Log::native() } else { Log::new() };
        log.joined();
        for what in &before {
            if let Happens::Record(what) = what {
                record(&mut log, *what);
            }
        }
        let claimed = cursor.min(log.session.state.reached.0);
        let mut bench = Bench::open_with(&log, cursor, &Limits::default(), Reads::Held);
        for what in &after {
            happen(&mut bench, what);
            prop_assert!(!bench.connection.is_closed, "closed: {:?}", bench.timeline);
            prop_assert!(bench.connection.wake_at() > bench.now || bench.now == bench.opened_at,
                "it would spin");
        }
        settle(&mut bench);
        let expected: Vec<u64> =
            [1].into_iter().chain(claimed.max(1) + 1..=bench.log.session.state.reached.0).collect();
        prop_assert_eq!(bench.sequences(), expected);
        check_frames(&bench)?;
        check_rest(&mut bench);
    }
}

/// The store works and the broker is silent: what is missing is found within a look.
fn settle(bench: &mut Bench) {
    bench.reads = Reads::Answered;
    while !bench.held.is_empty() {
        bench.answer();
    }
    look(bench);
    // Whatever it knows of, it reads by itself.
    let until = bench.now - bench.opened_at + 60_000;
    while bench.now - bench.opened_at < until {
        let next = bench.now - bench.opened_at + 5_000;
        bench.run_until(next);
        bench.heartbeat();
    }
}

fn check_frames(bench: &Bench) -> Result<(), TestCaseError> {
    prop_assert!(is_batch(&bench.frames[0]), "the first frame is no batch");
    let (mut newest_at, mut stamped_at) = (String::new(), String::new());
    for frame in &bench.frames {
        for event in events(frame).iter().filter(|it| it["sequence"].is_u64()) {
            let at = event["timestamp"].as_str().unwrap();
            prop_assert!(event["sequence"] == 1 || at >= newest_at.as_str(), "time runs backwards");
            newest_at = newest_at.max(at.to_owned());
        }
        // Behind what it holds, a batch has a time of its own; a repeated echo has its first one.
        if is_batch(frame) || frame["sequence"].is_null() {
            let sent_at = frame["timestamp"].as_str().unwrap();
            prop_assert!(sent_at >= newest_at.as_str(), "something from the past");
            prop_assert!(sent_at >= stamped_at.as_str(), "something from the past");
            stamped_at = sent_at.to_owned();
        }
        if is_batch(frame) {
            let events = events(frame);
            let is_small = frame.to_string().len() <= limits::BATCH_BYTES_MAX;
            prop_assert!((1..=limits::BATCH_EVENTS_MAX).contains(&events.len()));
            prop_assert!(is_small || events.len() == 1, "a batch that is too large");
        }
    }
    Ok(())
}

/// With nothing to do a connection wakes for its pings, and while the bot is at work.
fn check_rest(bench: &mut Bench) {
    bench.wakes = 0;
    let at = bench.now - bench.opened_at;
    for second in 1..=20 {
        bench.run_until(at + second * 1_000);
        bench.handle(Input::Sign);
    }
    assert!(bench.wakes <= 20, "{} wake-ups in 20 s at rest", bench.wakes);
}
