//! Defects that a careless change could bring, in `tests/defects.toml`. The target `defects` plants each in a copy of the
//! tree and checks that a test finds it.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::repository::text;

/// The list, by its path from the repository's top.
pub const LIST: &str = "tests/defects.toml";

/// One defect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defect {
    /// Name of its trial.
    pub name: String,
    /// What the defect does to the hub, as a sentence.
    pub says: String,
    /// The changed file, by its path from the repository's top.
    pub file: String,
    /// Text that `file` has once.
    pub find: String,
    /// Text that replaces it.
    pub with: String,
    /// Arguments of `cargo test` for the tests that must find the defect.
    pub tests: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    defect: Vec<Defect>,
}

impl Defect {
    /// The text of the file with the defect.
    ///
    /// # Errors
    /// Why the defect does not apply to this text.
    pub fn planted(&self, source: &str) -> Result<String, String> {
        let Defect { name, file, find, with, .. } = self;
        match source.matches(find.as_str()).count() {
            1 if find != with => Ok(source.replacen(find.as_str(), with, 1)),
            1 => Err(format!("{name}: `with` changes nothing")),
            count => Err(format!("{name}: {file} has the text `{find}` {count} times instead of once")),
        }
    }

    /// The arguments of `cargo test` that select what is built, and those of the test programs.
    #[must_use]
    pub fn arguments(&self) -> (Vec<&str>, Vec<&str>) {
        let (built, run) = self.tests.split_once(" -- ").unwrap_or((&self.tests, ""));
        (built.split_whitespace().collect(), run.split_whitespace().collect())
    }
}

/// Parses a list of defects.
///
/// # Errors
/// Why the list cannot be used.
pub fn parse(list: &str) -> Result<Vec<Defect>, String> {
    let List { defect: defects } = toml::from_str(list).map_err(|error| error.to_string())?;
    let mut names = BTreeSet::new();
    for Defect { name, .. } in &defects {
        let is_plain = |sign: u8| sign.is_ascii_lowercase() || sign == b'-';
        if name.is_empty() || !name.bytes().all(is_plain) || !names.insert(name) {
            return Err(format!("the name `{name}` is taken, or has other signs than a-z and hyphens"));
        }
    }
    Ok(defects)
}

/// The defects of [`LIST`].
///
/// # Errors
/// As [`parse`].
pub fn all() -> Result<Vec<Defect>, String> {
    parse(&text(LIST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(with: &str) -> Defect {
        let list = format!(
            "[[defect]]\nname = 'a'\nsays = 's'\nfile = 'f'\nfind = 'x > 1'\nwith = '{with}'\ntests = '-p a --lib -- b'"
        );
        parse(&list).expect("a list").remove(0)
    }

    #[test]
    fn a_defect_replaces_a_text_that_occurs_once() {
        assert_eq!(one("x > 2").planted("if x > 1 {}"), Ok("if x > 2 {}".to_owned()));
        for (source, with) in [("x > 1 x > 1", "x > 2"), ("", "x > 2"), ("x > 1", "x > 1")] {
            assert!(one(with).planted(source).is_err(), "{source:?}");
        }
        assert_eq!(one("").arguments(), (vec!["-p", "a", "--lib"], vec!["b"]));
    }

    #[test]
    fn a_name_is_plain_and_used_once() {
        let row = |name: &str| {
            format!(
                "[[defect]]\nname = '{name}'\nsays = 's'\nfile = 'f'\nfind = 'a'\nwith = 'b'\ntests = 't'\n"
            )
        };
        assert!(parse(&[row("a-b"), row("c")].concat()).is_ok());
        for list in [[row("a"), row("a")].concat(), row(""), row("A b"), format!("{}why = 'x'\n", row("a"))] {
            assert!(parse(&list).is_err(), "{list}");
        }
    }
}
