//! Reports: signed once, retried until the hub answers. The same result always has the same report id.

use domain::command::ReportedResult;
use domain::ids::{AgencyCode, ApplicationId, ReportId};
use jiff::{SignedDuration, Timestamp};
use protocol::jose::{JoseError, sign};
use protocol::report::{REPORT_TYP, Receipt, Report};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::client::{EXPIRED, HubClient};
use crate::error::HubClientError;

/// Age at which a report is signed again. The hub accepts a new report within [`protocol::report::FRESH_SECONDS`] of
/// its signature; the difference allows for clock skew and retries.
const RENEWED_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// A report and its signature. An agency can serialize and store this value, and send the report after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedReport {
    /// The signed content.
    pub report: Report,
    /// The compact JWS.
    pub jws: String,
}

impl SignedReport {
    /// The report's id, derived from its content.
    #[must_use]
    pub fn id(&self) -> ReportId {
        self.report.report_id
    }

    /// The kind of the result, for example `signed`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        ReportedResult::kind_of(self.report.result.step()).unwrap_or_default()
    }

    /// Whether the signature is within 10 minutes of `now`, in the past or in the future.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let age = SignedDuration::from_secs(now.as_second().saturating_sub(self.report.iat));
        age.abs() <= RENEWED_AFTER
    }
}

/// Derives the report's id, a UUIDv8, from the SHA-256 of its content. So a result that is reported again, after a
/// crash or from another machine, is the same report.
///
/// # Errors
/// [`JoseError::Payload`] when the result does not serialize.
fn derive_id(
    agency: &AgencyCode,
    application: ApplicationId,
    seen: u32,
    result: &ReportedResult,
) -> Result<ReportId, JoseError> {
    let content = serde_json::to_vec(&(agency, application, seen, result)).map_err(|_| JoseError::Payload)?;
    let hash: [u8; 32] = Sha256::new_with_prefix(b"tongban-report:").chain_update(content).finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    ReportId::from_uuid(Uuid::new_v8(bytes)).ok_or(JoseError::Payload)
}

impl HubClient {
    /// Signs a report. The report's id derives from agency, application, `seen` and result, so the hub answers a
    /// repeated result with the first receipt.
    ///
    /// # Errors
    /// [`HubClientError::Signing`].
    pub fn sign(
        &self,
        application: ApplicationId,
        seen: u32,
        result: ReportedResult,
    ) -> Result<SignedReport, HubClientError> {
        let report_id = derive_id(&self.agency, application, seen, &result)?;
        let agency = self.agency.clone();
        self.signed(Report { report_id, application, agency, seen, iat: 0, result })
    }

    /// Signs the same report again, under the same id.
    ///
    /// # Errors
    /// [`HubClientError::Signing`].
    pub fn renew(&self, report: &SignedReport) -> Result<SignedReport, HubClientError> {
        self.signed(report.report.clone())
    }

    fn signed(&self, mut report: Report) -> Result<SignedReport, HubClientError> {
        report.iat = Timestamp::now().as_second();
        let jws = sign(REPORT_TYP, &report, &self.key)?;
        Ok(SignedReport { report, jws })
    }

    /// Sends a signed report, and retries while the hub is not available. A signature over 10 minutes old is renewed
    /// first, and once more when the hub answers `signature_expired`. The hub's signed receipt is verified and written
    /// into the journal.
    ///
    /// # Errors
    /// [`HubClientError`]. After [`HubClientError::Unavailable`] the hub may have accepted the report: send the same
    /// again.
    pub async fn send(&self, report: &SignedReport) -> Result<Receipt, HubClientError> {
        let stale = !report.is_fresh(Timestamp::now());
        let mut current = if stale { self.renew(report)? } else { report.clone() };
        let (mut tried, mut renewed) = (0_u32, false);
        loop {
            tried = tried.saturating_add(1);
            let response = match self.post("v1/reports", &current.jws).await {
                Err(HubClientError::Unauthorized(problem)) if problem.code() == EXPIRED && !renewed => {
                    renewed = true;
                    current = self.renew(&current)?;
                    continue;
                }
                response => response,
            };
            // The message can arrive before the hub has recorded its dispatch. Then the hub answers 409 to the first
            // report, and a retry succeeds.
            let early = matches!(current.report.result, ReportedResult::Received)
                && matches!(response, Err(HubClientError::Conflict(_)))
                && tried < 5
                && self.retry_policy.pause(tried, None).await;
            if !early {
                let receipt: Receipt =
                    serde_json::from_slice(&response?).map_err(|_| HubClientError::InvalidResponse)?;
                if receipt.report_id != current.id() {
                    return Err(HubClientError::InvalidResponse);
                }
                self.keep_receipt(&current, &receipt).await?;
                return Ok(receipt);
            }
        }
    }

    /// Reports a result on a case. `seen` is the version of the message that the agency acts on, or of the last
    /// receipt.
    ///
    /// # Errors
    /// [`HubClientError`].
    pub async fn report(
        &self,
        application: ApplicationId,
        seen: u32,
        result: ReportedResult,
    ) -> Result<Receipt, HubClientError> {
        self.send(&self.sign(application, seen, result)?).await
    }

    /// Puts a report into the reports queue. The agency gets no answer: [`HubClient::sent_reports`] says what came of the
    /// report. `seen` is the version of the case's message.
    ///
    /// # Errors
    /// [`HubClientError`].
    pub async fn report_by_queue(
        &self,
        application: ApplicationId,
        seen: u32,
        result: ReportedResult,
    ) -> Result<ReportId, HubClientError> {
        let queue = self.reports.as_ref().ok_or(HubClientError::NoReportsQueue)?;
        let report = self.sign(application, seen, result)?;
        queue.send(&report.jws).await?;
        Ok(report.id())
    }

    /// Reports a result by the configured way: by the reports queue where the client has one, else over HTTP. Returns
    /// the version that the next report names as `seen`: by the queue always that of the case's message, else that of
    /// the receipt.
    ///
    /// # Errors
    /// [`HubClientError`]. By the queue the hub's refusal is no error, because nobody sees it.
    pub async fn submit(
        &self,
        application: ApplicationId,
        seen: u32,
        result: ReportedResult,
    ) -> Result<u32, HubClientError> {
        if self.reports.is_some() {
            self.report_by_queue(application, seen, result).await.map(|_| seen)
        } else {
            self.report(application, seen, result).await.map(|receipt| receipt.version)
        }
    }
}
