//! Invented citizens. Nobody has these names, and the identity numbers are computed.
//!
//! Each citizen is a canary: the name, number and address are recorded, and tests search for them in logs and queues.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

use domain::identity_number::IdentityNumber;
use domain::time::today;
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

/// The characters of the given names.
const SYLLABLES: [char; 16] =
    ['娜', '敖', '乌', '嘎', '仁', '钦', '娅', '晗', '霏', '珞', '琤', '翀', '彧', '垚', '鑫', '祎'];

static NUMBER: AtomicU16 = AtomicU16::new(0);
static CANARIES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// An applicant, a guardian, or a person on whose behalf somebody applies.
#[derive(Clone, Debug)]
pub struct Citizen {
    /// Name, unique in this run.
    pub name: String,
    /// Computed identity number.
    pub identity_number: String,
    /// Mobile number of the mainland.
    pub mobile: String,
    pub address: String,
}

impl Citizen {
    /// A citizen of this age in full years, whose birthday was some time ago.
    #[must_use]
    pub fn aged(years: i32) -> Citizen {
        Citizen::born(day_before_today(Span::new().years(years).days(40)))
    }

    /// A citizen born on this day.
    ///
    /// # Panics
    /// More than 4,096 citizens are created in one run.
    #[must_use]
    pub fn born(birth: Date) -> Citizen {
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        assert!(number < 4096, "names run out");
        let syllable = |shift: u16| SYLLABLES[usize::from(number >> shift & 15)];
        let citizen = Citizen {
            name: format!("拓跋{}{}{}", syllable(8), syllable(4), syllable(0)),
            identity_number: IdentityNumber::compute("152301", birth, number % 1000)
                .expect("a valid birth date")
                .as_str()
                .to_owned(),
            mobile: format!("1990000{number:04}"),
            address: format!("赛罕区敕勒川大街{number:04}号丁香苑"),
        };
        let own = [&citizen.name, &citizen.identity_number, &citizen.mobile, &citizen.address];
        CANARIES.lock().expect("the canaries").extend(own.map(Clone::clone));
        citizen
    }

    /// The citizen as a person in a request.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "name": self.name, "identity_number": self.identity_number, "mobile": self.mobile })
    }
}

/// The day in China this span before today.
///
/// # Panics
/// The span is longer than the calendar.
#[must_use]
pub fn day_before_today(span: Span) -> Date {
    today(Timestamp::now()).checked_sub(span).expect("a day of the calendar")
}

/// The first canary in a text, plain or escaped as in JSON.
#[must_use]
pub fn trace_in(text: &str) -> Option<String> {
    let canaries = CANARIES.lock().expect("the canaries");
    canaries.iter().find(|canary| text.contains(canary.as_str()) || text.contains(&escaped(canary))).cloned()
}

/// Number of recorded canaries.
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
    fn citizens_differ_and_their_traces_are_found() {
        let (one, two) = (Citizen::aged(30), Citizen::aged(30));
        assert_ne!(one.name, two.name);
        assert_ne!(one.identity_number, two.identity_number);
        let number: IdentityNumber = one.identity_number.parse().expect("a valid number");
        assert_eq!(number.age_on(today(Timestamp::now())), 30);
        assert_eq!(trace_in(&format!("log: {}", one.name)), Some(one.name.clone()));
        let json = format!("\"{}\"", escaped(&two.address));
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), two.address);
        assert_eq!(trace_in(&json), Some(two.address));
        assert_eq!(trace_in("no personal data"), None);
        assert!(canaries() >= 8);
    }
}
