//! The citizen identity number (公民身份号码), GB 11643-1999.

use std::str::FromStr;

use jiff::civil::Date;
use thiserror::Error;

use crate::division::PROVINCES;
use crate::text::personal_text;

/// Characters of a number: 6 of the area, 8 of the birth date, 3 of the sequence, 1 check character.
const LENGTH: usize = 18;
/// Weight of each of the first 17 digits (GB 11643-1999).
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// The check character by weighted sum modulo 11 (GB 11643-1999).
const CHECK_CHARACTERS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
/// Area codes besides the 31 provincial units: 71 and 83 for residents of Taiwan, 81 of Hong Kong, 82 of Macao. Their
/// residence permits carry numbers of this form.
const OTHER_AREAS: [&str; 4] = ["71", "81", "82", "83"];
/// First digits of numbers that are not a citizen's: residence permits of residents of Hong Kong (81), Macao (82) and
/// Taiwan (83), and permanent residence permits of foreigners (9, then the place of acceptance and the nationality).
const NOT_CITIZENS: [&str; 4] = ["81", "82", "83", FOREIGNER];
/// First digit of a foreigner's permanent residence permit.
const FOREIGNER: &str = "9";
/// Full years of the oldest person.
const OLDEST: u8 = 130;
/// Earliest birth year. The standard has no bound; this one detects a mistyped century.
const FIRST_YEAR: i16 = 1800;

/// A valid citizen identity number; a final `x` becomes `X`. Personal data: `Debug` is redacted, and `Display` is
/// missing.
///
/// Only the two province digits of the area are checked: the area is that of the first registration, whose code has
/// often been abolished since.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityNumber(String);

/// Sex according to the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sex {
    /// Male: the sequence is odd.
    Male,
    /// Female: the sequence is even.
    Female,
}

/// Why a text is not an [`IdentityNumber`]. Never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum IdentityNumberError {
    /// The text does not have 18 characters.
    #[error("an identity number must have 18 characters")]
    Length,
    /// One of the first 17 characters is not a digit, or the last is neither a digit nor X.
    #[error("an identity number must have 17 digits and end with a digit or X")]
    NotDigits,
    /// The first two digits are not the code of an area of issue.
    #[error("the first two digits of an identity number must be the code of a provincial unit")]
    Province,
    /// Digits 7 to 14 are not a date from the year 1800 on.
    #[error("digits 7 to 14 of an identity number must be a birth date")]
    BirthDate,
    /// The birth date is after the day of the check.
    #[error("the birth date in an identity number is in the future")]
    BirthDateInFuture,
    /// The birth date is more than 130 years before the day of the check.
    #[error("the birth date in an identity number is more than 130 years ago")]
    BirthDateTooEarly,
    /// The sequence of a number to be computed is over 999.
    #[error("the sequence of an identity number must be at most 999")]
    Sequence,
    /// The check character does not match the digits.
    #[error("the check character of an identity number does not match its digits")]
    CheckCharacter,
}

impl IdentityNumberError {
    /// Stable code of the problem.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            IdentityNumberError::Length => "identity_number_length",
            IdentityNumberError::NotDigits => "identity_number_not_digits",
            IdentityNumberError::Province => "identity_number_province",
            IdentityNumberError::BirthDate => "identity_number_birth_date",
            IdentityNumberError::BirthDateInFuture => "identity_number_birth_date_in_future",
            IdentityNumberError::BirthDateTooEarly => "identity_number_birth_date_too_early",
            IdentityNumberError::Sequence => "identity_number_sequence",
            IdentityNumberError::CheckCharacter => "identity_number_check_character",
        }
    }
}

