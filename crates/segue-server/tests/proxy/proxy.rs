//! A TCP proxy for one connection that does it harm, where and when the test says.

use std::{net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Both ends are closed.
    Fin,
    /// Both ends are reset.
    Reset,
    /// Nothing is passed on this way any more, and nobody is told.
    Hole,
}

#[derive(Debug, Default)]
struct Direction {
    /// After so many more bytes, this happens.
    harm: Option<(usize, Harm)>,
    /// Each byte is passed on in a segment of its own.
    is_split: bool,
    /// Nothing is passed on until this is cleared.
    is_held: bool,
    /// Bytes that were passed on since the last order.
    passed: usize,
    /// A hole: bytes are read and lost.
    is_hole: bool,
}

#[derive(Debug, Default)]
struct State {
    up: Mutex<Direction>,
    down: Mutex<Direction>,
    /// A harm was done, or a direction is released.
    changed: Notify,
    harmed: Notify,
    /// The server's side of the connection has ended.
    server_gone: Notify,
}

/// A proxy for one connection.
#[derive(Debug)]
pub struct Proxy {
    /// Where the client connects to.
    pub address: SocketAddr,
    state: Arc<State>,
}

impl Proxy {
    /// A proxy in front of this server.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(server).await.unwrap();
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            pass(client, server, &shared).await;
        });
        Self { address, state }
    }

    fn direction(&self, way: Way) -> &Mutex<Direction> {
        self.state.direction(way)
    }

    /// After so many more bytes this way, harm is done.
    pub fn harm(&self, way: Way, after: usize, harm: Harm) {
        let mut direction = self.direction(way).lock();
        direction.passed = 0;
        direction.harm = Some((after, harm));
        drop(direction);
        // One that is due at once has nothing to wait for.
        self.state.changed.notify_waiters();
    }

    /// Each byte this way goes in a segment of its own from now on.
    pub fn split(&self, way: Way) {
        self.direction(way).lock().is_split = true;
    }

    /// Keeps back what comes this way.
    pub fn hold(&self, way: Way) {
        self.direction(way).lock().is_held = true;
    }

    /// Passes on what was held, in one piece.
    pub fn release(&self, way: Way) {
        self.direction(way).lock().is_held = false;
        self.state.changed.notify_waiters();
    }

    /// Begins to count the bytes of this way anew.
    pub fn count(&self, way: Way) {
        self.direction(way).lock().passed = 0;
    }

    /// Bytes that were passed on since the last order.
    pub fn passed(&self, way: Way) -> usize {
        self.direction(way).lock().passed
    }

    /// Waits until harm was done.
    pub async fn harmed(&self) {
        self.state.harmed.notified().await;
    }

    /// Waits until the server has ended its side of the connection.
    pub async fn server_gone(&self) {
        self.state.server_gone.notified().await;
    }
}

impl State {
    fn direction(&self, way: Way) -> &Mutex<Direction> {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }
}

async fn pass(client: TcpStream, server: TcpStream, state: &State) {
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let mut up = Pipe { way: Way::Up, from: client_in, to: server_out };
    let mut down = Pipe { way: Way::Down, from: server_in, to: client_out };
    // A connection that is harmed is over in both directions; one that ends by itself only in one.
    let harm = tokio::select! {
        harm = up.run(state) => harm,
        harm = down.run(state) => harm,
    };
    let harm = match harm {
        Some(harm) => harm,
        // Whoever ended closed the connection: so does the proxy.
        None => Harm::Fin,
    };
    let client = down.to.reunite(up.from).expect("two halves of one connection");
    let server = up.to.reunite(down.from).expect("two halves of one connection");
    if harm == Harm::Reset {
        client.set_zero_linger().unwrap();
        server.set_zero_linger().unwrap();
    }
    drop((client, server));
    state.harmed.notify_one();
}

struct Pipe {
    way: Way,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
}

enum Next {
    /// Pass this many bytes on.
    Pass(usize),
    /// Lose all of it.
    Lose,
    /// Wait for another order.
    Wait,
    Harm(Harm),
}

impl Pipe {
    /// Passes bytes on until harm is due, or an end is reached.
    async fn run(&mut self, state: &State) -> Option<Harm> {
        let mut bytes: Vec<u8> = Vec::new();
        loop {
            let changed = state.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.next(state, bytes.len()) {
                Next::Harm(Harm::Hole) => {
                    state.direction(self.way).lock().is_hole = true;
                    state.harmed.notify_one();
                    continue;
                }
                Next::Harm(harm) => return Some(harm),
                Next::Lose => bytes.clear(),
                Next::Pass(count) => {
                    let count = count.min(bytes.len());
                    // Before they arrive: whoever has them may begin to count anew.
                    state.direction(self.way).lock().passed += count;
                    if self.to.write_all(&bytes[..count]).await.is_err() {
                        return None;
                    }
                    bytes.drain(..count);
                    if count > 0 {
                        continue;
                    }
                }
                Next::Wait => {}
            }
            tokio::select! {
                biased;
                () = &mut changed => {}
                read = self.from.read_buf(&mut bytes) => match read {
                    Ok(0) | Err(_) => {
                        if self.way == Way::Down {
                            state.server_gone.notify_one();
                        }
                        return None;
                    }
                    Ok(_) => {}
                }
            }
        }
    }

    fn next(&self, state: &State, waiting: usize) -> Next {
        let mut direction = state.direction(self.way).lock();
        if direction.is_hole {
            return Next::Lose;
        }
        if direction.is_held {
            return Next::Wait;
        }
        let piece = if direction.is_split { 1 } else { waiting };
        match direction.harm {
            None => Next::Pass(piece),
            Some((after, harm)) if direction.passed >= after => {
                direction.harm = None;
                Next::Harm(harm)
            }
            Some((after, _)) => Next::Pass(piece.min(after - direction.passed)),
        }
    }
}
