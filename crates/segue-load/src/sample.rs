//! What one run came to, and what several come to: median and spread.

use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use crate::{limits, usage::Cpu};

/// Latencies in microseconds, to three digits.
#[derive(Debug)]
pub struct Latencies(Mutex<Histogram<u64>>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Mutex::new(empty()))
    }
}

fn empty() -> Histogram<u64> {
    let longest_us = limits::LOAD_LATENCY_SECONDS_MAX * 1_000_000;
    Histogram::new_with_max(longest_us, 3).expect("the bounds are constants that fit")
}

impl Latencies {
    /// Notes one.
    pub fn note(&self, latency: Duration) {
        self.note_us(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Notes one in microseconds. Longer ones than can be told apart count as the longest.
    pub fn note_us(&self, latency_us: u64) {
        self.0.lock().saturating_record(latency_us);
    }

    /// All that were noted since the last time.
    pub fn take(&self) -> Histogram<u64> {
        std::mem::replace(&mut self.0.lock(), empty())
    }
}

/// What one run of one contender came to.
#[derive(Debug, Clone)]
pub struct Sample {
    /// How many operations were done.
    pub operations: u64,
    /// In how many seconds.
    pub seconds: f64,
    /// From the moment that each had to begin to its end, in microseconds.
    pub latency: Histogram<u64>,
    /// How late the generator itself sent, in microseconds; it is part of `latency`.
    pub late: Histogram<u64>,
    /// Processor seconds that were used meanwhile.
    pub cpu: Cpu,
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
impl Sample {
    /// A run of something that is not scheduled.
    pub fn new(operations: u64, seconds: f64, latency: Histogram<u64>, cpu: Cpu) -> Self {
        Self { operations, seconds, latency, late: empty(), cpu }
    }

    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.seconds
    }

    /// The latency that this share of the operations did not exceed, in milliseconds.
    pub fn latency_ms(&self, percent: f64) -> f64 {
        as_ms(self.latency.value_at_percentile(percent))
    }

    /// How late the generator was with one request in a hundred, in milliseconds.
    pub fn late_ms(&self) -> f64 {
        as_ms(self.late.value_at_percentile(99.0))
    }

    /// Processor time of the server for one operation, in microseconds.
    pub fn server_us(&self) -> f64 {
        self.cpu.server * 1e6 / self.operations as f64
    }

    /// The same of the generator.
    pub fn own_us(&self) -> f64 {
        self.cpu.own * 1e6 / self.operations as f64
    }

    /// Cores that the generator used.
    pub fn own_cores(&self) -> f64 {
        self.cpu.own / self.seconds
    }

    /// Cores that the server used.
    pub fn server_cores(&self) -> f64 {
        self.cpu.server / self.seconds
    }

    /// Cores that everybody else on the machine used.
    pub fn others_cores(&self) -> f64 {
        self.cpu.others() / self.seconds
    }
}

/// Microseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub fn as_ms(us: u64) -> f64 {
    us as f64 / 1e3
}

/// The middle of several figures, the smallest and the largest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Half of the figures are at most this.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of these, of which there is at least one; zeros otherwise.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (figures.first(), figures.last()) else {
            return Self { median: 0.0, min: 0.0, max: 0.0 };
        };
        let middle = figures.len() / 2;
        let median = if figures.len().is_multiple_of(2) {
            f64::midpoint(figures[middle - 1], figures[middle])
        } else {
            figures[middle]
        };
        Self { median, min: *min, max: *max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!(spread, Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert!((Spread::of([4.0, 1.0, 2.0, 3.0]).median - 2.5).abs() < 1e-9);
        assert!(Spread::of([]).median.abs() < 1e-9);
    }

    #[test]
    fn latencies_are_kept_and_given_once() {
        let latencies = Latencies::default();
        for ms in 1..=100 {
            latencies.note(Duration::from_millis(ms));
        }
        latencies.note(Duration::from_secs(limits::LOAD_LATENCY_SECONDS_MAX * 2));
        let cpu = Cpu { own: 0.5, server: 1.0, all: 2.0 };
        let sample = Sample::new(100, 2.0, latencies.take(), cpu);
        assert!((sample.latency_ms(50.0) - 51.0).abs() < 0.1, "{}", sample.latency_ms(50.0));
        assert!((sample.rate() - 50.0).abs() < 1e-9);
        assert!((sample.server_us() - 10_000.0).abs() < 1e-6);
        assert!((sample.others_cores() - 0.25).abs() < 1e-9);
        assert_eq!(latencies.take().len(), 0);
    }
}
