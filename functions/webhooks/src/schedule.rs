//! When a callback is tried again. Data, so that it can be read at a glance.

use std::time::Duration;

/// Waits before the second, third, … attempt, in seconds: 5 s to almost 12 h over about three days. SQS hides a
/// message for 12 hours at most, counted from when it was received (AWS limit of `ChangeMessageVisibility`), so
/// the time that an attempt itself takes must fit in beside the longest wait.
pub const WAITS: [u32; 14] =
    [5, 30, 120, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_000, 43_000, 43_000, 43_000];

/// The wait after an attempt, counted from 1. `None` when the schedule is over; the queue then counts the
/// message out into its dead-letter queue.
#[must_use]
pub fn wait_after(attempt: u32) -> Option<Duration> {
    let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
    WAITS.get(index).map(|seconds| Duration::from_secs(u64::from(*seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_grows_and_ends() {
        assert!(WAITS.windows(2).all(|pair| pair[0] <= pair[1]));
        let timeout = 60;
        assert!(
            WAITS.iter().all(|seconds| seconds + timeout <= 43_200),
            "SQS hides a message for 12 hours at most"
        );
        assert_eq!(wait_after(1), Some(Duration::from_secs(5)));
        assert_eq!(wait_after(0), None);
        assert_eq!(wait_after(15), None);
    }
}
