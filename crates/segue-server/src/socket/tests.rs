//! What can be said of a socket's task without a socket.

use std::task::{self, Poll};

use super::*;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

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

/// Takes what is sent and says nothing.
struct Deaf;

impl Stream for Deaf {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl Sink<Message> for Deaf {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: Message) -> Result<(), Error> {
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}

impl Web for Deaf {
    fn taken(&self) -> u64 {
        0
    }
}

/// Covers 8.18.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_answer_a_close_holds_up_no_restart() {
    for (is_stopping, expected_ms) in [(false, 2_000), (true, 200)] {
        let began = Instant::now();
        assert!(!goodbye(&mut Deaf, 1001, is_stopping).await);
        assert_eq!(began.elapsed().as_millis(), expected_ms, "stopping: {is_stopping}");
    }
}

fn future_bytes<W, F>(_: fn(Socket, W) -> F) -> usize {
    size_of::<F>()
}

/// It is what every idle connection costs, beside its read buffer.
#[test]
fn the_task_of_a_socket_is_small() {
    let bytes = future_bytes(Socket::run::<WebSocket<TokioIo<Upgraded>>>);
    assert!(bytes <= 2_304, "{bytes} bytes");
}
