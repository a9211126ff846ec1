//! What needs more of a machine than tests may ask for: `strace`, and a file system to fill. Run by
//! `scripts/soak.sh`, and not by a plain `cargo test`.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

#[path = "../real/client.rs"]
mod client;
#[path = "../real/configuration.rs"]
mod configuration;
#[path = "../real/dice.rs"]
mod dice;
#[expect(dead_code, reason = "the crash test needs more of it")]
#[path = "../real/program.rs"]
mod program;
#[expect(dead_code, reason = "the proxy's tests need more of it")]
#[path = "../real/raw.rs"]
mod raw;

mod attacks;
mod hostile;

use configuration::{TOKEN, configure};
use program::{Launch, Program};
use raw::{Came, Raw, events_of};

const LIMITS: &str = "\
messages_per_second = 0
handshakes_per_second = 0
connector_handshakes_per_second = 0
sockets_per_second = 0
connections_per_address = 0
disk_free_mib_min = 0
sessions_per_token = 0
turns_per_session = 0
live_after_replay_ms = 0
";

/// The program beneath strace, which stands aside: the child is the program itself.
fn traced(folder: &Path, report: &Path, options: &[&str]) -> Launch {
    let mut launch = Launch::serve(folder, &["--config", "segue.toml"])
        .with("SEGUE_LOG", "warn,segue_server::node=debug");
    let mut words = vec!["strace".to_owned(), "-D".to_owned(), "-f".to_owned()];
    words.extend(options.iter().map(|&it| it.to_owned()));
    words.extend(["-o".to_owned(), report.to_str().unwrap().to_owned()]);
    words.append(&mut launch.words);
    launch.words = words;
    launch
}

/// One user with one socket, who waits for each echo before the next word.
struct Talker {
    id: String,
    token: String,
    name: usize,
    /// What was told, by sequence.
    told: BTreeMap<u64, Value>,
    said: usize,
}

impl Talker {
    async fn new(address: SocketAddr, token: &str, name: usize) -> Self {
        let id = client::session(address, token, &json!({})).await.unwrap();
        Self { id, token: token.to_owned(), name, told: BTreeMap::new(), said: 0 }
    }

    async fn open(&self, address: SocketAddr) -> Raw {
        let cursor = self.told.last_key_value().map(|(it, _)| *it);
        Raw::open(address, &client::socket_path(&self.id, &self.token, cursor)).await
    }

    /// Asks for the bot; the program may die before it comes.
    async fn join(&mut self, socket: &mut Raw) {
        socket.send(&raw::text(&client::plain("REQUEST_POLY_AGENT_JOIN"))).await;
        while self.told.len() < 4 {
            let Came::Frame(frame) = socket.next().await else { return };
            for event in events_of(frame) {
                self.told.insert(event["sequence"].as_u64().unwrap(), event);
            }
        }
    }

    /// Says something new: the refusal's code, if it is refused; `None` as soon as it is echoed.
    /// False in the first place when the connection is gone.
    async fn say(&mut self, socket: &mut Raw, text: &str) -> (bool, Option<String>) {
        self.said += 1;
        self.say_as(socket, text, &format!("{}-{}", self.name, self.said)).await
    }

    async fn say_as(&mut self, socket: &mut Raw, text: &str, key: &str) -> (bool, Option<String>) {
        socket.send(&raw::text(&client::user_message(text, key))).await;
        loop {
            let Came::Frame(frame) = socket.next().await else { return (false, None) };
            let is_own = frame["metadata"]["custom"]["local_id"] == key;
            if is_own && frame["type"] == "EVENT_TYPE_SYSTEM_MESSAGE" {
                return (true, Some(frame["payload"]["code"].as_str().unwrap().to_owned()));
            }
            let mut is_echoed = false;
            for event in events_of(frame) {
                is_echoed |= event["metadata"]["custom"]["local_id"] == key;
                self.told.insert(event["sequence"].as_u64().unwrap(), event);
            }
            if is_echoed {
                return (true, None);
            }
        }
    }

    /// Everything that was told is in the log, as it was told, and each key is there once.
    async fn check(&self, address: SocketAddr) {
        // Who was told nothing was promised nothing.
        let Some((&to, _)) = self.told.last_key_value() else { return };
        let path = client::socket_path(&self.id, &self.token, None);
        let log = Raw::open(address, &path).await.events_to(to).await;
        for (sequence, told) in &self.told {
            let at = usize::try_from(*sequence).unwrap() - 1;
            assert_eq!(log.get(at), Some(told), "session {}", self.id);
        }
        let keys = log.iter().filter_map(|it| it["metadata"]["custom"]["local_id"].as_str());
        let mut keys: Vec<&str> = keys.collect();
        keys.sort_unstable();
        let all = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), all, "a key is there twice in session {}", self.id);
    }
}

