//! How often a call to the hub is retried, and with which backoff.

use std::time::Duration;

/// Exponential backoff with full jitter, bounded in tries and in each wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Number of tries, the first included; at least 1.
    pub tries: u32,
    /// Upper bound of the first wait. The bound doubles with each try.
    pub first: Duration,
    /// Upper bound of every wait. A longer `Retry-After` ends the retries: the caller can retry later.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    /// 8 tries within about a minute.
    fn default() -> Self {
        RetryPolicy { tries: 8, first: Duration::from_millis(200), longest: Duration::from_secs(30) }
    }
}

impl RetryPolicy {
    /// The wait before the next try after `tried` tries. Returns `None` when the policy allows no further try. `random`
    /// is uniform in 0 to `u32::MAX`.
    #[must_use]
    pub fn wait(&self, tried: u32, retry_after: Option<Duration>, random: u32) -> Option<Duration> {
        if tried >= self.tries || retry_after.is_some_and(|least| least > self.longest) {
            return None;
        }
        let doubled =
            self.first.saturating_mul(1u32.checked_shl(tried.saturating_sub(1)).unwrap_or(u32::MAX));
        let bound = doubled.min(self.longest);
        let share = f64::from(random) / f64::from(u32::MAX);
        // As a float the longest duration is rounded up, and is then no duration.
        let jitter = Duration::try_from_secs_f64(bound.as_secs_f64() * share).unwrap_or(bound);
        Some(match retry_after {
            // Never earlier than the hub requested. The jitter spreads clients that got the same `Retry-After`.
            Some(least) => least.saturating_add(jitter.min(self.first)),
            None => jitter,
        })
    }

    /// Waits before the next try.
    ///
    /// Returns `false` at once when the policy allows no further try.
    pub async fn pause(&self, tried: u32, retry_after: Option<Duration>) -> bool {
        // Without a random number the wait is the longest: still correct, only less spread.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        match self.wait(tried, retry_after, random) {
            Some(wait) => {
                tokio::time::sleep(wait).await;
                true
            }
            None => false,
        }
    }
}

/// Parses a `Retry-After` in seconds (RFC 9110 section 10.2.3). A date counts as absent, because clocks differ.
#[must_use]
pub fn retry_after(value: Option<&str>) -> Option<Duration> {
    value?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_honour_retry_after() {
        let retry_policy =
            RetryPolicy { tries: 5, first: Duration::from_secs(1), longest: Duration::from_secs(5) };
        let wait =
            |tried, after: Option<u64>| retry_policy.wait(tried, after.map(Duration::from_secs), u32::MAX);
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(
            [wait(1, None), wait(2, None), wait(3, None), wait(4, None)],
            [seconds(1), seconds(2), seconds(4), seconds(5)]
        );
        assert_eq!(wait(5, None), None);
        assert_eq!(wait(1, Some(3)), seconds(4));
        assert_eq!(wait(1, Some(6)), None);
        assert_eq!(retry_policy.wait(4, None, 0), seconds(0));
        assert_eq!(retry_policy.wait(2, Some(Duration::from_secs(2)), 0), seconds(2));
    }

    #[test]
    fn a_policy_without_bounds_waits_and_does_not_panic() {
        let longest = Duration::MAX;
        let retry_policy = RetryPolicy { tries: 5, first: longest, longest };
        assert_eq!(retry_policy.wait(1, None, u32::MAX), Some(longest));
        assert_eq!(retry_policy.wait(1, Some(longest), u32::MAX), Some(longest));
    }

    #[test]
    fn retry_after_is_read_in_seconds() {
        assert_eq!(retry_after(Some(" 7 ")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(Some("Wed, 21 Oct 2026 07:28:00 GMT")), None);
        assert_eq!(retry_after(None), None);
    }
}
