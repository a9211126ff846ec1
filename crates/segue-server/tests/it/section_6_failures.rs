//! Section 6: what the user sees when the bot, or the server, fails.

use serde_json::{Value, json};

use crate::{
    killed::Mortal,
    pick::{assert_adjacent, chunked, is_kind, next, next_is, of_kind, text, without_thinking},
    scenes::other,
    support::{Asked, Bot, Logs, Setup, Talk, brief},
};

const HIGH_LOAD: (&str, &str) =
    ("Our system is experiencing high load. Please try again in a moment.", "high_load");
const UNABLE_TO_START: (&str, &str) = (
    "Sorry, I'm unable to start a conversation right now. Please try again later.",
    "unable_to_start",
);
const TROUBLE_RESPONDING: (&str, &str) =
    ("Sorry, I'm having trouble responding right now. Please try again.", "trouble_responding");
const ENCOUNTERED_ERROR: (&str, &str) =
    ("Sorry, I encountered an error. Please try again.", "encountered_error");

/// Asserts that a frame is this notice, in the log.
fn assert_notice(frame: &Value, (message, code): (&str, &str)) {
    assert!(is_kind(frame, "SYSTEM_MESSAGE"), "no {code} but {frame:#}");
    assert!(frame["sequence"].is_u64(), "not in the log: {frame:#}");
    let expected = json!({"level": "SYSTEM_MESSAGE_LEVEL_ERROR", "message": message, "code": code});
    assert_eq!(frame["payload"], expected);
}

/// Says something: what the bot is asked for.
async fn ask(talk: &mut Talk, bot: &Bot) -> Asked {
    let key = format!("k-{}", talk.came.len());
    talk.say("Is it back?", &key).await;
    next_is(talk, "USER_MESSAGE").await;
    bot.asked().await
}

/// The conversation goes on: the next message is answered, and by itself.
async fn goes_on(talk: &mut Talk, bot: &Bot) {
    talk.say("And now?", &format!("k-{}", talk.came.len())).await;
    next_is(talk, "USER_MESSAGE").await;
    let asked = bot.asked().await;
    assert_eq!((&asked.body["reason"], asked.input()), (&json!("message"), vec!["And now?"]));
    asked.text("Now it is.").await;
    let answer = next(talk).await;
    assert_eq!(answer["payload"]["text"], "Now it is.");
}

/// How a bot can fail with nothing to show for it.
const SILENT_FAILURES: [&str; 13] = [
    "status 500",
    "status 404",
    "status 204",
    "hang up",
    "no outputs",
    "no stream",
    "no JSON",
    "unknown output",
    "half a message",
    "another type",
    "a message break",
    "blank text",
    "bad URL",
];

async fn fail(asked: Asked, how: &str) {
    let unknown = json!([{"type": "text", "text": "It is."}, {"type": "telepathy"}]);
    let bad_url = json!([{"type": "attachment", "title": "x", "content_url": "javascript:x"}]);
    match how {
        "status 500" => asked.status(500, &[]).await,
        "status 404" => asked.status(404, &[]).await,
        "status 204" => asked.status(204, &[]).await,
        "hang up" => drop(asked),
        "no outputs" => asked.outputs(json!([])).await,
        "no stream" => asked.stream().await.end().await,
        "no JSON" => asked.reply(200, &[("Content-Type", "application/json")], "{").await,
        "unknown output" => asked.outputs(unknown).await,
        "another type" => asked.reply(200, &[("Content-Type", "text/html")], "<p>It is.").await,
        "a message break" => asked.outputs(json!([{"type": "message_break"}])).await,
        "blank text" => asked.outputs(json!([{"type": "text", "text": " \n"}])).await,
        "bad URL" => asked.outputs(bad_url).await,
        "half a message" => {
            let mut answer = asked.stream().await;
            answer.text("It is, in bo").await;
            answer.break_off();
        }
        other => panic!("cannot fail with {other}"),
    }
}

