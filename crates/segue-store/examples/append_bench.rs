//! How fast is an append, compared with the least that durability costs: a plain file that is
//! written and synced in groups? Both run in turn in the same process, because only their ratio
//! means something on a shared machine.
//!
//!     cargo run --profile test --example append_bench -- [SECONDS [ROUNDS [SESSIONS]]]
//!
//! Each session has one append under way at any time. `message` is a user's message of about 300
//! bytes with a key, `reply` a bot's without, `turn` a commit of three entries with a job.

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use segue_core::{
    AttemptId, BotProfile, ConnectorId, Decision, EntryId, Event, Extras, Facts, MessageId,
    MessageKey, Position, Session, SessionId, TokenId, Turn, TurnOutcome,
    ports::{Appended, Commit, Job, NewJob, Store},
};
use segue_store::{SqliteOptions, SqliteStore};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

const TEXT: &str = "I ordered a lamp on Monday, and what came today is a chair. It is a nice chair, but \
    I would rather have the lamp. Can you tell me how to send it back, and when?";

/// As many waiting writes and as many in a group as the store has.
const QUEUED_MAX: usize = segue_store::limits::QUEUED_WRITES_MAX;
const GROUP_MAX: usize = segue_store::limits::GROUP_WRITES_MAX;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Reply,
    Message,
    Turn,
}

const KINDS: [Kind; 4] = [Kind::Plain, Kind::Reply, Kind::Message, Kind::Turn];

#[derive(Debug, Clone, Copy)]
struct Plan {
    time: Duration,
    sessions: usize,
}

/// What one run came to.
#[derive(Debug, Clone, Default)]
struct Outcome {
    entries_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_us: f64,
    written_bytes: f64,
}

fn main() {
    let mut numbers = env::args().skip(1).map(|it| it.parse::<usize>().expect("a number"));
    let seconds = numbers.next().unwrap_or(3);
    let rounds = numbers.next().unwrap_or(3);
    let sessions = numbers.next().unwrap_or(1_000);
    let plan = Plan { time: Duration::from_secs(seconds as u64), sessions };

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut outcomes = vec![Vec::new(); KINDS.len()];
    for _ in 0..rounds {
        for (kind, outcomes) in KINDS.iter().zip(&mut outcomes) {
            outcomes.push(runtime.block_on(run(*kind, plan)));
        }
    }
    println!("{sessions} sessions, {seconds} s, medians of {rounds} rounds");
    println!("          entries/s  of plain   p50 ms   p99 ms  CPU µs/entry  bytes written/entry");
    let limit = median(&outcomes[0], |it| it.entries_per_second);
    for (kind, outcomes) in KINDS.iter().zip(&outcomes) {
        let median = |of| median(outcomes, of);
        let rate = median(|it| it.entries_per_second);
        println!(
            "{:8} {rate:10.0} {:9.3} {:8.2} {:8.2} {:13.1} {:20.0}",
            format!("{kind:?}").to_lowercase(),
            rate / limit,
            median(|it| it.p50_ms),
            median(|it| it.p99_ms),
            median(|it| it.cpu_us),
            median(|it| it.written_bytes),
        );
    }
}

fn median(outcomes: &[Outcome], of: fn(&Outcome) -> f64) -> f64 {
    let mut values: Vec<f64> = outcomes.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn run(kind: Kind, plan: Plan) -> Outcome {
    let folder = tempfile::tempdir_in(".").expect("the bench writes to the disk it runs on");
    match kind {
        Kind::Plain => run_plain(&folder.path().join("plain.log"), plan).await,
        _ => run_store(kind, &folder.path().join("segue.db"), plan).await,
    }
}

// ------------------------------------------------------------------------------- the plain file

type Line = (Vec<u8>, oneshot::Sender<()>);

async fn run_plain(path: &Path, plan: Plan) -> Outcome {
    let (queue, lines) = mpsc::channel::<Line>(QUEUED_MAX);
    let mut file = File::create(path).unwrap();
    let writer = thread::spawn(move || write_lines(&mut file, lines));
    let before = Usage::now();
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..plan.sessions {
        let queue = queue.clone();
        let session = new_session();
        tasks.spawn(async move {
            let mut waits = Vec::new();
            while begin.elapsed() < plan.time {
                let sent = Instant::now();
                // The same work before the writer: an event as JSON.
                let commit = commit_of(Kind::Message, &session);
                let mut line = serde_json::to_vec(&commit.entries[0].event).unwrap();
                line.push(b'\n');
                let (reply, answer) = oneshot::channel();
                queue.send((line, reply)).await.unwrap();
                answer.await.unwrap();
                waits.push(sent.elapsed());
            }
            waits
        });
    }
    drop(queue);
    let waits = tasks.join_all().await.concat();
    let outcome = outcome(waits, 1, begin.elapsed(), &before);
    writer.join().unwrap();
    outcome
}

fn write_lines(file: &mut File, mut lines: mpsc::Receiver<Line>) {
    let mut group = Vec::new();
    let mut bytes = Vec::new();
    while lines.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        bytes.clear();
        for (line, _) in &group {
            bytes.extend_from_slice(line);
        }
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
        for (_, reply) in group.drain(..) {
            let _ = reply.send(());
        }
    }
}

