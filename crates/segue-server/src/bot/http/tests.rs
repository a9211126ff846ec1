use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

use segue_core::{ConnectorId, Output, SessionId, Turn, TurnReason};
use sha2::{Digest, Sha256};
use tokio::join;
use tokio::sync::Notify;

use raw_server::{RawServer, Request};

use super::*;
use crate::outgoing;

mod raw_server;

const SECRET: &str = "of-the-bot";
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const CHUNKED_HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

fn bot_at(url: Url) -> HttpBot {
    bot_with(url, HttpBotLimits::default())
}

fn bot_with(url: Url, limits: HttpBotLimits) -> HttpBot {
    let config = HttpBotConfig { url, secret: SECRET.into(), limits };
    let client = outgoing::client(&outgoing::OutgoingLimits::default()).unwrap();
    // Each look at the clock is a second later than the one before.
    let now = AtomicU64::new(1_778_155_200_999);
    HttpBot::new(config, client, Arc::new(move || now.fetch_add(1_000, Ordering::Relaxed)))
}

fn turn() -> TurnRequest {
    TurnRequest {
        is_streamed: false,
        session_id: SessionId(0xabc),
        turn: Turn(7),
        reason: TurnReason::Message,
        may_hand_off: true,
        connector: ConnectorId("demo".into()),
        platform: "web".into(),
        language: None,
        variant_id: None,
        integration_attributes: None,
        state: None,
        input: vec![],
        history: vec![],
        history_truncated: false,
    }
}

/// All that the bot gives, one word each: texts as they are, other outputs by name, and how it
/// went wrong.
async fn told(bot: &HttpBot) -> Vec<String> {
    let mut told = Vec::new();
    let mut answer = match bot.answer(&turn()).await {
        Ok(answer) => answer,
        Err(error) => return vec![error.to_string()],
    };
    loop {
        match answer.next().await {
            Ok(Some(Output::Text(text))) => told.push(text),
            Ok(Some(output)) => told.push(format!("{output:?}")),
            Ok(None) => {
                assert_eq!(answer.next().await, Ok(None), "the end stays the end");
                return told;
            }
            Err(error) => {
                assert_eq!(answer.next().await, Err(error.clone()), "a failure stays one");
                told.push(error.to_string());
                return told;
            }
        }
    }
}

/// What the bot gives where the server answers with these bytes and closes.
async fn told_by(answer: &str, limits: HttpBotLimits) -> Vec<String> {
    let server = RawServer::start().await;
    let bot = bot_with(server.url(), limits);
    let answers = [answer];
    join!(told(&bot), server.answer_each(&answers)).0
}

