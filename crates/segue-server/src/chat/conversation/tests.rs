use serde_json::{Value, json};

use super::*;

/// A conversation on a clock that only the test moves, and frames by their short names.
struct Bench {
    conversation: Conversation,
    now: u64,
    sequence: u64,
}

impl Bench {
    fn new() -> Self {
        Self { conversation: Conversation::default(), now: 1_000, sequence: 0 }
    }

    /// One whose bot has joined and has nothing to send.
    fn joined() -> Self {
        let mut bench = Self::new();
        bench.open();
        assert_eq!(bench.sent(), ["JOIN"]);
        bench.logged("POLY_AGENT_JOINED", &json!({"agent_name": "Ada"}));
        assert_eq!(bench.sent(), [""; 0]);
        bench
    }

    fn open(&mut self) {
        self.conversation.opened(self.now);
        let start = event(
            "SESSION_START",
            Some(1),
            &json!({"capabilities": {
            "max_message_size_bytes": 20, "heartbeat_interval_seconds": 30}}),
        );
        self.sequence = self.sequence.max(1);
        self.receive(&json!({
            "type": "EVENT_TYPE_EVENT_BATCH", "sequence": null, "payload": {"events": [start]}
        }));
    }

    fn receive(&mut self, frame: &Value) -> Vec<Seen> {
        self.conversation.receive(self.now, &frame.to_string())
    }

    /// The next event of the log.
    fn logged(&mut self, kind: &str, payload: &Value) -> Vec<Seen> {
        self.sequence += 1;
        let frame = event(kind, Some(self.sequence), payload);
        self.receive(&frame)
    }

    fn echo(&mut self, local_id: &str, text: &str) -> Vec<Seen> {
        self.sequence += 1;
        let mut frame = event("USER_MESSAGE", Some(self.sequence), &json!({"text": text}));
        frame["metadata"] = json!({"custom": {"local_id": local_id}});
        self.receive(&frame)
    }

    fn refuse(&mut self, local_id: Option<&str>, payload: &Value) -> Vec<Seen> {
        let mut frame = event("SYSTEM_MESSAGE", None, payload);
        if let Some(local_id) = local_id {
            frame["metadata"] = json!({"custom": {"local_id": local_id}});
        }
        self.receive(&frame)
    }

    fn say(&mut self, local_id: &str, text: &str) {
        self.conversation.say(local_id.to_owned(), text.to_owned()).unwrap();
    }

    /// What is sent now: messages by their keys, the rest by name.
    fn sent(&mut self) -> Vec<String> {
        let mut sent = Vec::new();
        while let Some(frame) = self.conversation.next_frame(self.now) {
            let frame: Value = serde_json::from_str(&frame).unwrap();
            sent.push(match frame["type"].as_str().unwrap() {
                "EVENT_TYPE_REQUEST_POLY_AGENT_JOIN" => "JOIN".to_owned(),
                "EVENT_TYPE_USER_END_SESSION" => "END".to_owned(),
                "EVENT_TYPE_HEARTBEAT" => "HEARTBEAT".to_owned(),
                _ => frame["metadata"]["custom"]["local_id"].as_str().unwrap().to_owned(),
            });
        }
        sent
    }

    fn wait(&mut self, ms: u64) {
        self.now += ms;
    }
}

fn event(kind: &str, sequence: Option<u64>, payload: &Value) -> Value {
    json!({"id": "x", "timestamp": "t", "type": format!("EVENT_TYPE_{kind}"),
        "sequence": sequence, "payload": payload})
}

const NOTHING: [&str; 0] = [];

#[test]
fn the_bot_is_asked_for_once_the_session_has_started() {
    let mut bench = Bench::new();
    assert_eq!(bench.sent(), NOTHING);
    bench.conversation.opened(bench.now);
    assert_eq!(bench.sent(), NOTHING, "nothing is known before the first batch");
    bench.open();
    assert_eq!(bench.sent(), ["JOIN"]);
    assert_eq!(bench.sent(), NOTHING);
}

#[test]
fn a_bot_that_has_joined_is_not_asked_again() {
    let mut bench = Bench::joined();
    bench.conversation.lose();
    bench.open();
    assert_eq!(bench.sent(), NOTHING);
}

#[test]
fn a_join_that_got_lost_is_repeated() {
    let mut bench = Bench::new();
    bench.open();
    assert_eq!(bench.sent(), ["JOIN"]);
    bench.conversation.lose();
    bench.open();
    assert_eq!(bench.sent(), ["JOIN"]);
}

#[test]
fn messages_leave_one_by_one_as_they_are_confirmed() {
    let mut bench = Bench::joined();
    bench.say("a", "one");
    bench.say("b", "two");
    assert_eq!(bench.sent(), ["a"]);
    assert_eq!(bench.echo("a", "one"), [Seen::Confirmed { text: "one".to_owned() }]);
    assert_eq!(bench.sent(), ["b"]);
    assert_eq!(bench.conversation.unconfirmed(), 1);
    bench.echo("b", "two");
    assert_eq!(bench.sent(), NOTHING);
    assert_eq!(bench.conversation.unconfirmed(), 0);
}

