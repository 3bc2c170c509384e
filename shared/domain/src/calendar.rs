//! China's official calendar of working days.
//!
//! The State Council publishes it a year at a time, usually in November: public holidays, and the weekend days
//! worked in exchange. `data/calendar/` has one file for each year, copied from the notice that the file names. Time
//! limits count working days without public holidays (行政许可法, art. 82), from the day after the event (民法典, art. 201).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::Span;
use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The compiled-in files. Add one line for each new year.
const FILES: [&str; 3] = [
    include_str!("../data/calendar/2024.json"),
    include_str!("../data/calendar/2025.json"),
    include_str!("../data/calendar/2026.json"),
];

/// The working days of all years with a calendar file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    years: BTreeMap<i16, Year>,
}

/// The exceptions of a year to "Monday to Friday".
#[derive(Clone, Debug, PartialEq, Eq)]
struct Year {
    holidays: BTreeSet<Date>,
    working_weekend_days: BTreeSet<Date>,
}

/// The file of a year. Unknown fields are refused, because a misspelt field would silently move deadlines.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    year: i16,
    /// Notice that publishes the dates.
    #[serde(rename = "source")]
    _source: String,
    holidays: Vec<Holiday>,
    working_weekend_days: Vec<Date>,
}

/// One public holiday with the days around it, both ends included.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Holiday {
    #[serde(rename = "zh")]
    _zh: String,
    #[serde(rename = "en")]
    _en: String,
    from: Date,
    to: Date,
}

/// The last day of a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Deadline {
    /// Day in China. The time limit passes at the end of this day.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Day"))]
    pub date: Date,
    /// Whether the count includes a year without a calendar, where Monday to Friday count as working days. The real day
    /// may be later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

/// The calendar has no file for a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error(
    "the working days of {year} are not known: add shared/domain/data/calendar/{year}.json from the State Council's notice"
)]
pub struct UnknownYear {
    /// The year.
    pub year: i16,
}

impl UnknownYear {
    /// The stable name of the problem.
    #[must_use]
    pub fn code(self) -> &'static str {
        "calendar_unknown_year"
    }
}

/// Why a calendar file cannot be used.
#[derive(Debug, Error)]
pub enum CalendarError {
    /// The file is not the JSON of a calendar.
    #[error("the file is not the JSON of a calendar")]
    Json(#[from] serde_json::Error),
    /// Two files for one year.
    #[error("the year {0} has two files")]
    YearTwice(i16),
    /// A day belongs to another year.
    #[error("the day {0} is outside the year of its file")]
    OutsideYear(Date),
    /// A holiday ends before it begins.
    #[error("the holiday from {0} ends before it begins")]
    Backwards(Date),
    /// A day belongs to two holidays, is listed twice, or is both a holiday and a working day.
    #[error("the day {0} is listed twice")]
    DayTwice(Date),
    /// A working weekend day is not a Saturday or Sunday.
    #[error("the day {0} is listed as a working weekend day but is not a Saturday or Sunday")]
    NotWeekend(Date),
}

impl CalendarError {
    /// The stable name of the problem.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            CalendarError::Json(_) => "calendar_json",
            CalendarError::YearTwice(_) => "calendar_year_twice",
            CalendarError::OutsideYear(_) => "calendar_outside_year",
            CalendarError::Backwards(_) => "calendar_backwards",
            CalendarError::DayTwice(_) => "calendar_day_twice",
            CalendarError::NotWeekend(_) => "calendar_not_weekend",
        }
    }
}

