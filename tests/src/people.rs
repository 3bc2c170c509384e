//! Invented people. Nobody has these names; the identity numbers are computed.
//!
//! Each one is a canary: what identifies them is kept, and a test looks for it where it must not be.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

use domain::identity_number::IdentityNumber;
use domain::time::today;
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

/// What the second part of an invented name is put together from.
const SYLLABLES: [char; 16] =
    ['娜', '敖', '乌', '嘎', '仁', '钦', '娅', '晗', '霏', '珞', '琤', '翀', '彧', '垚', '鑫', '祎'];

static NUMBER: AtomicU16 = AtomicU16::new(0);
static CANARIES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Someone who applies, or on whose behalf someone does.
#[derive(Clone, Debug)]
pub struct Citizen {
    /// Name, like no other in this run.
    pub name: String,
    /// A computed identity number.
    pub identity_number: String,
    /// A number of the mainland.
    pub mobile: String,
    /// Where they live.
    pub address: String,
}

impl Citizen {
    /// Someone of an age in full years today, whose birthday was a while ago.
    #[must_use]
    pub fn aged(years: i32) -> Citizen {
        Citizen::born(day_before_today(Span::new().years(years).days(40)))
    }

    /// Someone born on a day.
    ///
    /// # Panics
    /// After 4,095 people.
    #[must_use]
    pub fn born(birth: Date) -> Citizen {
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        assert!(number < 4096, "names run out");
        let syllable = |shift: u16| SYLLABLES[usize::from(number >> shift & 15)];
        let citizen = Citizen {
            name: format!("拓跋{}{}{}", syllable(8), syllable(4), syllable(0)),
            identity_number: IdentityNumber::compute("152301", birth, number % 1000)
                .expect("a sound birth date")
                .as_str()
                .to_owned(),
            mobile: format!("1990000{number:04}"),
            address: format!("赛罕区敕勒川大街{number:04}号丁香苑"),
        };
        let own = [&citizen.name, &citizen.identity_number, &citizen.mobile, &citizen.address];
        CANARIES.lock().expect("the canaries").extend(own.map(Clone::clone));
        citizen
    }

    /// As a person of a request.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "name": self.name, "identity_number": self.identity_number, "mobile": self.mobile })
    }
}

/// The day in China, a span before today.
///
/// # Panics
/// The span is too long for a calendar.
#[must_use]
pub fn day_before_today(span: Span) -> Date {
    today(Timestamp::now()).checked_sub(span).expect("a day of the calendar")
}

/// The first trace of an invented person in a text: as it is, or as JSON escapes it.
#[must_use]
pub fn trace_in(text: &str) -> Option<String> {
    let canaries = CANARIES.lock().expect("the canaries");
    canaries.iter().find(|canary| text.contains(canary.as_str()) || text.contains(&escaped(canary))).cloned()
}

/// How many there are to look for.
#[must_use]
pub fn canaries() -> usize {
    CANARIES.lock().expect("the canaries").len()
}

fn escaped(text: &str) -> String {
    text.chars()
        .map(
            |letter| {
                if letter.is_ascii() { letter.to_string() } else { format!("\\u{:04x}", u32::from(letter)) }
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_is_someone_else_and_leaves_traces() {
        let (one, two) = (Citizen::aged(30), Citizen::aged(30));
        assert_ne!(one.name, two.name);
        assert_ne!(one.identity_number, two.identity_number);
        let number: IdentityNumber = one.identity_number.parse().expect("a sound number");
        assert_eq!(number.age_on(today(Timestamp::now())), 30);
        assert_eq!(trace_in(&format!("log: {}", one.name)), Some(one.name.clone()));
        let json = format!("\"{}\"", escaped(&two.address));
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), two.address);
        assert_eq!(trace_in(&json), Some(two.address));
        assert_eq!(trace_in("nothing of anybody"), None);
        assert!(canaries() >= 8);
    }
}