fn json_answer(body: &str) -> String {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// HMAC by its definition (RFC 2104), for keys of at most one block.
fn hmac_sha256(key: &[u8], message: &[u8]) -> String {
    let keyed = |pad: u8| {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        Sha256::new().chain_update(block)
    };
    let inner = keyed(0x36).chain_update(message).finalize();
    format!("{:x}", keyed(0x5c).chain_update(inner).finalize())
}

fn assert_signed(request: &Request, timestamp: &str) {
    assert_eq!(request.header("x-segue-turn"), Some("00000000-0000-0000-0000-000000000abc.7"));
    assert_eq!(request.header("x-segue-timestamp"), Some(timestamp));
    let signed = [timestamp.as_bytes(), b".", &request.body].concat();
    let expected = hmac_sha256(SECRET.as_bytes(), &signed);
    assert_eq!(request.header("x-segue-signature"), Some(&*expected));
}

#[tokio::test]
async fn a_turn_is_posted_with_its_headers_and_signed() {
    let server = RawServer::start().await;
    let bot = bot_at(server.url());
    let answers = [STREAM_HEAD];
    let (told, requests) = join!(told(&bot), server.answer_each(&answers));
    assert_eq!(told, Vec::<String>::new(), "an answer without outputs is whole");
    let request = &requests[0];
    assert!(
        request.head.starts_with("POST /turns?key=of-the-url HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("accept"), Some("text/event-stream, application/json"));
    assert_signed(request, "1778155200");
    assert_eq!(request.body, request::body(&turn()).unwrap());
}

#[tokio::test]
async fn answers_are_read_whatever_their_form() {
    let lines = "data: {\"type\":\"text\",\"text\":\"a \"}\n\ndata:{\"type\":\"end\"}";
    let outputs = r#"{"outputs":[{"type":"text","text":"a "},{"type":"end"}]}"#;
    let stream = |fields: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream{fields}\r\n\r\n{lines}")
    };
    let length = lines.len();
    let table = [
        stream(""),
        stream("; charset=utf-8"),
        stream(&format!("\r\nContent-Length: {length}")),
        stream("").replace("200 OK", "200 "),
        stream("").replace("text/event-stream", "Text/Event-Stream ;x=y"),
        stream("").replace("HTTP/1.1", "HTTP/1.0"),
        stream("").replace('\n', "\r\n").replace("\r\r", "\r"),
        format!("{STREAM_HEAD}{}", lines.replace('\n', "\r")),
        format!("{STREAM_HEAD}\u{feff}: hello\nevent: message\nid: 1\n{lines}\n\n: bye"),
        format!("{CHUNKED_HEAD}{length:x}\r\n{lines}\r\n0\r\n\r\n"),
        json_answer(outputs),
        json_answer(outputs).replace("application/json", "application/json; charset=utf-8"),
        format!("HTTP/1.0 200 OK\r\nContent-Type: APPLICATION/JSON\r\n\r\n{outputs}"),
    ];
    for answer in table {
        assert_eq!(told_by(&answer, HttpBotLimits::default()).await, ["a ", "End"], "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_answer_fails_in_words_without_any_of_it() {
    let neither = "bot failed: the answer is neither an event stream nor JSON";
    let line = |it: &str| format!("{STREAM_HEAD}data: {it}\n\n");
    let table = [
        ("HTTP/1.1 200 OK\r\n\r\n".to_owned(), neither),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n".to_owned(), neither),
        ("HTTP/1.1 200 OK\r\nContent-Type: application/jsonl\r\n\r\n".to_owned(), neither),
        ("HTTP/1.1 200 OK\r\nContent-Type: \u{e4}\r\n\r\n".to_owned(), neither),
        (STREAM_HEAD.replace("200", "201"), "bot failed: status 201"),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), "bot failed: status 204"),
        (STREAM_HEAD.replace("200", "404"), "bot failed: status 404"),
        (STREAM_HEAD.replace("200", "500"), "bot failed: status 500"),
        (STREAM_HEAD.replace("200", "504"), "bot failed: status 504"),
        (line("{\"type\":\"secret\"}"), "bot failed: output 1 has an unknown type"),
        (line("[DONE]"), "bot failed: output 1 is not a JSON object"),
        (line(""), "bot failed: output 1 is not a JSON object"),
        (line("{\"type\":\"text\",\"text\":7}"), "bot failed: output 1 has no valid `text`"),
        (
            json_answer("{\"outputs\":7}"),
            "bot failed: the answer is not a JSON object with `outputs`",
        ),
        (json_answer(""), "bot failed: the answer is not a JSON object with `outputs`"),
        (
            json_answer("{\"outputs\":[{\"type\":\"end\"},{\"type\":\"secret\"}]}"),
            "bot failed: output 2 has an unknown type",
        ),
    ];
    for (answer, expected) in table {
        assert_eq!(told_by(&answer, HttpBotLimits::default()).await, [expected], "{answer}");
    }
}

#[tokio::test]
async fn what_was_right_is_given_before_what_is_wrong() {
    let good = "data: {\"type\":\"text\",\"text\":\"a\"}\n";
    let unknown = format!("{STREAM_HEAD}{good}data: {{\"type\":\"x\"}}\n{good}");
    let told = told_by(&unknown, HttpBotLimits::default()).await;
    assert_eq!(told, ["a", "bot failed: output 2 has an unknown type"]);

    let rest = format!("{good}{good}").len() + 1;
    let table = [
        format!("{CHUNKED_HEAD}{:x}\r\n{good}\r\n", good.len()),
        format!("{CHUNKED_HEAD}{rest:x}\r\n{good}data: {{}}"),
        format!("{CHUNKED_HEAD}{:x}\r\n{good}\r\nnot a length\r\n", good.len()),
        STREAM_HEAD.replace("\r\n\r\n", &format!("\r\nContent-Length: {rest}\r\n\r\n{good}")),
    ];
    for answer in table {
        let told = told_by(&answer, HttpBotLimits::default()).await;
        assert_eq!(told.len(), 2, "{answer}: {told:?}");
        assert_eq!(told[0], "a", "{answer}");
        assert!(told[1].starts_with("bot failed: error decoding response body"), "{}", told[1]);
    }
}

#[tokio::test]
async fn json_that_is_cut_short_gives_nothing() {
    let whole = json_answer(r#"{"outputs":[{"type":"end"}]}   "#);
    let told = told_by(&whole[..whole.len() - 1], HttpBotLimits::default()).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("bot failed: error decoding response body"), "{}", told[0]);
}

#[tokio::test]
async fn an_answer_may_be_as_big_as_the_limits() {
    let limits = HttpBotLimits::default();
    let line = |text_bytes: usize| {
        format!("data: {{\"type\":\"text\",\"text\":\"{}\"}}", "x".repeat(text_bytes))
    };
    let room = 131_072 - line(0).len();
    let largest = format!("{STREAM_HEAD}{}\r\n", line(room));
    assert_eq!(told_by(&largest, limits).await, ["x".repeat(room)]);
    let larger = format!("{STREAM_HEAD}data: {{\"type\":\"end\"}}\n{}\r\n", line(room + 1));
    let too_long = "bot failed: a line is over 131072 bytes";
    assert_eq!(told_by(&larger, limits).await, ["End", too_long]);
    // A comment is a line like any other, and need not end to be too long.
    let endless = format!("{STREAM_HEAD}:{}", "x".repeat(131_072));
    assert_eq!(told_by(&endless, limits).await, [too_long]);

    let body = r#"{"outputs":[{"type":"end"}]}"#;
    let limits = HttpBotLimits { body_bytes_max: body.len(), ..limits };
    assert_eq!(told_by(&json_answer(body), limits).await, ["End"]);
    let too_big = format!("bot failed: over {} bytes of JSON", body.len());
    assert_eq!(told_by(&json_answer(&format!("{body} ")), limits).await, [too_big]);
}

#[tokio::test]
async fn outputs_are_given_while_the_stream_goes_on() {
    let server = RawServer::start().await;
    let bot = bot_at(server.url());
    let given = Notify::new();
    let serving = async {
        let mut request = server.request().await;
        request.send(CHUNKED_HEAD.as_bytes()).await;
        for word in ["one", "two"] {
            let line = format!("data: {{\"type\":\"text\",\"text\":\"{word}\"}}\n");
            request.send_chunk(line.as_bytes()).await;
            given.notified().await;
        }
        request.send(b"0\r\n\r\n").await;
    };
    let asking = async {
        let mut answer = bot.answer(&turn()).await.unwrap();
        for word in ["one", "two"] {
            assert_eq!(answer.next().await, Ok(Some(Output::Text(word.into()))));
            given.notify_one();
        }
        assert_eq!(answer.next().await, Ok(None));
    };
    join!(serving, asking);
}

#[tokio::test]
async fn a_stream_may_be_cut_into_chunks_anywhere() {
    let server = RawServer::start().await;
    let bot = bot_at(server.url());
    let serving = async {
        let mut request = server.request().await;
        request.send(CHUNKED_HEAD.as_bytes()).await;
        let stream = "\u{feff}data: {\"type\":\"text\",\"text\":\"€😀\"}\r\n\r\n: ä\rdata: {\"type\":\"end\"}";
        for byte in stream.as_bytes() {
            request.send_chunk(&[*byte]).await;
        }
        request.send(b"0\r\n\r\n").await;
    };
    assert_eq!(join!(told(&bot), serving).0, ["€😀", "End"]);
}

#[tokio::test]
async fn a_call_that_is_dropped_loses_nothing() {
    let server = RawServer::start().await;
    let bot = bot_at(server.url());
    let sent = Notify::new();
    let stream = "data: {\"type\":\"text\",\"text\":\"€\"}\ndata: {\"type\":\"end\"}\n";
    let serving = async {
        let mut request = server.request().await;
        request.send(CHUNKED_HEAD.as_bytes()).await;
        for byte in stream.as_bytes() {
            request.send_chunk(&[*byte]).await;
            sent.notify_one();
            tokio::task::yield_now().await;
        }
        request.send(b"0\r\n\r\n").await;
    };
    let asking = async {
        let mut answer = bot.answer(&turn()).await.unwrap();
        let (mut outputs, mut dropped) = (Vec::new(), 0);
        loop {
            tokio::select! {
                biased;
                next = answer.next() => match next.unwrap() {
                    Some(output) => outputs.push(output),
                    None => break,
                },
                () = sent.notified() => dropped += 1,
            }
        }
        assert_eq!(outputs, [Output::Text("€".into()), Output::End]);
        assert!(dropped > stream.len() / 2, "only {dropped} calls were dropped");
    };
    join!(serving, asking);
}

#[tokio::test]
async fn a_connection_that_is_reset_fails_the_answer() {
    let server = RawServer::start().await;
    let bot = bot_at(server.url());
    let given = Notify::new();
    let serving = async {
        let mut request = server.request().await;
        request.send(STREAM_HEAD.as_bytes()).await;
        request.send(b"data: {\"type\":\"message_break\"}\n").await;
        given.notified().await;
        request.reset();
    };
    let asking = async {
        let mut answer = bot.answer(&turn()).await.unwrap();
        assert_eq!(answer.next().await, Ok(Some(Output::MessageBreak)));
        given.notify_one();
        let error = answer.next().await.unwrap_err();
        assert!(matches!(error, BotError::Failed(_)), "{error}");
    };
    join!(serving, asking);
}

#[tokio::test]
async fn a_bot_that_says_nothing_and_closes_has_failed_and_is_not_asked_again() {
    let (told, requests) = told_after(&["", STREAM_HEAD]).await;
    assert_eq!(requests, 1);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("bot failed: error sending request"), "{}", told[0]);
}

#[tokio::test]
async fn a_bot_that_is_not_there_has_failed_and_no_word_gives_its_url_away() {
    let server = RawServer::start().await;
    let bot = bot_at(server.url());
    drop(server);
    let told = told(&bot).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("refused"), "{}", told[0]);
    assert!(!told[0].contains("key") && !told[0].contains("turns"), "{}", told[0]);
}

