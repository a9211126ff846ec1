//! The parts whose instructions are counted. Each does the same thing so many times, and looks at
//! what comes out: a part that is fast because it is wrong is no part.

use std::{hint::black_box, sync::Arc};

use segue_core::{
    Actor, BotProfile, Command, MessageId, Position, Sequence,
    ports::{Appended, Commit, ReadLimit, Store as _},
};
use segue_server::{
    compose::{Composer, Cuts, Piece, Style},
    connection::{Connection, Context, Fate, Fetched, Input, Output},
    item::Item,
    limits::{Limits, PAGE_BYTES_MAX},
    rates::SessionGate,
    wire,
};
use segue_store::{SqliteOptions, SqliteStore};
use tokio::runtime::{Builder, Runtime};

use crate::scene::{AT, HEARTBEAT_FRAME, MESSAGE_FRAME, Scene, chunk, id};

/// A part is done at most so many times in one program.
pub const TIMES_MAX: u64 = 400;

/// Entries of a replay.
const REPLAYED: usize = 50;

/// Something that is done over and over.
pub struct Part {
    pub name: &'static str,
    /// Does it so many times. What is done before does not depend on how many times.
    pub run: fn(u64),
    /// It may take so much more than its figure, in per cent.
    pub worse_percent_max: f64,
}

/// Two runs of what has one thread and no clock are alike to the instruction, two builds to a
/// thousandth.
const PURE: f64 = 5.0;
/// The store has threads, and carries its log over by the clock: runs differ by a tenth.
const STORE: f64 = 20.0;

pub const ALL: &[Part] = &[
    Part { name: "decode-message", run: decode_message, worse_percent_max: PURE },
    Part { name: "decide-message", run: decide_message, worse_percent_max: PURE },
    Part { name: "decide-chunk", run: decide_chunk, worse_percent_max: PURE },
    Part { name: "encode-message", run: encode_message, worse_percent_max: PURE },
    Part { name: "encode-chunk", run: encode_chunk, worse_percent_max: PURE },
    Part { name: "connection-message", run: connection_message, worse_percent_max: PURE },
    Part { name: "connection-heartbeat", run: connection_heartbeat, worse_percent_max: PURE },
    Part { name: "connection-replay-50", run: connection_replay, worse_percent_max: PURE },
    Part { name: "compose-answer", run: compose_answer, worse_percent_max: PURE },
    Part { name: "store-append-message", run: store_append, worse_percent_max: STORE },
    Part { name: "store-append-16-to-5000", run: store_append_many, worse_percent_max: STORE },
    Part { name: "store-read-50", run: store_read, worse_percent_max: STORE },
];

fn decode_message(times: u64) {
    for _ in 0..times {
        let frame = wire::decode(black_box(MESSAGE_FRAME)).expect("it is a message");
        assert!(frame.custom.is_some());
    }
}

fn decide_message(times: u64) {
    let scene = Scene::idle();
    let message = scene.message();
    for _ in 0..times {
        let commit = scene.plan(Actor::User, black_box(&message));
        assert_eq!((commit.entries.len(), commit.jobs.len()), (1, 1));
    }
}

fn decide_chunk(times: u64) {
    let (scene, token) = Scene::answering();
    let said = chunk(token, 1);
    for _ in 0..times {
        let commit = scene.plan(Actor::Bot, black_box(&said));
        assert_eq!((commit.entries.len(), commit.jobs.len()), (1, 0));
    }
}

fn encode_message(times: u64) {
    let scene = Scene::idle().with_messages(1);
    encode(&scene, times);
}

fn encode_chunk(times: u64) {
    let (mut scene, token) = Scene::answering();
    scene.execute(Actor::Bot, &chunk(token, 1));
    encode(&scene, times);
}

fn encode(scene: &Scene, times: u64) {
    let entry = scene.entries.last().expect("it has entries");
    for _ in 0..times {
        assert!(Item::new(black_box(entry)).event.is_some());
    }
}

/// A connection, and what a socket has around it.
struct Socket {
    connection: Connection,
    gate: SessionGate,
    ids: u128,
}

impl Socket {
    /// One whose client has nothing yet.
    fn open(scene: &Scene, limits: &Arc<Limits>) -> Self {
        let bot = BotProfile { name: "Ada".into(), avatar_url: String::new() };
        let (cursor, position) = (Sequence(0), Position(0));
        let limits = Arc::clone(limits);
        Self {
            connection: Connection::open(AT, limits, bot, &scene.session, cursor, position),
            gate: SessionGate::new(0, 0),
            ids: 1 << 32,
        }
    }

    /// One that has replayed everything, and is live.
    fn live(scene: &Scene) -> Self {
        let mut socket = Self::open(scene, &limits());
        let outputs = socket.replay(scene.items());
        assert!(matches!(outputs[..], [Output::Send(_)]));
        socket
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        let ids = &mut self.ids;
        let mut context = Context {
            now: AT,
            ids: &mut || {
                *ids += 1;
                id(*ids)
            },
            gate: &mut self.gate,
        };
        let mut outputs = Vec::new();
        self.connection.handle(input, &mut context, &mut outputs);
        std::mem::take(self.connection.tally());
        outputs
    }

