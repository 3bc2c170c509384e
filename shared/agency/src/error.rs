//! Why a call to the hub failed.

use protocol::jose::JoseError;
use thiserror::Error;

use crate::network::Obstacle;
use crate::problem::HubProblem;
use crate::queue::QueueError;

/// Why a call to the hub failed.
#[derive(Debug, Error)]
pub enum HubClientError {
    /// 409: the case has moved on, or the hub has not recorded its dispatch yet. The hub changed nothing.
    #[error("the hub refused the request because the case has moved on: {0}")]
    Conflict(Box<HubProblem>),
    /// 404: this agency has no such case or document.
    #[error("the hub knows no such case or document of this agency: {0}")]
    NotFound(Box<HubProblem>),
    /// 422: the problem names every wrong field.
    #[error("the hub refused the request because fields are wrong: {0}")]
    Invalid(Box<HubProblem>),
    /// 401: the key is not registered for this agency, or the clocks differ too much.
    #[error("the hub did not accept the signature: {0}")]
    Unauthorized(Box<HubProblem>),
    /// Any other refusal.
    #[error("the hub refused the request: {0}")]
    Refused(Box<HubProblem>),
    /// The hub is not available and the retry policy allows no further try. The same request can be sent again later.
    #[error("the hub did not answer, or was not available, in any try")]
    Unavailable {
        /// The last `Retry-After` of the hub.
        retry_after: Option<std::time::Duration>,
    },
    /// No answer came in a single try.
    #[error("the hub cannot be reached: {0}")]
    Unreachable(Obstacle),
    /// The response does not have the published form, or is too long.
    #[error("the hub's response cannot be read")]
    InvalidResponse,
    /// The hub's receipt does not verify. The report may be recorded; its receipt proves nothing.
    #[error("the receipt of the report does not verify with the hub's keys")]
    InvalidReceipt(#[source] JoseError),
    /// The document's size or SHA-256 differs from the signed case's, or the size is outside the limits.
    #[error("the document does not match the case: its size or SHA-256 differs")]
    DocumentMismatch,
    /// The agency's own key cannot sign.
    #[error("the request cannot be signed")]
    Signing(#[from] JoseError),
    /// The configuration names no reports queue.
    #[error("no reports queue is configured")]
    NoReportsQueue,
    /// The reports queue did not accept the report.
    #[error("the reports queue did not accept the report")]
    Queue(#[from] QueueError),
    /// This system has no usable TLS provider.
    #[error("no HTTP client can be built")]
    HttpClient(#[source] reqwest::Error),
}

impl HubClientError {
    /// The hub's problem details, when the hub refused the request.
    #[must_use]
    pub fn problem(&self) -> Option<&HubProblem> {
        match self {
            HubClientError::Conflict(problem)
            | HubClientError::NotFound(problem)
            | HubClientError::Invalid(problem)
            | HubClientError::Unauthorized(problem)
            | HubClientError::Refused(problem) => Some(problem),
            HubClientError::Unavailable { .. }
            | HubClientError::Unreachable(_)
            | HubClientError::InvalidResponse
            | HubClientError::InvalidReceipt(_)
            | HubClientError::DocumentMismatch
            | HubClientError::Signing(_)
            | HubClientError::NoReportsQueue
            | HubClientError::Queue(_)
            | HubClientError::HttpClient(_) => None,
        }
    }
}
