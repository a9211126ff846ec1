//! The connectors that this server knows: those of the configuration, and those that were made at run
//! time and are kept as records. Reading is a look into a table in memory; every change is durable
//! before the table has it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::RwLock;
use segue_core::{ConnectorId, Timestamp};
use sha2::{Digest, Sha256};

use crate::{
    config::Secret,
    connectors::{Connector, ConnectorState},
    limits::Limits,
};

mod changes;
mod stored;
#[cfg(test)]
mod tests;

pub use changes::{ChangeError, Changes, DirectoryError, NewConnector};

/// All connectors, by name.
pub type Connectors = BTreeMap<ConnectorId, Arc<Connector>>;

/// The connectors that this server knows.
pub struct Directory {
    table: RwLock<Arc<Table>>,
    /// `None` where nothing can change.
    changes: Option<Changes>,
}

/// What the directory knows at one moment.
#[derive(Clone, Default)]
struct Table {
    connectors: Connectors,
    /// Looked up by hash, so that how long it takes says nothing of a token.
    tokens: HashMap<TokenHash, KnownToken>,
}

/// SHA-256 of a connector's token.
type TokenHash = [u8; 32];

#[derive(Clone)]
struct KnownToken {
    connector: ConnectorId,
    /// No longer good from then on; zero for good.
    expires_at: Timestamp,
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}

impl Directory {
    /// These connectors with their tokens, for ever.
    pub fn fixed(connectors: impl IntoIterator<Item = (Connector, Secret)>) -> Self {
        let mut table = Table::default();
        for (connector, token) in connectors {
            table.add(Arc::new(connector), [(hash(token.expose()), 0)]);
        }
        Self { table: RwLock::new(Arc::new(table)), changes: None }
    }

    /// The connector of this name, whatever its state.
    pub fn get(&self, id: &ConnectorId) -> Option<Arc<Connector>> {
        self.table.read().connectors.get(id).cloned()
    }

    /// The connector, whatever its state, that this token opens now.
    pub fn by_token(&self, token: &str, now: Timestamp) -> Option<Arc<Connector>> {
        let table = Arc::clone(&self.table.read());
        let known = table.tokens.get(&hash(token))?;
        let is_good = known.expires_at == 0 || now < known.expires_at;
        is_good.then(|| table.connectors.get(&known.connector).cloned()).flatten()
    }

    /// The limits where no connector has its own.
    pub fn default_limits(&self) -> Limits {
        self.changes.as_ref().map_or_else(Limits::default, |it| it.limits)
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Connector>> {
        self.table.read().connectors.values().cloned().collect()
    }

    /// Those whose sessions have to end.
    pub fn revoked(&self) -> Vec<ConnectorId> {
        let is_revoked = |it: &Arc<Connector>| it.state == ConnectorState::Revoked;
        self.all().into_iter().filter(is_revoked).map(|it| it.id.clone()).collect()
    }
}

impl Table {
    fn add(
        &mut self,
        connector: Arc<Connector>,
        tokens: impl IntoIterator<Item = (TokenHash, Timestamp)>,
    ) {
        let id = connector.id.clone();
        self.tokens.retain(|_, it| it.connector != id);
        for (hash, expires_at) in tokens {
            self.tokens.insert(hash, KnownToken { connector: id.clone(), expires_at });
        }
        self.connectors.insert(id, connector);
    }
}