impl Calendar {
    /// The compiled-in calendar, parsed once.
    ///
    /// # Panics
    /// Never: the files are compiled in, and a test parses them.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the files are compiled in, and a test parses them")]
    pub fn official() -> &'static Calendar {
        static OFFICIAL: LazyLock<Calendar> =
            LazyLock::new(|| Calendar::from_files(&FILES).expect("a test parses the calendar files"));
        &OFFICIAL
    }

    /// A calendar from the text of its files, in any order.
    ///
    /// # Errors
    /// [`CalendarError`] when a file is malformed or contradicts itself, or when a year has two files.
    pub fn from_files(files: &[&str]) -> Result<Calendar, CalendarError> {
        let mut years = BTreeMap::new();
        for text in files {
            let file: File = serde_json::from_str(text)?;
            let number = file.year;
            if years.insert(number, Year::new(file)?).is_some() {
                return Err(CalendarError::YearTwice(number));
            }
        }
        Ok(Calendar { years })
    }

    /// The years with a calendar file, in order.
    pub fn years(&self) -> impl Iterator<Item = i16> {
        self.years.keys().copied()
    }

    /// Whether a day is a working day.
    ///
    /// # Errors
    /// [`UnknownYear`] when the calendar has no file for the year of the day.
    pub fn is_working_day(&self, date: Date) -> Result<bool, UnknownYear> {
        let year = self.years.get(&date.year()).ok_or(UnknownYear { year: date.year() })?;
        Ok(!year.holidays.contains(&date) && (is_weekday(date) || year.working_weekend_days.contains(&date)))
    }

    /// The `n`th working day after `date`; `date` itself for 0. Counting starts the day after, whether
    /// or not `date` is a working day.
    ///
    /// # Errors
    /// [`UnknownYear`] when the count reaches a year without a calendar file.
    pub fn add_working_days(&self, date: Date, n: u16) -> Result<Date, UnknownYear> {
        let (date, unknown) = self.count(date, n);
        unknown.map_or(Ok(date), Err)
    }

    /// The deadline `n` working days after `date`, counted as [`Calendar::add_working_days`] does. In a year without a
    /// calendar file Monday to Friday count, and the deadline is provisional: the hub accepts applications before the
    /// State Council publishes the calendar of the next year.
    #[must_use]
    pub fn deadline(&self, date: Date, n: u16) -> Deadline {
        let (date, unknown) = self.count(date, n);
        Deadline { date, provisional: unknown.is_some() }
    }

    /// The last day of a period of `days` calendar days after `date`. A period that ends on a day off ends on the next
    /// working day (民法典, art. 203).
    #[must_use]
    pub fn period(&self, date: Date, days: i64) -> Deadline {
        self.working_day_from(date.saturating_add(Span::new().days(days)))
    }

    /// `date` if it is a working day, else the next working day. Provisional when a year without a calendar file
    /// decides.
    #[must_use]
    pub fn working_day_from(&self, mut date: Date) -> Deadline {
        let mut provisional = false;
        loop {
            let working = self.is_working_day(date).unwrap_or_else(|_| {
                provisional = true;
                is_weekday(date)
            });
            match date.tomorrow() {
                Ok(next) if !working => date = next,
                Ok(_) | Err(_) => return Deadline { date, provisional },
            }
        }
    }

    /// The `n`th working day after `date`, with the first year that has no calendar file.
    fn count(&self, mut date: Date, n: u16) -> (Date, Option<UnknownYear>) {
        let mut unknown = None;
        let mut left = n;
        while left > 0 {
            // The count stops at the end of the year 9999, the last date that the type can hold.
            let Ok(next) = date.tomorrow() else {
                return (date, unknown.or(Some(UnknownYear { year: date.year() })));
            };
            date = next;
            let working = self.is_working_day(date).unwrap_or_else(|year| {
                unknown.get_or_insert(year);
                is_weekday(date)
            });
            left = left.saturating_sub(u16::from(working));
        }
        (date, unknown)
    }
}

impl Year {
    fn new(file: File) -> Result<Self, CalendarError> {
        let inside = |day: Date| {
            if day.year() == file.year { Ok(day) } else { Err(CalendarError::OutsideYear(day)) }
        };
        let mut holidays = BTreeSet::new();
        for holiday in &file.holidays {
            let (mut day, to) = (inside(holiday.from)?, inside(holiday.to)?);
            if day > to {
                return Err(CalendarError::Backwards(day));
            }
            while day <= to {
                if !holidays.insert(day) {
                    return Err(CalendarError::DayTwice(day));
                }
                let Ok(next) = day.tomorrow() else { break };
                day = next;
            }
        }
        let mut working_weekend_days = BTreeSet::new();
        for day in file.working_weekend_days {
            if is_weekday(inside(day)?) {
                return Err(CalendarError::NotWeekend(day));
            }
            if holidays.contains(&day) || !working_weekend_days.insert(day) {
                return Err(CalendarError::DayTwice(day));
            }
        }
        Ok(Year { holidays, working_weekend_days })
    }
}

