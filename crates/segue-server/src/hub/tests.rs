//! Who hears of what, and who has to give way.

use segue_core::{AttemptId, EndReason, EntryId, Event, Position, Sequence, Turn, TurnOutcome};

use super::*;

const ID: SessionId = SessionId(1);
const OTHER: SessionId = SessionId(2);

fn hub() -> Arc<Hub> {
    Arc::default()
}

fn subscribe(hub: &Arc<Hub>, now: Timestamp) -> Result<Subscription, Full> {
    let admission = Admission { connections_max: 3, displace_after_ms: 45_000 };
    hub.subscribe(now, ID, admission, || SessionGate::new(5, 20))
}

fn entry(position: u64, event: Event) -> Entry {
    let (id, reached) = (EntryId(u128::from(position)), Sequence(position));
    Entry { id, position: Position(position), reached, at: 0, event }
}

fn ended(position: u64) -> Entry {
    entry(position, Event::SessionEnded { reason: EndReason::UserEnd })
}

/// The next push, as positions; `None` when there is none yet.
async fn next(subscription: &mut Subscription) -> Option<Result<Vec<u64>, &'static str>> {
    tokio::select! {
        biased;
        push = next_push(subscription) => Some(push),
        () = std::future::ready(()) => None,
    }
}

async fn next_push(subscription: &mut Subscription) -> Result<Vec<u64>, &'static str> {
    match subscription.next().await {
        Push::Items(items) => Ok(items.iter().map(|it| it.position.0).collect()),
        Push::Behind => Err("behind"),
        Push::Missed => Err("missed"),
        Push::Displaced => Err("displaced"),
    }
}

/// Covers 4.5.
#[tokio::test]
async fn every_connection_of_a_session_hears_of_an_entry_and_no_other_does() {
    let hub = hub();
    let mut first = subscribe(&hub, 0).unwrap();
    let mut second = subscribe(&hub, 0).unwrap();
    let admission = Admission { connections_max: 3, displace_after_ms: 0 };
    let mut other = hub.subscribe(0, OTHER, admission, || SessionGate::new(5, 20)).unwrap();
    hub.deliver(ID, &[ended(7), ended(8)]);
    hub.deliver(ID, &[ended(9)]);
    for subscription in [&mut first, &mut second] {
        assert_eq!(next(subscription).await, Some(Ok(vec![7, 8])));
        assert_eq!(next(subscription).await, Some(Ok(vec![9])));
        assert_eq!(next(subscription).await, None);
    }
    assert_eq!(next(&mut other).await, None);
}

/// Covers 1.35.
#[tokio::test]
async fn at_the_limit_connections_that_are_alive_stay() {
    let hub = hub();
    let held: Vec<Subscription> = [0, 100, 200].map(|at| subscribe(&hub, at).unwrap()).into();
    for subscription in &held {
        subscription.sign(10_000);
    }
    assert_eq!(subscribe(&hub, 54_999).err(), Some(Full));
    assert_eq!(hub.connections(), 3);
}

/// Covers 1.36.
#[tokio::test]
async fn at_the_limit_the_one_that_has_been_silent_longest_gives_way() {
    let hub = hub();
    let mut first = subscribe(&hub, 0).unwrap();
    let mut second = subscribe(&hub, 0).unwrap();
    let mut third = subscribe(&hub, 0).unwrap();
    first.sign(2_000);
    second.sign(1_000);
    third.sign(3_000);
    let mut fourth = subscribe(&hub, 46_000).unwrap();
    assert_eq!(next(&mut second).await, Some(Err("displaced")));
    for subscription in [&mut first, &mut third, &mut fourth] {
        assert_eq!(next(subscription).await, None);
    }
    // It no longer counts, also before its task has left.
    assert_eq!(hub.connections(), 3);
    drop(second);
    assert_eq!(hub.connections(), 3);
    drop(first);
    assert_eq!(hub.connections(), 2);
    assert!(subscribe(&hub, 46_000).is_ok());
}

#[tokio::test]
async fn a_place_is_free_again_when_a_connection_leaves() {
    let hub = hub();
    let held: Vec<Subscription> = (0..3).map(|_| subscribe(&hub, 0).unwrap()).collect();
    assert_eq!(subscribe(&hub, 0).err(), Some(Full));
    drop(held);
    assert!(subscribe(&hub, 0).is_ok());
}

