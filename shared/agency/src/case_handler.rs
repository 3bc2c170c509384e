//! Where a case is worked on: the part an agency writes itself.

use std::future::Future;
use std::time::Duration;

use protocol::case::Case;
use thiserror::Error;

use crate::hub_client::{HubClient, HubClientError};

/// Works on cases. One case at a time, in the order of its versions; several cases at once.
pub trait CaseHandler: Send + Sync + 'static {
    /// Takes a message. `Ok` means it need not come again. An application that was withdrawn comes as a case
    /// whose notice is `withdrawn`: stop work, report nothing.
    ///
    /// # Errors
    /// [`CaseHandlerError`]: the message stays in the queue and comes again; after ten times it goes to the agency's
    /// dead-letter queue.
    fn handle(
        &self,
        case: Case,
        client: &HubClient,
    ) -> impl Future<Output = Result<Outcome, CaseHandlerError>> + Send;
}

/// How the work on a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Reported.
    Done,
    /// Taken, to be reported on later by other means.
    Held,
    /// Withdrawn: nothing to do.
    Stopped,
    /// The hub says that the case has moved on: withdrawn, or decided by an earlier delivery.
    Overtaken,
}

impl Outcome {
    /// The name in a journal.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Held => "held",
            Outcome::Stopped => "stopped",
            Outcome::Overtaken => "overtaken",
        }
    }
}

/// Why a message must come again.
#[derive(Debug, Error)]
pub enum CaseHandlerError {
    /// The hub could not be told, or not asked.
    #[error("the hub")]
    HubClient(#[from] HubClientError),
    /// The agency's own side cannot go on now.
    #[error("to be taken up again later")]
    Later {
        /// After how long the message comes again; up to 12 hours.
        after: Duration,
        /// Why.
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The case lacks what its purpose needs.
    #[error("the case has no {0}")]
    Lacks(&'static str),
}

impl CaseHandlerError {
    /// What a log may say of it. The cause of [`CaseHandlerError::Later`] is the agency's own, may hold anything, and is
    /// left out.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            CaseHandlerError::HubClient(error) => error.to_string(),
            CaseHandlerError::Later { .. } | CaseHandlerError::Lacks(_) => self.to_string(),
        }
    }

    /// How long the message shall be hidden. `None` leaves it to the queue's own time.
    #[must_use]
    pub fn hide_for(&self) -> Option<Duration> {
        match self {
            CaseHandlerError::HubClient(HubClientError::Unavailable { retry_after }) => *retry_after,
            CaseHandlerError::Later { after, .. } => Some(*after),
            CaseHandlerError::HubClient(_) | CaseHandlerError::Lacks(_) => None,
        }
    }
}
