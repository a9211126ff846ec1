use axum::{
    http::{
        StatusCode,
        header::{CONNECTION, UPGRADE},
    },
    response::IntoResponse,
    routing::get,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use super::*;
use crate::address::TrustedProxies;

/// A server that says how each connection was handed over to it, and what came with the request.
async fn server() -> (SocketAddr, mpsc::Receiver<(bool, Bytes)>, CancellationToken) {
    let (sender, handed_over) = mpsc::channel(1);
    let upgrade = async move |mut request: Request| {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let (mut stream, read) = hand_over(upgrade.await.unwrap());
            sender.send((matches!(stream, Either::Left(_)), read)).await.unwrap();
            stream.write_all(b"bye").await.unwrap();
        });
        (StatusCode::SWITCHING_PROTOCOLS, [(CONNECTION, "upgrade"), (UPGRADE, "x")]).into_response()
    };
    let tcp = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, stop) = (tcp.local_addr().unwrap(), CancellationToken::new());
    let door = Arc::new(Door::new(TrustedProxies::default(), ServerLimits::default(), 10));
    let app = Router::new().route("/", get(upgrade));
    tokio::spawn(serve(Listener::Own(tcp), None, app, door, Arc::default(), stop.clone()));
    (address, handed_over, stop)
}

/// Else everything works, and each idle connection keeps what hyper had around it.
#[tokio::test]
async fn a_connection_without_tls_is_handed_over_bare_and_whole() {
    let (address, mut handed_over, stop) = server().await;
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nbehind";
    tcp.write_all(request).await.unwrap();
    let (is_bare, read) = handed_over.recv().await.unwrap();
    assert!(is_bare);
    assert_eq!(&*read, b"behind");
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.ends_with("\r\n\r\nbye"), "{answer}");
    stop.cancel();
}
