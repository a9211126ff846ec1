//! Notices a frame that never ends: bytes come, and nothing is said with them. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// What a control frame has beside its payload: two bytes, and four of the mask.
const CONTROL_BYTES: u64 = 6;

/// The bytes of a socket that make no message yet.
#[derive(Debug)]
pub struct Unfinished {
    /// Bytes that are accounted for.
    accounted: u64,
    since: Option<Instant>,
}

impl Unfinished {
    /// A socket for which so many bytes were taken.
    pub fn new(taken: u64) -> Self {
        Self { accounted: taken, since: None }
    }

    /// A message is complete; so many bytes were taken by now. Some may be of the next one already,
    /// which then is taken for finished, too: it is one small buffer at most.
    pub fn take_message(&mut self, taken: u64) {
        self.accounted = taken;
        self.since = None;
    }

    /// A ping or a pong was read, with so many bytes of payload. They may come within a message.
    pub fn take_control(&mut self, payload: usize) {
        self.accounted += payload as u64 + CONTROL_BYTES;
    }

    /// For how long there have been bytes that make no message, when so many have been taken.
    pub fn lasts(&mut self, now: Instant, taken: u64) -> Duration {
        if taken <= self.accounted {
            self.since = None;
            return Duration::ZERO;
        }
        now - *self.since.get_or_insert(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_that_make_no_message_are_noticed_pings_between_them_or_not() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut unfinished = Unfinished::new(300);
        assert_eq!(unfinished.lasts(at(0), 300), Duration::ZERO);
        assert_eq!(unfinished.lasts(at(1), 310), Duration::ZERO);
        assert_eq!(unfinished.lasts(at(5), 320), Duration::from_secs(4));
        // A ping in between neither ends it nor is it taken for a part of it.
        unfinished.take_control(10);
        assert_eq!(unfinished.lasts(at(6), 336), Duration::from_secs(5));
        unfinished.take_message(400);
        assert_eq!(unfinished.lasts(at(9), 400), Duration::ZERO);
        // Nothing but pongs is no message that does not end.
        for second in 10..100 {
            unfinished.take_control(4);
            assert_eq!(unfinished.lasts(at(second), 400 + 10 * (second - 9)), Duration::ZERO);
        }
    }
}
