use std::future::poll_fn;

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

#[tokio::test]
async fn a_large_read_goes_to_where_it_is_wanted() {
    let (mut ours, mut theirs) = tokio::io::duplex(256 * 1024);
    let sent = bytes(2 * limits::SOCKET_READ_BYTES);
    theirs.write_all(&sent).await.unwrap();
    let mut inbox = Inbox::default();
    assert_eq!(read(&mut inbox, &mut ours, 2 * sent.len()).await, sent);
}
