//! `growth`: echoes beside a store that is full of old conversations, and beside one that is empty, in
//! turn; how long each takes to start, and what it then has in memory.

use std::time::Duration;

use crate::{
    contest::{Contender, contest},
    options::Options,
    report::Report,
    sample::Sample,
    scenario::{echo, settings},
    usage::Memory,
    world::World,
};

/// Sessions that talk where nothing else is asked for.
const SESSIONS: usize = 1_000;
/// Old sessions where nothing else is asked for.
const STORED_SESSIONS: usize = 100_000;

/// Runs it.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let sessions = options.sessions.unwrap_or(SESSIONS);
    let mut with_past = options.clone();
    if with_past.stored_sessions == 0 {
        with_past.stored_sessions = STORED_SESSIONS;
    }
    let without = Options { stored_sessions: 0, ..options.clone() };
    let mut full = World::begin(&with_past, 0, Duration::ZERO).await?;
    let mut empty = World::begin(&without, 0, Duration::ZERO).await?;
    let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
    for (world, name) in [(&mut full, "full store"), (&mut empty, "empty store")] {
        let crowd = echo::crowd(world, name, sessions, options.depth, options.pace()).await?;
        contenders.push(Box::new(crowd));
    }
    let rows = contest(contenders, full.plan()).await?;

    let mut report = Report::new("growth", &full.faults);
    report.setting("sessions", sessions);
    report.setting("in flight on each", options.depth);
    settings(&mut report, &with_past);
    report.rows = rows;
    report.compare("rate", Sample::rate);
    report.compare("server µs each", Sample::server_us);
    for (world, name) in [(&mut full, "full store"), (&mut empty, "empty store")] {
        let Starts { listened_ms, resident_kib } = starts(world, options.runs).await?;
        report.figure(format!("{name}, from the start until it listened, ms"), listened_ms);
        report.figure(format!("{name}, resident KiB then"), resident_kib);
        anyhow::ensure!(world.faults.first().is_empty(), "{:?}", world.faults.first());
    }
    Ok(report)
}

/// What was seen when a server started.
struct Starts {
    listened_ms: Vec<f64>,
    resident_kib: Vec<f64>,
}

async fn starts(world: &mut World, runs: usize) -> anyhow::Result<Starts> {
    let mut starts = Starts { listened_ms: Vec::new(), resident_kib: Vec::new() };
    let server = world.own_server()?;
    for _ in 0..runs {
        server.stop().await?;
        starts.listened_ms.push(server.start_again().await?.as_secs_f64() * 1e3);
        starts.resident_kib.push(Memory::of(server.id()?)?.resident / 1_024.0);
    }
    Ok(starts)
}
