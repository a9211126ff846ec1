//! Conversations: found, looked at.

use axum::Json;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use segue_core::{
    ConnectorId, EndReason, Entry, Floor, Position, Session, SessionId, Timestamp,
    ports::{Listed, Liveness, Order, ReadLimit, SessionQuery, Visible},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{
    ask::{Name, Params},
    caller::Caller,
    error::AdminError,
};
use crate::{limits, wire};

/// Which sessions, and how many.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    connector: Option<String>,
    state: Option<State>,
    created_from: Option<String>,
    created_before: Option<String>,
    user_id: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Live,
    Ended,
}

/// A page of sessions.
#[derive(Debug, Serialize)]
pub struct Sessions {
    sessions: Vec<SessionLine>,
    /// Asks for the next page; `null` at the end.
    next_cursor: Option<String>,
}

/// A session as lists show it.
#[derive(Debug, Serialize)]
pub struct SessionLine {
    session_id: String,
    connector: String,
    state: &'static str,
    end_reason: Option<&'static str>,
    created_at: String,
    last_event_at: String,
    last_seen_at: String,
    ended_at: Option<String>,
    user_id: Option<String>,
    platform: String,
    language: Option<String>,
    streaming: bool,
    turns: u64,
    sequence: u64,
    position: u64,
}

/// A session by itself.
#[derive(Debug, Serialize)]
pub struct SessionDetail {
    #[serde(flatten)]
    line: SessionLine,
    expires_at: String,
    device_type: Option<String>,
    user_agent: Option<String>,
    variant_id: Option<String>,
    integration_attributes: Option<Box<RawValue>>,
    /// Sockets that are open on this node.
    connections: usize,
}

/// A part of a log.
#[derive(Debug, Serialize)]
pub struct Entries {
    entries: Vec<EntryLine>,
    /// `after` of the next page; `null` at the end of the log.
    next_after: Option<u64>,
}

/// An entry of the log, as it is stored.
#[derive(Debug, Serialize)]
pub struct EntryLine {
    id: String,
    position: u64,
    /// The wire's number; `null` for an internal entry.
    sequence: Option<u64>,
    /// Whether the user never sees it.
    internal: bool,
    timestamp: String,
    event: Value,
}

/// `GET /sessions`: the newest first.
pub async fn list(
    caller: Caller,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Sessions>, AdminError> {
    let limit = page_size(wanted.limit)?;
    let mut query = query(&wanted)?;
    // One more than asked for says whether there is another page.
    query.limit = limit + 1;
    if let Some(cursor) = &wanted.cursor {
        let cursor = Cursor::read(cursor)
            .ok_or_else(|| AdminError::Invalid("cursor: this is none that was given".to_owned()))?;
        cursor.apply(&caller, &mut query).await?;
    }
    let mut listed = caller.sessions(query).await?;
    let has_more = listed.len() > limit;
    listed.truncate(limit);
    let last = listed.last().filter(|_| has_more);
    let next_cursor =
        last.map(|it| Cursor { id: it.session.id, created_at: it.created_at }.write());
    Ok(Json(Sessions { sessions: listed.iter().map(SessionLine::new).collect(), next_cursor }))
}

/// `GET /sessions/{id}`.
pub async fn show(caller: Caller, Name(name): Name) -> Result<Json<SessionDetail>, AdminError> {
    let session = caller.session(&name).await?;
    detail(&caller, &session).await.map(Json)
}

/// What is known of a session that the caller may see.
pub async fn detail(caller: &Caller, session: &Session) -> Result<SessionDetail, AdminError> {
    let first = caller.first_entry(session).await?;
    let created_at = first.map_or(session.state.last_at, |it| it.at);
    let last_seen = caller.app.node.store.last_seen(&[session.id]).await?;
    let here = caller.app.hub.seen_at(session.id).unwrap_or(0);
    let last_seen = last_seen.first().copied().unwrap_or(0).max(here);
    let user_id = segue_store::user_of(&session.facts);
    let listed = Listed { session: session.clone(), created_at, last_seen, user_id };
    let facts = &session.facts;
    let attributes = facts.integration_attributes.as_ref();
    Ok(SessionDetail {
        line: SessionLine::new(&listed),
        expires_at: wire::timestamp(facts.expires_at),
        device_type: facts.device_type.clone(),
        user_agent: facts.user_agent.clone(),
        variant_id: facts.variant_id.clone(),
        integration_attributes: attributes.and_then(|it| RawValue::from_string(it.0.clone()).ok()),
        connections: caller.app.hub.connections_of(session.id),
    })
}

/// Where to go on in a log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    after: Option<u64>,
    limit: Option<usize>,
}

/// `GET /sessions/{id}/entries`: the whole log, internal entries too, in pages.
pub async fn entries(
    caller: Caller,
    Name(name): Name,
    Params(range): Params<Range>,
) -> Result<Json<Entries>, AdminError> {
    let limit = ReadLimit { entries: page_size(range.limit)?, bytes: limits::PAGE_BYTES_MAX };
    let session = caller.session(&name).await?;
    let page = caller.entries(&session, Position(range.after.unwrap_or(0)), limit).await?;
    let next_after = page.entries.last().filter(|_| page.more).map(|it| it.position.0);
    Ok(Json(Entries { entries: page.entries.iter().map(EntryLine::new).collect(), next_after }))
}

