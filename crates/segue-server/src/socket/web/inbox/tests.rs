use std::{future::poll_fn, time::Duration};

use tokio::io::AsyncWriteExt;

use super::*;

/// Reads so many bytes at most.
async fn read(inbox: &mut Inbox, stream: &mut (impl AsyncRead + Unpin), most: usize) -> Vec<u8> {
    let mut bytes = vec![0; most];
    let mut buf = ReadBuf::new(&mut bytes);
    poll_fn(|cx| inbox.poll_read(stream, cx, &mut buf)).await.unwrap();
    let filled = buf.filled().len();
    bytes.truncate(filled);
    bytes
}

/// Bytes that can be told apart.
fn bytes(number: usize) -> Vec<u8> {
    (0..=250).cycle().take(number).collect()
}

#[tokio::test]
async fn everything_that_has_come_is_taken_in_order_however_little_at_once() {
    for most in [1, 7, 100, 4_096] {
        let (mut ours, mut theirs) = tokio::io::duplex(256 * 1024);
        let sent = bytes(3 * limits::SOCKET_READ_BYTES + 5);
        theirs.write_all(&sent).await.unwrap();
        let mut inbox = Inbox::default();
        let mut taken = Vec::new();
        while taken.len() < sent.len() {
            let more = read(&mut inbox, &mut ours, most).await;
            assert!((1..=most).contains(&more.len()), "{} of {most}", more.len());
            assert!(inbox.waiting.len() <= limits::SOCKET_READ_BYTES);
            taken.extend(more);
            assert_eq!(inbox.given(), taken.len() as u64);
        }
        assert_eq!(taken, sent);
        assert_eq!(inbox.waiting.capacity(), 0, "an idle connection has no memory for it");
        drop(theirs);
        assert_eq!(read(&mut inbox, &mut ours, most).await, [0_u8; 0], "the end");
    }
}

/// The buffer is the thread's, and what is in it is of whoever was read last.
#[tokio::test]
async fn connections_of_a_thread_do_not_see_each_others_bytes() {
    let (mut one, mut theirs_one) = tokio::io::duplex(1_024);
    let (mut other, mut theirs_other) = tokio::io::duplex(1_024);
    theirs_one.write_all(&[1; 100]).await.unwrap();
    theirs_other.write_all(&[2; 100]).await.unwrap();
    let (mut inbox_one, mut inbox_other) = (Inbox::default(), Inbox::default());
    for _ in 0..10 {
        assert_eq!(read(&mut inbox_one, &mut one, 10).await, [1; 10]);
        assert_eq!(read(&mut inbox_other, &mut other, 10).await, [2; 10]);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken() {
    let (mut ours, mut theirs) = tokio::io::duplex(64);
    let mut inbox = Inbox::default();
    let late = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        theirs.write_all(&[3; 5]).await.unwrap();
    };
    let both = async { tokio::join!(read(&mut inbox, &mut ours, 10), late).0 };
    assert_eq!(tokio::time::timeout(Duration::from_secs(2), both).await.unwrap(), [3; 5]);
}

struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }
}

#[tokio::test]
async fn an_error_of_the_connection_is_passed_on() {
    let mut bytes = [0; 10];
    let (mut inbox, mut buf) = (Inbox::default(), ReadBuf::new(&mut bytes));
    let failed = poll_fn(|cx| inbox.poll_read(&mut Broken, cx, &mut buf)).await;
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}
