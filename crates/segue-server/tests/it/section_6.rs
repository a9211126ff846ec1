//! Section 6: what comes in which order in a turn of the bot.

use std::sync::Arc;

use parking_lot::Mutex;
use segue_server::server::Tweaks;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    pick::{
        answer_to, assert_adjacent, chunked, is_kind, next, next_is, of_kind, text,
        without_thinking,
    },
    scenes::busy,
    support::{Bot, Setup, brief, events_of, within},
};

/// Covers 6.1, 6.5.
#[tokio::test]
async fn the_first_join_gives_echo_joined_thinking_and_the_configured_greeting() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).greeting("Hello, I am Wick.\nAsk me.").start().await;
    let mut talk = server.session(json!({})).await.open().await;
    talk.expect("EVENT_BATCH").await;
    talk.join().await;
    let frames = talk.until("POLY_AGENT_MESSAGE").await;
    assert_eq!(
        brief(&frames),
        "2 REQUEST_POLY_AGENT_JOIN\n3 POLY_AGENT_JOINED\n- POLY_AGENT_THINKING\n\
         4 POLY_AGENT_MESSAGE"
    );
    assert_eq!(text(&frames[3]), "Hello, I am Wick.\nAsk me.");
    // The first that the bot is asked for is the answer to the first message.
    talk.say("Is it back?", "k").await;
    let asked = bot.asked().await;
    assert_eq!((&asked.body["reason"], asked.input()), (&json!("message"), vec!["Is it back?"]));
}

/// Covers 6.5.
#[tokio::test]
async fn a_configured_greeting_comes_in_chunks_where_the_session_streams() {
    let words = "Hello, I am **Wick**, and I know everything about kettles.";
    let bot = Bot::start().await;
    let server = Setup::new(&bot).greeting(words).start().await;
    let mut talk = server.streaming_session().await.open().await;
    talk.expect("EVENT_BATCH").await;
    talk.join().await;
    let frames = talk.greeted().await;
    assert_eq!(of_kind(&frames, "POLY_AGENT_MESSAGE").len(), 0);
    assert_eq!(chunked(&frames), words);
    talk.say("Is it back?", "k").await;
    assert_eq!(bot.asked().await.body["reason"], "message");
}

/// Covers 6.1, 6.6.
#[tokio::test]
async fn without_a_configured_greeting_the_bot_is_asked_for_one() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).greeting("").start().await;
    let mut talk = server.session(json!({})).await.open().await;
    talk.expect("EVENT_BATCH").await;
    talk.join().await;
    let frames = talk.until("POLY_AGENT_THINKING").await;
    assert_eq!(
        brief(&frames),
        "2 REQUEST_POLY_AGENT_JOIN\n3 POLY_AGENT_JOINED\n- POLY_AGENT_THINKING"
    );
    let asked = bot.asked().await;
    assert_eq!((&asked.body["reason"], asked.input().len()), (&json!("join"), 0));
    asked.text("Made up for you.").await;
    let greeting = next(&mut talk).await;
    assert!(is_kind(&greeting, "POLY_AGENT_MESSAGE"), "{greeting:#}");
    assert_eq!((&greeting["sequence"], text(&greeting)), (&json!(4), "Made up for you."));
}

/// Covers 6.2.
#[tokio::test]
async fn a_message_gives_echo_thinking_and_the_answer() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let mut talk = server.session(json!({})).await.open_joined().await;
    for turn in 0..3 {
        talk.say("Is it back?", &format!("k-{turn}")).await;
        let mut frames = talk.until("POLY_AGENT_THINKING").await;
        let mut answer = bot.asked().await.stream().await;
        answer.text("It is, ").await;
        answer.text("in both sizes.").await;
        answer.end().await;
        frames.push(next(&mut talk).await);
        let (echo, message) = (5 + 2 * turn, 6 + 2 * turn);
        assert_eq!(
            brief(&frames),
            format!("{echo} USER_MESSAGE\n- POLY_AGENT_THINKING\n{message} POLY_AGENT_MESSAGE")
        );
        assert_eq!(text(&frames[2]), "It is, in both sizes.");
    }
}

