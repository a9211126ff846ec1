//! The workers of a node over the memory store, on a clock that tokio moves. The fixture serves the
//! tests of turns as well.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use segue_core::{
    BotProfile, ConnectorId, EndReason, Entry, Event, Facts, MessageId, NodeId, Output, Position,
    Session, SessionsMax, TokenId,
    ports::{Answer, Bot, BotError, ReadLimit, Store, TurnRequest},
};
use segue_store::MemoryStore;
use tokio::{sync::Notify, task::JoinHandle};

use super::*;
use crate::{
    broker::LocalBroker,
    config::BotId,
    connectors::{ConfiguredBot, ConnectorState},
    directory::{Changes, NewConnector},
    hub::{Admission, Subscription},
    limits::BotLimits,
    node::Sources,
    rates::SessionGate,
    secrets::SecretsKey,
};

pub(crate) const ID: SessionId = SessionId(1);
const START: Timestamp = 1_000_000_000;
pub(crate) const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

fn demo() -> ConnectorId {
    ConnectorId("demo".into())
}

/// One thing that the bot of these tests does, in its order.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// It refuses the request, or breaks off.
    Fails,
    /// It waits so many milliseconds.
    Waits(u64),
    /// It gives a piece of text.
    Says(&'static str),
    /// It gives a piece of text every so many milliseconds, for ever.
    Drones(u64),
}

/// A bot that does what it was told, one list for each request.
pub(crate) struct ScriptedBot {
    began: Instant,
    scripts: Mutex<VecDeque<Vec<Act>>>,
    /// When it was asked, in milliseconds since the start.
    asked_at: Mutex<Vec<u64>>,
}

struct Scripted(VecDeque<Act>);

#[async_trait]
impl Bot for ScriptedBot {
    async fn answer(&self, _: &TurnRequest) -> Result<Box<dyn Answer>, BotError> {
        self.asked_at.lock().push(since(self.began));
        let script = self.scripts.lock().pop_front().expect("nobody asks more often");
        Ok(Box::new(Scripted(script.into())))
    }
}

#[async_trait]
impl Answer for Scripted {
    async fn next(&mut self) -> Result<Option<Output>, BotError> {
        loop {
            match self.0.front().cloned() {
                None => return Ok(None),
                Some(Act::Fails) => return Err(BotError::Failed("as told".into())),
                Some(Act::Waits(ms)) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    self.0.pop_front();
                }
                Some(Act::Says(text)) => {
                    self.0.pop_front();
                    return Ok(Some(Output::Text(text.into())));
                }
                Some(Act::Drones(ms)) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    return Ok(Some(Output::Text("and on ".into())));
                }
            }
        }
    }
}

fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap()
}

/// A store, the nodes that come and go over it, and one session.
pub(crate) struct World {
    store: Arc<MemoryStore>,
    pub(crate) bot: Arc<ScriptedBot>,
    limits: Limits,
    pub(crate) began: Instant,
    pub(crate) node: Option<Running>,
}

/// A node with its workers.
pub(crate) struct Running {
    pub(crate) node: Arc<Node>,
    pub(crate) hub: Arc<Hub>,
    connectors: Arc<Directory>,
    stop: CancellationToken,
    workers: JoinHandle<()>,
}

impl World {
    /// One node that runs, one session that has just started.
    pub(crate) async fn new(expires_after_ms: u64) -> Self {
        let began = Instant::now();
        let bot = ScriptedBot { began, scripts: Mutex::default(), asked_at: Mutex::default() };
        let mut world = Self {
            store: Arc::default(),
            bot: Arc::new(bot),
            limits: Limits::default(),
            began,
            node: None,
        };
        world.start_node().await;
        let facts = Facts {
            connector: ConnectorId("demo".into()),
            token: TokenId("token".into()),
            expires_at: START + expires_after_ms,
            streaming: true,
            platform: "web".into(),
            device_type: None,
            user_agent: None,
            language: None,
            variant_id: None,
            integration_attributes: None,
        };
        let expire_at = START + world.limits.idle_seconds * SECOND;
        let start = Command::Start { expire_at, sessions_max: SessionsMax::default() };
        let created = world.node().node.create(Session::new(ID, Arc::new(facts)), start).await;
        assert_eq!(created, Outcome::Recorded { last: Position(1) });
        world
    }

    pub(crate) fn node(&self) -> &Running {
        self.node.as_ref().expect("a node runs")
    }

