//! A bare echo on the WebSocket library of the server, as the library is by itself with small buffers, on hyper and
//! tokio-tungstenite: no log, no session, one flush per message. A program of its own, as the server is.

use std::{
    io::Read as _,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::Context as _;
use axum::{
    Router,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    routing::any,
    serve::ListenerExt as _,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, time::Instant};

use crate::{
    account::Account,
    board::Board,
    check::Faults,
    child::{Child, Cores},
    crowd::{Crowd, Member, Pace, Unit},
    limits,
    target::Target,
    user::{Habit, User},
};

/// Serves until its standard input ends. Says on its standard output where it listens.
pub fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .global_queue_interval(limits::LOAD_GLOBAL_QUEUE_INTERVAL)
        .worker_threads(std::thread::available_parallelism().map_or(2, |it| it.get().max(2)))
        .enable_all()
        .build()?;
    runtime.spawn(async {
        if let Err(error) = listen().await {
            eprintln!("segue: {error:#}");
            std::process::exit(1);
        }
    });
    // Whoever started this is gone when its end of the pipe is.
    std::io::stdin().read_to_end(&mut Vec::new()).context("cannot wait for the end")?;
    std::process::exit(0);
}

async fn listen() -> anyhow::Result<()> {
    crate::usage::raise_descriptors()?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    println!("The bare echo listens on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|tcp| {
        // Nagle's algorithm would hold small frames back; a connection that is gone has none.
        let _ = tcp.set_nodelay(true);
    });
    let upgrade = |upgrade: WebSocketUpgrade| async {
        upgrade
            .read_buffer_size(limits::LOAD_SOCKET_BUFFER_BYTES)
            .write_buffer_size(limits::LOAD_SOCKET_BUFFER_BYTES)
            .on_upgrade(echo)
    };
    axum::serve(listener, Router::new().route("/ws", any(upgrade))).await?;
    Ok(())
}

async fn echo(mut web: WebSocket) {
    while let Some(Ok(message)) = web.recv().await {
        if let Message::Text(text) = message
            && web.send(Message::Text(text)).await.is_err()
        {
            return;
        }
    }
}

/// One that runs. Killed when dropped.
pub struct BareEcho {
    program: Child,
    _folder: TempDir,
}

impl BareEcho {
    /// The way in.
    pub fn target(&self, sources: usize) -> Target {
        let (token, host) = (String::new(), String::new());
        Target { address: self.program.address(), token, host, sources }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// Starts one; its log goes with it.
    pub async fn start(program: &Path, parent: &Path, cores: Cores) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("segue-load-").tempdir_in(parent)?;
        let mut command = Command::new(program);
        command.args(["load", "bare-echo"]);
        let program =
            Child::start(command, Stdio::piped(), cores, &folder.path().join("log")).await?;
        Ok(Self { program, _folder: folder })
    }
}

/// A crowd that talks to it.
pub async fn crowd(
    echo: &BareEcho,
    pace: Pace,
    sessions: usize,
    depth: usize,
    sources: usize,
    faults: &Faults,
) -> anyhow::Result<Crowd> {
    let target = echo.target(sources);
    let board = Arc::new(Board::new(Instant::now(), faults.clone()));
    let mut members = Vec::with_capacity(sessions);
    for user in 0..sessions as u64 {
        let web = target.open_at(user, "/ws").await?;
        let account = Account::bare(user, faults.clone());
        members.push(Member {
            user: User { web, account, habit: Habit::Speak, depth, board: Arc::clone(&board) },
            group: 0,
        });
    }
    Ok(Crowd::gather("bare echo", pace, Unit::Echo, &board, Some(echo.id()), members))
}
