//! The retry schedule of an endpoint.

use jiff::SignedDuration;

/// Waits after the first, second, … failure in a row, in seconds: 5 s to 24 h, more than 75 h in total.
pub const WAITS: [i64; 13] =
    [5, 30, 120, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 84_000, 86_400];

/// The random part of a wait, in thousandths. It varies the last tenth of a wait, so that endpoints that failed
/// together are not retried together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jitter(u16);

impl Jitter {
    /// Derives the jitter from any random number.
    #[must_use]
    pub fn of(random: u32) -> Jitter {
        Jitter(u16::try_from(random % 1_001).unwrap_or_default())
    }
}

/// The wait after a number of failures in a row, from 1; `None` when the schedule has ended.
#[must_use]
pub fn wait_after(failures: u32, jitter: Jitter) -> Option<SignedDuration> {
    let index = usize::try_from(failures.checked_sub(1)?).ok()?;
    let seconds = *WAITS.get(index)?;
    // A tenth of the wait, times the thousandths of the jitter, in milliseconds.
    let less = seconds.saturating_mul(i64::from(jitter.0)) / 10;
    Some(SignedDuration::from_millis(seconds.saturating_mul(1_000).saturating_sub(less)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row 38 of `tests/FAULTS.md`.
    #[test]
    fn the_schedule_grows_from_5_s_to_24_h_over_75_h() {
        assert!(WAITS.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!((WAITS[0], WAITS[WAITS.len() - 1]), (5, 24 * 3_600));
        assert_eq!(WAITS.iter().sum::<i64>() / 3_600, 75);
        for (failures, seconds) in (1..).zip(WAITS) {
            let longest = wait_after(failures, Jitter::of(0)).expect("a wait");
            let shortest = wait_after(failures, Jitter::of(1_000)).expect("a wait");
            assert_eq!(longest, SignedDuration::from_secs(seconds));
            assert_eq!(shortest, SignedDuration::from_millis(seconds * 900));
        }
        let any = Jitter::of(u32::MAX);
        assert_eq!((wait_after(0, any), wait_after(14, any)), (None, None));
    }
}