/// Covers 6.28, 6.30.
#[tokio::test]
async fn a_turn_that_fails_before_anything_was_seen_has_trouble_responding() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("messages_per_second = 0").start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    let mut onlooker = other(&session, 4).await;
    for how in SILENT_FAILURES {
        fail(ask(&mut talk, &bot).await, how).await;
        let notice = next(&mut talk).await;
        assert!(is_kind(&notice, "SYSTEM_MESSAGE"), "{how}: {notice:#}");
        assert_notice(&notice, TROUBLE_RESPONDING);
        onlooker.until_that("the same", |it| *it == notice).await;
        goes_on(&mut talk, &bot).await;
    }
}

/// Covers 6.28.
#[tokio::test]
async fn what_was_not_cut_yet_was_not_seen() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let mut talk = server.streaming_session().await.open_joined().await;
    fail(ask(&mut talk, &bot).await, "half a message").await;
    // A stream with a place to cut may have begun; this one ends in the midst of a word.
    let mut answer = next(&mut talk).await;
    while is_kind(&answer, "POLY_AGENT_MESSAGE_CHUNK") {
        answer = next(&mut talk).await;
    }
    let seen = of_kind(&talk.came, "POLY_AGENT_MESSAGE_CHUNK").len();
    // The greeting is one.
    assert_notice(&answer, if seen > 1 { ENCOUNTERED_ERROR } else { TROUBLE_RESPONDING });

    let mut stream = ask(&mut talk, &bot).await.stream().await;
    stream.text("Un").await;
    stream.break_off();
    assert_notice(&next(&mut talk).await, TROUBLE_RESPONDING);
    goes_on(&mut talk, &bot).await;
}

/// Covers 6.28, 6.30.
#[tokio::test]
async fn a_turn_that_fails_after_a_message_was_seen_encountered_an_error() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let mut talk = server.session(json!({})).await.open_joined().await;
    let mut answer = ask(&mut talk, &bot).await.stream().await;
    answer.text("One moment.").await;
    answer.give(&json!({"type": "message_break"})).await;
    assert_eq!(text(&next_is(&mut talk, "POLY_AGENT_MESSAGE").await), "One moment.");
    answer.text("It is, in bo").await;
    answer.break_off();
    assert_notice(&next(&mut talk).await, ENCOUNTERED_ERROR);
    goes_on(&mut talk, &bot).await;
}

/// Covers 6.24, 6.28, 6.30.
#[tokio::test]
async fn a_stream_that_breaks_off_is_closed_with_what_had_arrived() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("chunk_interval_ms = 0").start().await;
    for how in ["hang up", "unknown output", "no JSON"] {
        for session in [server.streaming_session().await, server.native_session().await] {
            let mut talk = session.open_joined().await;
            let mut answer = ask(&mut talk, &bot).await.stream().await;
            answer.text("It is\nback, ").await;
            let first = next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
            assert_eq!(first["payload"]["chunk_index"], 1);
            answer.text("in bo").await;
            match how {
                "hang up" => answer.break_off(),
                "no JSON" => answer.raw("data: {\n\n").await,
                _ => answer.give(&json!({"type": "telepathy"})).await,
            }
            let rest = without_thinking(talk.until("SYSTEM_MESSAGE").await);
            let (notice, chunks) = rest.split_last().unwrap();
            assert_eq!(text(&first).to_owned() + &chunked(chunks), "It is\nback, in bo");
            let last = chunks.last().unwrap();
            assert_eq!(last["payload"]["is_complete"], true, "{}", brief(&rest));
            assert_eq!(last["payload"]["message_id"], first["payload"]["message_id"]);
            assert_notice(notice, ENCOUNTERED_ERROR);
            assert_adjacent(&[last.clone(), notice.clone()]);
            goes_on(&mut talk, &bot).await;
        }
    }
}

