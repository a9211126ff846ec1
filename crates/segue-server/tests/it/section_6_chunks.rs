//! Section 6, chunks: where a message is cut, and what each part carries.

use serde_json::{Value, json};

use crate::{
    pick::{chunked, is_kind, next, next_is, of_kind, text, without_thinking},
    support::{Bot, Running, Session, Setup, Talk, brief},
};

/// A server that does not pace chunks: what may be cut is cut at once.
async fn server(bot: &Bot) -> Running {
    Setup::new(bot).limits("chunk_interval_ms = 0\nmessages_per_second = 0").start().await
}

/// Has the bot answer with these pieces of text: the frames of the answer.
async fn answer(bot: &Bot, session: &Session, pieces: &[String]) -> Vec<Value> {
    let mut talk = session.open_joined().await;
    pieced(bot, &mut talk, pieces).await
}

/// Says something and has the bot answer with these pieces of text: the frames of the answer.
async fn pieced(bot: &Bot, talk: &mut Talk, pieces: &[String]) -> Vec<Value> {
    talk.say("Tell me.", "k").await;
    talk.until("USER_MESSAGE").await;
    let from = talk.came.len();
    let mut answer = bot.asked().await.stream().await;
    for piece in pieces {
        answer.text(piece).await;
        // Pieces that are there at once are taken as one: each is given time to be taken alone.
        talk.settle().await;
    }
    answer.end().await;
    talk.until_that("the last chunk", is_last).await;
    let mut frames = without_thinking(talk.came[from..].to_vec());
    frames.retain(|it| !is_kind(it, "HEARTBEAT"));
    frames
}

fn is_last(frame: &Value) -> bool {
    frame["payload"]["is_complete"] == true
}

/// The same text in pieces of so many characters.
fn in_pieces(text: &str, characters: usize) -> Vec<String> {
    let characters_of: Vec<char> = text.chars().collect();
    characters_of.chunks(characters).map(|it| it.iter().collect()).collect()
}

/// Asserts what holds for the chunks of every message, and returns their texts.
fn checked<'a>(frames: &'a [Value], message: &str) -> Vec<&'a str> {
    let chunks = of_kind(frames, "POLY_AGENT_MESSAGE_CHUNK");
    assert_eq!(chunks.len(), frames.len(), "nothing else: {}", brief(frames));
    for (number, chunk) in chunks.iter().enumerate() {
        let payload = &chunk["payload"];
        assert_eq!(payload["message_id"], chunks[0]["payload"]["message_id"]);
        assert_eq!(payload["chunk_index"], number + 1);
        assert_eq!(payload["is_complete"], number + 1 == chunks.len());
    }
    assert_eq!(chunked(frames), message);
    chunks.into_iter().map(text).collect()
}

/// Covers 6.11, 6.14.
#[tokio::test]
async fn the_chunks_of_a_message_are_numbered_and_joined_they_are_the_message() {
    let message = "  Żółty czajnik — «ready»,\ttwo  spaces,\r\nand\u{2028}lines; e\u{301}, \
                   👩\u{200d}👧 and \u{a0}no break.\n\n- a list\n- of two  \n";
    let bot = Bot::start().await;
    let server = server(&bot).await;
    for characters in [1, 2, 7, 1_000] {
        let session = server.streaming_session().await;
        let frames = answer(&bot, &session, &in_pieces(message, characters)).await;
        checked(&frames, message);
        if characters < 1_000 {
            assert!(frames.len() > 3, "in pieces of {characters}: {}", brief(&frames));
        }
    }
}

/// Covers 6.11, 6.18.
#[tokio::test]
async fn a_chunk_leaves_while_the_bot_is_still_speaking() {
    let bot = Bot::start().await;
    let server = server(&bot).await;
    let mut talk = server.streaming_session().await.open_joined().await;
    talk.say("Tell me.", "k").await;
    talk.until("USER_MESSAGE").await;
    let mut answer = bot.asked().await.stream().await;
    for (number, piece) in ["It ", "is ", "back, ", "in both "].iter().enumerate() {
        answer.text(piece).await;
        let chunk = next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
        assert_eq!((text(&chunk), &chunk["payload"]["chunk_index"]), (*piece, &json!(number + 1)));
        assert_eq!(chunk["payload"]["is_complete"], false);
    }
    answer.text("sizes.").await;
    answer.end().await;
    let chunk = next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
    assert_eq!((text(&chunk), &chunk["payload"]["is_complete"]), ("sizes.", &json!(true)));
}

