//! Why a report is not applied, and how its sender is answered.

use domain::decide::Refusal;
use http_kit::problem::{Code, Problem};
use http_kit::signed_request::PayloadError;
use platform::apply::ApplyError;
use platform::documents::DocumentsError;
use platform::store::StoreError;
use protocol::jose::JoseError;
use protocol::receipts::SignedReceipt;
use protocol::report::REPORT_BYTES;
use thiserror::Error;

/// Why a report is not applied.
#[derive(Debug, Error)]
pub enum ReportError {
    /// No known agency signed the report, the report was changed, or it is not a report.
    #[error("the signature or the form of the report is not accepted")]
    Jose(#[from] JoseError),
    /// The report has more than [`REPORT_BYTES`]. Over HTTP it is refused before it is read.
    #[error("the report is too large")]
    TooLarge,
    /// An agency signed a payload that is not a report.
    #[error("the payload of the report is wrong")]
    Payload(PayloadError),
    /// The report was not fresh when it arrived, and no earlier report has its content.
    #[error("the report was signed too long ago, or ahead of time")]
    Expired,
    /// The case does not allow the report, or the store could not write it.
    #[error("the report cannot be applied to the case")]
    Apply(#[from] ApplyError),
    /// The case does not allow the report yet: the report that comes before it may be on its way.
    #[error("the report arrived before the report that precedes it")]
    Early(#[source] Refusal),
    /// The case does not allow the report any more: a later report of the agency came first, and does not need it.
    #[error("a later report of the agency came first and does not need this one")]
    Overtaken(#[source] Refusal),
    /// The evidence cannot be written.
    #[error("the bucket cannot store the evidence of the report")]
    Documents(#[from] DocumentsError),
    #[error("the table of agencies cannot be read")]
    Agencies(#[from] StoreError),
    /// One agency signed a report in the name of another.
    #[error("the report names another agency than the one that signed it")]
    OtherAgency,
    /// The evidence cannot be written as JSON.
    #[error("the evidence of the report cannot be written as JSON")]
    Unwritable,
}

/// A report that is not applied.
#[derive(Debug, Error)]
#[error("the report is not applied")]
pub struct UnappliedReport {
    /// Why it is not applied.
    #[source]
    pub error: ReportError,
    /// What the receipt says of the refusal; `None` when nothing was recorded.
    pub record: Option<SignedReceipt>,
}

impl From<ReportError> for UnappliedReport {
    fn from(error: ReportError) -> Self {
        UnappliedReport { error, record: None }
    }
}

impl ReportError {
    /// Whether the report becomes acceptable when something that may be on its way arrives first: the report that
    /// precedes it, the certificate that it names, or the version of the hub that can read the case.
    #[must_use]
    pub fn waits_for_another(&self) -> bool {
        matches!(
            self,
            ReportError::Early(_)
                | ReportError::Apply(ApplyError::Refused(Refusal::Missing(_) | Refusal::IncompleteRead))
        )
    }

    /// Whether the report has nothing to add to a later report of the same agency, which overtook it in the queue.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        matches!(self, ReportError::Overtaken(_))
    }

    /// Name under which the refusal is stored and counted. `None` for a failure that may pass, and for a report that no
    /// known agency has signed.
    #[must_use]
    pub fn refusal(&self) -> Option<&'static str> {
        match self {
            ReportError::TooLarge => Some("payload_too_large"),
            ReportError::Payload(PayloadError::Json(_)) => Some("malformed_json"),
            ReportError::Payload(PayloadError::Fields(_)) => Some("invalid_fields"),
            ReportError::Expired => Some("signature_expired"),
            ReportError::OtherAgency => Some("other_agency"),
            ReportError::Apply(ApplyError::NotFound) => Some("unknown_case"),
            ReportError::Apply(ApplyError::Refused(Refusal::IncompleteRead)) => None,
            ReportError::Apply(ApplyError::Refused(refusal))
            | ReportError::Early(refusal)
            | ReportError::Overtaken(refusal) => Some(refusal.name()),
            ReportError::Apply(ApplyError::Store(_) | ApplyError::Contended)
            | ReportError::Jose(_)
            | ReportError::Documents(_)
            | ReportError::Agencies(_)
            | ReportError::Unwritable => None,
        }
    }

    /// The problem that answers a refusal; `None` as for [`ReportError::refusal`].
    #[must_use]
    pub fn problem(&self) -> Option<Problem> {
        match self {
            ReportError::TooLarge => Some(Problem::too_large(REPORT_BYTES)),
            ReportError::Payload(error) => Some(error.clone().into()),
            ReportError::Expired => Some(Problem::new(Code::SignatureExpired)),
            // An agency that signs in the name of another learns nothing about the application.
            ReportError::OtherAgency => Some(Problem::not_found()),
            ReportError::Apply(ApplyError::Refused(Refusal::IncompleteRead)) => None,
            ReportError::Apply(error @ (ApplyError::NotFound | ApplyError::Refused(_))) => {
                Some(error.clone().into())
            }
            ReportError::Early(refusal) | ReportError::Overtaken(refusal) => Some(refusal.clone().into()),
            ReportError::Apply(ApplyError::Store(_) | ApplyError::Contended)
            | ReportError::Jose(_)
            | ReportError::Documents(_)
            | ReportError::Agencies(_)
            | ReportError::Unwritable => None,
        }
    }
}

/// `http_kit::problem` maps each cause to its answer.
impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        if let Some(problem) = error.problem() {
            return problem;
        }
        match error {
            ReportError::Jose(error) => error.into(),
            ReportError::Apply(error) => error.into(),
            ReportError::Documents(error) => error.into(),
            ReportError::Agencies(error) => error.into(),
            // The refusals have their problem above.
            ReportError::Unwritable
            | ReportError::TooLarge
            | ReportError::Payload(_)
            | ReportError::Expired
            | ReportError::OtherAgency
            | ReportError::Early(_)
            | ReportError::Overtaken(_) => Problem::new(Code::Internal),
        }
    }
}
