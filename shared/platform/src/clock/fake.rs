//! A clock that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

use super::Clock;

/// A clock that changes only when a test moves it, in milliseconds. Clones show the same time.
#[derive(Clone, Debug)]
pub struct FakeClock(Arc<AtomicI64>);

impl FakeClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        FakeClock(Arc::new(AtomicI64::new(now.as_millisecond())))
    }

    /// Moves the clock to `now`, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millisecond(), Ordering::SeqCst);
    }

    /// Moves the clock by a duration, backwards when it is negative.
    pub fn advance(&self, by: SignedDuration) {
        let milliseconds = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Default for FakeClock {
    /// Shows 2026-03-02T01:00:00Z: a Monday, nine in the morning in China.
    fn default() -> Self {
        FakeClock(Arc::new(AtomicI64::new(1_772_413_200_000)))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_fake_clock_moves_only_when_moved() {
        let clock = FakeClock::default();
        let shown = clock.clone();
        assert_eq!(shown.now().to_string(), "2026-03-02T01:00:00Z");
        clock.advance(SignedDuration::from_mins(5));
        assert_eq!(shown.now().to_string(), "2026-03-02T01:05:00Z");
        clock.advance(SignedDuration::from_mins(-10));
        assert_eq!(shown.now().to_string(), "2026-03-02T00:55:00Z");
        clock.set(Timestamp::UNIX_EPOCH);
        assert_eq!(shown.now(), Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn the_system_clock_is_past_the_epoch() {
        assert!(SystemClock.now() > Timestamp::UNIX_EPOCH);
    }
}
