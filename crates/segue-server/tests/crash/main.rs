//! The real program under load, killed without warning and started again, many times. Every promise
//! is checked from outside: by what clients are told, and by the log as it reads when all is over.
//!
//! `ROUNDS`, `SESSIONS` and `SEED` may be given; the seed is printed. Nothing here waits for a time
//! to pass; the clients and the bot pace themselves, as people and models do.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use futures_util::StreamExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpStream, sync::Notify, sync::watch, task::JoinSet};
use tokio_tungstenite::tungstenite::Message;

mod bot;
#[path = "../real/client.rs"]
mod client;
#[path = "../real/dice.rs"]
mod dice;
mod ledger;
#[expect(dead_code, reason = "the proxy tests need more of it")]
#[path = "../real/program.rs"]
mod program;
mod user;
mod verdict;
mod world;

use bot::Bot;
use dice::Dice;
use ledger::{Broken, Ledger, sequence_of};
use program::{Launch, Program};
use user::User;
use verdict::{GREETING, Traces};
use world::{Phase, Session, World};

/// Of the log of a program that did wrong, the end is shown.
const LOG_LINES_SHOWN: usize = 40;
const KILLS_A_ROUND: u64 = 5;
/// Connectors: one whose bot greets with a configured text, one whose bot is asked for a greeting.
const TOKENS: [&str; 2] = ["shop-token-5f1c", "quiet-token-77d0"];

/// When a kill hits.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Right after somebody saw a stream begin.
    StreamOpen,
    /// Right after somebody sent a message.
    MessageSent,
    /// After so many frames, whatever they were.
    AnyTime,
}

/// What a run has seen, over all rounds.
#[derive(Debug, Default)]
struct Tally {
    rounds: u64,
    kills: u64,
    /// Kills that hit while somebody saw an open stream.
    in_streams: u64,
    /// Kills that hit while somebody waited for an echo.
    in_appends: u64,
    conflicts: u64,
    duplicates: u64,
    acknowledged: u64,
    sent_again: u64,
    frames: u64,
    opened: u64,
    cold: u64,
    in_vain: u64,
    shared_keys: u64,
    answers: u64,
    broken_off: u64,
    asked_again: u64,
    ended: u64,
}

/// Covers 8.10, 8.11, 4.15, 4.19, 6.26, 6.27.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_repeated_or_reordered_by_kills() {
    let rounds = number("ROUNDS", 5);
    let sessions = number("SESSIONS", 240);
    let (mut dice, seed) = Dice::from_environment("SEED");
    println!("crash: SEED={seed} ROUNDS={rounds} SESSIONS={sessions}");
    let mut tally = Tally::default();
    for round in 1..=rounds {
        let began = tokio::time::Instant::now();
        if let Err(broken) = run(&mut dice, sessions, &mut tally).await {
            panic!("round {round} of SEED={seed}: {broken}\n{tally:#?}");
        }
        println!("round {round}: {:.1} s", began.elapsed().as_secs_f64());
    }
    println!("{tally:#?}");
    assert_eq!(tally.kills, rounds * KILLS_A_ROUND);
    assert!(tally.in_streams * 5 >= tally.kills, "too few kills hit an open stream");
    assert!(tally.in_appends * 5 >= tally.kills, "too few kills hit an append under way");
    assert!(tally.conflicts > 0, "no two writers ever met");
    assert!(tally.duplicates > 0, "nothing was ever sent twice");
    assert!(tally.sent_again > 0 && tally.cold > 0 && tally.ended > 0 && tally.in_vain > 0);
    assert!(tally.broken_off > 0, "no stream was ever broken off");
    assert!(tally.asked_again > 0, "no turn was ever asked for again");
    assert!(tally.answers > sessions, "the bot had hardly a word");
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |it| it.parse().expect("a number"))
}

