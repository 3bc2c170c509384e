//! Reads environment variables and files of the package, and collects every problem.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use thiserror::Error;

use super::variable::Variable;

/// The missing and invalid variables of an environment. The text names each variable and its problem, never its value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .problems.iter().map(|(name, problem)| format!("{name} {problem}")).collect::<Vec<_>>().join("; "))]
pub struct ConfigError {
    pub(super) problems: BTreeMap<&'static str, String>,
}

impl ConfigError {
    /// The names of these variables.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        self.problems.keys().copied()
    }
}

/// Reads variables and collects the problems.
pub struct Reader<'a> {
    pub(super) given: BTreeMap<String, String>,
    pub(super) needed: &'a [Variable],
    pub(super) problems: BTreeMap<&'static str, String>,
}

impl Reader<'_> {
    /// The text of a variable; `None` when it is missing or empty.
    pub fn text(&mut self, variable: Variable) -> Option<String> {
        self.parsed(variable, |text| Ok::<_, &str>(text.to_owned()))
    }

    /// The parsed value of a variable or a file; `None` when it is missing or does not parse. Records a missing needed
    /// setting and a value that does not parse. A file is read only by a function that needs it.
    pub fn parsed<T, E: fmt::Display>(
        &mut self,
        variable: Variable,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = match variable.is_file() {
            false => self.given.get(variable.name()).filter(|text| !text.is_empty()).cloned(),
            true if self.needed.contains(&variable) => match self.file(variable.name()) {
                Ok(text) => Some(text),
                Err(problem) => {
                    self.problems.insert(variable.name(), problem);
                    return None;
                }
            },
            true => None,
        };
        match text {
            Some(text) => match parse(&text) {
                Ok(value) => return Some(value),
                Err(problem) => self.problems.insert(variable.name(), format!("is not usable: {problem}")),
            },
            None if self.needed.contains(&variable) => {
                self.problems.insert(variable.name(), "is missing".to_owned())
            }
            None => None,
        };
        None
    }

    fn file(&self, name: &str) -> Result<String, String> {
        let folder =
            self.given.get("LAMBDA_TASK_ROOT").ok_or("cannot be found: LAMBDA_TASK_ROOT is missing")?;
        std::fs::read_to_string(Path::new(folder).join(name))
            .map_err(|error| format!("cannot be read: {}", error.kind()))
    }

    /// The value of one of these words; the default when the variable is absent.
    pub(super) fn choice<T: Copy + Default>(&mut self, name: &'static str, words: &[(&str, T)]) -> T {
        let Some(text) = self.given.get(name).filter(|text| !text.is_empty()) else { return T::default() };
        match words.iter().find(|(word, _)| word == text) {
            Some((_, value)) => *value,
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                self.problems.insert(name, format!("must be one of {}", known.join(", ")));
                T::default()
            }
        }
    }
}
