//! The clock. The domain gets the time as an argument; only adapters and handlers read the clock.

#[cfg(any(test, feature = "testing"))]
mod fake;

use jiff::Timestamp;

#[cfg(any(test, feature = "testing"))]
pub use fake::FakeClock;

/// A source of the current time. Times are for dates and waits only; versions decide the order of events.
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
