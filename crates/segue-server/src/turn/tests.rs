//! Turns that fail, on a clock that tokio moves.

use segue_core::{BotProfile, Command, Event, Level, Notice, TurnOutcome};

use crate::{
    jobs::tests::{Act, SECOND, World},
    node::Outcome,
};

const DAY: u64 = 86_400 * SECOND;

/// What the user saw from the bot and from the server, in short.
async fn seen(world: &World) -> Vec<String> {
    let seen = |event: &Event| match event {
        Event::BotChunkPosted { text, is_complete: false, .. } => Some(format!("{text}…")),
        Event::BotChunkPosted { text, is_complete: true, .. } => Some(text.clone()),
        Event::NoticePosted { level, notice } => {
            let level = if *level == Level::Error { "!" } else { "" };
            Some(format!("{notice:?}{level}"))
        }
        _ => None,
    };
    world.log().await.iter().filter_map(|it| seen(&it.event)).collect()
}

/// When turns ended, in milliseconds since the start, and how.
async fn ends(world: &World) -> Vec<(u64, TurnOutcome)> {
    let log = world.log().await;
    let began = log[0].at;
    let end = |event: &Event| match event {
        Event::TurnEnded { outcome, .. } => Some(*outcome),
        _ => None,
    };
    log.iter().filter_map(|it| Some((it.at - began, end(&it.event)?))).collect()
}

/// The bot has greeted, and waits for what it was told to do next.
async fn greeted(then: &[&[Act]]) -> World {
    let world = World::new(DAY).await;
    world.script(&[&[Act::Says("hello")]]);
    world.script(then);
    world.join().await;
    world.run_until(SECOND).await;
    assert_eq!(seen(&world).await, ["hello"]);
    world.asked_at();
    world
}

/// Covers 6.31.
#[tokio::test(start_paused = true)]
async fn a_greeting_that_fails_is_tried_three_times_before_anybody_hears_of_it() {
    let world = World::new(DAY).await;
    world.script(&[&[Act::Fails], &[Act::Fails], &[Act::Fails]]);
    world.join().await;
    world.run_until(3_900).await;
    assert_eq!(seen(&world).await, Vec::<String>::new());
    world.run_until(4_100).await;
    let asked_at = world.asked_at();
    for (asked_at, expected) in asked_at.iter().zip([0, 1_000, 4_000]) {
        assert!((expected..expected + 50).contains(asked_at), "asked at {asked_at}");
    }
    assert_eq!(asked_at.len(), 3);
    assert_eq!(seen(&world).await, ["UnableToStart!"]);
}

/// Covers 6.31.
#[tokio::test(start_paused = true)]
async fn a_greeting_that_works_the_third_time_is_all_that_is_seen() {
    let world = World::new(DAY).await;
    world.script(&[&[Act::Fails], &[Act::Fails], &[Act::Says("hello")]]);
    world.join().await;
    world.run_until(5_000).await;
    assert_eq!(seen(&world).await, ["hello"]);
}

/// Covers 6.34, 6.35.
#[tokio::test(start_paused = true)]
async fn joins_after_a_failed_greeting_make_one_attempt_when_the_pause_is_over() {
    let world = World::new(DAY).await;
    world.script(&[&[Act::Fails], &[Act::Fails], &[Act::Fails], &[Act::Says("hello")]]);
    world.join().await;
    world.run_until(5_000).await;
    world.asked_at();
    for _ in 0..5 {
        world.join().await;
    }
    world.run_until(30_000).await;
    let asked_at = world.asked_at();
    let [asked_at] = asked_at[..] else { panic!("asked at {asked_at:?}") };
    // Jobs are looked for once a second.
    assert!((9_000..=10_000).contains(&asked_at), "asked at {asked_at}");
    assert_eq!(seen(&world).await, ["UnableToStart!", "hello"]);
    let joins = world.log().await;
    let joins = joins.iter().filter(|it| matches!(it.event, Event::JoinRequested { .. }));
    assert_eq!(joins.count(), 2);
}

/// Covers 8.5.
#[tokio::test(start_paused = true)]
async fn a_turn_without_an_output_for_a_minute_has_failed() {
    let world = greeted(&[&[Act::Waits(DAY)]]).await;
    world.say("hi").await;
    world.run_until(60_900).await;
    assert_eq!(seen(&world).await, ["hello"]);
    world.run_until(63_000).await;
    assert_eq!(seen(&world).await, ["hello", "TroubleResponding!"]);
    let (failed_at, outcome) = ends(&world).await[1];
    assert_eq!(outcome, TurnOutcome::Failed);
    assert!((61_000..=61_100).contains(&failed_at), "failed at {failed_at}");
}