/// Covers 6.12.
#[tokio::test]
async fn attachments_and_suggestions_are_in_the_last_chunk_once() {
    let bot = Bot::start().await;
    let server = server(&bot).await;
    let mut talk = server.streaming_session().await.open_joined().await;
    talk.say("Tell me.", "k").await;
    talk.until("USER_MESSAGE").await;
    let attachment = |title: &str| json!({"type": "attachment", "title": title, "content_url": "https://tallow.example/"});
    let suggestion = |text: &str| json!({"type": "suggestion", "message_text": text});
    let mut answer = bot.asked().await.stream().await;
    answer.give(&attachment("before")).await;
    answer.give(&suggestion("before")).await;
    answer.text("It is ").await;
    next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
    answer.give(&attachment("amid")).await;
    answer.text("back, in ").await;
    next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
    answer.give(&suggestion("after")).await;
    answer.text("both sizes.").await;
    answer.give(&attachment("after")).await;
    answer.end().await;
    talk.until_that("the last chunk", is_last).await;

    let last_id = talk.came.last().unwrap()["payload"]["message_id"].clone();
    let is_of_it = |it: &Value| it["payload"]["message_id"] == last_id;
    let chunks: Vec<Value> = talk.came.iter().filter(|it| is_of_it(it)).cloned().collect();
    let texts = checked(&chunks, "It is back, in both sizes.");
    assert_eq!(texts[..2], ["It is ", "back, in "]);
    let titles = |chunk: &Value, list: &str, key: &str| -> Vec<String> {
        let list = chunk["payload"][list].as_array().unwrap();
        list.iter().map(|it| it[key].as_str().unwrap().to_owned()).collect()
    };
    for (number, chunk) in chunks.iter().enumerate() {
        let attachments = titles(chunk, "attachments", "title");
        let suggestions = titles(chunk, "response_suggestions", "message_text");
        if number + 1 < chunks.len() {
            assert_eq!((attachments.len(), suggestions.len()), (0, 0));
        } else {
            assert_eq!(attachments, ["before", "amid", "after"]);
            assert_eq!(suggestions, ["before", "after"]);
        }
    }
}

/// Covers 6.13.
#[tokio::test]
async fn the_first_chunk_has_text_and_only_the_last_may_be_empty() {
    let bot = Bot::start().await;
    let server = server(&bot).await;
    // What has nothing to see yet is no chunk.
    let session = server.streaming_session().await;
    let pieces = ["", " ", "\n", "", "It ", "", "is ", "back ", ""].map(str::to_owned);
    let frames = answer(&bot, &session, &pieces).await;
    let texts = checked(&frames, " \nIt is back ");
    assert!(!texts[0].trim().is_empty(), "{texts:?}");
    assert!(texts[..texts.len() - 1].iter().all(|it| !it.is_empty()), "{texts:?}");
    // All was said when the end came: the last chunk has nothing but the end.
    let mut talk = server.streaming_session().await.open_joined().await;
    talk.say("Tell me.", "k").await;
    talk.until("USER_MESSAGE").await;
    let mut answer = bot.asked().await.stream().await;
    answer.text("All of it. ").await;
    assert_eq!(text(&next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await), "All of it. ");
    answer.end().await;
    let last = next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
    assert_eq!((text(&last), &last["payload"]["is_complete"]), ("", &json!(true)));
}

/// Covers 6.14, 6.15.
#[tokio::test]
async fn a_message_is_cut_behind_white_space_only() {
    let message = "The blue kettle is back, see https://tallow.example/kettles/blue?size=1&colour=blue \
                   or [the shop](https://tallow.example/a_b-c), e.g. tomorrow.\tWe open at 9:30.\n\n\
                   1. Come in.\n2. Ask for Ada-Marie O'Hara.\n";
    let bot = Bot::start().await;
    let server = server(&bot).await;
    for characters in [1, 3, 10] {
        let session = server.streaming_session().await;
        let frames = answer(&bot, &session, &in_pieces(message, characters)).await;
        let texts = checked(&frames, message);
        assert!(texts.len() > 8, "in pieces of {characters}: {texts:?}");
        for cut in &texts[..texts.len() - 1] {
            assert!(cut.ends_with(char::is_whitespace), "{cut:?} in {texts:?}");
        }
    }
}

/// Covers 6.16.
#[tokio::test]
async fn no_cut_falls_into_bold_or_code() {
    let message = "Take the **blue kettle with a lid** and say `make tea now please` or\n\
                   ```\nlet tea = kettle.boil();\npour the tea\n```\nand **nothing `at all` else** then. ";
    let bot = Bot::start().await;
    let server = server(&bot).await;
    for characters in [1, 2, 5] {
        let session = server.streaming_session().await;
        let frames = answer(&bot, &session, &in_pieces(message, characters)).await;
        let texts = checked(&frames, message);
        assert!(texts.len() > 4, "{texts:?}");
        let mut before = String::new();
        for cut in &texts[..texts.len() - 1] {
            before.push_str(cut);
            let spans = [before.matches("**").count(), before.matches('`').count()];
            assert!(spans.iter().all(|it| it % 2 == 0), "cut behind {before:?}");
        }
        // It is cut outside of them, and soon.
        assert_eq!(texts[0], "Take ");
    }
}

