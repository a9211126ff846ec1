//! The wire between a client and the real socket task: frames in, frames out, cut without a word,
//! swallowed by a hole, or not read. Watches what leaves the node.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::{Sink, Stream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use segue_server::socket::Web;

use crate::{
    frames::{Frame, parse},
    store::Life,
    talk::Talk,
    world::World,
};

/// What a client hears.
#[derive(Debug)]
pub enum Heard {
    Frame(Utf8Bytes),
    Ping,
    Closed(u16),
    /// The upgrade was refused.
    Refused(&'static str),
}

/// What happens to a wire from outside.
#[derive(Debug, Default)]
pub struct Trouble {
    /// Frames on their way to the node are lost, and the socket is gone.
    pub cut: AtomicBool,
    /// Nothing gets through any more, and nobody is told.
    pub hole: AtomicBool,
    /// The client reads no more.
    pub stalled: AtomicBool,
}

/// The client's end.
pub struct Link {
    pub to_node: mpsc::UnboundedSender<Message>,
    pub from_node: mpsc::UnboundedReceiver<Heard>,
    pub trouble: Arc<Trouble>,
}

/// The node's end.
pub struct SimWeb {
    pub world: Arc<World>,
    pub life: Arc<Life>,
    pub talk: Arc<Talk>,
    pub from_client: mpsc::UnboundedReceiver<Message>,
    pub to_client: mpsc::UnboundedSender<Heard>,
    pub trouble: Arc<Trouble>,
    fed: Vec<Message>,
    watch: Watch,
}

/// What has left the node over this wire.
#[derive(Debug, Default)]
struct Watch {
    /// The client claims to have the end, or was sent it then.
    end_at_ms: Option<u64>,
    is_closed: bool,
}

impl SimWeb {
    pub fn pair(world: &Arc<World>, life: &Arc<Life>, talk: &Arc<Talk>) -> (Self, Link) {
        let (to_node, from_client) = mpsc::unbounded_channel();
        let (to_client, from_node) = mpsc::unbounded_channel();
        let trouble = Arc::<Trouble>::default();
        let web = Self {
            world: Arc::clone(world),
            life: Arc::clone(life),
            talk: Arc::clone(talk),
            from_client,
            to_client,
            trouble: Arc::clone(&trouble),
            fed: Vec::new(),
            watch: Watch::default(),
        };
        (web, Link { to_node, from_node, trouble })
    }

    fn is(&self, trouble: fn(&Trouble) -> &AtomicBool) -> bool {
        trouble(&self.trouble).load(Ordering::Relaxed)
    }

    fn watch(&mut self, message: &Message) {
        match message {
            Message::Text(text) => self.watch_text(text),
            Message::Close(frame) => {
                self.watch.is_closed = true;
                if let Some(code) = frame.as_ref().map(|it| u16::from(it.code))
                    && is_end(code)
                {
                    self.watch_end(code);
                }
            }
            _ => {}
        }
    }

    /// Commit, then tell: nothing leaves about an entry that is not in the log.
    fn watch_text(&mut self, text: &Utf8Bytes) {
        let frame = match parse(text) {
            Ok(frame) => frame,
            Err(error) => return self.world.violated(format!("unreadable frame: {error}: {text}")),
        };
        let events: Vec<Frame<'_>> = frame.events();
        for event in &events {
            if event.sequence.is_some() && !self.world.is_committed(self.talk.id, event.id) {
                let (id, kind) = (event.id, event.kind);
                self.world.violated(format!("{kind} {id} was sent before it was committed"));
            }
            if event.is("SESSION_END") {
                self.watch.end_at_ms.get_or_insert(self.world.ms());
            }
        }
    }

    /// Such a close comes two seconds after the end was sent, and only then, with the code that fits.
    fn watch_end(&mut self, code: u16) {
        let now_ms = self.world.ms();
        if !self.world.has_ended(self.talk.id) {
            self.world.violated(format!("closed with {code} while the session lives"));
        }
        if (code == 4001) != self.world.is_revoked(self.talk.id) {
            self.world.violated(format!("closed with {code} behind another end"));
        }
        if let Some(end_at_ms) = self.watch.end_at_ms {
            let after_ms = now_ms - end_at_ms;
            if !(1_995..=2_010).contains(&after_ms) {
                self.world.violated(format!("closed with {code} {after_ms} ms after the end"));
            }
        }
    }
}

/// Whether a socket that is closed with this code belongs to a session that has ended.
pub fn is_end(code: u16) -> bool {
    code == 1000 || code == 4001
}

impl Web for SimWeb {
    fn taken(&self) -> u64 {
        0
    }
}

impl Stream for SimWeb {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is(|it| &it.cut) {
            return Poll::Ready(None);
        }
        let next = self.from_client.poll_recv(context);
        if self.is(|it| &it.cut) {
            return Poll::Ready(None);
        }
        if self.is(|it| &it.hole) {
            return Poll::Pending;
        }
        if let Poll::Ready(Some(Message::Text(_))) = &next {
            self.world.heard(&self.life, &self.talk);
        }
        next.map(|it| it.map(Ok))
    }
}

impl Sink<Message> for SimWeb {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.is(|it| &it.stalled) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Self::Error> {
        self.fed.push(message);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.is(|it| &it.stalled) {
            return Poll::Pending;
        }
        for message in std::mem::take(&mut self.fed) {
            self.watch(&message);
            if self.is(|it| &it.hole) {
                continue;
            }
            let heard = match message {
                Message::Text(text) => Heard::Frame(text),
                Message::Ping(_) => Heard::Ping,
                Message::Close(frame) => Heard::Closed(frame.map_or(1005, |it| it.code.into())),
                Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => continue,
            };
            if self.is(|it| &it.cut) || self.to_client.send(heard).is_err() {
                return Poll::Ready(Err(Error::ConnectionClosed));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimWeb {
    fn drop(&mut self) {
        let is_troubled = self.is(|it| &it.cut)
            || self.is(|it| &it.hole)
            || self.is(|it| &it.stalled)
            || self.life.is_dead()
            || self.world.is_stopping(&self.life)
            || self.to_client.is_closed();
        if is_troubled || self.watch.is_closed {
            return;
        }
        if self.watch.end_at_ms.is_some() {
            self.world.violated("a socket that was sent the end was not closed".to_owned());
        }
    }
}