/// A full queue loses nothing: the connection is told to read the log.
#[tokio::test]
async fn a_connection_whose_queue_is_full_is_told_that_it_is_behind() {
    let hub = hub();
    let mut subscription = subscribe(&hub, 0).unwrap();
    let queued = limits::PUSHES_QUEUED_MAX as u64;
    for position in 1..=queued + 2 {
        hub.deliver(ID, &[ended(position)]);
    }
    assert_eq!(next(&mut subscription).await, Some(Err("behind")));
    for position in 1..=queued {
        assert_eq!(next(&mut subscription).await, Some(Ok(vec![position])));
    }
    assert_eq!(next(&mut subscription).await, None);
    hub.deliver(ID, &[ended(99)]);
    assert_eq!(next(&mut subscription).await, Some(Ok(vec![99])));
}

#[tokio::test]
async fn a_connection_that_knows_of_less_than_the_log_has_is_told_to_read() {
    let hub = hub();
    let (mut knows, mut lags) = (subscribe(&hub, 0).unwrap(), subscribe(&hub, 0).unwrap());
    knows.know(Position(7));
    lags.know(Position(6));
    let heads = |head| [(ID, Position(head)), (OTHER, Position(9))];
    assert_eq!(hub.behind(&heads(6)), []);
    assert_eq!(hub.behind(&heads(7)), [(ID, Position(7))]);
    assert_eq!(hub.catch_up(ID, Position(6)), 0);
    assert_eq!(hub.catch_up(OTHER, Position(9)), 0);

    // It wakes whoever waits already.
    let waiting = tokio::spawn(async move {
        let push = next_push(&mut lags).await;
        (push, lags)
    });
    tokio::task::yield_now().await;
    assert_eq!(hub.catch_up(ID, Position(7)), 1);
    let (push, mut lags) = waiting.await.unwrap();
    assert_eq!(push, Err("missed"));
    assert_eq!((next(&mut lags).await, next(&mut knows).await), (None, None));
    lags.know(Position(7));
    assert_eq!(hub.behind(&heads(7)), []);
}

/// Whoever does not take pushes now reads when it does.
#[tokio::test]
async fn a_connection_whose_queue_is_full_is_not_told_twice_that_it_missed_something() {
    let hub = hub();
    let mut subscription = subscribe(&hub, 0).unwrap();
    for _ in 0..=2 * limits::PUSHES_QUEUED_MAX {
        assert_eq!(hub.catch_up(ID, Position(1)), 1);
    }
    let mut told = Vec::new();
    while let Some(push) = subscription.try_next() {
        told.push(matches!(push, Push::Behind));
    }
    assert_eq!(told.len(), limits::PUSHES_QUEUED_MAX + 1);
    assert_eq!(told.iter().position(|it| *it), Some(limits::PUSHES_QUEUED_MAX));
}

#[tokio::test]
async fn what_waits_can_be_taken_without_waiting() {
    let hub = hub();
    let mut subscription = subscribe(&hub, 0).unwrap();
    assert!(subscription.try_next().is_none());
    for position in 0..=limits::PUSHES_QUEUED_MAX as u64 {
        hub.deliver(ID, &[ended(position)]);
    }
    let mut items = 0;
    let mut behind = 0;
    while let Some(push) = subscription.try_next() {
        match push {
            Push::Items(_) => items += 1,
            Push::Behind => behind += 1,
            Push::Missed | Push::Displaced => panic!("{push:?}"),
        }
    }
    assert_eq!((items, behind), (limits::PUSHES_QUEUED_MAX, 1));
}

/// The rates are the session's: a second connection does not double them.
#[tokio::test]
async fn the_connections_of_a_session_share_their_rates() {
    let hub = hub();
    let (first, second) = (subscribe(&hub, 0).unwrap(), subscribe(&hub, 0).unwrap());
    assert!(Arc::ptr_eq(&first.gate, &second.gate));
}

#[tokio::test]
async fn a_gate_that_is_not_full_outlives_its_connections() {
    use crate::rates::FrameKind;
    let hub = hub();
    let first = subscribe(&hub, 0).unwrap();
    let gate = Arc::clone(&first.gate);
    gate.lock().take(0, FrameKind::Message).unwrap();
    drop(first);
    hub.take_news(0);
    hub.take_news(199);
    let second = subscribe(&hub, 199).unwrap();
    assert!(Arc::ptr_eq(&gate, &second.gate), "rates were forgotten with the connection");
    drop(second);
    hub.take_news(200);
    hub.take_news(200);
    assert!(!Arc::ptr_eq(&gate, &subscribe(&hub, 200).unwrap().gate), "nothing is forgotten");
}

