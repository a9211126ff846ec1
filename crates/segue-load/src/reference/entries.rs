//! Sessions and commits as the server makes them, for a store that is driven directly.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use segue_core::{
    AttemptId, BotProfile, ConnectorId, Decision, EntryId, Event, Extras, Facts, Json, MessageId,
    MessageKey, Position, Session, SessionId, Timestamp, TokenId, Turn, TurnOutcome,
    ports::{Commit, Job, NewJob},
};

use crate::frame::{Key, TEXT};

/// When everything happened that is made here, in milliseconds since the epoch.
const AT: Timestamp = 1_700_000_000_000;

/// Spread like the random part of a UUID, so that sessions lie anywhere in an index.
pub fn unique() -> u128 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

/// A session without entries.
pub fn session(connector: &str, token: &str) -> Session {
    let facts = Facts {
        connector: ConnectorId(connector.to_owned()),
        token: TokenId(token.to_owned()),
        expires_at: AT * 2,
        streaming: true,
        platform: "web".to_owned(),
        device_type: Some("desktop".to_owned()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0".to_owned()),
        language: Some("en".to_owned()),
        variant_id: None,
        integration_attributes: None,
    };
    Session::new(SessionId(unique()), Arc::new(facts))
}

/// Begins a session.
pub fn start(session: &Session) -> Commit {
    commit(session, AT, vec![Event::SessionStarted { facts: Arc::clone(&session.facts) }], vec![])
}

/// A user's message with a key, as in `echo`: the same bytes.
pub fn message(session: &Session, number: u64) -> Commit {
    commit(session, AT, vec![said(number)], vec![])
}

/// What a user said.
pub fn said(number: u64) -> Event {
    let key = Key { user: 1, number, due_us: 1_234_567 };
    let name = key.local_id();
    Event::UserMessagePosted {
        message_id: MessageId(unique()),
        text: key.text().into(),
        custom: Some(Json(format!(r#"{{"local_id":"{name}"}}"#).into())),
        key: Some(MessageKey::Local(name.into())),
    }
}

/// What a bot said.
pub fn reply(session: &Session) -> Commit {
    commit(session, AT, vec![replied()], vec![])
}

/// A turn that was answered at once: three entries and a job.
pub fn turn(session: &Session) -> Commit {
    let turn = Turn(session.state.head.0);
    let attempt = AttemptId(unique());
    let started = Event::TurnStarted { turn, attempt, input_to: session.state.head };
    let ended = Event::TurnEnded { turn, outcome: TurnOutcome::Finished };
    let job = NewJob { job: Job::RunBot { turn }, run_at: session.state.head.0 };
    commit(session, AT, vec![started, replied(), ended], vec![job])
}

fn replied() -> Event {
    Event::BotMessagePosted {
        token: Position(1),
        message_id: MessageId(unique()),
        text: TEXT.to_owned(),
        extras: Extras::default(),
        call_actions: vec![],
        bot: BotProfile { name: "Ada".to_owned(), avatar_url: String::new() },
    }
}

/// These events, right after what the session has.
pub fn commit(session: &Session, at: Timestamp, events: Vec<Event>, jobs: Vec<NewJob>) -> Commit {
    let mut builder = Commit::begin(session);
    let decision = Decision { events, jobs, ..Decision::default() };
    builder.add(at, decision, || EntryId(unique()));
    builder.finish().expect("there are events")
}
