//! Builds what the cases write: sessions, events and commits as the server would.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use segue_core::{
    BotProfile, ConnectorId, Decision, Entry, EntryId, Event, Facts, MessageId, MessageKey, NodeId,
    Position, Session, SessionId, Timestamp, TokenId, TurnReason,
    ports::{Appended, Claim, Commit, Job, NewJob, ReadLimit, Store},
};

/// No limit that a test could meet.
pub const ALL: ReadLimit = ReadLimit { entries: usize::MAX, bytes: usize::MAX };

/// Of so many attempts at once one is the first each time: enough for all of them.
pub const ATTEMPTS_MAX: usize = 1_000;

pub const NODE_A: NodeId = NodeId(0xa);
pub const NODE_B: NodeId = NodeId(0xb);

/// A number that nobody else gets, in no process of a test.
pub fn unique() -> u128 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    u128::from(process::id()) << 64 | u128::from(number)
}

pub fn facts(token: &str) -> Facts {
    Facts {
        connector: ConnectorId("demo".to_owned()),
        token: TokenId(token.to_owned()),
        expires_at: 90_000_000,
        streaming: true,
        platform: "web".to_owned(),
        device_type: None,
        user_agent: Some("Mozilla/5.0".to_owned()),
        language: Some("en".to_owned()),
        variant_id: None,
        integration_attributes: None,
    }
}

/// A session before its first entry.
pub fn new_session() -> Session {
    Session::new(SessionId(unique()), Arc::new(facts("token")))
}

/// What to write on top of a session.
pub struct Draft<'a> {
    session: &'a Session,
    now: Timestamp,
    decision: Decision,
}

/// The events as one commit on top of `session`.
pub fn draft(session: &Session, now: Timestamp, events: Vec<Event>) -> Draft<'_> {
    Draft { session, now, decision: Decision { events, ..Decision::default() } }
}

impl Draft<'_> {
    pub fn job(mut self, job: Job, run_at: Timestamp) -> Self {
        self.decision.jobs.push(NewJob { job, run_at });
        self
    }

    pub fn token_slot(mut self, token: &str, sessions_max: u32) -> Self {
        let token = TokenId(token.to_owned());
        self.decision.claims.push(Claim::TokenSlot { token, sessions_max });
        self
    }

    pub fn claim(mut self, claim: Claim) -> Self {
        self.decision.claims.push(claim);
        self
    }

    pub fn bot_state(mut self, state: &str) -> Self {
        self.decision.bot_state = Some(state.to_owned());
        self
    }

    pub fn commit(self) -> Commit {
        let mut builder = Commit::begin(self.session);
        builder.add(self.now, self.decision, || EntryId(unique()));
        builder.finish().expect("a draft has events")
    }
}

pub fn started(session: &Session) -> Event {
    Event::SessionStarted { facts: Arc::clone(&session.facts) }
}

pub fn joined() -> Event {
    let bot = BotProfile { name: "Ada".to_owned(), avatar_url: String::new() };
    Event::BotJoined { bot, why: TurnReason::Join }
}

/// A message of the user, without a key.
pub fn says(text: &str) -> Event {
    Event::UserMessagePosted {
        message_id: MessageId(unique()),
        text: text.into(),
        key: None,
        custom: None,
    }
}

/// A message of the user with a `local_id`.
pub fn says_once(text: &str, key: &str) -> Event {
    says_with_key(text, MessageKey::Local(key.into()))
}

pub fn says_with_key(text: &str, key: MessageKey) -> Event {
    Event::UserMessagePosted {
        message_id: MessageId(unique()),
        text: text.into(),
        key: Some(key),
        custom: None,
    }
}

/// Appends what must succeed, and returns the session after it.
pub async fn record(store: &dyn Store, commit: Commit) -> Session {
    assert_eq!(store.append(&commit).await, Ok(Appended::Recorded));
    Session::clone(&commit.session)
}

/// A session in the store with its first entry.
pub async fn create(store: &dyn Store, now: Timestamp) -> Session {
    let session = new_session();
    record(store, draft(&session, now, vec![started(&session)]).commit()).await
}

/// The whole log.
pub async fn log(store: &dyn Store, id: SessionId) -> Vec<Entry> {
    let page = store.read(id, Position(0), ALL).await.unwrap();
    assert!(!page.more);
    page.entries
}