/// Covers 6.17.
#[tokio::test]
async fn what_is_never_closed_holds_back_cuts_for_1_kib_at_most() {
    let bot = Bot::start().await;
    let server = server(&bot).await;
    for mark in ["**", "`"] {
        let mut talk = server.streaming_session().await.open_joined().await;
        talk.say("Tell me.", "k").await;
        talk.until("USER_MESSAGE").await;
        let mut answer = bot.asked().await.stream().await;
        answer.text("Mind: ").await;
        assert_eq!(text(&next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await), "Mind: ");
        answer.text(&format!("{mark}never closed ")).await;
        // 1 KiB and some words more: a cut among those, with the bot still speaking.
        let words = "and so on ".repeat(110);
        answer.text(&words).await;
        let chunk = next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
        assert!(text(&chunk).starts_with(mark), "{chunk:#}");
        answer.text("to the end.").await;
        answer.end().await;
        talk.until_that("the last chunk", is_last).await;
        let came = without_thinking(talk.came);
        let from = came.iter().position(|it| is_kind(it, "USER_MESSAGE")).unwrap() + 1;
        checked(&came[from..], &format!("Mind: {mark}never closed {words}to the end."));
    }
}

/// Asserts that each cut of a native session's message lies directly before a line break.
fn cut_at_lines(texts: &[&str]) {
    for pair in texts.windows(2) {
        assert!(pair[1].starts_with(['\n', '\r']), "{texts:?}");
        assert!(!pair[0].ends_with(char::is_whitespace), "{texts:?}");
    }
}

/// Covers 6.14, 6.19.
#[tokio::test]
async fn a_native_session_is_cut_directly_before_line_breaks() {
    let message = "It is back. In both sizes. See the list:\n- blue, with a lid\n- red\n\n\
                   Shall I keep one? We open at nine. \n  Bye. \r\nWick\n";
    let bot = Bot::start().await;
    let server = server(&bot).await;
    for characters in [1, 4, 13] {
        let session = server.native_session().await;
        let frames = answer(&bot, &session, &in_pieces(message, characters)).await;
        let texts = checked(&frames, message);
        assert!(texts.len() > 3, "{texts:?}");
        cut_at_lines(&texts);
        assert_eq!(texts[0], "It is back. In both sizes. See the list:");
    }
}

/// Covers 6.20.
#[tokio::test]
async fn a_native_session_is_cut_behind_sentences_in_long_paragraphs_only() {
    let sentence = "The kettle is blue and it has a lid that whistles when it is hot. ";
    let bot = Bot::start().await;
    let server = server(&bot).await;
    // Three sentences and a half: just under 200 characters, then well over.
    let short = sentence.repeat(3).trim_end().to_owned();
    assert!(short.len() <= 200);
    let session = server.native_session().await;
    let frames = answer(&bot, &session, &in_pieces(&format!("{short}\n{short}"), 5)).await;
    assert_eq!(checked(&frames, &format!("{short}\n{short}")), [&short, &format!("\n{short}")]);

    let long = format!("Well:\n{}", sentence.repeat(8).trim_end());
    let session = server.native_session().await;
    let frames = answer(&bot, &session, &in_pieces(&long, 5)).await;
    let texts = checked(&frames, &long);
    assert_eq!(texts[0], "Well:");
    assert!(texts.len() > 2, "a paragraph of {} characters: {texts:?}", long.len());
    for cut in &texts[1..texts.len() - 1] {
        assert!(cut.ends_with("hot. "), "{texts:?}");
    }
    assert!(texts[1].len() > 60, "{texts:?}");
}

/// Covers 6.21.
#[tokio::test]
async fn what_created_a_session_makes_it_native_and_not_its_socket() {
    let message = "It is back.\nIn both sizes, blue and red. ";
    let bot = Bot::start().await;
    let server = server(&bot).await;
    for (session, user_agent, expected) in [
        (
            server.native_session().await,
            "Mozilla/5.0",
            vec!["It is back.", "\nIn both sizes, blue and red. "],
        ),
        (server.streaming_session().await, "PolyMessaging-iOS/2.4.0", vec!["It ", "is "]),
    ] {
        let mut talk = session.socket_request("").header("User-Agent", user_agent).open().await;
        talk.expect("EVENT_BATCH").await;
        talk.join().await;
        talk.greeted().await;
        let frames = pieced(&bot, &mut talk, &in_pieces(message, 1)).await;
        let texts = checked(&frames, message);
        assert_eq!(texts[..expected.len()], expected, "{user_agent}");
    }
}

