//! `create`: hand-shakes. A new user each time, on a connection of its own: access token, session,
//! socket, first batch. Beside it a bare upgrade.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    bot::NOBODY,
    check::Faults,
    contest::{Contender, contest},
    crowd::Pace,
    options::{Options, References},
    reference::bare_echo::BareEcho,
    report::Report,
    sample::{Latencies, Sample},
    scenario::settings,
    target::{Door, Target},
    usage::Cpu,
    world::{World, read_to_end},
};

/// Hand-shakes at once where nothing else is asked for.
const AT_ONCE: usize = 32;

/// Runs it.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let mut world = World::begin(options, 0, Duration::ZERO).await?;
    let at_once = options.sessions.unwrap_or(AT_ONCE);
    let mut contenders: Vec<Box<dyn Contender>> =
        vec![Box::new(newcomers(&world, at_once, options.pace())?)];
    let mut bare = None;
    if options.references != References::None {
        let echo = BareEcho::start(&options.program()?, &options.folder, options.cores()).await?;
        contenders.push(Box::new(Newcomers {
            target: echo.target(options.sources),
            server: Some(echo.id()),
            whole: false,
            ..newcomers(&world, at_once, options.pace())?
        }));
        bare = Some(echo);
    }
    let rows = contest(contenders, world.plan()).await?;
    world.still_there()?;
    drop(bare);

    let mut report = Report::new("create", &world.faults);
    match options.pace() {
        Pace::Saturated => report.setting("at once", at_once),
        Pace::Rate(rate) => report.setting("offered a second", rate),
    }
    settings(&mut report, options);
    report.rows = rows;
    report.compare("rate", Sample::rate);
    report.compare("server µs each", Sample::server_us);
    Ok(report)
}

/// Users who come, look and go.
#[derive(Debug)]
pub struct Newcomers {
    target: Target,
    server: Option<u32>,
    faults: Faults,
    at_once: usize,
    pace: Pace,
    /// The whole hand-shake, or the upgrade alone.
    whole: bool,
}

/// Users who come to the server.
pub fn newcomers(world: &World, at_once: usize, pace: Pace) -> anyhow::Result<Newcomers> {
    Ok(Newcomers {
        target: world.target.clone(),
        server: world.pid()?,
        faults: world.faults.clone(),
        at_once,
        pace,
        whole: true,
    })
}

/// Creates a conversation and reads its first batch, as a new user.
pub async fn come(target: &Target, faults: &Faults, user: u64) -> anyhow::Result<()> {
    let mut door = Door::open(target, user).await?;
    let access = door.access().await?;
    let ticket = door.session(&access, NOBODY).await?;
    read_to_end(target, faults, user, &ticket, 1).await.map(drop)
}

#[async_trait]
impl Contender for Newcomers {
    fn name(&self) -> String {
        if self.whole { "hand-shakes" } else { "bare upgrade" }.to_owned()
    }

    #[expect(clippy::cast_precision_loss, reason = "a schedule is short of 2^53 users")]
    async fn measure(&mut self, time: Duration) -> anyhow::Result<Sample> {
        let (latencies, late) = (Arc::new(Latencies::default()), Arc::new(Latencies::default()));
        let (next, before, begin) =
            (Arc::new(AtomicU64::new(0)), Cpu::now(self.server)?, Instant::now());
        let mut workers = JoinSet::new();
        for _ in 0..self.at_once {
            let (target, faults, next) =
                (self.target.clone(), self.faults.clone(), Arc::clone(&next));
            let (latencies, late) = (Arc::clone(&latencies), Arc::clone(&late));
            let (pace, whole) = (self.pace, self.whole);
            workers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let due = match pace {
                        Pace::Saturated => begin.elapsed(),
                        Pace::Rate(rate) => Duration::from_secs_f64(number as f64 / rate),
                    };
                    if due >= time {
                        return anyhow::Ok(());
                    }
                    tokio::time::sleep_until(begin + due).await;
                    if pace != Pace::Saturated {
                        late.note(begin.elapsed().saturating_sub(due));
                    }
                    if whole {
                        come(&target, &faults, number).await?;
                    } else {
                        drop(target.open_at(number, "/ws").await?);
                    }
                    latencies.note(begin.elapsed().saturating_sub(due));
                }
            });
        }
        while let Some(done) = workers.join_next().await {
            done??;
        }
        let cpu = Cpu::now(self.server)?.since(before);
        let latency = latencies.take();
        let seconds = begin.elapsed().as_secs_f64();
        let mut sample = Sample::new(latency.len(), seconds, latency, cpu);
        sample.late = late.take();
        Ok(sample)
    }

    async fn finish(self: Box<Self>) -> anyhow::Result<()> {
        Ok(())
    }
}