// ------------------------------------------------------------------------------------ the store

async fn run_store(kind: Kind, path: &Path, plan: Plan) -> Outcome {
    let store = Arc::new(SqliteStore::open(SqliteOptions::new(path)).unwrap());
    let mut sessions = JoinSet::new();
    for _ in 0..plan.sessions {
        let store = Arc::clone(&store);
        sessions.spawn(async move {
            let session = new_session();
            let start = Event::SessionStarted { facts: Arc::clone(&session.facts) };
            record(&store, commit(&session, vec![start], vec![])).await
        });
    }
    let sessions = sessions.join_all().await;

    let before = Usage::now();
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for mut session in sessions {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut waits = Vec::new();
            while begin.elapsed() < plan.time {
                let sent = Instant::now();
                session = record(&store, commit_of(kind, &session)).await;
                waits.push(sent.elapsed());
            }
            waits
        });
    }
    let waits = tasks.join_all().await.concat();
    let entries = if kind == Kind::Turn { 3 } else { 1 };
    let outcome = outcome(waits, entries, begin.elapsed(), &before);
    store.close().await;
    outcome
}

async fn record(store: &SqliteStore, commit: Commit) -> Session {
    assert_eq!(store.append(&commit).await, Ok(Appended::Recorded));
    Session::clone(&commit.session)
}

// ----------------------------------------------------------------------------- what is appended

/// Spread like the random part of a UUID, so that sessions lie anywhere in an index.
fn unique() -> u128 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

fn new_session() -> Session {
    let facts = Facts {
        connector: ConnectorId("demo".to_owned()),
        token: TokenId("01934b2e-7c00-7abc-8def-0123456789ab".to_owned()),
        expires_at: 1_800_000_000_000,
        streaming: true,
        platform: "web".to_owned(),
        device_type: Some("desktop".to_owned()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0".to_owned()),
        language: Some("en".to_owned()),
        variant_id: None,
        integration_attributes: None,
    };
    Session::new(SessionId(unique()), Arc::new(facts))
}

fn commit_of(kind: Kind, session: &Session) -> Commit {
    match kind {
        Kind::Plain | Kind::Message => commit(session, vec![message()], vec![]),
        Kind::Reply => commit(session, vec![reply()], vec![]),
        Kind::Turn => {
            let turn = Turn(session.state.head.0);
            let attempt = AttemptId(unique());
            let started = Event::TurnStarted { turn, attempt, input_to: session.state.head };
            let ended = Event::TurnEnded { turn, outcome: TurnOutcome::Finished };
            let job = NewJob { job: Job::RunBot { turn }, run_at: session.state.head.0 };
            commit(session, vec![started, reply(), ended], vec![job])
        }
    }
}

fn message() -> Event {
    Event::UserMessagePosted {
        message_id: MessageId(unique()),
        text: TEXT.to_owned(),
        key: Some(MessageKey::Local(EntryId(unique()).to_string())),
        custom: None,
    }
}

fn reply() -> Event {
    Event::BotMessagePosted {
        token: Position(1),
        message_id: MessageId(unique()),
        text: TEXT.to_owned(),
        extras: Extras::default(),
        call_actions: vec![],
        bot: BotProfile { name: "Ada".to_owned(), avatar_url: String::new() },
    }
}

fn commit(session: &Session, events: Vec<Event>, jobs: Vec<NewJob>) -> Commit {
    let mut builder = Commit::begin(session);
    let decision = Decision { events, jobs, ..Decision::default() };
    builder.add(1_700_000_000_000, decision, || EntryId(unique()));
    builder.finish().expect("there are events")
}

// -------------------------------------------------------------------------------- what it costs

/// What this process has used so far.
struct Usage {
    cpu_ticks: u64,
    written_bytes: u64,
}

impl Usage {
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        // The name may have spaces; it ends with the last parenthesis. utime and stime follow.
        let fields = stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2);
        let io = fs::read_to_string("/proc/self/io").unwrap();
        let written = io.lines().find_map(|it| it.strip_prefix("write_bytes: ")).unwrap();
        Self {
            cpu_ticks: fields.map(|it| it.parse::<u64>().unwrap()).sum(),
            written_bytes: written.parse().unwrap(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn outcome(mut waits: Vec<Duration>, entries: usize, took: Duration, before: &Usage) -> Outcome {
    const TICK_US: f64 = 10_000.0;
    let after = Usage::now();
    waits.sort();
    let at = |share: usize| waits[(waits.len() - 1) * share / 100].as_secs_f64() * 1e3;
    let entries = (waits.len() * entries) as f64;
    Outcome {
        entries_per_second: entries / took.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
        cpu_us: (after.cpu_ticks - before.cpu_ticks) as f64 * TICK_US / entries,
        written_bytes: (after.written_bytes - before.written_bytes) as f64 / entries,
    }
}
