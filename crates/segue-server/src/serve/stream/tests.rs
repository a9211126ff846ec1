//! How long and how much is read behind a close.

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn whoever_keeps_a_closed_connection_open_is_waited_for_two_seconds() {
    let (ours, mut theirs) = tokio::io::duplex(64);
    let began = Instant::now();
    linger(ours).await;
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0, "it was closed");
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_on_sending_is_read_for_16_mib() {
    let (ours, mut theirs) = tokio::io::duplex(4_096);
    let sending = async {
        let mut sent = 0;
        while theirs.write_all(&[0; 4_096]).await.is_ok() {
            sent += 4_096;
        }
        sent
    };
    let began = Instant::now();
    let (sent, ()) = tokio::join!(sending, linger(ours));
    // What is in the pipe at the end was sent and not read.
    assert!((16 << 20..=(16 << 20) + 8_192).contains(&sent), "{sent}");
    assert!(began.elapsed() < Duration::from_secs(2), "the time was up");
}