    pub(crate) async fn start_node(&mut self) {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let began = self.began;
        let sources = Sources {
            now: Arc::new(move || START + since(began)),
            new_id: Arc::new(|| u128::from(IDS.fetch_add(1, Ordering::Relaxed))),
        };
        let hub = Arc::<Hub>::default();
        let broker = Arc::new(LocalBroker(Arc::clone(&hub)));
        let node_id = NodeId((sources.new_id)());
        let store = Arc::clone(&self.store) as Arc<dyn Store>;
        let connectors = Arc::new(self.connectors(&sources).await);
        let node = Arc::new(Node::new(node_id, store, broker, sources, Arc::default()));
        let workers =
            Workers::start(Arc::clone(&node), Arc::clone(&hub), Arc::clone(&connectors)).await;
        let workers = Arc::new(workers.unwrap());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let workers = tokio::spawn(async move { workers.run(stopped, Duration::ZERO).await });
        self.node = Some(Running { node, hub, connectors, stop, workers });
    }

    pub(crate) async fn stop_node(&mut self) {
        let Running { stop, workers, .. } = self.node.take().expect("a node runs");
        stop.cancel();
        workers.await.unwrap();
    }

    /// The connector of the session is a stored one, as the store has it by now.
    async fn connectors(&self, sources: &Sources) -> Directory {
        let bot = Arc::new(ConfiguredBot {
            id: BotId("ada".into()),
            limits: BotLimits::default(),
            profile: BotProfile::default(),
            greeting: None,
            bot: Arc::clone(&self.bot) as Arc<dyn Bot>,
        });
        let changes = Changes {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            key: Arc::new(SecretsKey::from_bytes(&[1; 32])),
            now: Arc::clone(&sources.now),
            bots: [(BotId("bot".into()), bot)].into(),
            limits: self.limits,
            changing: tokio::sync::Mutex::default(),
            has_revoked: Notify::default(),
        };
        let directory = Directory::open(Vec::new(), changes).await.unwrap();
        if directory.get(&demo()).is_none() {
            let settings = [("bot".to_owned(), "bot".into())].into_iter().collect();
            directory.create(NewConnector { id: demo(), settings }).await.unwrap();
        }
        directory
    }

    /// The bot's next answers, one list for each request.
    pub(crate) fn script(&self, scripts: &[&[Act]]) {
        self.bot.scripts.lock().extend(scripts.iter().map(|it| it.to_vec()));
    }

    /// When the bot was asked since the last call, in milliseconds since the start.
    pub(crate) fn asked_at(&self) -> Vec<u64> {
        std::mem::take(&mut *self.bot.asked_at.lock())
    }

    pub(crate) async fn run_until(&self, ms: u64) {
        tokio::time::sleep_until(self.began + Duration::from_millis(ms)).await;
        // Whatever is due at this very moment has its turn, too.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    pub(crate) async fn execute(&self, command: Command) -> Outcome {
        self.node().node.execute(ID, Actor::User, &[command]).await.remove(0)
    }

    pub(crate) async fn join(&self) {
        self.execute(Command::Join { bot: BotProfile::default(), retry_ms: 5_000, custom: None })
            .await;
    }

    pub(crate) async fn say(&self, text: &str) {
        let message_id = MessageId(self.node().node.new_id());
        let text = text.into();
        let posted =
            self.execute(Command::PostMessage { message_id, text, key: None, custom: None }).await;
        assert!(matches!(posted, Outcome::Recorded { .. }), "{posted:?}");
    }

    fn subscribe(&self) -> Subscription {
        let running = self.node();
        let admission = Admission { connections_max: 10, displace_after_ms: 0 };
        let gate = || SessionGate::new(5, 20);
        running.hub.subscribe(running.node.now(), ID, admission, gate).unwrap()
    }

    /// A heartbeat every 30 s, up to then.
    async fn beat_until(&self, ms: u64) {
        let subscription = self.subscribe();
        while since(self.began) < ms {
            subscription.see(self.node().node.now());
            let next = (since(self.began) + 30 * SECOND).min(ms);
            self.run_until(next).await;
        }
    }

    pub(crate) async fn log(&self) -> Vec<Entry> {
        let limit = ReadLimit { entries: 10_000, bytes: usize::MAX };
        self.store.read(ID, Position(0), limit).await.unwrap().entries
    }

