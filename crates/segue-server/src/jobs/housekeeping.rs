//! What has to be done for sessions that nobody asks for: ending those of revoked connectors, deleting
//! those that were kept for long enough. Looks anew each time, so that nothing is lost with a node.

use std::collections::{BTreeMap, BTreeSet};

use segue_core::{
    Actor, Command, ConnectorId, Revoked, SessionId,
    ports::{Liveness, SessionQuery, StoreError, Visible},
};
use tracing::{info, warn};

use super::Workers;
use crate::{limits, node::Outcome};

const DAY_MS: u64 = 86_400_000;

/// Who deletes what was kept for long enough, as the proof names it.
const BY_RETENTION: &str = "retention";

impl Workers {
    pub(super) async fn keep_house(&self) {
        if let Err(error) = self.end_revoked().await {
            warn!(%error, "sessions of revoked connectors cannot be ended now");
        }
        if let Err(error) = self.delete_old().await {
            warn!(%error, "sessions that were kept for long enough cannot be deleted now");
        }
    }

    /// Ends the sessions of revoked connectors.
    async fn end_revoked(&self) -> Result<(), StoreError> {
        let revoked: BTreeSet<ConnectorId> = self.connectors.revoked().into_iter().collect();
        if revoked.is_empty() {
            return Ok(());
        }
        let mut query = SessionQuery {
            connectors: Visible::Only(revoked),
            liveness: Some(Liveness::Live),
            ..SessionQuery::first(limits::HOUSEKEEPING_BATCH)
        };
        loop {
            let page = self.node.store.list(&query).await?;
            let Some(last) = page.last() else { return Ok(()) };
            query.after = Some(last.session.id);
            for listed in &page {
                let revoke = [Command::Revoke(Revoked::Connector)];
                let id = listed.session.id;
                match self.node.execute(id, Actor::System, &revoke).await.remove(0) {
                    Outcome::Unavailable => {
                        return Err(StoreError(format!("session {id} was not ended")));
                    }
                    _ => info!(session.id = %id, "ended session {id}: its connector was revoked"),
                }
            }
        }
    }

    /// Deletes sessions that have ended longer ago than their connector keeps them. Those of
    /// connectors that are gone are kept as long as the server's limit says.
    async fn delete_old(&self) -> Result<(), StoreError> {
        let mut by_days: BTreeMap<u64, BTreeSet<ConnectorId>> = BTreeMap::new();
        let mut known = BTreeSet::new();
        for connector in self.connectors.all() {
            known.insert(connector.id.clone());
            by_days
                .entry(connector.limits.retention_days)
                .or_default()
                .insert(connector.id.clone());
        }
        let others = self.connectors.default_limits().retention_days;
        let groups = by_days.into_iter().map(|(days, those)| (days, Visible::Only(those)));
        for (days, connectors) in groups.chain([(others, Visible::Except(known))]) {
            if days > 0 {
                self.delete_ended(connectors, days).await?;
            }
        }
        Ok(())
    }

    /// Deletes a batch at a time; what is left has its turn the next time.
    async fn delete_ended(&self, connectors: Visible, days: u64) -> Result<(), StoreError> {
        let now = self.node.now();
        let query = SessionQuery {
            connectors,
            liveness: Some(Liveness::Ended),
            ended_before: Some(now.saturating_sub(days * DAY_MS)),
            ..SessionQuery::first(limits::HOUSEKEEPING_BATCH)
        };
        let old: Vec<SessionId> =
            self.node.store.list(&query).await?.iter().map(|it| it.session.id).collect();
        for id in &old {
            self.node.delete(*id, BY_RETENTION).await?;
        }
        if !old.is_empty() {
            info!(sessions = old.len(), days, "deleted sessions that were kept for {days} days");
        }
        Ok(())
    }
}
