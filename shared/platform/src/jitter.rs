//! Random waits, so that processes that failed together do not retry together.

use std::time::Duration;

use domain::endpoint::Jitter;

/// A random wait of at most `bound`.
#[must_use]
pub fn jitter(bound: Duration) -> Duration {
    // Without entropy the wait is the bound itself.
    let share = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
    bound.mul_f64(share)
}

/// A wait that doubled this many times.
#[must_use]
pub fn doubled(wait: Duration, times: u32) -> Duration {
    wait.saturating_mul(2_u32.saturating_pow(times))
}

/// The random part of a wait in the retry schedule of endpoints.
#[must_use]
pub fn schedule_jitter() -> Jitter {
    Jitter::of(getrandom::u32().unwrap_or_default())
}
