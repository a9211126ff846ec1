//! When the clock wakes the task of a socket. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The alarm of a task. What it waits for moves further away with every frame that comes.
#[derive(Debug)]
pub struct Alarm {
    at: Instant,
    /// Until then it is left alone where it comes too early.
    kept_until: Instant,
}

impl Alarm {
    /// One that goes off now.
    pub fn new(now: Instant) -> Self {
        Self { at: now, kept_until: now }
    }

    /// Where it has to be moved to, if it has to: the task has something to do after `wait`.
    ///
    /// It is left alone for an eighth of its time where it comes too early: to move it with every
    /// frame costs more than to find nothing to do. Later it is moved, or it would wake the task of a
    /// client that sends now and then about as often as the client does.
    pub fn moved(&mut self, now: Instant, wait: Duration) -> Option<Instant> {
        let at = now + wait;
        if at >= self.at && now < self.kept_until {
            return None;
        }
        (self.at, self.kept_until) = (at, now + wait / 8);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(40);

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn a_client_that_sends_every_half_minute_is_all_that_wakes_its_task() {
        let begun = Instant::now();
        for first in 0..30 {
            let mut alarm = Alarm::new(begun);
            assert_eq!(alarm.moved(begun, WAIT), Some(begun + WAIT));
            for heartbeat in (first..).step_by(30).take(20) {
                let now = begun + seconds(heartbeat);
                assert!(alarm.at > now, "woken before the heartbeat after {heartbeat} s");
                alarm.moved(now, WAIT);
            }
        }
    }

    #[test]
    fn it_goes_off_in_time_and_is_seldom_moved() {
        let mut now = Instant::now();
        let mut alarm = Alarm::new(now);
        let mut moved = 0;
        // A thousand frames a second for a minute.
        for _ in 0..60_000 {
            moved += u32::from(alarm.moved(now, WAIT).is_some());
            assert!(alarm.at <= now + WAIT);
            now += Duration::from_millis(1);
        }
        assert_eq!(moved, 12);
        // Whatever has to be done sooner is.
        assert_eq!(alarm.moved(now, seconds(1)), Some(now + seconds(1)));
        assert_eq!(alarm.moved(now, seconds(2)), None);
        // It went off, and there is something to wait for again.
        now += seconds(1);
        assert_eq!(alarm.moved(now, seconds(1)), Some(now + seconds(1)));
    }
}
