//! `turns`: a bot inside the generator answers in 8 outputs, 250 ms apart. What the server adds is
//! the time from the bot's first byte to the user's first chunk.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;

use crate::{
    board::Board,
    bot::TALK,
    check::{Sending, Telling},
    contest::contest,
    crowd::{Crowd, Member, Pace, Unit},
    options::Options,
    reference::disk::Disk,
    report::Report,
    scenario::settings,
    user::{Habit, User},
    world::{Ready, World, many},
};

/// Sessions where nothing else is asked for.
const SESSIONS: usize = 200;
/// Outputs of one turn.
pub const OUTPUTS: u64 = 8;
/// Pause between two outputs.
pub const PAUSE: Duration = Duration::from_millis(250);
/// A session has a turn every so many seconds where no rate is asked for: one takes 1.75 s, and a
/// last chunk at most another 0.2 s.
const EVERY_SECONDS: f64 = 3.0;

/// Runs it.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let sessions = options.sessions.unwrap_or(SESSIONS);
    let rate = options.rate.unwrap_or(as_rate(sessions));
    ensure!(
        rate <= as_rate(sessions) * 1.2,
        "a session has one turn at a time, of some 2 s: {rate} a second need more --sessions"
    );
    let mut world = World::begin(options, OUTPUTS, PAUSE).await?;
    let (crowd, board) = crowd(&world, sessions, rate).await?;
    let disk = Box::new(Disk::open(&options.folder)?);
    let rows = contest(vec![Box::new(crowd), disk], world.plan()).await?;
    world.still_there()?;

    let mut report = Report::new("turns", &world.faults);
    report.setting("sessions", sessions);
    report.setting("turns offered a second", rate);
    report.setting("outputs", format!("{OUTPUTS}, {} ms apart", PAUSE.as_millis()));
    settings(&mut report, options);
    report.rows = rows;
    let of = |row: usize, percent: f64| -> Vec<f64> {
        report.rows[row].samples.iter().map(|it| it.latency_ms(percent)).collect()
    };
    let added: Vec<f64> =
        of(0, 50.0).into_iter().zip(of(1, 50.0)).map(|(turn, disk)| turn - disk).collect();
    report.figure("bot's first byte to first chunk, p50, less the disk's, ms", added);
    // Of the last run; all runs are alike in this.
    let heard = board.heard.take();
    report.figure(
        "message due to first chunk, p50, ms",
        [crate::sample::as_ms(heard.value_at_percentile(50.0))],
    );
    Ok(report)
}

#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 sessions")]
fn as_rate(sessions: usize) -> f64 {
    sessions as f64 / EVERY_SECONDS
}

/// A crowd of users who are answered by the bot.
pub async fn crowd(
    world: &World,
    sessions: usize,
    rate: f64,
) -> anyhow::Result<(Crowd, Arc<Board>)> {
    let board = Arc::new(Board::new(world.epoch, world.faults.clone()));
    let tickets = world.tickets(sessions, TALK).await?;
    let ready = many(tickets.into_iter().zip(0..), |(ticket, user)| async move {
        let ready = world.open(user, ticket, Some(Sending::new(user))).await?;
        // The greeting.
        ready.join(|it| it.payload.get().contains(r#""is_complete":true"#)).await
    })
    .await?;
    let members = ready.into_iter().enumerate().map(|(group, Ready { web, account, .. })| {
        let habit = Habit::Ask { telling: Telling::new(OUTPUTS), due_us: None };
        let board = Arc::clone(&board);
        Member { user: User { web, account, habit, depth: 1, board }, group }
    });
    let pace = Pace::Rate(rate);
    let crowd = Crowd::gather("turns", pace, Unit::Turn, &board, world.pid()?, members);
    Ok((crowd, board))
}
