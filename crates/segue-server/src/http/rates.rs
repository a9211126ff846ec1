//! How often an address, and a connector, may shake hands (protocol, section 1).

use std::{collections::BTreeMap, net::IpAddr};

use parking_lot::Mutex;
use segue_core::{ConnectorId, Timestamp};

use crate::{
    address::network,
    limits::{self, Limits},
    rates::Bucket,
    wire::HttpError,
};

/// The rates of addresses, apart for each connector, and for those who name none that exists; and
/// the rates of connectors.
#[derive(Debug, Default)]
pub struct HandshakeRates(Mutex<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    addresses: BTreeMap<Asker, Bucket>,
    purged_at: Timestamp,
    /// More addresses than can be told apart share these.
    shared: BTreeMap<Asked, Bucket>,
    connectors: BTreeMap<ConnectorId, Bucket>,
}

type Asker = (IpAddr, Option<ConnectorId>, Asked);

/// Sessions that live come back through sockets; what new ones use up must not keep them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    /// An access token or a session.
    New,
    Socket,
}

impl HandshakeRates {
    /// Takes a permit for one request for an access token or a session.
    pub fn take(
        &self,
        now: Timestamp,
        address: IpAddr,
        connector: Option<&ConnectorId>,
        limits: &Limits,
    ) -> Result<(), HttpError> {
        let mut buckets = self.0.lock();
        let fresh = || Bucket::new(limits.handshakes_per_second, limits.handshakes_burst);
        let of_address = buckets.of_address(now, address, connector, Asked::New, fresh).take(now);
        // Only who is within its own rate counts for all: one address cannot use up a connector.
        let taken = of_address.and_then(|()| match connector {
            Some(connector) => buckets.of_connector(connector, limits).take(now),
            None => Ok(()),
        });
        taken.map_err(|retry_after_ms| HttpError::RateLimited { retry_after_ms })
    }

    /// Takes a permit for a socket of a session, or says after how many milliseconds to come again.
    pub fn take_socket(
        &self,
        now: Timestamp,
        address: IpAddr,
        connector: &ConnectorId,
        limits: &Limits,
    ) -> Result<(), u64> {
        let fresh = || Bucket::new(limits.sockets_per_second, limits.sockets_burst);
        let mut buckets = self.0.lock();
        buckets.of_address(now, address, Some(connector), Asked::Socket, fresh).take(now)
    }
}

impl Buckets {
    fn of_address(
        &mut self,
        now: Timestamp,
        address: IpAddr,
        connector: Option<&ConnectorId>,
        asked: Asked,
        fresh: impl Fn() -> Bucket,
    ) -> &mut Bucket {
        let key = (network(address), connector.cloned(), asked);
        let is_full = self.addresses.len() >= limits::HANDSHAKE_ADDRESSES_MAX;
        // Not with every request: whoever sends from so many addresses would have all the time.
        let since_purge_ms = now.abs_diff(self.purged_at);
        if is_full && since_purge_ms >= limits::HANDSHAKE_ADDRESSES_PURGE_MS {
            self.purged_at = now;
            self.addresses.retain(|_, it| !it.is_full(now));
        }
        let is_full = self.addresses.len() >= limits::HANDSHAKE_ADDRESSES_MAX;
        let bucket = if is_full && !self.addresses.contains_key(&key) {
            self.shared.entry(asked).or_insert_with(&fresh)
        } else {
            self.addresses.entry(key).or_insert_with(&fresh)
        };
        bucket.become_like(fresh());
        bucket
    }

    fn of_connector(&mut self, connector: &ConnectorId, limits: &Limits) -> &mut Bucket {
        let Limits { connector_handshakes_per_second, connector_handshakes_burst, .. } = *limits;
        let fresh = || Bucket::new(connector_handshakes_per_second, connector_handshakes_burst);
        let bucket = self.connectors.entry(connector.clone()).or_insert_with(fresh);
        bucket.become_like(fresh());
        bucket
    }
}

#[cfg(test)]
mod tests;
