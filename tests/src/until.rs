//! Waiting for a condition. The one place in the tests that lets time pass.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Looks until `look` gives something, and gives that.
///
/// # Panics
/// With `what` where it gives nothing within `deadline`.
pub async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> F,
) -> T {
    let begun = Instant::now();
    let mut beat = interval(LOOK);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < deadline, "not within {} s: {what}", deadline.as_secs());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_condition_is_looked_at_until_it_holds() {
        let looks = Cell::new(0);
        let seen = until("three looks", Duration::from_secs(5), || {
            looks.set(looks.get() + 1);
            let look = looks.get();
            async move { (look == 3).then_some(look) }
        });
        assert_eq!(seen.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "not within 0 s: the impossible")]
    async fn a_deadline_ends_it() {
        until("the impossible", Duration::ZERO, || async { None::<()> }).await;
    }
}
