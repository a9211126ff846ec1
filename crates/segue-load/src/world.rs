//! What every scenario needs: a server, the way into it, the bot, conversations that are ready.

use std::{future::Future, time::Duration};

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, stream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    account::{Account, Noted},
    bot::{Bot, NOBODY, Speech},
    check::{Faults, Reading, Sending},
    contest::Plan,
    frame, limits,
    options::Options,
    server::Server,
    target::{Door, Target, Ticket, Web, in_time},
};

/// A server and its surroundings.
pub struct World {
    /// As asked for.
    pub options: Options,
    /// `None` where the server is not ours.
    pub server: Option<Server>,
    /// The way in.
    pub target: Target,
    /// What times are counted from.
    pub epoch: Instant,
    /// What went wrong, in the whole run.
    pub faults: Faults,
}

impl World {
    /// Starts a server, or finds the one that is named. Its bot talks like this.
    pub async fn begin(options: &Options, outputs: u64, pause: Duration) -> anyhow::Result<Self> {
        let epoch = Instant::now();
        let bot = Bot::listen(options.bot, Speech { outputs, pause, epoch }).await?;
        let (server, target) = match options.url {
            None => {
                let program = options.program()?;
                let (folder, cores) = (&options.folder, options.cores());
                let server = Server::start(&program, folder, cores, bot.address).await?;
                let target = server.target(options.sources);
                (Some(server), target)
            }
            Some(address) => {
                let (Some(token), Some(host)) = (&options.token, &options.host) else {
                    bail!("--url needs --token and --host");
                };
                let (token, host) = (token.clone(), host.clone());
                (None, Target { address, token, host, sources: options.sources })
            }
        };
        let (options, faults) = (options.clone(), Faults::default());
        Ok(Self { options, server, target, epoch, faults })
    }

    /// The process of the server, where it is known.
    pub fn pid(&self) -> anyhow::Result<Option<u32>> {
        match &self.server {
            Some(server) => server.id().map(Some),
            None => Ok(self.options.pid),
        }
    }

    /// Fails if the server has ended by itself.
    pub fn still_there(&mut self) -> anyhow::Result<()> {
        self.server.as_mut().map_or(Ok(()), Server::still_there)
    }

    /// How long and how often is measured.
    pub fn plan(&self) -> Plan {
        plan(&self.options)
    }

    /// Conversations in which nobody has the floor, and the first connection of each: user 0 to
    /// `sessions`, in order.
    pub async fn nobodys(&self, sessions: usize) -> anyhow::Result<Vec<(Ticket, Web, Account)>> {
        let tickets = self.tickets(sessions, NOBODY).await?;
        many(tickets.into_iter().zip(0..), |(ticket, user)| async move {
            let web = self.target.open(user, &ticket, 0).await?;
            let sending = Some(Sending::new(user));
            let account = Account::new(user, Reading::new(), sending, self.faults.clone());
            let (web, account) = until(web, account, frame::SESSION_START).await?;
            let (web, account) = join(web, account, frame::BOT_LEFT).await?;
            Ok((ticket, web, account))
        })
        .await
    }

    /// So many sessions, as fast as they are given, each with an access token of its own.
    pub async fn tickets(&self, sessions: usize, variant: &str) -> anyhow::Result<Vec<Ticket>> {
        let at_once = limits::LOAD_SETUP_AT_ONCE_MAX.min(sessions);
        let tickets = many(0..at_once, |worker| async move {
            let mut door = Door::open(&self.target, worker as u64).await?;
            let mut tickets = Vec::new();
            for _ in (worker..sessions).step_by(at_once) {
                let access = door.access().await?;
                tickets.push(door.session(&access, variant).await?);
            }
            Ok(tickets)
        })
        .await?;
        Ok(tickets.concat())
    }
}

/// How long and how often is measured.
pub fn plan(options: &Options) -> Plan {
    Plan {
        warm_up: Duration::from_secs_f64(options.warm_up),
        time: Duration::from_secs_f64(options.seconds),
        runs: options.runs,
    }
}

/// Does something for many, some at once, and keeps their order.
pub async fn many<I, T, W>(
    items: impl IntoIterator<Item = I>,
    work: impl Fn(I) -> W,
) -> anyhow::Result<Vec<T>>
where
    W: Future<Output = anyhow::Result<T>>,
{
    stream::iter(items).map(work).buffered(limits::LOAD_SETUP_AT_ONCE_MAX).try_collect().await
}

/// Asks for the agent and reads until this event.
pub async fn join(mut web: Web, account: Account, kind: &str) -> anyhow::Result<(Web, Account)> {
    web.send(Message::text(frame::JOIN)).await.context("cannot ask for the agent")?;
    until(web, account, kind).await
}

/// Reads until this event.
pub async fn until(
    mut web: Web,
    mut account: Account,
    kind: &str,
) -> anyhow::Result<(Web, Account)> {
    let reading = async {
        let mut is_there = false;
        while !is_there {
            let frame = web.next().await.context("the socket ended")??;
            if let Message::Text(text) = &frame {
                account.take(text, |noted| {
                    is_there |= matches!(noted, Noted::Event(event) if event.kind == kind);
                });
            }
            if let Message::Close(frame) = frame {
                bail!("the socket closed: {frame:?}");
            }
        }
        Ok(())
    };
    in_time(kind, reading).await?.with_context(|| format!("waited for {kind}"))?;
    Ok((web, account))
}
