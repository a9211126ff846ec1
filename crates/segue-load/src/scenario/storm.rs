//! `storm`: every user loses the server and resumes. It is killed, and started again; or, planned, it
//! is stopped and started under a service manager that holds the listening socket.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{sync::watch, task::JoinSet, time::Instant};

use crate::{
    contest::Row,
    crowd::compare,
    limits,
    options::Options,
    report::Report,
    sample::Sample,
    scenario::{create::come, settings},
    survivor::{Round, Survivor},
    target::Ticket,
    usage::Cpu,
    world::{Ready, World, read_to_end},
};

/// Clients where nothing else is asked for.
const SESSIONS: usize = 1_000;
/// Messages a second of all clients together where nothing else is asked for.
const RATE: f64 = 200.0;

/// Runs it.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let sessions = options.sessions.unwrap_or(SESSIONS);
    let rate = options.rate.unwrap_or(RATE);
    let mut world = World::begin(options, 0, Duration::ZERO).await?;
    if options.planned {
        world.own_server()?.hold_listener().await?;
    }
    let round = Arc::new(Round::new(world.epoch, world.faults.clone(), sessions));
    let (over, is_over) = watch::channel(false);
    let (mut tickets, mut clients) = (Vec::new(), JoinSet::new());
    for (user, ready) in world.nobodys(sessions).await?.into_iter().enumerate() {
        let Ready { ticket, web, account } = ready;
        tickets.push(ticket.clone());
        let (target, round) = (world.target.clone(), Arc::clone(&round));
        let every = Duration::from_secs_f64(as_f64(sessions) / rate);
        let survivor = Survivor { target, ticket, account, round, every };
        let first = every.mul_f64(as_f64(user) / as_f64(sessions));
        let is_over = is_over.clone();
        clients.spawn(async move { (user, survivor.run(web, first, is_over).await) });
    }

    let mut rows =
        [("caught up", vec![]), ("without a socket", vec![]), ("new conversation", vec![])];
    let mut started = Vec::new();
    for _ in 0..options.runs {
        tokio::time::sleep(world.plan().time).await;
        let (samples, start) = blow(&mut world, &round).await?;
        for (row, sample) in rows.iter_mut().zip(samples) {
            row.1.push(sample);
        }
        started.push(start.as_secs_f64() * 1e3);
    }
    over.send_replace(true);
    check_logs(&world, &tickets, clients).await?;
    world.still_there()?;

    let mut report = Report::new("storm", &world.faults);
    report.setting("clients", sessions);
    report.setting("messages a second", rate);
    let how = if options.planned { "stopped, its socket held" } else { "killed" };
    report.setting("the server is", how);
    settings(&mut report, options);
    report.rows = rows
        .into_iter()
        .map(|(name, samples)| Row { name: name.to_owned(), samples })
        .filter(|it| !it.samples.is_empty())
        .collect();
    report.figure("from the start of the program until it listened, ms", started);
    Ok(report)
}

#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 clients")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

/// One storm: the server goes and comes back; ends when all have caught up.
async fn blow(world: &mut World, round: &Arc<Round>) -> anyhow::Result<([Sample; 3], Duration)> {
    round.begin();
    let is_planned = world.options.planned;
    let server = world.own_server()?;
    if is_planned {
        server.stop().await?;
    } else {
        server.kill().await?;
    }
    let took = server.start_again().await?;
    let begin = Instant::now();
    round.listens();
    let pid = world.own_server()?.id()?;
    let before = Cpu::now(Some(pid))?;
    let patience = begin + Duration::from_secs(limits::LOAD_RECONNECT_SECONDS_MAX);
    let mut newcomers = 0;
    while !round.is_over() {
        anyhow::ensure!(
            Instant::now() < patience,
            "{} clients have not come back: {:?}",
            round.missing(),
            world.faults.first()
        );
        let sent = Instant::now();
        come(&world.target, &world.faults, newcomers).await.context("a new conversation")?;
        newcomers += 1;
        round.newcomers.note(sent.elapsed());
        tokio::time::sleep(Duration::from_millis(limits::LOAD_PROBE_MS)).await;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = Cpu::now(Some(pid))?.since(before);
    let sample =
        |latency: hdrhistogram::Histogram<u64>| Sample::new(latency.len(), seconds, latency, cpu);
    let samples =
        [&round.caught_up, &round.without_socket, &round.newcomers].map(|it| sample(it.take()));
    Ok((samples, took))
}

/// Reads every log from its beginning: it has to be what its client was told, and no more.
async fn check_logs(
    world: &World,
    tickets: &[Ticket],
    mut clients: JoinSet<(usize, anyhow::Result<crate::check::Reading>)>,
) -> anyhow::Result<()> {
    while let Some(client) = clients.join_next().await {
        let (user, live) = client?;
        let live = live.with_context(|| format!("user {user}"))?;
        let (target, faults, ticket) = (&world.target, &world.faults, &tickets[user]);
        let (_, cold) = read_to_end(target, faults, user as u64, ticket, live.read_to()).await?;
        if let Some(fault) = compare(&live, &cold) {
            faults.note(format_args!("user {user}, read again"), &fault);
        }
    }
    Ok(())
}