/// Covers 6.24, 8.5.
#[tokio::test(start_paused = true)]
async fn each_output_gives_the_bot_another_minute() {
    let world = greeted(&[&[Act::Waits(59_000), Act::Says("one two"), Act::Waits(DAY)]]).await;
    world.say("hi").await;
    world.run_until(119_900).await;
    assert_eq!(ends(&world).await.len(), 1);
    world.run_until(122_000).await;
    let seen = seen(&world).await;
    assert_eq!(seen, ["hello", "one …", "two", "EncounteredError!"]);
    let (failed_at, _) = ends(&world).await[1];
    assert!((120_000..=120_100).contains(&failed_at), "failed at {failed_at}");
}

/// Covers 8.6.
#[tokio::test(start_paused = true)]
async fn a_turn_that_lasts_five_minutes_has_failed_however_much_comes() {
    let world = greeted(&[&[Act::Drones(500)]]).await;
    world.say("hi").await;
    world.run_until(300_900).await;
    assert_eq!(ends(&world).await.len(), 1);
    world.run_until(303_000).await;
    let (failed_at, outcome) = ends(&world).await[1];
    assert_eq!(outcome, TurnOutcome::Failed);
    assert!((301_000..=301_100).contains(&failed_at), "failed at {failed_at}");
    let seen = seen(&world).await;
    let [.., last_chunk, notice] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(notice, "EncounteredError!");
    assert!(!last_chunk.ends_with('…'), "the stream is open: {last_chunk}");
}

/// Covers 6.18.
#[tokio::test(start_paused = true)]
async fn chunks_leave_at_most_every_two_hundred_milliseconds() {
    let world = greeted(&[&[
        Act::Says("first "),
        Act::Waits(50),
        Act::Says("second "),
        Act::Waits(50),
        Act::Says("third f"),
        Act::Waits(500),
        Act::Says("ourth"),
    ]])
    .await;
    world.say("hi").await;
    world.run_until(5_000).await;
    let log = world.log().await;
    let chunks: Vec<(u64, &str)> = log
        .iter()
        .filter_map(|it| match &it.event {
            Event::BotChunkPosted { text, .. } => Some((it.at - log[0].at, text.as_str())),
            _ => None,
        })
        .collect();
    let texts: Vec<&str> = chunks[1..].iter().map(|it| it.1).collect();
    assert_eq!(texts, ["first ", "second third ", "fourth"]);
    assert!(chunks[1].0 <= 1_100 && chunks[2].0 - chunks[1].0 == 200, "{chunks:?}");
}

/// Covers 4.8, 6.25.
#[tokio::test(start_paused = true)]
async fn the_users_end_cuts_a_silent_turn_short_at_once() {
    let world = greeted(&[&[Act::Says("one two"), Act::Waits(DAY)]]).await;
    world.say("hi").await;
    world.run_until(2_000).await;
    let ended = world.execute(Command::End { custom: None }).await;
    assert!(matches!(ended, Outcome::Recorded { .. }));
    world.run_until(70_000).await;
    let log = world.log().await;
    let kinds: Vec<bool> = log[log.len() - 3..].iter().map(|it| it.event.is_visible()).collect();
    assert_eq!(kinds, [false, true, true]);
    let notices = log.iter().filter(|it| matches!(it.event, Event::NoticePosted { .. }));
    assert_eq!(notices.count(), 0);
    assert_eq!(seen(&world).await, ["hello", "one …", ""]);
    let again = Command::Join { bot: BotProfile::default(), retry_ms: 5_000, custom: None };
    assert!(matches!(world.execute(again).await, Outcome::Rejected(_)));
}

/// Covers 6.28.
#[tokio::test(start_paused = true)]
async fn a_bot_without_a_word_has_failed() {
    let world = greeted(&[&[]]).await;
    world.say("hi").await;
    world.run_until(5_000).await;
    assert_eq!(seen(&world).await, ["hello", "TroubleResponding!"]);
    let notice = |event: &Event| match event {
        Event::NoticePosted { notice, .. } => Some(*notice),
        _ => None,
    };
    let log = world.log().await;
    let notices: Vec<Notice> = log.iter().filter_map(|it| notice(&it.event)).collect();
    assert_eq!(notices, [Notice::TroubleResponding]);
}
