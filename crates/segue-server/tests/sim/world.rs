//! A world: nodes that crash and come back, the clock, the weather, and how it all ends.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use segue_core::{
    ConnectorId, EndReason, Entry, EntryId, Facts, Floor, NodeId, Sequence, Session, SessionId,
    SessionsMax, Timestamp, TokenId,
    ports::{Commit, Store},
};
use segue_server::{
    directory::Directory,
    hub::Hub,
    jobs::Workers,
    lookout::Lookout,
    node::{Node, Outcome, Sources},
};
use segue_store::MemoryStore;
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    bots::Call,
    broker::NodeBroker,
    chronicle::Chronicle,
    dice::{Dice, mixed},
    plan::{Plan, Weather},
    situations::Situation,
    store::{Life, NodeStore},
    talk::{Known, Talk},
    users::Client,
};

/// The nodes' clocks begin here, in 2026.
pub const BASE: Timestamp = 1_780_000_000_000;

pub const GREETING: &str = "Hello there, what can I do?";

/// A node that is up.
pub struct Incarnation {
    pub life: Arc<Life>,
    pub node: Arc<Node>,
    pub hub: Arc<Hub>,
    pub connectors: Arc<Directory>,
    pub stop: CancellationToken,
    pub tasks: Vec<AbortHandle>,
}

enum Slot {
    Down,
    Starting,
    Up(Box<Incarnation>),
}

/// Everything in one world.
pub struct World {
    pub seed: u64,
    pub dice: Dice,
    pub plan: Plan,
    pub store: Arc<MemoryStore>,
    pub talks: Mutex<Vec<Arc<Talk>>>,
    pub down: Mutex<Down>,
    /// When users were last heard, as far as the store knows; on the world's clock.
    pub stored_signs: Mutex<BTreeMap<SessionId, u64>>,
    /// From when to when each life ran, as far as the store knows; on the world's clock.
    pub stored_lives: Mutex<BTreeMap<u64, (u64, u64)>>,
    epoch: Instant,
    ids: Arc<AtomicU64>,
    lives: Mutex<Vec<Arc<Life>>>,
    slots: Mutex<Vec<Slot>>,
    chronicle: Mutex<Chronicle>,
}

/// When no node was up.
#[derive(Debug, Default)]
pub struct Down {
    pub since_ms: Option<u64>,
    pub spans: Vec<(u64, u64)>,
    /// The most that a node has counted as downtime, in milliseconds.
    pub recorded_ms: u64,
    pub newest_start_ms: u64,
}

impl World {
    pub fn new(seed: u64, prints: bool) -> Arc<Self> {
        let dice = Dice::new(seed);
        let plan = Plan::new(seed, &dice);
        let slots = (0..plan.nodes).map(|_| Slot::Down).collect();
        Arc::new(Self {
            seed,
            dice,
            plan,
            store: Arc::new(MemoryStore::new()),
            talks: Mutex::default(),
            down: Mutex::default(),
            stored_signs: Mutex::default(),
            stored_lives: Mutex::default(),
            epoch: Instant::now(),
            ids: Arc::default(),
            lives: Mutex::default(),
            slots: Mutex::new(slots),
            chronicle: Mutex::new(Chronicle { prints, ..Chronicle::default() }),
        })
    }

    // ------------------------------------------------------------------------------------- time

