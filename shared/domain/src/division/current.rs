//! Current divisions, and abolished ones with their successors.
//!
//! The tables are text that is compiled in. A lookup is a binary search over the bytes, so a function pays nothing for
//! them when it starts. `data/divisions/README.md` names the sources.

use std::fmt;
use std::str::{FromStr, Lines};

use thiserror::Error;

use super::{DivisionCode, DivisionCodeError, Jurisdiction};

/// Rows `code name`, in order of the code.
static CURRENT: &str = include_str!("../../data/divisions/current.txt");
/// Rows `code year successor name`, in order of the code. The successor is `-` where none is known.
static ABOLISHED: &str = include_str!("../../data/divisions/abolished.txt");

/// The rows of a table whose code is the prefix or greater.
fn rows_from(table: &'static str, prefix: &str) -> Lines<'static> {
    let bytes = table.as_bytes();
    // `low` and `high` are always the start of a row or the end of the table. Comments sort first: '#' < '0'.
    let (mut low, mut high) = (0, bytes.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let before = bytes.iter().take(middle).rposition(|byte| *byte == b'\n');
        let start = before.map_or(0, |end| end.saturating_add(1));
        if bytes.get(start..).unwrap_or_default() < prefix.as_bytes() {
            let rest = bytes.iter().skip(middle).position(|byte| *byte == b'\n');
            low = rest.map_or(bytes.len(), |end| middle.saturating_add(end).saturating_add(1));
        } else {
            high = start;
        }
    }
    table.get(low..).unwrap_or_default().lines()
}

/// The rows of a table whose code begins with the prefix.
fn rows_under<P: AsRef<str>>(table: &'static str, prefix: P) -> impl Iterator<Item = &'static str> + use<P> {
    rows_from(table, prefix.as_ref()).take_while(move |row| row.starts_with(prefix.as_ref()))
}

/// A current division.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Division {
    /// Code of six digits.
    pub code: &'static str,
    /// Name in Chinese, for example 新城区.
    pub name: &'static str,
}

impl fmt::Display for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.name)
    }
}

/// An abolished division.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AbolishedDivision {
    /// The former code and name.
    pub was: Division,
    /// Year of the last yearly table with this code; the tables end in 2019.
    pub last_seen: u16,
    /// The current division at the same place; `None` when its name does not identify one.
    pub successor: Option<Division>,
}

fn current_division(code: &str) -> Option<Division> {
    let (code, name) = rows_under(CURRENT, code).next()?.split_once(' ')?;
    Some(Division { code, name })
}

fn abolished_division(code: &str) -> Option<AbolishedDivision> {
    let mut columns = rows_under(ABOLISHED, code).next()?.splitn(4, ' ');
    let (code, last_seen) = (columns.next()?, columns.next()?.parse().ok()?);
    let successor = columns.next().and_then(current_division);
    Some(AbolishedDivision { was: Division { code, name: columns.next()? }, last_seen, successor })
}

/// Whether the row is at county level. A prefecture without counties (Dongguan 441900) counts as county level.
fn is_county(row: &str) -> bool {
    let (Some(prefecture), Some(county)) = (row.get(..4), row.get(4..6)) else { return false };
    county != "00" || (!prefecture.ends_with("00") && rows_under(CURRENT, prefecture).nth(1).is_none())
}

fn county(row: &'static str) -> Option<Division> {
    let (code, name) = row.split_once(' ')?;
    is_county(row).then_some(Division { code, name })
}

/// The code of a current division at county level: a place of residence, registration or application.
///
/// Only new values are checked. Stored values are read as a [`DivisionCode`], because a division may be abolished while
/// an application is open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurrentDivision(DivisionCode);

/// Why a text is not a [`CurrentDivision`]. No variant contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum CurrentDivisionError {
    /// The text does not have the form of a division code.
    #[error(transparent)]
    Code(#[from] DivisionCodeError),
    /// The code names a whole province or prefecture.
    #[error("the code names a whole province or prefecture, not a county or district")]
    NotCounty,
    /// The division was abolished.
    #[error("the division was abolished")]
    Abolished {
        /// The successor, if known.
        successor: Option<Division>,
    },
    /// No table has the code.
    #[error("no division has this code")]
    Unknown,
}

impl CurrentDivisionError {
    /// Stable code of the fault, for example `division_abolished`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            CurrentDivisionError::Code(error) => error.code(),
            CurrentDivisionError::NotCounty => "division_not_county",
            CurrentDivisionError::Abolished { .. } => "division_abolished",
            CurrentDivisionError::Unknown => "unknown_division",
        }
    }

    /// The successor of an abolished division, if known.
    #[must_use]
    pub fn successor(self) -> Option<Division> {
        match self {
            CurrentDivisionError::Abolished { successor } => successor,
            CurrentDivisionError::Code(_)
            | CurrentDivisionError::NotCounty
            | CurrentDivisionError::Unknown => None,
        }
    }
}

impl CurrentDivision {
    /// Code and name of the division.
    #[must_use]
    pub fn division(&self) -> Option<Division> {
        current_division(&self.0.to_string())
    }

    /// Every current division at county level, ordered by code.
    pub fn all() -> impl Iterator<Item = Division> {
        rows_from(CURRENT, "0").filter_map(county)
    }
}

impl AbolishedDivision {
    /// Every abolished division, ordered by code.
    pub fn all() -> impl Iterator<Item = AbolishedDivision> {
        rows_from(ABOLISHED, "0").filter_map(|row| abolished_division(row.get(..6)?))
    }
}

impl From<CurrentDivision> for DivisionCode {
    fn from(division: CurrentDivision) -> DivisionCode {
        division.0
    }
}

impl FromStr for CurrentDivision {
    type Err = CurrentDivisionError;

    fn from_str(text: &str) -> Result<Self, CurrentDivisionError> {
        let code: DivisionCode = text.parse()?;
        if let Some(division) = current_division(text) {
            return if is_county(division.code) {
                Ok(CurrentDivision(code))
            } else {
                Err(CurrentDivisionError::NotCounty)
            };
        }
        match abolished_division(text) {
            Some(abolished) => Err(CurrentDivisionError::Abolished { successor: abolished.successor }),
            // The table has no row for the groups of counties under a province, such as 429000.
            None => match text.strip_suffix("00").and_then(|group| rows_under(CURRENT, group).next()) {
                Some(_) => Err(CurrentDivisionError::NotCounty),
                None => Err(CurrentDivisionError::Unknown),
            },
        }
    }
}

impl fmt::Display for CurrentDivision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Jurisdiction {
    /// The current divisions at county level that this jurisdiction covers, ordered by code. Empty when no current code
    /// begins with its digits.
    pub fn current_divisions(&self) -> impl Iterator<Item = Division> + use<> {
        rows_under(CURRENT, self.to_string()).filter_map(county)
    }

    /// The abolished division whose code these digits are, padded with zeros; `None` when a current code begins with
    /// them.
    #[must_use]
    pub fn abolished(&self) -> Option<AbolishedDivision> {
        let nothing_today = self.current_divisions().next().is_none();
        nothing_today.then(|| abolished_division(&format!("{:06}", self.first)))?
    }
}

#[cfg(test)]
mod tests;
