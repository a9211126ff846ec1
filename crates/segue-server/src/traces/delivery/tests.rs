//! What waits is bounded, and what is beyond is counted and told.

use std::time::UNIX_EPOCH;

use opentelemetry::{
    InstrumentationScope,
    trace::{SpanContext, SpanId, SpanKind, Status},
};
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

fn span() -> SpanData {
    SpanData {
        span_context: SpanContext::empty_context(),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "turn".into(),
        start_time: UNIX_EPOCH,
        end_time: UNIX_EPOCH,
        attributes: vec![],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

/// Nothing is delivered before the test waits for something: it has the only thread.
#[tokio::test]
async fn a_full_queue_takes_no_more_and_counts_what_it_refuses() {
    let metrics = Arc::<Metrics>::default();
    let url = Url::parse("http://127.0.0.1:9/v1/traces").unwrap();
    let resource = Resource::builder_empty().build();
    let (queue, delivery) = start(url, &resource, &metrics).unwrap();
    for _ in 0..limits::TRACES_QUEUED_SPANS_MAX + 3 {
        queue.push(span());
    }
    let waiting = queue.counts.waiting.load(Ordering::Relaxed);
    assert_eq!(waiting, limits::TRACES_QUEUED_SPANS_MAX as u64);
    assert_eq!(queue.counts.refused.load(Ordering::Relaxed), 3);
    // Nobody listens there: all are lost, and none is forgotten.
    delivery.finish().await;
    assert_eq!(queue.counts.waiting.load(Ordering::Relaxed), 0);
    assert_eq!(metrics.spans_lost_so_far(), limits::TRACES_QUEUED_SPANS_MAX as u64 + 3);
}

/// Takes one request, whatever it says, and ends the connection.
async fn take_one(collector: &TcpListener) {
    let (mut tcp, _) = collector.accept().await.unwrap();
    let mut bytes = Vec::new();
    let is_whole = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let length: usize =
            text.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
        let head = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
        Some(bytes.len() >= head + 4 + length)
    };
    while is_whole(&bytes) != Some(true) {
        assert_ne!(tcp.read_buf(&mut bytes).await.unwrap(), 0);
    }
    let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    tcp.write_all(answer).await.unwrap();
}

#[tokio::test]
async fn what_came_since_the_last_batch_is_delivered_at_the_end() {
    let metrics = Arc::<Metrics>::default();
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", collector.local_addr().unwrap());
    let resource = Resource::builder_empty().build();
    let (queue, delivery) = start(url.parse().unwrap(), &resource, &metrics).unwrap();
    queue.push(span());
    take_one(&collector).await;
    // The task rests until the next batch is due.
    queue.push(span());
    let both = async { tokio::join!(delivery.finish(), take_one(&collector)) };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("the last batch");
    assert_eq!(metrics.spans_lost_so_far(), 0);
}

#[test]
fn losses_are_told_at_once_and_then_now_and_then() {
    let mut losses = Losses { to: "there".to_owned(), untold: 0, told_at: None };
    losses.add(0, "why");
    assert_eq!((losses.untold, losses.told_at), (0, None));
    losses.add(5, "why");
    assert_eq!(losses.untold, 0);
    assert!(losses.told_at.is_some());
    losses.add(7, "why");
    assert_eq!(losses.untold, 7, "not again so soon");
    losses.add(0, "");
    assert_eq!((losses.untold, losses.told_at), (0, None), "delivered again");
}
