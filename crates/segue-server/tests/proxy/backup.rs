//! Backups under load, and what becomes of conversations when one is put in the place of the folder.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    client,
    command::{json_of, refusal, said, segue},
    configuration::{TOKEN, configure},
    program::{Launch, Program},
    raw::{Raw, events_of, text},
    shop::{LISTEN, UNHURRIED, say},
};

const CLIENTS: usize = 6;
const BACKUPS: usize = 3;
/// Echoes between two backups, at least.
const ECHOES: u64 = 60;

fn configured() -> TempDir {
    let folder = TempDir::new().unwrap();
    configure(folder.path(), LISTEN, UNHURRIED);
    folder
}

async fn start(folder: &Path) -> Program {
    Launch::serve(folder, &[]).start().await
}

async fn stop(program: Program) {
    program.terminate();
    let ended = program.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{:#?}", ended.log);
}

/// A session, and which messages of it were echoed with which sequence.
#[derive(Clone)]
struct Visit {
    id: String,
    token: String,
    echoed: BTreeMap<u64, String>,
}

impl Visit {
    /// A new one, in which the bot has greeted.
    async fn new(address: SocketAddr, token: &str) -> Self {
        let id = client::session(address, token, &json!({})).await.unwrap();
        let visit = Self { id, token: token.to_owned(), echoed: BTreeMap::new() };
        let mut socket = visit.open(address, 0).await;
        socket.send(&text(&client::plain("REQUEST_POLY_AGENT_JOIN"))).await;
        socket.events_to(4).await;
        visit
    }

    async fn open(&self, address: SocketAddr, cursor: u64) -> Raw {
        Raw::open(address, &client::socket_path(&self.id, &self.token, Some(cursor))).await
    }
}

/// Says something and waits for its echo; returns all events up to it.
async fn echoed(socket: &mut Raw, text: &str) -> Vec<Value> {
    socket.send(&say(text, text)).await;
    let mut events = Vec::new();
    loop {
        events.extend(events_of(socket.recv().await));
        if let Some(at) = events.iter().position(|it| it["payload"]["text"] == text) {
            events.truncate(at + 1);
            return events;
        }
    }
}

/// What the clients know. Each has two sessions, and says a thing in the second only after it was
/// echoed in the first.
struct Load {
    visits: Mutex<Vec<[Visit; 2]>>,
    echoes: watch::Sender<u64>,
    is_over: watch::Sender<bool>,
}

impl Load {
    async fn begin(address: SocketAddr) -> (Arc<Self>, JoinSet<()>) {
        let token = client::access_token(address, TOKEN).await.unwrap();
        let mut visits = Vec::new();
        for _ in 0..CLIENTS {
            let pair = [Visit::new(address, &token).await, Visit::new(address, &token).await];
            visits.push(pair);
        }
        let load = Arc::new(Self {
            visits: Mutex::new(visits),
            echoes: watch::Sender::new(0),
            is_over: watch::Sender::new(false),
        });
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            clients.spawn(Arc::clone(&load).talk(number, address));
        }
        (load, clients)
    }

    async fn talk(self: Arc<Self>, number: usize, address: SocketAddr) {
        let visits = self.visits.lock()[number].clone();
        let mut sockets = [visits[0].open(address, 0).await, visits[1].open(address, 0).await];
        let mut said = 0_u64;
        while !*self.is_over.borrow() {
            said += 1;
            for (which, socket) in sockets.iter_mut().enumerate() {
                let text = format!("words-{said}");
                let event = echoed(socket, &text).await.pop().unwrap();
                let sequence = event["sequence"].as_u64().unwrap();
                self.visits.lock()[number][which].echoed.insert(sequence, text);
                self.echoes.send_modify(|it| *it += 1);
            }
        }
    }

    /// Waits for so many echoes from now on.
    async fn echoes_more(&self, more: u64) {
        let mut echoes = self.echoes.subscribe();
        let enough = *echoes.borrow_and_update() + more;
        let waiting = echoes.wait_for(|it| *it >= enough);
        let waited = tokio::time::timeout(std::time::Duration::from_mins(1), waiting).await;
        waited.expect("the load goes on").unwrap();
    }
}