#[test]
fn what_has_no_echo_is_sent_again_with_its_key() {
    let mut bench = Bench::joined();
    bench.say("a", "one");
    assert_eq!(bench.sent(), ["a"]);
    bench.conversation.lose();
    bench.say("b", "two");
    assert_eq!(bench.sent(), NOTHING);
    bench.open();
    assert_eq!(bench.sent(), ["a"]);
    bench.echo("a", "one");
    assert_eq!(bench.sent(), ["b"]);
}

#[test]
fn an_echo_in_the_replay_is_an_answer() {
    let mut bench = Bench::joined();
    bench.say("a", "one");
    bench.sent();
    bench.conversation.lose();
    bench.conversation.opened(bench.now);
    bench.sequence += 1;
    let mut echo = event("USER_MESSAGE", Some(bench.sequence), &json!({"text": "one"}));
    echo["metadata"] = json!({"custom": {"local_id": "a"}});
    let start = event("SESSION_START", Some(1), &json!({}));
    let batch = json!({"type": "EVENT_TYPE_EVENT_BATCH", "payload": {"events": [start, echo]}});
    assert_eq!(bench.receive(&batch), [Seen::Confirmed { text: "one".to_owned() }]);
    assert_eq!(bench.sent(), NOTHING);
}

#[test]
fn the_cursor_is_the_highest_sequence_and_nothing_is_shown_twice() {
    let mut bench = Bench::joined();
    let thinking = event("POLY_AGENT_THINKING", None, &json!({}));
    assert_eq!(bench.receive(&thinking).len(), 1);
    assert_eq!(bench.receive(&thinking).len(), 1, "signals have no number");
    assert_eq!(bench.conversation.cursor(), 2);
    let message = event("POLY_AGENT_MESSAGE", Some(7), &json!({"text": "hi"}));
    assert_eq!(bench.receive(&message).len(), 1);
    assert_eq!(bench.receive(&message), []);
    assert_eq!(bench.receive(&event("SESSION_START", Some(1), &json!({}))), []);
    assert_eq!(bench.conversation.cursor(), 7);
}

#[test]
fn a_message_of_another_device_is_shown_as_it_is() {
    let mut bench = Bench::joined();
    let text = frame::Text { text: "hi".to_owned() };
    assert_eq!(bench.echo("foreign", "hi"), [Seen::Event(What::UserMessage(text))]);
}

#[test]
fn a_message_refused_for_a_while_waits_so_long_and_keeps_its_place() {
    let mut bench = Bench::joined();
    bench.say("a", "one");
    bench.say("b", "two");
    assert_eq!(bench.sent(), ["a"]);
    let refusal = json!({"message": "slow down", "code": "rate_limited", "retry_after_ms": 400});
    assert_eq!(bench.refuse(Some("a"), &refusal), []);
    assert_eq!(bench.sent(), NOTHING);
    assert_eq!(bench.conversation.wake_at(bench.now), Some(bench.now + 400));
    bench.wait(399);
    assert_eq!(bench.sent(), NOTHING);
    bench.wait(1);
    assert_eq!(bench.sent(), ["a"]);
    assert_ne!(bench.conversation.wake_at(bench.now), Some(bench.now), "no reason to look at once");
}

#[test]
fn a_message_refused_for_good_makes_room_for_the_next() {
    let mut bench = Bench::joined();
    bench.say("a", "one");
    bench.say("b", "two");
    bench.sent();
    let seen =
        bench.refuse(Some("a"), &json!({"message": "Message too large", "code": "too_large"}));
    let refused = Seen::Refused { text: "one".to_owned(), why: "Message too large".to_owned() };
    assert_eq!(seen, [refused]);
    assert_eq!(bench.sent(), ["b"]);
}

#[test]
fn a_message_without_a_conversation_waits_for_another_join() {
    let mut bench = Bench::joined();
    bench.say("a", "one");
    bench.sent();
    bench.refuse(Some("a"), &json!({"message": "Error: Conversation not found"}));
    assert_eq!(bench.sent(), NOTHING);
    assert_eq!(bench.conversation.wake_at(bench.now), Some(bench.now + limits::CHAT_JOIN_AGAIN_MS));
    bench.wait(limits::CHAT_JOIN_AGAIN_MS);
    assert_eq!(bench.sent(), ["JOIN", "a"]);
}

#[test]
fn a_bot_that_could_not_start_is_asked_again_but_not_at_once() {
    let mut bench = Bench::joined();
    let message = "Sorry, I'm unable to start a conversation right now. Please try again later.";
    let payload = json!({"level": "SYSTEM_MESSAGE_LEVEL_ERROR", "message": message});
    assert_eq!(bench.logged("SYSTEM_MESSAGE", &payload).len(), 1, "it is told");
    bench.say("a", "one");
    assert_eq!(bench.sent(), ["a"], "a message is an ordinary turn");
    bench.wait(limits::CHAT_JOIN_AGAIN_MS);
    assert_eq!(bench.sent(), ["JOIN"]);
    bench.wait(limits::CHAT_JOIN_AGAIN_MS);
    assert_eq!(bench.sent(), NOTHING);
}

