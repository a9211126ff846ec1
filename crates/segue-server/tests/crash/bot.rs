//! The bot of the crash test: streams slowly, remembers what it was asked, and says in each answer
//! which turn it answers.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::dice::Dice;

/// Every so many answers break off in their midst, and as many are refused as overload.
const FAILURES_ONE_IN: u64 = 40;

/// What a bot was asked and what it began to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The messages to answer, by the server's ids.
    pub input: Vec<String>,
    /// All that it would say.
    pub text: String,
    /// It says all of it, if it is listened to.
    pub is_whole: bool,
}

/// The turns of each session that the bot was asked for, with every attempt at each.
pub type Asked = BTreeMap<String, BTreeMap<u64, Vec<Attempt>>>;

/// The bot's server, in the test's process: it outlives the program that is killed.
#[derive(Clone)]
pub struct Bot {
    asked: Arc<Mutex<Asked>>,
    dice: Arc<Mutex<Dice>>,
    /// Where turns are posted to.
    pub address: SocketAddr,
}

impl Bot {
    /// Starts to listen.
    pub async fn start(dice: Dice) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bot = Self {
            asked: Arc::default(),
            dice: Arc::new(Mutex::new(dice)),
            address: listener.local_addr().unwrap(),
        };
        let app = Router::new().route("/turn", post(answer)).with_state(bot.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        bot
    }

    /// Everything that it was asked.
    pub fn asked(&self) -> Asked {
        self.asked.lock().clone()
    }

    fn begin(&self, request: &Value) -> (Attempt, Dice) {
        let session = request["session_id"].as_str().unwrap().to_owned();
        let turn = request["turn"].as_u64().unwrap();
        let input = request["input"].as_array().unwrap().iter();
        let input: Vec<String> =
            input.map(|it| it["message_id"].as_str().unwrap().to_owned()).collect();
        let mut dice = self.dice.lock().fork();
        let mut asked = self.asked.lock();
        let attempts = asked.entry(session).or_default().entry(turn).or_default();
        let mut text = format!("turn={turn} attempt={}", attempts.len() + 1);
        for word in 0..8 + dice.below(12) {
            let _ = write!(text, " word-{word}");
        }
        let is_greeting = request["reason"] == "join";
        let is_whole = is_greeting || dice.below(FAILURES_ONE_IN) > 0;
        let attempt = Attempt { input, text, is_whole };
        attempts.push(attempt.clone());
        (attempt, dice)
    }
}

async fn answer(State(bot): State<Bot>, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let (attempt, mut dice) = bot.begin(&request);
    if request["reason"] != "join" && dice.below(FAILURES_ONE_IN) == 0 {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let mut pieces: Vec<String> = attempt.text.split_inclusive(' ').map(str::to_owned).collect();
    if !attempt.is_whole {
        pieces.truncate(pieces.len() / 2);
    }
    let pieces = pieces.into_iter().map(|text| json!({"type": "text", "text": text}));
    let lines: Vec<String> = pieces.map(|it| format!("data: {it}\n\n")).collect();
    let is_whole = attempt.is_whole;
    let stream =
        stream::unfold((lines.into_iter(), dice), move |(mut lines, mut dice)| async move {
            // This is the load, not a test that waits: a model gives its words one by one.
            tokio::time::sleep(Duration::from_millis(5 + dice.below(30))).await;
            match lines.next() {
                Some(line) => Some((Ok(Bytes::from(line)), (lines, dice))),
                None if is_whole => None,
                None => Some((Err(std::io::Error::other("breaks off")), (lines, dice))),
            }
        });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response()
}
