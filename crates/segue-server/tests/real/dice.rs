//! Randomness that a seed repeats.

/// SplitMix64: small, and good enough to choose what a test does next.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The same seed gives the same throws.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The dice of this environment variable, or of chance; says which, so that it can be repeated.
    pub fn from_environment(name: &str) -> (Self, u64) {
        let seed = std::env::var(name).ok().map_or_else(rand::random, |it| {
            it.parse().unwrap_or_else(|error| panic!("{name}={it}: {error}"))
        });
        (Self::new(seed), seed)
    }

    /// Anything.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    /// A number below this one.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }

    /// Dice that throw independently of these.
    pub fn fork(&mut self) -> Self {
        Self(self.any())
    }
}
