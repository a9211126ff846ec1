//! The task of one socket: the only I/O around a `Connection`. Decides nothing.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use segue_core::{Actor, Command, Position, Rejected, SessionId, Timestamp, ports::ReadLimit};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{
    Error, Message,
    error::{CapacityError, ProtocolError},
    protocol::CloseFrame,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    address::Place,
    connection::{CloseCode, Connection, Context, Fate, Fetched, Input, Output},
    hub::{Push, Subscription},
    item::Item,
    limits,
    node::{Node, Outcome},
    serve::Peer,
};

mod alarm;
mod unfinished;
mod web;

pub use web::WebSocket;

use alarm::Alarm;
use unfinished::Unfinished;

/// A close that names no code (RFC 6455, section 7.1.5).
const NO_CODE: u16 = 1005;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The frames of a socket, in and out: a web socket, or what a simulation makes of one.
pub trait Web:
    Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin
{
    /// How many bytes were taken so far to make messages of; zero where there are only messages.
    fn taken(&self) -> u64;
}

/// What a socket works with.
pub struct Socket {
    /// The door to the session.
    pub node: Arc<Node>,
    /// Which session.
    pub id: SessionId,
    /// What the client is owed.
    pub connection: Connection,
    /// Its place in the hub.
    pub subscription: Subscription,
    /// Who is at the other end.
    pub peer: Peer,
    /// Among the connections of its address, where they are counted.
    pub place: Option<Place>,
    /// The node stops: the socket is closed at a moment of its own within the second after.
    pub stop: CancellationToken,
    /// No bytes accepted for so long end the socket, in milliseconds.
    pub slow_reader_ms: u64,
    /// A message that takes longer than this to come ends the socket, in milliseconds.
    pub frame_ms: u64,
}

/// The socket is over.
enum End {
    /// The other end is gone, or said goodbye with this code.
    Gone(Option<u16>),
    /// It is closed with this code.
    Close(u16),
}

/// What is under way for a socket.
#[derive(Default)]
struct UnderWay {
    /// Decided but not begun, oldest first.
    commands: Vec<Command>,
    /// When the oldest of them came, where traces are on.
    arrived_at: Option<SystemTime>,
    executing: Option<Work<Vec<Outcome>>>,
    reading: Option<Work<Option<Fetched>>>,
}

impl UnderWay {
    /// Whether more may be read: what waits is bounded in number and in size.
    fn has_room(&self) -> bool {
        let bytes = |it: &Command| match it {
            Command::PostMessage { text, .. } => text.len(),
            _ => 0,
        };
        self.commands.len() < limits::COMMANDS_QUEUED_MAX
            && self.commands.iter().map(bytes).sum::<usize>() < limits::COMMANDS_QUEUED_BYTES_MAX
    }
}

impl Socket {
    /// Drives the socket to its end. Commands that were received are carried out even then.
    ///
    /// Not an `async fn`: that would hold its arguments twice, and this is what an idle connection costs.
    #[expect(clippy::manual_async_fn, reason = "a third smaller")]
    pub fn run<W: Web + Send>(mut self, mut web: W) -> impl Future<Output = ()> + Send {
        async move {
            let open = self.node.metrics.socket_opened();
            let mut under_way = UnderWay::default();
            let end = self.driven(&mut web, &mut under_way).await;
            match end {
                End::Close(code) => {
                    self.node.metrics.closed_by_server(code);
                    self.close(&mut web, code).await;
                }
                End::Gone(code) => self.node.metrics.closed_by_client(code),
            }
            drop(web);
            drop(open);
            // Nobody waits for what is read any more.
            under_way.reading = None;
            // Frames that came before the close count (clients, section 3.1).
            loop {
                self.begin(&mut under_way);
                let Some(executing) = under_way.executing.take() else { break };
                executing.await;
            }
            if self.subscription.is_last() {
                self.node.forget(self.id);
            }
        }
    }