    /// What the session's end says, and after how many milliseconds it came.
    async fn end(&self) -> Option<(EndReason, u64)> {
        self.log().await.iter().find_map(|it| match it.event {
            Event::SessionEnded { reason } => Some((reason, it.at - START)),
            _ => None,
        })
    }
}

#[track_caller]
fn assert_ended(end: Option<(EndReason, u64)>, reason: EndReason, at: u64) {
    let (ended, ended_at) = end.expect("the session has ended");
    assert_eq!(ended, reason);
    // Timers are looked for once a second, and heartbeats do not come on the dot.
    let late = at..=at + 2 * limits::TIMERS_INTERVAL_MS;
    assert!(late.contains(&ended_at), "ended at {ended_at} instead of {at}");
}

/// Covers 8.3.
#[tokio::test(start_paused = true)]
async fn a_session_without_a_frame_for_eleven_minutes_is_abandoned() {
    let world = World::new(23 * HOUR).await;
    world.run_until(11 * MINUTE - SECOND).await;
    assert_eq!(world.end().await, None);
    world.run_until(12 * MINUTE).await;
    assert_ended(world.end().await, EndReason::UserAbandoned, 11 * MINUTE);
}

/// Covers 8.3.
#[tokio::test(start_paused = true)]
async fn the_heartbeats_of_one_connection_keep_the_session() {
    let world = World::new(23 * HOUR).await;
    let silent = world.subscribe();
    world.beat_until(20 * MINUTE).await;
    drop(silent);
    assert_eq!(world.end().await, None);
    world.run_until(40 * MINUTE).await;
    // The newest heartbeat came half a minute before.
    assert_ended(world.end().await, EndReason::UserAbandoned, 31 * MINUTE - 30 * SECOND);
}

/// Covers 8.4.
#[tokio::test(start_paused = true)]
async fn a_session_in_which_nothing_is_said_for_an_hour_is_abandoned() {
    let world = World::new(23 * HOUR).await;
    world.script(&[&[Act::Says("hello")], &[Act::Says("hi")]]);
    world.join().await;
    world.run_until(10 * MINUTE).await;
    world.say("still there?").await;
    world.beat_until(70 * MINUTE - 30 * SECOND).await;
    assert_eq!(world.end().await, None);
    world.beat_until(75 * MINUTE).await;
    assert_ended(world.end().await, EndReason::UserAbandoned, 70 * MINUTE);
}

/// Covers 8.7.
#[tokio::test(start_paused = true)]
async fn the_life_of_a_session_ends_naturally() {
    let world = World::new(30 * MINUTE).await;
    world.beat_until(31 * MINUTE).await;
    assert_ended(world.end().await, EndReason::NaturalEnd, 30 * MINUTE);
}

/// Covers 8.12.
#[tokio::test(start_paused = true)]
async fn downtime_does_not_count_as_silence() {
    let mut world = World::new(23 * HOUR).await;
    world.beat_until(30 * MINUTE).await;
    world.stop_node().await;
    world.run_until(50 * MINUTE).await;
    world.start_node().await;
    world.beat_until(90 * MINUTE).await;
    assert_ended(world.end().await, EndReason::UserAbandoned, 80 * MINUTE);
}

/// Covers 8.12.
#[tokio::test(start_paused = true)]
async fn downtime_does_not_count_as_absence() {
    let mut world = World::new(23 * HOUR).await;
    world.run_until(5 * MINUTE).await;
    world.stop_node().await;
    world.run_until(35 * MINUTE).await;
    world.start_node().await;
    world.run_until(50 * MINUTE).await;
    assert_ended(world.end().await, EndReason::UserAbandoned, 41 * MINUTE);
}

/// Covers 8.13.
#[tokio::test(start_paused = true)]
async fn after_a_start_every_session_has_two_minutes() {
    let mut world = World::new(23 * HOUR).await;
    world.run_until(10 * MINUTE + 30 * SECOND).await;
    world.stop_node().await;
    world.run_until(40 * MINUTE).await;
    world.start_node().await;
    world.run_until(42 * MINUTE - SECOND).await;
    assert_eq!(world.end().await, None);
    world.run_until(45 * MINUTE).await;
    assert_ended(world.end().await, EndReason::UserAbandoned, 42 * MINUTE);
}

/// Covers 8.14.
#[tokio::test(start_paused = true)]
async fn downtime_does_not_lengthen_the_life_of_a_session() {
    let mut world = World::new(50 * MINUTE).await;
    world.beat_until(10 * MINUTE).await;
    world.stop_node().await;
    world.run_until(45 * MINUTE).await;
    world.start_node().await;
    world.beat_until(60 * MINUTE).await;
    assert_ended(world.end().await, EndReason::NaturalEnd, 50 * MINUTE);
}

