//! China's clock, where deadlines, ages and validity count in days, and waits.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// The one time zone of the mainland: UTC+8 all year, without daylight saving time.
pub const CHINA: Offset = Offset::constant(8);

/// The calendar day in China at `now`.
#[must_use]
pub fn today(now: Timestamp) -> Date {
    CHINA.to_datetime(now).date()
}

/// The time `wait` after `at`; the nearest time that the type can hold when there is no such time.
#[must_use]
pub fn later(at: Timestamp, wait: SignedDuration) -> Timestamp {
    // Only a span of days or longer is an error, because their length needs a calendar.
    at.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_sixteen_hours_utc() {
        let day = |text: &str| today(text.parse().expect("a timestamp")).to_string();
        assert_eq!(day("2026-11-27T15:59:59Z"), "2026-11-27");
        assert_eq!(day("2026-11-27T16:00:00Z"), "2026-11-28");
    }

    #[test]
    fn a_wait_beyond_the_last_time_ends_there() {
        let (second, century) = (SignedDuration::from_secs(1), SignedDuration::from_hours(876_000));
        assert_eq!(later(Timestamp::UNIX_EPOCH, second).as_second(), 1);
        assert_eq!(later(Timestamp::MAX, century), Timestamp::MAX);
        assert_eq!(later(Timestamp::MIN, -century), Timestamp::MIN);
    }
}