    async fn driven(&mut self, web: &mut impl Web, under_way: &mut UnderWay) -> End {
        let driven = AssertUnwindSafe(self.drive(web, under_way)).catch_unwind().await;
        driven.unwrap_or_else(|_| {
            error!(session.id = %self.id, "the task of a socket of session {} panicked, the socket ends", self.id);
            // Whatever it was at may be what is broken. The client comes back and asks again.
            *under_way = UnderWay::default();
            End::Close(1011)
        })
    }

    async fn drive(&mut self, web: &mut impl Web, under_way: &mut UnderWay) -> End {
        let mut outputs = self.handle(Input::Tick);
        let mut unfinished = Unfinished::new(web.taken());
        let frame_time = Duration::from_millis(self.frame_ms);
        let mut is_stopping = false;
        let mut ended = None;
        let mut alarm = Alarm::new(Instant::now());
        let timer = tokio::time::sleep_until(Instant::now());
        tokio::pin!(timer);
        let stop = self.stop.clone();
        let stop = going_away(stop, self.node.new_id());
        tokio::pin!(stop);
        loop {
            if let Err(end) = self.carry_out(outputs, web, under_way).await {
                return end;
            }
            if let Some(end) = ended {
                // The answer to a close is on its way out already.
                return self.sent(web.flush()).await.err().unwrap_or(end);
            }
            self.begin(under_way);
            let wake_at = self.connection.wake_at();
            let wake = Duration::from_millis(wake_at.saturating_sub(self.node.now()));
            let now = Instant::now();
            if unfinished.lasts(now, web.taken()) >= frame_time {
                warn!(session.id = %self.id, "a frame does not end, its socket does");
                return End::Close(CloseCode::TryAgain.number());
            }
            if let Some(at) = alarm.moved(now, wake.min(frame_time)) {
                timer.as_mut().reset(at);
            }
            outputs = tokio::select! {
                biased;
                () = &mut stop, if !is_stopping => {
                    is_stopping = true;
                    self.handle(Input::ShuttingDown)
                }
                push = self.subscription.next() => self.take_pushes(push),
                outcomes = work(&mut under_way.executing) => self.take_outcomes(outcomes),
                fetched = work(&mut under_way.reading) => self.handle(Input::Fetched(fetched)),
                frame = web.next(), if under_way.has_room() && self.connection.has_room() => {
                    let outputs;
                    (outputs, ended) = self.take_frames(frame, web, &mut unfinished);
                    outputs
                }
                () = &mut timer => self.handle(Input::Tick),
            };
        }
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.handle_at(self.node.now(), input, &mut outputs);
        outputs
    }

    fn handle_at(&mut self, now: Timestamp, input: Input<'_>, outputs: &mut Vec<Output>) {
        let Self { node, connection, subscription, .. } = self;
        let mut gate = subscription.gate.lock();
        let mut context = Context { now, ids: &mut || node.new_id(), gate: &mut gate };
        connection.handle(input, &mut context, outputs);
        subscription.know(connection.known());
        node.metrics.take_tally(connection.tally());
    }

    /// Takes a push, and all that wait behind it: what they lead to is written together.
    fn take_pushes(&mut self, first: Push) -> Vec<Output> {
        let mut outputs = Vec::new();
        let now = self.node.now();
        let mut next = Some(first);
        while let Some(push) = next {
            match push {
                Push::Displaced => self.handle_at(now, Input::Displaced, &mut outputs),
                Push::Items(items) => self.handle_at(now, Input::Pushed(&items), &mut outputs),
                Push::Missed => self.handle_at(now, Input::Behind, &mut outputs),
                Push::Behind => {
                    self.node.metrics.push_behind();
                    self.handle_at(now, Input::Behind, &mut outputs);
                }
            }
            next = self.subscription.try_next();
        }
        outputs
    }

    fn take_outcomes(&mut self, outcomes: Vec<Outcome>) -> Vec<Output> {
        let mut outputs = Vec::new();
        let now = self.node.now();
        for outcome in outcomes {
            self.handle_at(now, Input::Executed(fate(outcome)), &mut outputs);
        }
        outputs
    }

