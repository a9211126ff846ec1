//! Chance from a seed, the same on every machine.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A generator (splitmix64) that everything in one world shares.
#[derive(Debug, Clone)]
pub struct Dice(Arc<AtomicU64>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(mixed(seed))))
    }

    pub fn next(&self) -> u64 {
        mixed(self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
    }

    /// One of `0..end`.
    pub fn below(&self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// One of `from..=to`.
    pub fn within(&self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// True so many times in a thousand.
    pub fn permille(&self, permille: u64) -> bool {
        permille > 0 && self.below(1_000) < permille
    }

    pub fn percent(&self, percent: u64) -> bool {
        self.permille(percent * 10)
    }

    pub fn pick<T: Copy>(&self, these: &[T]) -> T {
        let place = self.below(these.len() as u64);
        these[usize::try_from(place).unwrap()]
    }
}

/// Spreads a number over all bits.
pub fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
