//! One socket of a session, over and over: a client that comes back, sends again what nobody
//! confirmed, and checks every frame.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{net::TcpStream, time::Instant};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message},
};

use crate::{
    client,
    dice::Dice,
    ledger::{Broken, ends_turn, kind, local_id, sequence_of},
    world::{Phase, Session, World, count},
};

/// A socket of a session.
pub type Web = WebSocketStream<TcpStream>;

/// A client with one socket at a time.
pub struct User {
    world: Arc<World>,
    session: usize,
    name: &'static str,
    dice: Dice,
    /// Said and not confirmed: key and text.
    outbox: BTreeMap<String, String>,
    said: u64,
    /// Up to here it has everything.
    cursor: Option<u64>,
    /// It has ended the session, or wants to.
    ends: bool,
}

/// One connection, and what it has the right to expect.
struct Connection {
    web: Web,
    /// The newest sequence that came; `None` before the first batch.
    newest: Option<u64>,
    cursor: Option<u64>,
    /// Keys that it has sent: their echoes may come again.
    sent: BTreeSet<String>,
    /// The bot is at work, and has said so.
    is_thinking: bool,
}

/// Why a connection is over.
enum Over {
    /// Lost, closed by the server, or dropped on purpose.
    Lost,
    /// The session has ended and was closed.
    Ended,
    /// The round is over.
    Round,
    /// Something is wrong.
    Broken(Broken),
}

impl From<Broken> for Over {
    fn from(broken: Broken) -> Self {
        Over::Broken(broken)
    }
}

impl From<tungstenite::Error> for Over {
    fn from(_: tungstenite::Error) -> Self {
        Over::Lost
    }
}

impl User {
    /// The client of this name of the session with this number.
    pub fn new(world: Arc<World>, session: usize, name: &'static str, dice: Dice) -> Self {
        Self {
            world,
            session,
            name,
            dice,
            outbox: BTreeMap::new(),
            said: 0,
            cursor: None,
            ends: false,
        }
    }

    /// Comes back until the session or the round is over.
    pub async fn run(mut self) {
        let world = Arc::clone(&self.world);
        loop {
            let over = match self.open().await {
                Ok(connection) => self.talk(connection).await,
                Err(over) => over,
            };
            match over {
                Over::Lost => {}
                Over::Round => break,
                Over::Ended => {
                    // What was not confirmed by now never will be; the log tells what became of it.
                    let left = self.outbox.len() as u64;
                    world.counts.unacknowledged.fetch_sub(left, Ordering::Relaxed);
                    world.moved.notify_one();
                    break;
                }
                Over::Broken(broken) => {
                    world.report(self.session(), &format!("{}: {broken}", self.name));
                    break;
                }
            }
        }
    }

    fn session(&self) -> &Session {
        &self.world.sessions[self.session]
    }

    async fn open(&mut self) -> Result<Connection, Over> {
        let world = Arc::clone(&self.world);
        if world.phase() == Phase::Over {
            return Err(Over::Round);
        }
        // Most wait until there is somebody; the others knock at a closed door.
        if self.dice.below(50) > 0 {
            let mut is_up = world.is_up.subscribe();
            let mut phase = world.phase.subscribe();
            tokio::select! {
                up = is_up.wait_for(|it| *it) => drop(up),
                over = phase.wait_for(|it| *it == Phase::Over) => drop(over),
            }
        }
        let is_cold = self.dice.below(6) == 0;
        let cursor = if is_cold { None } else { self.cursor };
        let path = client::socket_path(&self.session().id, &self.session().token, cursor);
        let web = match TcpStream::connect(world.address).await {
            Ok(tcp) => upgrade(tcp, &path).await,
            Err(error) => Err(error.into()),
        };
        match web {
            Ok(web) => {
                count(&world.counts.opened);
                if is_cold && self.cursor.is_some() {
                    count(&world.counts.cold);
                }
                let sent = BTreeSet::new();
                Ok(Connection { web, newest: None, cursor, sent, is_thinking: false })
            }
            Err(tungstenite::Error::Http(answer)) => {
                Err(Over::Broken(format!("the upgrade was refused: {answer:?}")))
            }
            Err(_) => {
                count(&world.counts.in_vain);
                // A client that is refused waits a little: the load, not a test that waits.
                tokio::time::sleep(Duration::from_millis(20 + self.dice.below(50))).await;
                Err(Over::Lost)
            }
        }
    }

