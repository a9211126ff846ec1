//! What changes connectors: each change is written as a record before the table has it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::RwLock;
use segue_core::{
    ConnectorId, Timestamp,
    ports::{Put, Record, RecordKind, Store, StoreError},
};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, Notify};
use tracing::{error, info};

use super::{
    Directory, Table, TokenHash, hash,
    stored::{Publishing, StoredConnector, StoredToken, assemble},
};
use crate::{
    config::{BotId, ConfigError, ConnectorSettings, Secret},
    connectors::{ConfiguredBot, Connector, ConnectorSource, ConnectorState},
    limits::{self, Limits},
    secrets::SecretsKey,
};

/// What a directory needs to change.
pub struct Changes {
    /// Where the records are.
    pub store: Arc<dyn Store>,
    /// Seals the tokens that are published.
    pub key: Arc<SecretsKey>,
    /// Milliseconds since the epoch.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// The bots of the configuration.
    pub bots: BTreeMap<BotId, Arc<ConfiguredBot>>,
    /// The limits of connectors that have none of their own.
    pub limits: Limits,
    /// One change at a time.
    pub changing: Mutex<()>,
    /// A connector was revoked: its sessions are to end.
    pub has_revoked: Notify,
}

/// A connector that somebody wants.
#[derive(Debug, Clone)]
pub struct NewConnector {
    /// Its name.
    pub id: ConnectorId,
    /// Keys of `[[connectors]]`, except `id`, `token` and `disabled`.
    pub settings: Map<String, Value>,
}

/// Why a connector was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is none of this name.
    #[error("there is no such connector")]
    NotFound,
    /// Only the configuration can change it.
    #[error("the connector is declared in the configuration, and can be changed there only")]
    InConfiguration,
    /// The name is taken.
    #[error("there is a connector of this name already")]
    Exists,
    /// A connector that was revoked stays so.
    #[error("the connector was revoked, and stays so")]
    Revoked,
    /// What is to be set makes no sense.
    #[error("{0}")]
    Invalid(ConfigError),
    /// The name is none.
    #[error("{}", crate::config::what_makes_an_id())]
    NoId,
    /// So many there are already.
    #[error("there are {} connectors already", limits::CONNECTORS_MAX)]
    TooMany,
    /// Its newest token still stands beside an older one that has not ended.
    #[error(
        "a connector has {} tokens at most: wait until an old one has ended",
        limits::CONNECTOR_TOKENS_MAX
    )]
    TooManyTokens,
    /// Somebody else changed it at the same moment.
    #[error("somebody else changed the connector at the same moment")]
    Conflict,
    /// The store did not answer; whether it was done is unknown.
    #[error("the store does not answer: {0}")]
    Unavailable(#[from] StoreError),
}

/// Why the connectors cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// One of the configuration would take the conversations of another one, or lose its own.
    #[error(
        "connector {configured} of the configuration has the token of connector {stored}, which was \
         made at run time: give it another token"
    )]
    SameToken {
        /// The one that can be changed.
        configured: ConnectorId,
        /// The other one, whatever its state.
        stored: ConnectorId,
    },
    /// The store does not answer.
    #[error("cannot read the connectors: {0}")]
    Unavailable(#[from] StoreError),
}

impl Table {
    /// Refuses tokens, as far as they are good, that another connector of the configuration has.
    fn must_be_free(
        &self,
        stored: &ConnectorId,
        tokens: &[(TokenHash, Timestamp)],
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        for (hash, expires_at) in tokens {
            let is_good = *expires_at == 0 || now < *expires_at;
            let known = self.tokens.get(hash).filter(|_| is_good);
            let known = known.and_then(|it| self.connectors.get(&it.connector));
            if let Some(known) = known.filter(|it| it.source == ConnectorSource::Configuration) {
                let (configured, stored) = (known.id.clone(), stored.clone());
                return Err(DirectoryError::SameToken { configured, stored });
            }
        }
        Ok(())
    }
}

impl Changes {
    /// Whether settings make sense here.
    pub(super) fn check(
        &self,
        id: &ConnectorId,
        settings: &Map<String, Value>,
    ) -> Result<ConnectorSettings, ConfigError> {
        self.check_with(id, settings, None)
    }

    /// The same, where one more bot counts as known.
    pub(super) fn check_with(
        &self,
        id: &ConnectorId,
        settings: &Map<String, Value>,
        bot: Option<&str>,
    ) -> Result<ConnectorSettings, ConfigError> {
        let known = self.bots.keys().map(|it| it.0.as_str());
        let bots: BTreeSet<&str> = known.chain(bot).collect();
        ConnectorSettings::from_json(&format!("connectors.{id}"), settings, &self.limits, &bots)
    }
}

