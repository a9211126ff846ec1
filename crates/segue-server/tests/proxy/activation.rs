//! A service manager holds the listening socket: a restart refuses nobody. And what the program
//! tells it.

use std::{net::SocketAddr, os::unix::net::UnixDatagram, sync::Arc};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use segue_server::serve::{Listener, serve};

use crate::{
    client,
    configuration::{TOKEN, configure},
    program::Launch,
    raw::{Came, Raw, upgrade_head},
    shop::{LISTEN, Visit},
};

const LIMITS: &str = "connections_per_session = 1000\nhandshakes_per_second = 0";

/// What became of somebody who connected at some moment.
#[derive(Debug, PartialEq)]
enum Served {
    /// With the conversation.
    Now,
    /// With the word to come again: by a server that was about to go.
    Later,
}

async fn visit(tcp: TcpStream, path: &str) -> Served {
    let (status, mut socket) = Raw::upgrade(tcp, path).await.expect("nobody is refused");
    assert_eq!(status, 101);
    match socket.next().await {
        Came::Frame(batch) => {
            assert_eq!(batch["type"], "EVENT_TYPE_EVENT_BATCH");
            Served::Now
        }
        Came::Close(Some(1013)) => Served::Later,
        other => panic!("{other:?} is no answer"),
    }
}

/// Connects again and again, each time when the one before has been served, until it is told to
/// stop.
fn visitors(address: SocketAddr, path: Arc<str>, stop: CancellationToken) -> JoinHandle<u32> {
    tokio::spawn(async move {
        let mut served = 0;
        while !stop.is_cancelled() {
            let tcp = TcpStream::connect(address).await.expect("nobody is refused");
            visit(tcp, &path).await;
            served += 1;
        }
        served
    })
}

/// Covers 8.25.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_a_service_manager_refuses_nobody() {
    let folder = TempDir::new().unwrap();
    configure(folder.path(), LISTEN, LIMITS);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let launch = Launch::serve(folder.path(), &["--config", "segue.toml"]).listening(&listener);
    let program = launch.start().await;
    assert_eq!(program.address(), address, "the given socket, not the configured address");
    let token = client::access_token(address, TOKEN).await.unwrap();
    let id = client::session(address, &token, &json!({})).await.unwrap();
    let visit_of = Visit { address, id, token };
    let mut talk = visit_of.greeted(address).await;
    let path: Arc<str> = visit_of.path(None).into();

    let stop = CancellationToken::new();
    let all_along: Vec<_> =
        (0..4).map(|_| visitors(address, Arc::clone(&path), stop.clone())).collect();
    program.terminate();
    assert_eq!(talk.closed().await, Came::Close(Some(1001)));
    let ended = program.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{:#?}", ended.log);
    // Nobody is there now: they connect, ask, and wait.
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut tcp = TcpStream::connect(address).await.expect("nobody is refused");
        tcp.write_all(upgrade_head(&path).as_bytes()).await.unwrap();
        waiting.push(tcp);
    }

    let program = launch.start().await;
    for tcp in waiting {
        let (status, mut socket) = Raw::upgraded(tcp).await.expect("nobody is forgotten");
        assert_eq!(status, 101);
        assert_eq!(socket.events_to(4).await[0]["type"], "EVENT_TYPE_SESSION_START");
    }
    let tcp = TcpStream::connect(address).await.unwrap();
    assert_eq!(visit(tcp, &path).await, Served::Now);
    stop.cancel();
    for visitor in all_along {
        assert!(visitor.await.unwrap() > 0);
    }
    program.terminate();
    assert_eq!(program.ended().await.status.code(), Some(0));
}

/// Who has connected but was not accepted is answered where the listener goes with the server, and
/// left to the next process where it stays.
#[tokio::test]
async fn a_server_that_stops_leaves_the_queue_of_a_given_listener_alone() {
    let stop = CancellationToken::new();
    stop.cancel();
    let own = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut tcp = TcpStream::connect(own.local_addr().unwrap()).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\nHost: x\r\n\r\n").await.unwrap();
    serve(
        Listener::Own(own),
        None,
        axum::Router::new(),
        Arc::default(),
        Arc::default(),
        stop.clone(),
    )
    .await;
    assert_eq!(Raw::upgraded(tcp).await.unwrap().0, 404, "its queue is answered");

    let kept = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    kept.set_nonblocking(true).unwrap();
    let given = TcpListener::from_std(kept.try_clone().unwrap()).unwrap();
    let tcp = TcpStream::connect(kept.local_addr().unwrap()).await.unwrap();
    serve(Listener::Given(given), None, axum::Router::new(), Arc::default(), Arc::default(), stop)
        .await;
    let (_, from) = kept.accept().expect("it still waits");
    assert_eq!(from, tcp.local_addr().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_manager_is_told_what_becomes_of_the_server() {
    let folder = TempDir::new().unwrap();
    configure(folder.path(), LISTEN, LIMITS);
    let socket = folder.path().join("notify");
    let told = UnixDatagram::bind(&socket).unwrap();
    told.set_nonblocking(true).unwrap();
    let told = tokio::net::UnixDatagram::from_std(told).unwrap();
    let program = Launch::serve(folder.path(), &["--listen", "127.0.0.1:0"])
        .with("NOTIFY_SOCKET", socket.to_str().unwrap())
        .with("WATCHDOG_USEC", "100000")
        .start()
        .await;
    let next = async || {
        let mut bytes = [0; 64];
        let read = tokio::time::timeout(std::time::Duration::from_secs(30), told.recv(&mut bytes));
        let length = read.await.expect("it is told in time").unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    assert_eq!(next().await, "READY=1\n");
    for _ in 0..3 {
        assert_eq!(next().await, "WATCHDOG=1\n");
    }
    program.terminate();
    let mut last = next().await;
    while last == "WATCHDOG=1\n" {
        last = next().await;
    }
    assert_eq!(last, "STOPPING=1\n");
    assert_eq!(program.ended().await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demonstration_refuses_a_given_socket_that_others_can_reach() {
    let folder = TempDir::new().unwrap();
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let launch = Launch::serve(folder.path(), &[]).listening(&listener);
    let ended = launch.try_start().await.err().expect("it does not start");
    assert_eq!(ended.status.code(), Some(2), "{:#?}", ended.log);
    assert!(ended.log.join("\n").contains("can be reached from other machines"));
}
