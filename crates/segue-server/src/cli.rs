//! The command line. One file per family of commands; those that concern a server go through its
//! admin API, over the network or in this process (`reach.rs`).

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use segue_store::OpenError;

use crate::{
    backup::{NoBackup, NotAsked},
    config::{Config, ConfigError, Environment, Secret},
    directory::DirectoryError,
    limits,
};

mod backup;
mod chat;
mod config;
mod connector;
mod generate;
mod key;
mod reach;
mod secret;
mod serve;
mod session;
mod table;
#[cfg(test)]
mod tests;

/// Conversations between a person, an AI agent and live agents, over WebSocket.
#[derive(Debug, Parser)]
#[command(
    name = "segue",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not found, 4 not \
                  allowed, 5 server or data not reachable.",
    after_long_help = "\
Without a configuration file `segue serve` makes a data folder and a demo connector for this machine.

Commands that look or change (connector, session, key) work on the data folder while no server runs,
and otherwise through the admin API of the server: the one of --url, or the one of the configuration on
this machine. The key is that of --key, or of the file admin-key in the data folder. Looking needs
neither server nor key where the data folder can be read. A key that is given has to be valid wherever
it goes, and allows what it allows.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not found, 4 not allowed, 5 server or
data not reachable.

Examples:
  segue serve
  segue chat http://localhost:8080
  segue session list --state live"
)]
pub struct Cli {
    #[command(subcommand)]
    ask: Ask,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// Run the server.
    Serve(serve::Serve),
    Chat(chat::Chat),
    /// The connectors: each an application that talks to the server.
    Connector(connector::Connector),
    /// The conversations.
    Session(session::Session),
    /// The keys of the admin API, and the key that signs access tokens.
    Key(key::Key),
    /// The configuration.
    Config {
        #[command(subcommand)]
        ask: config::Ask,
    },
    Backup(backup::Backup),
    Restore(backup::Restore),
    /// Secrets that the configuration file may show.
    Secret {
        #[command(subcommand)]
        ask: secret::Ask,
    },
    Load(Box<segue_load::Options>),
    /// Print what makes a shell complete these commands.
    #[command(after_help = "\
Examples:
  segue completions bash > segue.bash
  segue completions zsh > _segue")]
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write those of all commands into a folder.
    #[command(after_help = "\
Examples:
  segue man
  segue man --folder /usr/local/share/man/man1")]
    Man {
        /// A folder that is there.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<std::path::PathBuf>,
    },
}

/// Why a command did not do what was asked: its exit code says so.
#[derive(Debug)]
enum Failed {
    Work(anyhow::Error),
    Usage(anyhow::Error),
    NotFound(anyhow::Error),
    NotAllowed(anyhow::Error),
    NotReachable(anyhow::Error),
}

impl Failed {
    fn code(&self) -> u8 {
        match self {
            Failed::Work(_) => 1,
            Failed::Usage(_) => 2,
            Failed::NotFound(_) => 3,
            Failed::NotAllowed(_) => 4,
            Failed::NotReachable(_) => 5,
        }
    }

    fn error(&self) -> &anyhow::Error {
        let (Failed::Work(error)
        | Failed::Usage(error)
        | Failed::NotFound(error)
        | Failed::NotAllowed(error)
        | Failed::NotReachable(error)) = self;
        error
    }

    fn usage(text: impl Into<String>) -> Self {
        Failed::Usage(anyhow::Error::msg(text.into()))
    }

    /// A server has refused with this status.
    fn refused(status: u16, error: anyhow::Error) -> Self {
        match status {
            400 => Failed::Usage(error),
            401 | 403 => Failed::NotAllowed(error),
            404 => Failed::NotFound(error),
            429 | 502..=504 => Failed::NotReachable(error),
            _ => Failed::Work(error),
        }
    }

