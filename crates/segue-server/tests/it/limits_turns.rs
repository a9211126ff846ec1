//! How much a bot is given to do, and how often it answers in one session.

use serde_json::{Value, json};

use crate::support::{Bot, Running, SHOP_HOST, Session, Setup, Talk, events_of, within};

/// A socket on which the bot has joined.
async fn talk(server: &Running, connector: &str) -> Talk {
    let token = server.access_token_of(connector).await;
    let session = server.session_of(token, &json!({}), None).await;
    session.open_joined().await
}

/// Says something; once it is echoed, its turn is due after all that were said before.
async fn say(talk: &mut Talk, text: &str) {
    talk.say(text, text).await;
    talk.seek("USER_MESSAGE").await;
}

async fn expect_high_load(talk: &mut Talk) {
    let notice = talk.seek("SYSTEM_MESSAGE").await;
    assert_eq!(
        notice["payload"],
        json!({
            "level": "SYSTEM_MESSAGE_LEVEL_ERROR",
            "message": "Our system is experiencing high load. Please try again in a moment.",
            "code": "high_load",
        })
    );
    assert!(notice["sequence"].is_u64(), "it is in the log: {notice}");
}

const SHOP: &str = crate::support::SHOP_TOKEN;
const MILL: &str = "mill-token-22";

fn mill() -> String {
    format!(
        "[[connectors]]\nid = \"mill\"\ntoken = \"{MILL}\"\nhosts = [\"{SHOP_HOST}\"]\n\
         bot = \"wick\"\n"
    )
}

/// Covers 6.37.
#[tokio::test]
async fn a_bot_has_so_many_turns_at_once_and_so_many_wait() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).limits("turns_at_once = 2\nturns_waiting = 1");
    let server = setup.start().await;
    let mut talks = Vec::new();
    for _ in 0..4 {
        talks.push(talk(&server, SHOP).await);
    }
    let mut asked = Vec::new();
    for (talk, text) in talks.iter_mut().zip(["one", "two"]) {
        say(talk, text).await;
        let turn = bot.asked().await;
        assert_eq!(turn.input(), [text]);
        asked.push(turn);
    }
    say(&mut talks[2], "three").await;
    say(&mut talks[3], "four").await;
    expect_high_load(&mut talks[3]).await;
    bot.expect_not_asked().await;
    // One is answered, and the one that waits is next.
    asked.remove(0).text("first").await;
    talks[0].seek("POLY_AGENT_MESSAGE").await;
    let third = bot.asked().await;
    assert_eq!(third.input(), ["three"]);
    third.text("third").await;
    talks[2].seek("POLY_AGENT_MESSAGE").await;
    // Whoever was told of high load is answered when he tries again.
    say(&mut talks[3], "four again").await;
    let again = bot.asked().await;
    assert_eq!(again.input(), ["four again"]);
    again.text("fourth").await;
    talks[3].seek("POLY_AGENT_MESSAGE").await;
}

/// Covers 6.37.
#[tokio::test]
async fn connectors_that_share_a_bot_take_turns_and_a_flood_is_its_own_loss() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).limits("turns_at_once = 1\nturns_waiting = 3").also(&mill());
    let server = setup.start().await;
    let mut flood = Vec::new();
    for _ in 0..4 {
        flood.push(talk(&server, SHOP).await);
    }
    let mut other = talk(&server, MILL).await;
    say(&mut flood[0], "flood 0").await;
    let running = bot.asked().await;
    for (number, talk) in flood.iter_mut().enumerate().skip(1) {
        say(talk, &format!("flood {number}")).await;
    }
    // There is no room for one more, so the newest of those that have the most gives way.
    say(&mut other, "mill").await;
    expect_high_load(&mut flood[3]).await;
    let mut order = Vec::new();
    running.text("answer").await;
    for _ in 0..3 {
        let asked = bot.asked().await;
        order.push(asked.input()[0].to_owned());
        asked.text("answer").await;
    }
    assert_eq!(order, ["mill", "flood 1", "flood 2"]);
    other.seek("POLY_AGENT_MESSAGE").await;
}