#[tokio::test]
async fn dropping_an_answer_closes_the_request() {
    for answer in [STREAM_HEAD, json_answer("{}").strip_suffix('}').unwrap()] {
        let server = RawServer::start().await;
        let bot = bot_at(server.url());
        let serving = async {
            let mut request = server.request().await;
            request.send(answer.as_bytes()).await;
            request.closed_by_client().await;
        };
        let asking = async { drop(bot.answer(&turn()).await.unwrap()) };
        join!(serving, asking);
    }
}

#[tokio::test]
async fn giving_up_before_the_answer_begins_closes_the_request() {
    let server = RawServer::start().await;
    let bot = bot_at(server.url());
    let arrived = Notify::new();
    let serving = async {
        let mut request = server.request().await;
        arrived.notify_one();
        request.closed_by_client().await;
    };
    let asking = async {
        let turn = turn();
        tokio::select! {
            answered = bot.answer(&turn) => panic!("answered: {:?}", answered.err()),
            () = arrived.notified() => {}
        }
    };
    join!(serving, asking);
}

#[tokio::test]
async fn a_failed_answer_closes_the_request_before_it_is_dropped() {
    let server = RawServer::start().await;
    let bot = bot_at(server.url());
    let serving = async {
        let mut request = server.request().await;
        request.send(STREAM_HEAD.as_bytes()).await;
        request.send(b"data: {\"type\":\"x\"}\n").await;
        request.closed_by_client().await;
    };
    let asking = async {
        let mut answer = bot.answer(&turn()).await.unwrap();
        assert!(answer.next().await.is_err());
        answer
    };
    join!(serving, asking);
}

