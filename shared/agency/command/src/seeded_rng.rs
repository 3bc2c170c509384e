//! Reproducible randomness: the same seed and the same key always give the same number, in any order of calls.

use std::fmt::Display;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// A stateless random number generator. Each draw names a key, and the number derives from seed and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeededRng(u64);

impl SeededRng {
    #[must_use]
    pub fn seeded(seed: u64) -> SeededRng {
        SeededRng(seed)
    }

    fn draw(self, key: &[&dyn Display]) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.0.to_be_bytes());
        for part in key {
            // A length before each part, so that "1", "23" and "12", "3" are different keys.
            let part = part.to_string();
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hash.finalize()[..8]);
        u64::from_be_bytes(first)
    }

    /// A number from 0 to less than 1.
    #[must_use]
    pub fn fraction(self, key: &[&dyn Display]) -> f64 {
        f64::from(u32::try_from(self.draw(key) >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
    }

    /// A whole number from 0 to less than `bound`; 0 when `bound` is 0.
    #[must_use]
    pub fn below(self, bound: u32, key: &[&dyn Display]) -> u32 {
        let number = self.draw(key).checked_rem(u64::from(bound)).unwrap_or(0);
        u32::try_from(number).unwrap_or(0)
    }

    /// A duration from `least` to `most`.
    #[must_use]
    pub fn between(self, least: Duration, most: Duration, key: &[&dyn Display]) -> Duration {
        least + most.saturating_sub(least).mul_f64(self.fraction(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_always_gives_the_same_number_and_numbers_are_uniform() {
        let rng = SeededRng::seeded(1);
        assert_eq!(rng.fraction(&[&"a", &1]).to_bits(), rng.fraction(&[&"a", &1]).to_bits());
        assert_ne!(rng.fraction(&[&"1", &"23"]).to_bits(), rng.fraction(&[&"12", &"3"]).to_bits());
        let low = (0..10_000).filter(|n| rng.fraction(&[n]) < 0.25).count();
        assert!((2300..2700).contains(&low), "{low}");
        let mut seen = [0; 4];
        (0..400).for_each(|n| seen[rng.below(4, &[&n]) as usize] += 1);
        assert!(seen.iter().all(|count| (60..140).contains(count)), "{seen:?}");
        assert_eq!(rng.below(0, &[&"x"]), 0);
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(3));
        assert!((0..100).all(|n| (least..=most).contains(&rng.between(least, most, &[&n]))));
    }
}