impl IdentityNumber {
    /// Builds a number and computes its check character. For tests and demonstrations: only the public security organs
    /// issue real numbers.
    ///
    /// # Errors
    /// [`IdentityNumberError`] when the area is not six digits of a known province, the birth year is before 1800, or
    /// the sequence is over 999.
    pub fn compute(area: &str, birth: Date, sequence: u16) -> Result<Self, IdentityNumberError> {
        if area.len() != 6 {
            return Err(IdentityNumberError::Length);
        }
        if !area.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(IdentityNumberError::NotDigits);
        }
        if sequence > 999 {
            return Err(IdentityNumberError::Sequence);
        }
        if birth.year() < FIRST_YEAR {
            return Err(IdentityNumberError::BirthDate);
        }
        let (year, month, day) = (birth.year(), birth.month(), birth.day());
        let mut text = format!("{area}{year:04}{month:02}{day:02}{sequence:03}");
        text.push(check_character(&text));
        text.parse()
    }

    /// Checks that the birth date is neither in the future nor more than 130 years ago. `today` is the day in China.
    /// Numbers of records are not checked again.
    ///
    /// # Errors
    /// [`IdentityNumberError::BirthDateInFuture`] and [`IdentityNumberError::BirthDateTooEarly`].
    pub fn checked_on(self, today: Date) -> Result<Self, IdentityNumberError> {
        if self.birth_date() > today {
            return Err(IdentityNumberError::BirthDateInFuture);
        }
        if self.age_on(today) > OLDEST {
            return Err(IdentityNumberError::BirthDateTooEarly);
        }
        Ok(self)
    }

    /// The two digits of the province of first registration.
    #[must_use]
    pub fn province_digits(&self) -> &str {
        self.0.get(..2).unwrap_or_default()
    }

    /// Whether the number is a mainland citizen's, not that of a residence permit.
    #[must_use]
    pub fn is_of_citizen(&self) -> bool {
        !NOT_CITIZENS.iter().any(|digits| self.0.starts_with(digits))
    }

    /// The birth date.
    #[must_use]
    pub fn birth_date(&self) -> Date {
        // The parser checked the date; the fallback only avoids a panic.
        parse_birth_date(&self.0).unwrap_or(Date::MAX)
    }

    /// The sex: the third digit of the sequence is odd for men (GB 11643-1999).
    #[must_use]
    pub fn sex(&self) -> Sex {
        let is_odd = self.0.as_bytes().get(16).is_some_and(|byte| digit(*byte) % 2 == 1);
        if is_odd { Sex::Male } else { Sex::Female }
    }

    /// Age in full years on a day (周岁); 0 before the birth. A person born on 29 February turns a year older on 1 March
    /// of a common year.
    #[must_use]
    pub fn age_on(&self, day: Date) -> u8 {
        let birth = self.birth_date();
        let had_birthday = (day.month(), day.day()) >= (birth.month(), birth.day());
        let years = day.year().saturating_sub(birth.year()).saturating_sub(i16::from(!had_birthday));
        u8::try_from(years.max(0)).unwrap_or(u8::MAX)
    }
}

impl FromStr for IdentityNumber {
    type Err = IdentityNumberError;

    /// Removes white space around the number and changes a small `x` to a capital.
    fn from_str(text: &str) -> Result<Self, IdentityNumberError> {
        let text = text.trim();
        // Counts characters instead of bytes, so that full-width digits give `NotDigits` instead of `Length`.
        if text.chars().count() != LENGTH {
            return Err(IdentityNumberError::Length);
        }
        let text = text.to_ascii_uppercase();
        let (last, digits) = text.as_bytes().split_last().ok_or(IdentityNumberError::Length)?;
        if !digits.iter().all(u8::is_ascii_digit) || !(last.is_ascii_digit() || *last == b'X') {
            return Err(IdentityNumberError::NotDigits);
        }
        let mut areas = PROVINCES.iter().map(|(code, _, _)| *code).chain(OTHER_AREAS).chain([FOREIGNER]);
        if !areas.any(|code| text.starts_with(code)) {
            return Err(IdentityNumberError::Province);
        }
        parse_birth_date(&text).ok_or(IdentityNumberError::BirthDate)?;
        if !text.ends_with(check_character(&text)) {
            return Err(IdentityNumberError::CheckCharacter);
        }
        Ok(IdentityNumber(text))
    }
}

personal_text!(IdentityNumber: IdentityNumberError);

