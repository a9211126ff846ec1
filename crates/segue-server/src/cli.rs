//! The command line.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use segue_core::SessionId;
use tracing::{info, warn};

use crate::{
    bot::knowledge::Knowledge,
    chat,
    config::{BotKind, Config, DEFAULT_TOML, Environment, Secret, StoreUrl},
    http::DemoConnector,
    limits,
    server::{self, Server, Tweaks},
    supervisor::{self, NotifyState},
};

mod sessions;

/// Conversations between a person, an AI agent and live agents, over WebSocket.
///
/// Without a configuration file `segue serve` makes a data folder and a demo connector for this
/// machine. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.
#[derive(Debug, Parser)]
#[command(name = "segue", version)]
pub struct Cli {
    #[command(subcommand)]
    ask: Ask,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// Run the server.
    Serve {
        /// The configuration file; `./segue.toml` if it is there.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Listen here instead of `server.listen`.
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
        /// Keep everything in memory; gone at the end.
        #[arg(long)]
        ephemeral: bool,
    },
    /// Talk to a server from here.
    Chat {
        /// The server.
        #[arg(value_name = "URL", default_value = "http://localhost:8080")]
        url: String,
        /// Print the frames as they come, one a line; read frames' texts from standard input.
        #[arg(long)]
        json: bool,
        /// The connector's token; the demo connector's where the server runs on this machine.
        #[arg(long, env = "SEGUE_CHAT_TOKEN", hide_env_values = true)]
        token: Option<String>,
        /// The host to name as ours; the server's own name if not given.
        #[arg(long)]
        host: Option<String>,
        /// Ask for whole messages instead of streamed ones.
        #[arg(long)]
        whole: bool,
    },
    /// Look at the conversations in the data folder.
    Session {
        #[command(subcommand)]
        ask: SessionAsk,
    },
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        ask: ConfigAsk,
    },
    Load(Box<segue_load::Options>),
}

