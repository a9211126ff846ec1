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
    fill,
    frame::{self, Frame},
    limits,
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
        let mut world = Self { options, server, target, epoch, faults };
        let (sessions, entries) = (world.options.stored_sessions, world.options.stored_entries);
        if sessions > 0 {
            let server = world.own_server()?;
            server.stop().await?;
            fill::past(&server.database(), sessions, entries).await?;
            server.start_again().await?;
        }
        Ok(world)
    }

    /// The server, which has to be ours.
    pub fn own_server(&mut self) -> anyhow::Result<&mut Server> {
        self.server.as_mut().context("this needs a server of our own")
    }

    /// Creates sessions that have so many events, in which nobody has the floor. The server was
    /// started anew: nothing of them is in its memory.
    pub async fn filled(&mut self, sessions: usize, events: u64) -> anyhow::Result<Vec<Ticket>> {
        let tickets = self.tickets(sessions, NOBODY).await?;
        let server = self.own_server()?;
        server.stop().await?;
        fill::histories(&server.database(), &tickets, events).await?;
        server.start_again().await?;
        Ok(tickets)
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

    /// Conversations in which nobody has the floor, with a connection each: users 0 to `sessions`,
    /// in order. With a history where that was asked for.
    pub async fn nobodys(&mut self, sessions: usize) -> anyhow::Result<Vec<Ready>> {
        if let Some(events) = self.options.history {
            let tickets = self.filled(sessions, events).await?;
            let world = &*self;
            return many(tickets.into_iter().zip(0..), |(ticket, user)| async move {
                world.read(user, ticket, events, Some(Sending::new(user))).await
            })
            .await;
        }
        let tickets = self.tickets(sessions, NOBODY).await?;
        let world = &*self;
        many(tickets.into_iter().zip(0..), |(ticket, user)| async move {
            let ready = world.open(user, ticket, Some(Sending::new(user))).await?;
            ready.join(|it| it.kind == frame::BOT_LEFT).await
        })
        .await
    }

    /// A connection that has the start of its session.
    pub async fn open(
        &self,
        user: u64,
        ticket: Ticket,
        sending: Option<Sending>,
    ) -> anyhow::Result<Ready> {
        let web = self.target.open(user, &ticket, 0).await?;
        let account = Account::new(user, Reading::new(), sending, self.faults.clone());
        Ready { ticket, web, account }.until(|it| it.kind == frame::SESSION_START).await
    }

    /// A connection that has read so many events.
    pub async fn read(
        &self,
        user: u64,
        ticket: Ticket,
        events: u64,
        sending: Option<Sending>,
    ) -> anyhow::Result<Ready> {
        let (web, mut account) =
            read_events(&self.target, &self.faults, user, &ticket, events).await?;
        account.sending = sending;
        Ok(Ready { ticket, web, account })
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

/// Reads a session from its beginning, so many events.
pub async fn read_to_end(
    target: &Target,
    faults: &Faults,
    user: u64,
    ticket: &Ticket,
    events: u64,
) -> anyhow::Result<(Web, Reading)> {
    let (web, account) = read_events(target, faults, user, ticket, events).await?;
    Ok((web, account.reading.unwrap_or_default()))
}

async fn read_events(
    target: &Target,
    faults: &Faults,
    user: u64,
    ticket: &Ticket,
    events: u64,
) -> anyhow::Result<(Web, Account)> {
    let web = target.open(user, ticket, 0).await?;
    // What was said before was not said here.
    let account = Account::new(user, Reading::new(), None, faults.clone());
    let mut ready = Ready { ticket: ticket.clone(), web, account };
    while ready.account.read_to() < events {
        ready = ready.take(|_| {}).await?;
    }
    Ok((ready.web, ready.account))
}

/// A connection that is ready to be used.
pub struct Ready {
    /// Its conversation.
    pub ticket: Ticket,
    /// Its socket.
    pub web: Web,
    /// Its books.
    pub account: Account,
}

impl Ready {
    /// Asks for the agent and reads until such an event.
    pub async fn join(mut self, is_it: impl Fn(&Frame<'_>) -> bool) -> anyhow::Result<Self> {
        self.web.send(Message::text(frame::JOIN)).await.context("cannot ask for the agent")?;
        self.until(is_it).await
    }

    /// Reads until such an event.
    pub async fn until(mut self, is_it: impl Fn(&Frame<'_>) -> bool) -> anyhow::Result<Self> {
        let mut is_there = false;
        while !is_there {
            self = self
                .take(|noted| is_there |= matches!(noted, Noted::Event(event) if is_it(event)))
                .await?;
        }
        Ok(self)
    }

    async fn take(mut self, noted: impl FnMut(Noted<'_>)) -> anyhow::Result<Self> {
        let frame = in_time("a frame", self.web.next()).await?.context("the socket ended")??;
        match frame {
            Message::Text(text) => self.account.take(&text, noted),
            Message::Close(frame) => bail!("the socket closed: {frame:?}"),
            _ => {}
        }
        Ok(self)
    }
}
