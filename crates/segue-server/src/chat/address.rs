//! Where the server is: what a person types as its address, and what lies below it.

use std::net::IpAddr;

use reqwest::Url;

/// The address of a server, without a slash at its end: paths are put behind it, so that a server
/// below a path of a proxy can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    base: Url,
}

/// What was typed is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It cannot be read.
    #[error("not an address of a server: {0:?}")]
    Unreadable(String),
    /// It is one, of another kind.
    #[error("the address of a server begins with http:// or https://, not {0}://")]
    Scheme(String),
}

impl Address {
    /// Reads what a person types: `https://chat.example.com`, or without a scheme, and then plain
    /// HTTP is meant on this machine only. What does not belong to a base (query, user) is dropped.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let text = text.trim();
        let unreadable = |_| BadAddress::Unreadable(text.to_owned());
        let mut base = if text.contains("://") {
            Url::parse(text).map_err(unreadable)?
        } else {
            let plain = Url::parse(&format!("http://{text}")).map_err(unreadable)?;
            if is_loopback(plain.host_str().unwrap_or_default()) {
                plain
            } else {
                Url::parse(&format!("https://{text}")).map_err(unreadable)?
            }
        };
        let scheme = match base.scheme() {
            "http" | "ws" => "http",
            "https" | "wss" => "https",
            other => return Err(BadAddress::Scheme(other.to_owned())),
        };
        let is_done = base.set_scheme(scheme).is_ok()
            && base.set_username("").is_ok()
            && base.set_password(None).is_ok();
        if !is_done {
            return Err(BadAddress::Unreadable(text.to_owned()));
        }
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self { base })
    }

    /// The address of something on the server; the path begins with a slash.
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// The address of a session's socket. A cursor of 0 says nothing, so it is left out (protocol,
    /// section 1). The access token is not in it: addresses end up in access logs.
    pub fn socket(&self, session_id: &str, cursor: u64) -> Url {
        let mut url = self.at("/ws");
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).expect("a web scheme can be replaced by a socket's");
        url.query_pairs_mut().append_pair("session_id", session_id);
        if cursor > 0 {
            url.query_pairs_mut().append_pair("cursor", &cursor.to_string());
        }
        url
    }

    /// The name of the server; an IPv6 address stands in brackets.
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// What TCP connects to.
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.host(), self.base.port_or_known_default().unwrap_or(80))
    }

    /// Whether the server is on this machine.
    pub fn is_here(&self) -> bool {
        is_loopback(self.host())
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.base.as_str().trim_end_matches('/'))
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests;
