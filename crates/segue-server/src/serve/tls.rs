//! TLS at the listener: who the server is, as it stands in two files, and what becomes of them.
//!
//! A pair that cannot be used never replaces one that can.

use std::{fs::File, io::Read as _, path::Path, sync::Arc, time::Duration};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use thiserror::Error;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{debug, info, warn};

use super::stream::{Counted, linger};
use crate::{config::TlsFiles, limits};

/// Why a pair of files cannot be used. Says which file, never what is in it.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum TlsError {
    /// One of them cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// One of them holds something else.
    #[error("{path} holds no {what} in PEM")]
    NotPem {
        /// Which.
        path: String,
        /// What it should hold.
        what: &'static str,
    },
    /// The key is not that of the certificate, or of no kind that is known.
    #[error("the key in {key} does not serve the certificate in {certificate}: {reason}")]
    Mismatch {
        /// The file of the certificate.
        certificate: String,
        /// The file of the key.
        key: String,
        /// What the library says.
        reason: String,
    },
}

/// The pair that the server shows, until its files hold another one.
#[derive(Debug)]
pub struct Certificates {
    files: TlsFiles,
    current: RwLock<Arc<CertifiedKey>>,
}

/// What the two files hold.
#[derive(PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

type Read = Result<Pair, TlsError>;

/// What a look at the files has brought.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// Nothing: they are as they were.
    Same,
    /// A pair that is in order, and used from now on.
    Fresh,
    /// Something else: the current pair stays.
    Refused(TlsError),
}

impl Certificates {
    /// Reads the files, which have to be in order.
    pub fn open(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let current = Pair::read(&files)?.parse(&files)?;
        Ok(Arc::new(Self { files, current: RwLock::new(Arc::new(current)) }))
    }

    /// What takes connections with them.
    pub fn acceptor(self: &Arc<Self>) -> TlsAcceptor {
        TlsAcceptor::from(Arc::new(server_config(Arc::clone(self) as Arc<dyn ResolvesServerCert>)))
    }

    /// Looks at the files for ever: a pair that is in order replaces the current one, any other is
    /// warned of, once.
    pub async fn follow(self: Arc<Self>) {
        let interval = Duration::from_millis(limits::TLS_RELOAD_INTERVAL_MS);
        let mut seen = None;
        loop {
            let certificates = Arc::clone(&self);
            // A folder on a network may take its time.
            let looking = tokio::task::spawn_blocking(move || certificates.look(seen));
            let (read, look) = looking.await.expect("looking at files does not panic");
            seen = Some(read);
            match look {
                Look::Same => {}
                Look::Fresh => {
                    info!("the certificate in {} is used from now on", self.files.certificate());
                }
                Look::Refused(error) => warn!(%error, "the certificate is not replaced: {error}"),
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// Reads the files and compares them with what was read before.
    fn look(&self, seen: Option<Read>) -> (Read, Look) {
        let read = Pair::read(&self.files);
        if seen.is_some_and(|it| it == read) {
            return (read, Look::Same);
        }
        let look = match read.as_ref().map_err(Clone::clone).and_then(|it| it.parse(&self.files)) {
            Ok(fresh) => {
                *self.current.write() = Arc::new(fresh);
                Look::Fresh
            }
            Err(error) => Look::Refused(error),
        };
        (read, look)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

impl Pair {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self { certificate: read(&files.certificate)?, key: read(&files.key)? })
    }

    fn parse(&self, files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
        let (certificate, key) = (files.certificate(), files.key());
        let chain = certificates(&self.certificate, &files.certificate)?;
        let secret = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| TlsError::NotPem { path: key.clone(), what: "private key" })?;
        CertifiedKey::from_der(chain, secret, &ring::default_provider())
            .map_err(|error| TlsError::Mismatch { certificate, key, reason: error.to_string() })
    }
}

/// The certificates of a file, at least one.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates(&read(path)?, path)
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let not_pem = || TlsError::NotPem { path: path.display().to_string(), what: "certificate" };
    all.ok().filter(|it| !it.is_empty()).ok_or_else(not_pem)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let all =
        File::open(path).and_then(|it| it.take(limits::TLS_FILE_BYTES_MAX).read_to_end(&mut bytes));
    match all {
        Ok(_) => Ok(bytes),
        Err(error) => Err(TlsError::Unreadable {
            path: path.display().to_string(),
            reason: error.to_string(),
        }),
    }
}

/// TLS 1.2 and 1.3, HTTP/1.1 within.
fn server_config(resolver: Arc<dyn ResolvesServerCert>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows both versions")
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Everybody comes back after an outage: tickets spare most of the hand-shake and, unlike the
    // library's cache of sessions, know no number of clients.
    match ring::Ticketer::new() {
        Ok(ticketer) => config.ticketer = ticketer,
        Err(error) => warn!(%error, "without tickets, reconnecting costs more"),
    }
    config
}

/// The hand-shake of one connection. `None` where it came to nothing: the connection is over then.
pub(super) async fn secure(tls: &TlsAcceptor, counted: Counted) -> Option<TlsStream<Counted>> {
    let patience = Duration::from_secs(limits::TLS_HANDSHAKE_SECONDS_MAX);
    match tokio::time::timeout(patience, tls.accept(counted).into_fallible()).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err((error, counted))) => {
            // Who speaks plain HTTP here is not answered in it: to clients that ask for a socket,
            // an HTTP error means that their conversation is gone.
            debug!(%error, "a connection came to no TLS");
            linger(counted).await;
            None
        }
        Err(_) => {
            debug!("a TLS hand-shake took too long");
            None
        }
    }
}

impl TlsFiles {
    /// Whether they can be used, without using them.
    pub fn check(&self) -> Result<(), TlsError> {
        Pair::read(self)?.parse(self).map(|_| ())
    }

    fn certificate(&self) -> String {
        self.certificate.display().to_string()
    }

    fn key(&self) -> String {
        self.key.display().to_string()
    }
}

#[cfg(test)]
mod tests;
