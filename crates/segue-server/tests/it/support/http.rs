//! HTTP as it stands on the wire: any header, any body, nothing followed or added.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Talk, within};
use crate::routes::{self, Exchange};

/// A request on its way to be sent, over a connection of its own.
#[derive(Debug, Clone)]
pub struct Request {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// In their order, the names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Request {
    pub(super) fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            address,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// With this header, in place of one of the same name. May hold any bytes.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).header_again(name, value)
    }

    /// With this header, whether or not there is one of that name.
    pub fn header_again(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Without this header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(it, _)| !it.eq_ignore_ascii_case(name));
        self
    }

    /// The same request for another path.
    pub fn to(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// With this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With this body, as JSON.
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    /// Sends it and waits for the whole answer.
    pub async fn send(self) -> Answer {
        let what = format!("an answer to {} {}", self.method, self.path);
        let exchange = async {
            let mut tcp = TcpStream::connect(self.address).await.unwrap();
            tcp.write_all(&self.bytes("Connection: close\r\n")).await.unwrap();
            let (mut answer, rest) = read_head(&mut tcp).await;
            // Its length is that of a body which is not sent.
            if self.method != "HEAD" {
                answer.read_body(&mut tcp, rest).await;
            }
            self.check(&answer);
            answer
        };
        within(&what, exchange).await
    }

    /// Asks for a socket: the socket, or the refusal.
    pub async fn upgrade(self) -> Result<Talk, Answer> {
        let exchange = async {
            let mut tcp = TcpStream::connect(self.address).await.unwrap();
            let head = self.bytes(
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: c2VndWUtaXQtdGVzdHM9PQ==\r\n",
            );
            tcp.write_all(&head).await.unwrap();
            let (mut answer, rest) = read_head(&mut tcp).await;
            if answer.status == 101 {
                self.check(&answer);
                return Ok(Talk::new(tcp, rest, answer).await);
            }
            answer.read_body(&mut tcp, rest).await;
            self.check(&answer);
            Err(answer)
        };
        within("an answer to a request for a socket", exchange).await
    }

    /// Asks for a socket that has to be given.
    pub async fn open(self) -> Talk {
        match self.upgrade().await {
            Ok(talk) => talk,
            Err(answer) => panic!("no socket but {answer:?}"),
        }
    }

    /// Every answer is one that was published.
    fn check(&self, answer: &Answer) {
        routes::check_exchange(&Exchange {
            method: &self.method,
            target: &self.path,
            sent: &self.body,
            status: answer.status,
            headers: &answer.headers,
            body: &answer.body,
        });
    }

    fn bytes(&self, more: &str) -> Vec<u8> {
        let Self { address, method, path, .. } = self;
        let mut bytes = format!("{method} {path} HTTP/1.1\r\n{more}").into_bytes();
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            bytes.extend(format!("Host: {address}\r\n").bytes());
        }
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        if !self.body.is_empty() || method == "POST" {
            bytes.extend(format!("Content-Length: {}\r\n", self.body.len()).bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

impl Answer {
    /// The value of a header; its first, if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let is_it = |(it, _): &&(String, String)| it.eq_ignore_ascii_case(name);
        self.headers.iter().find(is_it).map(|(_, value)| value.as_str())
    }

    /// It has to be this refusal, in the form that all refusals have.
    #[track_caller]
    pub fn expect_refusal(&self, status: u16, text: &str, code: &str) {
        let correlation_id = self.header("x-polyai-correlation-id");
        let body = json!({
            "error": text, "message": text, "code": code, "correlation_id": correlation_id,
        });
        assert!(correlation_id.is_some(), "no correlation id: {self:?}");
        assert_eq!((self.status, self.json()), (status, body));
        let retry_after = self.header("retry-after").map(str::parse::<u64>);
        match (status, retry_after) {
            (429, Some(Ok(seconds))) => assert!((1..=30).contains(&seconds), "{seconds} s"),
            (429, other) => panic!("a 429 with Retry-After {other:?}"),
            (_, other) => assert_eq!(other, None),
        }
    }

    /// The body, which has to be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    async fn read_body(&mut self, tcp: &mut TcpStream, rest: Vec<u8>) {
        assert_eq!(self.header("transfer-encoding"), None, "the server knows its answers' length");
        self.body = rest;
        let length = self.header("content-length").map(|it| it.parse().unwrap());
        match length {
            Some(length) => {
                while self.body.len() < length {
                    assert_ne!(tcp.read_buf(&mut self.body).await.unwrap(), 0, "cut: {self:?}");
                }
                assert_eq!(self.body.len(), length, "more than was announced: {self:?}");
            }
            None => {
                tcp.read_to_end(&mut self.body).await.unwrap();
            }
        }
    }
}

/// Reads up to the empty line, and says what came behind it.
async fn read_head(tcp: &mut TcpStream) -> (Answer, Vec<u8>) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break end;
        }
        let read = tcp.read_buf(&mut bytes).await.unwrap();
        assert_ne!(read, 0, "no answer but {:?}", String::from_utf8_lossy(&bytes));
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    let answer = Answer { status, headers: headers.collect(), body: Vec::new() };
    (answer, bytes[end + 4..].to_vec())
}
