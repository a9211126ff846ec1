//! Section 7: who may speak to the user, and what happens when the bot gives that away.

use serde_json::{Value, json};

use crate::{
    pick::{assert_adjacent, chunked, is_kind, next, next_is, of_kind, text, without_thinking},
    scenes::not_asked,
    support::{Bot, Running, Setup, Talk, brief, events_of},
};

async fn server(bot: &Bot, handoff: &str) -> Running {
    Setup::new(bot)
        .limits("chunk_interval_ms = 0")
        .connector(&format!("handoff = \"{handoff}\""))
        .start()
        .await
}

fn says(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn handoff() -> Value {
    json!({"type": "handoff", "destination": "warranty", "reason": "POLICY"})
}

/// Says something, and has the bot answer with these outputs.
async fn turn(talk: &mut Talk, bot: &Bot, outputs: Value) {
    let key = format!("k-{}", talk.came.len());
    talk.say("A person, please.", &key).await;
    next_is(talk, "USER_MESSAGE").await;
    bot.asked().await.outputs(outputs).await;
}

/// A socket on which the bot has just handed off to the user's application, the last event of
/// which has sequence 8.
async fn handed_off(server: &Running, bot: &Bot) -> Talk {
    let mut talk = server.session(json!({})).await.open_joined().await;
    turn(&mut talk, bot, json!([handoff()])).await;
    let left = talk.seek("POLY_AGENT_LEFT").await;
    assert_eq!(left["sequence"], 8);
    talk
}

/// The frames of a handoff that fails, from its first to its last.
async fn failed(talk: &mut Talk) -> Vec<Value> {
    let mut frames = vec![next_is(talk, "POLY_AGENT_TRIGGERED_HANDOFF").await];
    frames.extend(without_thinking(talk.until("POLY_AGENT_JOINED").await));
    frames
}

/// Covers 7.1.
#[tokio::test]
async fn a_handoff_to_the_users_application() {
    let bot = Bot::start().await;
    let server = server(&bot, "client").await;
    let mut talk = server.session(json!({})).await.open_joined().await;
    turn(&mut talk, &bot, json!([handoff()])).await;
    let frames = without_thinking(talk.until("POLY_AGENT_LEFT").await);
    assert_eq!(
        brief(&frames),
        "6 POLY_AGENT_TRIGGERED_HANDOFF\n7 CLIENT_HANDOFF_REQUIRED\n8 POLY_AGENT_LEFT"
    );
    assert_adjacent(&frames);
    assert_eq!(frames[0]["payload"], json!({}));
    let required = json!({"reason": "POLICY", "queue_name": "warranty", "route": "warranty"});
    assert_eq!(frames[1]["payload"], required);
}

/// Covers 7.2.
#[tokio::test]
async fn what_the_bot_said_comes_before_the_handoff() {
    let bot = Bot::start().await;
    for (kind, first_after) in [("client", "CLIENT_HANDOFF_REQUIRED"), ("none", "POLY_AGENT_LEFT")]
    {
        let server = server(&bot, kind).await;
        let mut talk = server.session(json!({})).await.open_joined().await;
        turn(&mut talk, &bot, json!([handoff(), says("I pass you "), says("on.")])).await;
        let frames = without_thinking(talk.until(first_after).await);
        assert_eq!(
            brief(&frames),
            format!("6 POLY_AGENT_MESSAGE\n7 POLY_AGENT_TRIGGERED_HANDOFF\n8 {first_after}")
        );
        assert_eq!(text(&frames[0]), "I pass you on.");

        let mut talk = server.streaming_session().await.open_joined().await;
        talk.say("A person, please.", "k").await;
        next_is(&mut talk, "USER_MESSAGE").await;
        let asked = loop {
            let asked = bot.asked().await;
            // The session before asks what to do about its failed handoff.
            if asked.body["reason"] == "message" {
                break asked;
            }
        };
        let mut answer = asked.stream().await;
        answer.text("I pass ").await;
        let first = next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
        answer.give(&handoff()).await;
        answer.text("you on.").await;
        answer.end().await;
        let frames = without_thinking(talk.until("POLY_AGENT_TRIGGERED_HANDOFF").await);
        let (_, chunks) = frames.split_last().unwrap();
        assert_eq!(text(&first).to_owned() + &chunked(chunks), "I pass you on.");
        assert_eq!(of_kind(&frames, "POLY_AGENT_MESSAGE_CHUNK").len(), chunks.len());
        assert_eq!(chunks.last().unwrap()["payload"]["is_complete"], true);
    }
}

/// Covers 7.3.
#[tokio::test]
async fn after_it_messages_are_kept_and_the_bot_is_not_asked() {
    let bot = Bot::start().await;
    let server = server(&bot, "client").await;
    let witness = server.session(json!({})).await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    turn(&mut talk, &bot, json!([handoff()])).await;
    talk.until("POLY_AGENT_LEFT").await;
    for (number, words) in ["Anybody?", "Hello?"].iter().enumerate() {
        talk.say(words, &format!("after-{number}")).await;
        let echo = talk.recv().await;
        assert!(is_kind(&echo, "USER_MESSAGE"), "{echo:#}");
        assert_eq!((&echo["sequence"], text(&echo)), (&json!(9 + number), *words));
    }
    not_asked(&bot, &witness).await;
    talk.expect_nothing().await;
    let log = session.log(10).await;
    assert_eq!(brief(&log[8..]), "9 USER_MESSAGE\n10 USER_MESSAGE");
}

/// Covers 7.4.
#[tokio::test]
async fn after_it_a_join_is_only_echoed() {
    let bot = Bot::start().await;
    let server = server(&bot, "client").await;
    let witness = server.session(json!({})).await;
    let mut talk = handed_off(&server, &bot).await;
    for _ in 0..2 {
        talk.join().await;
        let echo = talk.recv().await;
        assert!(is_kind(&echo, "REQUEST_POLY_AGENT_JOIN"), "{echo:#}");
        assert_eq!(echo["sequence"], Value::Null);
    }
    not_asked(&bot, &witness).await;
    talk.say("marker", "m").await;
    let echo = talk.recv().await;
    assert!(is_kind(&echo, "USER_MESSAGE"), "{echo:#}");
    assert_eq!(echo["sequence"], 9);
}

/// Covers 7.5.
#[tokio::test]
async fn after_it_the_user_can_still_end_the_session() {
    let bot = Bot::start().await;
    let server = server(&bot, "client").await;
    let mut talk = handed_off(&server, &bot).await;
    talk.end_session().await;
    let frames = talk.until("SESSION_END").await;
    assert_eq!(brief(&frames), "9 USER_END_SESSION\n10 SESSION_END");
    assert_eq!(frames[1]["payload"]["reason"], "REASON_USER_END");
}

/// Covers 7.7, 7.8.
#[tokio::test]
async fn where_nobody_can_take_over_the_bot_comes_back() {
    let bot = Bot::start().await;
    for kind in ["none", "server"] {
        let server = server(&bot, kind).await;
        let mut talk = server.session(json!({})).await.open_joined().await;
        turn(&mut talk, &bot, json!([says("I pass you on."), handoff()])).await;
        next_is(&mut talk, "POLY_AGENT_MESSAGE").await;
        let frames = failed(&mut talk).await;
        assert_eq!(
            brief(&frames),
            "7 POLY_AGENT_TRIGGERED_HANDOFF\n8 POLY_AGENT_LEFT\n9 HANDOFF_FAILED\n\
             10 SYSTEM_MESSAGE\n11 POLY_AGENT_JOINED"
        );
        assert_adjacent(&frames);
        let expected = json!({
            "level": "SYSTEM_MESSAGE_LEVEL_ERROR",
            "message": "Sorry, handoff could not be initiated.",
            "code": "handoff_not_initiated",
        });
        assert_eq!(frames[3]["payload"], expected);
        assert_eq!(frames[4]["payload"]["agent_name"], "Wick");

        let asked = bot.asked().await;
        assert_eq!(asked.body["reason"], "handoff_failed");
        assert_eq!(asked.body["handoff"]["outcome"], "failed");
        assert!(asked.input().is_empty(), "{:#}", asked.body);
        asked.text("Nobody is there; what can I do?").await;
        let answer = next_is(&mut talk, "POLY_AGENT_MESSAGE").await;
        assert_eq!(answer["sequence"], 12);
        assert_eq!(text(&answer), "Nobody is there; what can I do?");
        // And the conversation goes on.
        turn(&mut talk, &bot, json!([says("Gladly.")])).await;
        assert_eq!(text(&next_is(&mut talk, "POLY_AGENT_MESSAGE").await), "Gladly.");
    }
}

/// Covers 7.9.
#[tokio::test]
async fn after_a_failed_handoff_there_is_not_another_at_once() {
    let bot = Bot::start().await;
    let server = server(&bot, "none").await;
    for (outputs, expected) in [
        (json!([handoff(), says("I stay.")]), "I stay."),
        (json!([handoff()]), "Sorry, I'm having trouble responding right now. Please try again."),
    ] {
        let mut talk = server.session(json!({})).await.open_joined().await;
        turn(&mut talk, &bot, json!([handoff()])).await;
        failed(&mut talk).await;
        let asked = bot.asked().await;
        assert_eq!(asked.body["reason"], "handoff_failed");
        asked.outputs(outputs).await;
        let frame = next(&mut talk).await;
        let words = frame["payload"]["text"].as_str().or(frame["payload"]["message"].as_str());
        assert_eq!(words, Some(expected), "{frame:#}");
        assert_eq!(frame["sequence"], 11);
        // The next turn is an ordinary one, and may hand off again.
        turn(&mut talk, &bot, json!([handoff()])).await;
        failed(&mut talk).await;
        bot.asked().await.text("Still here.").await;
        next_is(&mut talk, "POLY_AGENT_MESSAGE").await;
    }
}

/// Covers 7.10, 7.1, 7.7.
#[tokio::test]
async fn the_bot_may_choose_the_client_where_there_is_a_handoff() {
    let bot = Bot::start().await;
    for (connector, wish, is_client) in [
        ("server", Some("client"), true),
        ("client", Some("server"), true),
        ("client", Some("client"), true),
        ("client", None, true),
        ("none", Some("client"), false),
        ("none", Some("server"), false),
        ("none", None, false),
        ("server", Some("server"), false),
        ("server", None, false),
    ] {
        let server = server(&bot, connector).await;
        let mut talk = server.session(json!({})).await.open_joined().await;
        let mut output = handoff();
        if let Some(wish) = wish {
            output["mode"] = json!(wish);
        }
        turn(&mut talk, &bot, json!([output])).await;
        let mut kinds = Vec::new();
        for _ in 0..3 {
            kinds.push(next(&mut talk).await["type"].as_str().unwrap().to_owned());
        }
        let expected = if is_client {
            ["POLY_AGENT_TRIGGERED_HANDOFF", "CLIENT_HANDOFF_REQUIRED", "POLY_AGENT_LEFT"]
        } else {
            ["POLY_AGENT_TRIGGERED_HANDOFF", "POLY_AGENT_LEFT", "HANDOFF_FAILED"]
        };
        let expected = expected.map(|it| format!("EVENT_TYPE_{it}"));
        assert_eq!(kinds, expected, "{connector}, the bot wants {wish:?}");
        if !is_client {
            assert_eq!(bot.asked().await.body["reason"], "handoff_failed");
        }
    }
}

/// Covers 7.11.
#[tokio::test]
async fn of_a_handoff_and_an_end_the_handoff_is_carried_out() {
    let bot = Bot::start().await;
    let client = server(&bot, "client").await;
    let end = json!({"type": "end"});
    for outputs in [json!([end, handoff()]), json!([handoff(), end])] {
        let mut talk = client.session(json!({})).await.open_joined().await;
        turn(&mut talk, &bot, outputs).await;
        talk.until("POLY_AGENT_LEFT").await;
        talk.say("Still here?", "m").await;
        let echo = talk.recv().await;
        assert!(is_kind(&echo, "USER_MESSAGE"), "{echo:#}");
        assert_eq!(echo["sequence"], 9);
    }
    let none = server(&bot, "none").await;
    let mut talk = none.session(json!({})).await.open_joined().await;
    turn(&mut talk, &bot, json!([handoff(), end])).await;
    failed(&mut talk).await;
    bot.asked().await.text("Still here.").await;
    assert_eq!(text(&next_is(&mut talk, "POLY_AGENT_MESSAGE").await), "Still here.");
}

/// Asserts that the bot speaks only where the floor is its own.
fn assert_one_speaker(log: &[Value]) {
    let mut has_floor = false;
    for event in log {
        let kind = event["type"].as_str().unwrap().trim_start_matches("EVENT_TYPE_");
        match kind {
            "POLY_AGENT_JOINED" => has_floor = true,
            "POLY_AGENT_LEFT" | "SESSION_END" => has_floor = false,
            "POLY_AGENT_MESSAGE" | "POLY_AGENT_MESSAGE_CHUNK" => {
                assert!(has_floor, "the bot spoke without the floor: {}", brief(log));
            }
            _ => {}
        }
    }
}

/// Covers 7.12.
#[tokio::test]
async fn what_the_bot_says_without_the_floor_is_never_recorded() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot)
        .limits("chunk_interval_ms = 0\nclose_after_end_ms = 600000")
        .connector("handoff = \"none\"")
        .start()
        .await;
    let witness = server.session(json!({})).await;
    let late = "and on it goes ".repeat(20);
    for body in [json!({}), json!({"streaming_enabled": true})] {
        let session = server.session(body).await;
        let mut talk = session.open_joined().await;
        turn(&mut talk, &bot, json!([says("I pass you on."), handoff(), says(" Bye.")])).await;
        let joined = talk.seek("POLY_AGENT_JOINED").await;
        assert!(joined["sequence"].is_u64());
        // The user ends the session in the midst of the bot's next words.
        let mut answer = bot.asked().await.stream().await;
        answer.text("It is ").await;
        answer.give(&json!({"type": "message_break"})).await;
        talk.until_that("some of it", |it| it["payload"]["text"] == "It is ").await;
        talk.end_session().await;
        let end = talk.seek("SESSION_END").await;
        for _ in 0..20 {
            answer.text(&late).await;
            answer.give(&json!({"type": "message_break"})).await;
        }
        answer.gone().await;
        not_asked_again(&bot, &server).await;
        talk.expect_nothing().await;
        let end = end["sequence"].as_u64().unwrap();
        let mut back = session.open().await;
        let log = back.events_to(end).await;
        assert_one_speaker(&log);
        assert_eq!(log.len() as u64, end);
        assert!(events_of(&back.settle().await).is_empty(), "more than the end");
    }
    not_asked(&bot, &witness).await;
}

/// Has another session go through a whole turn: whatever was under way has had its time.
async fn not_asked_again(bot: &Bot, server: &Running) {
    not_asked(bot, &server.session(json!({})).await).await;
}

/// Covers 7.12.
#[tokio::test]
async fn an_answer_that_comes_after_the_end_is_never_recorded() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("close_after_end_ms = 600000").start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    talk.say("Is it back?", "k").await;
    talk.until("USER_MESSAGE").await;
    let asked = bot.asked().await;
    talk.end_session().await;
    talk.until("SESSION_END").await;
    asked.text("Too late.").await;
    not_asked_again(&bot, &server).await;
    talk.expect_nothing().await;
    let log = session.log(7).await;
    assert_one_speaker(&log);
    assert_eq!(brief(&log[5..]), "6 USER_END_SESSION\n7 SESSION_END");
}
