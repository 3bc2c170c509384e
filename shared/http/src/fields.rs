//! Reads a request's body and reports every wrong field at once.
//!
//! serde stops at the first error and quotes the value. This reader continues, reports fields by JSON pointer (RFC
//! 6901) and code, and repeats no value. A type implements [`FromFields`]:
//!
//! ```
//! # use http_kit::fields::{Fields, FromFields, boolean, text};
//! # use domain::person::{MobileNumber, PersonName};
//! struct Person { name: PersonName, mobile: Option<MobileNumber>, consent: bool }
//!
//! impl FromFields for Person {
//!     fn read(fields: &mut Fields<'_>) -> Option<Self> {
//!         // Every member is read before the first `?`, so that every fault is found.
//!         let name = fields.required("name", text);
//!         let mobile = fields.optional("mobile", text);
//!         let consent = fields.optional("consent", boolean).unwrap_or(false);
//!         Some(Person { name: name?, mobile, consent })
//!     }
//! }
//! let wrong = serde_json::json!({ "mobile": 1, "age": 3 });
//! let faults = http_kit::fields::read::<Person>(&wrong).err().unwrap();
//! assert_eq!(faults.len(), 3);
//! ```

pub(crate) mod body;
mod coded;
mod field_error;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::str::FromStr;

use domain::catalogue::{DocumentKind, Service, Title};
use domain::free_text::{FreeText, FreeTextError};
use domain::stage::Stage;
use jiff::Timestamp;
use jiff::civil::Date;
use protocol::json::is_plain_name;
use protocol::web_address::{self, Loopback, Purpose, WebAddressError};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use body::{BATCH_BYTES, BODY_BYTES, Batch, Body, Json, Query};
pub use coded::Coded;
pub use field_error::{Accepted, FieldError};

/// A type that is read from the members of an object.
pub trait FromFields: Sized {
    /// Whether an absent body is read as an empty object.
    const MAY_BE_EMPTY: bool = false;

    /// Reads the value. Returns `None` only after a fault was recorded. A member that is never read is reported as
    /// unknown.
    fn read(fields: &mut Fields<'_>) -> Option<Self>;
}

/// A body without members, or no body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nothing;

impl FromFields for Nothing {
    const MAY_BE_EMPTY: bool = true;

    fn read(_fields: &mut Fields<'_>) -> Option<Self> {
        Some(Nothing)
    }
}

/// Reads a value by its type's [`FromFields`].
///
/// # Errors
/// Every wrong field, in the order of the type's members.
pub fn read<T: FromFields>(value: &Value) -> Result<T, Vec<FieldError>> {
    read_as(value, false)
}

/// Reads a value with a function that has more context than the value, for example the current date.
///
/// # Errors
/// Every wrong field, in the order in which they are read.
pub fn read_with<T>(
    value: &Value,
    read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Result<T, Vec<FieldError>> {
    read_object(value, false, read)
}

fn read_as<T: FromFields>(value: &Value, textual: bool) -> Result<T, Vec<FieldError>> {
    read_object(value, textual, T::read)
}

fn read_object<T>(
    value: &Value,
    textual: bool,
    read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Result<T, Vec<FieldError>> {
    let mut faults = Vec::new();
    let place = Place { value, pointer: String::new(), faults: &mut faults, textual };
    let result = object(read)(place);
    match result {
        Some(result) if faults.is_empty() => Ok(result),
        // A reader that returns `None` must have recorded a fault. If it has not, the body is rejected nevertheless.
        _ if faults.is_empty() => Err(vec![FieldError::new("", "invalid")]),
        _ => Err(faults),
    }
}

/// One value and its JSON pointer.
pub struct Place<'a> {
    value: &'a Value,
    pointer: String,
    faults: &'a mut Vec<FieldError>,
    textual: bool,
}

impl Place<'_> {
    /// Records a fault at this place.
    fn fault<T>(self, code: &'static str) -> Option<T> {
        self.accepting(code, Accepted::AsTheTextSays)
    }

    /// Records a fault at this place that names what is accepted.
    fn accepting<T>(self, code: &'static str, accepted: Accepted) -> Option<T> {
        self.faults.push(FieldError { accepted, ..FieldError::new(self.pointer, code) });
        None
    }

    fn or_fault<T>(self, result: Result<T, &'static str>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(code) => self.fault(code),
        }
    }
}

