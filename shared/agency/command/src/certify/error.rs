//! The errors that end certification.

use agency::HubClientError;
use agency::problem::HubProblem;
use thiserror::Error;

use super::citation::cited;

/// Why certification stopped. Not a verdict on the consumer.
#[derive(Debug, Error)]
pub enum CertifyError {
    /// This system has no usable TLS provider.
    #[error("no HTTP client can be built: {0}")]
    Client(#[source] reqwest::Error),
    /// The hub refused a request.
    #[error("the hub refused {what}: {}", cited(problem))]
    Refused { what: String, problem: Box<HubProblem> },
    /// The hub, or the document store, does not answer.
    #[error("{0} was not answered")]
    Unavailable(String),
    /// A response does not have the published form.
    #[error("the response to {0} cannot be read")]
    Answer(String),
    /// A call to the queue failed.
    #[error("the agency's queue cannot be read: {0}")]
    Queue(String),
    /// A stop was requested.
    #[error("certification was stopped before its end")]
    Stopped,
    #[error("the operator's command `{command}` failed: {why}")]
    Operator { command: String, why: String },
    /// The catalogue has no service with a single leg of this purpose that certification can fill in.
    #[error("the catalogue has no service with one leg `{0}` that certification can apply for")]
    NoService(&'static str),
    /// No division can be derived from the agency's code.
    #[error("no place can be derived from the agency's code")]
    Place,
}

impl CertifyError {
    /// A failed call of certification in the name of an agency.
    pub(super) fn of_agency(what: &str, error: HubClientError) -> CertifyError {
        let what = what.to_owned();
        match error {
            HubClientError::Conflict(problem)
            | HubClientError::NotFound(problem)
            | HubClientError::Invalid(problem)
            | HubClientError::Unauthorized(problem)
            | HubClientError::Refused(problem) => CertifyError::Refused { what, problem },
            HubClientError::HttpClient(error) => CertifyError::Client(error),
            HubClientError::Unavailable { .. } | HubClientError::Unreachable(_) => {
                CertifyError::Unavailable(what)
            }
            HubClientError::Queue(error) => CertifyError::Queue(error.to_string()),
            HubClientError::InvalidResponse
            | HubClientError::InvalidReceipt(_)
            | HubClientError::DocumentMismatch
            | HubClientError::Signing(_)
            | HubClientError::NoReportsQueue => CertifyError::Answer(what),
        }
    }

    /// The HTTP status, when the hub refused a request.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            CertifyError::Refused { problem, what: _ } => Some(problem.status),
            CertifyError::Client(_)
            | CertifyError::Unavailable(_)
            | CertifyError::Answer(_)
            | CertifyError::Queue(_)
            | CertifyError::Stopped
            | CertifyError::Operator { .. }
            | CertifyError::NoService(_)
            | CertifyError::Place => None,
        }
    }
}
