//! `segue chat`, and what its failures mean to whoever started it.

use std::path::PathBuf;

use clap::Args;

use super::{Done, Failed};
use crate::{
    chat::{self, BadAddress, HandshakeError, Stopped},
    outgoing::{TrustError, Trusted},
};

/// Talk to a server from here.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  segue chat
  segue chat https://chat.example.com --host shop.example.com
  segue chat --json")]
pub struct Chat {
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
    /// Trust the certificates in this file, PEM, and no others.
    #[arg(long, env = "SEGUE_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Chat {
    /// Does what was asked.
    pub(super) async fn run(self) -> Done {
        let Self { url, json, token, host, whole, ca } = self;
        let trusted = ca.as_deref().map(Trusted::read).transpose().map_err(untrusted)?;
        let options = chat::Options { url, json, token, host, whole, trusted };
        chat::run(options).await.map_err(failed)
    }
}

/// A file of certificates was named that is none.
pub fn untrusted(error: TrustError) -> Failed {
    Failed::Usage(error.into())
}

fn failed(error: anyhow::Error) -> Failed {
    if error.is::<BadAddress>() {
        return Failed::Usage(error);
    }
    match error.downcast_ref() {
        Some(&Stopped::Refused { status, .. }) => return Failed::refused(status, error),
        Some(Stopped::Unknown) => return Failed::NotFound(error),
        Some(Stopped::Revoked { .. } | Stopped::Unconfirmed { .. } | Stopped::Unanswered)
        | None => {}
    }
    match error.downcast_ref() {
        Some(HandshakeError::Unsendable) => Failed::Usage(error),
        Some(HandshakeError::NoToken(_)) => Failed::NotAllowed(error),
        Some(&HandshakeError::Refused { status, .. }) => Failed::refused(status.as_u16(), error),
        Some(HandshakeError::Unreachable { .. } | HandshakeError::Strange { .. }) => {
            Failed::NotReachable(error)
        }
        Some(HandshakeError::Client(_)) | None => Failed::Work(error),
    }
}