/// The manifest, compared with the files; nobody else may read any of it.
fn check_manifest(backup: &Path, printed: &Value) -> Vec<String> {
    let manifest: Value =
        serde_json::from_slice(&fs::read(backup.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(&manifest, printed);
    assert_eq!((&manifest["format"], &manifest["schema_version"]), (&json!(1), &json!(6)));
    assert!(manifest["began_at"].as_str().unwrap() <= manifest["finished_at"].as_str().unwrap());
    let mut names = vec!["manifest.json".to_owned()];
    for file in manifest["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        let bytes = fs::read(backup.join(name)).unwrap();
        assert_eq!(file["bytes"], bytes.len());
        assert_eq!(file["sha256"], format!("{:x}", Sha256::digest(&bytes)));
        names.push(name.to_owned());
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(backup), 0o700);
    assert!(names.iter().all(|it| mode(&backup.join(it)) == 0o600));
    names.sort();
    assert_eq!(names_in(backup), names);
    names
}

fn names_in(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name());
    let mut names: Vec<String> = names.map(|it| it.into_string().unwrap()).collect();
    names.sort();
    names
}

/// Restores into a new folder, serves it, and has every session go on.
async fn check_restored(backup: &Path, before: &[[Visit; 2]]) {
    let folder = configured();
    let restored = segue(folder.path(), &["restore", backup.to_str().unwrap()]).await;
    assert!(said(&restored).contains("into the folder data."), "{restored:?}");
    let program = start(folder.path()).await;
    for pair in before {
        let mut said = Vec::new();
        for visit in pair {
            let mut socket = visit.open(program.address(), 0).await;
            let log = echoed(&mut socket, "after the restore").await;
            let sequences: Vec<u64> =
                log.iter().map(|it| it["sequence"].as_u64().unwrap()).collect();
            let all: Vec<u64> = (1..=log.len() as u64).collect();
            assert_eq!(sequences, all, "no gap, and the new message has the next number");
            for (sequence, text) in &visit.echoed {
                let event = &log[usize::try_from(*sequence).unwrap() - 1];
                assert_eq!(&event["payload"]["text"], text, "echoed before the backup began");
            }
            let words = log.iter().filter_map(|it| it["payload"]["text"].as_str());
            said.push(words.filter(|it| it.starts_with("words-")).count());
            // A cursor in the middle replays what is behind it.
            let cursor = log.len() as u64 / 2;
            let mut resumed = visit.open(program.address(), cursor).await;
            let replayed = resumed.events_to(log.len() as u64).await;
            let is_behind = |it: &&Value| {
                (cursor + 1..=log.len() as u64).contains(&it["sequence"].as_u64().unwrap())
            };
            let expected = &log[usize::try_from(cursor).unwrap()..];
            assert!(replayed.iter().filter(is_behind).eq(expected), "{replayed:?}");
        }
        // One moment for all sessions: what came later is not there without what came before it.
        assert!(said[0] == said[1] || said[0] == said[1] + 1, "{said:?}");
    }
    stop(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_has_everything_that_was_acknowledged_before_it() {
    let folder = configured();
    let program = start(folder.path()).await;
    let (load, mut clients) = Load::begin(program.address()).await;
    let mut backups = Vec::new();
    for number in 0..BACKUPS {
        load.echoes_more(ECHOES).await;
        let before = load.visits.lock().clone();
        let name = format!("backup-{number}");
        let output = segue(folder.path(), &["backup", &name, "--json"]).await;
        let backup = folder.path().join(&name);
        let names = check_manifest(&backup, &json_of(&output));
        assert_eq!(names, ["admin-key", "jwt.json", "manifest.json", "secrets.key", "segue.db"]);
        backups.push((backup, before));
    }
    load.echoes_more(ECHOES).await;
    load.is_over.send_replace(true);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    stop(program).await;
    for (backup, before) in backups {
        check_restored(&backup, &before).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_leaves_is_backed_up_as_it_is() {
    let folder = configured();
    let mut program = start(folder.path()).await;
    let (load, mut clients) = Load::begin(program.address()).await;
    load.echoes_more(ECHOES).await;
    let before = load.visits.lock().clone();
    clients.shutdown().await;
    program.kill();
    program.ended().await;
    let log = folder.path().join("data/segue.db-wal");
    assert!(fs::metadata(log).unwrap().len() > 0, "there is something to be carried over");
    let output = segue(folder.path(), &["backup", "backup"]).await;
    assert!(said(&output).starts_with("Backed up 4 files with "), "{output:?}");
    check_restored(&folder.path().join("backup"), &before).await;
}

/// A folder with a configuration, a server that has run in it, and a session in which "kept" was
/// said before a backup was made.
async fn backed_up() -> (TempDir, PathBuf, Visit) {
    let folder = configured();
    let program = start(folder.path()).await;
    let token = client::access_token(program.address(), TOKEN).await.unwrap();
    let visit = Visit::new(program.address(), &token).await;
    let mut socket = visit.open(program.address(), 0).await;
    echoed(&mut socket, "kept").await;
    said(&segue(folder.path(), &["backup", "backup"]).await);
    stop(program).await;
    let backup = folder.path().join("backup");
    (folder, backup, visit)
}

type Damage = fn(&Path);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_backup_changes_nothing() {
    let damages: [(Damage, &str); 8] = [
        (|it| flip(&it.join("segue.db")), "segue.db is damaged: its SHA-256"),
        (|it| flip(&it.join("jwt.json")), "jwt.json is damaged: its SHA-256"),
        (|it| cut(&it.join("segue.db")), "segue.db is damaged: it has "),
        (|it| fs::remove_file(it.join("jwt.json")).unwrap(), "cannot read"),
        (|it| cut(&it.join("manifest.json")), "manifest.json is damaged"),
        (|it| fs::remove_file(it.join("manifest.json")).unwrap(), "there is no manifest.json"),
        (|it| replace(it, r#""format": 1"#, r#""format": 2"#), "format 2, this program knows"),
        (damage_and_vouch, "segue.db is damaged: "),
    ];
    let (_folder, whole, _) = backed_up().await;
    for (damage, complaint) in damages {
        let folder = configured();
        let backup = folder.path().join("backup");
        fs::create_dir(&backup).unwrap();
        for name in names_in(&whole) {
            fs::copy(whole.join(&name), backup.join(&name)).unwrap();
        }
        damage(&backup);
        // Without a manifest it is no backup, and so there is none of this name.
        let code = if complaint.starts_with("there is no") { 3 } else { 1 };
        let refused = refusal(&segue(folder.path(), &["restore", "backup"]).await, code);
        assert!(refused.contains(complaint), "{refused}");
        assert_eq!(names_in(folder.path()), ["backup", "segue.toml"], "{complaint}");
    }
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn replace(backup: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(backup.join("manifest.json")).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(backup.join("manifest.json"), text.replace(from, to)).unwrap();
}

/// A database that was damaged before its digest was taken.
fn damage_and_vouch(backup: &Path) {
    let path = backup.join("segue.db");
    let mut bytes = fs::read(&path).unwrap();
    let before = format!("{:x}", Sha256::digest(&bytes));
    bytes[4_096..4_128].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    replace(backup, &before, &format!("{:x}", Sha256::digest(&bytes)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_there_is_overwritten() {
    let (folder, backup, visit) = backed_up().await;
    let (folder, data) = (folder.path(), folder.path().join("data"));
    // A backup goes into a folder of its own, below one that is there.
    let before = names_in(&backup);
    let refused = refusal(&segue(folder, &["backup", "backup"]).await, 2);
    assert!(refused.contains("backup is there and not empty"), "{refused}");
    assert_eq!(names_in(&backup), before);
    refusal(&segue(folder, &["backup", "nowhere/backup"]).await, 1);

    // A folder that a server is using is nobody else's, whatever is asked.
    let program = start(folder).await;
    let mut socket = visit.open(program.address(), 0).await;
    echoed(&mut socket, "since then").await;
    for words in [&["restore", "backup"][..], &["restore", "--force", "backup"]] {
        let refused = refusal(&segue(folder, words).await, 5);
        assert!(refused.contains("in use by another process"), "{refused}");
    }
    echoed(&mut socket, "still there").await;
    stop(program).await;

    // One in which there are conversations only when it is said so, and then they are kept.
    let before = names_in(&data);
    let database = fs::read(data.join("segue.db")).unwrap();
    let refused = refusal(&segue(folder, &["restore", "backup"]).await, 2);
    assert!(refused.contains("segue.db") && refused.contains("--force"), "{refused}");
    assert_eq!(
        (names_in(&data), fs::read(data.join("segue.db")).unwrap()),
        (before, database.clone())
    );
    let done = json_of(&segue(folder, &["restore", "--force", "backup", "--json"]).await);
    let aside = folder.join(done["aside"].as_str().unwrap());
    assert_eq!(fs::read(aside.join("segue.db")).unwrap(), database);
    assert_eq!(names_in(&aside), ["admin-key", "jwt.json", "secrets.key", "segue.db"]);
    let aside = aside.file_name().unwrap().to_str().unwrap();
    let kept = ["admin-key", aside, "jwt.json", "secrets.key", "segue.db", "segue.lock"];
    assert_eq!(names_in(&data), kept);
    assert_eq!(
        fs::read(data.join("jwt.json")).unwrap(),
        fs::read(backup.join("jwt.json")).unwrap()
    );

    // The conversation is where it was, and whoever was ahead of it goes on from there.
    let program = start(folder).await;
    echoed(&mut visit.open(program.address(), 99).await, "again").await;
    let log = echoed(&mut visit.open(program.address(), 0).await, "again").await;
    let texts: Vec<_> = log.iter().map(|it| &it["payload"]["text"]).collect();
    assert!(texts.contains(&&json!("kept")) && !texts.contains(&&json!("since then")), "{texts:?}");
    assert_eq!(log.last().unwrap()["sequence"], log.len());
    stop(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_server_starts_where_a_restore_stopped_half_way() {
    let (folder, _, visit) = backed_up().await;
    let (folder, data) = (folder.path(), folder.path().join("data"));
    // As a power cut leaves it between two of the names.
    fs::create_dir(data.join("restore.staged")).unwrap();
    fs::write(data.join("restore.staged/jwt.json"), "half").unwrap();
    fs::write(data.join("restore.unfinished"), "").unwrap();
    fs::remove_file(data.join("segue.db")).unwrap();
    let ended = Launch::serve(folder, &[]).try_start().await.err().expect("it does not start");
    assert!(ended.log.join("\n").contains("stopped half way"), "{:#?}", ended.log);
    assert!(!data.join("segue.db").exists());
    said(&segue(folder, &["restore", "--force", "backup"]).await);
    let program = start(folder).await;
    echoed(&mut visit.open(program.address(), 0).await, "again").await;
    let log = echoed(&mut visit.open(program.address(), 0).await, "again").await;
    assert!(log.iter().any(|it| it["payload"]["text"] == "kept"), "{log:?}");
    stop(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_kept_there_is_nothing_to_back_up() {
    let folder = configured();
    let refused = refusal(&segue(folder.path(), &["backup", "backup"]).await, 5);
    assert!(refused.contains("there is no database"), "{refused}");
    let text = fs::read_to_string(folder.path().join("segue.toml")).unwrap();
    let text = text.replace("sqlite:data/segue.db", "memory:");
    fs::write(folder.path().join("segue.toml"), text).unwrap();
    for command in ["backup", "restore"] {
        let refused = refusal(&segue(folder.path(), &[command, "backup"]).await, 2);
        assert!(refused.contains("in memory"), "{refused}");
    }
    assert_eq!(names_in(folder.path()), ["segue.toml"]);
}
