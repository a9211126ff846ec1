//! Peers that say nothing and take nothing.

use tokio::net::{TcpSocket, TcpStream};

use crate::{
    proxy::{Harm, Proxy, Way},
    raw::{Came, Raw},
    shop::{Shop, Visit, say},
};

/// Asks for a socket until there is room for it: another one has to end first.
async fn until_admitted(visit: &Visit, cursor: u64) -> Raw {
    let asking = async {
        loop {
            let tcp = TcpStream::connect(visit.address).await.unwrap();
            match Raw::upgrade(tcp, &visit.path(Some(cursor))).await.unwrap() {
                (101, socket) => return socket,
                (429, _) => tokio::task::yield_now().await,
                (status, _) => panic!("refused with {status}"),
            }
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, asking).await.expect("the silent socket ends in time")
}

/// A network that swallows everything both ways: neither end is told, and the server finds out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_peer_is_given_up_and_the_others_go_on() {
    let limits = "connections_per_session = 2\nping_after_seconds = 1\nping_timeout_seconds = 1";
    let shop = Shop::open(limits).await;
    let visit = shop.visit().await;
    let proxy = Proxy::start(shop.address()).await;
    let _dead = visit.greeted(proxy.address).await;
    proxy.harm(Way::Up, 0, Harm::Hole);
    proxy.harmed().await;
    proxy.harm(Way::Down, 0, Harm::Hole);
    proxy.harmed().await;
    let mut alive = visit.open(4).await;
    alive.send(&say("when are you open?", "k-1")).await;
    alive.events_to(6).await;
    // The two places are taken until the server has noticed.
    proxy.server_gone().await;
    drop(alive);
    let mut back = until_admitted(&visit, 4).await;
    back.send(&say("thank you", "k-2")).await;
    assert_eq!(back.events_to(8).await.len(), 5, "the start and four events behind the cursor");
    shop.close().await;
}

/// It keeps its place until the server has seen for a while that nothing moves.
///
/// Covers 8.24.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_is_given_up_and_the_others_go_on() {
    let shop = Shop::open("slow_reader_seconds = 1\nconnections_per_session = 2").await;
    let (visit, mut others) = shop.greeted().await;
    // A small window, so that not everything fits into the system's buffers.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let tcp = socket.connect(visit.address).await.unwrap();
    let (status, mut slow) = Raw::upgrade(tcp, &visit.path(Some(4))).await.unwrap();
    assert_eq!(status, 101);

    // The bot is busy with them one by one; what counts here is that they are echoed.
    let text = "x".repeat(120_000);
    let mut sequence = 4;
    for number in 0..80 {
        let key = format!("k-{number}");
        others.send(&say(&text, &key)).await;
        loop {
            let events = others.events_to(sequence + 1).await;
            sequence = events.last().unwrap()["sequence"].as_u64().unwrap();
            let is_it = |it: &serde_json::Value| it["metadata"]["custom"]["local_id"] == *key;
            if events.iter().any(is_it) {
                break;
            }
        }
    }
    let mut back = until_admitted(&visit, 4).await;
    assert_eq!(back.recv().await["type"], "EVENT_TYPE_EVENT_BATCH");
    // What was on its way is all that it gets, and then a close or the bare end.
    let mut last = slow.next().await;
    while let Came::Frame(_) = last {
        last = slow.next().await;
    }
    assert!(matches!(last, Came::Close(Some(1013)) | Came::Gone), "{last:?}");
    shop.close().await;
}
