//! Messages that are too long for a frame.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Asked, Bot, Setup, Talk};

const FRAME_BYTES_MAX: usize = 131_072;

/// 200 KiB in words of many lengths, of characters of every size, some of which are escaped.
fn long_text() -> String {
    let words = ["kettle ", "blue\n", "größer ", "\"quoted\" ", "沸騰した ", "🫖 ", "a\\b\t"];
    let mut text = String::new();
    let mut number = 0_usize;
    while text.len() < 200 * 1024 {
        text.push_str(&words[number % words.len()].repeat(1 + number % 3));
        number += 1;
    }
    text
}

/// The bot gives this text, in pieces of 20,000 characters, and the turn ends.
async fn give(asked: Asked, text: &str) {
    let mut answer = asked.stream().await;
    let characters: Vec<char> = text.chars().collect();
    for piece in characters.chunks(20_000) {
        answer.text(&piece.iter().collect::<String>()).await;
    }
    answer.end().await;
}

/// Every frame but the echoes of messages is small enough.
fn expect_small_frames(talk: &Talk) {
    for (frame, raw) in talk.came.iter().zip(&talk.raw) {
        let is_echo = frame["type"] == "EVENT_TYPE_USER_MESSAGE";
        assert!(is_echo || raw.len() <= FRAME_BYTES_MAX, "{} of {}", frame["type"], raw.len());
    }
}

/// The text of the messages of this type, by message, in their order.
fn texts(frames: &[Value], kind: &str) -> Vec<(String, String)> {
    let mut texts: Vec<(String, String)> = Vec::new();
    for payload in frames.iter().filter(|it| it["type"] == kind).map(|it| &it["payload"]) {
        let id = payload["message_id"].as_str().unwrap().to_owned();
        let text = payload["text"].as_str().unwrap();
        match texts.last_mut() {
            Some((last, so_far)) if *last == id => so_far.push_str(text),
            _ => texts.push((id, text.to_owned())),
        }
    }
    let ids: std::collections::BTreeSet<_> = texts.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), texts.len(), "a message goes on behind another one");
    texts
}

/// Covers 5.15, 5.17.
#[tokio::test]
async fn a_message_too_long_for_a_frame_becomes_several() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let text = long_text();
    talk.say("Tell me everything", "k-1").await;
    give(bot.asked().await, &text).await;
    // An ordinary turn behind it, whose answer shows that nothing more comes.
    talk.say("Is that all?", "k-2").await;
    bot.asked().await.text("That is all.").await;
    let frames =
        talk.until_that("the next answer", |it| it["payload"]["text"] == "That is all.").await;
    let mut texts = texts(&frames, "EVENT_TYPE_POLY_AGENT_MESSAGE");
    texts.pop();
    assert!(texts.len() >= 2, "{}", texts.len());
    let joined: String = texts.into_iter().map(|(_, text)| text).collect();
    assert!(joined == text, "the texts joined are not the text");
    expect_small_frames(&talk);
    let to = frames.last().unwrap()["sequence"].as_u64().unwrap();
    let mut replay = session.open().await;
    replay.events_to(to).await;
    expect_small_frames(&replay);
}

/// Covers 5.16, 5.17.
#[tokio::test]
async fn in_a_session_that_streams_it_becomes_several_streams() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("chunk_interval_ms = 0").start().await;
    let session = server.streaming_session().await;
    let mut talk = session.open_joined().await;
    // Without a place to cut for longer than a frame, so that a stream cannot go on.
    let text = format!("{} and {}", "x".repeat(140_000), "y".repeat(100_000));
    talk.say("Tell me everything", "k-1").await;
    give(bot.asked().await, &text).await;
    talk.say("Is that all?", "k-2").await;
    bot.asked().await.text("That is all.").await;
    let is_it = |it: &Value| {
        let text = it["payload"]["text"].as_str().unwrap_or_default();
        text.ends_with("all.") && it["payload"]["is_complete"] == true
    };
    let mut frames = talk.until_that("the next answer", is_it).await;
    frames.retain(|it| it["type"] == "EVENT_TYPE_POLY_AGENT_MESSAGE_CHUNK");
    let mut texts = texts(&frames, "EVENT_TYPE_POLY_AGENT_MESSAGE_CHUNK");
    texts.pop();
    assert!(texts.len() >= 2, "{} streams", texts.len());
    let joined: String = texts.into_iter().map(|(_, text)| text).collect();
    assert!(joined == text, "the texts joined are not the text");
    let mut streams: BTreeMap<String, Vec<(u64, bool)>> = BTreeMap::new();
    for payload in frames.iter().map(|it| &it["payload"]) {
        let chunk =
            (payload["chunk_index"].as_u64().unwrap(), payload["is_complete"].as_bool().unwrap());
        streams.entry(payload["message_id"].to_string()).or_default().push(chunk);
    }
    for chunks in streams.values() {
        let count = chunks.len() as u64;
        let expected: Vec<(u64, bool)> = (1..=count).map(|it| (it, it == count)).collect();
        assert_eq!(*chunks, expected);
    }
    expect_small_frames(&talk);
}