    /// Takes a frame, and what lies behind it already: what they ask for is decided together. Says
    /// whether the socket has come to its end behind them.
    fn take_frames(
        &mut self,
        first: Option<Result<Message, Error>>,
        web: &mut impl Web,
        unfinished: &mut Unfinished,
    ) -> (Vec<Output>, Option<End>) {
        let mut outputs = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        let mut frames = 0;
        let now = self.node.now();
        while let Some(frame) = next.take() {
            frames += 1;
            match &frame {
                Some(Ok(Message::Ping(it) | Message::Pong(it))) => {
                    unfinished.take_control(it.len());
                }
                _ => unfinished.take_message(web.taken()),
            }
            if let Some(Ok(Message::Text(it))) = &frame {
                bytes += it.len();
            }
            if let Err(end) = self.take_frame(now, frame, &mut outputs) {
                return (outputs, Some(end));
            }
            if frames < limits::FRAMES_TOGETHER_MAX && bytes < limits::FRAMES_TOGETHER_BYTES {
                next = web.next().now_or_never();
            }
        }
        (outputs, None)
    }

    fn take_frame(
        &mut self,
        now: Timestamp,
        frame: Option<Result<Message, Error>>,
        outputs: &mut Vec<Output>,
    ) -> Result<(), End> {
        match frame {
            None => return Err(End::Gone(None)),
            Some(Err(error)) => return Err(end_of(&error)),
            Some(Ok(Message::Close(frame))) => {
                return Err(End::Gone(Some(frame.map_or(NO_CODE, |it| it.code.into()))));
            }
            Some(Ok(Message::Text(text))) => {
                self.subscription.see(now);
                self.handle_at(now, Input::Text(&text), outputs);
            }
            // The library makes whole messages of those that come in parts.
            Some(Ok(Message::Binary(_) | Message::Frame(_))) => {
                self.subscription.sign(now);
                self.handle_at(now, Input::Binary, outputs);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                self.subscription.sign(now);
                self.handle_at(now, Input::Sign, outputs);
            }
        }
        Ok(())
    }

    /// Feeds what is to be sent, begins what is to be done, and flushes once.
    async fn carry_out(
        &mut self,
        outputs: Vec<Output>,
        web: &mut impl Web,
        under_way: &mut UnderWay,
    ) -> Result<(), End> {
        let mut is_fed = false;
        for output in outputs {
            match output {
                Output::Send(frame) => {
                    is_fed = true;
                    self.node.metrics.frame_sent();
                    self.sent(web.feed(Message::Text(frame))).await?;
                }
                Output::Ping => {
                    is_fed = true;
                    self.sent(web.feed(Message::Ping(bytes::Bytes::new()))).await?;
                }
                Output::Fetch { after, limit } => {
                    let (node, id) = (Arc::clone(&self.node), self.id);
                    under_way.reading =
                        Some(Box::pin(async move { read(&node, id, after, limit).await }));
                }
                Output::Execute(command) => {
                    let traces = &self.node.traces;
                    under_way.arrived_at = under_way.arrived_at.or_else(|| traces.clock());
                    under_way.commands.push(command);
                }
                Output::Close(code) => return Err(End::Close(code.number())),
            }
        }
        // Pongs that are due go out with it.
        if is_fed { self.sent(web.flush()).await } else { Ok(()) }
    }

    /// Begins to execute the commands that wait, all of them together.
    fn begin(&self, under_way: &mut UnderWay) {
        if under_way.executing.is_some() || under_way.commands.is_empty() {
            return;
        }
        let commands = std::mem::take(&mut under_way.commands);
        let (node, id) = (Arc::clone(&self.node), self.id);
        let work = async move { node.execute(id, Actor::User, &commands).await };
        let arrived_at = under_way.arrived_at.take();
        under_way.executing = Some(self.node.traces.received(arrived_at, work));
    }

