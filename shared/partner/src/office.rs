//! The agency's side of the hub's HTTP interface: reports and documents.

mod document;
mod exchange;

pub(crate) use exchange::{client as http_client, is_loopback};

use std::sync::Arc;

use domain::command::Finding;
use domain::ids::{AgencyCode, ApplicationId, ReportId};
use jiff::Timestamp;
use protocol::jose::{JoseError, PrivateKey, sign};
use protocol::report::{REPORT_TYP, Receipt, Report};
use reqwest::Url;
use thiserror::Error;
use uuid::Uuid;

use crate::config::Config;
use crate::patience::Patience;
use crate::problem::Problem;
use crate::queue::{QueueError, queue_error};

/// Why the hub was not told, or did not answer.
#[derive(Debug, Error)]
pub enum OfficeError {
    /// 409: the case has moved on, or is not there yet. Nothing was changed.
    #[error("the case stands elsewhere: {0}")]
    Overtaken(Box<Problem>),
    /// 404: no such case or document for this agency.
    #[error("not found: {0}")]
    NotFound(Box<Problem>),
    /// 422: fields are wrong, all of them named.
    #[error("the report is wrong: {0}")]
    Invalid(Box<Problem>),
    /// Any other refusal: a key that is not registered, a clock too far off.
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

/// A report as it is sent: the same bytes however often and by whichever way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReport {
    /// Its id.
    pub id: ReportId,
    /// The kind of its finding.
    pub kind: &'static str,
    /// The compact JWS.
    pub jws: String,
}

/// Speaks with the hub for one agency. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Office {
    agency: AgencyCode,
    key: Arc<PrivateKey>,
    hub: Url,
    http: reqwest::Client,
    patience: Patience,
    reports: Option<(aws_sdk_sqs::Client, String)>,
}

impl Office {
    /// An office for the configured agency. Nothing is called.
    ///
    /// # Errors
    /// [`OfficeError::Client`] where there is no TLS to build on.
    pub fn new(config: &Config) -> Result<Office, OfficeError> {
        Ok(Office {
            agency: config.agency.clone(),
            key: Arc::new(config.keys.signing.clone()),
            hub: config.hub_url.clone(),
            http: exchange::client(&config.hub_url).map_err(OfficeError::Client)?,
            patience: Patience::default(),
            reports: None,
        })
    }

    /// The same office with another patience.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
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

    /// Signs a report under a new id. Keep it to send it again: a new signature is a new report.
    ///
    /// # Errors
    /// [`OfficeError::Signing`].
    pub fn sign(
        &self,
        application: ApplicationId,
        seen: u32,
        finding: Finding,
    ) -> Result<SignedReport, OfficeError> {
        let id = ReportId::from_uuid(Uuid::new_v4()).ok_or(JoseError::Payload)?;
        let kind = Finding::kind_of(finding.step()).unwrap_or_default();
        let report = Report {
            report_id: id,
            application,
            agency: self.agency.clone(),
            seen,
            iat: Timestamp::now().as_second(),
            finding,
        };
        let jws = sign(REPORT_TYP, &report, &self.key)?;
        Ok(SignedReport { id, kind, jws })
    }

    /// Sends a signed report and tries again while the hub is not available.
    ///
    /// # Errors
    /// [`OfficeError`]; after [`OfficeError::Unavailable`] the hub may have taken it: send the same again.
    pub async fn send(&self, report: &SignedReport) -> Result<Receipt, OfficeError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let answer = self.post("v1/reports", &report.jws).await;
            // A case can arrive before the hub has recorded its own dispatch: the first report is then early
            // and not late.
            let early = report.kind == "received"
                && matches!(answer, Err(OfficeError::Overtaken(_)))
                && tried < 5
                && self.patience.pause(tried, None).await;
            if !early {
                let receipt: Receipt = serde_json::from_slice(&answer?).map_err(|_| OfficeError::Answer)?;
                let same = receipt.report_id == report.id;
                return same.then_some(receipt).ok_or(OfficeError::Answer);
            }
        }
    }

    /// Reports a finding on a case. `seen` is the version of the message it acts on, or of the last receipt.
    ///
    /// # Errors
    /// [`OfficeError`].
    pub async fn report(
        &self,
        application: ApplicationId,
        seen: u32,
        finding: Finding,
    ) -> Result<Receipt, OfficeError> {
        self.send(&self.sign(application, seen, finding)?).await
    }

    /// Puts a report into the reports queue: for an agency that reaches SQS but not the hub's HTTP interface. The
    /// answer is not seen; what the hub refuses shows in the case's next message or not at all.
    ///
    /// # Errors
    /// [`OfficeError`].
    pub async fn report_by_queue(
        &self,
        application: ApplicationId,
        seen: u32,
        finding: Finding,
    ) -> Result<ReportId, OfficeError> {
        let (client, url) = self.reports.as_ref().ok_or(OfficeError::NoReportsQueue)?;
        let report = self.sign(application, seen, finding)?;
        client
            .send_message()
            .queue_url(url)
            .message_body(&report.jws)
            .send()
            .await
            .map_err(|error| queue_error(&error))?;
        Ok(report.id)
    }
}

#[cfg(test)]
mod tests;
