//! The agency's side of the hub's HTTP interface: reports, documents, and what is open.

mod backlog;
mod document;
mod exchange;
mod report;

pub use exchange::http_client;
pub(crate) use exchange::{Failed, body, is_loopback, sort};

use std::sync::Arc;

use domain::ids::AgencyCode;
use protocol::jose::{JoseError, PrivateKey};
use reqwest::Url;
use thiserror::Error;

use crate::config::Config;
use crate::hub_keys::HubKeys;
use crate::problem::Problem;
use crate::queue::QueueError;
use crate::retry_policy::RetryPolicy;

pub use backlog::{Backlog, outcome_name};
pub use document::{Fetched, link_request};
pub use report::SignedReport;

/// Why the hub was not told, or did not answer.
#[derive(Debug, Error)]
pub enum HubClientError {
    /// 409: the case has moved on, or is not there yet. Nothing was changed.
    #[error("the case stands elsewhere: {0}")]
    Overtaken(Box<Problem>),
    /// 404: no such case or document for this agency.
    #[error("not found: {0}")]
    NotFound(Box<Problem>),
    /// 422: fields are wrong, all of them named.
    #[error("the report is wrong: {0}")]
    Invalid(Box<Problem>),
    /// 401: the key is not one of the agency's at the hub, or the clock is too far off.
    #[error("not accepted as this agency: {0}")]
    Unauthorized(Box<Problem>),
    /// Any other refusal.
    #[error("refused: {0}")]
    Refused(Box<Problem>),
    /// All tries are used up. The same report can be sent again later.
    #[error("the hub does not answer")]
    Unavailable {
        /// When the hub asked to come again.
        retry_after: Option<std::time::Duration>,
    },
    /// The hub answered something that is no answer.
    #[error("the hub's answer cannot be read")]
    Answer,
    /// A document is not what the case says: size or SHA-256 differ, or it is over the bound.
    #[error("the document is not the one of the case")]
    Mismatch,
    /// The own key cannot sign.
    #[error("signing")]
    Signing(#[from] JoseError),
    /// The reports queue is not configured.
    #[error("no reports queue is configured")]
    NoReportsQueue,
    /// The reports queue did not take the report.
    #[error("the reports queue")]
    Queue(#[from] QueueError),
    /// No HTTP client can be built here.
    #[error("no HTTP client")]
    Client(#[source] reqwest::Error),
}

impl HubClientError {
    /// What the hub answered, where it refused.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            HubClientError::Overtaken(problem)
            | HubClientError::NotFound(problem)
            | HubClientError::Invalid(problem)
            | HubClientError::Unauthorized(problem)
            | HubClientError::Refused(problem) => Some(problem),
            HubClientError::Unavailable { .. }
            | HubClientError::Answer
            | HubClientError::Mismatch
            | HubClientError::Signing(_)
            | HubClientError::NoReportsQueue
            | HubClientError::Queue(_)
            | HubClientError::Client(_) => None,
        }
    }
}

/// Speaks with the hub for one agency. Clones share the connections.
#[derive(Clone, Debug)]
pub struct HubClient {
    agency: AgencyCode,
    key: Arc<PrivateKey>,
    hub: Url,
    http: reqwest::Client,
    retry_policy: RetryPolicy,
    reports: Option<(aws_sdk_sqs::Client, String)>,
    hub_keys: HubKeys,
}

impl HubClient {
    /// An office for the configured agency. Nothing is called.
    ///
    /// # Errors
    /// [`HubClientError::Client`] where there is no TLS to build on.
    pub fn new(config: &Config) -> Result<HubClient, HubClientError> {
        let http = http_client(&config.hub_url).map_err(HubClientError::Client)?;
        Ok(HubClient {
            hub_keys: HubKeys::through(&http, config)?,
            agency: config.agency.clone(),
            key: Arc::new(config.keys.signing.clone()),
            hub: config.hub_url.clone(),
            http,
            retry_policy: RetryPolicy::default(),
            reports: None,
        })
    }

    /// The same office with another patience.
    #[must_use]
    pub fn with_retry_policy(mut self, retry_policy: RetryPolicy) -> Self {
        self.retry_policy = retry_policy;
        self
    }

    /// The same office, able to report by the reports queue too.
    #[must_use]
    pub fn with_reports_queue(mut self, client: aws_sdk_sqs::Client, url: impl Into<String>) -> Self {
        self.reports = Some((client, url.into()));
        self
    }

    /// For which agency it speaks.
    #[must_use]
    pub fn agency(&self) -> &AgencyCode {
        &self.agency
    }

    /// The hub's public keys, as this agency knows them.
    #[must_use]
    pub fn hub_keys(&self) -> &HubKeys {
        &self.hub_keys
    }
}

#[cfg(test)]
mod tests;