impl Directory {
    /// The connectors of the configuration, and those of the records. A record that makes no sense
    /// any more, for instance because its bot is gone, is named in the log and left out; one with the
    /// name of a connector of the configuration as well.
    pub async fn open(
        configured: Vec<(crate::config::Connector, Arc<ConfiguredBot>)>,
        changes: Changes,
    ) -> Result<Self, DirectoryError> {
        let mut table = Table::default();
        for (connector, bot) in configured {
            let token = hash(connector.token.expose());
            let state =
                if connector.disabled { ConnectorState::Disabled } else { ConnectorState::Active };
            let source = ConnectorSource::Configuration;
            let connector = assemble(connector.id, source, state, connector.settings, bot);
            table.add(Arc::new(connector), [(token, 0)]);
        }
        for record in changes.store.records(RecordKind::Connector).await? {
            let id = ConnectorId(record.id.clone());
            if table.connectors.contains_key(&id) {
                error!(connector = %id, "connector {id} of the configuration hides a stored one");
                continue;
            }
            match read(&record).and_then(|it| {
                let connector = it.connector(&id, &changes).map_err(|it| it.to_string())?;
                Ok((connector, it.hashes(), it.is_readable(&id, &changes.key)))
            }) {
                Ok((connector, hashes, is_readable)) => {
                    table.must_be_free(&id, &hashes, (changes.now)())?;
                    if !is_readable {
                        error!(
                            connector = %id,
                            "the token of connector {id} is sealed under another key than that of \
                             [secrets]: it works, but it cannot be shown"
                        );
                    }
                    table.add(Arc::new(connector), hashes);
                }
                Err(error) => {
                    error!(connector = %id, error, "stored connector {id} cannot be used");
                }
            }
        }
        Ok(Self { table: RwLock::new(Arc::new(table)), changes: Some(changes) })
    }

    /// Makes a connector and its token, which is told here and later only where it is published.
    pub async fn create(&self, new: NewConnector) -> Result<(Arc<Connector>, Secret), ChangeError> {
        let changes = self.changes()?;
        let _changing = changes.changing.lock().await;
        if !crate::config::is_id(&new.id.0) {
            return Err(ChangeError::NoId);
        }
        if self.get(&new.id).is_some() {
            return Err(ChangeError::Exists);
        }
        if self.all().len() >= limits::CONNECTORS_MAX {
            return Err(ChangeError::TooMany);
        }
        let settings = changes.check(&new.id, &new.settings).map_err(ChangeError::Invalid)?;
        let now = (changes.now)();
        let (token, stored) = changes.fresh_token(&new.id, &settings, now);
        let stored = StoredConnector {
            settings: new.settings,
            state: ConnectorState::Active,
            tokens: vec![stored],
            made_at: now,
        };
        let connector = self.put(&new.id, 1, &stored).await?;
        info!(connector = %new.id, "connector {} was made", new.id);
        Ok((connector, token))
    }

    /// Sets keys of `[[connectors]]`; a null takes one back to its default.
    pub async fn update(
        &self,
        id: &ConnectorId,
        patch: Map<String, Value>,
    ) -> Result<Arc<Connector>, ChangeError> {
        self.change(id, |changes, stored| {
            for (name, value) in patch {
                match value {
                    Value::Null => stored.settings.remove(&name),
                    value => stored.settings.insert(name, value),
                };
            }
            let settings = changes.check(id, &stored.settings).map_err(ChangeError::Invalid)?;
            if settings.server_only {
                // From now on they are secrets, and those are told once.
                stored.tokens.iter_mut().for_each(StoredToken::forget);
            }
            Ok(())
        })
        .await
        .map(|(connector, ())| connector)
    }

    /// Makes a new token; those before it are good for `overlap_ms` more.
    pub async fn rotate(&self, id: &ConnectorId, overlap_ms: u64) -> Result<Secret, ChangeError> {
        let rotate = |changes: &Changes, stored: &mut StoredConnector| {
            let now = (changes.now)();
            stored.tokens.retain(|it| it.expires_at.is_none_or(|at| now < at));
            for token in &mut stored.tokens {
                let end = now + overlap_ms;
                token.expires_at = Some(token.expires_at.map_or(end, |it| it.min(end)));
            }
            stored.tokens.retain(|it| it.expires_at.is_some_and(|at| now < at));
            if stored.tokens.len() >= limits::CONNECTOR_TOKENS_MAX {
                return Err(ChangeError::TooManyTokens);
            }
            let named = stored.settings.get("bot").and_then(Value::as_str);
            let settings = changes.check_with(id, &stored.settings, named);
            let settings = settings.map_err(ChangeError::Invalid)?;
            let (token, fresh) = changes.fresh_token(id, &settings, now);
            stored.tokens.push(fresh);
            Ok(token)
        };
        let (_, token) = self.change(id, rotate).await?;
        info!(connector = %id, "connector {id} has a new token");
        Ok(token)
    }

