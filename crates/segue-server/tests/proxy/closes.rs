//! How a socket is closed, and that the code really arrives.

use crate::{
    raw::{CLOSE, Came, PING, TEXT, close, frame, frame_with},
    shop::{Shop, say},
};

const MASK: Option<[u8; 4]> = Some([9, 8, 7, 6]);
const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Covers 4.32.
#[tokio::test]
async fn a_frame_that_is_too_large_is_told_so() {
    let shop = Shop::open("").await;
    let (visit, mut socket) = shop.greeted().await;
    socket.send(&frame(TEXT, &vec![b' '; FRAME_BYTES_MAX])).await;
    let refused = socket.recv().await;
    let code = refused["payload"]["code"].as_str().unwrap();
    assert!(["invalid_format", "too_large"].contains(&code), "as large as allowed: {refused}");
    socket.send(&frame(TEXT, &vec![b' '; FRAME_BYTES_MAX + 1])).await;
    assert_eq!(socket.closed().await, Came::Close(Some(1009)));

    // In fragments, none of which is too large by itself.
    let mut socket = visit.open(4).await;
    let half = vec![b' '; FRAME_BYTES_MAX / 2 + 1];
    let pieces = [frame_with(0x01, &half, MASK), frame_with(0x80, &half, MASK)];
    socket.send(&pieces.concat()).await;
    assert_eq!(socket.closed().await, Came::Close(Some(1009)));
    shop.close().await;
}

/// Covers 4.32.
#[tokio::test]
async fn a_client_that_goes_on_sending_still_learns_that_its_frame_is_too_large() {
    let shop = Shop::open("").await;
    let (_visit, mut socket) = shop.greeted().await;
    // Far more than the buffers on the way hold: most of it is sent after the server has closed.
    socket.send(&frame(TEXT, &vec![b' '; 12 * FRAME_BYTES_MAX])).await;
    assert_eq!(socket.closed().await, Came::Close(Some(1009)));
    shop.close().await;
}

/// Covers 4.33.
#[tokio::test]
async fn text_that_is_not_utf_8_is_closed_with_1007() {
    let shop = Shop::open("").await;
    let (visit, _socket) = shop.greeted().await;
    for payload in [&b"{\"type\": \"\xff\"}"[..], b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"] {
        let mut socket = visit.open(4).await;
        socket.send(&frame(TEXT, payload)).await;
        assert_eq!(socket.closed().await, Came::Close(Some(1007)), "{payload:?}");
    }
    shop.close().await;
}

/// Covers 8.21.
#[tokio::test]
async fn breaches_of_the_protocol_are_closed_with_1002() {
    let shop = Shop::open("").await;
    let (visit, _socket) = shop.greeted().await;
    let breaches: [(&str, Vec<u8>); 10] = [
        ("no mask", frame_with(0x81, b"{}", None)),
        ("an opcode that is not known", frame(3, b"{}")),
        ("a control opcode that is not known", frame(11, b"")),
        ("a reserved bit", frame_with(0xc1, b"{}", MASK)),
        ("a ping in fragments", frame_with(PING, b"x", MASK)),
        ("a ping that is too large", frame(PING, &[b'x'; 126])),
        ("a continuation of nothing", frame_with(0x80, b"{}", MASK)),
        (
            "a message within a message",
            [frame_with(0x01, b"{", MASK), frame_with(0x81, b"{}", MASK)].concat(),
        ),
        ("a close of one byte", frame(CLOSE, b"x")),
        ("a close whose reason is not UTF-8", frame(CLOSE, b"\x03\xe8\xff\xfe")),
    ];
    for (what, bytes) in breaches {
        let mut socket = visit.open(4).await;
        socket.send(&bytes).await;
        let closed = socket.closed().await;
        // For a wrong encoding, the code that says so is as good.
        let is_utf_8 = what.contains("UTF-8") && closed == Came::Close(Some(1007));
        assert!(is_utf_8 || closed == Came::Close(Some(1002)), "{what}: {closed:?}");
    }
    shop.close().await;
}

/// Covers 8.21.
#[tokio::test]
async fn a_close_with_a_code_that_is_forbidden_is_closed_with_1002() {
    let shop = Shop::open("").await;
    let (visit, _socket) = shop.greeted().await;
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535] {
        let mut socket = visit.open(4).await;
        socket.send(&close(code)).await;
        assert_eq!(socket.closed().await, Came::Close(Some(1002)), "{code}");
    }
    shop.close().await;
}

/// Covers 8.20, 8.22.
#[tokio::test]
async fn a_clients_close_is_answered_with_its_own_code_and_ends_nothing() {
    let shop = Shop::open("").await;
    let (visit, _socket) = shop.greeted().await;
    for code in [1000, 1001, 1008, 1011, 3000, 4000, 4001, 4002, 4999] {
        let mut socket = visit.open(4).await;
        socket.send(&close(code)).await;
        assert_eq!(socket.closed().await, Came::Close(Some(code)));
        assert_eq!(socket.next().await, Came::Gone);
    }
    let mut socket = visit.open(4).await;
    socket.send(&frame(CLOSE, b"")).await;
    assert_eq!(socket.closed().await, Came::Close(None));
    let mut socket = visit.open(4).await;
    socket.send(&frame(CLOSE, b"\x0f\xa2so long")).await;
    assert_eq!(socket.closed().await, Came::Close(Some(4002)), "with a reason");

    let mut socket = visit.open(4).await;
    socket.send(&say("when are you open?", "k-1")).await;
    assert_eq!(socket.events_to(6).await.len(), 3, "the start, the echo, the answer");
    shop.close().await;
}