    fn replay(&mut self, items: Vec<Item>) -> Vec<Output> {
        let wanted = self.handle(Input::Tick);
        assert!(matches!(wanted[..], [Output::Fetch { .. }]));
        self.handle(Input::Fetched(Some(Fetched { items, more: false })))
    }
}

/// No pauses: time stands still here.
fn limits() -> Arc<Limits> {
    Arc::new(Limits { live_after_replay_ms: 0, ..Limits::default() })
}

fn connection_message(times: u64) {
    let scene = Scene::idle();
    let mut socket = Socket::live(&scene);
    let before = scene.entries.len();
    let items = scene.with_messages(TIMES_MAX).items();
    for item in &items[before..][..usize::try_from(times).expect("few")] {
        let asked = socket.handle(Input::Text(black_box(MESSAGE_FRAME)));
        assert!(matches!(asked[..], [Output::Execute(Command::PostMessage { .. })]));
        let told = socket.handle(Input::Executed(Fate::Recorded(item.position)));
        assert!(told.is_empty());
        let sent = socket.handle(Input::Pushed(std::slice::from_ref(item)));
        assert!(matches!(sent[..], [Output::Send(_)]));
    }
}

fn connection_heartbeat(times: u64) {
    let mut socket = Socket::live(&Scene::idle());
    for _ in 0..times {
        let sent = socket.handle(Input::Text(black_box(HEARTBEAT_FRAME)));
        assert!(matches!(sent[..], [Output::Send(_)]));
    }
}

fn connection_replay(times: u64) {
    let scene = Scene::idle().with_messages(REPLAYED as u64);
    let items = &scene.items()[..REPLAYED];
    let limits = limits();
    for _ in 0..times {
        let sent = Socket::open(&scene, &limits).replay(black_box(items).to_vec());
        assert!(matches!(sent[0], Output::Send(_)));
    }
}

fn compose_answer(times: u64) {
    for _ in 0..times {
        let mut said = 0;
        let mut composer = Composer::new(Style::Chunks(Cuts::Words), 100, || MessageId(id(4)));
        for now in (AT..).step_by(100).take(8) {
            let text = "Of course, and I am *sorry* about the chair. ".to_owned();
            composer.push(now, black_box(Piece::Text(text))).expect("it is short");
            said += composer.ready(now).len();
        }
        said += composer.finish().len();
        assert_eq!(said, 9);
    }
}

// ---------------------------------------------------------------------------------------- store

/// A store in a folder that goes when the program ends.
struct Disk {
    runtime: Runtime,
    store: SqliteStore,
    folder: tempfile::TempDir,
}

fn options(folder: &tempfile::TempDir) -> SqliteOptions {
    SqliteOptions::new(folder.path().join("segue.db"))
}

impl Disk {
    fn open() -> Self {
        let folder = tempfile::TempDir::new().expect("there is room");
        let runtime = Builder::new_current_thread().build().expect("there are threads");
        let store = SqliteStore::open(options(&folder)).expect("there is room");
        Self { runtime, store, folder }
    }

    /// As it is after a restart: everything is indexed.
    fn reopen(self) -> Self {
        let Self { runtime, store, folder } = self;
        runtime.block_on(store.close());
        let store = SqliteStore::open(options(&folder)).expect("it was closed");
        Self { runtime, store, folder }
    }

    fn append(&self, commit: &Commit) {
        let appended = self.runtime.block_on(self.store.append(commit));
        assert_eq!(appended, Ok(Appended::Recorded));
    }

    fn close(self) {
        self.runtime.block_on(self.store.close());
    }
}

/// The log of a scene, in one write.
fn all_of(scene: &Scene) -> Commit {
    Commit {
        seen: Position(0),
        entries: scene.entries.clone().into(),
        session: Arc::new(scene.session.clone()),
        jobs: vec![],
        claims: vec![],
        bot_state: None,
    }
}

fn store_append(times: u64) {
    let mut scene = Scene::idle();
    let disk = Disk::open();
    disk.append(&all_of(&scene));
    let commits: Vec<Commit> = (0..TIMES_MAX)
        .map(|_| {
            let message = scene.message();
            scene.execute(Actor::User, &message)
        })
        .collect();
    for commit in &commits[..usize::try_from(times).expect("few")] {
        disk.append(commit);
    }
    disk.close();
}

/// Sixteen messages that came together, in a session of five thousand: the sixteen keys are looked for
/// among all of them.
fn store_append_many(times: u64) {
    let mut scene = Scene::idle();
    let disk = Disk::open();
    disk.append(&all_of(&scene));
    for _ in 0..10 {
        disk.append(&scene.messages(500));
    }
    let disk = disk.reopen();
    for _ in 0..times {
        disk.append(&scene.messages(16));
    }
    disk.close();
}

fn store_read(times: u64) {
    let scene = Scene::idle().with_messages(REPLAYED as u64);
    let disk = Disk::open();
    disk.append(&all_of(&scene));
    let limit = ReadLimit { entries: REPLAYED, bytes: PAGE_BYTES_MAX };
    for _ in 0..times {
        let read = disk.store.read(scene.session.id, Position(0), limit);
        let page = disk.runtime.block_on(read).expect("it can be read");
        assert_eq!(page.entries.len(), REPLAYED);
    }
    disk.close();
}