    /// Disables a connector, or opens it again; or revokes it, for good, and has its sessions ended.
    pub async fn set_state(
        &self,
        id: &ConnectorId,
        state: ConnectorState,
    ) -> Result<Arc<Connector>, ChangeError> {
        let set = |_: &Changes, stored: &mut StoredConnector| {
            stored.state = state;
            Ok(())
        };
        let (connector, ()) = match self.change(id, set).await {
            // Asked for again.
            Err(ChangeError::Revoked) if state == ConnectorState::Revoked => {
                (self.get(id).ok_or(ChangeError::NotFound)?, ())
            }
            other => other?,
        };
        info!(connector = %id, ?state, "the state of connector {id} was set");
        if state == ConnectorState::Revoked {
            self.changes()?.has_revoked.notify_one();
        }
        Ok(connector)
    }

    /// The newest token of a connector, where it is published.
    pub async fn token(&self, id: &ConnectorId) -> Result<Option<Secret>, ChangeError> {
        let changes = self.changes()?;
        let (_, stored) = self.stored(id).await?;
        if self.get(id).is_some_and(|it| it.settings.server_only) {
            return Ok(None);
        }
        Ok(stored.tokens.last().and_then(|it| it.open(id, &changes.key)))
    }

    /// Waits until a connector is revoked here.
    pub async fn revocation(&self) {
        match &self.changes {
            Some(changes) => changes.has_revoked.notified().await,
            None => std::future::pending().await,
        }
    }

    fn changes(&self) -> Result<&Changes, ChangeError> {
        self.changes.as_ref().ok_or(ChangeError::InConfiguration)
    }

    /// A connector's record, if it has one.
    async fn stored(&self, id: &ConnectorId) -> Result<(u64, StoredConnector), ChangeError> {
        match self.get(id).map(|it| it.source) {
            Some(ConnectorSource::Configuration) => return Err(ChangeError::InConfiguration),
            Some(ConnectorSource::Stored) => {}
            None => return Err(ChangeError::NotFound),
        }
        let records = self.changes()?.store.records(RecordKind::Connector).await?;
        let record = records.into_iter().find(|it| it.id == id.0).ok_or(ChangeError::NotFound)?;
        let stored = read(&record).map_err(StoreError)?;
        Ok((record.revision, stored))
    }

    async fn change<T>(
        &self,
        id: &ConnectorId,
        change: impl FnOnce(&Changes, &mut StoredConnector) -> Result<T, ChangeError>,
    ) -> Result<(Arc<Connector>, T), ChangeError> {
        let changes = self.changes()?;
        let _changing = changes.changing.lock().await;
        let (revision, mut stored) = self.stored(id).await?;
        if stored.state == ConnectorState::Revoked {
            return Err(ChangeError::Revoked);
        }
        let told = change(changes, &mut stored)?;
        let connector = self.put(id, revision + 1, &stored).await?;
        Ok((connector, told))
    }

    /// Writes a record, and only then has the table know it.
    async fn put(
        &self,
        id: &ConnectorId,
        revision: u64,
        stored: &StoredConnector,
    ) -> Result<Arc<Connector>, ChangeError> {
        let changes = self.changes()?;
        let connector = stored.connector(id, changes).map_err(ChangeError::Invalid)?;
        let body = serde_json::to_string(stored).expect("a connector is plain data");
        let kind = RecordKind::Connector;
        let record = Record { kind, id: id.0.clone(), revision, body };
        match changes.store.put_record(&record).await? {
            Put::Conflict => return Err(ChangeError::Conflict),
            Put::Written => {}
        }
        let connector = Arc::new(connector);
        let mut table = self.table.write();
        let mut next = Table::clone(&table);
        next.add(Arc::clone(&connector), stored.hashes());
        *table = Arc::new(next);
        Ok(connector)
    }
}

impl Changes {
    /// A token that nobody can guess, and what is kept of it.
    fn fresh_token(
        &self,
        id: &ConnectorId,
        settings: &ConnectorSettings,
        now: Timestamp,
    ) -> (Secret, StoredToken) {
        let publishing =
            if settings.server_only { Publishing::Secret } else { Publishing::Published };
        let token = Secret::new(format!("sgc_{:032x}", rand::random::<u128>()));
        let stored = StoredToken::new(id, &token, publishing, &self.key, now);
        (token, stored)
    }
}

fn read(record: &Record) -> Result<StoredConnector, String> {
    serde_json::from_str(&record.body)
        .map_err(|error| format!("the record of connector {} is damaged: {error}", record.id))
}
