//! Where a connector may be used from (protocol, section 1): what is registered, and whether an
//! `X-Host` or an `Origin` matches it.
//!
//! Whatever could be read in two ways is refused: a browser may read it in the other one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use idna::AsciiDenyList;
use thiserror::Error;

use crate::limits::HOST_BYTES_MAX;

#[cfg(test)]
mod tests;

/// Longest name in the domain name system, as text.
const NAME_BYTES_MAX: usize = 253;
/// Longest part of such a name.
const LABEL_BYTES_MAX: usize = 63;
/// The `Origin` of a page that has none: a sandboxed frame, a local file.
const NULL_ORIGIN: &str = "null";

/// All that is registered for one connector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(Vec<Host>);

impl Hosts {
    /// Hosts and apps in any order.
    pub fn new(hosts: Vec<Host>) -> Self {
        Self(hosts)
    }

    /// Whether nothing is registered: `Connector missing host domain`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hosts and the apps, as they are registered.
    pub fn names(&self) -> (Vec<String>, Vec<String>) {
        let is_app = |it: &&Host| matches!(it.0, Registered::App(_));
        let (apps, hosts): (Vec<&Host>, Vec<&Host>) = self.0.iter().partition(is_app);
        let names = |those: Vec<&Host>| those.into_iter().map(Host::to_string).collect();
        (names(hosts), names(apps))
    }

    /// Whether an `X-Host` names something registered: a host, one of its subdomains, or an app.
    pub fn accept_host(&self, x_host: &str) -> bool {
        let x_host = x_host.trim_ascii();
        let place = Place::parse(x_host).ok();
        self.0.iter().any(|host| match &host.0 {
            Registered::App(name) => name == x_host,
            Registered::Null => x_host == NULL_ORIGIN,
            Registered::Host(registered) => {
                place.as_ref().is_some_and(|place| registered.covers(place))
            }
        })
    }

    /// Whether an `Origin` names something registered: a host or one of its subdomains. An app is
    /// no origin. A request without the header is not asked about.
    pub fn accept_origin(&self, origin: &str) -> bool {
        let place = Place::parse(origin).ok();
        self.0.iter().any(|host| match &host.0 {
            Registered::App(_) => false,
            Registered::Null => origin == NULL_ORIGIN,
            Registered::Host(registered) => {
                origin.contains("://")
                    && place.as_ref().is_some_and(|place| registered.covers(place))
            }
        })
    }
}

/// One thing that is registered: a host with its subdomains, or an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(Registered);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Registered {
    Host(Place),
    App(String),
    Null,
}

impl Host {
    /// A host as an operator writes it: `yourcompany.com`, `https://app.yourcompany.com/`,
    /// `localhost:3000`, `[::1]`, or `null` for pages without an origin.
    pub fn domain(text: &str) -> Result<Self, HostError> {
        if text == NULL_ORIGIN {
            return Ok(Self(Registered::Null));
        }
        if text.contains('*') {
            return Err(HostError::Wildcard);
        }
        let place = Place::parse(text)?;
        if let Name::Domain(name) = &place.name
            && is_public_suffix(name)
        {
            return Err(HostError::PublicSuffix);
        }
        Ok(Self(Registered::Host(place)))
    }

    /// The namespace of an app as its store knows it: `com.yourcompany.app`.
    pub fn app(text: &str) -> Result<Self, HostError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let sound = text.len() <= NAME_BYTES_MAX
            && text.split('.').all(|part| !part.is_empty() && part.bytes().all(plain));
        if sound { Ok(Self(Registered::App(text.to_owned()))) } else { Err(HostError::NoApp) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Registered::Host(place) => place.fmt(f),
            Registered::App(name) => f.write_str(name),
            Registered::Null => f.write_str(NULL_ORIGIN),
        }
    }
}

/// Why something cannot be registered; reads on after the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HostError {
    /// Too long, or of no known form.
    #[error("is not a host name, an IP address or the URL of one")]
    NoHost,
    /// A user name or a password in front of the host.
    #[error("must not hold a user name or a password")]
    Credentials,
    /// A colon that is not followed by a port.
    #[error("has no valid port after its colon (an IPv6 address is written in brackets)")]
    NoPort,
    /// Subdomains are included anyway.
    #[error("must not hold a wildcard: the subdomains of a host are included")]
    Wildcard,
    /// Names below it belong to many people.
    #[error("is a public suffix: names below it belong to others too; register your own name")]
    PublicSuffix,
    /// Not the name of an app.
    #[error("is not the namespace of an app, such as com.yourcompany.app")]
    NoApp,
}