#[test]
fn a_join_refused_for_a_while_is_repeated() {
    let mut bench = Bench::new();
    bench.open();
    assert_eq!(bench.sent(), ["JOIN"]);
    bench.say("a", "one");
    assert_eq!(bench.sent(), ["a"]);
    bench.refuse(None, &json!({"message": "busy", "code": "unavailable", "retry_after_ms": 900}));
    assert_eq!(bench.sent(), NOTHING);
    bench.wait(900);
    assert_eq!(bench.sent(), ["JOIN"]);
}

#[test]
fn the_end_comes_after_everything_that_was_said() {
    let mut bench = Bench::joined();
    bench.say("a", "one");
    bench.conversation.end();
    assert!(!bench.conversation.has_room());
    assert_eq!(bench.sent(), ["a"]);
    bench.echo("a", "one");
    assert_eq!(bench.sent(), ["END"]);
    bench.conversation.lose();
    bench.open();
    assert_eq!(bench.sent(), ["END"], "it may have got lost");
    let seen = bench.logged("SESSION_END", &json!({"reason": "REASON_USER_END"}));
    assert_eq!(seen.len(), 1);
    assert_eq!(bench.conversation.ended_at(), Some(bench.now));
    assert_eq!(bench.sent(), NOTHING);
}

#[test]
fn the_end_leaves_nothing_in_doubt() {
    let mut bench = Bench::joined();
    bench.say("a", "one");
    bench.sent();
    let seen = bench.logged("SESSION_END", &json!({}));
    let why = "the conversation has ended".to_owned();
    assert_eq!(seen[1..], [Seen::Refused { text: "one".to_owned(), why }]);
    assert_eq!(bench.conversation.unconfirmed(), 0);
    bench.conversation.lose();
    bench.conversation.opened(bench.now);
    assert!(bench.conversation.ended_at().is_some(), "no socket brings it back");
}

#[test]
fn a_silent_socket_is_dead_one_heartbeat_later() {
    let mut bench = Bench::joined();
    assert_eq!(bench.conversation.wake_at(bench.now), Some(bench.now + 30_000));
    bench.wait(30_000);
    assert_eq!(bench.sent(), ["HEARTBEAT"]);
    bench.wait(10_000);
    bench.receive(&event("HEARTBEAT", None, &json!({})));
    bench.wait(20_000);
    assert!(!bench.conversation.is_dead(bench.now));
    assert_eq!(bench.sent(), ["HEARTBEAT"]);
    bench.wait(29_999);
    assert!(!bench.conversation.is_dead(bench.now));
    bench.wait(1);
    assert!(bench.conversation.is_dead(bench.now));
}

#[test]
fn a_socket_without_a_first_batch_is_dead() {
    let mut bench = Bench::new();
    bench.conversation.opened(bench.now);
    assert_eq!(
        bench.conversation.wake_at(bench.now),
        Some(bench.now + limits::CHAT_FIRST_FRAME_MS_MAX)
    );
    assert!(!bench.conversation.is_dead(bench.now + limits::CHAT_FIRST_FRAME_MS_MAX - 1));
    assert!(bench.conversation.is_dead(bench.now + limits::CHAT_FIRST_FRAME_MS_MAX));
}

#[test]
fn a_message_has_as_many_bytes_as_the_server_takes() {
    let mut bench = Bench::joined();
    bench.say("a", &"é".repeat(10));
    let too_large = bench.conversation.say("b".to_owned(), "é".repeat(10) + "!").unwrap_err();
    assert_eq!(too_large, TooLarge { bytes: 21, bytes_max: 20 });
    assert_eq!(bench.conversation.unconfirmed(), 1);
}

#[test]
fn the_outbox_has_an_end() {
    let mut bench = Bench::joined();
    for at in 0..limits::CHAT_OUTBOX_MESSAGES_MAX {
        assert!(bench.conversation.has_room());
        bench.say(&at.to_string(), "x");
    }
    assert!(!bench.conversation.has_room());
}

#[test]
fn it_is_settled_when_all_is_confirmed_and_answered() {
    let mut bench = Bench::new();
    bench.open();
    bench.sent();
    assert_eq!(bench.conversation.settled_at(), None, "the greeting is to come");
    bench.logged("POLY_AGENT_JOINED", &json!({}));
    bench.logged("POLY_AGENT_MESSAGE", &json!({"text": "Hello."}));
    assert!(bench.conversation.settled_at().is_some());
    bench.say("a", "one");
    assert_eq!(bench.conversation.settled_at(), None);
    bench.sent();
    bench.echo("a", "one");
    let unanswered = bench.conversation.settled_at().unwrap();
    bench.conversation.lose();
    assert_eq!(bench.conversation.settled_at(), None, "the answer comes after the outage");
    bench.open();
    bench.logged("POLY_AGENT_MESSAGE", &json!({"text": "Yes."}));
    assert!(bench.conversation.settled_at().unwrap() < unanswered);
    bench.conversation.lose();
    assert!(bench.conversation.settled_at().is_some(), "nothing is missing");
}
