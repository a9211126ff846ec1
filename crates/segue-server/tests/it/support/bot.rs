//! A bot behind HTTP that does what the test tells it, when the test tells it.

use std::{fmt::Write as _, net::SocketAddr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
};

use super::within;

/// The bot's server, in this process.
pub struct Bot {
    address: SocketAddr,
    asked: Mutex<mpsc::UnboundedReceiver<Asked>>,
}

/// A turn that the bot was asked for, and has not answered yet. Dropping it breaks the connection.
pub struct Asked {
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Value,
    tcp: TcpStream,
}

/// An answer as a stream of events, under way. Dropping it breaks the connection in its midst.
pub struct Streaming {
    tcp: TcpStream,
}

impl Bot {
    /// The key of the signatures.
    pub const SECRET: &str = "bot-secret-91b7";

    /// Starts to listen.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Some(asked) = Asked::read(tcp).await {
                        // The test is over where nobody takes it.
                        let _ = sender.send(asked);
                    }
                });
            }
        });
        Self { address, asked: Mutex::new(asked) }
    }

    /// Where turns are posted to.
    pub fn url(&self) -> String {
        format!("http://{}/turn", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next turn that it is asked for.
    pub async fn asked(&self) -> Asked {
        let mut asked = self.asked.lock().await;
        within("the bot to be asked", asked.recv()).await.unwrap()
    }

    /// Nobody has asked it for anything that the test has not taken.
    pub async fn expect_not_asked(&self) {
        if let Ok(asked) = self.asked.lock().await.try_recv() {
            panic!("the bot was asked: {:#}", asked.body);
        }
    }
}

impl Asked {
    async fn read(mut tcp: TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
                break end;
            }
            if tcp.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let headers: Vec<(String, String)> = head
            .split("\r\n")
            .skip(1)
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length").unwrap();
        let length: usize = length.1.parse().unwrap();
        let mut raw = bytes[end + 4..].to_vec();
        while raw.len() < length {
            if tcp.read_buf(&mut raw).await.ok()? == 0 {
                return None;
            }
        }
        let body = serde_json::from_slice(&raw).unwrap();
        Some(Self { headers, body, tcp })
    }

    /// The texts that the turn has to answer.
    pub fn input(&self) -> Vec<&str> {
        let input = self.body["input"].as_array().unwrap();
        input.iter().map(|it| it["text"].as_str().unwrap()).collect()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// Answers with all outputs in one piece of JSON.
    pub async fn outputs(self, outputs: Value) {
        let body = json!({"outputs": outputs}).to_string();
        self.reply(200, &[("Content-Type", "application/json")], &body).await;
    }

    /// Answers with a text.
    pub async fn text(self, text: &str) {
        self.outputs(json!([{"type": "text", "text": text}])).await;
    }

    /// Answers with a status, these headers and an empty body.
    pub async fn status(self, status: u16, headers: &[(&str, &str)]) {
        self.reply(status, headers, "").await;
    }

    /// Answers with anything. The other end may be gone already.
    pub async fn reply(mut self, status: u16, headers: &[(&str, &str)], body: &str) {
        let mut text = format!(
            "HTTP/1.1 {status} It\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        text.push_str(body);
        let _ = self.tcp.write_all(text.as_bytes()).await;
    }

    /// Begins a stream of events.
    pub async fn stream(mut self) -> Streaming {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        self.tcp.write_all(head.as_bytes()).await.unwrap();
        Streaming { tcp: self.tcp }
    }

    /// Waits until the server has closed the request.
    pub async fn gone(mut self) {
        gone(&mut self.tcp).await;
    }
}

impl Streaming {
    /// Gives one output.
    pub async fn give(&mut self, output: &Value) {
        self.raw(&format!("data: {output}\n\n")).await;
    }

    /// Gives a piece of text.
    pub async fn text(&mut self, text: &str) {
        self.give(&json!({"type": "text", "text": text})).await;
    }

    /// Sends anything as a piece of the body. The other end may be gone already.
    pub async fn raw(&mut self, piece: &str) {
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        let _ = self.tcp.write_all(chunk.as_bytes()).await;
    }

    /// Ends the body, and with it the turn.
    pub async fn end(mut self) {
        let _ = self.tcp.write_all(b"0\r\n\r\n").await;
    }

    /// Breaks the connection before the body has ended.
    pub fn break_off(self) {
        drop(self.tcp);
    }

    /// Waits until the server has closed the request.
    pub async fn gone(mut self) {
        gone(&mut self.tcp).await;
    }
}

async fn gone(tcp: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is as good an end as any.
    let _ = within("the server to close its request", tcp.read_to_end(&mut rest)).await;
}
