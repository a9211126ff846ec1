//! Who asks, and what they may see. Every route is behind `guard`, and gets at sessions only through
//! its `Caller`: this is the one place where it is decided what a key sees.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use segue_core::{
    ConnectorId, Entry, Position, Session, SessionId, Timestamp,
    ports::{Deletion, Listed, Page, ReadLimit, SessionQuery, Visible},
};
use tracing::warn;

use super::error::AdminError;
use crate::{
    address::{Client, network},
    api_keys::{ApiKey, NewApiKey, Reach, Recognised, Scope},
    connectors::Connector,
    http::{App, error::CorrelationId},
    limits::{self, ServerLimits},
    rates::Bucket,
};

/// Marks a request that was made in this process by whoever may use its data folder, and so may do
/// everything, or what the key allows that they name. Nothing that comes over a network can carry it.
#[derive(Debug, Clone, Copy)]
pub struct OnThisMachine;

/// Somebody with a valid key that has the scope of the route.
#[derive(Clone)]
pub struct Caller {
    /// What the routes work with. Sessions are not read through it.
    pub app: Arc<App>,
    /// For the log and for what is kept: the name of the key.
    pub name: String,
    by: By,
}

#[derive(Clone)]
enum By {
    ThisMachine,
    Key(Arc<ApiKey>),
}

/// What stands before one route.
#[derive(Clone)]
pub struct Guard {
    /// What the routes work with.
    pub app: Arc<App>,
    /// What the caller's key has to have.
    pub scope: Scope,
}

/// Lets callers through that may use the route, and writes what it refuses.
pub async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let correlation_id = request.extensions().get::<CorrelationId>().cloned();
    let correlation_id = correlation_id.map_or_else(String::new, |it| it.0);
    let offer = Offer::of(&request);
    let mut response = match guard.admit(offer).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    match response.extensions_mut().remove::<AdminError>() {
        Some(error) => error.answer(&correlation_id),
        None => {
            // What is told once must not stay anywhere on the way.
            let no_store = axum::http::HeaderValue::from_static("no-store");
            response.headers_mut().insert(header::CACHE_CONTROL, no_store);
            response
        }
    }
}

/// What a request says of who asks.
struct Offer {
    is_on_this_machine: bool,
    address: IpAddr,
    key: Option<String>,
}

impl Offer {
    fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        let address = extensions.get::<Client>().map(|it| it.address);
        Self {
            is_on_this_machine: extensions.get::<OnThisMachine>().is_some(),
            address: address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
            key: bearer(request.headers()).map(str::to_owned),
        }
    }
}

impl Guard {
    async fn admit(&self, offer: Offer) -> Result<Caller, AdminError> {
        let app = Arc::clone(&self.app);
        if offer.is_on_this_machine && offer.key.is_none() {
            return Ok(Caller { app, name: "this machine".to_owned(), by: By::ThisMachine });
        }
        let failed = |error| {
            // Whoever has the folder can find out its keys in other ways than by trying.
            let counts = !offer.is_on_this_machine;
            if counts { self.failed(offer.address, error) } else { error }
        };
        let Some(key) = &offer.key else { return Err(failed(AdminError::NoKey)) };
        let (id, key) = match app.api_keys.recognise(key, app.node.now()).await? {
            Recognised::Valid { id, key } => (id, key),
            Recognised::Unknown => return Err(failed(AdminError::UnknownKey)),
            Recognised::Expired => return Err(failed(AdminError::ExpiredKey)),
            Recognised::Revoked => return Err(failed(AdminError::RevokedKey)),
        };
        if !key.may(self.scope) {
            return Err(AdminError::MissingScope(self.scope));
        }
        Ok(Caller { app, name: format!("{} ({id})", key.name), by: By::Key(key) })
    }

