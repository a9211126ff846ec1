//! Sockets of one node that hear nothing, on a clock that tokio moves, while another node writes.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use async_trait::async_trait;
use futures_util::{Sink, Stream};
use parking_lot::Mutex;
use segue_core::{
    Actor, BotProfile, Command, ConnectorId, Entry, Facts, NodeId, Position, Sequence, Session,
    SessionsMax, TokenId,
    ports::{Broker, Store},
};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::*;
use crate::{
    connection::Connection,
    hub::Admission,
    limits::Limits,
    node::{Outcome, Sources},
    rates::SessionGate,
    serve::Peer,
    socket::{Socket, Web},
};

mod store;

use store::CountingStore;

/// Loses everything.
struct Deaf;

#[async_trait]
impl Broker for Deaf {
    async fn publish(&self, _: SessionId, _: Arc<[Entry]>) {}
}

/// When a client was sent each of its frames, in milliseconds since its world began.
type SentAt = Arc<Mutex<Vec<u64>>>;

/// The socket of a client that says nothing at all.
struct Silent {
    began: Instant,
    sent_at: SentAt,
}

impl Web for Silent {
    fn taken(&self) -> u64 {
        0
    }
}

impl Stream for Silent {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl Sink<Message> for Silent {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: Message) -> Result<(), Error> {
        self.sent_at.lock().push(since(self.began));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}

fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap()
}

/// A node with a lookout, and another one of which it hears nothing, over one store.
struct World {
    began: Instant,
    store: Arc<CountingStore>,
    hub: Arc<Hub>,
    node: Arc<Node>,
    other: Arc<Node>,
}

impl World {
    fn new() -> Self {
        let began = Instant::now();
        let ids = Arc::new(AtomicU64::new(1));
        let sources = Sources {
            now: Arc::new(move || since(began)),
            new_id: Arc::new(move || u128::from(ids.fetch_add(1, Ordering::Relaxed))),
        };
        let store = Arc::<CountingStore>::default();
        let node = |number| {
            let store = Arc::clone(&store) as Arc<dyn Store>;
            let (broker, sources) = (Arc::new(Deaf), sources.clone());
            Arc::new(Node::new(NodeId(number), store, broker, sources, Arc::default()))
        };
        let (node, other) = (node(1), node(2));
        let hub = Arc::<Hub>::default();
        let lookout = Lookout::new(&node, &hub);
        tokio::spawn(lookout.run(CancellationToken::new()));
        Self { began, store, hub, node, other }
    }

    async fn create(&self, number: u128) -> SessionId {
        let facts = Facts {
            connector: ConnectorId("demo".into()),
            token: TokenId("token".into()),
            expires_at: 82_800_000,
            streaming: true,
            platform: "web".into(),
            device_type: None,
            user_agent: None,
            language: None,
            variant_id: None,
            integration_attributes: None,
        };
        let id = SessionId(number);
        let start = Command::Start { expire_at: 660_000, sessions_max: SessionsMax::default() };
        let created = self.other.create(Session::new(id, Arc::new(facts)), start).await;
        assert_eq!(created, Outcome::Recorded { last: Position(1) });
        id
    }

    /// A connection to the node that listens and says nothing. Tells when it was sent something.
    async fn listen(&self, id: SessionId) -> SentAt {
        let limits = Limits {
            connection_idle_seconds: 3_600,
            ping_after_seconds: 3_600,
            ..Limits::default()
        };
        let admission = Admission { connections_max: 10, displace_after_ms: 0 };
        let now = self.node.now();
        let subscription =
            self.hub.subscribe(now, id, admission, || SessionGate::new(5, 20)).unwrap();
        let session = self.node.load(id).await.unwrap().unwrap();
        let (bot, cursor) = (BotProfile::default(), Sequence(0));
        let connection =
            Connection::open(now, Arc::new(limits), bot, &session, cursor, Position(0));
        let socket = Socket {
            node: Arc::clone(&self.node),
            id,
            connection,
            subscription,
            peer: Peer::new(SocketAddr::from(([127, 0, 0, 1], 1))),
            place: None,
            stop: CancellationToken::new(),
            slow_reader_ms: 10_000,
            frame_ms: 60_000,
        };
        let sent_at = SentAt::default();
        let web = Silent { began: self.began, sent_at: Arc::clone(&sent_at) };
        tokio::spawn(socket.run(web));
        sent_at
    }

