//! How a simulated agency behaves besides its decisions: how fast it is, which mistakes it makes, how often it crashes.

use std::time::Duration;

use crate::seeded_rng::SeededRng;

/// The behaviour of a simulated agency. Rates are shares from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Behaviour {
    /// Seed of all randomness.
    pub seed: u64,
    /// Shortest and longest time for a decision.
    pub delay: (Duration, Duration),
    /// Share of reports with a deliberate mistake.
    pub mistakes: f64,
    /// Share of cases for which the agency requests a resend.
    pub duplicates: f64,
    /// Share of messages during which the agency's process crashes once.
    pub crashes: f64,
}

impl Behaviour {
    pub(super) fn rng(&self) -> SeededRng {
        SeededRng::seeded(self.seed)
    }
}
