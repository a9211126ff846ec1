//! `segue load`: puts a load on a server and tells the truth about what it got back.
//!
//! Every frame is judged: order, gaps, repeats, losses, texts. A fast wrong answer fails. Requests
//! leave on a schedule (or saturate, where a scenario says so), references run in turn in the same
//! program, and the generator says how much of the machine it took for itself.

pub mod account;
pub mod board;
pub mod bot;
pub mod check;
pub mod child;
pub mod contest;
pub mod crowd;
pub mod fill;
pub mod frame;
pub mod limits;
pub mod options;
pub mod reference;
pub mod report;
pub mod sample;
pub mod scenario;
pub mod server;
pub mod survivor;
pub mod target;
pub mod usage;
pub mod user;
pub mod world;

pub use options::{Options, Scenario};

use anyhow::{Context as _, bail};

/// Runs a scenario and prints its report. Fails where anything that was received was wrong.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if options.scenario == Scenario::BareEcho {
        return reference::bare_echo::serve();
    }
    usage::raise_descriptors()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let report = runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            report = measure(options) => report,
            // Dropped, everything that was started ends and everything that was made goes.
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                bail!("interrupted: nothing is reported of a run that is not over");
            }
            _ = terminated.recv() => {
                bail!("asked to stop: nothing is reported of a run that is not over")
            }
        }
    });
    // Threads that keep a schedule or sync a disk are not waited for: who is asked to stop, stops.
    runtime.shutdown_background();
    let report = report?;
    if options.json {
        println!("{}", report.json());
    } else {
        print!("{report}");
    }
    if !report.is_right() {
        let first = report.faults.first().into_iter().next().unwrap_or_default();
        bail!("what was received is wrong: {:?}, first {first}", report.faults.counts());
    }
    Ok(())
}

async fn measure(options: &Options) -> anyhow::Result<report::Report> {
    match options.scenario {
        Scenario::Echo => scenario::echo::run(options).await,
        Scenario::Turns => scenario::turns::run(options).await,
        Scenario::Idle => scenario::idle::run(options).await,
        Scenario::Fanout => scenario::fanout::run(options).await,
        Scenario::Storm => scenario::storm::run(options).await,
        Scenario::Replay => scenario::replay::run(options).await,
        Scenario::Create => scenario::create::run(options).await,
        Scenario::Mixed => scenario::mixed::run(options).await,
        Scenario::Growth => scenario::growth::run(options).await,
        Scenario::Limits => scenario::limits_alone::run(options).await,
        Scenario::BareEcho => bail!("a bare echo is no scenario"),
    }
}
