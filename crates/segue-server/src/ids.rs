//! UUIDs of version 7 that grow, from a generator of this process: asking the kernel for the random
//! bits of each costs as much as reading a frame from a socket.

use parking_lot::Mutex;
use segue_core::Timestamp;

/// Bits that are random: 12 behind the version, 62 behind the variant (RFC 9562, section 5.7).
const RANDOM_BITS: u32 = 74;
const RANDOM_MASK: u128 = (1 << RANDOM_BITS) - 1;

/// Gives out ids, each greater than the one before it (RFC 9562, section 6.2, method 2): within a
/// millisecond, or when the clock is set back, the random part grows by a random step.
#[derive(Debug, Default)]
pub struct Ids {
    /// Milliseconds and random part of the newest.
    newest: Mutex<(Timestamp, u128)>,
}

impl Ids {
    /// The next one, at this time, with these random bits.
    pub fn next(&self, now: Timestamp, random: u128) -> u128 {
        let mut newest = self.newest.lock();
        // Half of the room is left for steps.
        let fresh = random & (RANDOM_MASK >> 1);
        *newest = match *newest {
            (at, _) if now > at => (now, fresh),
            (at, part) => {
                let step = 1 + (random >> 96);
                let part = part + step;
                if part <= RANDOM_MASK { (at, part) } else { (at + 1, fresh) }
            }
        };
        let (at, part) = *newest;
        uuid_v7(at, part)
    }
}

fn uuid_v7(at: Timestamp, part: u128) -> u128 {
    let (a, b) = (part >> 62, part & ((1 << 62) - 1));
    u128::from(at) << 80 | 7 << 76 | a << 64 | 2 << 62 | b
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn parts(id: u128) -> (Timestamp, usize) {
        let id = uuid::Uuid::from_u128(id);
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        (seconds * 1_000 + u64::from(nanos) / 1_000_000, id.get_version_num())
    }

    #[test]
    fn ids_are_of_version_7_and_of_their_time() {
        let ids = Ids::default();
        for (now, random) in [(1_780_000_000_000, 0), (1_780_000_000_001, u128::MAX)] {
            let id = ids.next(now, random);
            assert_eq!(parts(id), (now, 7));
            assert_eq!(uuid::Uuid::from_u128(id).get_variant(), uuid::Variant::RFC4122);
        }
    }

    #[test]
    fn ids_grow_within_a_millisecond_and_when_the_clock_is_set_back() {
        let ids = Ids::default();
        let mut newest = 0;
        let mut seen = BTreeSet::new();
        for i in 0..100_000_u64 {
            // Forwards, standing still, and far back.
            let now = 1_780_000_000_000 + i / 1_000 - if i % 7 == 0 { 3_600_000 } else { 0 };
            let id = ids.next(now, rand::random());
            assert!(id > newest, "{i}");
            assert_eq!(parts(id).1, 7);
            assert!(seen.insert(id));
            newest = id;
        }
        assert_eq!(parts(newest).0, 1_780_000_000_099);
    }

    #[test]
    fn a_millisecond_that_is_used_up_gives_way_to_the_next() {
        let ids = Ids { newest: Mutex::new((5, RANDOM_MASK)) };
        let id = ids.next(5, 9);
        assert_eq!(parts(id).0, 6);
        assert!(id > uuid_v7(5, RANDOM_MASK));
    }
}