/// The members of one object.
pub struct Fields<'a> {
    members: &'a Map<String, Value>,
    pointer: String,
    faults: &'a mut Vec<FieldError>,
    known: BTreeSet<&'static str>,
    textual: bool,
}

impl Fields<'_> {
    /// Reads a required member. `null` counts as absent.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Place<'_>) -> Option<T>,
    ) -> Option<T> {
        if self.has(name) {
            return self.optional(name, read);
        }
        self.known.insert(name);
        self.refuse(name, "required");
        None
    }

    /// Reads an optional member. Also returns `None` for a wrong value; the recorded fault then rejects the body.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Place<'_>) -> Option<T>,
    ) -> Option<T> {
        self.known.insert(name);
        let value = self.members.get(name).filter(|value| !value.is_null())?;
        let pointer = format!("{}/{name}", self.pointer);
        read(Place { value, pointer, faults: self.faults, textual: self.textual })
    }

    /// Whether the member is present and not `null`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// Records that a member breaks a rule of the service, which the detail states.
    pub fn refuse_by(&mut self, name: &str, code: &'static str, rule: Option<&'static Title>) {
        self.faults.push(FieldError { rule, ..FieldError::new(format!("{}/{name}", self.pointer), code) });
    }

    /// Records a fault at a member, for rules between fields.
    pub fn refuse(&mut self, name: &str, code: &'static str) {
        self.refuse_as(name, FieldError::new("", code));
    }

    /// Records a fault at a member with all that it says.
    pub fn refuse_as(&mut self, name: &str, fault: FieldError) {
        self.faults.push(FieldError { pointer: format!("{}/{name}", self.pointer), ..fault });
    }

    /// Records a fault of the object itself, which needs one of these members.
    pub fn refuse_without(&mut self, code: &'static str, members: Vec<&'static str>) {
        self.faults.push(FieldError::new(self.pointer.clone(), code).accepting(members));
    }

    /// Takes these members as known without reading them, where another fault leaves open whether they belong here.
    pub fn leave(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    fn report_unknown(&mut self) {
        let unknown: Vec<FieldError> = self
            .members
            .keys()
            .filter(|name| !self.known.contains(name.as_str()))
            .map(|name| {
                let absent = self.known.iter().copied().filter(|known| !self.members.contains_key(*known));
                FieldError::new(self.pointer_of_unknown(name), "unknown_field").resembling(name, absent)
            })
            .collect();
        self.faults.extend(unknown);
    }

    /// Pointer of an unknown member. A name that does not look like a field name may be personal data, for example an
    /// identity number, so the pointer then stops at the object.
    fn pointer_of_unknown(&self, name: &str) -> String {
        if is_plain_name(name) { format!("{}/{name}", self.pointer) } else { self.pointer.clone() }
    }
}

/// Reads one of these names.
pub fn name_among(names: &[&'static str]) -> impl Fn(Place<'_>) -> Option<&'static str> {
    move |place| {
        let Some(text) = place.value.as_str() else { return place.fault("not_text") };
        if let Some(name) = names.iter().find(|name| **name == text) {
            return Some(*name);
        }
        let fault = FieldError::new(place.pointer, "not_one_of").resembling(text, names.iter().copied());
        place.faults.push(fault);
        None
    }
}

/// Reads a string by its type's `FromStr`.
pub fn text<T: FromStr<Err: Coded>>(place: Place<'_>) -> Option<T> {
    let Some(text) = place.value.as_str() else {
        return place.fault("not_text");
    };
    match text.parse::<T>() {
        Ok(value) => Some(value),
        Err(error) => {
            let successor = error.successor();
            place.faults.push(FieldError { successor, ..FieldError::new(place.pointer, error.code()) });
            None
        }
    }
}

/// Reads a [`FreeText`] of bounded length (in characters).
pub fn free_text(characters: RangeInclusive<usize>) -> impl Fn(Place<'_>) -> Option<String> {
    move |place| {
        let checked = match place.value.as_str() {
            None => Err("not_text"),
            Some(text) => match FreeText::read(text, *characters.end()).map(FreeText::into_string) {
                Err(FreeTextError::Empty) if *characters.start() == 0 => Ok(String::new()),
                Err(error) => Err(error.code()),
                Ok(text) if text.chars().count() < *characters.start() => Err("too_short"),
                Ok(text) => Ok(text),
            },
        };
        match checked {
            Err(code @ ("too_short" | "too_long")) => place.accepting(code, bounds(&characters)),
            checked => place.or_fault(checked),
        }
    }
}

