//! Frames in more segments than one, and segments with more frames than one.

use crate::{
    client::plain,
    proxy::{Proxy, Way},
    raw::{Came, PING, Raw, close, frame, frame_with, text, upgrade_head},
    shop::{Shop, kinds, say},
};

const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

#[tokio::test]
async fn frames_that_arrive_byte_by_byte_are_understood() {
    let shop = Shop::open("").await;
    let proxy = Proxy::start(shop.address()).await;
    proxy.split(Way::Up);
    proxy.split(Way::Down);
    let visit = shop.visit().await;
    let mut socket = visit.greeted(proxy.address).await;
    socket.send(&say("when are you open?", "k-1")).await;
    let events = socket.events_to(6).await;
    assert_eq!(kinds(&events), ["USER_MESSAGE", "POLY_AGENT_MESSAGE"]);
    assert_eq!(events[0]["payload"]["text"], "when are you open?");
    shop.close().await;
}

#[tokio::test]
async fn frames_that_arrive_in_one_segment_are_taken_in_their_order() {
    let shop = Shop::open("").await;
    let (visit, mut socket) = shop.greeted().await;
    let many: Vec<u8> = (0..50).flat_map(|i| say(&i.to_string(), &format!("k-{i}"))).collect();
    socket.send(&many).await;
    let mut said = Vec::new();
    let mut sequence = 4;
    while said.len() < 50 {
        for event in socket.events_to(sequence + 1).await {
            sequence = event["sequence"].as_u64().unwrap();
            if event["type"] == "EVENT_TYPE_USER_MESSAGE" {
                said.push(event["payload"]["text"].as_str().unwrap().to_owned());
            }
        }
    }
    let want: Vec<String> = (0..50).map(|it| it.to_string()).collect();
    assert_eq!(said, want);
    drop(visit);
    shop.close().await;
}

#[tokio::test]
async fn frames_that_were_held_back_and_come_at_once_are_taken_in_their_order() {
    let shop = Shop::open("").await;
    let proxy = Proxy::start(shop.address()).await;
    let visit = shop.visit().await;
    let mut socket = visit.greeted(proxy.address).await;
    proxy.hold(Way::Up);
    for key in ["k-1", "k-2", "k-3"] {
        socket.send(&say("when are you open?", key)).await;
    }
    // Another socket is not held back by what this one's network does.
    let mut other = visit.open(4).await;
    other.send(&say("thank you", "k-0")).await;
    other.events_to(6).await;
    proxy.release(Way::Up);
    let keys = |events: &[serde_json::Value]| -> Vec<String> {
        let said = events.iter().filter(|it| it["type"] == "EVENT_TYPE_USER_MESSAGE");
        said.map(|it| it["metadata"]["custom"]["local_id"].as_str().unwrap().to_owned()).collect()
    };
    let mut seen = Vec::new();
    let mut sequence = 4;
    while seen.len() < 4 {
        let events = socket.events_to(sequence + 1).await;
        sequence = events.last().unwrap()["sequence"].as_u64().unwrap();
        seen.extend(keys(&events));
    }
    assert_eq!(seen, ["k-0", "k-1", "k-2", "k-3"]);
    shop.close().await;
}

/// Covers 2.1.
#[tokio::test]
async fn a_client_that_speaks_before_it_has_heard_anything_still_hears_the_batch_first() {
    let shop = Shop::open("").await;
    let (visit, _socket) = shop.greeted().await;
    for cursor in 0..50 {
        // The request and the first frames in one segment: nothing can be earlier.
        let mut tcp = tokio::net::TcpStream::connect(visit.address).await.unwrap();
        let eager = [
            upgrade_head(&visit.path(Some(cursor % 6))).into_bytes(),
            text(&plain("HEARTBEAT")),
            text(&plain("REQUEST_POLY_AGENT_JOIN")),
        ];
        tokio::io::AsyncWriteExt::write_all(&mut tcp, &eager.concat()).await.unwrap();
        let mut socket = Raw::upgraded(tcp).await.unwrap().1;
        let first = socket.recv().await;
        assert_eq!(first["type"], "EVENT_TYPE_EVENT_BATCH", "{first}");
    }
    shop.close().await;
}

/// Covers 8.23.
#[tokio::test]
async fn an_end_and_a_close_in_one_segment_end_the_session() {
    let shop = Shop::open("").await;
    let (visit, mut socket) = shop.greeted().await;
    socket.send(&[text(&plain("USER_END_SESSION")), close(1000)].concat()).await;
    assert_eq!(socket.closed().await, Came::Close(Some(1000)));
    // It is carried out whether or not anybody listens; another socket sees it come.
    let log = visit.open(4).await.events_to(6).await;
    assert_eq!(kinds(&log[log.len() - 2..]), ["USER_END_SESSION", "SESSION_END"]);
    assert_eq!(log.last().unwrap()["payload"]["reason"], "REASON_USER_END");
    shop.close().await;
}

/// Covers 4.15.
#[tokio::test]
async fn a_message_and_its_copy_in_one_segment_are_one_message() {
    let shop = Shop::open("").await;
    let (visit, mut socket) = shop.greeted().await;
    let message = say("when are you open?", "k-1");
    socket.send(&[message.clone(), message, say("thank you", "k-2")].concat()).await;
    let log = visit.log(6).await;
    assert_eq!(kinds(&log[4..6]), ["USER_MESSAGE", "USER_MESSAGE"]);
    assert_eq!(log[5]["payload"]["text"], "thank you");
    let first = socket.events_to(5).await;
    assert_eq!(first.last().unwrap(), &log[4]);
    shop.close().await;
}

#[tokio::test]
async fn a_message_in_fragments_with_a_ping_between_them_is_one_message() {
    let shop = Shop::open("").await;
    let (_visit, mut socket) = shop.greeted().await;
    let message = crate::client::user_message("when are you open?", "k-1").into_bytes();
    let (first, rest) = message.split_at(20);
    let (middle, last) = rest.split_at(30);
    let pieces = [
        frame_with(0x01, first, MASK),
        frame(PING, b"still here"),
        frame_with(0x00, middle, MASK),
        frame_with(0x80, last, MASK),
    ];
    socket.send(&pieces.concat()).await;
    assert_eq!(socket.next().await, Came::Pong(b"still here".to_vec()));
    let events = socket.events_to(5).await;
    assert_eq!(events[0]["payload"]["text"], "when are you open?");
    shop.close().await;
}