/// How many of something a request wants at once.
pub fn page_size(wanted: Option<usize>) -> Result<usize, AdminError> {
    match wanted.unwrap_or(limits::ADMIN_PAGE) {
        limit @ 1..=limits::ADMIN_PAGE_MAX => Ok(limit),
        _ => Err(AdminError::Invalid(format!("limit: 1 to {}", limits::ADMIN_PAGE_MAX))),
    }
}

fn query(wanted: &Wanted) -> Result<SessionQuery, AdminError> {
    let time = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => wire::parse_timestamp(text).map(Some).ok_or_else(|| {
            let text = "a time in UTC, such as 2026-05-07 or 2026-05-07T12:00:00Z";
            AdminError::Invalid(format!("{name}: {text}"))
        }),
    };
    let names = |text: &String| text.split(',').map(|it| ConnectorId(it.to_owned())).collect();
    Ok(SessionQuery {
        connectors: wanted.connector.as_ref().map_or(Visible::All, |it| Visible::Only(names(it))),
        liveness: wanted.state.map(|it| match it {
            State::Live => Liveness::Live,
            State::Ended => Liveness::Ended,
        }),
        created_from: time("created_from", &wanted.created_from)?,
        created_before: time("created_before", &wanted.created_before)?,
        user_id: wanted.user_id.clone(),
        order: Order::NewestFirst,
        ..SessionQuery::first(0)
    })
}

/// The last session of a page. Opaque to whoever is given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    id: SessionId,
    created_at: Timestamp,
}

impl Cursor {
    fn write(self) -> String {
        let bytes = [&self.id.0.to_be_bytes()[..], &self.created_at.to_be_bytes()[..]].concat();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (id, created_at) = bytes.split_at_checked(16)?;
        Some(Self {
            id: SessionId(u128::from_be_bytes(id.try_into().ok()?)),
            created_at: Timestamp::from_be_bytes(created_at.try_into().ok()?),
        })
    }

    /// Goes on behind the session. Behind one that was deleted meanwhile the time goes on, a little
    /// earlier: clocks differ, and it is better to show a session twice than not at all.
    async fn apply(self, caller: &Caller, query: &mut SessionQuery) -> Result<(), AdminError> {
        if caller.app.node.store.load(self.id).await?.is_some() {
            query.after = Some(self.id);
            return Ok(());
        }
        let before = self.created_at.saturating_add(limits::ADMIN_CURSOR_SLACK_MS);
        query.created_before = Some(query.created_before.map_or(before, |it| it.min(before)));
        Ok(())
    }
}

impl SessionLine {
    /// What a list shows of it.
    pub fn new(listed: &Listed) -> Self {
        let Listed { session, created_at, last_seen, user_id } = listed;
        let (facts, state) = (&session.facts, &session.state);
        Self {
            session_id: session.id.to_string(),
            connector: facts.connector.to_string(),
            state: state_name(&state.floor),
            end_reason: match state.floor {
                Floor::Ended { reason, .. } => Some(reason_name(reason)),
                _ => None,
            },
            created_at: wire::timestamp(*created_at),
            last_event_at: wire::timestamp(state.last_at),
            last_seen_at: wire::timestamp(*last_seen),
            ended_at: session.ended_at().map(wire::timestamp),
            user_id: user_id.clone(),
            platform: facts.platform.clone(),
            language: state.language.clone(),
            streaming: facts.streaming,
            turns: state.turns.0,
            sequence: state.reached.0,
            position: state.head.0,
        }
    }
}

impl EntryLine {
    /// An entry in full.
    pub fn new(entry: &Entry) -> Self {
        let sequence = entry.sequence().map(|it| it.0);
        Self {
            id: entry.id.to_string(),
            position: entry.position.0,
            sequence,
            internal: sequence.is_none(),
            timestamp: wire::timestamp(entry.at),
            event: serde_json::to_value(&entry.event).expect("events are plain data"),
        }
    }
}

/// Who has the floor, in the words of this API.
fn state_name(floor: &Floor) -> &'static str {
    match floor {
        Floor::Unasked => "unasked",
        Floor::BotIdle => "bot_idle",
        Floor::BotDue { .. } => "bot_due",
        Floor::BotRunning(_) => "bot_running",
        Floor::Nobody => "handed_off",
        Floor::Ended { .. } => "ended",
    }
}

fn reason_name(reason: EndReason) -> &'static str {
    match reason {
        EndReason::UserEnd => "user_end",
        EndReason::UserAbandoned => "user_abandoned",
        EndReason::NaturalEnd => "natural_end",
        EndReason::Revoked => "revoked",
    }
}

#[cfg(test)]
mod tests;
