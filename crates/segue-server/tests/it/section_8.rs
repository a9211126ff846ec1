//! Section 8: the times are settings; what stopping and starting again leaves.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{
    bare::Bare,
    killed::Mortal,
    pick::{is_kind, next_is, without_thinking},
    support::{
        Bot, Running, SHOP_HOST, SHOP_TOKEN, Session, Setup, Talk, brief, events_of, within,
    },
    wire,
};

const CALM_TOKEN: &str = "calm-token-77a0";

/// A server with two connectors: on one of them a time is short, on the other it is long; once
/// because one connector sets the short one and once because the other sets the long one.
struct Pair {
    _server: Running,
    bot: Bot,
    /// On the connector whose time is short.
    short: Session,
    /// On the other one.
    long: Session,
}

impl Pair {
    async fn each(name: &str, [short, long]: [u64; 2], more: &str) -> [Self; 2] {
        let of_connector = Self::start(name, [long, short], more).await;
        let of_all = Self::start(name, [short, long], more).await;
        [of_connector, of_all]
    }

    async fn start(name: &str, [common, shop]: [u64; 2], more: &str) -> Self {
        let bot = Bot::start().await;
        let calm = format!(
            "[[connectors]]\nid = \"calm\"\ntoken = \"{CALM_TOKEN}\"\nhosts = [\"{SHOP_HOST}\"]\n\
             bot = \"wick\"\n"
        );
        let server = Setup::new(&bot)
            .limits(&format!("{name} = {common}\n{more}"))
            .connector(&format!("{name} = {shop}"))
            .also(&calm)
            .start()
            .await;
        let body = json!({});
        let of_shop =
            server.session_of(server.access_token_of(SHOP_TOKEN).await, &body, None).await;
        let of_calm =
            server.session_of(server.access_token_of(CALM_TOKEN).await, &body, None).await;
        let (short, long) = if shop < common { (of_shop, of_calm) } else { (of_calm, of_shop) };
        Self { _server: server, bot, short, long }
    }

    /// A socket on each session, that of the short time first.
    async fn open(&self) -> [Talk; 2] {
        let long = self.long.open_joined().await;
        [self.short.open_joined().await, long]
    }
}

impl Pair {
    /// The end of the session whose time is short, whether it comes in a replay or live.
    async fn end_of_short(&self) -> Value {
        let mut talk = self.short.open().await;
        loop {
            let events = events_of(&[talk.recv().await]);
            if let Some(end) = events.into_iter().find(|it| is_kind(it, "SESSION_END")) {
                return end;
            }
        }
    }
}

/// Asserts that a socket is open and nothing was said on it.
async fn is_untouched(talk: &mut Talk) {
    let frames = without_thinking(talk.settle().await);
    assert!(frames.is_empty(), "{}", brief(&frames));
}

/// Covers 8.9, 8.1.
#[tokio::test]
async fn how_long_a_connection_may_be_idle_is_a_setting_of_the_connector() {
    for pair in Pair::each("connection_idle_seconds", [1, 3_600], "").await {
        let [mut short, mut long] = pair.open().await;
        assert_eq!(short.closed().await.1, 4002);
        is_untouched(&mut long).await;
    }
}

/// Covers 8.9, 8.2.
#[tokio::test]
async fn when_a_ping_is_sent_is_a_setting_of_the_connector() {
    for pair in Pair::each("ping_after_seconds", [1, 3_600], "ping_timeout_seconds = 1").await {
        let mut long = Bare::open(&pair.long).await;
        let mut short = Bare::open(&pair.short).await;
        loop {
            match short.frame().await.expect("a ping") {
                (wire::PING, _) => break,
                (opcode, _) => assert_eq!(opcode, wire::TEXT),
            }
        }
        // It goes unanswered.
        assert_eq!(short.closed().await, 1001);
        long.send(&wire::json(&json!({"type": "EVENT_TYPE_HEARTBEAT"}))).await;
        loop {
            let (opcode, payload) = long.frame().await.unwrap();
            assert_eq!(opcode, wire::TEXT, "a ping or a close on the other connector");
            if String::from_utf8(payload).unwrap().contains("EVENT_TYPE_HEARTBEAT") {
                break;
            }
        }
    }
}

/// Covers 8.9, 8.3.
#[tokio::test]
async fn how_long_a_session_may_be_left_is_a_setting_of_the_connector() {
    for pair in Pair::each("idle_seconds", [1, 3_600], "restart_grace_seconds = 0").await {
        let mut long = pair.long.open_joined().await;
        let end = pair.end_of_short().await;
        assert_eq!(end["payload"]["reason"], "REASON_USER_ABANDONED");
        is_untouched(&mut long).await;
    }
}

/// Covers 8.9, 8.4.
#[tokio::test]
async fn how_long_a_session_may_be_silent_is_a_setting_of_the_connector() {
    for pair in Pair::each("silence_seconds", [1, 3_600], "restart_grace_seconds = 0").await {
        let mut long = pair.long.open_joined().await;
        let end = pair.end_of_short().await;
        assert_eq!(end["payload"]["reason"], "REASON_USER_ABANDONED");
        is_untouched(&mut long).await;
    }
}

