//! A server of our own: a folder that goes with it, a configuration without rates, a child process.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::{net::TcpSocket, time::Instant};

use crate::{
    child::{Child, Cores},
    limits,
    target::Target,
};

/// The connector of a server of our own.
pub const CONNECTOR: &str = "load";
/// Its token.
pub const TOKEN: &str = "load-token";
/// A host that it may be used from.
pub const HOST: &str = "load.example";

/// A server of our own. Killed, and its folder removed, when dropped.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    cores: Cores,
    /// The listening socket that it is given, as a service manager would.
    listener: Option<TcpListener>,
    folder: TempDir,
    /// `None` while it is down.
    child: Option<Child>,
    /// The same after every start.
    address: SocketAddr,
}

impl Server {
    /// Makes a folder within `parent`, on the disk that is to be measured, and starts the program
    /// in it. Its bot is asked at `bot`.
    pub async fn start(
        program: &Path,
        parent: &Path,
        cores: Cores,
        bot: SocketAddr,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("segue-load-").tempdir_in(parent);
        let folder = folder.with_context(|| format!("cannot write to {}", parent.display()))?;
        fs::write(folder.path().join("segue.toml"), configuration(bot))?;
        let mut server = Self {
            program: program.to_owned(),
            cores,
            listener: None,
            folder,
            child: None,
            address: ([127, 0, 0, 1], 0).into(),
        };
        server.start_again().await?;
        Ok(server)
    }

    /// Starts the program after it was killed or stopped, on the same address. Says how long it
    /// took until it listened.
    pub async fn start_again(&mut self) -> anyhow::Result<Duration> {
        let program = fs::canonicalize(&self.program)
            .with_context(|| format!("cannot find {}", self.program.display()))?;
        let (mut command, stdin) = match &self.listener {
            None => (Command::new(program), Stdio::piped()),
            Some(listener) => {
                (given_listener(&program), OwnedFd::from(listener.try_clone()?).into())
            }
        };
        command
            .args(["serve", "--listen", &self.address.to_string()])
            .current_dir(self.folder.path())
            // Settings of the surroundings are none of a measurement.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let log = self.folder.path().join("server.log");
        let begin = Instant::now();
        let child = Child::start(command, stdin, self.cores, &log).await?;
        let took = begin.elapsed();
        self.address = child.address();
        self.child = Some(child);
        Ok(took)
    }

    /// From the next start on it is given its listening socket, so that a restart refuses nobody.
    pub async fn hold_listener(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        // The library's own backlog of 128 sends most of a storm away for three seconds.
        self.listener = Some(socket.listen(limits::LOAD_LISTEN_BACKLOG)?.into_std()?);
        self.start_again().await.map(drop)
    }

    /// Kills it at once, as a power cut would.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.take().context("the server is down")?.kill().await
    }

    /// Asks it to stop, and waits.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.child.take().context("the server is down")?.stop().await.map(drop)
    }

    /// Fails if it has ended by itself.
    pub fn still_there(&mut self) -> anyhow::Result<()> {
        self.child.as_mut().map_or(Ok(()), Child::still_there)
    }

    /// Its process.
    pub fn id(&self) -> anyhow::Result<u32> {
        Ok(self.child.as_ref().context("the server is down")?.id())
    }

    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("data/segue.db")
    }

    /// How to speak to it.
    pub fn target(&self, sources: usize) -> Target {
        Target { address: self.address, token: TOKEN.to_owned(), host: HOST.to_owned(), sources }
    }
}

/// Passes its standard input on as the third descriptor, and says so to the process that it becomes:
/// what a service manager does (`sd_listen_fds`).
fn given_listener(program: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    let script = r#"exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@""#;
    command.args(["-c", script, "segue-load"]).arg(program);
    command
}

/// Rates and counts are turned off: they would be what is measured.
fn configuration(bot: SocketAddr) -> String {
    format!(
        r#"[store]
url = "sqlite:data/segue.db"

[limits]
messages_per_second = 0
handshakes_per_second = 0
connector_handshakes_per_second = 0
sockets_per_second = 0
connections_per_address = 0
sessions_per_token = 0
sessions_per_hour = 0
live_sessions = 0
turns_per_session = 0
turns_at_once = 10000
turns_waiting = 10000

[[connectors]]
id = "{CONNECTOR}"
token = "{TOKEN}"
hosts = ["{HOST}"]
bot = "load"
handoff = "client"

[[bots]]
id = "load"
kind = "http"
name = "Load"
url = "http://{bot}/turn"
secret = "load-secret"
"#
    )
}