/// Which URLs a field accepts.
#[derive(Clone, Copy, Debug)]
pub struct UrlOf {
    /// What the URL is for.
    pub purpose: Purpose,
    /// Whether it may lead to this machine.
    pub loopback: Loopback,
    /// Maximum length in characters.
    pub characters: usize,
}

/// Reads a URL. Every reason for which it is refused is a fault of its own.
pub fn url(accepted: UrlOf) -> impl FnOnce(Place<'_>) -> Option<String> {
    move |place| {
        let Some(text) = place.value.as_str() else { return place.fault("not_text") };
        if text.chars().count() > accepted.characters {
            return place.accepting("too_long", bounds(&(1..=accepted.characters)));
        }
        match web_address::check(text, accepted.purpose, accepted.loopback) {
            Ok(()) => Some(text.to_owned()),
            Err(reasons) => {
                let fault = |reason: WebAddressError| FieldError::new(place.pointer.clone(), reason.code());
                place.faults.extend(reasons.into_iter().map(fault));
                None
            }
        }
    }
}

/// A closed set of words.
pub trait Words: DeserializeOwned {
    /// Every word, in the order in which an answer names them.
    fn words() -> Vec<&'static str>;
}

impl Words for Service {
    fn words() -> Vec<&'static str> {
        Service::all().into_iter().map(Service::name).collect()
    }
}

impl Words for DocumentKind {
    fn words() -> Vec<&'static str> {
        DocumentKind::from_apps().into_iter().map(DocumentKind::name).collect()
    }
}

impl Words for Stage {
    fn words() -> Vec<&'static str> {
        Stage::ALL.iter().map(|stage| stage.name()).collect()
    }
}

/// Reads one of a closed set of words, as the type deserializes.
pub fn choice<T: Words>(place: Place<'_>) -> Option<T> {
    choice_among(T::words())(place)
}

/// Reads a word, as the type deserializes. A refusal names `words`.
pub fn choice_among<T: DeserializeOwned>(words: Vec<&'static str>) -> impl FnOnce(Place<'_>) -> Option<T> {
    move |place| match place.value {
        Value::String(_) => match serde_json::from_value(place.value.clone()) {
            Ok(chosen) => Some(chosen),
            Err(_) => place.accepting("not_one_of", Accepted::OneOf(words)),
        },
        _ => place.fault("not_text"),
    }
}

/// Takes a value unchecked; the caller checks it later.
pub fn unchecked(place: Place<'_>) -> Option<Value> {
    Some(place.value.clone())
}

/// Reads `true` or `false`.
pub fn boolean(place: Place<'_>) -> Option<bool> {
    let read = match (place.value, place.value.as_str()) {
        (Value::Bool(value), _) => Ok(*value),
        (_, Some("true")) if place.textual => Ok(true),
        (_, Some("false")) if place.textual => Ok(false),
        _ => Err("not_a_boolean"),
    };
    place.or_fault(read)
}

/// Reads a date, for example `2026-03-02`.
pub fn date(place: Place<'_>) -> Option<Date> {
    let read = match place.value.as_str() {
        Some(text) if text.len() == 10 => text.parse().map_err(|_| "date"),
        Some(_) => Err("date"),
        None => Err("not_text"),
    };
    place.or_fault(read)
}

/// Reads a timestamp with its offset, for example `2026-03-02T09:00:00+08:00` (RFC 3339).
pub fn timestamp(place: Place<'_>) -> Option<Timestamp> {
    // In a query `+` means a space (the form encoding of URLs), so an offset that was not encoded arrives with a space.
    let lost_plus = |text: &str| {
        place.textual && text.contains(' ') && text.replace(' ', "+").parse::<Timestamp>().is_ok()
    };
    let read = match place.value.as_str() {
        Some(text) if lost_plus(text) => Err("moment_plus"),
        Some(text) if (20..=40).contains(&text.len()) => text.parse().map_err(|_| "moment"),
        Some(_) => Err("moment"),
        None => Err("not_text"),
    };
    place.or_fault(read)
}

