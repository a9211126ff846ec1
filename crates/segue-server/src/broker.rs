//! The broker of a single node: the cluster with one member.

use std::sync::Arc;

use async_trait::async_trait;
use segue_core::{Entry, SessionId, ports::Broker};

use crate::hub::Hub;

/// Tells this node's hub, at once. `[broker] url = "local:"`.
pub struct LocalBroker(pub Arc<Hub>);

#[async_trait]
impl Broker for LocalBroker {
    async fn publish(&self, id: SessionId, entries: Arc<[Entry]>) {
        self.0.deliver(id, &entries);
    }
}
