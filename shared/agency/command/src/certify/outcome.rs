//! The results of the checks.

use domain::ids::AgencyCode;
use jiff::Timestamp;
use serde::Serialize;

use super::citation::CitedRefusal;
use super::error::CertifyError;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// The consumer behaved as required.
    Passed,
    /// The consumer did not behave as required, or the check could not be completed.
    Failed,
    /// The check did not run.
    Skipped,
    /// The check is about something that this agency does not do. It does not count.
    NotApplicable,
}

/// Why a check did not pass, in one sentence that says what to fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotPassed {
    /// The consumer is wrong, or a call to the hub failed.
    Failed(String),
    /// The check cannot run in this setup.
    Skipped(String),
    /// The agency does not do what the check is about.
    NotApplicable(String),
}

impl NotPassed {
    pub(super) fn failed<T>(why: impl Into<String>) -> Result<T, NotPassed> {
        Err(NotPassed::Failed(why.into()))
    }
}

impl From<CertifyError> for NotPassed {
    fn from(error: CertifyError) -> Self {
        NotPassed::Failed(format!(
            "the check could not be completed, which says nothing about the consumer: {error}"
        ))
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckResult {
    pub check: &'static str,
    pub shows: &'static str,
    pub outcome: CheckOutcome,
    /// Why the check did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A measurement, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<String>,
    pub seconds: f64,
}

/// The report of a certification.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CertificationReport {
    pub agency: AgencyCode,
    pub hub: String,
    pub begun: Timestamp,
    pub ended: Timestamp,
    /// The results, in the order in which the checks ran.
    pub checks: Vec<CheckResult>,
    /// Every refusal of the hub that the run saw, with its reason.
    pub refusals: Vec<CitedRefusal>,
    /// Why the list has no refused reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusals_unread: Option<String>,
}

impl CertificationReport {
    /// `Failed` if any check failed; otherwise `Skipped` if any check was skipped.
    #[must_use]
    pub fn outcome(&self) -> CheckOutcome {
        let any = |outcome| self.checks.iter().any(|result| result.outcome == outcome);
        if any(CheckOutcome::Failed) {
            CheckOutcome::Failed
        } else if any(CheckOutcome::Skipped) {
            CheckOutcome::Skipped
        } else {
            CheckOutcome::Passed
        }
    }

    /// Number of checks with this outcome.
    #[must_use]
    pub fn count(&self, outcome: CheckOutcome) -> usize {
        self.checks.iter().filter(|result| result.outcome == outcome).count()
    }
}
