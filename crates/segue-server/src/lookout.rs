//! Looks for pushes that were lost: asks the store where the logs of all sessions end that have a
//! connection here, and has those connections read that did not hear of it. One question for all,
//! because a read for each is what idle connections would cost most, and none where nothing was appended
//! (docs/adr/0034).

use std::{sync::Arc, time::Duration};

use segue_core::{Position, SessionId, ports::StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{hub::Hub, limits, node::Node};

/// What looks for lost pushes on this node.
pub struct Lookout {
    node: Arc<Node>,
    hub: Arc<Hub>,
    /// Nothing is missed of what was appended up to here.
    looked_to: Option<u64>,
}

impl Lookout {
    /// For the connections of this hub.
    pub fn new(node: &Arc<Node>, hub: &Arc<Hub>) -> Self {
        Self { node: Arc::clone(node), hub: Arc::clone(hub), looked_to: None }
    }

    /// Looks now and then, until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.look_for_ever()).await;
    }

    async fn look_for_ever(&mut self) {
        let mut failures = 0_u32;
        loop {
            let pause_ms = match failures {
                0 => limits::LOOK_INTERVAL_MS,
                _ => limits::READ_RETRY_MS << (failures - 1).min(4),
            };
            sleep(Duration::from_millis(pause_ms)).await;
            match self.look().await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    warn!(%error, "cannot look for lost pushes now, will retry: {error}");
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        // Asked first: what is appended meanwhile is for the next look.
        let end = self.node.store.log_end().await?;
        if self.looked_to == Some(end) {
            return Ok(());
        }
        self.look_at_all().await?;
        self.looked_to = Some(end);
        Ok(())
    }

    async fn look_at_all(&self) -> Result<(), StoreError> {
        let ids = self.hub.connected();
        let heads = self.node.store.heads(&ids).await?;
        let heads: Vec<(SessionId, Position)> = ids.into_iter().zip(heads).collect();
        // Compared after the store has answered: what was pushed meanwhile is known.
        let behind = self.hub.behind(&heads);
        if behind.is_empty() {
            return Ok(());
        }
        // A push that is on its way is not lost, and on a busy node there is always one.
        sleep(Duration::from_millis(limits::ENTRY_ON_ITS_WAY_MS)).await;
        let missed = behind.iter().map(|(id, head)| self.hub.catch_up(*id, *head)).sum();
        self.node.metrics.pushes_missed(missed);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
