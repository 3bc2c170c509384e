//! When an endpoint is tried again. Data, so that it can be read at a glance.

use std::time::Duration;

use platform::recent_states::jitter;

/// Waits after the first, second, … failure in a row, in seconds: 5 s to 24 h, over 75 h in all.
pub const WAITS: [u64; 13] =
    [5, 30, 120, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 84_000, 86_400];
/// A wait is spread over this share of it, ending at it, so that endpoints that failed together are not tried
/// together.
const SPREAD: f64 = 0.1;

/// The wait after so many failures in a row, counted from 1. `None` when the schedule is over.
#[must_use]
pub fn wait_after(failures: u32) -> Option<Duration> {
    let index = usize::try_from(failures.checked_sub(1)?).ok()?;
    let whole = Duration::from_secs(*WAITS.get(index)?);
    Some(whole - jitter(whole.mul_f64(SPREAD)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_38_the_schedule_grows_from_5_s_to_24_h_over_75_h() {
        assert!(WAITS.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!((WAITS[0], WAITS[WAITS.len() - 1]), (5, 24 * 3_600));
        assert_eq!(WAITS.iter().sum::<u64>() / 3_600, 75);
        for (failures, seconds) in (1..).zip(WAITS) {
            let wait = wait_after(failures).expect("a wait");
            let whole = Duration::from_secs(seconds);
            assert!(wait <= whole && wait >= whole.mul_f64(1.0 - SPREAD), "{wait:?} of {whole:?}");
        }
        assert_eq!((wait_after(0), wait_after(14)), (None, None));
    }
}
