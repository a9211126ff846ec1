//! Room for turns, and who gets it.

use proptest::prelude::*;

use super::*;

fn bot(name: &str) -> BotId {
    BotId(name.to_owned())
}

fn held(number: i64) -> HeldTurn {
    HeldTurn { job: JobId(number), session: SessionId(1), turn: Turn(1), taken_at: None }
}

/// A line for one bot, spoken to in short.
struct Script {
    queue: TurnQueue,
    limits: BotLimits,
}

impl Script {
    fn new(turns_at_once: u64, turns_waiting: u64) -> Self {
        Self { queue: TurnQueue::default(), limits: BotLimits { turns_at_once, turns_waiting } }
    }

    /// The number of the turn that is refused for this one.
    fn push(&mut self, connector: &str, number: i64) -> Option<i64> {
        let connector = ConnectorId(connector.to_owned());
        let refused = self.queue.push(&bot("ada"), self.limits, &connector, held(number));
        refused.map(|it| it.job.0)
    }

    fn next(&mut self) -> Option<i64> {
        self.queue.next().map(|(_, it)| it.job.0)
    }

    fn ended(&mut self) {
        self.queue.ended(&bot("ada"));
    }
}

#[test]
fn so_many_run_at_once_and_so_many_wait() {
    let mut script = Script::new(2, 3);
    assert!((1..=5).all(|it| script.push("shop", it).is_none()));
    assert_eq!(script.push("shop", 6), Some(6));
    assert_eq!([script.next(), script.next(), script.next()], [Some(1), Some(2), None]);
    // What runs no longer waits; who came too late does not come back.
    assert_eq!(script.push("shop", 7), Some(7));
    script.ended();
    assert_eq!([script.next(), script.next()], [Some(3), None]);
    assert_eq!(script.push("shop", 8), None);
    assert_eq!(script.push("shop", 9), Some(9));
}

#[test]
fn bots_have_room_of_their_own() {
    let mut queue = TurnQueue::default();
    let limits = BotLimits { turns_at_once: 1, turns_waiting: 0 };
    let shop = ConnectorId("shop".to_owned());
    assert_eq!(queue.push(&bot("ada"), limits, &shop, held(1)), None);
    assert_eq!(queue.push(&bot("ada"), limits, &shop, held(2)), Some(held(2)));
    assert_eq!(queue.push(&bot("bea"), limits, &shop, held(3)), None);
    assert_eq!(queue.next(), Some((bot("ada"), held(1))));
    assert_eq!(queue.next(), Some((bot("bea"), held(3))));
    queue.ended(&bot("ada"));
    queue.ended(&bot("bea"));
    assert!(queue.0.is_empty());
}

#[test]
fn connectors_take_turns() {
    let mut script = Script::new(1, 100);
    for number in 1..=4 {
        script.push("flood", number);
    }
    for (connector, number) in [("a", 11), ("z", 21), ("a", 12)] {
        script.push(connector, number);
    }
    let mut order = Vec::new();
    while let Some(number) = script.next() {
        order.push(number);
        script.ended();
    }
    assert_eq!(order, [11, 1, 21, 12, 2, 3, 4]);
}

#[test]
fn a_flood_takes_no_place_from_another_connector() {
    let mut script = Script::new(1, 4);
    script.push("flood", 1);
    assert_eq!(script.next(), Some(1));
    assert!((2..=5).all(|it| script.push("flood", it).is_none()));
    assert_eq!(script.push("flood", 6), Some(6));
    assert_eq!(script.push("shop", 11), Some(5));
    assert_eq!(script.push("shop", 12), Some(4));
    // Now both have as many, and whoever wants more has to wait for himself.
    assert_eq!(script.push("shop", 13), Some(13));
    assert_eq!(script.push("flood", 7), Some(7));
}

#[test]
fn a_limit_that_is_changed_holds_from_now_on() {
    let mut script = Script::new(1, 1);
    assert_eq!([script.push("shop", 1), script.push("shop", 2)], [None, None]);
    script.limits = BotLimits { turns_at_once: 2, turns_waiting: 5 };
    assert_eq!(script.push("shop", 3), None);
    assert_eq!([script.next(), script.next(), script.next()], [Some(1), Some(2), None]);
}

proptest! {
    #[test]
    fn nothing_is_lost_or_given_twice_and_the_limits_hold(
        at_once in 1_u64..4,
        waiting in 0_u64..5,
        steps in proptest::collection::vec(0_u8..6, 0..200),
    ) {
        let mut script = Script::new(at_once, waiting);
        let (mut pushed, mut out, mut running) = (0, Vec::new(), 0);
        for step in steps {
            match step {
                0..=3 => {
                    pushed += 1;
                    out.extend(script.push(["a", "b", "c", "c"][usize::from(step)], pushed));
                }
                4 if running > 0 => {
                    running -= 1;
                    script.ended();
                }
                _ => {}
            }
            while let Some(number) = script.next() {
                running += 1;
                out.push(number);
            }
            let left = u64::try_from(pushed).unwrap() - out.len() as u64;
            prop_assert!(running <= at_once && left <= waiting);
            prop_assert!(left == 0 || running == at_once, "room for a turn that waits");
        }
        while running > 0 {
            running -= 1;
            script.ended();
            while let Some(number) = script.next() {
                running += 1;
                out.push(number);
            }
        }
        out.sort_unstable();
        prop_assert_eq!(out, (1..=pushed).collect::<Vec<_>>());
        prop_assert!(script.queue.0.is_empty());
    }
}
