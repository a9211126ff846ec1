//! HTTP: the hand-shake, the upgrade, the admin API, the page to try it, health. One file per
//! resource.

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{any, get, post},
};
use segue_core::{Session, SessionId, ports::StoreError};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    address::Door,
    api_keys::ApiKeys,
    config::Setting,
    connectors::Connector,
    directory::Directory,
    health::Health,
    hub::Hub,
    limits::{self, Limits, ServerLimits},
    node::Node,
    overload::{Overload, OverloadLog},
    wire::HttpError,
};

mod access_token;
pub mod admin;
mod around;
mod demo;
mod error;
mod health;
pub mod hosts;
pub mod jwt;
#[cfg(test)]
pub(crate) mod operations;
mod rates;
mod reference;
mod sessions;
mod stop;
mod ws;

pub use demo::DemoConnector;
use jwt::{Claims, SigningKeys};
pub use rates::HandshakeRates;

/// What the routes work with.
pub struct App {
    /// The door to the sessions.
    pub node: Arc<Node>,
    /// The connections of this node.
    pub hub: Arc<Hub>,
    /// The integrations.
    pub connectors: Arc<Directory>,
    /// What signs access tokens.
    pub keys: Arc<SigningKeys>,
    /// The server's limits, where no connector has its own.
    pub limits: Limits,
    /// What the page and `segue chat` on this machine may use; only where nothing is configured.
    pub demo: Option<DemoConnector>,
    /// What is configured, for people who ask.
    pub settings: Vec<Setting>,
    /// The limits of the whole server.
    pub server_limits: ServerLimits,
    /// Whether it can keep its promises.
    pub health: Arc<Health>,
    /// The node stops.
    pub stop: CancellationToken,
    /// The sockets' tasks.
    pub sockets: TaskTracker,
    /// How often an address may shake hands.
    pub handshakes: HandshakeRates,
    /// The keys of the admin API.
    pub api_keys: ApiKeys,
    /// How often an address may ask the admin API without one.
    pub admin_failures: admin::Failures,
    /// Who is believed about whose request it is.
    pub door: Arc<Door>,
    /// Whether there was too much to do when somebody last asked.
    pub overload: OverloadLog,
}

impl App {
    /// Turns new sessions away while there is too much to do for those that live.
    fn admit_new(&self) -> Result<(), HttpError> {
        let overload = self.overload_now();
        self.overload.note(overload);
        let retry_after_ms = limits::OVERLOAD_RETRY_AFTER_MS;
        overload.map_or(Ok(()), |_| Err(HttpError::RateLimited { retry_after_ms }))
    }

    fn overload_now(&self) -> Option<Overload> {
        let oldest = self.node.appends.oldest().as_millis();
        let append_ms = u64::try_from(oldest).unwrap_or(u64::MAX);
        let append_ms_max = self.door.limits().overload_append_ms;
        if append_ms_max > 0 && append_ms > append_ms_max {
            return Some(Overload::Store { append_ms });
        }
        let (open, max) = self.door.connections();
        // Kept for sockets of sessions that live: they come back when something breaks.
        let is_much = open
            > max / 100 * limits::OVERLOAD_CONNECTIONS_PERCENT
                + max % 100 * limits::OVERLOAD_CONNECTIONS_PERCENT / 100;
        is_much.then_some(Overload::Connections { open })
    }

    /// The integration of a valid access token, used from this origin. Tokens of a disabled one
    /// still open what they have opened before.
    fn authenticate(&self, token: &str, origin: Option<&str>) -> Option<(Claims, Arc<Connector>)> {
        let claims = self.keys.verify(token, self.node.now()).ok()?;
        let connector = self.connectors.get(&claims.connector)?;
        connector.accepts_origin(origin).then_some((claims, connector))
    }

    /// Whether the session of this name was at work here of late.
    fn knows(&self, name: &str) -> bool {
        name.parse().is_ok_and(|id| self.node.knows(id))
    }

    /// The session of this name, for the access token that created it and for no other. One that
    /// has ended is there for a while.
    async fn open(
        &self,
        name: &str,
        claims: &Claims,
        connector: &Connector,
    ) -> Result<Arc<Session>, NotOpened> {
        let id: SessionId = name.parse().map_err(|_| NotOpened::Unknown)?;
        let loaded = self.node.load(id).await.map_err(NotOpened::Unavailable)?;
        let session = loaded.ok_or(NotOpened::Unknown)?;
        let readable_ms = connector.limits.readable_after_end_seconds * 1_000;
        if session.ended_at().is_some_and(|at| self.node.now() >= at + readable_ms) {
            return Err(NotOpened::Unknown);
        }
        if session.facts.token != claims.jti {
            return Err(NotOpened::NotYours);
        }
        Ok(session)
    }
}

/// Why a request does not get at a session.
#[derive(Debug)]
enum NotOpened {
    /// There is none of this name, or no longer.
    Unknown,
    /// Another access token created it.
    NotYours,
    /// The store does not answer.
    Unavailable(StoreError),
}

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/api/v1/access-token", post(access_token::create))
        .route("/api/v1/sessions", post(sessions::create))
        .route("/api/v1/sessions/{id}/stop", post(stop::stop))
        .route("/ws", any(ws::upgrade))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .merge(demo::routes())
        .merge(reference::routes())
        .merge(admin::router(&app))
        .fallback(error::unknown_path)
        .method_not_allowed_fallback(error::wrong_method)
        .layer(axum::extract::DefaultBodyLimit::max(limits::REQUEST_BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), around::around))
        .with_state(app)
}
