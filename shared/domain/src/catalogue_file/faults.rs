//! Collects the faults of a catalogue while the parser continues.

use std::fmt;

use thiserror::Error;

use super::raw::{RawTitle, Unknown};
use crate::free_text::FreeText;
use crate::limits;
use crate::names::DocumentKind;
use crate::service::{Certainty, Provider, Title, TitledKind};

/// Characters of a name.
const NAME: usize = 64;

/// One fault of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueFault {
    /// Place of the fault, for example `SERVICE/legs/approve`.
    pub at: String,
    /// Description of the fault, as a sentence whose subject is the place.
    pub problem: String,
}

impl fmt::Display for CatalogueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

/// Every fault of a catalogue, in the order of its text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the catalogue of services cannot be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct CatalogueFaults(pub Vec<CatalogueFault>);

/// Collects faults while the parser continues.
#[derive(Default)]
pub(super) struct Faults(pub(super) Vec<CatalogueFault>);

impl Faults {
    pub(super) fn note(&mut self, at: &str, problem: impl Into<String>) {
        self.0.push(CatalogueFault { at: at.to_owned(), problem: problem.into() });
    }

    /// Notes unknown members: they are misspelt.
    pub(super) fn unknown(&mut self, at: &str, members: &Unknown) {
        for name in members.keys() {
            self.note(at, format!("has the unknown member `{name}`"));
        }
    }

    /// Checks that a name is in snake case and that no earlier row has it.
    pub(super) fn name(&mut self, at: &str, what: &str, name: &str, earlier: &mut Vec<String>) {
        let sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let sound = name.len() <= NAME
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(sign);
        if !sound {
            self.note(at, format!("has no {what} in snake case of at most {NAME} characters"));
        } else if earlier.iter().any(|other| other == name) {
            self.note(at, format!("repeats the {what} `{name}`"));
        }
        earlier.push(name.to_owned());
    }

    pub(super) fn title(&mut self, at: &str, what: &str, title: RawTitle) -> Title {
        for (text, language) in [(&title.zh, "Chinese"), (&title.en, "English")] {
            if text.trim().is_empty() {
                self.note(at, format!("has no {language} {what}"));
            } else if text.chars().count() > limits::TEXT {
                self.note(at, format!("has a {language} {what} of more than {} characters", limits::TEXT));
            } else if let Err(error) = FreeText::read(text, limits::TEXT) {
                self.note(at, format!("has a {language} {what} that is refused: {error}"));
            }
        }
        self.unknown(at, &title.unknown);
        Title { zh: title.zh, en: title.en }
    }

    /// Parses one value of a closed list. An unknown value is noted as a fault and replaced by the first of the list.
    #[expect(clippy::indexing_slicing, reason = "every list of names has a first one")]
    pub(super) fn one_of<T: Copy>(
        &mut self,
        at: &str,
        what: &str,
        written: &str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> T {
        if let Some(found) = all.iter().copied().find(|one| name(*one) == written) {
            return found;
        }
        let known: Vec<&str> = all.iter().copied().map(name).collect();
        self.note(at, format!("has the unknown {what} `{written}`; there are {}", known.join(", ")));
        all[0]
    }

    pub(super) fn certainty(&mut self, at: &str, written: &str) -> Certainty {
        self.one_of(at, "certainty", written, Certainty::ALL, Certainty::name)
    }
}

/// The kind with this name, which `provider` must be able to upload.
pub(super) fn kind_of(
    at: &str,
    name: &str,
    provider: Provider,
    kinds: &[TitledKind],
    faults: &mut Faults,
) -> Option<DocumentKind> {
    let Some(found) = kinds.iter().find(|row| row.kind.name() == name) else {
        faults.note(at, format!("names the unknown kind of document `{name}`"));
        return None;
    };
    if found.provider != provider {
        let who = match provider {
            Provider::App => "an app",
            Provider::Agency => "an agency",
        };
        faults.note(at, format!("names the kind `{name}`, which {who} does not hand in"));
    }
    Some(found.kind)
}
