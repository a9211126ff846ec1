//! How often an address may shake hands (protocol, section 1).

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use parking_lot::Mutex;
use segue_core::{ConnectorId, Timestamp};

use crate::{
    limits::{self, Limits},
    rates::Bucket,
    wire::HttpError,
};

/// The rates of addresses, apart for each connector, and for those who name none that exists.
#[derive(Debug, Default)]
pub struct HandshakeRates(Mutex<BTreeMap<(IpAddr, Option<ConnectorId>), Bucket>>);

impl HandshakeRates {
    /// Takes a permit for one request.
    pub fn take(
        &self,
        now: Timestamp,
        address: IpAddr,
        connector: Option<&ConnectorId>,
        limits: &Limits,
    ) -> Result<(), HttpError> {
        let mut buckets = self.0.lock();
        if buckets.len() >= limits::HANDSHAKE_ADDRESSES_MAX {
            buckets.retain(|_, it| !it.is_full(now));
        }
        let fresh = || Bucket::new(limits.handshakes_per_second, limits.handshakes_burst);
        let key = (network(address), connector.cloned());
        let taken = if buckets.len() >= limits::HANDSHAKE_ADDRESSES_MAX {
            // More addresses than can be told apart are asking at once: they share one rate.
            let shared = (IpAddr::V6(Ipv6Addr::UNSPECIFIED), None);
            buckets.entry(shared).or_insert_with(fresh).take(now)
        } else {
            buckets.entry(key).or_insert_with(fresh).take(now)
        };
        taken.map_err(|retry_after_ms| HttpError::RateLimited { retry_after_ms })
    }
}

/// One subscriber has a whole IPv6 network of 64 bits.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => IpAddr::V6((it.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}