    async fn talk(&mut self, mut connection: Connection) -> Over {
        let over = match self.converse(&mut connection).await {
            Ok(never) => match never {},
            Err(over) => over,
        };
        if let Some(newest) = connection.newest {
            self.cursor = Some(self.cursor.unwrap_or(0).max(newest));
        }
        over
    }

    async fn converse(
        &mut self,
        connection: &mut Connection,
    ) -> Result<std::convert::Infallible, Over> {
        let world = Arc::clone(&self.world);
        let mut phase = world.phase.subscribe();
        phase.mark_changed();
        self.say_again(connection).await?;
        let mut next = self.pause();
        loop {
            tokio::select! {
                frame = connection.web.next() => self.take(connection, frame).await?,
                _ = phase.changed() => if *phase.borrow_and_update() == Phase::Over {
                    return Err(Over::Round);
                },
                // People type with pauses: the load, not a test that waits.
                () = tokio::time::sleep_until(next) => {
                    next = self.pause();
                    match world.phase() {
                        Phase::Load => self.act(connection).await?,
                        Phase::Quiet => self.say_again(connection).await?,
                        Phase::Over => return Err(Over::Round),
                    }
                }
            }
        }
    }

    fn pause(&mut self) -> Instant {
        Instant::now() + Duration::from_millis(150 + self.dice.below(1_200))
    }

    // ---------------------------------------------------------------------------------- say

    async fn act(&mut self, connection: &mut Connection) -> Result<(), Over> {
        match self.dice.below(100) {
            // A finger that slips: the same message twice.
            0..5 => {
                let key = self.say(connection).await?;
                self.send(connection, &key).await
            }
            5..10 => send(connection, client::plain("REQUEST_POLY_AGENT_JOIN")).await,
            // A retry of what was confirmed long ago, here or on the other socket.
            10..16 => {
                let latest = self.session().latest.lock().clone();
                let Some((key, text)) = latest else { return Ok(()) };
                count(&self.world.counts.shared_keys);
                connection.sent.insert(key.clone());
                send(connection, client::user_message(&text, &key)).await
            }
            16..20 => send(connection, client::plain("HEARTBEAT")).await,
            20..23 => Err(Over::Lost),
            23..25 => {
                self.ends = true;
                self.session().ledger.lock().is_end_asked = true;
                send(connection, client::plain("USER_END_SESSION")).await
            }
            _ => self.say(connection).await.map(drop),
        }
    }

    async fn say(&mut self, connection: &mut Connection) -> Result<String, Over> {
        self.said += 1;
        let key = format!("{}-{}", self.name, self.said);
        let text = format!("{key}: is the blue kettle back? {}", self.dice.any());
        self.session().ledger.lock().sent.insert(key.clone());
        *self.session().latest.lock() = Some((key.clone(), text.clone()));
        self.outbox.insert(key.clone(), text);
        self.world.counts.unacknowledged.fetch_add(1, Ordering::Relaxed);
        self.send(connection, &key).await?;
        self.world.counts.has_sent.store(true, Ordering::Relaxed);
        self.world.moved.notify_one();
        Ok(key)
    }

    async fn send(&mut self, connection: &mut Connection, key: &str) -> Result<(), Over> {
        let Some(text) = self.outbox.get(key) else { return Ok(()) };
        let frame = client::user_message(text, key);
        connection.sent.insert(key.to_owned());
        send(connection, frame).await
    }

    /// Asks for the bot where nobody did, and sends what nobody confirmed, under the same key.
    async fn say_again(&mut self, connection: &mut Connection) -> Result<(), Over> {
        let is_joined = self.session().ledger.lock().newest() > 1;
        if !is_joined {
            send(connection, client::plain("REQUEST_POLY_AGENT_JOIN")).await?;
        }
        if self.ends {
            send(connection, client::plain("USER_END_SESSION")).await?;
        }
        let keys: Vec<String> = self.outbox.keys().cloned().collect();
        for key in keys {
            count(&self.world.counts.sent_again);
            self.send(connection, &key).await?;
        }
        Ok(())
    }

    // --------------------------------------------------------------------------------- hear

