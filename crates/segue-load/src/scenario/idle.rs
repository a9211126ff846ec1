//! `idle`: connections that only say that they are there, each after a replay. What they cost in
//! memory and processor time, and how much is given back when they have gone.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    board::Board,
    contest::{Contender as _, Row},
    crowd::{Crowd, Member, Pace, Unit},
    limits,
    options::Options,
    reference::bare_echo::{self, BareEcho},
    report::Report,
    sample::Sample,
    scenario::settings,
    target::Ticket,
    usage::Memory,
    user::{Habit, User},
    world::{Ready, World, many},
};

/// Connections where nothing else is asked for.
const SESSIONS: usize = 1_000;
/// Events of each session where nothing else is asked for.
const HISTORY: u64 = 50;
/// Connections that come and go before anything counts: what is made once is made then.
const WARM_UPS: usize = 50;

/// Runs it.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let sessions = options.sessions.unwrap_or(SESSIONS);
    let events = options.history.unwrap_or(HISTORY);
    let mut world = World::begin(options, 0, Duration::ZERO).await?;
    let tickets = world.filled(sessions, events).await?;
    let mut samples = Vec::new();
    let mut memory = Vec::new();
    for run in 0..options.runs {
        if run > 0 {
            let server = world.own_server()?;
            server.stop().await?;
            server.start_again().await?;
        }
        let (sample, used) = once(&mut world, &tickets, events).await?;
        samples.push(sample);
        memory.push(used);
    }

    let bare = at_the_same_rate(&world, sessions).await?;

    let mut report = Report::new("idle", &world.faults);
    report.setting("connections", sessions);
    report.setting("events of each", events);
    report.setting("seconds between heartbeats", options.heartbeat);
    settings(&mut report, options);
    let percent =
        |of: &[Sample]| -> Vec<f64> { of.iter().map(|it| it.server_cores() * 100.0).collect() };
    let (own, bare_echo) = (percent(&samples), percent(&bare));
    report.rows = vec![
        Row { name: "heartbeats".to_owned(), samples },
        Row { name: "bare echo, as many a second".to_owned(), samples: bare },
    ];
    let kib =
        |of: fn(&Used) -> f64| -> Vec<f64> { memory.iter().map(|it| of(it) / 1024.0).collect() };
    report.figure("server before, resident KiB", kib(|it| it.before.resident));
    report.figure("each connection, resident KiB", kib(|it| it.each(|it| it.resident)));
    report.figure("each connection, allocated KiB", kib(|it| it.each(|it| it.anonymous)));
    report.figure("given back, % of resident", memory.iter().map(Used::given_back));
    report.figure("server, % of a core", own);
    report.figure("bare echo, % of a core", bare_echo);
    Ok(report)
}

/// What waking up as often costs a bare echo, over fewer connections: most of a heartbeat is that.
#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 connections")]
async fn at_the_same_rate(world: &World, sessions: usize) -> anyhow::Result<Vec<Sample>> {
    let options = &world.options;
    let echo = BareEcho::start(&options.program()?, &options.folder, options.cores()).await?;
    let pace = Pace::Rate(sessions as f64 / options.heartbeat);
    let few = sessions.min(SESSIONS);
    let mut crowd =
        Box::new(bare_echo::crowd(&echo, pace, few, 1, options.sources, &world.faults).await?);
    let mut samples = Vec::new();
    for _ in 0..options.runs {
        samples.push(crowd.measure(world.plan().time).await?);
    }
    crowd.finish().await?;
    Ok(samples)
}

/// Memory of the server.
struct Used {
    connections: f64,
    before: Memory,
    with: Memory,
    after: Memory,
}

impl Used {
    fn each(&self, of: fn(&Memory) -> f64) -> f64 {
        (of(&self.with) - of(&self.before)) / self.connections
    }

    fn given_back(&self) -> f64 {
        let (taken, left) =
            (self.with.resident - self.before.resident, self.after.resident - self.before.resident);
        if taken <= 0.0 { 100.0 } else { (1.0 - left / taken) * 100.0 }
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 connections")]
async fn once(
    world: &mut World,
    tickets: &[Ticket],
    events: u64,
) -> anyhow::Result<(Sample, Used)> {
    let pid = world.own_server()?.id()?;
    drop(connect(world, &tickets[..WARM_UPS.min(tickets.len())], events).await?);
    let before = settled(pid).await?;

    let ready = connect(world, tickets, events).await?;
    let board = Arc::new(Board::new(world.epoch, world.faults.clone()));
    let members = ready.into_iter().enumerate().map(|(group, Ready { web, mut account, .. })| {
        // Says nothing but that it is there, and has a due of its own for it.
        account.sending = Some(crate::check::Sending::new(group as u64));
        let (habit, board) = (Habit::Beat(VecDeque::new()), Arc::clone(&board));
        Member { user: User { web, account, habit, depth: 1, board }, group }
    });
    let pace = Pace::Rate(tickets.len() as f64 / world.options.heartbeat);
    let crowd = Crowd::gather("heartbeats", pace, Unit::Echo, &board, Some(pid), members);
    let mut crowd = Box::new(crowd);
    let with = settled(pid).await?;
    let sample = crowd.measure(world.plan().time).await?;
    let with = Memory { resident: with.resident.max(Memory::of(pid)?.resident), ..with };
    crowd.finish().await?;
    world.still_there()?;
    let taken = with.resident - before.resident;
    let after = given_back(pid, before.resident + (taken * 0.1).max(PAGES)).await?;
    Ok((sample, Used { connections: tickets.len() as f64, before, with, after }))
}

async fn connect(world: &World, tickets: &[Ticket], events: u64) -> anyhow::Result<Vec<Ready>> {
    many(tickets.iter().zip(0..), |(ticket, user)| async move {
        world.read(user, ticket.clone(), events, None).await
    })
    .await
}

/// So many bytes come and go by themselves.
const PAGES: f64 = 1_048_576.0;

/// So often the memory of the server is looked at.
const STEP: Duration = Duration::from_millis(250);

/// The memory of the server once it changes no more, for a second, or the time is up.
async fn settled(pid: u32) -> anyhow::Result<Memory> {
    const STILL_STEPS: u32 = 4;
    let patience = Instant::now() + Duration::from_secs(limits::LOAD_GIVE_BACK_SECONDS_MAX);
    let (mut last, mut still) = (Memory::of(pid)?, 0);
    while still < STILL_STEPS && Instant::now() < patience {
        tokio::time::sleep(STEP).await;
        let now = Memory::of(pid)?;
        still = if (now.resident - last.resident).abs() < 1.0 { still + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}

/// The memory of the server once it is down to this, or the time is up.
async fn given_back(pid: u32, resident: f64) -> anyhow::Result<Memory> {
    let patience = Instant::now() + Duration::from_secs(limits::LOAD_GIVE_BACK_SECONDS_MAX);
    loop {
        let now = Memory::of(pid)?;
        if now.resident <= resident || Instant::now() > patience {
            return Ok(now);
        }
        tokio::time::sleep(STEP).await;
    }
}