fn is_weekday(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn official() -> &'static Calendar {
        Calendar::official()
    }

    #[test]
    fn the_files_parse() {
        assert_eq!(official().years().collect::<Vec<_>>(), [2024, 2025, 2026]);
        assert_eq!(Calendar::from_files(&FILES).expect("the files parse"), *official());
    }

    /// Working days of each year, computed from the notices: weekdays, less holidays on weekdays, plus
    /// weekend days worked.
    #[test]
    fn each_year_has_its_number_of_working_days() {
        for (year, expected) in [(2024, 251), (2025, 248), (2026, 248)] {
            let days =
                date(year, 1, 1).series(jiff::Span::new().days(1)).take_while(|day| day.year() == year);
            let working = days.filter(|day| official().is_working_day(*day) == Ok(true)).count();
            assert_eq!(working, expected, "{year}");
        }
    }

    #[test]
    fn holidays_and_worked_weekends_are_known() {
        for (day, working) in [
            (date(2025, 1, 1), false),
            (date(2025, 1, 26), true),
            (date(2025, 1, 28), false),
            (date(2025, 2, 4), false),
            (date(2025, 2, 5), true),
            (date(2025, 10, 8), false),
            (date(2025, 10, 11), true),
            (date(2026, 1, 4), true),
            (date(2026, 2, 23), false),
            (date(2026, 2, 24), true),
            (date(2026, 10, 8), true),
            (date(2024, 2, 18), true),
            (date(2026, 3, 7), false),
            (date(2026, 3, 9), true),
        ] {
            assert_eq!(official().is_working_day(day), Ok(working), "{day}");
        }
    }

    #[test]
    fn counting_starts_the_day_after() {
        let friday = date(2026, 3, 6);
        assert_eq!(official().add_working_days(friday, 0), Ok(friday));
        assert_eq!(official().add_working_days(friday, 1), Ok(date(2026, 3, 9)));
        assert_eq!(official().add_working_days(date(2026, 3, 7), 1), Ok(date(2026, 3, 9)));
        // Over the Spring Festival: 14 February is a worked Saturday, 15 to 23 are free.
        assert_eq!(official().add_working_days(date(2026, 2, 12), 3), Ok(date(2026, 2, 24)));
        // Over the New Year: 1 to 3 January are free, Sunday the 4th is worked.
        assert_eq!(official().add_working_days(date(2025, 12, 31), 1), Ok(date(2026, 1, 4)));
    }

    #[test]
    fn an_unknown_year_is_named() {
        let error = official().add_working_days(date(2026, 12, 30), 2).expect_err("2027 is not known");
        assert_eq!(error, UnknownYear { year: 2027 });
        assert!(error.to_string().contains("shared/domain/data/calendar/2027.json"), "{error}");
        assert_eq!(official().is_working_day(date(2023, 5, 4)), Err(UnknownYear { year: 2023 }));
        assert_eq!(error.code(), "calendar_unknown_year");
    }

    #[test]
    fn a_deadline_in_an_unknown_year_is_provisional() {
        let known = official().deadline(date(2026, 12, 29), 2);
        assert_eq!(known, Deadline { date: date(2026, 12, 31), provisional: false });
        // 1 January 2027 is a Friday, which counts as a working day until the notice is published.
        let guessed = official().deadline(date(2026, 12, 29), 3);
        assert_eq!(guessed, Deadline { date: date(2027, 1, 1), provisional: true });
        let last = official().deadline(Date::MAX, u16::MAX);
        assert_eq!(last, Deadline { date: Date::MAX, provisional: true });
    }

    #[test]
    fn a9_a_period_that_ends_on_a_day_off_ends_on_the_next_working_day() {
        // 19 February 2026 is in Spring Festival, which ends on the 23rd.
        let until = official().period(date(2026, 1, 20), 30);
        assert_eq!(until, Deadline { date: date(2026, 2, 24), provisional: false });
        // 14 February 2026 is a Saturday that is worked.
        assert_eq!(official().period(date(2026, 1, 15), 30).date, date(2026, 2, 14));
        // 2 January 2027 is a Saturday of a year without a calendar.
        let guessed = official().period(date(2026, 12, 3), 30);
        assert_eq!(guessed, Deadline { date: date(2027, 1, 4), provisional: true });
        assert_eq!(official().period(Date::MAX, 1).date, Date::MAX);
    }

    #[test]
    fn a_deadline_is_short_on_the_wire() {
        let certain = Deadline { date: date(2026, 3, 9), provisional: false };
        let json = serde_json::to_string(&certain).expect("JSON");
        assert_eq!(json, r#"{"date":"2026-03-09"}"#);
        assert_eq!(serde_json::from_str::<Deadline>(&json).expect("a deadline"), certain);
        let guessed = Deadline { provisional: true, ..certain };
        let json = serde_json::to_string(&guessed).expect("JSON");
        assert_eq!(serde_json::from_str::<Deadline>(&json).expect("a deadline"), guessed);
    }

    #[test]
    fn files_that_contradict_themselves_are_refused() {
        let file = |holidays: &str, working: &str| {
            let holidays = holidays.replace('(', r#"{"zh":"节","en":"holiday","from":""#);
            let holidays = holidays.replace('/', r#"","to":""#).replace(')', r#""}"#);
            format!(
                r#"{{"year":2030,"source":"","holidays":[{holidays}],"working_weekend_days":[{working}]}}"#
            )
        };
        for (text, code) in [
            ("{}".to_owned(), "calendar_json"),
            (file("", "").replace("source", "sauce"), "calendar_json"),
            (file("(2031-01-01/2031-01-01)", ""), "calendar_outside_year"),
            (file("(2030-12-31/2031-01-01)", ""), "calendar_outside_year"),
            (file("(2030-01-03/2030-01-01)", ""), "calendar_backwards"),
            (file("(2030-01-01/2030-01-03),(2030-01-03/2030-01-04)", ""), "calendar_day_twice"),
            (file("", r#""2030-01-05","2030-01-05""#), "calendar_day_twice"),
            (file("(2030-01-05/2030-01-05)", r#""2030-01-05""#), "calendar_day_twice"),
            (file("", r#""2030-01-07""#), "calendar_not_weekend"),
        ] {
            let error = Calendar::from_files(&[&text]).expect_err("contradicts itself");
            assert_eq!(error.code(), code, "{text}");
        }
        let good = file("(2030-01-01/2030-01-03)", r#""2030-01-05""#);
        assert!(Calendar::from_files(&[&good]).is_ok());
        let error = Calendar::from_files(&[&good, &good]).expect_err("two files");
        assert_eq!(error.code(), "calendar_year_twice");
    }

    proptest! {
        #[test]
        fn a_count_is_the_number_of_working_days_passed(offset in 0..1000_i64, n in 0..60_u16) {
            let from = date(2024, 1, 1).saturating_add(jiff::Span::new().days(offset));
            let deadline = official().deadline(from, n);
            match official().add_working_days(from, n) {
                Ok(day) => {
                    prop_assert_eq!(deadline, Deadline { date: day, provisional: false });
                    let mut passed = 0;
                    let mut at = from;
                    while at < day {
                        at = at.tomorrow().expect("within range");
                        passed += u16::from(official().is_working_day(at).expect("a known year"));
                    }
                    prop_assert_eq!(passed, n);
                    prop_assert!(n == 0 || official().is_working_day(day).expect("a known year"));
                }
                Err(unknown) => {
                    prop_assert_eq!(unknown.year, 2027);
                    prop_assert!(deadline.provisional && deadline.date.year() >= 2027);
                }
            }
        }

        #[test]
        fn more_days_are_never_earlier(offset in 0..1200_i64, n in 0..200_u16) {
            let from = date(2024, 1, 1).saturating_add(jiff::Span::new().days(offset));
            prop_assert!(official().deadline(from, n) < official().deadline(from, n + 1));
        }
    }
}
