//! `segue serve`.

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args;
use tracing::{info, warn};

use super::{Done, Failed, block_on, load, read};
use crate::{
    bot::knowledge::Knowledge,
    config::{BotKind, Config, Environment, OPTIONS, StoreUrl},
    http::DemoConnector,
    server::{self, Server, Tweaks},
    supervisor::{self, NotifyState},
};

/// How to run the server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  segue serve
  segue serve --config /etc/segue/segue.toml
  segue serve --listen 127.0.0.1:9090 --ephemeral")]
pub struct Serve {
    /// The configuration file; `./segue.toml` if it is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen here instead of `server.listen`.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Keep everything in memory; gone at the end.
    #[arg(long)]
    ephemeral: bool,
}

impl Serve {
    /// Runs until it is told to stop.
    pub(super) fn run(self, mut env: Environment) -> Done {
        // What is said on the command line goes before file and environment.
        if let Some(listen) = self.listen {
            env.insert("--listen".to_owned(), listen.to_string());
        }
        if self.ephemeral {
            env.insert("--ephemeral".to_owned(), "memory:".to_owned());
        }
        for (option, variable) in OPTIONS {
            if env.contains_key(*option) {
                env.remove(*variable);
            }
        }
        let path = self.config.as_deref();
        let mut config = load(path, &env).and_then(with_files)?;
        let mut demo = None;
        if read(path)?.is_none() {
            let token = server::demo_token(config.store.folder()).map_err(Failed::NotReachable)?;
            config = Config::demo(&token, &env).map_err(|it| Failed::Usage(it.into()))?;
            demo = Some(DemoConnector { token, host: "localhost".to_owned() });
        }
        config.warnings.iter().for_each(|it| warn!("{it}"));
        let listener = given_listener(demo.is_some())?;
        block_on(async { Ok(run(config, demo, listener).await?) })
    }
}

/// A configuration whose files can be read: a folder that is not there is a fault of it.
pub(super) fn with_files(config: Config) -> Result<Config, Failed> {
    if let Some(files) = &config.tls {
        files.check().map_err(|it| Failed::usage(format!("tls: {it}")))?;
    }
    for bot in &config.bots {
        let BotKind::Knowledge { topics: Some(folder) } = &bot.kind else { continue };
        Knowledge::from_dir(folder)
            .map_err(|it| Failed::usage(format!("bots.{}.topics: {it}", bot.id)))?;
    }
    Ok(config)
}

/// The socket of the service manager; the demonstration is as careful with it as with its own.
fn given_listener(is_demo: bool) -> Result<Option<TcpListener>, Failed> {
    let Some(listener) = supervisor::listener()? else { return Ok(None) };
    let address = listener.local_addr().context("cannot ask where the given socket listens")?;
    if is_demo && !address.ip().is_loopback() {
        return Err(Failed::usage(format!(
            "the service manager's socket on {address} can be reached from other machines, and the \
             demonstration is for this one only; write a configuration file with a connector"
        )));
    }
    Ok(Some(listener))
}

async fn run(
    config: Config,
    demo: Option<DemoConnector>,
    listener: Option<TcpListener>,
) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let store = config.store.clone();
    let is_demo = demo.is_some();
    let is_of_use = !config.connectors.is_empty();
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let server = Server::start(config, demo, Tweaks { listener, ..Tweaks::default() }).await?;
    // Whoever reads it may have seen enough; the server goes on all the same.
    let greeting = greeting(scheme, server.address(), &store, is_demo, is_of_use);
    let _ = io::stdout().write_all(greeting.as_bytes());
    supervisor::tell(&NotifyState::Ready);
    tokio::select! {
        _ = terminate.recv() => info!("asked to stop"),
        _ = interrupt.recv() => info!("interrupted"),
        () = supervisor::watchdog() => {}
    }
    supervisor::tell(&NotifyState::Stopping);
    server.stop().await;
    Ok(())
}

fn greeting(
    scheme: &str,
    address: SocketAddr,
    store: &StoreUrl,
    is_demo: bool,
    is_of_use: bool,
) -> String {
    let kept = match store.folder() {
        Some(folder) => format!("in the folder {}", folder.display()),
        None => "in memory, until it stops".to_owned(),
    };
    let mut lines =
        vec![format!("Segue listens on {scheme}://{address} and keeps conversations {kept}.")];
    if store.folder().is_none() {
        let text = "Its admin API has no key, so nobody can use it: that takes a data folder.";
        lines.push(text.to_owned());
    }
    if is_demo {
        lines.push(format!(
            "Try it: open {scheme}://{address} in a browser, or run `segue chat {scheme}://{address}`."
        ));
        let text = "There is no segue.toml; `segue config default` prints one to start from.";
        lines.push(text.to_owned());
    }
    if !is_of_use {
        let text = "Nobody can open a session yet: it takes a [[connectors]] and a [[bots]] in the \
                    configuration file. `segue config default` shows both, as comments to be \
                    uncommented; without a file there is a demonstration.";
        lines.push(text.to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}
