//! Why certification itself could not go on.

use agency::problem::Problem;
use thiserror::Error;

/// Why certification itself could not go on. Says nothing of the consumer.
#[derive(Debug, Error)]
pub enum CertifyError {
    /// No HTTP client can be made.
    #[error("no HTTP client: {0}")]
    Client(#[source] reqwest::Error),
    /// The hub refuses what certification asks.
    #[error("the hub answers {problem} to {what}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its answer.
        problem: Box<Problem>,
    },
    /// The hub, or where its links lead, does not answer.
    #[error("no answer to {0}")]
    Unavailable(String),
    /// An answer that is not of the hub's making.
    #[error("an answer to {0} that cannot be read")]
    Answer(String),
    /// The queue cannot be looked at.
    #[error("the agency's queue: {0}")]
    Queue(String),
    /// It was asked to stop.
    #[error("it was stopped before its end")]
    Stopped,
    /// The operator's command failed.
    #[error("the operator's command `{command}`: {why}")]
    Operator {
        /// Which.
        command: String,
        /// What it said.
        why: String,
    },
    /// The catalogue has no service of one leg of this purpose that certification can fill in.
    #[error("the catalogue has no service with one leg `{0}` that certification can apply for")]
    NoService(&'static str),
    /// No registered place can be made from the agency's code.
    #[error("the agency's code names no place")]
    Place,
}

impl CertifyError {
    /// The status of the refusal, where it is one.
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
