//! A client of `storm`: says something now and then, and when it loses the server comes back with
//! its cursor and sends again what was not answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{sync::watch, time::Instant};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::{
    account::Account,
    check::{Faults, Reading},
    limits,
    sample::Latencies,
    target::{Target, Ticket, Web},
};

/// What the clients share: one storm after the other.
#[derive(Debug)]
pub struct Round {
    /// What times are counted from.
    epoch: Instant,
    /// What went wrong.
    pub faults: Faults,
    clients: usize,
    /// Clients that lost the server, or have yet to, and have not caught up.
    missing: AtomicUsize,
    /// When the server listened again.
    listens_us: AtomicU64,
    /// From then until a client had what it had missed, and the answers to what it sent again.
    pub caught_up: Latencies,
    /// From the end of a socket to the first frame on the next.
    pub without_socket: Latencies,
    /// New conversations meanwhile.
    pub newcomers: Latencies,
}

impl Round {
    /// Of so many clients, all of whom are connected.
    pub fn new(epoch: Instant, faults: Faults, clients: usize) -> Self {
        Self {
            epoch,
            faults,
            clients,
            missing: AtomicUsize::new(0),
            listens_us: AtomicU64::new(u64::MAX),
            caught_up: Latencies::default(),
            without_socket: Latencies::default(),
            newcomers: Latencies::default(),
        }
    }

    /// The server is about to go.
    pub fn begin(&self) {
        self.missing.store(self.clients, Ordering::SeqCst);
        self.listens_us.store(u64::MAX, Ordering::SeqCst);
    }

    /// The server is back.
    pub fn listens(&self) {
        self.listens_us.store(self.now_us(), Ordering::SeqCst);
    }

    /// Whether everybody has caught up.
    pub fn is_over(&self) -> bool {
        self.missing() == 0
    }

    /// How many have not.
    pub fn missing(&self) -> usize {
        self.missing.load(Ordering::SeqCst)
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn caught_up(&self) {
        // Who is faster than the word that the server listens has caught up at once.
        self.caught_up
            .note_us(self.now_us().saturating_sub(self.listens_us.load(Ordering::SeqCst)));
        self.missing.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A client.
pub struct Survivor {
    /// The way to the server.
    pub target: Target,
    /// Its conversation.
    pub ticket: Ticket,
    /// Its books.
    pub account: Account,
    /// What it shares.
    pub round: Arc<Round>,
    /// Pause between two messages.
    pub every: Duration,
}

/// Why a socket is left.
enum Left {
    Lost,
    Over,
}

impl Survivor {
    /// Lives until it is over; then says how far it read.
    pub async fn run(
        mut self,
        mut web: Web,
        first: Duration,
        mut is_over: watch::Receiver<bool>,
    ) -> anyhow::Result<Reading> {
        let mut due = Instant::now() + first;
        loop {
            if let Left::Over = self.live(&mut web, &mut due, &mut is_over).await {
                break;
            }
            let lost_at = Instant::now();
            // Storms go on until everybody has caught up.
            loop {
                web = self.come_back(lost_at).await?;
                match self.catch_up(&mut web, lost_at).await {
                    Ok(()) => break,
                    Err(error) => ensure!(
                        lost_at.elapsed() < Duration::from_secs(limits::LOAD_RECONNECT_SECONDS_MAX),
                        "did not catch up: {error:#}"
                    ),
                }
            }
            self.round.caught_up();
        }
        self.account.give_up();
        self.account.reading.take().context("a client reads")
    }

    /// Says something now and then, until the socket is lost, or it is over and everything is
    /// answered.
    async fn live(
        &mut self,
        web: &mut Web,
        due: &mut Instant,
        is_over: &mut watch::Receiver<bool>,
    ) -> Left {
        // Set at the end: until then what is in flight may be answered.
        let mut last = None;
        loop {
            if let Some(patience) = last
                && (!self.is_waiting() || Instant::now() > patience)
            {
                return Left::Over;
            }
            let wake = last.unwrap_or(*due);
            tokio::select! {
                frame = web.next() => match frame {
                    Some(Ok(Message::Text(text))) => self.account.take(&text, |_| {}),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Left::Lost,
                    Some(Ok(_)) => {}
                },
                _ = is_over.changed(), if last.is_none() => {
                    last = Some(Instant::now() + Duration::from_secs(limits::LOAD_DRAIN_SECONDS_MAX));
                }
                () = tokio::time::sleep_until(wake) => {
                    if last.is_none() {
                        *due += self.every;
                        if self.say(web).await.is_err() {
                            return Left::Lost;
                        }
                    }
                }
            }
        }
    }

    fn is_waiting(&self) -> bool {
        self.account.sending.as_ref().is_some_and(|it| it.in_flight() > 0)
    }

    async fn say(&mut self, web: &mut Web) -> Result<(), tungstenite::Error> {
        let Some(sending) = &mut self.account.sending else { return Ok(()) };
        let frame = sending.send(0).frame();
        web.send(Message::text(frame)).await
    }

    /// A socket again, however often it takes.
    async fn come_back(&mut self, lost_at: Instant) -> anyhow::Result<Web> {
        let patience = Duration::from_secs(limits::LOAD_RECONNECT_SECONDS_MAX);
        loop {
            let cursor = self.account.read_to();
            match self.target.open(self.account.user, &self.ticket, cursor).await {
                Ok(web) => return Ok(web),
                Err(error) => ensure!(lost_at.elapsed() < patience, "did not come back: {error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(limits::LOAD_RECONNECT_MS)).await;
        }
    }

    /// Reads the first batch, sends again what was not answered, and waits until it is.
    async fn catch_up(&mut self, web: &mut Web, lost_at: Instant) -> anyhow::Result<()> {
        self.account.reading.as_mut().context("a client reads")?.reconnect();
        let mut has_first = false;
        while !has_first || self.is_waiting() {
            let frame = crate::target::in_time("a frame", web.next()).await?;
            match frame.context("the socket ended")?? {
                Message::Text(text) => self.account.take(&text, |_| {}),
                Message::Close(frame) => anyhow::bail!("the socket closed: {frame:?}"),
                _ => continue,
            }
            if !has_first {
                has_first = true;
                self.round.without_socket.note(lost_at.elapsed());
                let again = self.account.sending.as_mut().map(crate::check::Sending::send_again);
                for key in again.unwrap_or_default() {
                    web.feed(Message::text(key.frame())).await?;
                }
                web.flush().await?;
            }
        }
        Ok(())
    }
}