async fn talkers(address: SocketAddr, count: usize) -> Vec<Talker> {
    let token = client::access_token(address, TOKEN).await.unwrap();
    let mut talkers = Vec::new();
    for name in 0..count {
        talkers.push(Talker::new(address, &token, name).await);
    }
    talkers
}

/// All of them talk at once, each so many words.
async fn all_talk(address: SocketAddr, talkers: Vec<Talker>, words: usize) -> Vec<Talker> {
    let mut talking = JoinSet::new();
    for mut talker in talkers {
        talking.spawn(async move {
            let mut socket = talker.open(address).await;
            talker.join(&mut socket).await;
            for _ in 0..words {
                if !talker.say(&mut socket, "when are you open?").await.0 {
                    break;
                }
            }
            talker
        });
    }
    talking.join_all().await
}

async fn stopped(program: Program) -> Vec<String> {
    program.terminate();
    let ended = program.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{:#?}", ended.log);
    ended.log
}

/// Syncs and appends of a load, counted by strace and by the program's own log.
async fn counted(people: usize, words: usize) -> (u64, u64) {
    let folder = TempDir::new().unwrap();
    configure(folder.path(), "listen = \"127.0.0.1:0\"", LIMITS);
    let report = folder.path().join("syncs");
    let program =
        traced(folder.path(), &report, &["-c", "-e", "trace=fsync,fdatasync"]).start().await;
    let address = program.address();
    let people = talkers(address, people).await;
    let people = all_talk(address, people, words).await;
    assert!(people.iter().all(|it| it.said == words));
    let log = stopped(program).await;
    let appends = log.iter().filter(|it| it.contains("appended to session")).count() as u64;
    (syncs(&report).await, appends)
}

/// The calls in strace's table, which it writes when the program has ended.
async fn syncs(report: &Path) -> u64 {
    loop {
        let text = std::fs::read_to_string(report).unwrap_or_default();
        if text.trim_end().ends_with("total") {
            let lines =
                text.lines().filter(|it| it.ends_with("fsync") || it.ends_with("fdatasync"));
            return lines
                .map(|it| it.split_whitespace().nth(3).unwrap().parse::<u64>().unwrap())
                .sum();
        }
        // strace has no end that could be waited for: it is no child of this process.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_append_was_synced_and_appends_share_their_syncs() {
    let words = 100;
    let (alone_syncs, alone_appends) = counted(1, words).await;
    println!("one person, {words} messages: {alone_syncs} syncs for {alone_appends} appends");
    // Each echo was waited for, so no two of these messages can have shared a sync.
    assert!(alone_syncs >= words as u64, "an echo left before its sync");
    let people = 40;
    let (syncs, appends) = counted(people, 25).await;
    println!("{people} people, 25 messages each: {syncs} syncs for {appends} appends");
    assert!(syncs < appends, "appends that wait together are synced together");
    assert!(syncs > 25, "each person's messages come one after the other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_ends_the_program_and_loses_nothing_that_was_acknowledged() {
    // The first of them fails soon after the sessions are there.
    for when in [30, 60, 120, 200] {
        let folder = TempDir::new().unwrap();
        configure(folder.path(), "listen = \"127.0.0.1:0\"", LIMITS);
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={when}");
        let options = ["-e", "trace=fsync,fdatasync", "-e", &inject];
        let report = folder.path().join("syncs");
        let program = traced(folder.path(), &report, &options).start().await;
        let people = talkers(program.address(), 8).await;
        let people = all_talk(program.address(), people, 1_000).await;
        assert!(people.iter().all(|it| it.said < 1_000), "the sync {when} never failed");
        let told: usize = people.iter().map(|it| it.told.len()).sum();
        let ended = program.ended().await;
        assert_ne!(ended.status.code(), Some(0), "{:#?}", ended.status);
        let cause = ended.log.iter().find(|it| it.contains("durable") || it.contains("synced"));
        println!("sync {when} failed after {told} events: {:?}, {cause:?}", ended.status);
        assert!(cause.is_some(), "{:#?}", ended.log);
        let program = Launch::serve(folder.path(), &["--config", "segue.toml"]).start().await;
        for person in &people {
            person.check(program.address()).await;
        }
        stopped(program).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_that_is_exceeded_is_told_and_outlived() {
    let folder = TempDir::new().unwrap();
    configure(folder.path(), "listen = \"127.0.0.1:0\"", LIMITS);
    // Some way into the conversation, the write-ahead log does not grow for a while.
    let log = folder.path().join("data/segue.db-wal");
    let options = ["-P", log.to_str().unwrap(), "-e", "trace=pwrite64"];
    let inject = ["-e", "inject=pwrite64:error=EDQUOT:when=150..250"];
    let options = [&options[..], &inject[..]].concat();
    let program = traced(folder.path(), &folder.path().join("writes"), &options).start().await;
    let address = program.address();
    let mut person = talkers(address, 1).await.remove(0);
    let mut socket = person.open(address).await;
    person.join(&mut socket).await;
    let mut refused = 0;
    // Until it was refused and has gone well again.
    loop {
        person.said += 1;
        let key = format!("{}-{}", person.name, person.said);
        let mut tries = 0;
        while let (is_there, Some(code)) = person.say_as(&mut socket, "open?", &key).await {
            assert_eq!((is_there, code.as_str()), (true, "unavailable"));
            tries += 1;
            assert!(tries < 1_000, "there is room again");
        }
        refused += tries;
        assert!(person.said < 1_000, "the quota was never met");
        if refused > 0 {
            break;
        }
    }
    println!("over the quota: {refused} refusals, then it went on");
    assert_eq!(readiness(address).await, 200);
    person.check(address).await;
    stopped(program).await;
}

/// A file system of its own; gone with this.
struct Disk(PathBuf);

impl Disk {
    fn new(at: PathBuf, bytes: &str) -> Self {
        std::fs::create_dir(&at).unwrap();
        let size = format!("size={bytes},mode=0700");
        mount(&["-t", "tmpfs", "-o", &size, "tmpfs", at.to_str().unwrap()]);
        Self(at)
    }

    fn resize(&self, bytes: &str) {
        mount(&["-o", &format!("remount,size={bytes}"), self.0.to_str().unwrap()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(words: &[&str]) {
    let status = Command::new("mount").args(words).status().unwrap();
    assert!(status.success(), "mount {words:?}: this needs the right to mount");
}

async fn readiness(address: SocketAddr) -> u16 {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_outlived() {
    let folder = TempDir::new().unwrap();
    configure(folder.path(), "listen = \"127.0.0.1:0\"", LIMITS);
    let disk = Disk::new(folder.path().join("data"), "3m");
    let launch = Launch::serve(folder.path(), &["--config", "segue.toml"]);
    let program = launch.start().await;
    let address = program.address();
    assert_eq!(readiness(address).await, 200);
    let mut person = talkers(address, 1).await.remove(0);
    let mut socket = person.open(address).await;
    person.join(&mut socket).await;
    let text = "x".repeat(50_000);
    let refused = loop {
        match person.say(&mut socket, &text).await {
            (true, None) => assert!(person.said < 200, "3 MiB hold no 10"),
            (true, Some(code)) => break code,
            (false, _) => panic!("the socket is gone"),
        }
    };
    println!("full after {} messages of 50 kB", person.said);
    assert_eq!(refused, "unavailable");
    // Full to the last byte: a small write may still find room beside a large one.
    let ballast = disk.0.join("ballast");
    let _ = std::fs::write(&ballast, vec![0_u8; 4 * 1024 * 1024]);
    while readiness(address).await != 503 {
        assert!(person.say(&mut socket, "when are you open?").await.0);
        assert!(person.said < 2_000, "a full disk takes no 2,000 messages");
    }
    let key = format!("{}-refused", person.name);
    let (is_there, refused) = person.say_as(&mut socket, &text, &key).await;
    assert_eq!((is_there, refused.as_deref()), (true, Some("unavailable")));

    std::fs::remove_file(&ballast).unwrap();
    disk.resize("32m");
    // The same key again, as clients do, until there is an echo.
    let mut tries = 0;
    while person.say_as(&mut socket, &text, &key).await != (true, None) {
        tries += 1;
        assert!(tries < 1_000, "there is room again");
    }
    println!("recorded again after {tries} refusals");
    assert_eq!(readiness(address).await, 200);
    person.check(address).await;
    stopped(program).await;
    let program = launch.start().await;
    person.check(program.address()).await;
    stopped(program).await;
}