/// Covers 6.3.
#[tokio::test]
async fn in_a_session_that_streams_text_comes_as_chunks_and_never_twice() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("chunk_interval_ms = 0").start().await;
    let session = server.streaming_session().await;
    let mut talk = session.open_joined().await;
    let answers = [
        json!([{"type": "text", "text": "One word after the other."}]),
        json!([{"type": "text", "text": "One."}, {"type": "message_break"},
               {"type": "text", "text": "And two."}]),
        json!([{"type": "text", "text": "Ring us."},
               {"type": "call_action", "title": "Ring", "contact_number": "+44 1"}]),
        json!([{"type": "text", "text": "Here it is."},
               {"type": "attachment", "title": "Kettle", "content_url": "https://tallow.example/k"}]),
    ];
    for (number, outputs) in answers.into_iter().enumerate() {
        talk.say("Next.", &format!("k-{number}")).await;
        bot.asked().await.outputs(outputs).await;
        talk.say("marker", &format!("m-{number}")).await;
        bot.asked().await.text("Marked.").await;
        talk.until_that("the answer to the marker", |it| it["payload"]["text"] == "Marked.").await;
    }
    let events = events_of(&talk.came);
    let id = |it: &&Value| it["payload"]["message_id"].as_str().unwrap().to_owned();
    let chunks = of_kind(&events, "POLY_AGENT_MESSAGE_CHUNK");
    let wholes = of_kind(&events, "POLY_AGENT_MESSAGE");
    assert_eq!(wholes.len(), 1, "only the message with a call action comes whole");
    assert_eq!(text(wholes[0]), "Ring us.");
    assert!(chunks.iter().all(|it| id(it) != id(&wholes[0])));
    let complete = chunks.iter().filter(|it| it["payload"]["is_complete"] == true).count();
    assert_eq!(complete, 1 + 1 + 2 + 1 + 4, "one stream for each message with text");
}

/// Stops the store before each commit until it is let go.
#[derive(Default)]
struct Steps {
    is_stepping: Mutex<bool>,
    waiting: Mutex<Vec<std::sync::mpsc::Sender<()>>>,
    arrived: Notify,
}

impl Steps {
    fn tweaks(self: &Arc<Self>) -> Tweaks {
        let steps = Arc::clone(self);
        let before_commit = move || {
            let (sender, go) = std::sync::mpsc::channel();
            if !*steps.is_stepping.lock() {
                return;
            }
            steps.waiting.lock().push(sender);
            steps.arrived.notify_one();
            // An error is the end of the test.
            let _ = go.recv();
        };
        Tweaks { before_commit: Some(Arc::new(before_commit)), ..Tweaks::default() }
    }

    fn begin(&self) {
        *self.is_stepping.lock() = true;
    }

    /// Waits for a commit that is about to be made.
    async fn arrived(&self) {
        within("a commit", self.arrived.notified()).await;
    }

    /// Lets it be made.
    fn go(&self) {
        self.waiting.lock().clear();
    }

    fn end(&self) {
        *self.is_stepping.lock() = false;
        self.go();
    }
}

/// Covers 6.4.
#[tokio::test]
async fn the_echo_of_the_first_join_and_joined_are_recorded_together() {
    let bot = Bot::start().await;
    let steps = Arc::<Steps>::default();
    let server = Setup::new(&bot).sqlite().start_with(steps.tweaks()).await;
    let session = server.session(json!({})).await;
    let mut talk = session.open().await;
    talk.expect("EVENT_BATCH").await;
    steps.begin();
    talk.join().await;
    // Before each commit, whichever it is, somebody looks at the log as it stands.
    loop {
        steps.arrived().await;
        let batch = session.open().await.expect("EVENT_BATCH").await;
        let log = events_of(&[batch]);
        let last = log.last().unwrap();
        assert!(!is_kind(last, "REQUEST_POLY_AGENT_JOIN"), "{}", brief(&log));
        let has_joined = !of_kind(&log, "POLY_AGENT_JOINED").is_empty();
        steps.go();
        if has_joined {
            break;
        }
    }
    steps.end();
    let frames = talk.until("POLY_AGENT_JOINED").await;
    assert_eq!(brief(&frames), "2 REQUEST_POLY_AGENT_JOIN\n3 POLY_AGENT_JOINED");
    assert_adjacent(&frames);
    talk.greeted().await;
    server.stop().await;
}

/// Covers 6.7.
#[tokio::test]
async fn what_is_said_during_a_turn_is_answered_together_in_the_next() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, asked) = busy(&session, &bot).await;
    assert_eq!(asked.input(), ["first"]);
    let mut stream = asked.stream().await;
    for (number, words) in ["second", "third", "fourth"].iter().enumerate() {
        talk.say(words, &format!("k-{number}")).await;
        assert_eq!(text(&next_is(&mut talk, "USER_MESSAGE").await), *words);
    }
    stream.text("To the first.").await;
    bot.expect_not_asked().await;
    stream.end().await;
    let answer = next_is(&mut talk, "POLY_AGENT_MESSAGE").await;
    assert_eq!((&answer["sequence"], text(&answer)), (&json!(9), "To the first."));
    let asked = bot.asked().await;
    assert_eq!(asked.input(), ["second", "third", "fourth"]);
    asked.text("To the others.").await;
    assert_eq!(text(&next_is(&mut talk, "POLY_AGENT_MESSAGE").await), "To the others.");
    // Nothing is left over: the next turn is that of the next message.
    talk.say("fifth", "k-5").await;
    assert_eq!(bot.asked().await.input(), ["fifth"]);
}

/// Covers 6.7.
#[tokio::test]
async fn what_is_said_during_the_greeting_has_a_turn_of_its_own() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).greeting("").start().await;
    let mut talk = server.session(json!({})).await.open().await;
    talk.expect("EVENT_BATCH").await;
    talk.join().await;
    let greeting = bot.asked().await;
    talk.say("Is it back?", "k").await;
    talk.until("USER_MESSAGE").await;
    bot.expect_not_asked().await;
    greeting.text("Hello.").await;
    assert_eq!(text(&next_is(&mut talk, "POLY_AGENT_MESSAGE").await), "Hello.");
    let asked = bot.asked().await;
    assert_eq!((&asked.body["reason"], asked.input()), (&json!("message"), vec!["Is it back?"]));
}

