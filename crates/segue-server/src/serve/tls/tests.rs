//! What TLS must not take away from the connections below it.

use std::{net::SocketAddr, sync::atomic::Ordering};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::Instant,
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    address::Door,
    serve::{Listener, Wire, serve},
};

/// Files in order, and a client that trusts them.
fn files() -> (TempDir, TlsFiles, TlsConnector) {
    let folder = TempDir::new().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.path().join("certificate.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (folder, files, TlsConnector::from(Arc::new(config)))
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// What is merely encrypted is not yet taken by anybody.
#[tokio::test]
async fn bytes_count_when_the_other_end_takes_them() {
    const BYTES: usize = 32 * 1024 * 1024;
    let (_folder, files, client) = files();
    let acceptor = Certificates::open(files).unwrap().acceptor();
    let (listener, address) = listen().await;
    let wire = Arc::<Wire>::default();
    let counted = Arc::clone(&wire);
    let (may_read, reads) = tokio::sync::oneshot::channel();
    let (has_connected, connected) = tokio::sync::oneshot::channel();
    let reader = tokio::spawn(async move {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let tcp = socket.connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = client.connect(name, tcp).await.unwrap();
        has_connected.send(()).unwrap();
        reads.await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        bytes.len()
    });
    let (tcp, from) = listener.accept().await.unwrap();
    let place = Arc::<Door>::default().enter(from.ip(), None).unwrap();
    let mut stream = secure(&acceptor, Counted::new(tcp, counted, place)).await.unwrap();
    connected.await.unwrap();
    let written = || usize::try_from(wire.written.load(Ordering::Relaxed)).unwrap();
    let text = vec![7; BYTES];
    let mut writing = Box::pin(stream.write_all(&text));
    // Until the buffers in between are full: it is asked often and takes no more.
    let mut before = usize::MAX;
    while before != written() {
        before = written();
        for _ in 0..1_000 {
            assert!(futures_util::poll!(&mut writing).is_pending(), "the buffers hold everything");
            tokio::task::yield_now().await;
        }
    }
    assert!((1..BYTES).contains(&before), "{before}");
    may_read.send(()).unwrap();
    writing.await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(reader.await.unwrap(), BYTES, "and the end is said in TLS");
    assert!(written() > BYTES, "the records are larger than what is in them");
}

#[tokio::test(start_paused = true)]
async fn a_hand_shake_that_never_comes_ends_in_time() {
    let (_folder, files, _) = files();
    let acceptor = Certificates::open(files).unwrap().acceptor();
    let (listener, address) = listen().await;
    let stop = CancellationToken::new();
    let app = axum::Router::new();
    let server = tokio::spawn(serve(
        Listener::Own(listener),
        Some(acceptor),
        app,
        Arc::default(),
        Arc::default(),
        stop.clone(),
    ));
    let began = Instant::now();
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
    let mut answer = Vec::new();
    // A reset or an end.
    let _ = tcp.read_to_end(&mut answer).await;
    let took = began.elapsed().as_secs();
    assert_eq!((answer, took), (vec![], limits::TLS_HANDSHAKE_SECONDS_MAX));
    stop.cancel();
    server.await.unwrap();
}

#[test]
fn files_are_used_or_complained_about_once_for_each_change() {
    let (_folder, files, _) = files();
    let (_other, others, _) = self::files();
    let certificates = Certificates::open(files.clone()).unwrap();
    let current = || certificates.current.read().cert.clone();
    let first = current();
    let (seen, look) = certificates.look(None);
    assert_eq!(look, Look::Fresh);
    let (seen, look) = certificates.look(Some(seen));
    assert_eq!((look, current()), (Look::Same, first.clone()));
    std::fs::copy(&others.certificate, &files.certificate).unwrap();
    let (seen, look) = certificates.look(Some(seen));
    assert!(matches!(look, Look::Refused(TlsError::Mismatch { .. })), "{look:?}");
    let (seen, look) = certificates.look(Some(seen));
    assert_eq!((look, current()), (Look::Same, first.clone()));
    std::fs::copy(&others.key, &files.key).unwrap();
    let (_, look) = certificates.look(Some(seen));
    assert_eq!(look, Look::Fresh);
    assert_ne!(current(), first);
}

#[test]
fn a_pair_says_what_is_wrong_with_it() {
    let (_folder, files, _) = files();
    let (certificate, key) = (files.certificate(), files.key());
    assert_eq!(files.check(), Ok(()));
    let swapped = TlsFiles { certificate: files.key.clone(), key: files.certificate.clone() };
    let error = swapped.check().unwrap_err();
    assert_eq!(error.to_string(), format!("{key} holds no certificate in PEM"));
    let (_other, others, _) = self::files();
    let foreign = TlsFiles { key: others.key.clone(), ..files.clone() };
    let error = foreign.check().unwrap_err().to_string();
    let others = others.key();
    let expected = format!("the key in {others} does not serve the certificate in {certificate}");
    assert!(error.starts_with(&expected), "{error}");
    let missing = TlsFiles { key: "nowhere".into(), ..files };
    let error = missing.check().unwrap_err();
    assert!(error.to_string().starts_with("cannot read nowhere: "), "{error}");
}
