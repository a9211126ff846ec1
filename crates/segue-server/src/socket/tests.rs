//! What can be said of a socket's task without a socket.

use super::*;

/// Covers 8.18.
#[tokio::test(start_paused = true)]
async fn goodbyes_are_spread_over_one_second() {
    for (random, expected_ms) in [(0, 0), (1, 1), (999, 999), (1_000, 0), (1_500, 500)] {
        let stop = CancellationToken::new();
        stop.cancel();
        let began = Instant::now();
        going_away(stop, random).await;
        assert_eq!(began.elapsed().as_millis(), expected_ms, "random number {random}");
    }
}

/// Covers 8.18.
#[tokio::test(start_paused = true)]
async fn nobody_goes_before_the_node_stops() {
    let waiting = going_away(CancellationToken::new(), 0);
    assert!(tokio::time::timeout(Duration::from_hours(1), waiting).await.is_err());
}
