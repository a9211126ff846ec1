//! A socket of a session, in raw frames. A test that waits for a frame in vain fails with everything
//! that came.

use std::fmt::Write as _;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::{Answer, PATIENCE, brief, events_of};
use crate::published;

/// Both ends of what a test says and hears on one socket.
pub struct Talk {
    web: WebSocketStream<TcpStream>,
    /// The answer to the upgrade.
    pub answer: Answer,
    /// Every frame that came, with what was read out of it.
    pub came: Vec<Value>,
    /// The bytes of each of them, as they stood in the frame.
    pub raw: Vec<String>,
    markers: u64,
}

/// What may come.
enum Came {
    Frame(Value),
    /// The code, 1005 for none; 1006 where the connection broke off.
    Close(u16),
}

impl Talk {
    pub(super) async fn new(tcp: TcpStream, rest: Vec<u8>, answer: Answer) -> Self {
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let web = WebSocketStream::from_partially_read(tcp, rest, Role::Client, Some(config)).await;
        Self { web, answer, came: Vec::new(), raw: Vec::new(), markers: 0 }
    }

    // ---------------------------------------------------------------------------------- say

    /// Sends a frame of JSON.
    pub async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    /// Sends a text frame, whatever it says.
    pub async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    /// Sends a frame of any kind.
    pub async fn send_message(&mut self, message: Message) {
        let sent = self.web.send(message).await;
        sent.unwrap_or_else(|error| panic!("cannot send: {error}; {}", self.story()));
    }

    /// Sends several text frames in one segment.
    pub async fn send_together(&mut self, frames: &[Value]) {
        for frame in frames {
            self.web.feed(Message::text(frame.to_string())).await.unwrap();
        }
        self.web.flush().await.unwrap();
    }

