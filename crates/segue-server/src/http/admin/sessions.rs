//! Conversations: found, looked at.

use axum::Json;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use segue_core::{
    ConnectorId, EndReason, Entry, Floor, Position, Session, SessionId, Timestamp,
    ports::{Listed, Liveness, Order, ReadLimit, SessionQuery, Visible},
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    ask::{Name, Params},
    caller::Caller,
    error::AdminError,
};
use crate::{limits, wire};

/// Which sessions, and how many.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Wanted {
    /// Of these connectors only: names with commas between them.
    connector: Option<String>,
    /// Only those that go on, or that have ended.
    state: Option<State>,
    /// Only those that began at this time or later: a day, or a time in UTC.
    #[cfg_attr(test, schemars(extend("examples" = ["2026-05-07", "2026-05-07T12:00:00Z"])))]
    created_from: Option<String>,
    /// Only those that began earlier.
    #[cfg_attr(test, schemars(extend("examples" = ["2026-05-08"])))]
    created_before: Option<String>,
    /// Only those of this user, by `user_id` of their `integration_attributes`.
    user_id: Option<String>,
    /// At most so many; 50 if nothing is said.
    #[cfg_attr(test, schemars(range(min = 1, max = limits::ADMIN_PAGE_MAX)))]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum State {
    Live,
    Ended,
}

/// A page of sessions.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sessions {
    /// The newest first.
    sessions: Vec<SessionLine>,
    /// Asks for the next page; `null` at the end.
    next_cursor: Option<String>,
}

/// A session as lists show it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Session"))]
pub struct SessionLine {
    /// Names it.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Uuid"))]
    session_id: String,
    /// Its connector.
    connector: String,
    /// Who has the floor: nobody yet (`unasked`), the bot, the application of the user
    /// (`handed_off`); or it has `ended`.
    state: SessionState,
    /// Why it has ended; `null` while it goes on.
    end_reason: Option<EndName>,
    /// When it began.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Time"))]
    created_at: String,
    /// When something was last added to its log.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Time"))]
    last_event_at: String,
    /// When its client was last heard of.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Time"))]
    last_seen_at: String,
    /// When it ended; `null` while it goes on.
    #[cfg_attr(test, schemars(with = "Option<crate::spec::text::Time>"))]
    ended_at: Option<String>,
    /// That of its `integration_attributes`.
    user_id: Option<String>,
    /// What its client runs on.
    platform: String,
    /// The language that is spoken in it.
    language: Option<String>,
    /// Whether the bot's messages arrive in chunks.
    streaming: bool,
    /// How often the bot was asked.
    turns: u64,
    /// How far the numbers go that its client sees.
    sequence: u64,
    /// How many entries its log has.
    position: u64,
}

/// Who has the floor, in the words of this API.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
enum SessionState {
    Unasked,
    BotIdle,
    BotDue,
    BotRunning,
    HandedOff,
    Ended,
}

/// Why a session has ended, in the words of this API.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
enum EndName {
    UserEnd,
    UserAbandoned,
    NaturalEnd,
    Revoked,
}

/// A session by itself.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SessionDetail {
    #[serde(flatten)]
    line: SessionLine,
    /// When it ends at the latest.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Time"))]
    expires_at: String,
    /// As its client said.
    device_type: Option<String>,
    /// That of the request that created it.
    user_agent: Option<String>,
    /// Which variant of the bot, as its client said.
    variant_id: Option<String>,
    /// What its client said about the user or the page.
    #[cfg_attr(test, schemars(with = "Option<crate::spec::text::Object>"))]
    integration_attributes: Option<Box<RawValue>>,
    /// Sockets that are open on this node.
    connections: usize,
}

/// A part of a log.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Entries {
    /// In order.
    entries: Vec<EntryLine>,
    /// `after` of the next page; `null` at the end of the log.
    next_after: Option<u64>,
}

/// An entry of the log, as it is stored.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Entry"))]
pub struct EntryLine {
    /// Names it.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Uuid"))]
    id: String,
    /// Where it stands in the log, from 1.
    position: u64,
    /// The number that its client sees; `null` for an internal entry.
    sequence: Option<u64>,
    /// Whether the user never sees it.
    internal: bool,
    /// When it was added.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Time"))]
    timestamp: String,
    /// What happened. `is` names the kind; later versions add kinds and fields.
    #[cfg_attr(test, schemars(with = "crate::spec::text::Object"))]
    event: Box<RawValue>,
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
        integration_attributes: attributes
            .and_then(|it| RawValue::from_string(it.0.to_string()).ok()),
        connections: caller.app.hub.connections_of(session.id),
    })
}

/// Where to go on in a log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Range {
    /// Only entries behind this position: `next_after` of the page before.
    after: Option<u64>,
    /// At most so many; 50 if nothing is said. A page of long entries has fewer.
    #[cfg_attr(test, schemars(range(min = 1, max = limits::ADMIN_PAGE_MAX)))]
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
            state: SessionState::of(&state.floor),
            end_reason: match state.floor {
                Floor::Ended { reason, .. } => Some(EndName::of(reason)),
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
            // Its very text: the proof of a deletion is over that.
            event: to_raw_value(&entry.event).expect("events are plain data"),
        }
    }
}

impl SessionState {
    fn of(floor: &Floor) -> Self {
        match floor {
            Floor::Unasked => Self::Unasked,
            Floor::BotIdle => Self::BotIdle,
            Floor::BotDue { .. } => Self::BotDue,
            Floor::BotRunning(_) => Self::BotRunning,
            Floor::Nobody => Self::HandedOff,
            Floor::Ended { .. } => Self::Ended,
        }
    }
}

impl EndName {
    fn of(reason: EndReason) -> Self {
        match reason {
            EndReason::UserEnd => Self::UserEnd,
            EndReason::UserAbandoned => Self::UserAbandoned,
            EndReason::NaturalEnd => Self::NaturalEnd,
            EndReason::Revoked => Self::Revoked,
        }
    }
}

#[cfg(test)]
mod tests;