/// Covers 8.9, 8.7.
#[tokio::test]
async fn how_long_a_session_lives_is_a_setting_of_the_connector() {
    for pair in Pair::each("session_life_seconds", [1, 3_600], "restart_grace_seconds = 0").await {
        let mut long = pair.long.open_joined().await;
        let end = pair.end_of_short().await;
        assert_eq!(end["payload"]["reason"], "REASON_NATURAL_END");
        is_untouched(&mut long).await;
    }
}

/// Covers 8.9, 8.5, 8.6.
#[tokio::test]
async fn how_long_a_turn_may_take_is_a_setting_of_the_connector() {
    for name in ["turn_silence_seconds", "turn_seconds"] {
        for pair in Pair::each(name, [1, 3_600], "").await {
            let [mut short, mut long] = pair.open().await;
            let mut asked = Vec::new();
            for talk in [&mut long, &mut short] {
                talk.say("Is it back?", "k").await;
                talk.expect("USER_MESSAGE").await;
                asked.push(pair.bot.asked().await);
            }
            let notice = next_is(&mut short, "SYSTEM_MESSAGE").await;
            assert_eq!(notice["payload"]["code"], "trouble_responding", "{name}");
            is_untouched(&mut long).await;
            asked.pop().unwrap().gone().await;
            asked.pop().unwrap().text("It is.").await;
            next_is(&mut long, "POLY_AGENT_MESSAGE").await;
        }
    }
}

/// Covers 8.9, 8.8.
#[tokio::test]
async fn how_long_a_connection_outlives_its_session_is_a_setting_of_the_connector() {
    for pair in Pair::each("close_after_end_ms", [1, 600_000], "").await {
        let [mut short, mut long] = pair.open().await;
        for talk in [&mut long, &mut short] {
            talk.end_session().await;
            talk.until("SESSION_END").await;
        }
        let (frames, code) = short.closed().await;
        assert_eq!((brief(&frames), code), (String::new(), 1000));
        is_untouched(&mut long).await;
    }
}

/// Covers 8.10, 8.11.
#[tokio::test]
async fn what_was_seen_before_the_server_was_killed_is_there_after_its_start() {
    let bot = Bot::start().await;
    let setup = || Setup::new(&bot).sqlite();
    let mortal = Mortal::start(setup()).await;
    let session = mortal.server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    for number in 0..3 {
        talk.say("Is it back?", &format!("k-{number}")).await;
        bot.asked().await.text("It is.").await;
        talk.until("POLY_AGENT_MESSAGE").await;
    }
    let seen: Vec<Value> = talk.came.iter().filter(|it| it["sequence"].is_u64()).cloned().collect();
    assert_eq!(seen.len(), 9);

    let heir = setup();
    mortal.kill(&heir);
    let server = heir.start().await;
    let session = session.on(&server);
    assert_eq!(session.log(10).await[1..], seen);
    let mut talk = session.open_from(10).await;
    talk.expect("EVENT_BATCH").await;
    talk.say("And the red one?", "k-3").await;
    assert_eq!(next_is(&mut talk, "USER_MESSAGE").await["sequence"], 11);
    assert_eq!(bot.asked().await.input(), ["And the red one?"]);
}

/// Covers 8.11, 8.22.
#[tokio::test]
async fn a_token_opens_its_session_after_a_restart() {
    let bot = Bot::start().await;
    let setup = Setup::new(&bot).sqlite();
    let server = setup.start().await;
    let session = server.session(json!({})).await;
    let mut talk = session.open_joined().await;
    server.stop().await;
    assert_eq!(talk.closed().await.1, 1001);
    for number in 0..2 {
        let server = setup.start().await;
        let mut talk = session.on(&server).open_from(4 + 2 * number).await;
        let batch = talk.expect("EVENT_BATCH").await;
        assert_eq!(brief(&[batch]), "- EVENT_BATCH [1 SESSION_START]");
        talk.say("Still there?", &format!("k-{number}")).await;
        assert_eq!(next_is(&mut talk, "USER_MESSAGE").await["sequence"], 5 + 2 * number);
        bot.asked().await.text("I am.").await;
        next_is(&mut talk, "POLY_AGENT_MESSAGE").await;
        server.stop().await;
        assert_eq!(talk.closed().await.1, 1001);
    }
}

/// Covers 8.15, 8.17.
#[tokio::test]
async fn connecting_is_refused_before_the_first_socket_is_closed_with_1001() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let address = server.address();
    let mut talks = Vec::new();
    for _ in 0..4 {
        let session = server.session(json!({})).await;
        talks.push(session.open_joined().await);
        talks.push(session.open().await);
    }
    let closes = talks.into_iter().map(|mut talk| async move {
        let (_, code) = talk.closed().await;
        (code, TcpStream::connect(address).await.is_err())
    });
    let ((), closes) = tokio::join!(server.stop(), join_all(closes));
    assert_eq!(closes, [(1001, true); 8]);
}

/// Covers 8.16.
#[tokio::test]
async fn a_connection_that_was_accepted_before_the_stop_gets_its_socket_and_1013() {
    let bot = Bot::start().await;
    let server = Setup::new(&bot).start().await;
    let address = server.address();
    let session = server.session(json!({})).await;
    let mut early = Bare::connect(address).await;
    let asks = async {
        within("connecting to be refused", async {
            while TcpStream::connect(address).await.is_ok() {}
        })
        .await;
        early.upgrade(&session).await;
        early.closed().await
    };
    let ((), code) = tokio::join!(server.stop(), asks);
    assert_eq!(code, 1013);
}
