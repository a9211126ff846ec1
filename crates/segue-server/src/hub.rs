//! The connections of this node, by session, and what they share: rates and when the user was last
//! there. Delivers what it is told of, never waits for anybody, and never reads the log.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use segue_core::{Entry, Position, SessionId, Timestamp};
use tokio::sync::mpsc;

use crate::{
    item::{Item, Mark},
    limits,
    rates::SessionGate,
};

/// The connections of this node.
#[derive(Debug, Default)]
pub struct Hub {
    sessions: Mutex<BTreeMap<SessionId, Presence>>,
    /// Whose users came after a long silence, and who is not known to the store yet.
    returned: Mutex<Vec<SessionId>>,
}

/// A session as this node knows it.
#[derive(Debug, Default)]
struct Presence {
    connections: Vec<Seat>,
    watchers: Vec<mpsc::Sender<Watched>>,
    /// Made with the first connection.
    gate: Option<Arc<Mutex<SessionGate>>>,
    sight: Arc<Sight>,
}

/// When a user was last there. Shared, because it is written with every frame.
#[derive(Debug, Default)]
struct Sight {
    /// A text frame came then for the last time; zero for never.
    seen_at: AtomicU64,
    /// Whether the store does not know that yet.
    is_news: AtomicBool,
}

/// A connection's place in the hub. To lose it is to give way: nobody can push any more.
#[derive(Debug, Clone)]
struct Seat {
    pushes: mpsc::Sender<Arc<[Item]>>,
    signs: Arc<Signs>,
}

/// What a connection and its place share.
#[derive(Debug)]
struct Signs {
    /// A push did not fit into the queue.
    is_behind: AtomicBool,
    /// The connection knows that the log reaches this far.
    known: AtomicU64,
    /// Anything came then for the last time.
    sign_at: AtomicU64,
}

/// A connection's hold on its place. It leaves the hub when this is dropped.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Hub>,
    id: SessionId,
    signs: Arc<Signs>,
    sight: Arc<Sight>,
    pushes: mpsc::Receiver<Arc<[Item]>>,
    /// The rates of the session, shared by its connections.
    pub gate: Arc<Mutex<SessionGate>>,
}

/// What a subscription has to say.
#[derive(Debug)]
pub enum Push {
    /// Entries were recorded.
    Items(Arc<[Item]>),
    /// Entries were recorded that did not fit into the queue.
    Behind,
    /// Entries were recorded of which nothing was heard.
    Missed,
    /// Another connection takes this one's place.
    Displaced,
}

/// What a worker has to know of the session that it works for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// A turn was started, ended, or cut short: look whether it was yours.
    TurnMoved,
}

/// The limits that a new connection meets.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    /// Connections of the session at the most.
    pub connections_max: u64,
    /// At the limit, one that has been silent for so long gives way, in milliseconds.
    pub displace_after_ms: u64,
}

