//! `replay`: cold sessions are read from their beginning. The server was just started; beside it the
//! store alone reads the same sessions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use segue_core::{
    Position, SessionId,
    ports::{ReadLimit, Store as _},
};
use segue_store::SqliteStore;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    check::Faults,
    contest::Row,
    options::Options,
    report::Report,
    sample::{Latencies, Sample},
    scenario::settings,
    target::{Target, Ticket},
    usage::Cpu,
    world::{World, read_to_end},
};

/// Events of a session.
const EVENTS: [u64; 3] = [50, 500, 5_000];
/// Sessions with 50 events where nothing else is asked for; of the longer ones there are fewer, so
/// that each size has as many events in all.
const SESSIONS: usize = 2_000;
/// Resumes at once where nothing else is asked for.
const AT_ONCE: usize = 32;
/// One read of the server: as many entries and bytes as it takes.
const PAGE: ReadLimit = ReadLimit { entries: 200, bytes: 256 * 1024 };

/// Runs it.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let sessions = options.sessions.unwrap_or(SESSIONS);
    let at_once = if options.depth > 1 { options.depth } else { AT_ONCE };
    let mut world = World::begin(options, 0, Duration::ZERO).await?;
    let mut rows = Vec::new();
    for events in EVENTS {
        let count = (sessions * 50 / usize::try_from(events)?).max(2);
        let tickets = Arc::new(world.filled(count, events).await?);
        let mut resumes = Row { name: format!("resume of {events}"), samples: Vec::new() };
        let mut reads = Row { name: format!("store alone, read of {events}"), samples: Vec::new() };
        for run in 0..options.runs {
            if run > 0 {
                let server = world.own_server()?;
                server.stop().await?;
                server.start_again().await?;
            }
            let pid = world.own_server()?.id()?;
            let (target, faults) = (&world.target, &world.faults);
            resumes.samples.push(pass(target, faults, &tickets, events, at_once, pid).await?);
            let database = world.own_server()?.database();
            reads.samples.push(read(&database, &tickets).await?);
        }
        rows.extend([resumes, reads]);
    }
    world.still_there()?;

    let mut report = Report::new("replay", &world.faults);
    report.setting("sessions of 50 events", sessions);
    report.setting("resumes at once", at_once);
    settings(&mut report, options);
    report.rows = rows;
    Ok(report)
}

/// Resumes each session once, some at a time.
async fn pass(
    target: &Target,
    faults: &Faults,
    tickets: &Arc<Vec<Ticket>>,
    events: u64,
    at_once: usize,
    pid: u32,
) -> anyhow::Result<Sample> {
    let latencies = Arc::new(Latencies::default());
    let next = Arc::new(AtomicUsize::new(0));
    let before = Cpu::now(Some(pid))?;
    let begin = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..at_once {
        let (tickets, next) = (Arc::clone(tickets), Arc::clone(&next));
        let (target, faults, latencies) = (target.clone(), faults.clone(), Arc::clone(&latencies));
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(ticket) = tickets.get(number) else { return anyhow::Ok(()) };
                let sent = Instant::now();
                let web = read_to_end(&target, &faults, number as u64, ticket, events).await?.0;
                latencies.note(sent.elapsed());
                drop(web);
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = Cpu::now(Some(pid))?.since(before);
    Ok(Sample::new(tickets.len() as u64, seconds, latencies.take(), cpu))
}

/// Reads each session once from the store, by pages, one after the other.
async fn read(database: &std::path::Path, tickets: &[Ticket]) -> anyhow::Result<Sample> {
    let store = SqliteStore::open_read_only(database)?;
    let latencies = Latencies::default();
    let before = Cpu::now(None)?;
    let begin = Instant::now();
    for ticket in tickets {
        let id: SessionId = ticket.session.parse().ok().context("the session has no UUID")?;
        let sent = Instant::now();
        let mut after = Position(0);
        loop {
            let page = store.read(id, after, PAGE).await?;
            let last = page.entries.last().context("a session is empty")?;
            after = last.position;
            if !page.more {
                break;
            }
        }
        latencies.note(sent.elapsed());
    }
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = Cpu::now(None)?.since(before);
    store.close().await;
    Ok(Sample::new(tickets.len() as u64, seconds, latencies.take(), cpu))
}
