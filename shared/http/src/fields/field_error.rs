//! A wrong field, and what its detail says.

use std::ops::RangeInclusive;

use domain::catalogue::Title;
use domain::division::Division;
use protocol::json::is_plain_name;

/// What a field accepts. The detail of its fault names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Accepted {
    /// The text of the code says it.
    #[default]
    AsTheTextSays,
    /// One of these words.
    OneOf(Vec<&'static str>),
    /// A number, or a number of elements or characters, within these bounds.
    Between(u64, u64),
}

/// One wrong field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldError {
    /// JSON pointer, for example `/applicant/name`.
    pub pointer: String,
    /// Stable code, for example `required`.
    pub code: &'static str,
    /// The division that replaces an abolished one; the detail names it.
    pub successor: Option<Division>,
    /// What the field accepts; the detail names it.
    pub accepted: Accepted,
    /// The known name that a misspelt one resembles; the detail names it.
    pub meant: Option<&'static str>,
    /// The rule of the service that the value breaks, with its article; the detail states it instead of the code's
    /// text.
    pub rule: Option<&'static Title>,
}

impl FieldError {
    /// A wrong field at this pointer, with this code.
    #[must_use]
    pub fn new(pointer: impl Into<String>, code: &'static str) -> Self {
        FieldError {
            pointer: pointer.into(),
            code,
            successor: None,
            accepted: Accepted::AsTheTextSays,
            meant: None,
            rule: None,
        }
    }

    /// The same fault, naming the words that the field accepts.
    #[must_use]
    pub fn accepting(self, words: Vec<&'static str>) -> Self {
        FieldError { accepted: Accepted::OneOf(words), ..self }
    }

    /// The same fault, naming the bounds of the field.
    #[must_use]
    pub fn between(self, bounds: &RangeInclusive<u64>) -> Self {
        FieldError { accepted: Accepted::Between(*bounds.start(), *bounds.end()), ..self }
    }

    /// Adds the known name that resembles the written one, if one does.
    #[must_use]
    pub fn resembling(self, written: &str, known: impl IntoIterator<Item = &'static str>) -> Self {
        FieldError { meant: resembling(written, known), ..self }
    }
}

/// Most edits between a misspelt name and the name that was meant. Two letters in the wrong order are one edit.
const EDITS: usize = 2;

/// The name among `known` that a misspelt one resembles most.
fn resembling(written: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    // Longer texts, and texts that may be personal data, are no names.
    if !is_plain_name(written) {
        return None;
    }
    let edits = |name: &str| strsim::damerau_levenshtein(&written.to_ascii_lowercase(), name);
    let near = known.into_iter().map(|name| (edits(name), name));
    near.filter(|(edits, name)| *edits <= EDITS && edits.saturating_mul(2) < name.len())
        .min()
        .map(|(_, name)| name)
}
