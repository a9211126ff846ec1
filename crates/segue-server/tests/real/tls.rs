//! Certificates, and a tunnel through which clients that speak plain bytes reach a server that
//! speaks TLS.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A certificate for `localhost` that vouches for itself, and its key.
pub struct Identity {
    /// As it goes over the wire.
    pub der: CertificateDer<'static>,
    certificate: String,
    key: String,
}

impl Identity {
    /// A new one.
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            der: made.cert.der().clone(),
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    /// Writes the certificate.
    pub fn write_certificate(&self, folder: &Path) {
        fs::write(folder.join("certificate.pem"), &self.certificate).unwrap();
    }

    /// Writes the key.
    pub fn write_key(&self, folder: &Path) {
        fs::write(folder.join("key.pem"), &self.key).unwrap();
    }

    /// Writes both.
    pub fn write(&self, folder: &Path) {
        self.write_certificate(folder);
        self.write_key(folder);
    }

    /// The lines of a configuration that uses the files in this folder.
    pub fn toml(folder: &Path) -> String {
        let file = |name: &str| serde_json::Value::from(folder.join(name).to_str().unwrap());
        let (certificate, key) = (file("certificate.pem"), file("key.pem"));
        format!("[tls]\ncertificate = {certificate}\nkey = {key}\n")
    }
}

/// Somebody who trusts these, and speaks these versions of TLS.
#[derive(Clone)]
pub struct Client(TlsConnector);

impl Client {
    /// Who speaks all versions.
    pub fn new(trusted: &[&Identity]) -> Self {
        Self::with_versions(trusted, rustls::ALL_VERSIONS)
    }

    /// Who speaks only these.
    pub fn with_versions(
        trusted: &[&Identity],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        for identity in trusted {
            roots.add(identity.der.clone()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self(TlsConnector::from(Arc::new(config)))
    }

    /// A connection whose hand-shake is over.
    pub async fn connect(&self, address: SocketAddr) -> TlsStream<TcpStream> {
        self.over(TcpStream::connect(address).await.unwrap()).await
    }

    /// Shakes hands over this connection.
    pub async fn over(&self, tcp: TcpStream) -> TlsStream<TcpStream> {
        let name = ServerName::try_from("localhost").unwrap();
        self.0.connect(name, tcp).await.unwrap()
    }

    /// The certificate that the server shows.
    pub async fn shown(&self, address: SocketAddr) -> CertificateDer<'static> {
        let stream = self.connect(address).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }

    /// Listens for those who speak no TLS, and speaks it for them.
    pub async fn tunnel_to(&self, server: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = self.clone();
        tokio::spawn(async move {
            loop {
                let (mut plain, _) = listener.accept().await.unwrap();
                plain.set_nodelay(true).unwrap();
                let client = client.clone();
                tokio::spawn(async move {
                    let mut secure = client.connect(server).await;
                    // Either end may go whenever it likes.
                    let _ = tokio::io::copy_bidirectional(&mut plain, &mut secure).await;
                });
            }
        });
        address
    }
}