#[tokio::test]
async fn news_are_told_once_and_again_when_they_are_returned() {
    let hub = hub();
    assert_eq!(hub.seen_at(ID), None);
    let subscription = subscribe(&hub, 100).unwrap();
    assert_eq!(hub.seen_at(ID), Some(100));
    assert_eq!(hub.take_news(100), [(ID, 100)]);
    assert_eq!(hub.take_news(100), []);
    // A pong is a sign of the connection, and not of the user.
    subscription.sign(150);
    assert_eq!(hub.take_news(150), []);
    subscription.see(200);
    subscription.see(190);
    let news = hub.take_news(200);
    assert_eq!(news, [(ID, 200)]);
    // The store did not take it, and something newer has come meanwhile.
    subscription.see(300);
    hub.return_news(&news);
    assert_eq!(hub.take_news(300), [(ID, 300)]);
}

#[tokio::test]
async fn who_was_silent_for_long_is_news_that_does_not_wait() {
    const WAITS_MS: u64 = limits::LIVENESS_WRITE_SECONDS * 1_000;
    let hub = hub();
    let subscription = subscribe(&hub, WAITS_MS).unwrap();
    assert_eq!(hub.take_returned(), [(ID, WAITS_MS)]);
    assert_eq!(hub.take_news(WAITS_MS), []);
    // What comes often can wait.
    subscription.see(2 * WAITS_MS - 1);
    assert_eq!(hub.take_returned(), []);
    subscription.see(3 * WAITS_MS - 1);
    // Written down together with everybody's.
    assert_eq!(hub.take_news(0), [(ID, 3 * WAITS_MS - 1)]);
    assert_eq!(hub.take_returned(), []);
    // What the store did not take is tried again soon.
    hub.return_news(&[(ID, 3 * WAITS_MS - 1)]);
    assert_eq!(hub.take_returned(), [(ID, 3 * WAITS_MS - 1)]);
}

#[tokio::test]
async fn sessions_of_which_nobody_is_here_are_forgotten_when_their_news_are_told() {
    let hub = hub();
    drop(subscribe(&hub, 100).unwrap());
    assert_eq!(hub.seen_at(ID), Some(100));
    let news = hub.take_news(100);
    assert_eq!(hub.take_news(100), []);
    assert_eq!(hub.seen_at(ID), None);
    hub.return_news(&news);
    assert_eq!(hub.take_news(100), [(ID, 100)]);
}

#[tokio::test]
async fn a_worker_is_told_when_a_turn_moves_and_of_nothing_else() {
    let hub = hub();
    let mut watch = hub.watch(ID);
    hub.deliver(ID, &[ended(1)]);
    assert!(watch.try_recv().is_err());
    let (turn, attempt) = (Turn(1), AttemptId(1));
    for event in [
        Event::TurnStarted { turn, attempt, input_to: Position(0) },
        Event::TurnEnded { turn, outcome: TurnOutcome::CutShort },
    ] {
        hub.deliver(ID, &[ended(1), entry(2, event)]);
        // Twice at once is told once: it is a reason to look, not a message.
        assert_eq!(watch.try_recv(), Ok(Watched::TurnMoved));
        assert!(watch.try_recv().is_err());
    }
    hub.deliver(OTHER, &[entry(2, Event::TurnEnded { turn, outcome: TurnOutcome::CutShort })]);
    assert!(watch.try_recv().is_err());
}

#[tokio::test]
async fn connections_of_a_session_that_is_gone_all_give_way_and_no_others_do() {
    let hub = hub();
    let mut held: Vec<Subscription> = [0, 100].map(|at| subscribe(&hub, at).unwrap()).into();
    let admission = Admission { connections_max: 3, displace_after_ms: 0 };
    let mut other = hub.subscribe(0, OTHER, admission, || SessionGate::new(5, 20)).unwrap();
    hub.displace(ID);
    for subscription in &mut held {
        assert_eq!(next(subscription).await, Some(Err("displaced")));
    }
    assert_eq!((hub.connections_of(ID), hub.connections_of(OTHER)), (0, 1));
    assert_eq!(next(&mut other).await, None);
}
