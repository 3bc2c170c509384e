//! What came of the checks.

use domain::ids::AgencyCode;
use jiff::Timestamp;
use serde::Serialize;

use super::error::CertifyError;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The consumer did as it must.
    Passed,
    /// It did not.
    Failed,
    /// It was not played.
    Skipped,
}

/// Why a check is not passed, in one sentence that says what to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The consumer is wrong, or the hub could not be asked.
    Failed(String),
    /// It could not be played here.
    Skipped(String),
}

impl Unmet {
    /// A failure.
    pub(super) fn failed<T>(why: impl Into<String>) -> Result<T, Unmet> {
        Err(Unmet::Failed(why.into()))
    }
}

impl From<CertifyError> for Unmet {
    fn from(trouble: CertifyError) -> Self {
        Unmet::Failed(format!(
            "it could not be played to its end, which says nothing of the consumer: {trouble}"
        ))
    }
}

/// One check, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// Its name.
    pub check: &'static str,
    /// What it shows.
    pub shows: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it is not passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Certificate {
    /// Of which agency.
    pub agency: AgencyCode,
    /// At which hub.
    pub hub: String,
    /// From when.
    pub begun: Timestamp,
    /// Until when.
    pub ended: Timestamp,
    /// The checks, in the order in which they were played.
    pub checks: Vec<Judged>,
}

impl Certificate {
    /// Failed where one failed, skipped where none failed and one was not played.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let any = |outcome| self.checks.iter().any(|judged| judged.outcome == outcome);
        if any(Outcome::Failed) {
            Outcome::Failed
        } else if any(Outcome::Skipped) {
            Outcome::Skipped
        } else {
            Outcome::Passed
        }
    }

    /// How many ended so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|judged| judged.outcome == outcome).count()
    }
}
