//! Dice that fall the same for the same seed and the same occasion, whatever else happens meanwhile.

use std::fmt::Display;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// Seeded dice. They have no state: an occasion is named, and always has the same outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeededRng(u64);

impl SeededRng {
    /// Dice with a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> SeededRng {
        SeededRng(seed)
    }

    fn drawn(self, occasion: &[&dyn Display]) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.0.to_be_bytes());
        for part in occasion {
            // A length before each part: "1" and "23" are another occasion than "12" and "3".
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
    pub fn fraction(self, occasion: &[&dyn Display]) -> f64 {
        f64::from(u32::try_from(self.drawn(occasion) >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
    }

    /// A whole number from 0 to less than `bound`; 0 where that is 0.
    #[must_use]
    pub fn below(self, bound: u32, occasion: &[&dyn Display]) -> u32 {
        let number = self.drawn(occasion).checked_rem(u64::from(bound)).unwrap_or(0);
        u32::try_from(number).unwrap_or(0)
    }

    /// A time from `least` to `most`.
    #[must_use]
    pub fn between(self, least: Duration, most: Duration, occasion: &[&dyn Display]) -> Duration {
        least + most.saturating_sub(least).mul_f64(self.fraction(occasion))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_occasion_has_one_outcome_and_all_of_them_are_even() {
        let dice = SeededRng::seeded(1);
        assert_eq!(dice.fraction(&[&"a", &1]).to_bits(), dice.fraction(&[&"a", &1]).to_bits());
        assert_ne!(dice.fraction(&[&"1", &"23"]).to_bits(), dice.fraction(&[&"12", &"3"]).to_bits());
        let low = (0..10_000).filter(|n| dice.fraction(&[n]) < 0.25).count();
        assert!((2300..2700).contains(&low), "{low}");
        let mut seen = [0; 4];
        (0..400).for_each(|n| seen[dice.below(4, &[&n]) as usize] += 1);
        assert!(seen.iter().all(|count| (60..140).contains(count)), "{seen:?}");
        assert_eq!(dice.below(0, &[&"x"]), 0);
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(3));
        assert!((0..100).all(|n| (least..=most).contains(&dice.between(least, most, &[&n]))));
    }
}