/// Covers 6.21.
#[tokio::test]
async fn only_a_user_agent_that_begins_so_is_native() {
    let bot = Bot::start().await;
    let server = server(&bot).await;
    for (user_agent, is_native) in [
        ("PolyMessaging-Android/1.0", true),
        ("PolyMessaging-", true),
        ("polymessaging-ios/1.0", false),
        ("Mozilla/5.0 PolyMessaging-iOS/1.0", false),
    ] {
        let token = server.access_token().await;
        let body = json!({"streaming_enabled": true});
        let session = server.session_of(token, &body, Some(user_agent)).await;
        let frames = answer(&bot, &session, &in_pieces("It is back again.", 1)).await;
        assert_eq!(frames.len() == 1, is_native, "{user_agent}: {}", brief(&frames));
    }
}

/// Says something and has the bot answer with these outputs, one by one.
async fn turn(bot: &Bot, talk: &mut Talk, key: &str, outputs: &[Value]) {
    talk.say("Tell me.", key).await;
    talk.until("USER_MESSAGE").await;
    let mut answer = bot.asked().await.stream().await;
    for output in outputs {
        answer.give(output).await;
    }
    answer.end().await;
}

/// Covers 6.22.
#[tokio::test]
async fn some_messages_come_whole_in_a_session_that_streams() {
    let action = json!({"type": "call_action", "title": "Ring", "contact_number": "+44 1"});
    let attachment =
        json!({"type": "attachment", "title": "Kettle", "content_url": "https://tallow.example/k"});
    let suggestion = json!({"type": "suggestion", "message_text": "Reserve one"});
    let words = json!({"type": "text", "text": "Ring the shop, or come by."});
    let bot = Bot::start().await;
    let server = server(&bot).await;
    for session in [server.streaming_session().await, server.native_session().await] {
        let mut talk = session.open_joined().await;
        let cases: [(&[&Value], [usize; 3], &str); 4] = [
            (&[&action, &words, &suggestion], [1, 0, 1], "Ring the shop, or come by."),
            (&[&attachment], [0, 1, 0], ""),
            (&[&suggestion, &suggestion], [0, 0, 2], ""),
            (&[&action], [1, 0, 0], ""),
        ];
        for (number, (outputs, [actions, attachments, suggestions], words)) in
            cases.iter().enumerate()
        {
            let outputs: Vec<Value> = outputs.iter().map(|it| (*it).clone()).collect();
            turn(&bot, &mut talk, &format!("k-{number}"), &outputs).await;
            let message = next_is(&mut talk, "POLY_AGENT_MESSAGE").await;
            let payload = &message["payload"];
            let length = |key: &str| payload[key].as_array().map_or(0, Vec::len);
            assert_eq!(text(&message), *words);
            assert_eq!(length("chat_call_actions"), *actions, "{payload:#}");
            assert_eq!(length("attachments"), *attachments, "{payload:#}");
            assert_eq!(length("response_suggestions"), *suggestions, "{payload:#}");
        }
    }
}

/// Covers 6.23.
#[tokio::test]
async fn call_actions_that_come_late_get_a_message_of_their_own() {
    let action =
        |title: &str| json!({"type": "call_action", "title": title, "contact_number": "+44 1"});
    let bot = Bot::start().await;
    let server = server(&bot).await;
    let mut talk = server.streaming_session().await.open_joined().await;
    talk.say("Tell me.", "k").await;
    talk.until("USER_MESSAGE").await;
    let mut answer = bot.asked().await.stream().await;
    answer.text("Ring ").await;
    let first = next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await;
    answer.give(&json!({"type": "suggestion", "message_text": "Reserve one"})).await;
    answer.text("us").await;
    answer.give(&action("The shop")).await;
    answer.give(&action("The other shop")).await;
    answer.end().await;
    let mut chunks = vec![first];
    while chunks.last().unwrap()["payload"]["is_complete"] == false {
        chunks.push(next_is(&mut talk, "POLY_AGENT_MESSAGE_CHUNK").await);
    }
    checked(&chunks, "Ring us");
    let suggestions = &chunks.last().unwrap()["payload"]["response_suggestions"];
    assert_eq!(suggestions, &json!([{"message_text": "Reserve one"}]));
    let message = next(&mut talk).await;
    assert!(is_kind(&message, "POLY_AGENT_MESSAGE"), "{message:#}");
    assert_eq!(text(&message), "");
    assert_ne!(message["payload"]["message_id"], chunks[0]["payload"]["message_id"]);
    let titles: Vec<&Value> = message["payload"]["chat_call_actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["title"])
        .collect();
    assert_eq!(titles, ["The shop", "The other shop"]);
}