/// A bot that is slow does not hold up another one.
#[tokio::test]
async fn bots_do_not_wait_for_each_other() {
    let (slow, quick) = (Bot::start().await, Bot::start().await);
    let also = format!(
        "[[bots]]\nid = \"quick\"\nkind = \"http\"\nname = \"Quick\"\ngreeting = \"Hi.\"\n\
         url = \"{}\"\nsecret = \"{}\"\n{}",
        quick.url(),
        Bot::SECRET,
        mill().replace("wick", "quick"),
    );
    let setup = Setup::new(&slow).limits("turns_at_once = 1\nturns_waiting = 0").also(&also);
    let server = setup.start().await;
    let mut waits = talk(&server, SHOP).await;
    say(&mut waits, "slow").await;
    let _kept = slow.asked().await;
    let mut refused = talk_without_greeting(&server).await;
    // A greeting that is configured asks nobody, and waits for nobody.
    refused.join().await;
    refused.greeted().await;
    say(&mut refused, "one too many").await;
    expect_high_load(&mut refused).await;
    let mut answered = talk(&server, MILL).await;
    say(&mut answered, "quick").await;
    quick.asked().await.text("at once").await;
    answered.seek("POLY_AGENT_MESSAGE").await;
}

async fn talk_without_greeting(server: &Running) -> Talk {
    let mut talk = server.session(json!({})).await.open().await;
    talk.expect("EVENT_BATCH").await;
    talk
}

/// Turns that wait are in the store: whoever comes next answers them.
#[tokio::test]
async fn turns_that_wait_are_answered_after_a_restart() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite().limits("turns_at_once = 1\nturns_waiting = 5");
    let server = setup.start().await;
    let mut sessions = Vec::new();
    for text in ["one", "two", "three"] {
        let session = server.session(json!({})).await;
        let mut talk = session.open_joined().await;
        say(&mut talk, text).await;
        sessions.push(session);
    }
    let running = bot.asked().await;
    bot.expect_not_asked().await;
    let address = server.address();
    let stopping = tokio::spawn(server.stop());
    within("the server to stop", async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {}
    })
    .await;
    // It finishes what it began, and begins nothing more.
    running.text("late").await;
    stopping.await.unwrap();
    bot.expect_not_asked().await;
    let server = setup.start().await;
    for text in ["two", "three"] {
        let asked = bot.asked().await;
        assert_eq!(asked.input(), [text]);
        asked.text("late").await;
    }
    for session in &sessions {
        session.on(&server).open().await.until_that("the answer", has_text("late")).await;
    }
}

fn has_text(text: &'static str) -> impl Fn(&Value) -> bool {
    move |frame| {
        events_of(std::slice::from_ref(frame)).iter().any(|it| it["payload"]["text"] == text)
    }
}

/// Covers 6.38.
#[tokio::test]
async fn one_turn_more_than_a_session_may_have_ends_it_and_says_why() {
    let bot = Bot::start().await;
    // The greeting is the first.
    let server = Setup::new(&bot).connector("turns_per_session = 2").start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    say(&mut talk, "one").await;
    let asked = bot.asked().await;
    say(&mut talk, "two").await;
    asked.text("first").await;
    talk.seek("POLY_AGENT_MESSAGE").await;
    let notice = talk.seek("SYSTEM_MESSAGE").await;
    assert_eq!(
        notice["payload"],
        json!({
            "level": "SYSTEM_MESSAGE_LEVEL_WARNING",
            "message": "This conversation has reached its limit. Please start a new one to go on.",
            "code": "turns_used_up",
        })
    );
    let end = talk.expect("SESSION_END").await;
    assert_eq!(end["payload"]["reason"], "REASON_NATURAL_END");
    assert_eq!(talk.closed().await.1, 1000);
    bot.expect_not_asked().await;
    let log = session.whole_log().await;
    assert_eq!(log.last().unwrap(), &end);
    // A new one works at once.
    let mut fresh: Talk = again(&server, &session).await;
    say(&mut fresh, "three").await;
    bot.asked().await.text("second").await;
    fresh.seek("POLY_AGENT_MESSAGE").await;
}

async fn again(server: &Running, session: &Session) -> Talk {
    let fresh = server.session_of(session.token.clone(), &json!({}), None).await;
    fresh.open_joined().await
}