    /// A reader that has seen enough, such as `head`, is no failure.
    fn is_unread(&self) -> bool {
        let error = self.error().downcast_ref::<io::Error>();
        error.is_some_and(|it| it.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        // Found while a server starts, but a fault of the configuration all the same.
        let is_of_configuration = match error.downcast_ref() {
            Some(DirectoryError::SameToken { .. }) => true,
            Some(DirectoryError::Unavailable(_)) | None => error.is::<ConfigError>(),
        };
        if is_of_configuration || error.is::<NotAsked>() {
            return Failed::Usage(error);
        }
        if error.is::<NoBackup>() {
            return Failed::NotFound(error);
        }
        match error.downcast_ref::<OpenError>() {
            Some(OpenError::Locked { .. } | OpenError::Files { .. }) => Failed::NotReachable(error),
            _ => Failed::Work(error),
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Failed::Work(error.into())
    }
}

type Done = Result<(), Failed>;

impl Cli {
    /// Does what was asked.
    pub fn run(self, env: Environment) -> ExitCode {
        log(&env, self.ask.log_level());
        let done = match self.ask {
            Ask::Serve(serve) => serve.run(env),
            Ask::Chat(chat) => block_on(chat.run()),
            Ask::Connector(it) => with_output(async |out| it.run(&env, out).await),
            Ask::Session(it) => with_output(async |out| it.run(&env, out).await),
            Ask::Key(it) => with_output(async |out| it.run(&env, out).await),
            Ask::Config { ask } => with_output(async |out| ask.run(&env, out).await),
            Ask::Backup(it) => with_output(async |out| it.run(&env, out)),
            Ask::Restore(it) => with_output(async |out| it.run(&env, out)),
            Ask::Secret { ask } => with_output(async |out| ask.run(&env, out)),
            Ask::Load(options) => options
                .check()
                .map_err(Failed::Usage)
                .and_then(|()| segue_load::run(&options).map_err(Failed::Work)),
            Ask::Completions { shell } => generate::completions(shell, &mut io::stdout()),
            Ask::Man { folder } => generate::manual(folder.as_deref(), &mut io::stdout()),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failed) if failed.is_unread() => ExitCode::SUCCESS,
            Err(failed) => {
                eprintln!("segue: {:#}", failed.error());
                ExitCode::from(failed.code())
            }
        }
    }
}

impl Ask {
    fn log_level(&self) -> &'static str {
        match self {
            Ask::Serve(_) => "info",
            Ask::Chat(_) => "error",
            _ => "warn",
        }
    }
}

/// Runs a command that writes to the standard output.
fn with_output(run: impl AsyncFnOnce(&mut dyn Write) -> Done) -> Done {
    let mut out = io::BufWriter::new(io::stdout().lock());
    block_on(run(&mut out))?;
    Ok(out.flush()?)
}

fn log(env: &Environment, default: &str) {
    let filter = env.get("SEGUE_LOG").map_or(default, String::as_str);
    let filter = tracing_subscriber::EnvFilter::new(filter);
    // Where the log cannot be written, that cannot be either: whoever logs would panic.
    let log = tracing_subscriber::fmt().log_internal_errors(false);
    let log = log.with_env_filter(filter).with_writer(io::stderr);
    let format = env.get("SEGUE_LOG_FORMAT").map_or("text", String::as_str);
    if format == "json" {
        return log.json().init();
    }
    log.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init();
    if format != "text" {
        tracing::warn!(format, "SEGUE_LOG_FORMAT is {format:?}, neither json nor text: text it is");
    }
}

fn block_on(work: impl Future<Output = Done>) -> Done {
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
        None => (Path::new(DEFAULT_FILE), false),
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if !is_named && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let error = anyhow::Error::new(error);
            Err(Failed::Usage(error.context(format!("cannot read {}", path.display()))))
        }
    }
}

/// The configuration file of those who name none.
const DEFAULT_FILE: &str = "segue.toml";

/// The configuration, of a file or without.
fn load(path: Option<&Path>, env: &Environment) -> Result<Config, Failed> {
    let usage = |it: crate::config::ConfigError| Failed::Usage(it.into());
    match read(path)? {
        Some(text) => Config::load(Some(&text), env).map_err(usage),
        None => Config::demo(&Secret::new("unknown"), env).map_err(usage),
    }
}