/// One round: a folder, a load, some kills, and the reckoning.
async fn run(dice: &mut Dice, sessions: u64, tally: &mut Tally) -> Result<(), Broken> {
    let folder = TempDir::new().unwrap();
    let bot = Bot::start(dice.fork()).await;
    let address = free_address(dice);
    configure(folder.path(), address, &bot);
    let launch = Launch::serve(folder.path(), &["--config", "segue.toml"])
        .with("SEGUE_LOG", "warn,segue_server::node=debug");
    let mut program = launch.start().await;
    let world = Arc::new(people(address, sessions).await);
    let mut users = JoinSet::new();
    for session in 0..world.sessions.len() {
        for name in ["a", "b"] {
            users.spawn(User::new(Arc::clone(&world), session, name, dice.fork()).run());
        }
    }
    for _ in 0..KILLS_A_ROUND {
        if let Err(broken) = strike(dice, &world, &mut program, tally).await {
            program.kill();
            let log = program.ended().await.log;
            let newest = log[log.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
            return Err(format!("{broken}\n{}\n{newest}", unsettled(&world)));
        }
        program = restart(&launch, &world, program, tally).await;
    }
    frames_more(&world, 500 + dice.below(500)).await;
    world.phase.send_replace(Phase::Quiet);
    world.until("every message to be confirmed and answered", || is_settled(&world)).await;
    sound(&world).map_err(|it| format!("{it}\n{}", unsettled(&world)))?;
    let logs = read_logs(&world).await?;
    world.phase.send_replace(Phase::Over);
    while let Some(ended) = users.join_next().await {
        ended.map_err(|it| it.to_string())?;
    }
    sound(&world)?;
    program.terminate();
    let ended = program.ended().await;
    if ended.status.code() != Some(0) {
        return Err(format!("asked to stop, it ended with {ended:#?}"));
    }
    note_log(&ended.log, tally)?;
    reckon(&world, &bot, &logs, tally)
}

/// Waits for its moment and kills.
async fn strike(
    dice: &mut Dice,
    world: &World,
    program: &mut Program,
    tally: &mut Tally,
) -> Result<(), Broken> {
    let moment = match dice.below(3) {
        0 => Moment::StreamOpen,
        1 => Moment::MessageSent,
        _ => Moment::AnyTime,
    };
    frames_more(world, 1_500 + dice.below(4_000)).await;
    let flag = match moment {
        Moment::StreamOpen => Some(&world.counts.has_stream),
        Moment::MessageSent => Some(&world.counts.has_sent),
        Moment::AnyTime => None,
    };
    if let Some(flag) = flag {
        flag.store(false, Ordering::Relaxed);
        world.until(&format!("{moment:?}"), || flag.load(Ordering::Relaxed)).await;
    }
    world.is_up.send_replace(false);
    program.kill();
    tally.kills += 1;
    tally.in_streams += u64::from(world.open_streams() > 0);
    tally.in_appends += u64::from(world.unacknowledged() > 0);
    sound(world)
}

async fn restart(launch: &Launch, world: &World, killed: Program, tally: &mut Tally) -> Program {
    let ended = killed.ended().await;
    note_log(&ended.log, tally).unwrap();
    let program = launch.start().await;
    assert_eq!(program.address(), world.address);
    world.is_up.send_replace(true);
    program
}

async fn frames_more(world: &World, frames: u64) {
    let frames = world.counts.frames.load(Ordering::Relaxed) + frames;
    let has_come = || world.counts.frames.load(Ordering::Relaxed) >= frames;
    world.until("frames to come", has_come).await;
}

/// Conflicts do not show outside; the program's own log counts them. It must not panic.
fn note_log(log: &[String], tally: &mut Tally) -> Result<(), Broken> {
    if let Some(line) = log.iter().find(|it| it.contains("panicked")) {
        return Err(line.clone());
    }
    let is_conflict = |it: &&String| it.contains("somebody was first in session");
    tally.conflicts += log.iter().filter(is_conflict).count() as u64;
    Ok(())
}

fn sound(world: &World) -> Result<(), Broken> {
    let broken = world.broken.lock();
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

fn is_settled(world: &World) -> bool {
    world.unacknowledged() == 0 && world.sessions.iter().all(|it| it.ledger.lock().is_answered())
}

/// What is still open, for the message of a failure.
fn unsettled(world: &World) -> String {
    let mut text = format!("{} messages unacknowledged", world.unacknowledged());
    for session in world.sessions.iter().filter(|it| !it.ledger.lock().is_answered()).take(3) {
        let ledger = session.ledger.lock();
        let _ = write!(text, "\nsession {} is not answered, its log ends with", session.id);
        for event in ledger.events.values().rev().take(4) {
            let _ = write!(text, "\n  {event}");
        }
    }
    text
}

/// Reads each log from its beginning, over a fresh socket.
async fn read_logs(world: &Arc<World>) -> Result<Vec<Vec<Value>>, Broken> {
    let mut logs = Vec::new();
    for session in &world.sessions {
        let to = session.ledger.lock().newest();
        let reading = read_log(world, session, to);
        let patience = std::time::Duration::from_secs(20);
        let log = tokio::time::timeout(patience, reading).await;
        let lost =
            |_| format!("session {}: {to} events were seen, and not all are there", session.id);
        logs.push(log.map_err(lost)??);
    }
    Ok(logs)
}

async fn read_log(world: &World, session: &Session, to: u64) -> Result<Vec<Value>, Broken> {
    let path = client::socket_path(&session.id, &session.token, None);
    let tcp = TcpStream::connect(world.address).await.map_err(|it| it.to_string())?;
    let mut web = user::upgrade(tcp, &path).await.map_err(|it| it.to_string())?;
    let mut log: Vec<Value> = Vec::new();
    while log.last().and_then(sequence_of) < Some(to) {
        let Some(Ok(Message::Text(text))) = web.next().await else {
            return Err(format!("session {}: the replay ends with {:?}", session.id, log.last()));
        };
        let frame: Value = serde_json::from_str(&text).map_err(|it| it.to_string())?;
        match frame["payload"]["events"].as_array() {
            Some(events) => log.extend(events.iter().cloned()),
            None if sequence_of(&frame).is_some() => log.push(frame),
            None => {}
        }
    }
    Ok(log)
}

fn reckon(world: &World, bot: &Bot, logs: &[Vec<Value>], tally: &mut Tally) -> Result<(), Broken> {
    let asked = bot.asked();
    let none = BTreeMap::new();
    let mut ids = std::collections::BTreeSet::new();
    for (session, log) in world.sessions.iter().zip(logs) {
        let ledger: &Ledger = &session.ledger.lock();
        let turns = asked.get(&session.id).unwrap_or(&none);
        let traces: Traces = verdict::check(log, ledger, turns, session.streams).map_err(|it| {
            let log: Vec<String> = log.iter().map(Value::to_string).collect();
            format!("session {}: {it}\n{}\n{turns:#?}", session.id, log.join("\n"))
        })?;
        for event in log {
            let id = event["id"].as_str().unwrap_or_default();
            if !ids.insert(id.to_owned()) || uuid::Uuid::parse_str(id).is_err() {
                return Err(format!("not an id of its own: {event}"));
            }
        }
        tally.answers += traces.answers;
        tally.broken_off += traces.broken_off;
        tally.asked_again += traces.asked_again;
        tally.ended += u64::from(ledger.is_ended);
    }
    let counts = &world.counts;
    for (total, counted) in [
        (&mut tally.duplicates, &counts.duplicates),
        (&mut tally.acknowledged, &counts.acknowledged),
        (&mut tally.sent_again, &counts.sent_again),
        (&mut tally.frames, &counts.frames),
        (&mut tally.opened, &counts.opened),
        (&mut tally.cold, &counts.cold),
        (&mut tally.in_vain, &counts.in_vain),
        (&mut tally.shared_keys, &counts.shared_keys),
    ] {
        *total += counted.load(Ordering::Relaxed);
    }
    tally.rounds += 1;
    Ok(())
}

/// A port that nobody gets by chance while the program is down: below the range of those that the
/// system hands out.
fn free_address(dice: &mut Dice) -> SocketAddr {
    loop {
        let port = 20_000 + u16::try_from(dice.below(12_000)).unwrap();
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().unwrap();
        }
    }
}

fn configure(folder: &Path, address: SocketAddr, bot: &Bot) {
    let [told, asked] = TOKENS;
    let mut text = format!(
        r#"
[server]
listen = "{address}"
[store]
url = "sqlite:data/segue.db"
[limits]
messages_per_second = 0
handshakes_per_second = 0
connector_handshakes_per_second = 0
sockets_per_second = 0
connections_per_address = 0
sessions_per_token = 0
chunk_interval_ms = 40
thinking_repeat_seconds = 3600
"#
    );
    for (id, token, greeting) in [("told", told, GREETING), ("asked", asked, "")] {
        let _ = write!(
            text,
            r#"
[[connectors]]
id = "{id}"
token = "{token}"
hosts = ["{host}"]
bot = "{id}"
[[bots]]
id = "{id}"
kind = "http"
name = "Wick"
greeting = "{greeting}"
url = "http://{bot}/turn"
secret = "bot-secret-91b7"
"#,
            host = client::HOST,
            bot = bot.address,
        );
    }
    std::fs::write(folder.join("segue.toml"), text).unwrap();
}

/// Makes the sessions: half of them stream, half of them are greeted by a configured text.
async fn people(address: SocketAddr, sessions: u64) -> World {
    let mut all = Vec::new();
    let mut tokens = Vec::new();
    for token in TOKENS {
        tokens.push(client::access_token(address, token).await.unwrap());
    }
    for number in 0..usize::try_from(sessions).unwrap() {
        let streams = number % 2 == 0;
        let token = &tokens[number / 2 % tokens.len()];
        let body = json!({"streaming_enabled": streams});
        let id = client::session(address, token, &body).await.unwrap();
        all.push(Session {
            id,
            token: token.clone(),
            streams,
            ledger: Mutex::default(),
            latest: Mutex::default(),
        });
    }
    World {
        address,
        sessions: all,
        phase: watch::Sender::new(Phase::Load),
        is_up: watch::Sender::new(true),
        moved: Notify::new(),
        broken: Mutex::default(),
        counts: world::Counts::default(),
    }
}
