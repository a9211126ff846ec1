//! What a service manager such as systemd gives the program and wants to hear from it: the listening
//! socket, that the server is ready, that it lives, that it stops. Without one, nothing is given
//! and nothing is said.

use std::net::TcpListener;

use anyhow::{Context as _, bail};
use listenfd::ListenFd;
pub use sd_notify::NotifyState;
use tracing::{debug, warn};

/// The listening socket that the process was started with (`LISTEN_FDS`), to be taken before the
/// runtime starts: it is marked as not to be inherited by other programs.
///
/// There can be one: with several, which of them the clients come to would be a guess.
pub fn listener() -> anyhow::Result<Option<TcpListener>> {
    let mut given = ListenFd::from_env();
    match given.len() {
        0 => Ok(None),
        1 => given.take_tcp_listener(0).context("cannot use the socket of the service manager"),
        many => {
            let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
            bail!("the service manager gave {many} sockets ({names}); give it one ListenStream")
        }
    }
}

/// Tells the service manager what has become of the server.
pub fn tell(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        warn!(%error, "the service manager could not be told {state}");
    }
}

/// Tells the service manager that the runtime still runs tasks, twice as often as it wants to hear
/// it. Never returns.
pub async fn watchdog() {
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    debug!(?patience, "the service manager watches");
    loop {
        tell(&NotifyState::Watchdog);
        tokio::time::sleep(patience / 2).await;
    }
}
