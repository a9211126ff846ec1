//! A connection on plain numbers for time, over a log that is a vector. A test says what happens
//! and reads a timeline: `@30 batch 1` is what left 30 ms after the upgrade.

use std::{collections::VecDeque, fmt::Write as _};

use segue_core::{
    AttemptId, ConnectorId, EndReason, Entry, Event, Extras, Facts, Json, MessageKey, SessionId,
    TokenId, Turn, TurnOutcome, TurnReason,
};
use serde_json::Value;

use super::*;

mod incoming;
mod live;
mod property;
mod replay;
mod time;

/// A session and its log, written to by hand.
#[derive(Clone)]
struct Log {
    session: Session,
    items: Vec<Item>,
    now: Timestamp,
}

impl Log {
    /// A session that has just started, at time zero.
    fn new() -> Self {
        Self::created_by("Mozilla/5.0")
    }

    fn native() -> Self {
        Self::created_by("PolyMessaging-iOS/2.1")
    }

    fn created_by(user_agent: &str) -> Self {
        let facts = Arc::new(Facts {
            connector: ConnectorId("demo".into()),
            token: TokenId("token".into()),
            expires_at: 82_800_000,
            streaming: true,
            platform: "web".into(),
            device_type: None,
            user_agent: Some(user_agent.into()),
            language: None,
            variant_id: None,
            integration_attributes: None,
        });
        let session = Session::new(SessionId(1), Arc::clone(&facts));
        let mut log = Self { session, items: Vec::new(), now: 0 };
        log.add(Event::SessionStarted { facts });
        log
    }

    fn add(&mut self, event: Event) -> Position {
        let id = EntryId(self.items.len() as u128 + 1);
        let entries: Vec<Entry> = self.session.place(self.now, vec![event], || id);
        self.session.apply(&entries[0]);
        self.items.push(Item::new(&entries[0]));
        self.head()
    }

    fn head(&self) -> Position {
        self.session.state.head
    }

    fn user(&mut self, text: &str) -> Position {
        self.user_with(text, None)
    }