    async fn take(
        &mut self,
        connection: &mut Connection,
        frame: Option<Result<Message, tungstenite::Error>>,
    ) -> Result<(), Over> {
        let text = match frame {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(close))) => {
                let code = close.map_or(1005, |it| u16::from(it.code));
                return Err(self.closed(code));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return Ok(()),
            Some(Ok(Message::Binary(bytes))) => {
                return Err(Over::Broken(format!("a binary frame of {} bytes", bytes.len())));
            }
            Some(Err(_)) | None => return Err(Over::Lost),
        };
        count(&self.world.counts.frames);
        let frame: Value = serde_json::from_str(&text).map_err(|it| format!("{it} in {text}"))?;
        let refused = self.hear(connection, &frame)?;
        self.world.moved.notify_one();
        if refused == Some("conversation_not_found") {
            // The JOIN was lost with the server; existing clients ask again.
            send(connection, client::plain("REQUEST_POLY_AGENT_JOIN")).await?;
        }
        Ok(())
    }

    fn closed(&self, code: u16) -> Over {
        match code {
            1000 if self.session().ledger.lock().is_ended => Over::Ended,
            1001 | 1013 => Over::Lost,
            _ => Over::Broken(format!("closed with {code}")),
        }
    }

    /// Takes a frame; the code of a refusal, if it is one.
    fn hear<'a>(
        &mut self,
        connection: &mut Connection,
        frame: &'a Value,
    ) -> Result<Option<&'a str>, Broken> {
        if kind(frame) == "EVENT_BATCH" {
            let events = frame["payload"]["events"].as_array().ok_or("a batch without events")?;
            for event in events {
                self.hear_event(connection, event, true)?;
            }
            return Ok(None);
        }
        if connection.newest.is_none() {
            return Err(format!("the first frame is {frame}"));
        }
        if sequence_of(frame).is_some() {
            self.hear_event(connection, frame, false)?;
            return Ok(None);
        }
        match kind(frame) {
            "POLY_AGENT_THINKING" if connection.is_thinking => {
                Err("told twice that the bot is thinking, in one turn".to_owned())
            }
            "POLY_AGENT_THINKING" => {
                connection.is_thinking = true;
                Ok(None)
            }
            "HEARTBEAT" | "REQUEST_POLY_AGENT_JOIN" => Ok(None),
            "SYSTEM_MESSAGE" => self.refused(frame),
            _ => Err(format!("an event without a sequence: {frame}")),
        }
    }

    /// The end may be in the log before anybody has been told of it.
    fn may_have_ended(&self) -> bool {
        let ledger = self.session().ledger.lock();
        ledger.is_ended || ledger.is_end_asked
    }

    /// A refusal. All but one are answered by sending again later.
    fn refused<'a>(&mut self, frame: &'a Value) -> Result<Option<&'a str>, Broken> {
        let code = frame["payload"]["code"].as_str().ok_or("a refusal without a code")?;
        match code {
            "conversation_not_found" | "unavailable" | "rate_limited" => Ok(Some(code)),
            "session_not_found" if self.may_have_ended() => Ok(Some(code)),
            _ => Err(format!("refused: {frame}")),
        }
    }

    fn hear_event(
        &mut self,
        connection: &mut Connection,
        event: &Value,
        is_batch: bool,
    ) -> Result<(), Broken> {
        let sequence = sequence_of(event).ok_or_else(|| format!("no sequence: {event}"))?;
        let newest = connection.newest;
        match (newest, connection.cursor) {
            (None, _) if sequence != 1 => return Err(format!("the replay begins with {event}")),
            // The first event is repeated whatever the cursor says; the rest follows the cursor.
            (None, cursor) => connection.newest = Some(cursor.unwrap_or(0).max(1)),
            (Some(newest), _) if sequence == newest + 1 => connection.newest = Some(sequence),
            (Some(newest), _) => {
                let key = local_id(event);
                let is_asked_for = key.is_some_and(|it| connection.sent.contains(it));
                if is_batch || sequence > newest || !is_asked_for {
                    return Err(format!("{sequence} came after {newest}: {event}"));
                }
                count(&self.world.counts.duplicates);
            }
        }
        let mut ledger = self.session().ledger.lock();
        let was_open = ledger.is_stream_open;
        ledger.see(event)?;
        if ledger.is_stream_open && !was_open {
            self.world.counts.has_stream.store(true, Ordering::Relaxed);
        }
        drop(ledger);
        if ends_turn(event) {
            connection.is_thinking = false;
        }
        if let Some(key) = local_id(event)
            && self.outbox.remove(key).is_some()
        {
            count(&self.world.counts.acknowledged);
            self.world.counts.unacknowledged.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn send(connection: &mut Connection, frame: String) -> Result<(), Over> {
    connection.web.send(Message::text(frame)).await?;
    Ok(())
}

/// Asks for a socket over this connection.
pub async fn upgrade(tcp: TcpStream, path: &str) -> Result<Web, tungstenite::Error> {
    tcp.set_nodelay(true)?;
    let (web, _) = client_async(format!("ws://{}{path}", client::HOST), tcp).await?;
    Ok(web)
}