/// All places are taken, by connections that are alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Hub {
    /// Adds a connection. At the limit the one that has been silent longest gives way, if it has
    /// been silent long enough. `gate` makes the rates of a session that is new here.
    pub fn subscribe(
        self: &Arc<Self>,
        now: Timestamp,
        id: SessionId,
        admission: Admission,
        gate: impl FnOnce() -> SessionGate,
    ) -> Result<Subscription, Full> {
        let mut sessions = self.sessions.lock();
        let presence = sessions.entry(id).or_default();
        if presence.connections.len() as u64 >= admission.connections_max {
            let silent = presence.longest_silent(now, admission.displace_after_ms).ok_or(Full)?;
            presence.connections.remove(silent);
        }
        let (sender, pushes) = mpsc::channel(limits::PUSHES_QUEUED_MAX);
        let signs = Arc::new(Signs {
            is_behind: AtomicBool::new(false),
            known: AtomicU64::new(0),
            sign_at: AtomicU64::new(now),
        });
        presence.connections.push(Seat { pushes: sender, signs: Arc::clone(&signs) });
        let sight = Arc::clone(&presence.sight);
        if sight.see(now) {
            self.returned.lock().push(id);
        }
        let gate = presence.gate.get_or_insert_with(|| Arc::new(Mutex::new(gate())));
        let gate = Arc::clone(gate);
        Ok(Subscription { hub: Arc::clone(self), id, signs, sight, pushes, gate })
    }

    /// Has a worker told when a turn of the session moves. Best effort, like all pushes.
    pub fn watch(&self, id: SessionId) -> mpsc::Receiver<Watched> {
        let (sender, receiver) = mpsc::channel(1);
        let mut sessions = self.sessions.lock();
        let watchers = &mut sessions.entry(id).or_default().watchers;
        watchers.retain(|it| !it.is_closed());
        watchers.push(sender);
        receiver
    }

    /// Tells the session's connections of entries, in order of position. Encodes each once.
    pub fn deliver(&self, id: SessionId, entries: &[Entry]) {
        // Whoever comes after this look reads the log, and finds the entries there.
        let (connections, watchers) = match self.sessions.lock().get(&id) {
            Some(presence) => (presence.connections.clone(), presence.watchers.clone()),
            None => return,
        };
        if connections.is_empty() && watchers.is_empty() {
            return;
        }
        // Without the lock: encoding takes its time, and everybody's deliveries pass here.
        let items: Arc<[Item]> = entries.iter().map(Item::new).collect();
        for seat in &connections {
            seat.push(Arc::clone(&items));
        }
        let moved = |it: &Item| matches!(it.mark, Mark::TurnStarted | Mark::TurnEnded);
        if items.iter().any(moved) {
            for watcher in &watchers {
                // A full queue says already what there is to say.
                let _ = watcher.try_send(Watched::TurnMoved);
            }
        }
    }

    /// Of sessions whose logs end there, those of which a connection knows of less.
    pub fn behind(&self, heads: &[(SessionId, Position)]) -> Vec<(SessionId, Position)> {
        let lags = |(id, head): &&(SessionId, Position)| {
            // The lock anew for each: there may be many, and deliveries want it, too.
            let sessions = self.sessions.lock();
            sessions.get(id).is_some_and(|it| it.connections.iter().any(|it| it.lags(*head)))
        };
        heads.iter().filter(lags).copied().collect()
    }

    /// Has the connections of a session that know of less than this read the log. Says how many.
    pub fn catch_up(&self, id: SessionId, head: Position) -> usize {
        let sessions = self.sessions.lock();
        let connections = sessions.get(&id).map_or(&[][..], |it| it.connections.as_slice());
        let lagging = connections.iter().filter(|it| it.lags(head));
        // Nothing to be kept while it waits: it is the queue that wakes the connection.
        lagging.map(|it| it.push(Arc::default())).count()
    }

    /// When the user of a session was last there, as far as this node knows.
    pub fn seen_at(&self, id: SessionId) -> Option<Timestamp> {
        let sessions = self.sessions.lock();
        sessions.get(&id).map(|it| it.sight.seen_at()).filter(|it| *it > 0)
    }

    /// What the store does not know yet of when users were last there; it is known from now on.
    /// Forgets sessions of which nobody is here.
    pub fn take_news(&self, now: Timestamp) -> Vec<(SessionId, Timestamp)> {
        let mut sessions = self.sessions.lock();
        let mut news = Vec::new();
        sessions.retain(|id, presence| {
            let is_news = presence.sight.take_news();
            if is_news {
                news.push((*id, presence.sight.seen_at()));
            }
            presence.watchers.retain(|it| !it.is_closed());
            is_news
                || !presence.connections.is_empty()
                || !presence.watchers.is_empty()
                || presence.gate.as_ref().is_some_and(|it| !it.lock().is_full(now))
        });
        news
    }

    /// As `take_news`, of those only who were not seen here for as long as news may wait.
    pub fn take_returned(&self) -> Vec<(SessionId, Timestamp)> {
        let returned = std::mem::take(&mut *self.returned.lock());
        let sessions = self.sessions.lock();
        let mut news = Vec::new();
        for id in returned {
            if let Some(presence) = sessions.get(&id).filter(|it| it.sight.take_news()) {
                news.push((id, presence.sight.seen_at()));
            }
        }
        news
    }

    /// The store did not take the news: it is news again, and does not wait for long.
    pub fn return_news(&self, news: &[(SessionId, Timestamp)]) {
        let mut sessions = self.sessions.lock();
        for (id, seen_at) in news {
            let presence = sessions.entry(*id).or_default();
            presence.sight.see(*seen_at);
        }
        self.returned.lock().extend(news.iter().map(|(id, _)| *id));
    }

    /// How many connections of a session there are on this node.
    pub fn connections_of(&self, id: SessionId) -> usize {
        self.sessions.lock().get(&id).map_or(0, |it| it.connections.len())
    }

    /// Has every connection of a session give way: what it waits for does not come any more.
    pub fn displace(&self, id: SessionId) {
        if let Some(presence) = self.sessions.lock().get_mut(&id) {
            presence.connections.clear();
        }
    }

    /// The sessions that have a connection here.
    pub fn connected(&self) -> Vec<SessionId> {
        let sessions = self.sessions.lock();
        let connected = sessions.iter().filter(|(_, it)| !it.connections.is_empty());
        connected.map(|(id, _)| *id).collect()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.sessions.lock().values().map(|it| it.connections.len()).sum()
    }
}

