//! The one HTTP client with which this program asks others. Everything that leaves for another
//! server goes through here, so that what must hold for all of it is said once: no redirects, no
//! proxy that happens to be in the environment, a bound on connecting.
//!
//! Targets that are named in the configuration file may be anywhere, private networks included:
//! whoever writes that file may reach them anyhow.

use std::{path::Path, sync::Arc, time::Duration};

use reqwest::{Certificate, Client, ClientBuilder, redirect};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};

use crate::{
    limits,
    serve::tls::{TlsError, read_certificates},
};

/// What holds for every outgoing request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutgoingLimits {
    /// Name resolution, TCP and TLS together take at most so long, in milliseconds.
    pub connect_ms_max: u64,
    /// A connection that nobody uses is kept at most so long, in milliseconds.
    pub idle_connection_ms_max: u64,
}

impl Default for OutgoingLimits {
    fn default() -> Self {
        Self {
            connect_ms_max: limits::BOT_CONNECT_SECONDS_MAX * 1_000,
            idle_connection_ms_max: limits::BOT_IDLE_CONNECTION_MS_MAX,
        }
    }
}

/// Builds the client. Clones of it share its connections, so one is enough for the whole process.
///
/// Without certificates on the machine it is built all the same: plain `http` works, and `https`
/// trusts nobody.
pub fn client(limits: &OutgoingLimits) -> reqwest::Result<Client> {
    install_crypto();
    match builder(limits).build() {
        Ok(client) => Ok(client),
        Err(error) => {
            tracing::warn!(%error, "no usable certificates on this machine, https to bots trusts nobody: {error}");
            builder(limits).tls_certs_only([]).build()
        }
    }
}

/// The same for whoever trusts these certificates and no others.
pub fn client_trusting(limits: &OutgoingLimits, trusted: &Trusted) -> reqwest::Result<Client> {
    install_crypto();
    trusted.only(builder(limits)).build()
}

/// Certificates of servers, or of those who vouch for them, that are trusted in place of those of
/// this machine.
#[derive(Debug, Clone)]
pub struct Trusted(Arc<RootCertStore>, Vec<Certificate>);

/// There are no such certificates.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read, or holds none.
    #[error(transparent)]
    File(#[from] TlsError),
    /// One of them is no certificate.
    #[error("{path} holds a certificate that cannot be used")]
    Unusable {
        /// The file.
        path: String,
    },
}

impl Trusted {
    /// All certificates of a file, PEM.
    pub fn read(path: &Path) -> Result<Self, TrustError> {
        let unusable = || TrustError::Unusable { path: path.display().to_string() };
        let (mut roots, mut certificates) = (RootCertStore::empty(), Vec::new());
        for der in read_certificates(path)? {
            certificates.push(Certificate::from_der(&der).map_err(|_| unusable())?);
            roots.add(CertificateDer::into_owned(der)).map_err(|_| unusable())?;
        }
        Ok(Self(Arc::new(roots), certificates))
    }

    /// A client that trusts nobody else.
    pub fn only(&self, builder: ClientBuilder) -> ClientBuilder {
        builder.tls_certs_only(self.1.iter().cloned())
    }

    /// The same for a connection that is no client's of HTTP.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows both versions");
        let config = builder.with_root_certificates(Arc::clone(&self.0)).with_no_client_auth();
        Arc::new(config)
    }
}

/// Makes *ring* what TLS computes with, for the whole process. Whoever opens a TLS connection
/// without the client of this module calls it first; any number of calls do no harm.
pub fn install_crypto() {
    // It fails only where a provider was installed before, and that one serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A request that did not come through, in words for the log: never the URL, it may hold a secret.
pub fn in_words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

fn builder(limits: &OutgoingLimits) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("segue/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(Duration::from_millis(limits.connect_ms_max))
        .pool_idle_timeout(Duration::from_millis(limits.idle_connection_ms_max))
}

#[cfg(test)]
mod tests;