/// Covers 8.37.
#[tokio::test(start_paused = true)]
async fn revoking_a_connector_ends_its_sessions_at_once() {
    let world = World::new(23 * HOUR).await;
    world.run_until(5 * SECOND).await;
    world.node().connectors.set_state(&demo(), ConnectorState::Revoked).await.unwrap();
    world.run_until(6 * SECOND).await;
    assert_ended(world.end().await, EndReason::NaturalEnd, 5 * SECOND);
}

/// Covers 8.37.
#[tokio::test(start_paused = true)]
async fn a_node_that_dies_while_it_revokes_is_followed_by_one_that_goes_on() {
    let mut world = World::new(23 * HOUR).await;
    world.stop_node().await;
    let sources = Sources { now: Arc::new(|| START), new_id: Arc::new(|| 0) };
    let elsewhere = world.connectors(&sources).await;
    elsewhere.set_state(&demo(), ConnectorState::Revoked).await.unwrap();
    world.run_until(MINUTE).await;
    assert_eq!(world.end().await, None);
    world.start_node().await;
    world.run_until(MINUTE + 2 * SECOND).await;
    assert_ended(world.end().await, EndReason::NaturalEnd, MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_deleted_when_it_was_kept_for_long_enough() {
    let mut world = World::new(23 * HOUR).await;
    world.stop_node().await;
    world.limits.retention_days = 1;
    world.start_node().await;
    world.run_until(20 * MINUTE).await;
    let (_, ended_ms) = world.end().await.unwrap();
    world.run_until(ended_ms + 24 * HOUR - MINUTE).await;
    assert!(world.end().await.is_some());
    world.run_until(ended_ms + 24 * HOUR + 2 * MINUTE).await;
    assert_eq!(world.store.load(ID).await, Ok(None));
    let deletion = world.store.deletion(ID).await.unwrap().unwrap();
    assert_eq!(deletion.by, "retention");
}

#[tokio::test(start_paused = true)]
async fn without_a_retention_nothing_is_deleted() {
    let mut world = World::new(23 * HOUR).await;
    world.stop_node().await;
    world.limits.retention_days = 0;
    world.start_node().await;
    world.run_until(30 * HOUR).await;
    assert!(world.end().await.is_some());
}

/// Covers 8.3.
#[tokio::test(start_paused = true)]
async fn who_comes_back_to_one_node_is_not_ended_by_another() {
    let mut world = World::new(23 * HOUR).await;
    // It looks for timers half a second before the other one does.
    let first = world.node.take();
    world.run_until(500).await;
    world.start_node().await;
    world.run_until(10 * MINUTE + 57 * SECOND).await;
    let returned = world.subscribe();
    world.run_until(21 * MINUTE).await;
    assert_eq!(world.end().await, None);
    drop(returned);
    world.run_until(23 * MINUTE).await;
    assert_ended(world.end().await, EndReason::UserAbandoned, 21 * MINUTE + 57 * SECOND);
    drop(first);
}

/// Covers 8.12.
#[tokio::test(start_paused = true)]
async fn a_start_while_another_node_runs_lengthens_nothing() {
    let mut world = World::new(23 * HOUR).await;
    let first = world.node.take().unwrap();
    world.run_until(500).await;
    world.start_node().await;
    let second = world.node.take();
    world.run_until(5 * MINUTE + 30 * SECOND).await;
    // It dies without a word, and is the first to look for timers again when it is back.
    first.workers.abort();
    world.run_until(5 * MINUTE + 50 * SECOND - 1).await;
    world.start_node().await;
    world.run_until(13 * MINUTE).await;
    assert_ended(world.end().await, EndReason::UserAbandoned, 11 * MINUTE);
    drop(second);
}

/// Covers 8.12.
#[tokio::test(start_paused = true)]
async fn a_downtime_counts_once_when_several_nodes_start_after_it() {
    let mut world = World::new(23 * HOUR).await;
    world.run_until(5 * MINUTE).await;
    world.stop_node().await;
    world.run_until(35 * MINUTE).await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        world.start_node().await;
        nodes.extend(world.node.take());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    world.run_until(43 * MINUTE).await;
    assert_ended(world.end().await, EndReason::UserAbandoned, 41 * MINUTE);
    drop(nodes);
}