    fn user_with(&mut self, text: &str, local_id: Option<&str>) -> Position {
        let key = local_id.map(|it| MessageKey::Local(it.into()));
        let custom = local_id.map(|it| Json(format!(r#"{{"local_id":"{it}"}}"#).into()));
        let message_id = MessageId(u128::from(self.head().0) + 1_000);
        self.add(Event::UserMessagePosted { message_id, text: text.into(), key, custom })
    }

    fn users(&mut self, count: usize) {
        for i in 0..count {
            self.user(&format!("message {i}"));
        }
    }

    fn bot(&mut self, text: &str) -> Position {
        self.add(Event::BotMessagePosted {
            token: self.head(),
            message_id: MessageId(u128::from(self.head().0) + 2_000),
            text: text.into(),
            extras: Extras::default(),
            call_actions: vec![],
            bot: BotProfile::default(),
        })
    }

    fn joined(&mut self) -> Position {
        self.add(Event::JoinRequested { run_at: self.now, custom: None });
        self.add(Event::BotJoined { bot: BotProfile::default(), why: TurnReason::Join })
    }

    fn turn_starts(&mut self) -> Position {
        let (turn, attempt) = (self.session.state.turns, AttemptId(self.items.len() as u128));
        self.add(Event::TurnStarted { turn, attempt, input_to: self.head() })
    }

    fn turn_ends(&mut self) -> Position {
        let turn = self.session.state.turns;
        self.add(Event::TurnEnded { turn, outcome: TurnOutcome::Finished })
    }

    fn ends(&mut self) -> Position {
        self.add(Event::SessionEnded { reason: EndReason::UserEnd })
    }

    fn revoked(&mut self) -> Position {
        self.add(Event::SessionEnded { reason: EndReason::Revoked })
    }

    /// What a store would return.
    fn page(&self, after: Position, limit: ReadLimit) -> Fetched {
        let mut bytes = 0;
        let from = usize::try_from(after.0).unwrap().min(self.items.len());
        let fits = |it: &&Item| {
            let is_first = bytes == 0;
            bytes += it.event.as_ref().map_or(1, |it| it.len());
            is_first || bytes <= limit.bytes
        };
        let items: Vec<Item> =
            self.items[from..].iter().take(limit.entries).take_while(fits).cloned().collect();
        let more = from + items.len() < self.items.len();
        Fetched { items, more }
    }

    /// What a store would return.
    fn position_of(&self, cursor: Sequence) -> Position {
        let has_it = |it: &&Item| it.event.is_some() && it.reached == cursor;
        let found = self.items.iter().find(has_it).map(|it| it.position);
        found.unwrap_or(if cursor == Sequence(0) { Position(0) } else { self.head() })
    }
}

/// How the store treats reads.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reads {
    /// They come back at once.
    Answered,
    /// They see the log as it is now, and come back when the test says so.
    Held,
    /// They fail at once.
    Failing,
}

/// A connection and everything around it.
struct Bench {
    log: Log,
    connection: Connection,
    gate: SessionGate,
    opened_at: Timestamp,
    now: Timestamp,
    reads: Reads,
    held: VecDeque<Fetched>,
    timeline: Vec<String>,
    frames: Vec<Value>,
    ids: u128,
    wakes: u64,
}

impl Bench {
    fn open(log: &Log) -> Self {
        Self::open_at(log, 0)
    }

    fn open_at(log: &Log, cursor: u64) -> Self {
        Self::open_with(log, cursor, &Limits::default(), Reads::Answered)
    }

    fn open_with(log: &Log, cursor: u64, limits: &Limits, reads: Reads) -> Self {
        let mut bench = Self::before_tick(log, cursor, limits, reads);
        bench.handle(Input::Tick);
        bench
    }

    fn before_tick(log: &Log, cursor: u64, limits: &Limits, reads: Reads) -> Self {
        let gate = SessionGate::new(limits.messages_per_second, limits.messages_burst);
        let cursor = Sequence(cursor);
        let connection = Connection::open(
            log.now,
            Arc::new(*limits),
            BotProfile { name: "Ada".into(), avatar_url: String::new() },
            &log.session,
            cursor,
            log.position_of(cursor),
        );
        Self {
            log: log.clone(),
            connection,
            gate,
            opened_at: log.now,
            now: log.now,
            reads,
            held: VecDeque::new(),
            timeline: Vec::new(),
            frames: Vec::new(),
            ids: 1 << 64,
            wakes: 0,
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        let outputs = self.outputs(input);
        for output in outputs {
            self.carry_out(output);
        }
    }

    fn outputs(&mut self, input: Input<'_>) -> Vec<Output> {
        let ids = &mut self.ids;
        let mut context = Context {
            now: self.now,
            ids: &mut || {
                *ids += 1;
                *ids
            },
            gate: &mut self.gate,
        };
        let mut outputs = Vec::new();
        self.connection.handle(input, &mut context, &mut outputs);
        outputs
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send(frame) => {
                let frame: Value = serde_json::from_str(&frame).unwrap();
                self.note(&rendered(&frame));
                self.frames.push(frame);
            }
            Output::Fetch { after, limit } => match self.reads {
                Reads::Answered => {
                    let page = self.log.page(after, limit);
                    self.handle(Input::Fetched(Some(page)));
                }
                Reads::Held => {
                    self.note(&format!("read after {}", after.0));
                    self.held.push_back(self.log.page(after, limit));
                    assert_eq!(self.held.len(), 1, "one read is under way at most");
                }
                Reads::Failing => {
                    self.note(&format!("read after {}", after.0));
                    self.handle(Input::Fetched(None));
                }
            },
            Output::Execute(command) => self.note(&format!("execute {}", name(&command))),
            Output::Ping => self.note("ping"),
            Output::Close(code) => self.note(&format!("close {}", code.number())),
        }
    }

    fn note(&mut self, what: &str) {
        self.timeline.push(format!("@{} {what}", self.now - self.opened_at));
    }

    /// Lets time pass, as the socket's task does: it wakes the connection when it asks for it.
    fn run_until(&mut self, after_ms: Timestamp) {
        let until = self.opened_at + after_ms;
        let mut wakes_now = 0;
        while self.connection.wake_at() <= until && !self.connection.is_closed {
            let at = self.connection.wake_at().max(self.now);
            wakes_now = if at == self.now { wakes_now + 1 } else { 0 };
            assert!(wakes_now < 5, "the connection spins at {}", at - self.opened_at);
            self.now = at;
            self.wakes += 1;
            self.handle(Input::Tick);
        }
        self.now = until;
        self.log.now = until;
    }

    /// The newest entries are pushed, all those behind `after`.
    fn push_after(&mut self, after: Position) {
        let items = self.log.items[usize::try_from(after.0).unwrap()..].to_vec();
        self.handle(Input::Pushed(&items));
    }

    /// Entries are pushed by their positions, in this order.
    fn push(&mut self, positions: &[u64]) {
        for position in positions {
            let item = self.log.items[usize::try_from(*position).unwrap() - 1].clone();
            self.handle(Input::Pushed(&[item]));
        }
    }

    /// Something is recorded and pushed.
    fn publish(&mut self, record: impl FnOnce(&mut Log) -> Position) -> Position {
        self.log.now = self.now;
        let before = self.log.head();
        let position = record(&mut self.log);
        self.push_after(before);
        position
    }

    /// The read that is held comes back.
    fn answer(&mut self) {
        let page = self.held.pop_front().expect("a read is under way");
        self.handle(Input::Fetched(Some(page)));
    }

    fn text(&mut self, frame: &str) {
        self.handle(Input::Text(frame));
    }

    fn heartbeat(&mut self) {
        self.text(r#"{"type":"EVENT_TYPE_HEARTBEAT"}"#);
    }

    fn message(&mut self, local_id: &str) {
        self.text(&format!(
            r#"{{"type":"EVENT_TYPE_USER_MESSAGE","payload":{{"text":"hi"}},"metadata":{{"custom":{{"local_id":"{local_id}"}}}}}}"#
        ));
    }

    /// The oldest command under way is over.
    fn fate(&mut self, fate: Fate) {
        self.handle(Input::Executed(fate));
    }

    fn duplicate(&mut self, position: Position) {
        let item = self.log.items[usize::try_from(position.0).unwrap() - 1].clone();
        self.fate(Fate::Duplicate(item));
    }

    /// What happened since the last call.
    fn seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.timeline)
    }

    fn newest_frame(&self) -> &Value {
        self.frames.last().expect("something was sent")
    }

    /// The sequences of all events of the log that were sent, in the order of sending.
    fn sequences(&self) -> Vec<u64> {
        self.frames.iter().flat_map(events).filter_map(|it| it["sequence"].as_u64()).collect()
    }
}

/// The events in a frame: those of a batch, or the frame itself.
fn events(frame: &Value) -> Vec<&Value> {
    match frame["payload"]["events"].as_array() {
        Some(events) => events.iter().collect(),
        None => vec![frame],
    }
}

fn is_batch(frame: &Value) -> bool {
    frame["type"] == "EVENT_TYPE_EVENT_BATCH"
}

fn kind(event: &Value) -> &str {
    event["type"].as_str().unwrap().trim_start_matches("EVENT_TYPE_")
}

/// `batch 1 7-9`, `5 USER_MESSAGE`, `~HEARTBEAT`, `~SYSTEM_MESSAGE too_large ERROR`.
fn rendered(frame: &Value) -> String {
    if is_batch(frame) {
        return format!("batch{}", ranges(&events(frame)));
    }
    let payload = &frame["payload"];
    let mut line = match frame["sequence"].as_u64() {
        Some(sequence) => format!("{sequence} {}", kind(frame)),
        None => format!("~{}", kind(frame)),
    };
    if let Some(code) = payload["code"].as_str() {
        let level = payload["level"].as_str().unwrap();
        let level = level.trim_start_matches("SYSTEM_MESSAGE_LEVEL_");
        write!(line, " {code} {level}").unwrap();
    }
    line
}

fn ranges(events: &[&Value]) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for event in events {
        let sequence = event["sequence"].as_u64().expect("no batch holds a transient event");
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == sequence => *last = sequence,
            _ => ranges.push((sequence, sequence)),
        }
    }
    let mut line = String::new();
    for (first, last) in ranges {
        write!(line, " {first}").unwrap();
        if last > first {
            write!(line, "-{last}").unwrap();
        }
    }
    line
}

fn name(command: &Command) -> String {
    match command {
        Command::Join { .. } => "join".into(),
        Command::PostMessage { text, .. } => format!("message {text}"),
        Command::End { .. } => "end".into(),
        other => panic!("users do not ask for {other:?}"),
    }
}

fn none() -> Vec<String> {
    Vec::new()
}