impl Sight {
    fn seen_at(&self) -> Timestamp {
        self.seen_at.load(Ordering::Acquire)
    }

    /// Whether the user had not been seen here for as long as news may wait.
    fn see(&self, now: Timestamp) -> bool {
        let before = self.seen_at.fetch_max(now, Ordering::AcqRel);
        self.is_news.store(true, Ordering::Release);
        now >= before + limits::LIVENESS_WRITE_SECONDS * 1_000
    }

    /// Whether there is news; there is none from now on.
    fn take_news(&self) -> bool {
        self.is_news.swap(false, Ordering::AcqRel)
    }
}

impl Presence {
    fn longest_silent(&self, now: Timestamp, silent_ms_min: u64) -> Option<usize> {
        let sign_at = |it: &Seat| it.signs.sign_at.load(Ordering::Relaxed);
        let (i, seat) = self.connections.iter().enumerate().min_by_key(|(_, it)| sign_at(it))?;
        (now >= sign_at(seat) + silent_ms_min).then_some(i)
    }
}

impl Seat {
    /// Whether the connection does not know that the log reaches this far.
    fn lags(&self, head: Position) -> bool {
        self.signs.known.load(Ordering::Relaxed) < head.0
    }

    /// A full queue drops nothing that the log does not have: the connection reads it there.
    fn push(&self, items: Arc<[Item]>) {
        if self.pushes.try_send(items).is_err() {
            self.signs.is_behind.store(true, Ordering::Release);
        }
    }
}

impl Push {
    /// What is sent without an entry says only that there are some.
    fn of(items: Arc<[Item]>) -> Self {
        if items.is_empty() { Self::Missed } else { Self::Items(items) }
    }
}

impl Subscription {
    /// Whose.
    pub fn session(&self) -> SessionId {
        self.id
    }

    /// Whether no other connection of the session is here.
    pub fn is_last(&self) -> bool {
        self.hub.connections_of(self.id) <= 1
    }

    /// The next push. Cancel safe.
    pub async fn next(&mut self) -> Push {
        if self.signs.is_behind.swap(false, Ordering::AcqRel) {
            return Push::Behind;
        }
        self.pushes.recv().await.map_or(Push::Displaced, Push::of)
    }

    /// The next push, if there is one already.
    pub fn try_next(&mut self) -> Option<Push> {
        if let Ok(items) = self.pushes.try_recv() {
            return Some(Push::of(items));
        }
        self.signs.is_behind.swap(false, Ordering::AcqRel).then_some(Push::Behind)
    }

    /// The connection knows that the log reaches this far.
    pub fn know(&self, head: Position) {
        self.signs.known.store(head.0, Ordering::Relaxed);
    }

    /// The client sent a text frame.
    pub fn see(&self, now: Timestamp) {
        self.sign(now);
        if self.sight.see(now) {
            self.hub.returned.lock().push(self.id);
        }
    }

    /// The client sent a sign of life.
    pub fn sign(&self, now: Timestamp) {
        self.signs.sign_at.store(now, Ordering::Relaxed);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(presence) = self.hub.sessions.lock().get_mut(&self.id) {
            presence.connections.retain(|it| !Arc::ptr_eq(&it.signs, &self.signs));
            if presence.connections.is_empty() {
                // With its room: the rest stays until the store knows when the user was here.
                presence.connections = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests;
