//! The real program as a child of the test: started, killed, asked to stop, waited for.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// How long the program may take to start or to end, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the program is started.
pub struct Launch {
    /// The words of the command line; the program itself is the first.
    pub words: Vec<String>,
    /// Its working directory, where it finds `segue.toml`.
    pub folder: PathBuf,
    /// More of its environment; it inherits none but `PATH`.
    pub environment: Vec<(String, String)>,
    /// The listening socket that it is given, as by a service manager.
    pub listener: Option<TcpListener>,
}

/// The program, running.
pub struct Program {
    /// `None` once it was waited for.
    child: Option<Child>,
    address: SocketAddr,
    log: Lines,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// What it wrote to its standard error.
    pub log: Vec<String>,
}

impl Launch {
    /// `segue serve` in this folder.
    pub fn serve(folder: impl Into<PathBuf>, more: &[&str]) -> Self {
        let words = [env!("CARGO_BIN_EXE_segue"), "serve"].into_iter().chain(more.iter().copied());
        Self {
            words: words.map(str::to_owned).collect(),
            folder: folder.into(),
            environment: Vec::new(),
            listener: None,
        }
    }

    /// With this listening socket as descriptor 3, which is how service managers give it.
    pub fn listening(mut self, listener: &TcpListener) -> Self {
        // The shell moves it to its place, and knows the process that it becomes.
        let shell = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
        self.words.splice(0..0, ["sh", "-c", shell].map(str::to_owned));
        self.listener = Some(listener.try_clone().expect("there are descriptors"));
        self
    }

    /// With this in its environment.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn spawn(&self) -> Child {
        let mut command = Command::new(&self.words[0]);
        let listener = self.listener.as_ref().map(|it| it.try_clone().expect("descriptors"));
        command
            .args(&self.words[1..])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(listener.map_or_else(Stdio::null, |it| OwnedFd::from(it).into()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.words))
    }

    /// Starts it and waits until it listens.
    pub async fn start(&self) -> Program {
        match self.try_start().await {
            Ok(program) => program,
            Err(ended) => panic!("the program did not start: {ended:#?}"),
        }
    }

    /// Starts it and waits until it listens or has ended.
    pub async fn try_start(&self) -> Result<Program, Ended> {
        let mut child = self.spawn();
        let log = Lines::keep(child.stderr.take().unwrap());
        let (listens, address) = oneshot::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut listens = Some(listens);
            for line in stdout.lines().map_while(Result::ok) {
                let address = line.strip_prefix("Segue listens on ");
                let address =
                    address.and_then(|it| it.split_once("://")?.1.split(' ').next()?.parse().ok());
                if let (Some(address), Some(listens)) = (address, listens.take()) {
                    // The test may have failed meanwhile.
                    let _ = listens.send(address);
                }
            }
        });
        let waited = tokio::time::timeout(PATIENCE, address).await;
        match waited.expect("the program starts or ends in time") {
            Ok(address) => Ok(Program { child: Some(child), address, log }),
            Err(_) => Err(wait(child, log).await),
        }
    }
}

impl Program {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it was not waited for").id()
    }

    /// Kills it at once, as a power cut would: SIGKILL.
    pub fn kill(&mut self) {
        let child = self.child.as_mut().expect("it was not waited for");
        child.kill().expect("the child is ours");
    }

    /// Asks it to stop: SIGTERM.
    pub fn terminate(&self) {
        let id = self.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().expect("there is `kill`");
        assert!(status.success(), "the child is ours");
    }

    /// Waits until it has ended.
    pub async fn ended(mut self) -> Ended {
        let child = self.child.take().expect("it is waited for once");
        wait(child, std::mem::take(&mut self.log)).await
    }
}

impl Drop for Program {
    /// A test that fails leaves nothing behind.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn wait(mut child: Child, log: Lines) -> Ended {
    let waiting = tokio::task::spawn_blocking(move || {
        let status = child.wait().expect("the child is ours");
        Ended { status, log: log.all() }
    });
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.expect("the program ends in time").expect("waiting does not panic")
}

/// Lines that are read as they come, so that the program never waits for its log to be read.
#[derive(Default)]
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    reading: Option<JoinHandle<()>>,
}

impl Lines {
    fn keep(source: impl Read + Send + 'static) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&lines);
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                kept.lock().push(line);
            }
        });
        Self { lines, reading: Some(reading) }
    }

    /// All there are, once the program has ended.
    fn all(self) -> Vec<String> {
        if let Some(reading) = self.reading {
            reading.join().expect("reading does not panic");
        }
        std::mem::take(&mut *self.lines.lock())
    }
}