/// What the bot gives where its requests are answered with these bytes in turn, and how many
/// requests it made. Each one is signed anew.
async fn told_after(answers: &[&str]) -> (Vec<String>, usize) {
    let server = RawServer::start().await;
    let bot = bot_at(server.url());
    let mut requests = 0;
    let serving = async {
        for (answer, seconds) in answers.iter().zip(1_778_155_200..) {
            let mut request = server.request().await;
            assert_signed(&request, &format!("{seconds}"));
            requests += 1;
            request.send(answer.as_bytes()).await;
            request.close().await;
        }
        std::future::pending::<()>().await;
    };
    let told = tokio::select! {
        biased;
        told = told(&bot) => told,
        () = serving => unreachable!("the server waits for ever"),
    };
    (told, requests)
}

#[tokio::test]
async fn an_overloaded_bot_is_asked_once_more_where_it_says_when() {
    let good = format!("{STREAM_HEAD}data: {{\"type\":\"end\"}}\n");
    let refusal = |status: u16, field: &str| {
        format!("HTTP/1.1 {status} Later\r\nContent-Length: 2\r\n{field}\r\n\r\n{{}}")
    };
    let now = |status| refusal(status, "Retry-After: 0");
    let failed = "HTTP/1.1 500 Oh\r\n\r\n".to_owned();
    let table = [
        (vec![now(429), good.clone()], "End", 2),
        (vec![now(503), good.clone()], "End", 2),
        (vec![now(429), now(429), good.clone()], "bot is overloaded: status 429", 2),
        (vec![now(429), now(503), good.clone()], "bot is overloaded: status 503", 2),
        (vec![now(503), failed.clone(), good.clone()], "bot failed: status 500", 2),
        (vec![refusal(429, "X: 0"), good.clone()], "bot is overloaded: status 429", 1),
        (vec![refusal(503, "Retry-After: 6"), good.clone()], "bot is overloaded: status 503", 1),
        (vec![failed, good], "bot failed: status 500", 1),
    ];
    for (answers, expected, requests_expected) in table {
        let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
        let (told, requests) = told_after(&answers).await;
        assert_eq!((told, requests), (vec![expected.into()], requests_expected), "{answers:?}");
    }
}