    /// Counts a request without a valid key. A valid one is never refused for others' failures.
    fn failed(&self, address: IpAddr, error: AdminError) -> AdminError {
        match self.app.admin_failures.take(self.app.node.now(), address) {
            Ok(()) => {
                warn!(%address, code = error.code(), "a request to the admin API has no valid key");
                error
            }
            Err(retry_after_ms) => AdminError::TooManyFailures { retry_after_ms },
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// How often addresses may ask without a valid key.
#[derive(Debug)]
pub struct Failures {
    fresh: Bucket,
    buckets: Mutex<BTreeMap<IpAddr, Bucket>>,
}

impl Failures {
    /// Nobody has failed yet.
    pub fn new(limits: &ServerLimits) -> Self {
        let fresh = Bucket::new(limits.admin_failures_per_second, limits.admin_failures_burst);
        Self { fresh, buckets: Mutex::default() }
    }

    /// Takes a permit, or says after how many milliseconds there is one.
    fn take(&self, now: Timestamp, address: IpAddr) -> Result<(), u64> {
        let mut buckets = self.buckets.lock();
        if buckets.len() >= limits::ADMIN_ADDRESSES_MAX {
            buckets.retain(|_, it| !it.is_full(now));
        }
        let mut address = network(address);
        if buckets.len() >= limits::ADMIN_ADDRESSES_MAX && !buckets.contains_key(&address) {
            address = Ipv6Addr::UNSPECIFIED.into();
        }
        buckets.entry(address).or_insert_with(|| self.fresh.clone()).take(now)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // Every route of the table is behind the guard; one that is not has nobody to serve.
        parts.extensions.get::<Self>().cloned().ok_or(AdminError::NoKey)
    }
}

// What a caller sees.

impl Caller {
    /// The connectors that the caller may see.
    pub fn visible(&self) -> Visible {
        self.reach().visible()
    }

    /// Whether the caller may see a connector, whether it exists or not.
    pub fn sees(&self, connector: &ConnectorId) -> bool {
        self.visible().includes(connector)
    }

    fn reach(&self) -> Reach {
        match &self.by {
            By::ThisMachine => Reach::ALL,
            By::Key(key) => key.connectors.clone(),
        }
    }

    /// Refuses what concerns all connectors to callers who see only some.
    pub fn must_see_all(&self, refusal: AdminError) -> Result<(), AdminError> {
        match self.visible() {
            Visible::All => Ok(()),
            Visible::Only(_) | Visible::Except(_) => Err(refusal),
        }
    }

    /// Whether the caller may look at this key and revoke it: it holds nothing that theirs does not.
    pub fn covers(&self, other: &ApiKey) -> bool {
        match &self.by {
            By::ThisMachine => true,
            By::Key(key) => key.covers(other),
        }
    }

    /// Refuses a key that would hold more than the caller's or live longer.
    pub fn may_make(&self, new: &NewApiKey) -> Result<(), AdminError> {
        let By::Key(key) = &self.by else { return Ok(()) };
        if !new.scopes.iter().all(|it| key.may(*it)) {
            return Err(AdminError::BeyondKey("these scopes"));
        }
        if !key.connectors.covers(&new.connectors) {
            return Err(AdminError::BeyondKey("these connectors"));
        }
        let outlives = match (key.expires_at, new.expires_at) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(own), Some(new)) => new > own,
        };
        if outlives { Err(AdminError::BeyondKey("this expiry")) } else { Ok(()) }
    }

    /// A connector that the caller may see.
    pub fn connector(&self, name: &str) -> Result<Arc<Connector>, AdminError> {
        let id = ConnectorId(name.to_owned());
        let connector = self.app.connectors.get(&id).filter(|it| self.sees(&it.id));
        connector.ok_or(AdminError::NotFound("connector"))
    }

    /// The connectors that the caller may see, in order of their names.
    pub fn connectors(&self) -> Vec<Arc<Connector>> {
        let mut all = self.app.connectors.all();
        all.retain(|it| self.sees(&it.id));
        all
    }

    /// A session that the caller may see. One of another connector is not told from one that never
    /// was.
    pub async fn session(&self, name: &str) -> Result<Arc<Session>, AdminError> {
        let unknown = || AdminError::NotFound("session");
        let id: SessionId = name.parse().map_err(|_| unknown())?;
        let session = self.app.node.load(id).await?.ok_or_else(unknown)?;
        if self.sees(&session.facts.connector) { Ok(session) } else { Err(unknown()) }
    }

    /// Sessions that a query asks for and the caller may see, whatever connectors the query names.
    pub async fn sessions(&self, mut query: SessionQuery) -> Result<Vec<Listed>, AdminError> {
        query.connectors = match (self.visible(), query.connectors) {
            (Visible::All, asked) => asked,
            (visible, Visible::All) => visible,
            (visible, Visible::Only(asked)) => {
                Visible::Only(asked.into_iter().filter(|it| visible.includes(it)).collect())
            }
            // Nobody asks in this way: what is left out is left out on top of what is not seen.
            (visible, Visible::Except(_)) => visible,
        };
        Ok(self.app.node.store.list(&query).await?)
    }

    /// A part of the log of a session that the caller may see.
    pub async fn entries(
        &self,
        session: &Session,
        after: Position,
        limit: ReadLimit,
    ) -> Result<Page, AdminError> {
        assert!(self.sees(&session.facts.connector), "a session that its caller may not see");
        Ok(self.app.node.store.read(session.id, after, limit).await?)
    }

    /// The first entry of a session that the caller may see.
    pub async fn first_entry(&self, session: &Session) -> Result<Option<Entry>, AdminError> {
        let limit = ReadLimit { entries: 1, bytes: 0 };
        Ok(self.entries(session, Position(0), limit).await?.entries.pop())
    }

    /// The proof that a session was deleted that the caller might have seen.
    pub async fn deletion(&self, name: &str) -> Result<Deletion, AdminError> {
        let unknown = || AdminError::NotFound("deletion");
        let id: SessionId = name.parse().map_err(|_| unknown())?;
        let deletion = self.app.node.store.deletion(id).await?.ok_or_else(unknown)?;
        if self.sees(&deletion.connector) { Ok(deletion) } else { Err(unknown()) }
    }
}

#[cfg(test)]
mod tests;
