//! A hostile hour: everything that strangers, disks and clocks do to a server at once, while people
//! talk. At the end every conversation is whole and goes on, and memory and descriptors are back.
//!
//! `HOSTILE_SECONDS` says how long, `HOSTILE_SEED` repeats the dice.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Disk, Talker, attacks, client,
    configuration::configure,
    dice::Dice,
    program::{Launch, Program},
    raw::Raw,
    readiness, stopped, talkers,
};

const PEOPLE: usize = 6;
const ATTACKERS: u64 = 6;
/// So few that they run out all the time.
const DESCRIPTORS: u64 = 256;
/// The store's cache of 64 MiB fills meanwhile, and allocators keep some of what was freed.
const MEMORY_KIB_MAX: u64 = 160 * 1024;
/// Descriptors that may be open beyond those before: spare connections of the store.
const DESCRIPTORS_SLACK: usize = 8;
const DAY_SECONDS: u64 = 86_400;
const FAKE_TIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Little patience, and room for few from one address.
const LIMITS: &str = "\
disk_free_mib_min = 0
connections_per_address = 40
headers_seconds = 2
request_body_seconds = 2
response_seconds = 2
frame_seconds = 2
slow_reader_seconds = 2
";

/// The clock of the program: libfaketime adds what a file says.
struct Clock(PathBuf);

impl Clock {
    fn set(&self, offset_seconds: i64) {
        // Replaced, so that it is never read half written.
        let fresh = self.0.with_extension("new");
        std::fs::write(&fresh, format!("{offset_seconds:+}\n")).unwrap();
        std::fs::rename(fresh, &self.0).unwrap();
    }

    /// The program's clock follows.
    async fn check(&self, server: SocketAddr) {
        let before = second_of_day(server).await;
        self.set(250);
        let after = second_of_day(server).await;
        self.set(0);
        let jumped = (after + DAY_SECONDS - before) % DAY_SECONDS;
        assert!((200..300).contains(&jumped), "the clock jumped {jumped} s, not 250");
    }

    fn is_there() -> bool {
        Path::new(FAKE_TIME).exists()
    }
}

/// The time of the server, as its answers have it: `date: Thu, 26 Nov 2026 18:59:23 GMT`.
async fn second_of_day(server: SocketAddr) -> u64 {
    let mut tcp = TcpStream::connect(server).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    tcp.write_all(request).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    let date = answer.lines().find_map(|it| it.strip_prefix("date: ")).expect("a date");
    let time = date.split(' ').nth(4).expect("a time of day");
    time.split(':').fold(0, |sum, it| sum * 60 + it.parse::<u64>().expect("a number"))
}