#[tokio::test]
async fn the_bot_is_left_alone_as_long_as_it_asked() {
    let started = Instant::now();
    let later = "HTTP/1.1 429 Later\r\nRetry-After: 1\r\n\r\n";
    let (told, requests) = told_after(&[later, STREAM_HEAD]).await;
    assert_eq!((told, requests), (vec![], 2));
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn a_pause_before_a_retry_is_short_and_in_whole_seconds() {
    let table = [
        ("0", Some(0)),
        ("5", Some(5)),
        (" 5 ", Some(5)),
        ("6", Some(6)),
        ("", None),
        ("+1", None),
        ("-1", None),
        ("1.5", None),
        ("Thu, 07 May 2026 12:00:00 GMT", None),
        ("99999999999999999999", None),
    ];
    for (value, expected) in table {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        assert_eq!(retry_after_seconds(&headers), expected, "{value}");
    }
    assert_eq!(retry_after_seconds(&HeaderMap::new()), None);
    assert_eq!(HttpBotLimits::default().retry_after_seconds_max, 5);
}

#[test]
fn a_configuration_can_be_printed_without_its_secrets() {
    let url = "http://user:hidden@localhost/?key=hidden".parse().unwrap();
    let config = HttpBotConfig { url, secret: "hidden".into(), limits: HttpBotLimits::default() };
    assert!(!format!("{config:?}").contains("hidden"));
}
