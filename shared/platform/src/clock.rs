//! What time it is. Only adapters ask; the domain is told.

#[cfg(any(test, feature = "testing"))]
mod fake;

use jiff::Timestamp;

#[cfg(any(test, feature = "testing"))]
pub use fake::FakeClock;

/// A clock. No order is ever taken from it: versions order, the clock only dates.
pub trait Clock: Clone + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