    /// Sends bytes past the WebSocket library.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.web.get_mut().write_all(bytes).await.unwrap();
    }

    /// Asks for the bot.
    pub async fn join(&mut self) {
        self.ask(&json!({"type": "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN", "payload": {}})).await;
    }

    /// Says something, under this `local_id`.
    pub async fn say(&mut self, text: &str, local_id: &str) {
        self.ask(&user_message(text, local_id)).await;
    }

    /// Ends the session.
    pub async fn end_session(&mut self) {
        self.ask(&json!({"type": "EVENT_TYPE_USER_END_SESSION", "payload": {}})).await;
    }

    /// Sends a frame that clients may send.
    async fn ask(&mut self, frame: &Value) {
        let text = frame.to_string();
        published::check_client_frame(&text);
        self.send_text(&text).await;
    }

    // --------------------------------------------------------------------------------- hear

    /// The next frame.
    pub async fn recv(&mut self) -> Value {
        match self.next("a frame").await {
            Came::Frame(frame) => frame,
            Came::Close(code) => panic!("closed with {code}; {}", self.story()),
        }
    }

    /// What comes next: a frame, or the code of a close.
    pub async fn frame_or_close(&mut self) -> Result<Value, u16> {
        match self.next("a frame or a close").await {
            Came::Frame(frame) => Ok(frame),
            Came::Close(code) => Err(code),
        }
    }

    /// The next frame, which has to be of this type; the prefix is understood.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let frame = match self.next(kind).await {
            Came::Frame(frame) => frame,
            Came::Close(code) => panic!("no {kind}, closed with {code}; {}", self.story()),
        };
        let is_it = frame["type"] == format!("EVENT_TYPE_{kind}");
        assert!(is_it, "no {kind} but {frame:#}; {}", self.story());
        frame
    }

    /// The frames up to the first of this type, and with it.
    pub async fn until(&mut self, kind: &str) -> Vec<Value> {
        let kind = format!("EVENT_TYPE_{kind}");
        self.until_that(&kind, |frame| frame["type"] == kind.as_str()).await
    }

    /// The frames up to the first that is such, and with it; `what` says what that is.
    pub async fn until_that(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            match self.next(what).await {
                Came::Frame(frame) => frames.push(frame),
                Came::Close(code) => panic!("no {what}, closed with {code}; {}", self.story()),
            }
            if frames.last().is_some_and(&is_it) {
                return frames;
            }
        }
    }

    /// The first frame of this type; what comes before is passed over.
    pub async fn seek(&mut self, kind: &str) -> Value {
        self.until(kind).await.pop().unwrap()
    }

    /// Up to the end of the greeting, of a session that streams or does not.
    pub async fn greeted(&mut self) -> Vec<Value> {
        self.until_that("the end of the greeting", |frame| {
            frame["type"] == "EVENT_TYPE_POLY_AGENT_MESSAGE"
                || frame["payload"]["is_complete"] == true
        })
        .await
    }

    /// The events of the log up to this sequence, whether they come in batches or one by one.
    /// Transient events are passed over.
    pub async fn events_to(&mut self, sequence: u64) -> Vec<Value> {
        let what = format!("sequence {sequence}");
        let has_it = |frame: &Value| {
            events_of(std::slice::from_ref(frame)).iter().any(|it| it["sequence"] == sequence)
        };
        let frames = self.until_that(&what, has_it).await;
        let mut events = events_of(&frames);
        events.retain(|it| it["sequence"].is_u64());
        events
    }

    /// Has a heartbeat echoed: the frames that the server had sent before it.
    ///
    /// A heartbeat does not wait for what is being recorded. To prove that a command has no effect,
    /// follow it with a command that has one.
    pub async fn settle(&mut self) -> Vec<Value> {
        self.markers += 1;
        let marker = json!({"marker": self.markers});
        let heartbeat = json!({"type": "EVENT_TYPE_HEARTBEAT", "metadata": {"custom": marker}});
        self.ask(&heartbeat).await;
        let is_it = |frame: &Value| {
            frame["type"] == "EVENT_TYPE_HEARTBEAT" && frame["metadata"]["custom"] == marker
        };
        let mut frames = self.until_that("the echo of a heartbeat", is_it).await;
        frames.pop();
        frames
    }

    /// Nothing has been sent that was not read.
    pub async fn expect_nothing(&mut self) {
        let frames = self.settle().await;
        assert!(frames.is_empty(), "expected nothing, not\n{}", brief(&frames));
    }

    /// Up to the close: the frames before it, and its code.
    pub async fn closed(&mut self) -> (Vec<Value>, u16) {
        let mut frames = Vec::new();
        loop {
            match self.next("a close").await {
                Came::Frame(frame) => frames.push(frame),
                Came::Close(code) => return (frames, code),
            }
        }
    }

    /// Closes with this code: the code of the answer.
    pub async fn close(mut self, code: u16) -> u16 {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        self.send_message(Message::Close(Some(frame))).await;
        self.closed().await.1
    }

    async fn next(&mut self, what: &str) -> Came {
        loop {
            let Ok(message) = tokio::time::timeout(PATIENCE, self.web.next()).await else {
                panic!("waited in vain for {what}; {}", self.story())
            };
            match message {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text)
                        .unwrap_or_else(|error| panic!("{error} in {text}"));
                    published::check_server_frame(&text);
                    self.came.push(frame.clone());
                    self.raw.push(text.to_string());
                    return Came::Frame(frame);
                }
                Some(Ok(Message::Close(frame))) => {
                    return Came::Close(frame.map_or(1005, |it| it.code.into()));
                }
                Some(Ok(Message::Binary(bytes))) => {
                    panic!("a binary frame of {} bytes; {}", bytes.len(), self.story());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(_)) | None => return Came::Close(1006),
            }
        }
    }

    fn story(&self) -> String {
        let mut story = format!("what came, {} frames:", self.came.len());
        for (number, frame) in self.came.iter().enumerate() {
            let text: String = frame.to_string().chars().take(600).collect();
            let _ = write!(story, "\n{number:>4} {text}");
        }
        story
    }
}

/// A message of the user, under this `local_id`.
pub fn user_message(text: &str, local_id: &str) -> Value {
    json!({
        "type": "EVENT_TYPE_USER_MESSAGE",
        "payload": {"text": text},
        "metadata": {"custom": {"local_id": local_id}},
    })
}