#[derive(Debug, Subcommand)]
enum SessionAsk {
    /// All of them, in the order of their creation.
    List {
        /// The configuration file; `./segue.toml` if it is there.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// One of them, with its whole log.
    Show {
        /// Which.
        id: SessionId,
        /// The configuration file; `./segue.toml` if it is there.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigAsk {
    /// Print the documented defaults.
    Default,
    /// Check a file and the environment.
    Check {
        /// The configuration file; `./segue.toml` if it is there.
        #[arg(value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Why a command did not do what was asked: its exit code says so.
#[derive(Debug)]
enum Failed {
    Usage(anyhow::Error),
    Work(anyhow::Error),
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Failed::Work(error)
    }
}

impl Cli {
    /// Does what was asked.
    pub fn run(self, env: Environment) -> ExitCode {
        let done = match self.ask {
            Ask::Serve { config, listen, ephemeral } => {
                log(&env, "info");
                serve(config.as_deref(), listen, ephemeral, env)
            }
            Ask::Chat { url, json, token, host, whole } => {
                log(&env, "error");
                block_on(chat::run(chat::Options { url, json, token, host, whole }))
                    .map_err(Failed::Work)
            }
            Ask::Session { ask } => {
                log(&env, "warn");
                let out = &mut std::io::stdout().lock();
                let shown = match ask {
                    SessionAsk::List { config, json } => load(config.as_deref(), &env)
                        .map(|it| block_on(sessions::list(&it.store, json, out))),
                    SessionAsk::Show { id, config, json } => load(config.as_deref(), &env)
                        .map(|it| block_on(sessions::show(&it.store, id, json, out))),
                };
                shown.and_then(|it| Ok(unless_unread(it)?))
            }
            Ask::Load(options) => {
                log(&env, "warn");
                options
                    .check()
                    .map_err(Failed::Usage)
                    .and_then(|()| segue_load::run(&options).map_err(Failed::Work))
            }
            Ask::Config { ask: ConfigAsk::Default } => {
                print!("{DEFAULT_TOML}");
                Ok(())
            }
            Ask::Config { ask: ConfigAsk::Check { config } } => {
                load(config.as_deref(), &env).and_then(with_topics).map(|config| {
                    config.warnings.iter().for_each(|it| eprintln!("warning: {it}"));
                    println!("the configuration is valid");
                })
            }
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failed::Work(error)) => {
                eprintln!("segue: {error:#}");
                ExitCode::from(1)
            }
            Err(Failed::Usage(error)) => {
                eprintln!("segue: {error:#}");
                ExitCode::from(2)
            }
        }
    }
}

fn log(env: &Environment, default: &str) {
    let filter = env.get("SEGUE_LOG").map_or(default, String::as_str);
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let format = env.get("SEGUE_LOG_FORMAT").map_or("text", String::as_str);
    if format == "json" {
        return log.json().init();
    }
    log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
    if format != "text" {
        warn!(format, "SEGUE_LOG_FORMAT is {format:?}, neither json nor text: logging text");
    }
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        // Tasks that are pushed out of a worker's own queue would wait long under saturation.
        .global_queue_interval(limits::GLOBAL_QUEUE_INTERVAL)
        .worker_threads(std::thread::available_parallelism().map_or(2, |it| it.get().max(2)))
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(work)
}

/// The text of the file: the one that is named, or the one that is here.
fn read(path: Option<&Path>) -> Result<Option<String>, Failed> {
    let (path, is_named) = match path {
        Some(path) => (path, true),
        None => (Path::new("segue.toml"), false),
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if !is_named && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let error = anyhow::Error::new(error);
            Err(Failed::Usage(error.context(format!("cannot read {}", path.display()))))
        }
    }
}

/// The configuration, of a file or without.
fn load(path: Option<&Path>, env: &Environment) -> Result<Config, Failed> {
    let usage = |it: crate::config::ConfigError| Failed::Usage(it.into());
    match read(path)? {
        Some(text) => Config::load(Some(&text), env).map_err(usage),
        None => Config::demo(&Secret::new("unknown"), env).map_err(usage),
    }
}

/// A configuration whose files can be read: a folder that is not there is a fault of it.
fn with_topics(config: Config) -> Result<Config, Failed> {
    if let Some(files) = &config.tls {
        files.check().map_err(|it| Failed::Usage(anyhow::anyhow!("tls: {it}")))?;
    }
    for bot in &config.bots {
        let BotKind::Knowledge { topics: Some(folder) } = &bot.kind else { continue };
        Knowledge::from_dir(folder)
            .map_err(|it| Failed::Usage(anyhow::anyhow!("bots.{}.topics: {it}", bot.id)))?;
    }
    Ok(config)
}

/// A reader that has seen enough, such as `head`, is no failure.
fn unless_unread(shown: anyhow::Result<()>) -> anyhow::Result<()> {
    match shown {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|it| it.kind() == std::io::ErrorKind::BrokenPipe)
}

fn serve(
    path: Option<&Path>,
    listen: Option<SocketAddr>,
    ephemeral: bool,
    mut env: Environment,
) -> Result<(), Failed> {
    // What is said on the command line goes before file and environment.
    if let Some(listen) = listen {
        env.insert("SEGUE_SERVER_LISTEN".to_owned(), listen.to_string());
        env.entry("SEGUE_SERVER_PUBLIC_URL".to_owned()).or_insert(format!("http://{listen}"));
    }
    if ephemeral {
        env.insert("SEGUE_STORE_URL".to_owned(), "memory:".to_owned());
    }
    let mut config = load(path, &env).and_then(with_topics)?;
    let mut demo = None;
    if read(path)?.is_none() {
        let token = server::demo_token(config.store.folder())?;
        config = Config::demo(&token, &env).map_err(|it| Failed::Usage(it.into()))?;
        demo = Some(DemoConnector { token, host: "localhost".to_owned() });
    }
    config.warnings.iter().for_each(|it| warn!("{it}"));
    let listener = given_listener(demo.is_some())?;
    block_on(run(config, demo, listener))?;
    Ok(())
}

/// The socket of the service manager; the demonstration is as careful with it as with its own.
fn given_listener(is_demo: bool) -> Result<Option<TcpListener>, Failed> {
    let Some(listener) = supervisor::listener()? else { return Ok(None) };
    let address = listener.local_addr().context("cannot ask where the given socket listens")?;
    if is_demo && !address.ip().is_loopback() {
        return Err(Failed::Usage(anyhow::anyhow!(
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
    greet(scheme, server.address(), &store, is_demo);
    if !is_of_use {
        println!(
            "Nobody can open a session yet: it takes a [[connectors]] and a [[bots]] in the \
             configuration file. `segue config default` shows both, as comments to be uncommented; \
             without a file there is a demonstration."
        );
    }
    supervisor::tell(&NotifyState::Ready);
    tokio::select! {
        _ = terminate.recv() => info!("stopping: SIGTERM came"),
        _ = interrupt.recv() => info!("stopping: SIGINT came"),
        () = supervisor::watchdog() => {}
    }
    supervisor::tell(&NotifyState::Stopping);
    server.stop().await;
    Ok(())
}

fn greet(scheme: &str, address: SocketAddr, store: &StoreUrl, is_demo: bool) {
    let kept = match store.folder() {
        Some(folder) => format!("in the folder {}", folder.display()),
        None => "in memory, until it stops".to_owned(),
    };
    println!("Segue listens on {scheme}://{address} and keeps conversations {kept}.");
    if is_demo {
        println!(
            "Try it: open {scheme}://{address} in a browser, or run `segue chat {scheme}://{address}`."
        );
        println!("There is no segue.toml; `segue config default` prints one to start from.");
    }
}