fn launch(folder: &Path, clock: &Clock) -> Launch {
    let mut launch = Launch::serve(folder, &["--config", "segue.toml"]).with("SEGUE_LOG", "warn");
    if Clock::is_there() {
        launch = launch
            .with("LD_PRELOAD", FAKE_TIME)
            .with("FAKETIME_TIMESTAMP_FILE", clock.0.to_str().unwrap())
            .with("FAKETIME_NO_CACHE", "1")
            .with("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    } else {
        println!("no libfaketime (package faketime): the clock does not jump");
    }
    let limited = format!("ulimit -n {DESCRIPTORS}; exec \"$0\" \"$@\"");
    let mut words = vec!["sh".to_owned(), "-c".to_owned(), limited];
    words.append(&mut launch.words);
    launch.words = words;
    launch
}

/// Somebody who talks on and on, and comes back whenever the socket is gone.
async fn person(mut person: Talker, address: SocketAddr, is_over: CancellationToken) -> Talker {
    let mut socket: Option<Raw> = None;
    while !is_over.is_cancelled() {
        let word = format!("{}-{}", person.name, person.said);
        let Some(open) = &mut socket else {
            socket = come_back(&person, address).await;
            continue;
        };
        match timeout(Duration::from_secs(20), person.say_as(open, "when are you open?", &word))
            .await
        {
            Ok((true, None)) => person.said += 1,
            // Not recorded, or not known to be: the same again.
            Ok((true, Some(_))) => {}
            Ok((false, _)) | Err(_) => socket = None,
        }
        sleep(Duration::from_millis(400)).await;
    }
    person
}

async fn come_back(person: &Talker, address: SocketAddr) -> Option<Raw> {
    let cursor = person.told.last_key_value().map(|(it, _)| *it);
    let path = client::socket_path(&person.id, &person.token, cursor);
    let upgrade = async { Raw::upgrade(TcpStream::connect(address).await?, &path).await };
    match timeout(Duration::from_secs(10), upgrade).await {
        Ok(Ok((101, socket))) => Some(socket),
        // Clients would throw the session away.
        Ok(Ok((status, _))) => panic!("a person was refused with {status}"),
        Ok(Err(_)) | Err(_) => {
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// What the system says of a process.
#[derive(Debug, Clone, Copy)]
struct Vitals {
    memory_kib: u64,
    descriptors: usize,
}

impl Vitals {
    fn of(id: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("it is alive");
        let memory_kib = line.trim().trim_end_matches(" kB").parse().unwrap();
        let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
        Self { memory_kib, descriptors }
    }
}

fn is_alive(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|it| !it.trim_start().starts_with('Z') && !it.is_empty())
}

/// Every write of the program fails, as on a disk that was mounted anew to be read only.
struct ReadOnly(Child);

impl ReadOnly {
    fn begin(id: u32) -> Self {
        let words = ["-qq", "-f", "-e", "trace=pwrite64,ftruncate,fallocate"];
        let inject = ["-e", "inject=pwrite64,ftruncate,fallocate:error=EROFS", "-o", "/dev/null"];
        let child = Command::new("strace")
            .args(words)
            .args(inject)
            .args(["-p", &id.to_string()])
            .stderr(Stdio::null())
            .spawn()
            .expect("there is strace");
        Self(child)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        // SIGTERM: it then lets go of the program.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// A disk that can only be read ends the program or is outlived by it; people lose nothing.
async fn read_only_disk(program: Program, launch: &Launch) -> Program {
    let id = program.id();
    let read_only = ReadOnly::begin(id);
    let address = program.address();
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_alive(id) {
        assert!(Instant::now() < deadline, "a disk that can only be read is not noticed");
        // A task of its own: the program may end while it is asked.
        if matches!(tokio::spawn(readiness(address)).await, Ok(503)) {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    drop(read_only);
    if is_alive(id) {
        println!("a disk that can only be read was outlived");
        return program;
    }
    let ended = program.ended().await;
    println!("a disk that can only be read ended the program: {:?}", ended.log.last());
    launch.start().await
}

/// Writes until there is no room any more.
fn fill(ballast: &Path) {
    let mut file = std::fs::File::create(ballast).expect("a name needs no room");
    let block = vec![0_u8; 1024 * 1024];
    while file.write_all(&block).is_ok() {}
}

/// What happens to the machine: its disk fills, its clock jumps.
async fn trouble(disk: Arc<Disk>, clock: Arc<Clock>, mut dice: Dice, until: Instant) -> (u32, u32) {
    let (mut full, mut jumps) = (0, 0);
    while Instant::now() < until {
        if dice.below(2) == 0 {
            full += 1;
            let ballast = disk.0.join("ballast");
            fill(&ballast);
            sleep(Duration::from_millis(500 + dice.below(1_500))).await;
            std::fs::remove_file(&ballast).unwrap();
        } else {
            jumps += 1;
            // Less than it takes a session to be abandoned.
            let by = i64::try_from(dice.below(600)).unwrap() - 300;
            clock.set(by);
            sleep(Duration::from_millis(500 + dice.below(1_500))).await;
            clock.set(0);
        }
        sleep(Duration::from_millis(dice.below(1_000))).await;
    }
    (full, jumps)
}

/// Waits until nobody but the people is connected any more.
async fn calm(id: u32, descriptors_max: usize) -> Vitals {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let vitals = Vitals::of(id);
        if vitals.descriptors <= descriptors_max || Instant::now() > deadline {
            return vitals;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn attack(
    address: SocketAddr,
    dice: &mut Dice,
    until: Instant,
    count: &Arc<AtomicU64>,
) -> JoinHandle<()> {
    let (mut dice, count) = (dice.fork(), Arc::clone(count));
    tokio::spawn(async move {
        while Instant::now() < until {
            attacks::any(address, &mut dice).await;
            count.fetch_add(1, Ordering::Relaxed);
        }
    })
}

fn seconds() -> u64 {
    std::env::var("HOSTILE_SECONDS").map_or(60, |it| it.parse().expect("a number of seconds"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_hour_hurts_nobody() {
    let (mut dice, seed) = Dice::from_environment("HOSTILE_SEED");
    println!("HOSTILE_SEED={seed}, {} s", seconds());
    let folder = TempDir::new().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    configure(folder.path(), &format!("listen = \"127.0.0.1:{port}\""), LIMITS);
    // Attackers fill it, too, if slowly.
    let disk_mib = 192 + seconds() / 2;
    let disk = Arc::new(Disk::new(folder.path().join("data"), &format!("{disk_mib}m")));
    let clock = Arc::new(Clock(folder.path().join("clock")));
    clock.set(0);
    let launch = launch(folder.path(), &clock);
    let program = launch.start().await;
    let address = program.address();
    if Clock::is_there() {
        clock.check(address).await;
    }

    let is_over = CancellationToken::new();
    let mut people = JoinSet::new();
    for mut talker in talkers(address, PEOPLE).await {
        let mut socket = talker.open(address).await;
        talker.join(&mut socket).await;
        people.spawn(person(talker, address, is_over.clone()));
    }
    let program = read_only_disk(program, &launch).await;
    let id = program.id();
    sleep(Duration::from_secs(2)).await;
    let before = Vitals::of(id);

    let until = Instant::now() + Duration::from_secs(seconds());
    let count = Arc::<AtomicU64>::default();
    let attackers: Vec<_> =
        (0..ATTACKERS).map(|_| attack(address, &mut dice, until, &count)).collect();
    let (full, jumps) = trouble(Arc::clone(&disk), Arc::clone(&clock), dice.fork(), until).await;
    for attacker in attackers {
        attacker.await.unwrap();
    }
    assert!(is_alive(id), "the program did not survive it");
    let after = calm(id, before.descriptors + DESCRIPTORS_SLACK).await;
    is_over.cancel();
    let people = people.join_all().await;
    let words: usize = people.iter().map(|it| it.said).sum();
    println!(
        "{} attacks, {full} times a full disk, {jumps} jumps of the clock; {words} words of {PEOPLE} \
         people; before {before:?}, after {after:?}",
        count.load(Ordering::Relaxed),
    );
    for mut talker in people {
        talker.check(address).await;
        let mut socket = talker.open(address).await;
        assert!(talker.said > 0, "a person was never heard");
        let last = talker.say_as(&mut socket, "when are you open?", "the last word").await;
        assert_eq!(last, (true, None), "a conversation does not go on");
    }
    assert!(after.descriptors <= before.descriptors + DESCRIPTORS_SLACK, "descriptors are left");
    assert!(after.memory_kib <= before.memory_kib + MEMORY_KIB_MAX, "memory is not back");
    stopped(program).await;
}
