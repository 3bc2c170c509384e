//! China's clock: deadlines, ages and validity count in days there.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

/// The one time zone of the mainland: UTC+8 all year, without daylight saving time.
pub const CHINA: Offset = Offset::constant(8);

/// The calendar day in China at `now`.
#[must_use]
pub fn today(now: Timestamp) -> Date {
    CHINA.to_datetime(now).date()
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
}