/// The check character for the first 17 digits of `digits`.
#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the remainder is less than the number of characters, which is not zero"
)]
fn check_character(digits: &str) -> char {
    let digits = digits.bytes().map(digit).zip(WEIGHTS);
    let sum: u32 = digits.map(|(digit, weight)| digit.saturating_mul(weight)).sum();
    CHECK_CHARACTERS[sum as usize % CHECK_CHARACTERS.len()]
}

fn digit(byte: u8) -> u32 {
    u32::from(byte.wrapping_sub(b'0'))
}

fn parse_birth_date(number: &str) -> Option<Date> {
    let date = Date::new(
        number.get(6..10)?.parse().ok()?,
        number.get(10..12)?.parse().ok()?,
        number.get(12..14)?.parse().ok()?,
    )
    .ok()?;
    (date.year() >= FIRST_YEAR).then_some(date)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    /// A computed number that belongs to no person.
    const EXAMPLE: &str = "110101202311012176";

    fn number(text: &str) -> IdentityNumber {
        text.parse().expect("an identity number")
    }

    fn born(birth: Date) -> IdentityNumber {
        IdentityNumber::compute("150102", birth, 12).expect("an identity number")
    }

    #[test]
    fn a_valid_number_parses() {
        let number = number(EXAMPLE);
        assert_eq!(number.as_str(), EXAMPLE);
        assert_eq!(number.province_digits(), "11");
        assert_eq!(number.birth_date(), date(2023, 11, 1));
        assert_eq!(number.sex(), Sex::Male);
        assert_eq!(IdentityNumber::compute("110101", date(2023, 11, 1), 217), Ok(number));
    }

    #[test]
    fn a_small_x_is_the_same_number() {
        let with_x = (0..100)
            .filter_map(|sequence| IdentityNumber::compute("150102", date(1990, 2, 3), sequence).ok())
            .find(|number| number.as_str().ends_with('X'))
            .expect("one in eleven ends with X");
        assert_eq!(with_x.as_str().to_lowercase().parse(), Ok(with_x.clone()));
        assert_eq!(format!(" {}\n", with_x.as_str()).parse(), Ok(with_x));
    }

    #[test]
    fn bad_texts_are_refused() {
        use IdentityNumberError::{BirthDate, CheckCharacter, Length, NotDigits, Province};
        for (text, error) in [
            ("", Length),
            ("110101231101217", Length),
            ("1101012023110121760", Length),
            ("1101012023110121X6", NotDigits),
            ("11010120231101217Y", NotDigits),
            ("１１０１０１２０２３１１０１２１７６", NotDigits),
            ("110101+02311012176", NotDigits),
            ("000101202311012176", Province),
            ("700101202311012176", Province),
            ("110101202302302176", BirthDate),
            ("110101202300012176", BirthDate),
            ("110101179912312176", BirthDate),
            ("110101202311012177", CheckCharacter),
            ("11010120231101217X", CheckCharacter),
        ] {
            assert_eq!(text.parse::<IdentityNumber>(), Err(error), "{text}");
        }
    }

    #[test]
    fn numbers_of_other_areas_of_issue_parse() {
        for area in ["710000", "810000", "820000", "830000", "152301"] {
            assert!(IdentityNumber::compute(area, date(1990, 1, 1), 1).is_ok(), "{area}");
        }
    }

    #[test]
    fn a28_a_foreigners_number_is_valid_and_not_a_citizens() {
        for (area, citizen) in
            [("911124", false), ("900000", false), ("810000", false), ("830000", false), ("110103", true)]
        {
            let number = IdentityNumber::compute(area, date(1990, 1, 1), 1).expect(area);
            assert_eq!(number.is_of_citizen(), citizen, "{area}");
        }
    }

    #[test]
    fn p9_nobody_is_older_than_130_years() {
        let number = born(date(1895, 3, 2));
        assert_eq!(number.clone().checked_on(date(2026, 3, 1)), Ok(number.clone()));
        assert_eq!(number.checked_on(date(2026, 3, 2)), Err(IdentityNumberError::BirthDateTooEarly));
        assert!(born(date(1800, 1, 1)).checked_on(date(2026, 3, 2)).is_err());
    }

    #[test]
    fn only_valid_numbers_are_computed() {
        use IdentityNumberError::{BirthDate, Length, NotDigits, Province, Sequence};
        let birth = date(1990, 1, 1);
        for (area, birth, sequence, error) in [
            ("1501", birth, 1, Length),
            ("15010x", birth, 1, NotDigits),
            ("150102", birth, 1000, Sequence),
            ("150102", date(1799, 12, 31), 1, BirthDate),
            ("000102", birth, 1, Province),
        ] {
            assert_eq!(IdentityNumber::compute(area, birth, sequence), Err(error));
        }
    }

    #[test]
    fn a_birth_date_in_the_future_is_refused() {
        let number = born(date(2026, 3, 2));
        assert_eq!(number.clone().checked_on(date(2026, 3, 1)), Err(IdentityNumberError::BirthDateInFuture));
        assert_eq!(number.clone().checked_on(date(2026, 3, 2)), Ok(number));
    }

    #[test]
    fn ages_change_on_the_birthday() {
        let number = born(date(2010, 6, 15));
        assert_eq!(number.age_on(date(2010, 6, 14)), 0);
        assert_eq!(number.age_on(date(2026, 6, 14)), 15);
        assert_eq!(number.age_on(date(2026, 6, 15)), 16);
        assert_eq!(number.age_on(date(9999, 1, 1)), u8::MAX);
    }

    #[test]
    fn a_leap_day_child_is_older_on_the_first_of_march() {
        let number = born(date(2008, 2, 29));
        assert_eq!(number.age_on(date(2026, 2, 28)), 17);
        assert_eq!(number.age_on(date(2026, 3, 1)), 18);
        assert_eq!(number.age_on(date(2024, 2, 28)), 15);
        assert_eq!(number.age_on(date(2024, 2, 29)), 16);
    }

    #[test]
    fn debug_and_errors_hide_the_number() {
        assert_eq!(format!("{:?}", number(EXAMPLE)), "IdentityNumber([redacted])");
        let json = format!("\"{}\"", EXAMPLE.replace("176", "177"));
        let error = serde_json::from_str::<IdentityNumber>(&json).expect_err("a wrong number");
        assert!(error.to_string().contains("check character"), "{error}");
        assert!(!error.to_string().contains("110101"), "{error}");
    }

    prop_compose! {
        fn numbers()(
            province in prop::sample::select(PROVINCES.map(|(code, _, _)| code).to_vec()),
            area in 0..10_000_u32,
            days in 0..80_000_i64,
            sequence in 0..1000_u16,
        ) -> IdentityNumber {
            let birth = date(1850, 1, 1).saturating_add(jiff::Span::new().days(days));
            IdentityNumber::compute(&format!("{province}{area:04}"), birth, sequence)
                .expect("an identity number")
        }
    }

    proptest! {
        #[test]
        fn a_number_is_read_as_it_was_written(number in numbers()) {
            let json = serde_json::to_string(&number).expect("JSON");
            let read: IdentityNumber = serde_json::from_str(&json).expect("an identity number");
            prop_assert_eq!(read.birth_date(), number.birth_date());
            prop_assert_eq!(read, number);
        }

        /// The standard guarantees that one wrong character, or two swapped neighbours, is always detected.
        #[test]
        fn typing_errors_are_detected(number in numbers(), at in 0..17_usize, other in 0..10_u8) {
            let good = number.as_str().as_bytes();
            let mut wrong = good.to_vec();
            wrong[at] = b'0' + other;
            let mut swapped = good.to_vec();
            swapped.swap(at, at + 1);
            for text in [wrong, swapped] {
                let same = text == good;
                let text = String::from_utf8(text).expect("ASCII");
                prop_assert_eq!(text.parse::<IdentityNumber>().is_ok(), same);
            }
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,20}") {
            let _ = text.parse::<IdentityNumber>();
        }
    }
}
