//! Reports: signed, sent until they are answered, the same whoever sends them again.

use domain::command::Finding;
use domain::ids::{AgencyCode, ApplicationId, ReportId};
use jiff::{SignedDuration, Timestamp};
use protocol::jose::{JoseError, sign};
use protocol::report::{REPORT_TYP, Receipt, Report};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{HubClient, HubClientError};
use crate::queue::queue_error;

/// Age at which a signature is made anew. The hub takes a new report within [`protocol::report::FRESH_SECONDS`] of
/// its signature; what is left is for the clocks and for the tries.
const RENEWED_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Code of a problem: the signature is too old.
const EXPIRED: &str = "signature_expired";

/// A report as it is sent. It can be kept (it serializes) and sent after a restart; the same finding on the same
/// version is the same report in any case, because its id follows from what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedReport {
    /// What it says.
    pub report: Report,
    /// The compact JWS of it.
    pub jws: String,
}

impl SignedReport {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ReportId {
        self.report.report_id
    }

    /// The kind of its finding.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        Finding::kind_of(self.report.finding.step()).unwrap_or_default()
    }

    /// Whether its signature is young enough to be sent: not over 10 minutes old, nor from a time to come.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let age = SignedDuration::from_secs(now.as_second().saturating_sub(self.report.iat));
        age.abs() <= RENEWED_AFTER
    }
}

/// The id of a report: a UUID of version 8 from the SHA-256 of what it says, so that whoever reports the same again
/// (after a crash, from another machine) sends the same report.
///
/// # Errors
/// [`JoseError::Payload`] where the finding is not JSON.
fn derived(
    agency: &AgencyCode,
    application: ApplicationId,
    seen: u32,
    finding: &Finding,
) -> Result<ReportId, JoseError> {
    let content =
        serde_json::to_vec(&(agency, application, seen, finding)).map_err(|_| JoseError::Payload)?;
    let hash = Sha256::new_with_prefix(b"tongban-report:").chain_update(content).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    ReportId::from_uuid(Uuid::new_v8(bytes)).ok_or(JoseError::Payload)
}

impl HubClient {
    /// Signs a report. Its id follows from the agency, the application, `seen` and the finding: the same finding on the
    /// same version is the same report, and the hub answers it as it did first.
    ///
    /// # Errors
    /// [`HubClientError::Signing`].
    pub fn sign(
        &self,
        application: ApplicationId,
        seen: u32,
        finding: Finding,
    ) -> Result<SignedReport, HubClientError> {
        let report_id = derived(&self.agency, application, seen, &finding)?;
        let agency = self.agency.clone();
        self.signed(Report { report_id, application, agency, seen, iat: 0, finding })
    }

    /// The same report under the same id, signed now.
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

    /// Sends a signed report and tries again while the hub is not available. One that was signed more than 10 minutes
    /// ago is signed anew first, and once more where the hub finds its signature too old.
    ///
    /// # Errors
    /// [`HubClientError`]; after [`HubClientError::Unavailable`] the hub may have taken it: send the same again.
    pub async fn send(&self, report: &SignedReport) -> Result<Receipt, HubClientError> {
        let stale = !report.is_fresh(Timestamp::now());
        let mut current = if stale { self.renew(report)? } else { report.clone() };
        let (mut tried, mut renewed) = (0, false);
        loop {
            tried += 1;
            let answer = match self.post("v1/reports", &current.jws).await {
                Err(HubClientError::Unauthorized(problem)) if problem.code() == EXPIRED && !renewed => {
                    renewed = true;
                    current = self.renew(&current)?;
                    continue;
                }
                answer => answer,
            };
            // A case can arrive before the hub has recorded its own dispatch: the first report is then early
            // and not late.
            let early = matches!(current.report.finding, Finding::Received)
                && matches!(answer, Err(HubClientError::Overtaken(_)))
                && tried < 5
                && self.retry_policy.pause(tried, None).await;
            if !early {
                let receipt: Receipt =
                    serde_json::from_slice(&answer?).map_err(|_| HubClientError::Answer)?;
                let same = receipt.report_id == current.id();
                return same.then_some(receipt).ok_or(HubClientError::Answer);
            }
        }
    }

    /// Reports a finding on a case. `seen` is the version of the message it acts on, or of the last receipt.
    ///
    /// # Errors
    /// [`HubClientError`].
    pub async fn report(
        &self,
        application: ApplicationId,
        seen: u32,
        finding: Finding,
    ) -> Result<Receipt, HubClientError> {
        self.send(&self.sign(application, seen, finding)?).await
    }

    /// Puts a report into the reports queue: for an agency that reaches SQS but not the hub's HTTP interface. The
    /// answer is not seen; what the hub refuses shows in the case's next message or not at all.
    ///
    /// # Errors
    /// [`HubClientError`].
    pub async fn report_by_queue(
        &self,
        application: ApplicationId,
        seen: u32,
        finding: Finding,
    ) -> Result<ReportId, HubClientError> {
        let (client, url) = self.reports.as_ref().ok_or(HubClientError::NoReportsQueue)?;
        let report = self.sign(application, seen, finding)?;
        client
            .send_message()
            .queue_url(url)
            .message_body(&report.jws)
            .send()
            .await
            .map_err(|error| queue_error(&error))?;
        Ok(report.id())
    }
}
