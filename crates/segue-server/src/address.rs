//! Who is at the other end: whose request it is where proxies stand in between, and how many
//! connections an address has open. Believes nobody who is not configured to be believed.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::{IpNet, Ipv4Net};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tracing::{debug, warn};

use crate::limits::{self, ServerLimits};

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How many bits an IPv4 address is mapped behind in IPv6.
const MAPPED_PREFIX: u8 = 96;

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address: the connection's own, unless a trusted proxy names another.
    pub address: IpAddr,
    /// Whether it came by way of a proxy, trusted or not, as far as one can see.
    pub is_forwarded: bool,
}

impl TrustedProxies {
    /// Adds an address or a network in CIDR notation; false, and nothing done, if it is neither.
    pub fn add(&mut self, text: &str) -> bool {
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let Some(net) = text.parse::<IpNet>().ok().or_else(address) else { return false };
        self.0.push(canonical(net));
        true
    }

    /// Whether everybody is trusted, at least all who have an address of one kind.
    pub fn trust_everybody(&self) -> bool {
        self.0.iter().any(|it| it.prefix_len() == 0)
    }

    /// Whether this is one of them.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|it| it.contains(&address))
    }

    /// The client behind a connection from `peer`.
    ///
    /// Each proxy adds the address that it was called from on the right. So the list is read from
    /// the right as long as it was written by proxies that are trusted; the first other address is
    /// the client, and whatever stands left of it is what the client says of itself. A list that
    /// cannot be read says nothing: then it is the peer.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let peer = peer.to_canonical();
        let is_forwarded =
            headers.contains_key(&FORWARDED_FOR) || headers.contains_key("forwarded");
        let named = if self.trusts(peer) { self.named(headers) } else { None };
        Client { address: named.unwrap_or(peer), is_forwarded }
    }

    fn named(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let lines: Vec<&[u8]> =
            headers.get_all(&FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(|it| *it == b','));
        let mut farthest = None;
        for hop in hops {
            let Some(address) = hop_address(hop) else {
                debug!("an X-Forwarded-For that is no list of addresses says nothing");
                return None;
            };
            farthest = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        // Nobody but trusted ones: the one that began it.
        farthest
    }
}

/// An IPv4 network, however it is written.
fn canonical(net: IpNet) -> IpNet {
    match (net, net.addr().to_canonical()) {
        (IpNet::V6(_), IpAddr::V4(v4)) if net.prefix_len() >= MAPPED_PREFIX => {
            let prefix = net.prefix_len() - MAPPED_PREFIX;
            Ipv4Net::new(v4, prefix).map_or(net, IpNet::V4)
        }
        _ => net,
    }
}

/// An address, with a port or without one, in brackets or not: proxies differ.
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    let address = text.parse::<IpAddr>().ok().or_else(with_port).or_else(bare);
    address.map(|it| it.to_canonical())
}

/// What counts as one address: an IPv4 address, or the 64 bits of an IPv6 network that one
/// subscriber has to himself.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => IpAddr::V6((it.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whoever comes in passes here: who is believed, and how many connections each address has open.
#[derive(Debug)]
pub struct Door {
    trusted: TrustedProxies,
    limits: ServerLimits,
    open: Mutex<BTreeMap<IpAddr, u64>>,
    /// Room for connections, whoever's they are.
    room: Arc<Semaphore>,
    connections_max: usize,
    /// Turns of those whose sessions are not known here.
    resumes: Semaphore,
    has_warned: AtomicBool,
    is_full: AtomicBool,
}

/// Room for one connection.
pub type Room = OwnedSemaphorePermit;

/// One connection of an address; it counts until this is dropped.
#[derive(Debug)]
pub struct Place {
    door: Arc<Door>,
    /// `None` for one that is not counted.
    of: Option<IpAddr>,
    _room: Option<Room>,
}

impl Door {
    /// A door through which nobody has come yet, with room for so many connections.
    pub fn new(trusted: TrustedProxies, limits: ServerLimits, connections_max: usize) -> Self {
        Self {
            trusted,
            limits,
            open: Mutex::default(),
            room: Arc::new(Semaphore::new(connections_max)),
            connections_max,
            resumes: Semaphore::new(limits::RESUMES_AT_ONCE_MAX),
            has_warned: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
        }
    }

    /// The limits of the whole server.
    pub fn limits(&self) -> &ServerLimits {
        &self.limits
    }

    /// How many connections are open, and how many there may be.
    pub fn connections(&self) -> (usize, usize) {
        (self.connections_max - self.room.available_permits(), self.connections_max)
    }

    /// Room for one more connection; waits while there is none.
    pub async fn room(&self) -> Room {
        if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
            self.is_full.store(false, Ordering::Relaxed);
            return room;
        }
        if !self.is_full.swap(true, Ordering::Relaxed) {
            let connections = self.connections_max;
            warn!(connections, "{connections} connections are open, others have to wait");
        }
        let room = Arc::clone(&self.room).acquire_owned().await;
        room.expect("nobody closes this semaphore")
    }

    /// A turn to open a session that this node does not know; waits while many have one. When everybody
    /// comes back at once, those who begin a conversation would wait behind all of them otherwise.
    pub async fn resume(&self) -> SemaphorePermit<'_> {
        self.resumes.acquire().await.expect("nobody closes this semaphore")
    }

    /// Whose request it is.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let client = self.trusted.client(peer, headers);
        let is_near = match peer.to_canonical() {
            IpAddr::V4(it) => it.is_loopback() || it.is_private(),
            IpAddr::V6(it) => it.is_loopback() || it.is_unique_local(),
        };
        // A proxy that was forgotten makes all its clients share the rates of one address.
        if client.is_forwarded
            && is_near
            && !self.trusted.trusts(peer)
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            warn!(
                %peer,
                "X-Forwarded-For of {peer} is not believed: if that is your proxy, add it to \
                 trusted_proxies"
            );
        }
        client
    }

    /// A place for a connection from this address; `None` when it has as many as it may. Those of
    /// a trusted proxy are not counted: its clients are, one by one.
    pub fn enter(self: &Arc<Self>, peer: IpAddr, room: Option<Room>) -> Option<Place> {
        if self.trusted.trusts(peer) {
            return Some(Place { door: Arc::clone(self), of: None, _room: room });
        }
        let of = network(peer);
        let mut open = self.open.lock();
        let count = open.entry(of).or_default();
        let max = self.limits.connections_per_address;
        if max > 0 && *count >= max {
            return None;
        }
        *count += 1;
        Some(Place { door: Arc::clone(self), of: Some(of), _room: room })
    }

    /// A place for the socket of a client whose connection is a trusted proxy's. Any other
    /// connection was counted when it came in.
    pub fn enter_behind(self: &Arc<Self>, peer: IpAddr, client: Client) -> Option<Place> {
        if self.trusted.trusts(peer) {
            return self.enter(client.address, None);
        }
        Some(Place { door: Arc::clone(self), of: None, _room: None })
    }
}

impl Default for Door {
    fn default() -> Self {
        Self::new(TrustedProxies::default(), ServerLimits::default(), Semaphore::MAX_PERMITS)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(of) = self.of else { return };
        let mut open = self.door.open.lock();
        let count = open.get_mut(&of).expect("a place that is taken is counted");
        *count -= 1;
        if *count == 0 {
            open.remove(&of);
        }
    }
}

#[cfg(test)]
mod tests;