    /// Ends a session on the other node: one entry, of which this one hears nothing.
    async fn end(&self, id: SessionId) {
        let end = [Command::End { custom: None }];
        let outcome = self.other.execute(id, Actor::User, &end).await.remove(0);
        assert!(matches!(outcome, Outcome::Recorded { .. }), "{outcome:?}");
    }

    async fn run_until(&self, ms: u64) {
        tokio::time::sleep_until(self.began + Duration::from_millis(ms)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_hear_nothing_cost_one_question_for_all_of_them() {
    let world = World::new();
    for number in 1..=50 {
        let id = world.create(number).await;
        let sent_at = world.listen(id).await;
        world.run_until(world.node.now() + 10).await;
        assert_eq!(sent_at.lock().len(), 1, "the first batch");
    }
    world.store.asked();
    world.run_until(10 * 60_000 + 5_000).await;
    // And where nothing was said since the last one, only whether something was.
    assert_eq!(world.store.asked(), [("heads", 1), ("log_end", 20)]);
    assert_eq!(world.hub.connections(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_last_push_that_got_lost_is_found_by_a_look() {
    let world = World::new();
    let (hit, spared) = (world.create(1).await, world.create(2).await);
    let listeners = [world.listen(hit).await, world.listen(hit).await];
    let others = world.listen(spared).await;
    world.run_until(31_000).await;
    world.end(hit).await;
    world.store.asked();
    world.run_until(62_000).await;
    for sent_at in listeners {
        let found_at = sent_at.lock()[1];
        let expected_at = 2 * limits::LOOK_INTERVAL_MS + limits::ENTRY_ON_ITS_WAY_MS;
        assert!((expected_at..expected_at + 10).contains(&found_at), "{found_at}");
    }
    // Two connections, and nobody else.
    assert_eq!(world.store.asked(), [("heads", 1), ("log_end", 1), ("read", 2)]);
    assert_eq!(others.lock().len(), 1);
}

/// A busy node always has a push that its connection does not have yet.
#[tokio::test(start_paused = true)]
async fn a_push_that_is_on_its_way_is_not_read() {
    let world = World::new();
    let id = world.create(1).await;
    let sent_at = world.listen(id).await;
    world.run_until(29_990).await;
    world.end(id).await;
    let all = segue_core::ports::ReadLimit { entries: 10, bytes: usize::MAX };
    let entries = world.store.read(id, Position(1), all).await.unwrap().entries;
    world.store.asked();
    world.run_until(30_100).await;
    world.hub.deliver(id, &entries);
    world.run_until(31_000).await;
    assert_eq!(world.store.asked(), [("heads", 1), ("log_end", 1)]);
    assert_eq!(sent_at.lock()[1..], vec![30_100; entries.len()]);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_failed_is_soon_followed_by_another() {
    let world = World::new();
    let id = world.create(1).await;
    let sent_at = world.listen(id).await;
    world.run_until(20_000).await;
    world.end(id).await;
    world.store.set_blind(true);
    world.store.asked();
    // The pauses are 250, 500, 1,000, 2,000, and then 4,000 ms each.
    world.run_until(46_000).await;
    assert_eq!(world.store.asked(), [("heads", 8), ("log_end", 8)]);
    world.store.set_blind(false);
    world.run_until(51_000).await;
    let found_at = sent_at.lock()[1];
    assert!((46_000..50_250).contains(&found_at), "{found_at}");
    world.store.asked();
    // Then as seldom as ever.
    world.run_until(51_000 + 60_000).await;
    assert_eq!(world.store.asked(), [("log_end", 2)]);
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_once_the_node_stops() {
    let world = World::new();
    let stop = CancellationToken::new();
    let lookout = Lookout::new(&world.node, &world.hub);
    stop.cancel();
    lookout.run(stop).await;
    assert_eq!(since(world.began), 0);
}
