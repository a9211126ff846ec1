//! Frames damaged at random, for as long as one likes: `FUZZ_SECONDS=600 cargo test frames_fuzz`.

use std::collections::BTreeMap;
use std::panic;
use std::time::Duration;
use tokio::time::Instant;

use super::oracle::{self, Outcome};

/// Run at least, however slow the machine: enough to meet every outcome.
const CASES_MIN: u64 = 10_000;

const SEED: u64 = 0x5e6e;

const FRAMES: [&str; 10] = [
    r#"{"type":"EVENT_TYPE_USER_MESSAGE","payload":{"text":"Is the blue kettle back?"},"metadata":{"custom":{"local_id":"k-41"}}}"#,
    r#"{"type":"EVENT_TYPE_USER_MESSAGE","payload":{"text":"\u00e9\ud83d\ude00 \"x\"\n"},"metadata":{"custom":{"client_event_id":"a","n":[1,{"b":null}]}}}"#,
    r#"{"metadata":{"custom":{"local_id":5,"client_event_id":"e"}},"payload":{"text":"a"},"type":"EVENT_TYPE_USER_MESSAGE"}"#,
    r#"{"type":"EVENT_TYPE_USER_TYPING","payload":{"state":"TYPING_STATE_STARTED"}}"#,
    r#"{"type":"EVENT_TYPE_USER_TYPING","payload":{"state":"TYPING_STATE_STOPPED"},"metadata":{}}"#,
    r#"{"type":"EVENT_TYPE_HEARTBEAT","payload":{}}"#,
    r#"{"type":"EVENT_TYPE_REQUEST_POLY_AGENT_JOIN","payload":{},"metadata":{"custom":{}}}"#,
    r#"{"type":"EVENT_TYPE_USER_END_SESSION","payload":null,"id":"x","sequence":1}"#,
    r#"{"type":"EVENT_TYPE_POLY_AGENT_MESSAGE","payload":{"message_id":"m","text":"hi"}}"#,
    r#"{"type":"EVENT_TYPE_LINK_TO_WEBRTC_CONVERSATION","payload":{"call_sid":"s"}}"#,
];

const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "null",
    "true",
    "-1e999",
    "0.5",
    "\\ud83d",
    "\\u0000",
    " ",
    "\u{2028}",
    "\u{1f600}",
    "\"type\":",
    "\"payload\":",
    "\"metadata\":{\"custom\":",
    "\"local_id\":\"z\",",
    "\"text\":\"\",",
    "EVENT_TYPE_SESSION_END",
    "EVENT_TYPE_USER_MESSAGE",
];

/// SplitMix64: a case is its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.roll() % limit as u64).expect("it is below a usize")
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

fn damaged(dice: &mut Dice) -> String {
    let mut bytes = dice.pick(&FRAMES).as_bytes().to_vec();
    for _ in 0..dice.below(4) {
        let from = dice.below(bytes.len() + 1);
        let to = (from + dice.below(12)).min(bytes.len());
        match dice.below(8) {
            0 => drop(bytes.drain(from..to)),
            1 => drop(bytes.splice(from..to, dice.pick(&PIECES).bytes())),
            2 => drop(bytes.splice(from..from, dice.pick(&PIECES).bytes())),
            3 => drop(bytes.splice(from..from, bytes[from..to].to_vec())),
            4 => bytes.truncate(from),
            5 => {
                // Another frame, or what is left of it, in the middle of this one.
                let other = dice.pick(&FRAMES);
                let cut = dice.below(other.len());
                let other = other.bytes().skip(cut);
                drop(bytes.splice(from..to, other));
            }
            6 => swell(dice, &mut bytes),
            _ => {
                if let Some(byte) = bytes.get_mut(from) {
                    *byte ^= 1 << dice.below(8);
                }
            }
        }
    }
    // What is not UTF-8 closes the socket before it gets here.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Past a limit: of depth, of the size of `custom`, of a text or of a frame. Mostly at the start of a
/// string, where the frame stays one.
fn swell(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let strings = bytes.windows(3).enumerate().filter(|it| it.1 == b"\":\"");
    let strings = strings.map(|it| it.0 + 3).collect::<Vec<_>>();
    let at = match dice.below(4) {
        1.. if !strings.is_empty() => strings[dice.below(strings.len())],
        _ => dice.below(bytes.len() + 1),
    };
    let times = [70, 300, 5_000, 140_000][dice.below(4)];
    let piece = ["[", "{\"a\":", "x", " ", "\\u0041"][dice.below(5)];
    drop(bytes.splice(at..at, piece.repeat(times).into_bytes()));
}

fn number_from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no whole number: {text}")))
}

#[test]
fn frames_fuzz() {
    let time = Duration::from_secs(number_from_environment("FUZZ_SECONDS").unwrap_or(2));
    let first = number_from_environment("FUZZ_SEED").unwrap_or(SEED);
    let start = Instant::now();
    let mut outcomes = BTreeMap::<Outcome, u64>::new();
    let mut seed = first;
    while seed - first < CASES_MIN || start.elapsed() < time {
        let text = damaged(&mut Dice(seed));
        match panic::catch_unwind(|| oracle::check(&text)) {
            Ok(outcome) => *outcomes.entry(outcome).or_default() += 1,
            Err(panic) => {
                eprintln!("FUZZ_SEED={seed} shows it again: {text:.2000}");
                panic::resume_unwind(panic);
            }
        }
        seed += 1;
    }
    for outcome in [Outcome::Taken, Outcome::Malformed, Outcome::NotAllowed, Outcome::TooLarge] {
        let times = outcomes.get(&outcome).copied().unwrap_or_default();
        assert!(times >= 20, "{outcome:?} only {times} times in {outcomes:?}");
    }
}