    /// Waits for a write as long as the other end accepts anything at all.
    async fn sent(&self, write: impl Future<Output = Result<(), Error>>) -> Result<(), End> {
        tokio::pin!(write);
        // Mostly there is room, and nobody has to look at a clock.
        if let Some(done) = write.as_mut().now_or_never() {
            return self.done(done);
        }
        loop {
            let written = self.peer.written();
            let patience = Duration::from_millis(self.slow_reader_ms);
            match tokio::time::timeout(patience, &mut write).await {
                Ok(done) => return self.done(done),
                Err(_) if self.peer.written() > written => {}
                Err(_) => {
                    warn!(session.id = %self.id, "a reader of session {} is too slow, its socket ends", self.id);
                    return Err(End::Close(CloseCode::TryAgain.number()));
                }
            }
        }
    }

    fn done(&self, written: Result<(), Error>) -> Result<(), End> {
        written.map_err(|error| {
            debug!(session.id = %self.id, %error, "a socket cannot be written to");
            End::Gone(None)
        })
    }

    /// Says goodbye and waits a while for the answer.
    async fn close(&self, web: &mut impl Web, code: u16) {
        self.peer.linger();
        if !goodbye(web, code, self.stop.is_cancelled()).await {
            debug!(session.id = %self.id, code, "a close was not answered");
        }
    }
}

/// Whether the other end has answered the close.
async fn goodbye(web: &mut impl Web, code: u16, is_stopping: bool) -> bool {
    // Some clients open the next socket before they look after this one; when the server stops,
    // everybody waits for the next process meanwhile.
    let patience_ms =
        if is_stopping { limits::STOP_CLOSE_ANSWER_MS } else { limits::CLOSE_ANSWER_MS };
    let frame = CloseFrame { code: code.into(), reason: reason(code).into() };
    let answered = async {
        web.send(Message::Close(Some(frame))).await?;
        while let Some(Ok(_)) = web.next().await {}
        Ok::<(), Error>(())
    };
    let patience = Duration::from_millis(patience_ms);
    matches!(tokio::time::timeout(patience, answered).await, Ok(Ok(())))
}

/// The result of work that is under way; waits for ever while there is none.
async fn work<T>(slot: &mut Option<Work<T>>) -> T {
    match slot {
        Some(work) => {
            let done = work.await;
            *slot = None;
            done
        }
        None => std::future::pending().await,
    }
}

/// The moment at which this socket goes when the node stops. Not all at once: clients come back
/// as they went.
async fn going_away(stop: CancellationToken, random: u128) {
    stop.cancelled().await;
    let after_ms = u64::try_from(random % u128::from(limits::GOING_AWAY_SPREAD_MS)).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(after_ms)).await;
}

async fn read(node: &Node, id: SessionId, after: Position, limit: ReadLimit) -> Option<Fetched> {
    match node.store.read(id, after, limit).await {
        Ok(page) => {
            Some(Fetched { items: page.entries.iter().map(Item::new).collect(), more: page.more })
        }
        Err(error) => {
            warn!(session.id = %id, %error, "cannot read session {id}: {error}");
            None
        }
    }
}

fn fate(outcome: Outcome) -> Fate {
    match outcome {
        Outcome::Recorded { last } => Fate::Recorded(last),
        Outcome::Duplicate(entry) => Fate::Duplicate(Item::new(&entry)),
        Outcome::Rejected(rejected) => Fate::Rejected(rejected),
        Outcome::NotFound => Fate::Rejected(Rejected::Ended),
        Outcome::Taken | Outcome::Unavailable => Fate::Unavailable,
    }
}

/// What a broken socket is closed with: the library says it, but does not send it.
fn end_of(error: &Error) -> End {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => End::Close(1009),
        Error::Utf8(_) => End::Close(1007),
        Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake
            | ProtocolError::SendAfterClosing
            | ProtocolError::ReceivedAfterClosing,
        ) => End::Gone(None),
        Error::Protocol(_) => End::Close(1002),
        _ => End::Gone(None),
    }
}

fn reason(code: u16) -> &'static str {
    match code {
        1000 => "session ended",
        1001 => "going away",
        1002 => "protocol error",
        1007 => "invalid UTF-8",
        1009 => "frame too large",
        1011 => "internal error",
        1013 => "try again later",
        4002 => "idle",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