/// Covers 6.8.
#[tokio::test]
async fn a_turn_goes_on_with_nobody_connected() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).limits("chunk_interval_ms = 0").start().await;
    for body in [json!({}), json!({"streaming_enabled": true})] {
        let session = server.session(body).await;
        let mut talk = session.open_joined().await;
        talk.say("Is it back?", "k").await;
        let mut last =
            talk.until("USER_MESSAGE").await.pop().unwrap()["sequence"].as_u64().unwrap();
        let mut answer = bot.asked().await.stream().await;
        answer.text("It is, ").await;
        // One leaves before the answer and one in its midst; then there is nobody.
        assert_eq!(talk.close(1001).await, 1001);
        answer.text("in both ").await;
        session.open_from(last).await.expect("EVENT_BATCH").await;
        answer.text("sizes.").await;
        answer.end().await;
        let mut back = session.open().await;
        let mut words = String::new();
        while words != "It is, in both sizes." {
            for event in events_of(&[back.recv().await]) {
                if event["sequence"].as_u64().is_some_and(|it| it > last) {
                    last = event["sequence"].as_u64().unwrap();
                    words.push_str(text(&event));
                }
            }
        }
    }
}

/// Covers 6.9.
#[tokio::test]
async fn the_bot_ends_the_conversation_after_its_words() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    for (body, kind) in [
        (json!({}), "POLY_AGENT_MESSAGE"),
        (json!({"streaming_enabled": true}), "POLY_AGENT_MESSAGE_CHUNK"),
    ] {
        let mut talk = server.session(body).await.open_joined().await;
        talk.say("Bye.", "k").await;
        let outputs = json!([{"type": "end"}, {"type": "text", "text": "Goodbye."}]);
        bot.asked().await.outputs(outputs).await;
        let frames = without_thinking(talk.until("SESSION_END").await);
        let last_two = &frames[frames.len() - 2..];
        assert!(is_kind(&last_two[0], kind), "{}", brief(&frames));
        assert_eq!(chunked(&frames) + &whole(&frames), "Goodbye.");
        assert_adjacent(last_two);
        assert_eq!(last_two[1]["payload"], json!({"reason": "REASON_NATURAL_END"}));
    }
}

/// The texts of the whole messages, joined.
fn whole(frames: &[Value]) -> String {
    of_kind(frames, "POLY_AGENT_MESSAGE").into_iter().map(text).collect()
}

/// Covers 6.9.
#[tokio::test]
async fn the_bot_does_not_end_a_conversation_in_which_the_user_waits() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let session = server.session(json!({})).await;
    let (mut talk, asked) = busy(&session, &bot).await;
    talk.say("And the red one?", "k").await;
    next_is(&mut talk, "USER_MESSAGE").await;
    asked.outputs(json!([{"type": "text", "text": "Bye."}, {"type": "end"}])).await;
    assert_eq!(text(&next_is(&mut talk, "POLY_AGENT_MESSAGE").await), "Bye.");
    let asked = bot.asked().await;
    assert_eq!(asked.input(), ["And the red one?"]);
    asked.text("It is back, too.").await;
    let answer = next_is(&mut talk, "POLY_AGENT_MESSAGE").await;
    assert_eq!((&answer["sequence"], text(&answer)), (&json!(8), "It is back, too."));
}

/// Covers 6.10.
#[tokio::test]
async fn a_change_of_language_has_its_place_in_the_turn() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    for body in [json!({}), json!({"streaming_enabled": true})] {
        let session = server.session(body).await;
        let mut talk = session.open_joined().await;
        talk.say("Parlez-vous français ?", "k").await;
        let mut answer = bot.asked().await.stream().await;
        answer.give(&json!({"type": "language", "language_code": "fr-FR"})).await;
        // The bot is still at it.
        talk.seek("USER_MESSAGE").await;
        let changed = next_is(&mut talk, "LANGUAGE_CHANGED").await;
        assert_eq!(changed["payload"]["language_code"], "fr-FR");
        talk.say("Non ?", "k-2").await;
        answer_to(&mut talk, "k-2").await;
        answer.text("Oui.").await;
        answer.give(&json!({"type": "language", "language_code": "de"})).await;
        answer.end().await;
        // The second one too is there before the next turn begins.
        let asked = bot.asked().await;
        let head = changed["sequence"].as_u64().unwrap() + 3;
        let log = session.log(head).await;
        let tail = &log[log.len() - 3..];
        assert!(tail.iter().any(|it| it["payload"]["text"] == "Oui."), "{}", brief(tail));
        assert!(tail.iter().any(|it| it["payload"]["language_code"] == "de"), "{}", brief(tail));
        assert_eq!(asked.body["language"], "de");
    }
}
