//! `segue chat`: a conversation in a terminal. It also shows how little a client of the protocol
//! needs, so it uses nothing but what docs/protocol.md promises to everybody.
//!
//! Read in this order: `handshake` (tokens and session), `link` (the socket and the way back to
//! it), `frame` (what is on it), `conversation` (the rules: cursor, outbox, heartbeat), `talk` (the
//! loop around all of it), and then `transcript`, `screen` and `terminal` for what a person sees.

use std::io::{self, IsTerminal as _};

use crate::outgoing::{self, Trusted};

mod address;
mod answers;
mod conversation;
mod frame;
mod handshake;
mod input;
mod link;
mod screen;
mod talk;
mod terminal;
mod transcript;

pub use address::{Address, BadAddress};
pub use handshake::HandshakeError;
use link::Link;
use screen::{Own, Screen};
pub use talk::Stopped;
use talk::{Manner, Talk};
use terminal::{Look, Terminal};
use transcript::Transcript;

/// What was asked for on the command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server.
    pub url: String,
    /// Print frames instead of words.
    pub json: bool,
    /// The connector's token; a server on this machine tells that of its demo connector.
    pub token: Option<String>,
    /// The host that we present ourselves as.
    pub host: Option<String>,
    /// Ask for whole messages instead of streamed ones.
    pub whole: bool,
    /// Who vouches for the server; those whom this machine trusts if not given.
    pub trusted: Option<Trusted>,
}

/// Holds a conversation until one side ends it or the person leaves.
pub async fn run(options: Options) -> anyhow::Result<()> {
    outgoing::install_crypto();
    let server = Address::parse(&options.url)?;
    let session = handshake::begin(&server, &options).await?;
    let manner = match (io::stdin().is_terminal(), options.json) {
        (true, _) => Manner::Person,
        (false, false) => Manner::Script,
        (false, true) => Manner::Program,
    };
    let link = Link::new(server, session, options.trusted.as_ref());
    let screen = screen(&options, manner);
    let talk = Talk::new(manner, link, screen, input::stdin()?, Box::pin(interrupt()));
    talk.run().await
}

fn screen(options: &Options, manner: Manner) -> Screen {
    let out = Box::new(io::stdout());
    if options.json {
        return Screen::Frames { out, notices: Box::new(io::stderr()) };
    }
    let is_dumb = std::env::var_os("TERM").is_none_or(|it| it == "dumb");
    let look = if io::stdout().is_terminal() && !is_dumb { Look::Terminal } else { Look::Plain };
    let own = if manner == Manner::Person { Own::Typed } else { Own::Shown };
    let terminal = Terminal::new(out, look);
    Screen::Words { terminal, transcript: Transcript::default(), own }
}

async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Then it ends the process as it always does.
        std::future::pending::<()>().await;
    }
}