    pub fn ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap()
    }

    pub fn is_active(&self) -> bool {
        self.ms() < self.plan.active_ms
    }

    pub fn is_over(&self) -> bool {
        self.ms() >= self.plan.end_ms
    }

    /// From here on nobody begins anything, so that everything can come to rest.
    pub fn is_resting(&self) -> bool {
        self.ms() + self.plan.limits.turn_seconds * 1_000 + 20_000 > self.plan.end_ms
    }

    pub fn weather(&self) -> Weather {
        if self.is_active() { self.plan.weather } else { Weather::default() }
    }

    /// A moment of the world on a node's clock, a few milliseconds of drift aside.
    pub fn on_clock(life: &Life, ms: u64) -> Timestamp {
        (BASE + ms).saturating_add_signed(life.skew_ms)
    }

    async fn until(&self, ms: u64) {
        sleep(Duration::from_millis(ms.saturating_sub(self.ms()))).await;
    }

    fn sources(&self, skew_ms: i64) -> Sources {
        let (epoch, ids, seed) = (self.epoch, Arc::clone(&self.ids), self.seed);
        let drift_ppm = 200 - self.dice.below(400).cast_signed();
        let now = Arc::new(move || {
            let ms = i64::try_from(epoch.elapsed().as_millis()).unwrap();
            BASE.saturating_add_signed(ms + skew_ms + ms * drift_ppm / 1_000_000)
        });
        let clock = Arc::clone(&now);
        let new_id = Arc::new(move || {
            let number = ids.fetch_add(1, Ordering::Relaxed);
            let random = u128::from(mixed(seed ^ mixed(number)) >> 2);
            u128::from(clock()) << 80
                | 7 << 76
                | u128::from(number & 0xfff) << 64
                | 2 << 62
                | random
        });
        Sources { now, new_id }
    }

    // ------------------------------------------------------------------------------ what happened

    pub fn chronicle<T>(&self, read: impl FnOnce(&mut Chronicle) -> T) -> T {
        read(&mut self.chronicle.lock())
    }

    pub fn calls<T>(&self, read: impl FnOnce(&mut Vec<Call>) -> T) -> T {
        self.chronicle(|it| read(&mut it.calls))
    }

    pub fn called(&self, call: Call) -> usize {
        let at_ms = self.ms();
        self.chronicle(|it| {
            let (turn, reason) = (call.turn.0, &call.reason);
            let number = it.calls.len();
            let (session, input) = (call.session.0 & 0xff, &call.input);
            it.write(
                at_ms,
                &format!("call {number} s{session:x} turn {turn} {reason:?} {input:x?}"),
            );
            it.calls.push(call);
            number
        })
    }

    pub fn count(&self, situation: Situation) {
        self.chronicle(|it| it.tally.count(situation));
    }

    pub fn write(&self, line: &str) {
        let at_ms = self.ms();
        self.chronicle(|it| it.write(at_ms, line));
    }

    pub fn violated(&self, what: String) {
        let at_ms = self.ms();
        self.chronicle(|it| it.violated(at_ms, what));
    }

    pub fn committed(&self, life: &Arc<Life>, commit: &Commit) {
        let at_ms = self.ms();
        self.chronicle(|it| it.take_down(at_ms, life, commit));
        crate::endings::check_end(self, life, commit);
        crate::endings::check_thinking(self, commit);
    }

    pub fn is_committed(&self, session: SessionId, id: &str) -> bool {
        let Ok(id) = id.parse::<EntryId>() else { return false };
        self.chronicle(|it| it.commits.contains_key(&session) && it.ids.contains(&id))
    }

    pub fn is_as_committed(&self, session: SessionId, sequence: u64, text: &str) -> bool {
        self.chronicle(|it| it.events.get(&(session, sequence)).is_some_and(|it| it == text))
    }

    /// The newest state that was committed.
    pub fn newest(&self, id: SessionId) -> Option<Arc<Session>> {
        self.chronicle(|it| it.commits.get(&id)?.last().map(|it| Arc::clone(&it.session)))
    }

    pub fn last_commit_ms(&self, id: SessionId) -> u64 {
        self.chronicle(|it| it.commits.get(&id).and_then(|it| it.last()).map_or(0, |it| it.at_ms))
    }

    /// When an event was committed.
    pub fn committed_ms(&self, id: SessionId, sequence: u64) -> Option<u64> {
        let is_it = |it: &Entry| it.event.is_visible() && it.reached.0 == sequence;
        self.chronicle(|it| {
            let mut commits = it.commits.get(&id)?.iter().rev();
            Some(commits.find(|it| it.entries.iter().any(is_it))?.at_ms)
        })
    }

    /// When the bot was first asked to join.
    pub fn joined_ms(&self, id: SessionId) -> Option<u64> {
        let is_join = |it: &Entry| matches!(it.event, segue_core::Event::JoinRequested { .. });
        self.chronicle(|it| {
            let mut commits = it.commits.get(&id)?.iter();
            Some(commits.find(|it| it.entries.iter().any(is_join))?.at_ms)
        })
    }

    pub fn has_ended(&self, id: SessionId) -> bool {
        self.newest(id).is_some_and(|it| it.ended_at().is_some())
    }

    pub fn is_abandoned(&self, id: SessionId) -> bool {
        self.has_ended_for(id, EndReason::UserAbandoned)
    }

    pub fn is_revoked(&self, id: SessionId) -> bool {
        self.has_ended_for(id, EndReason::Revoked)
    }

    fn has_ended_for(&self, id: SessionId, reason: EndReason) -> bool {
        let newest = self.newest(id);
        newest.is_some_and(
            |it| matches!(it.state.floor, Floor::Ended { reason: it, .. } if it == reason),
        )
    }

    pub fn is_unasked(&self, id: SessionId) -> bool {
        self.newest(id).is_some_and(|it| it.state.floor == Floor::Unasked)
    }

    pub fn has_open_stream(&self, id: SessionId) -> bool {
        let newest = self.newest(id);
        newest.is_some_and(|it| it.running().is_some_and(|it| it.open_stream.is_some()))
    }

    pub fn reached(&self, id: SessionId) -> u64 {
        self.newest(id).map_or(Sequence(0), |it| it.state.reached).0
    }

    pub fn is_in_log(&self, id: SessionId, text: &str) -> bool {
        let is_it = |it: &Entry| matches!(&it.event, segue_core::Event::UserMessagePosted { text: it, .. } if **it == *text);
        self.chronicle(|it| {
            it.commits.get(&id).is_some_and(|it| it.iter().any(|it| it.entries.iter().any(is_it)))
        })
    }

    pub fn push_lost(&self, id: SessionId, entries: &[Entry]) {
        let at_ms = self.ms();
        self.chronicle(|it| {
            it.tally.count(Situation::LostPush);
            it.lost.extend(entries.last().map(|last| (id, (last.position, at_ms))));
        });
    }

    // ------------------------------------------------------------------------------------- nodes

    pub fn places(&self) -> usize {
        self.plan.nodes
    }

    /// Does something with a node, if it is up.
    pub fn with<T>(&self, place: usize, act: impl FnOnce(&mut Incarnation) -> T) -> Option<T> {
        match &mut self.slots.lock()[place] {
            Slot::Up(it) => Some(act(it)),
            Slot::Down | Slot::Starting => None,
        }
    }

    pub fn deliver(&self, place: usize, id: SessionId, entries: &[Entry]) {
        if let Some(hub) = self.with(place, |it| Arc::clone(&it.hub)) {
            hub.deliver(id, entries);
        }
    }

    /// Any node that takes connections.
    pub fn place_up(&self) -> Option<usize> {
        let is_open = |it: &usize| self.with(*it, |it| !it.stop.is_cancelled()) == Some(true);
        let open: Vec<usize> = (0..self.places()).filter(is_open).collect();
        (!open.is_empty()).then(|| self.dice.pick(&open))
    }

    pub fn is_dead(&self, life: u64) -> bool {
        let place = usize::try_from(life).unwrap();
        self.lives.lock().get(place).is_none_or(|it| it.is_dead())
    }

    pub fn is_stopping(&self, life: &Life) -> bool {
        self.is_over() || life.is_stopping.load(Ordering::Relaxed)
    }

    async fn start(world: Arc<Self>, place: usize) {
        {
            let slot = &mut world.slots.lock()[place];
            if !matches!(slot, Slot::Down) {
                return;
            }
            *slot = Slot::Starting;
        }
        let skew_ms = 2_500 - world.dice.below(5_000).cast_signed();
        let sources = world.sources(skew_ms);
        let life = {
            let mut lives = world.lives.lock();
            let life = Arc::new(Life {
                number: lives.len() as u64,
                place,
                started_at: (sources.now)(),
                skew_ms,
                ..Life::default()
            });
            lives.push(Arc::clone(&life));
            life
        };
        let store = Arc::new(NodeStore { world: Arc::clone(&world), life: Arc::clone(&life) });
        let broker = Arc::new(NodeBroker { world: Arc::clone(&world), life: Arc::clone(&life) });
        let hub = Arc::<Hub>::default();
        let id = NodeId((sources.new_id)());
        let node = Arc::new(Node::new(id, store, broker, sources, Arc::default()));
        let connectors = Arc::new(world.connectors(&world, &life));
        let workers = loop {
            let (node, hub) = (Arc::clone(&node), Arc::clone(&hub));
            match Workers::start(node, hub, Arc::clone(&connectors)).await {
                Ok(workers) => break Arc::new(workers),
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        };
        world.write(&format!("node {place}.{} is up", life.number));
        let stop = CancellationToken::new();
        let grace = Duration::from_secs(5);
        let run = tokio::spawn({
            let stop = stop.clone();
            async move { workers.run(stop, grace).await }
        });
        let lookout = tokio::spawn(Lookout::new(&node, &hub).run(stop.clone()));
        let tasks = vec![run.abort_handle(), lookout.abort_handle()];
        let up = Incarnation { life, node, hub, connectors, stop: stop.clone(), tasks };
        world.slots.lock()[place] = Slot::Up(Box::new(up));
        world.note_up();
        // Ends with the node's life; a planned stop ends by itself.
        drop(run.await);
        if stop.is_cancelled() {
            sleep(Duration::from_millis(3_500)).await;
            let life = world.with(place, |it| Arc::clone(&it.life));
            if let Some(life) = life.filter(|it| it.is_stopping.load(Ordering::Relaxed)) {
                World::end(&world, &life);
            }
        }
    }

    fn note_up(&self) {
        let now_ms = self.ms();
        let mut down = self.down.lock();
        down.newest_start_ms = now_ms;
        if let Some(since_ms) = down.since_ms.take() {
            down.spans.push((since_ms, now_ms));
        }
    }

    /// The node is gone in the middle of whatever it does.
    pub fn crash(world: &Arc<Self>, life: &Arc<Life>) {
        if !life.is_dead() && world.is_active() {
            world.chronicle(|it| it.tell_end_of(life, true));
            world.write(&format!("node {}.{} crashes", life.place, life.number));
            World::end(world, life);
        }
    }

    fn end(world: &Arc<Self>, life: &Arc<Life>) {
        let is_this = world.with(life.place, |it| it.life.number == life.number);
        if is_this != Some(true) {
            return;
        }
        life.is_dead.store(true, Ordering::Relaxed);
        let up = std::mem::replace(&mut world.slots.lock()[life.place], Slot::Down);
        if let Slot::Up(up) = up {
            up.tasks.iter().for_each(AbortHandle::abort);
        }
        let is_up = |it: &Slot| matches!(it, Slot::Up(_));
        if !world.slots.lock().iter().any(is_up) {
            world.count(Situation::AllNodesDown);
            world.down.lock().since_ms = Some(world.ms());
        }
        let (world, place) = (Arc::clone(world), life.place);
        let pause_ms = world.dice.pick(&[100, 700, 3_000, 8_000, 25_000]);
        let pause_ms = pause_ms.min(world.plan.active_ms.saturating_sub(world.ms()));
        tokio::spawn(async move {
            sleep(Duration::from_millis(pause_ms)).await;
            if !world.is_over() {
                World::start(world, place).await;
            }
        });
    }

    /// Things happen to nodes.
    async fn rage(world: Arc<Self>) {
        while world.is_active() && world.plan.chaos_ms > 0 {
            sleep(Duration::from_millis(world.dice.within(500, world.plan.chaos_ms * 2))).await;
            let Some(place) = world.place_up() else { continue };
            let Some(life) = world.with(place, |it| Arc::clone(&it.life)) else { continue };
            if !world.is_active() {
                break;
            }
            let now_ms = world.ms();
            let until = |ms_max: u64| {
                let until_ms = now_ms + world.dice.within(ms_max / 2, ms_max);
                until_ms.min(world.plan.active_ms)
            };
            match world.dice.below(100) {
                0..50 => World::crash(&world, &life),
                50..60 => {
                    for place in 0..world.places() {
                        let life = world.with(place, |it| Arc::clone(&it.life));
                        if let Some(life) = life {
                            World::crash(&world, &life);
                        }
                    }
                }
                60..72 => World::stop(&world, &life),
                72..82 => life.frozen_until_ms.store(until(18_000), Ordering::Relaxed),
                82..92 => life.no_renewals_until_ms.store(until(25_000), Ordering::Relaxed),
                _ => life.out_until_ms.store(until(8_000), Ordering::Relaxed),
            }
        }
    }

    fn stop(world: &Arc<Self>, life: &Arc<Life>) {
        world.chronicle(|it| it.tell_end_of(life, false));
        world.write(&format!("node {}.{} stops", life.place, life.number));
        life.is_stopping.store(true, Ordering::Relaxed);
        world.with(life.place, |it| it.stop.cancel());
    }

    // -------------------------------------------------------------------------------------- story

    /// From the first start to the rest.
    pub async fn unfold(world: &Arc<Self>) {
        for place in 0..world.places() {
            tokio::spawn(World::start(Arc::clone(world), place));
        }
        tokio::spawn(World::rage(Arc::clone(world)));
        tokio::spawn(World::administrate(Arc::clone(world)));
        tokio::spawn(World::hang(Arc::clone(world)));
        for number in 0..world.plan.sessions {
            tokio::spawn(World::converse(Arc::clone(world), number));
        }
        world.until(world.plan.active_ms).await;
        world.write("the weather clears");
        world.until(world.plan.end_ms).await;
    }

    async fn converse(world: Arc<Self>, number: u64) {
        sleep(Duration::from_millis(world.dice.below(3_000))).await;
        let talk = loop {
            if world.is_over() {
                return;
            }
            match World::create(&world, number).await {
                Some(Outcome::Recorded { .. }) => {
                    let talks = world.talks.lock();
                    break talks
                        .iter()
                        .rev()
                        .find(|it| it.facts.device_type == Some(number.to_string()))
                        .cloned();
                }
                Some(Outcome::Taken) => return,
                _ => sleep(Duration::from_millis(500)).await,
            }
        };
        let Some(talk) = talk else { return };
        for number in 0..talk.character.clients {
            let (world, talk) = (Arc::clone(&world), Arc::clone(&talk));
            tokio::spawn(Client { world, talk, number, cursor: 0, place: 0 }.run());
        }
    }

    async fn create(world: &Arc<Self>, number: u64) -> Option<Outcome> {
        let place = world.place_up()?;
        let node = world.with(place, |it| Arc::clone(&it.node))?;
        let (dice, limits) = (&world.dice, &world.plan.limits);
        let streaming = dice.percent(70);
        let facts = Arc::new(Facts {
            connector: ConnectorId(dice.pick(&["none", "client"]).to_owned()),
            token: TokenId(format!("token-{}", number / 8)),
            expires_at: node.now() + limits.session_life_seconds * 1_000,
            streaming,
            platform: "web".to_owned(),
            device_type: Some(number.to_string()),
            user_agent: dice.percent(30).then(|| "PolyMessaging-iOS/1".to_owned()),
            language: None,
            variant_id: None,
            integration_attributes: None,
        });
        let random = u128::from(dice.next()) << 64 | u128::from(dice.next());
        let id = SessionId(random << 8 | u128::from(number));
        let start = segue_core::Command::Start {
            expire_at: node.now() + limits.idle_seconds.min(limits.silence_seconds) * 1_000,
            sessions_max: SessionsMax {
                per_token: u32::try_from(limits.sessions_per_token).ok(),
                live: u32::try_from(limits.live_sessions).ok(),
                per_hour: u32::try_from(limits.sessions_per_hour).ok(),
            },
        };
        let talk = Talk {
            id,
            facts: Arc::clone(&facts),
            limits: Arc::clone(limits),
            character: world.plan.character(dice),
            known: Mutex::new(Known::default()),
        };
        world.talks.lock().push(Arc::new(talk));
        let session = Session::new(id, facts);
        let created = tokio::time::timeout(Duration::from_secs(5), node.create(session, start));
        created.await.ok()
    }

    /// Lets go of everything, so that worlds do not pile up in memory.
    pub fn tear_down(&self) {
        let slots = std::mem::take(&mut *self.slots.lock());
        for slot in &slots {
            if let Slot::Up(up) = slot {
                up.life.is_dead.store(true, Ordering::Relaxed);
                up.tasks.iter().for_each(AbortHandle::abort);
            }
        }
        drop(slots);
    }

    /// Jobs that are left, each with its session: turns and timers.
    pub async fn jobs_left(&self) -> Vec<segue_core::ports::ClaimedJob> {
        use segue_core::ports::JobKind;
        let mut left = Vec::new();
        for kind in [JobKind::Turns, JobKind::Timers] {
            let far = Timestamp::MAX;
            let node = NodeId(u128::MAX);
            left.extend(self.store.claim_jobs(node, kind, far, far, 10_000).await.unwrap());
        }
        left
    }
}