/// Covers 6.25.
#[tokio::test]
async fn the_end_of_the_session_closes_the_stream_first() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.streaming_session().await;
    let mut talk = session.open_joined().await;
    let mut onlooker = other(&session, 4).await;
    let mut answer = ask(&mut talk, &bot).await.stream().await;
    answer.text("It is ").await;
    answer.text("back, ").await;
    let first = next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
    talk.end_session().await;
    let frames = without_thinking(talk.until("SESSION_END").await);
    let tail = &frames[frames.len() - 3..];
    assert!(is_kind(&tail[0], "POLY_AGENT_MESSAGE_CHUNK"), "{}", brief(&frames));
    assert!(is_kind(&tail[1], "USER_END_SESSION"), "{}", brief(&frames));
    assert_adjacent(tail);
    assert_eq!(tail[0]["payload"]["is_complete"], true);
    assert_eq!(tail[0]["payload"]["message_id"], first["payload"]["message_id"]);
    assert_eq!(of_kind(&frames, "SYSTEM_MESSAGE").len(), 0);
    for (number, chunk) in of_kind(&frames, "POLY_AGENT_MESSAGE_CHUNK").iter().enumerate() {
        assert_eq!(chunk["payload"]["chunk_index"], number + 2);
    }
    let watched = onlooker.until("SESSION_END").await;
    assert_eq!(watched[watched.len() - 3..], *tail);
    answer.gone().await;
}

/// Covers 6.26, 8.10, 8.11.
#[tokio::test]
async fn a_stream_in_whose_midst_the_server_died_is_closed_after_the_start() {
    let bot = Bot::start().await;
    let setup = || Setup::new(&bot).sqlite().limits("chunk_interval_ms = 0");
    let mortal = Mortal::start(setup()).await;
    let session = mortal.server.streaming_session().await;
    let mut talk = session.open_joined().await;
    let mut answer = ask(&mut talk, &bot).await.stream().await;
    answer.text("It is ").await;
    let first = next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
    answer.text("ba").await;
    let before = session.log(6).await;

    let heir = setup();
    mortal.kill(&heir);
    let server = heir.start().await;
    let session = session.on(&server);
    let mut talk = session.open().await;
    let log = talk.events_to(8).await;
    assert_eq!(log[..6], before, "what was seen is what it was");
    assert_eq!(
        brief(&log[5..]),
        "6 POLY_AGENT_MESSAGE_CHUNK\n7 POLY_AGENT_MESSAGE_CHUNK\n8 SYSTEM_MESSAGE"
    );
    let last = &log[6]["payload"];
    assert_eq!(last["message_id"], first["payload"]["message_id"]);
    assert_eq!((&last["chunk_index"], &last["is_complete"]), (&json!(2), &json!(true)));
    assert_notice(&log[7], ENCOUNTERED_ERROR);
    goes_on(&mut talk, &bot).await;
}

/// Covers 6.27, 8.10.
#[tokio::test]
async fn a_turn_of_which_nothing_was_seen_is_run_again_after_the_start() {
    let bot = Bot::start().await;
    let setup = || Setup::new(&bot).sqlite();
    for body in [json!({}), json!({"streaming_enabled": true})] {
        let mortal = Mortal::start(setup()).await;
        let session = mortal.server.session(body).await;
        let mut talk = session.open_joined().await;
        let first = ask(&mut talk, &bot).await;
        let before = session.log(5).await;

        let heir = setup();
        mortal.kill(&heir);
        let server = heir.start().await;
        let session = session.on(&server);
        let again = bot.asked().await;
        assert_eq!(again.header("x-segue-turn"), first.header("x-segue-turn"));
        assert_eq!(again.body, first.body, "the same turn, with the same input");
        again.text("It is.").await;
        let log = session.log(6).await;
        assert_eq!(log[..5], before);
        assert_eq!(text(&log[5]), "It is.");
        // One answer: the next event is that of the next message.
        let mut talk = session.open_from(6).await;
        talk.expect("EVENT_BATCH").await;
        talk.say("Thanks.", "k-2").await;
        assert_eq!(next_is(&mut talk, "USER_MESSAGE").await["sequence"], 7);
        assert_eq!(bot.asked().await.input(), ["Thanks."]);
    }
}

/// Covers 6.29, 6.30.
#[tokio::test]
async fn an_overloaded_bot_gives_high_load() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("messages_per_second = 0").start().await;
    for body in [json!({}), json!({"streaming_enabled": true})] {
        let mut talk = server.session(body).await.open_joined().await;
        for status in [429, 503] {
            ask(&mut talk, &bot).await.status(status, &[]).await;
            assert_notice(&next(&mut talk).await, HIGH_LOAD);
            goes_on(&mut talk, &bot).await;
            // It is left alone for as long as it wants, if that is not too long.
            ask(&mut talk, &bot).await.status(status, &[("Retry-After", "30")]).await;
            assert_notice(&next(&mut talk).await, HIGH_LOAD);
            ask(&mut talk, &bot).await.status(status, &[("Retry-After", "0")]).await;
            bot.asked().await.status(status, &[("Retry-After", "0")]).await;
            assert_notice(&next(&mut talk).await, HIGH_LOAD);
            goes_on(&mut talk, &bot).await;
        }
    }
}

