//! A socket without a library: it answers no ping and no close, sends what no library would send,
//! and may take its time with its request.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    support::{Session, within},
    wire,
};

/// A TCP connection on which an upgrade may have been asked for.
pub struct Bare {
    tcp: TcpStream,
    came: Vec<u8>,
}

impl Bare {
    /// A connection on which nothing was said.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// This connection.
    pub fn over(tcp: TcpStream) -> Self {
        Self { tcp, came: Vec::new() }
    }

    /// A socket of this session.
    pub async fn open(session: &Session) -> Self {
        let mut bare = Self::connect(session.address).await;
        bare.upgrade(session).await;
        bare
    }

    /// Asks for a socket of this session, which has to be given.
    pub async fn upgrade(&mut self, session: &Session) {
        self.upgrade_with(session, &[]).await;
    }

    /// As `upgrade`, and does not wait for the answer with the first bytes behind the request.
    pub async fn upgrade_with(&mut self, session: &Session, behind: &[u8]) {
        let Session { id, token, address } = session;
        let request = format!(
            "GET /ws?session_id={id}&access_token={token} HTTP/1.1\r\nHost: {address}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: c2VndWUtaXQtdGVzdHM9PQ==\r\n\r\n"
        );
        self.send(&[request.as_bytes(), behind].concat()).await;
        let end = b"\r\n\r\n";
        let head = loop {
            if let Some(at) = self.came.windows(end.len()).position(|it| it == end) {
                break self.came.drain(..at + end.len()).collect::<Vec<u8>>();
            }
            assert!(self.read().await, "no answer to the upgrade");
        };
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "no socket but {head}");
    }

    /// Sends bytes as they are. The other end may be gone.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = within("room for bytes", self.tcp.write_all(bytes)).await;
    }

    /// The next frame: its opcode and its payload; `None` at the end of the connection.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// Up to the close: its code, 1005 where it has none, 1006 where there is no close.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match self.frame().await {
                None => return 1006,
                Some((wire::CLOSE, payload)) => {
                    return payload.first_chunk().map_or(1005, |it| u16::from_be_bytes(*it));
                }
                Some(_) => {}
            }
        }
    }

    /// Everything up to the end of the connection, as text.
    pub async fn rest(&mut self) -> String {
        while self.read().await {}
        String::from_utf8_lossy(&self.came).into_owned()
    }

    async fn read(&mut self) -> bool {
        matches!(within("bytes", self.tcp.read_buf(&mut self.came)).await, Ok(1..))
    }

    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, second) = (*self.came.first()?, *self.came.get(1)?);
        let (head, length) = match second {
            126 => (4, u16::from_be_bytes(*self.came.get(2..)?.first_chunk()?).into()),
            127 => (
                10,
                usize::try_from(u64::from_be_bytes(*self.came.get(2..)?.first_chunk()?)).ok()?,
            ),
            length => (2, usize::from(length)),
        };
        if self.came.len() < head + length {
            return None;
        }
        let frame: Vec<u8> = self.came.drain(..head + length).collect();
        Some((first & 0x0f, frame[head..].to_vec()))
    }
}
