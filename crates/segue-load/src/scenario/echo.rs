//! `echo`: messages that are recorded and echoed. Nobody has the floor, so there is no turn: the
//! bot handed off at once, and each message costs what durability and delivery cost.

use std::sync::Arc;

use crate::{
    board::Board,
    contest::{Contender, contest},
    crowd::{Crowd, Member, Pace, Unit},
    options::{Options, References},
    report::Report,
    sample::Sample,
    scenario::of_echo,
    user::{Habit, User},
    world::{Ready, World},
};

/// Sessions where nothing else is asked for.
const SESSIONS: usize = 1_000;

/// Runs it.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let mut world = World::begin(options, 0, std::time::Duration::ZERO).await?;
    let sessions = options.sessions.unwrap_or(SESSIONS);
    let crowd = crowd(&mut world, "segue", sessions, options.depth, options.pace()).await?;
    let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(crowd)];
    let mut bare_echo = None;
    if options.references != References::None {
        let references = of_echo(options, sessions, &world.faults).await?;
        contenders.extend(references.contenders);
        bare_echo = references.bare_echo;
    }
    let rows = contest(contenders, world.plan()).await?;
    world.still_there()?;
    drop(bare_echo);

    let mut report = Report::new("echo", &world.faults);
    report.setting("sessions", sessions);
    match options.pace() {
        Pace::Saturated => report.setting("in flight on each", options.depth),
        Pace::Rate(rate) => report.setting("offered a second", rate),
    }
    if let Some(events) = options.history {
        report.setting("events in each before", events);
    }
    super::settings(&mut report, options);
    report.rows = rows;
    match options.pace() {
        Pace::Saturated => report.compare("rate", Sample::rate),
        Pace::Rate(_) => {}
    }
    report.compare("p50", |it| it.latency_ms(50.0));
    let samples = &report.rows[0].samples;
    let tail: Vec<f64> =
        samples.iter().map(|it| it.latency_ms(99.0) / it.latency_ms(50.0)).collect();
    report.figure("segue, p99 / p50", tail);
    if let Some(disk) = report.rows.iter().find(|it| it.name.starts_with("disk")) {
        let pairs = report.rows[0].samples.iter().zip(&disk.samples);
        let more: Vec<f64> =
            pairs.map(|(echo, disk)| echo.latency_ms(50.0) - disk.latency_ms(50.0)).collect();
        report.figure("segue, p50 less the disk's, ms", more);
    }
    Ok(report)
}

/// A crowd of users in as many sessions, in which nobody has the floor.
pub async fn crowd(
    world: &mut World,
    name: &str,
    sessions: usize,
    depth: usize,
    pace: Pace,
) -> anyhow::Result<Crowd> {
    let board = Arc::new(Board::new(world.epoch, world.faults.clone()));
    let ready = world.nobodys(sessions).await?;
    let members = ready.into_iter().enumerate().map(|(group, Ready { web, account, .. })| {
        let board = Arc::clone(&board);
        Member { user: User { web, account, habit: Habit::Speak, depth, board }, group }
    });
    Ok(Crowd::gather(name, pace, Unit::Echo, &board, world.pid()?, members))
}
