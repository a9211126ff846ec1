//! What is measured.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_oldest_append_that_is_under_way_counts() {
    let appends = AppendsUnderWay::default();
    assert_eq!(appends.oldest(), Duration::ZERO);
    let first = appends.begin();
    tokio::time::advance(Duration::from_millis(300)).await;
    let second = appends.begin();
    tokio::time::advance(Duration::from_millis(200)).await;
    assert_eq!(appends.oldest(), Duration::from_millis(500));
    drop(first);
    assert_eq!(appends.oldest(), Duration::from_millis(200));
    drop(second);
    assert_eq!(appends.oldest(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn appends_that_begin_together_are_told_apart() {
    let appends = AppendsUnderWay::default();
    let both = [appends.begin(), appends.begin()];
    let [first, second] = both;
    drop(first);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(appends.oldest(), Duration::from_millis(1));
    drop(second);
    assert_eq!(appends.oldest(), Duration::ZERO);
}