/// A socket on which a greeting has failed: its frames, of which the notice is the last.
async fn failed_greeting(talk: &mut Talk, bot: &Bot) -> Vec<Value> {
    talk.expect("EVENT_BATCH").await;
    talk.join().await;
    for how in ["status 500", "hang up", "no outputs"] {
        let asked = bot.asked().await;
        assert_eq!(asked.body["reason"], "join");
        fail(asked, how).await;
    }
    without_thinking(talk.until("SYSTEM_MESSAGE").await)
}

/// Covers 6.31, 6.32.
#[tokio::test]
async fn a_join_runs_a_failed_greeting_again() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).greeting("").start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open().await;
    let frames = failed_greeting(&mut talk, &bot).await;
    assert_eq!(brief(&frames), "2 REQUEST_POLY_AGENT_JOIN\n3 POLY_AGENT_JOINED\n4 SYSTEM_MESSAGE");
    assert_notice(&frames[2], UNABLE_TO_START);

    talk.join().await;
    let echo = next_is(&mut talk, "REQUEST_POLY_AGENT_JOIN").await;
    assert_eq!(echo["sequence"], 5);
    let asked = bot.asked().await;
    assert_eq!(asked.body["reason"], "join");
    asked.text("Here I am.").await;
    let greeting = next(&mut talk).await;
    assert!(is_kind(&greeting, "POLY_AGENT_MESSAGE"), "{greeting:#}");
    assert_eq!((&greeting["sequence"], text(&greeting)), (&json!(6), "Here I am."));
    talk.join().await;
    assert!(next_is(&mut talk, "REQUEST_POLY_AGENT_JOIN").await["sequence"].is_null());
    goes_on(&mut talk, &bot).await;
}

/// Covers 6.33, 6.30.
#[tokio::test]
async fn a_message_after_a_failed_greeting_is_an_ordinary_turn() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).greeting("").start().await;
    let mut talk = server.session(json!({})).await.open().await;
    let frames = failed_greeting(&mut talk, &bot).await;
    assert_notice(frames.last().unwrap(), UNABLE_TO_START);
    goes_on(&mut talk, &bot).await;
    talk.join().await;
    assert!(next_is(&mut talk, "REQUEST_POLY_AGENT_JOIN").await["sequence"].is_null());
    // No greeting follows: the next that the bot is asked for is another message.
    goes_on(&mut talk, &bot).await;
}

/// Covers 6.28.
#[tokio::test]
async fn silence_is_no_failure() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let mut talk = server.session(json!({})).await.open_joined().await;
    let state = json!({"type": "state", "state": {"step": 2}});
    for outputs in [json!([{"type": "silence"}]), json!([state])] {
        ask(&mut talk, &bot).await.outputs(outputs).await;
        // Nothing comes before the echo of the next message.
        goes_on(&mut talk, &bot).await;
    }
}

#[tokio::test]
async fn a_bot_that_answers_nonsense_is_warned_of_once() {
    let logs = Logs::capture();
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.say("Hm", "k-1").await;
    bot.asked().await.outputs(json!([{"type": "no such output"}])).await;
    talk.seek("SYSTEM_MESSAGE").await;
    let told = logs.lines_with(&format!("of session {} failed", session.id));
    assert_eq!(told.len(), 1, "{told:?}");
    // It reads alone: which turn, which bot, and what is wrong.
    assert!(told[0].contains(" WARN ") && told[0].contains("unknown type"), "{told:?}");
    assert!(told[0].contains("turn 2") && told[0].contains("the bot wick"), "{told:?}");
    let warned: Vec<String> = logs.lines_with(&session.id);
    assert_eq!(warned.iter().filter(|it| it.contains(" WARN ")).count(), 1, "{warned:?}");
    server.stop().await;
}