/// Reads an integer within bounds. `347.0` is rejected. An integer of any size and sign is an integer: outside the
/// bounds it is out of range.
pub fn integer(bounds: RangeInclusive<u64>) -> impl Fn(Place<'_>) -> Option<u64> {
    move |place| {
        let number = match place.value {
            // The JSON reader holds an integer beyond 64 bits as a fraction.
            Value::Number(number) if number.as_f64().is_some_and(|number| number.abs() >= TWO_TO_64) => {
                Some(None)
            }
            Value::Number(number) => integer_of(&number.to_string()),
            Value::String(text) if place.textual => integer_of(text),
            _ => None,
        };
        match number {
            None => place.fault("not_an_integer"),
            Some(Some(number)) if bounds.contains(&number) => Some(number),
            Some(_) => place.accepting("out_of_range", Accepted::Between(*bounds.start(), *bounds.end())),
        }
    }
}

/// The first integer that a `u64` does not hold.
const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

/// The integer that a text writes in digits: `None` when the text is no integer, `Some(None)` for one that a `u64` does
/// not hold.
fn integer_of(text: &str) -> Option<Option<u64>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_integer = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_integer.then(|| if digits.len() == text.len() { digits.parse().ok() } else { None })
}

fn bounds(range: &RangeInclusive<usize>) -> Accepted {
    let number = |number: &usize| u64::try_from(*number).unwrap_or(u64::MAX);
    Accepted::Between(number(range.start()), number(range.end()))
}

/// Largest number up to which a float holds every whole number: 2^53.
const WHOLE_FLOATS: f64 = 9_007_199_254_740_992.0;

/// Reads a time in seconds since 1970. A fraction, which RFC 7519 (section 2, `NumericDate`) allows, is dropped.
pub fn seconds(place: Place<'_>) -> Option<i64> {
    let read = match place.value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(whole),
            (None, Some(float)) if float.abs() <= WHOLE_FLOATS => Ok(float.floor() as i64),
            _ => Err("out_of_range"),
        },
        _ => Err("not_a_number"),
    };
    place.or_fault(read)
}

/// Entries of a page when the query names no `limit`.
const DEFAULT_PAGE_LIMIT: u64 = 50;
/// Largest `limit` that a query may name.
const MAX_PAGE_LIMIT: u64 = 100;

/// Reads the query parameter `limit`: 1 to 100 entries of a page, 50 when it is absent.
pub fn page_limit(fields: &mut Fields<'_>) -> usize {
    let limit = fields.optional("limit", integer(1..=MAX_PAGE_LIMIT)).unwrap_or(DEFAULT_PAGE_LIMIT);
    usize::try_from(limit).unwrap_or(1)
}

/// Reads an object by its members.
pub fn object<T>(read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> impl FnOnce(Place<'_>) -> Option<T> {
    move |place| match place.value {
        Value::Object(members) => {
            let Place { pointer, faults, textual, .. } = place;
            let mut fields = Fields { members, pointer, faults, known: BTreeSet::new(), textual };
            let result = read(&mut fields);
            fields.report_unknown();
            result
        }
        _ => place.fault("not_an_object"),
    }
}

/// Reads a list of bounded length, each element with `each`.
pub fn list<T>(
    elements: RangeInclusive<usize>,
    each: impl Fn(Place<'_>) -> Option<T>,
) -> impl FnOnce(Place<'_>) -> Option<Vec<T>> {
    move |place| match place.value {
        Value::Array(values) if values.len() > *elements.end() => {
            place.accepting("too_many", bounds(&elements))
        }
        Value::Array(values) if values.len() < *elements.start() => {
            place.accepting("too_few", bounds(&elements))
        }
        Value::Array(values) => {
            let Place { pointer, faults, textual, .. } = place;
            let read: Vec<Option<T>> = values
                .iter()
                .enumerate()
                .map(|(index, value)| {
                    each(Place {
                        value,
                        pointer: format!("{pointer}/{index}"),
                        faults: &mut *faults,
                        textual,
                    })
                })
                .collect();
            read.into_iter().collect()
        }
        _ => place.fault("not_a_list"),
    }
}

#[cfg(test)]
mod tests;
