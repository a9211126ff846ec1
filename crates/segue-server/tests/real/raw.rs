//! A socket in raw bytes: frames as the test builds them, whole, in pieces or wrong.

use std::{io, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How long a test waits for what it wants to see; one that passes never waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Kinds of frames.
pub const TEXT: u8 = 1;
/// A close.
pub const CLOSE: u8 = 8;
/// A ping.
pub const PING: u8 = 9;
/// A pong.
pub const PONG: u8 = 10;

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub enum Came {
    /// A text frame, which is JSON.
    Frame(Value),
    /// A close; `None` for one without a code.
    Close(Option<u16>),
    /// A pong and its payload.
    Pong(Vec<u8>),
    /// The connection ended or broke, without a close.
    Gone,
}

/// A socket.
#[derive(Debug)]
pub struct Raw {
    tcp: TcpStream,
    /// Read and not yet understood.
    bytes: Vec<u8>,
}

/// A frame of a client, masked, the last of its message.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame_with(0x80 | opcode, payload, Some([0x5a, 0x11, 0xc3, 0x7e]))
}

/// A frame with any first byte, masked or not.
pub fn frame_with(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(masked | u8::try_from(short).unwrap()),
        medium @ 126..65_536 => {
            bytes.push(masked | 0x7e);
            bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(masked | 0x7f);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.unwrap_or_default().iter().take(if mask.is_some() { 4 } else { 0 }));
    let key = mask.unwrap_or([0; 4]);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A text frame of a client.
pub fn text(text: &str) -> Vec<u8> {
    frame(TEXT, text.as_bytes())
}

/// A close of a client, with this code.
pub fn close(code: u16) -> Vec<u8> {
    frame(CLOSE, &code.to_be_bytes())
}

/// The head of a request for an upgrade.
pub fn upgrade_head(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: tallow.example\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: c2VndWUtaXQtdGVzdHM9PQ==\r\n\r\n"
    )
}

impl Raw {
    /// Opens a socket that has to be given.
    pub async fn open(address: SocketAddr, path: &str) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        let (status, raw) = Self::upgrade(tcp, path).await.unwrap();
        assert_eq!(status, 101);
        raw
    }

    /// Asks for a socket over this connection: the status of the answer, and the socket.
    pub async fn upgrade(mut tcp: TcpStream, path: &str) -> io::Result<(u16, Self)> {
        tcp.set_nodelay(true)?;
        tcp.write_all(upgrade_head(path).as_bytes()).await?;
        Self::upgraded(tcp).await
    }

    /// Reads the answer to a request for a socket.
    pub async fn upgraded(mut tcp: TcpStream) -> io::Result<(u16, Self)> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
                break end + 4;
            }
            if tcp.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head = String::from_utf8(bytes.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok((status, Self { tcp, bytes }))
    }

    /// Sends bytes. The other end may be gone already; then the test finds out when it listens.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.tcp.write_all(bytes).await;
    }

    /// What comes next.
    pub async fn next(&mut self) -> Came {
        let next = tokio::time::timeout(PATIENCE, self.read()).await;
        next.expect("something comes in time")
    }

    /// The next frame of JSON.
    pub async fn recv(&mut self) -> Value {
        match self.next().await {
            Came::Frame(frame) => frame,
            other => panic!("no frame but {other:?}"),
        }
    }

    /// The close that comes next; frames before it are passed over.
    pub async fn closed(&mut self) -> Came {
        loop {
            match self.next().await {
                Came::Frame(_) | Came::Pong(_) => {}
                close_or_gone => return close_or_gone,
            }
        }
    }

    /// The events with a sequence, from batches and single, up to this sequence.
    pub async fn events_to(&mut self, sequence: u64) -> Vec<Value> {
        let mut events: Vec<Value> = Vec::new();
        while events.last().is_none_or(|it| it["sequence"].as_u64() < Some(sequence)) {
            let frame = self.recv().await;
            events.extend(events_of(frame));
        }
        events
    }

    async fn read(&mut self) -> Came {
        loop {
            if let Some((opcode, payload)) = self.take_frame() {
                match opcode {
                    TEXT => return Came::Frame(serde_json::from_slice(&payload).unwrap()),
                    CLOSE if payload.is_empty() => return Came::Close(None),
                    CLOSE => {
                        return Came::Close(Some(u16::from_be_bytes([payload[0], payload[1]])));
                    }
                    // Not answered: that is what a peer without an answer is.
                    PING => {}
                    PONG => return Came::Pong(payload),
                    other => panic!("a frame of kind {other}: {payload:?}"),
                }
                continue;
            }
            match self.tcp.read_buf(&mut self.bytes).await {
                Ok(0) | Err(_) => return Came::Gone,
                Ok(_) => {}
            }
        }
    }

    /// A whole frame of what was read. The server sends neither masks nor fragments.
    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let bytes = &self.bytes;
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        assert!(first & 0xf0 == 0x80 && second < 0x80, "no frame of a server: {first} {second}");
        let (begin, length) = match second {
            126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()))),
            127 => {
                let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap());
                (10, usize::try_from(length).unwrap())
            }
            short => (2, usize::from(short)),
        };
        let payload = bytes.get(begin..begin + length)?.to_vec();
        self.bytes.drain(..begin + length);
        Some((first & 0x0f, payload))
    }
}

/// The events with a sequence in a frame.
pub fn events_of(frame: Value) -> Vec<Value> {
    match frame["payload"]["events"].as_array() {
        Some(events) => events.clone(),
        None if frame["sequence"].is_u64() => vec![frame],
        None => Vec::new(),
    }
}
