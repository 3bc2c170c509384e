//! The trait that an agency implements: what to do with a case.

use std::future::Future;
use std::time::Duration;

use protocol::case::Case;
use thiserror::Error;

use crate::hub_client::{HubClient, HubClientError};

/// Handles cases: the messages of one case in the order of their versions, several cases concurrently.
pub trait CaseHandler: Send + Sync + 'static {
    /// Handles one message. After `Ok` the consumer deletes the message. A withdrawal arrives as a case whose notice is
    /// `withdrawn`: stop the work and report nothing.
    ///
    /// # Errors
    /// [`CaseHandlerError`]: the message is delivered again; after ten deliveries SQS moves it to the agency's
    /// dead-letter queue.
    fn handle(
        &self,
        case: Case,
        client: &HubClient,
    ) -> impl Future<Output = Result<HandlerOutcome, CaseHandlerError>> + Send;
}

/// How a handler finished with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandlerOutcome {
    /// The handler has reported the decision.
    Done,
    /// The agency reports on the case later, by other means.
    Deferred,
    /// The application was withdrawn, so nothing was reported.
    Stopped,
    /// The hub refused a report because the case has moved on: withdrawn, or decided by an earlier delivery.
    Overtaken,
}

impl HandlerOutcome {
    /// The name in the journal.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            HandlerOutcome::Done => "done",
            HandlerOutcome::Deferred => "deferred",
            HandlerOutcome::Stopped => "stopped",
            HandlerOutcome::Overtaken => "overtaken",
        }
    }
}

/// Why a message must be delivered again.
#[derive(Debug, Error)]
pub enum CaseHandlerError {
    /// A call to the hub failed.
    #[error("a call to the hub failed")]
    HubClient(#[from] HubClientError),
    /// The agency cannot handle the case now.
    #[error("the agency cannot handle the case now and will retry later")]
    Later {
        /// Delay until the next delivery; up to 12 hours.
        after: Duration,
        /// The agency's own error, if any.
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The case lacks a part that its purpose needs.
    #[error("the case has no {0}")]
    MissingData(&'static str),
}

impl CaseHandlerError {
    /// The text for a log, without the cause of [`CaseHandlerError::Later`], which may hold personal data.
    #[must_use]
    pub fn log_text(&self) -> String {
        match self {
            CaseHandlerError::HubClient(error) => error.to_string(),
            CaseHandlerError::Later { .. } | CaseHandlerError::MissingData(_) => self.to_string(),
        }
    }

    /// Delay until the next delivery. `None` means the rest of the visibility timeout.
    #[must_use]
    pub fn hide_for(&self) -> Option<Duration> {
        match self {
            CaseHandlerError::HubClient(HubClientError::Unavailable { retry_after }) => *retry_after,
            CaseHandlerError::Later { after, .. } => Some(*after),
            CaseHandlerError::HubClient(_) | CaseHandlerError::MissingData(_) => None,
        }
    }
}
