//! Whether a log, read afresh when everything is over, keeps every promise.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    bot::Attempt,
    ledger::{Broken, Ledger, ends_turn, kind, local_id, sequence_of},
};

/// What the bot was asked for a session: by turn, every attempt.
pub type Turns = BTreeMap<u64, Vec<Attempt>>;

/// What a sound log shows of the crashes.
#[derive(Debug, Default, Clone, Copy)]
pub struct Traces {
    /// Streams that were closed for a worker that died, or whose bot failed.
    pub broken_off: u64,
    /// Turns that were asked for more than once.
    pub asked_again: u64,
    /// Answers that came whole.
    pub answers: u64,
}

/// A message of the bot, put together again.
struct Said<'a> {
    text: String,
    /// Of its last piece.
    sequence: u64,
    event: &'a Value,
    is_chunked: bool,
}

/// Checks one session: its log, what its clients were told, and what its bot was asked.
pub fn check(
    log: &[Value],
    ledger: &Ledger,
    turns: &Turns,
    streams: bool,
) -> Result<Traces, Broken> {
    numbering(log)?;
    told(log, ledger)?;
    messages(log, ledger)?;
    order(log)?;
    let said = said(log)?;
    if let Some(it) = said.iter().find(|it| it.is_chunked != streams) {
        return Err(format!("a session that streams: {streams}, and {}", it.event));
    }
    let mut traces = turns_of(log, &said, turns)?;
    greetings(log, &said)?;
    answered(log, &said, turns)?;
    traces.asked_again = turns.values().filter(|it| it.len() > 1).count() as u64;
    Ok(traces)
}

/// Without gaps, never back in time, each with an id and a form of its own.
fn numbering(log: &[Value]) -> Result<(), Broken> {
    let mut before = "";
    for (event, want) in log.iter().zip(1..) {
        if sequence_of(event) != Some(want) {
            return Err(format!("{want} is missing before {event}"));
        }
        let at = event["timestamp"].as_str().ok_or("no timestamp")?;
        if at < before {
            return Err(format!("{before} is before {event}"));
        }
        before = at;
    }
    Ok(())
}

/// Whatever anybody was told is in the log, and stands there as it was told.
fn told(log: &[Value], ledger: &Ledger) -> Result<(), Broken> {
    for (sequence, told) in &ledger.events {
        let at = usize::try_from(*sequence).unwrap() - 1;
        match log.get(at) {
            Some(event) if event == told => {}
            other => return Err(format!("told {told}, and the log has {other:?}")),
        }
    }
    for (key, sequence) in &ledger.acknowledged {
        let at = usize::try_from(*sequence).unwrap() - 1;
        if log.get(at).and_then(local_id) != Some(key) {
            return Err(format!("{key} was acknowledged as {sequence} and is lost"));
        }
    }
    Ok(())
}

/// Each key once, each message with an id of its own, nothing that nobody has said.
fn messages(log: &[Value], ledger: &Ledger) -> Result<(), Broken> {
    let (mut keys, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for event in log.iter().filter(|it| kind(it) == "USER_MESSAGE") {
        let key = local_id(event).ok_or_else(|| format!("lost its key: {event}"))?;
        let text = event["payload"]["text"].as_str().ok_or("a message without a text")?;
        if !keys.insert(key) || !ids.insert(event["payload"]["message_id"].to_string()) {
            return Err(format!("recorded twice: {event}"));
        }
        if !ledger.sent.contains(key) || !text.starts_with(&format!("{key}:")) {
            return Err(format!("nobody has said {event}"));
        }
    }
    Ok(())
}

/// The bot arrives once, and nothing follows the end. Between the pieces of a stream only users
/// speak.
fn order(log: &[Value]) -> Result<(), Broken> {
    let kinds: Vec<&str> = log.iter().map(kind).collect();
    let of = |it: &str| kinds.iter().filter(|kind| **kind == it).count();
    let joined = kinds.iter().position(|it| *it == "POLY_AGENT_JOINED");
    let asked = kinds.iter().position(|it| *it == "REQUEST_POLY_AGENT_JOIN");
    if of("POLY_AGENT_JOINED") > 1 || joined != asked.map(|it| it + 1) {
        return Err(format!("the bot arrives at {joined:?}, asked for at {asked:?}"));
    }
    let ended = kinds.iter().position(|it| *it == "SESSION_END");
    if ended.is_some_and(|it| it + 1 != log.len() || kinds[it - 1] != "USER_END_SESSION") {
        return Err(format!("the log does not end with its end: {kinds:?}"));
    }
    let mut open: Option<(&Value, u64)> = None;
    for event in log {
        open = match (kind(event), open) {
            ("POLY_AGENT_MESSAGE_CHUNK", _) => {
                let index = event["payload"]["chunk_index"].as_u64();
                let id = &event["payload"]["message_id"];
                let (want, is_same) = open.map_or((1, true), |(of, at)| (at + 1, of == id));
                if index != Some(want) || !is_same {
                    return Err(format!("a chunk out of order: {event}"));
                }
                let is_complete = event["payload"]["is_complete"].as_bool().ok_or("no bool")?;
                (!is_complete).then_some((id, want))
            }
            ("USER_MESSAGE" | "REQUEST_POLY_AGENT_JOIN", open) => open,
            (_, Some(_)) => return Err(format!("in an open stream: {event}")),
            (_, None) => None,
        };
    }
    match open {
        Some((id, _)) => Err(format!("the stream {id} is never closed")),
        None => Ok(()),
    }
}

/// The bot's messages, of one piece or of several.
fn said(log: &[Value]) -> Result<Vec<Said<'_>>, Broken> {
    let (mut said, mut open) = (Vec::new(), String::new());
    let mut ids = BTreeSet::new();
    for event in log {
        let is_chunked = kind(event) == "POLY_AGENT_MESSAGE_CHUNK";
        if !is_chunked && kind(event) != "POLY_AGENT_MESSAGE" {
            continue;
        }
        open.push_str(event["payload"]["text"].as_str().ok_or("no text")?);
        if is_chunked && event["payload"]["is_complete"] == false {
            continue;
        }
        if !ids.insert(event["payload"]["message_id"].to_string()) {
            return Err(format!("a message id comes again: {event}"));
        }
        let sequence = sequence_of(event).ok_or("no sequence")?;
        said.push(Said { text: std::mem::take(&mut open), sequence, event, is_chunked });
    }
    Ok(said)
}