/// A host, reduced to what is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    name: Name,
    /// The port that is written or that follows from the scheme.
    port: Option<Port>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// Lower case, ASCII, without a dot at its end.
    Domain(String),
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Written(u16),
    /// The one that a URL of this scheme means where none is written.
    OfScheme(u16),
}

impl Place {
    fn parse(text: &str) -> Result<Self, HostError> {
        // Browsers remove some of these before they read on.
        let removed = |c: char| c.is_control() || c.is_whitespace();
        if text.is_empty() || text.len() > HOST_BYTES_MAX || text.contains(removed) {
            return Err(HostError::NoHost);
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            // Later in the text it is part of a path.
            Some((before, _)) if !before.contains(['/', '?', '#']) => {
                return Err(HostError::NoHost);
            }
            _ => (None, text),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(HostError::Credentials);
        }
        let (host, port) = split_port(authority)?;
        let implied = || scheme.and_then(port_of).map(Port::OfScheme);
        Ok(Self { name: Name::parse(host)?, port: port.map(Port::Written).or_else(implied) })
    }

    /// Whether this registered host includes the other one: itself, or one of its subdomains.
    fn covers(&self, other: &Self) -> bool {
        let same_port = match (self.port, other.port) {
            (Some(Port::Written(a)), Some(Port::Written(b) | Port::OfScheme(b))) => a == b,
            (Some(Port::Written(_)), None) => false,
            (Some(Port::OfScheme(_)) | None, _) => true,
        };
        let same_name = match (&self.name, &other.name) {
            (Name::Address(a), Name::Address(b)) => a == b,
            (Name::Domain(own), Name::Domain(theirs)) => match theirs.strip_suffix(own.as_str()) {
                Some(below) => below.is_empty() || below.ends_with('.'),
                None => false,
            },
            _ => false,
        };
        same_port && same_name
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Name::Domain(name) => f.write_str(name)?,
            Name::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            Name::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
        }
        match self.port {
            Some(Port::Written(port)) => write!(f, ":{port}"),
            Some(Port::OfScheme(_)) | None => Ok(()),
        }
    }
}

impl Name {
    fn parse(host: &str) -> Result<Self, HostError> {
        if let Some(inner) = host.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::NoHost)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| HostError::NoHost)?;
            return Ok(Self::Address(address.into()));
        }
        // The deny list also refuses the backslash, a slash to browsers and a letter to others:
        // `evil.com\.yourcompany.com` is a page of evil.com.
        let ascii = idna::domain_to_ascii_cow(host.as_bytes(), AsciiDenyList::URL)
            .map_err(|_| HostError::NoHost)?;
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        let sound = |label: &str| (1..=LABEL_BYTES_MAX).contains(&label.len());
        // An asterisk may have come in another script, and is no wildcard here.
        if name.len() > NAME_BYTES_MAX
            || name.contains('*')
            || !name.split('.').all(sound)
            || ends_in_number(name)
        {
            return Err(HostError::NoHost);
        }
        Ok(Self::Domain(name.to_owned()))
    }
}

/// Whether everybody may register a name below this one: `com`, `co.uk`, `github.io`. Names that the
/// list does not have, such as `localhost`, are somebody's own. Where every name below is one
/// (`*.kawasaki.jp`), this one covers them all.
fn is_public_suffix(name: &str) -> bool {
    let is_listed = |name: &str| {
        psl::suffix(name.as_bytes()).is_some_and(|it| it.is_known() && it == name.as_bytes())
    };
    is_listed(name) || is_listed(&format!("any.{name}"))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn port_of(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), HostError> {
    // The colons of an IPv6 address stand before its closing bracket.
    let after_address = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[after_address..].find(':') else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(after_address + colon);
    match &port[1..] {
        "" => Ok((host, None)),
        // `u16::from_str` would take a plus sign.
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map(|port| (host, Some(port))).map_err(|_| HostError::NoPort)
        }
        _ => Err(HostError::NoPort),
    }
}

/// Browsers read a name whose last part is a number as an IPv4 address in one of its old forms
/// (`127.1`, `0x7f000001`); here only the usual form is one.
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hex =
        last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || last.bytes().all(|b| b.is_ascii_digit())
}
