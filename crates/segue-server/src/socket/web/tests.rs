use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;

use super::*;

/// Both ends of a connection that holds so many bytes on their way.
async fn pair(bytes: usize) -> (WebSocket<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (ours, theirs) = tokio::io::duplex(bytes);
    let client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    (WebSocket::new(ours, &[]), client)
}

#[tokio::test]
async fn nothing_of_a_large_text_stays_behind() {
    let (mut web, mut client) = pair(256 * 1024).await;
    let text = "x".repeat(100_000);
    web.send(Message::text(text.clone())).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text(text));
    assert_eq!(web.line.texts_capacity(), 0);
}

#[tokio::test]
async fn whatever_came_together_is_read_in_order() {
    let (mut web, mut client) = pair(256 * 1024).await;
    let texts: Vec<String> = [3, 40_000, 5, 0, 1_020, 1_024, 16_384, 7]
        .into_iter()
        .chain((0..200).map(|it| 100 + it))
        .map(|bytes| format!("{bytes}").repeat(bytes / 4 + 1))
        .collect();
    for text in &texts {
        client.feed(Message::text(text.clone())).await.unwrap();
    }
    client.send(Message::Close(None)).await.unwrap();
    for text in texts {
        assert_eq!(web.next().await.unwrap().unwrap(), Message::text(text));
    }
    assert_eq!(web.next().await.unwrap().unwrap(), Message::Close(None));
}

#[tokio::test]
async fn texts_that_are_fed_are_written_together() {
    let (mut web, mut client) = pair(256 * 1024).await;
    web.feed(Message::text("one")).await.unwrap();
    web.feed(Message::text("two")).await.unwrap();
    assert!(client.next().now_or_never().is_none());
    web.flush().await.unwrap();
    for text in ["one", "two"] {
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text(text));
    }
}

/// A pong is written by the library whenever it likes, also where seven bytes were taken of a text
/// or three of another pong.
#[tokio::test]
async fn frames_stay_whole_however_little_is_taken_at_once() {
    for bytes in 1..40 {
        let (mut web, mut client) = pair(bytes).await;
        let server = async move {
            for number in 0..20_usize {
                let Some(Ok(Message::Ping(_))) = web.next().await else { panic!("no ping") };
                // Looks for more, as a socket's task does: this is where a pong may be torn.
                assert!(web.next().now_or_never().is_none());
                for half in ["a", "b"] {
                    let text = format!("{number}{half}").repeat(1 + number * 7);
                    web.feed(Message::text(text)).await.unwrap();
                }
                web.flush().await.unwrap();
            }
            web.send(Message::Close(None)).await.unwrap();
            while web.next().await.is_some() {}
        };
        let user = async move {
            for number in 0..20_usize {
                client.send(Message::Ping(vec![7; 30].into())).await.unwrap();
                let (mut pongs, mut texts) = (0, Vec::new());
                while texts.len() < 2 || pongs < 1 {
                    match client.next().await.unwrap().unwrap() {
                        Message::Pong(it) if it.len() == 30 => pongs += 1,
                        Message::Text(it) => texts.push(it.to_string()),
                        other => panic!("{other:?} through {bytes} bytes"),
                    }
                }
                let expected = ["a", "b"].map(|it| format!("{number}{it}").repeat(1 + number * 7));
                assert_eq!(texts, expected, "through {bytes} bytes");
            }
            assert!(matches!(client.next().await, Some(Ok(Message::Close(_)))));
        };
        tokio::join!(server, user);
    }
}

#[tokio::test]
async fn a_text_waits_where_others_were_not_taken() {
    let (mut web, _client) = pair(16).await;
    let text = "x".repeat(limits::SOCKET_WRITE_BYTES);
    web.feed(Message::text(text)).await.unwrap();
    assert!(web.feed(Message::text("more")).now_or_never().is_none());
}

/// Whoever reads again gets the texts that come, whole and behind what was begun.
#[tokio::test]
async fn pings_of_somebody_who_does_not_read_are_not_kept() {
    let (mut web, mut client) = pair(4_096).await;
    for _ in 0..1_000 {
        client.send(Message::Ping(vec![7; 125].into())).await.unwrap();
        assert!(matches!(web.next().await, Some(Ok(Message::Ping(_)))));
        // Tries to answer, as it does whenever it looks for more.
        assert!(web.next().now_or_never().is_none());
    }
    let server = async move {
        web.send(Message::text("after all")).await.unwrap();
        web
    };
    let user = async move {
        let mut pongs = 0;
        loop {
            match client.next().await.unwrap().unwrap() {
                Message::Pong(it) if it.len() == 125 => pongs += 1,
                other => {
                    assert_eq!(other, Message::text("after all"));
                    // Not gone before a pong behind it is written.
                    return (client, pongs);
                }
            }
        }
    };
    let (_web, (_client, pongs)) = tokio::join!(server, user);
    // On the way, and in the buffer.
    assert!(pongs * 127 <= 4_096 + limits::CONTROL_WRITE_BYTES_MAX + 127, "{pongs} pongs");
}
