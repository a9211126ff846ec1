//! `fanout`: several connections a session, one of which talks. What a delivery costs, beside what an
//! echo costs on the same server with as many in flight.

use std::sync::Arc;

use crate::{
    board::Board,
    contest::contest,
    crowd::{Crowd, Member, Pace, Unit},
    options::Options,
    report::Report,
    sample::Sample,
    scenario::{echo, settings},
    user::{Habit, User},
    world::{Ready, World, many},
};

/// Sessions where nothing else is asked for.
const SESSIONS: usize = 50;

/// Runs it.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let sessions = options.sessions.unwrap_or(SESSIONS);
    let mut world = World::begin(options, 0, std::time::Duration::ZERO).await?;
    let echo = echo::crowd(&mut world, "echo", sessions, options.depth, options.pace()).await?;
    let fanout =
        crowd(&mut world, sessions, options.members, options.depth, options.pace()).await?;
    let rows = contest(vec![Box::new(fanout), Box::new(echo)], world.plan()).await?;
    world.still_there()?;

    let mut report = Report::new("fanout", &world.faults);
    report.setting("sessions", sessions);
    report.setting("connections each", options.members);
    match options.pace() {
        Pace::Saturated => report.setting("in flight on each", options.depth),
        Pace::Rate(rate) => report.setting("offered a second", rate),
    }
    settings(&mut report, options);
    report.rows = rows;
    report.compare("server µs each", Sample::server_us);
    report.compare("rate", Sample::rate);
    Ok(report)
}

/// A crowd of sessions with several connections each, the first of which talks.
async fn crowd(
    world: &mut World,
    sessions: usize,
    members: usize,
    depth: usize,
    pace: Pace,
) -> anyhow::Result<Crowd> {
    let listeners = members - 1;
    let board = Board::with_listeners(world.epoch, world.faults.clone(), listeners);
    let board = Arc::new(board);
    let talkers = world.nobodys(sessions).await?;
    let seats: Vec<_> = talkers
        .iter()
        .enumerate()
        .flat_map(|(group, talker)| (0..listeners).map(move |it| (group, it, talker)))
        .collect();
    let (seats_of, world) = (sessions as u64, &*world);
    let listening = many(seats, |(group, number, talker)| async move {
        let user = seats_of + (group * listeners + number) as u64;
        let events = talker.account.read_to();
        let ready = world.read(user, talker.ticket.clone(), events, None).await?;
        Ok((group, ready))
    })
    .await?;
    let all = talkers.into_iter().enumerate().chain(listening);
    let members = all.map(|(group, Ready { web, account, .. })| {
        let board = Arc::clone(&board);
        Member { user: User { web, account, habit: Habit::Speak, depth, board }, group }
    });
    Ok(Crowd::gather("deliveries", pace, Unit::Delivery, &board, world.pid()?, members))
}
