//! What the routes work with where no server runs: for commands on the data folder. Nobody listens,
//! no job is done, and no node is recorded as alive.

use std::sync::Arc;

use segue_core::{NodeId, ports::Store};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Folders, directory, open_keys, sources};
use crate::{
    address::Door,
    api_keys::ApiKeys,
    broker::LocalBroker,
    config::Config,
    health::Health,
    http::{self, App},
    hub::Hub,
    node::Node,
    outgoing,
    secrets::SecretsKey,
};

/// Puts the routes' parts together, around a store that is open already.
pub async fn offline(mut config: Config, store: Arc<dyn Store>) -> anyhow::Result<Arc<App>> {
    outgoing::install_crypto();
    let sources = sources();
    let keys = Arc::new(open_keys(&config.store, (sources.now)())?);
    let secrets = Arc::new(SecretsKey::open(&config.secrets_key, config.store.folder())?);
    config.open_sealed(&secrets)?;
    let mut folders = Folders::default();
    let connectors = directory(&config, &store, secrets, &sources, &mut folders).await?;
    let hub = Arc::<Hub>::default();
    let broker = Arc::new(LocalBroker(Arc::clone(&hub)));
    let api_keys = ApiKeys::new(Arc::clone(&store));
    let node_id = NodeId((sources.new_id)());
    let node = Arc::new(Node::new(node_id, store, broker, sources, Arc::default()));
    Ok(Arc::new(App {
        health: Arc::new(Health::new(Arc::clone(&node), None, None, 0)),
        node,
        hub,
        connectors: Arc::new(connectors),
        keys,
        limits: config.limits,
        settings: config.settings,
        server_limits: config.server_limits,
        demo: None,
        stop: CancellationToken::new(),
        sockets: TaskTracker::new(),
        handshakes: http::HandshakeRates::default(),
        api_keys,
        admin_failures: http::admin::Failures::new(&config.server_limits),
        door: Arc::new(Door::new(
            config.server.trusted_proxies,
            config.server_limits,
            tokio::sync::Semaphore::MAX_PERMITS,
        )),
        overload: crate::overload::OverloadLog::default(),
    }))
}