/// Each turn has one answer: what one of its attempts gave, whole unless an error or the end of
/// the session stands right behind it.
fn turns_of(log: &[Value], said: &[Said<'_>], turns: &Turns) -> Result<Traces, Broken> {
    let mut traces = Traces::default();
    let mut answered = BTreeSet::new();
    let mut given = BTreeMap::new();
    for (turn, attempts) in turns {
        for attempt in attempts {
            if attempt.input != attempts[0].input {
                return Err(format!("turn {turn} was repeated with another input: {attempts:?}"));
            }
        }
        for input in &attempts[0].input {
            if let Some(before) = given.insert(input, turn) {
                return Err(format!("message {input} was given in turn {before} and {turn}"));
            }
        }
    }
    for it in said.iter().filter(|it| it.text != GREETING) {
        let behind = log.get(usize::try_from(it.sequence).unwrap()).map_or("", kind);
        let is_cut = matches!(behind, "SYSTEM_MESSAGE" | "USER_END_SESSION");
        let mut attempts =
            turns.iter().flat_map(|(turn, all)| all.iter().map(move |it| (turn, it)));
        let whole = attempts.clone().find(|(_, attempt)| attempt.text == it.text);
        match whole {
            Some((turn, _)) if !answered.insert(*turn) => {
                return Err(format!("turn {turn} is answered twice"));
            }
            Some(_) => traces.answers += 1,
            None if is_cut && attempts.any(|(_, attempt)| attempt.text.starts_with(&it.text)) => {
                traces.broken_off += 1;
            }
            None if is_cut && GREETING.starts_with(&it.text) => traces.broken_off += 1,
            None => return Err(format!("no attempt gave {:?}: {}", it.text, it.event)),
        }
    }
    Ok(traces)
}

/// The configured greeting.
pub const GREETING: &str = "Good day from the shop, and welcome. What may it be today?";

/// One greeting; another only after one that was told to have failed.
fn greetings(log: &[Value], said: &[Said<'_>]) -> Result<(), Broken> {
    let whole: Vec<_> = said.iter().filter(|it| it.text == GREETING).collect();
    let failed = log.iter().filter(|it| it["payload"]["code"] == "unable_to_start").count();
    let broken = said.iter().filter(|it| it.text != GREETING && GREETING.starts_with(&it.text));
    if whole.len() > 1 || broken.count() > failed {
        return Err("the user was greeted twice".to_owned());
    }
    Ok(())
}

/// Every message has its answer behind it, or an error, unless the user has ended the session.
fn answered(log: &[Value], said: &[Said<'_>], turns: &Turns) -> Result<(), Broken> {
    if log.last().is_some_and(|it| kind(it) == "SESSION_END") {
        return Ok(());
    }
    for event in log.iter().filter(|it| kind(it) == "USER_MESSAGE") {
        let (id, at) = (event["payload"]["message_id"].as_str(), sequence_of(event));
        let behind = &log[usize::try_from(at.unwrap_or(0)).unwrap()..];
        let attempts = turns
            .values()
            .flatten()
            .filter(|it| it.input.iter().any(|input| Some(input.as_str()) == id));
        let texts: Vec<&str> = attempts.map(|it| it.text.as_str()).collect();
        let is_answered =
            said.iter().any(|it| Some(it.sequence) > at && texts.contains(&it.text.as_str()));
        let is_excused = behind.iter().any(|it| kind(it) == "SYSTEM_MESSAGE" && ends_turn(it));
        if !is_answered && !is_excused {
            return Err(format!("never answered: {event}"));
        }
    }
    Ok(())
}
