//! Receipts: the hub's signed proof of a report, and the list of the agency's reports on a case.

use domain::ids::ApplicationId;
use jiff::Timestamp;
use protocol::jose::{signer_kid, verify};
use protocol::receipts::{
    RECEIPT_TYP, REPORTS, REPORTS_TYP, ReportOutcome, ReportsPage, ReportsRequest, SentReport, SignedReceipt,
};
use protocol::report::Receipt;

use super::client::HubClient;
use super::report::SignedReport;
use crate::error::HubClientError;

/// Reports of an agency on a case, up to the requested number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentReports {
    /// The reports, in the hub's order.
    pub reports: Vec<SentReport>,
    /// Cursor of the remaining reports; `None` when the list is complete.
    pub next: Option<String>,
}

impl HubClient {
    /// Verifies a receipt with the hub's keys. Fetches the keys when the receipt names an unknown one.
    ///
    /// # Errors
    /// [`HubClientError::InvalidReceipt`] when the hub did not sign the receipt; [`HubClientError::Unavailable`] when the
    /// hub's keys cannot be fetched now.
    pub async fn verify_receipt(&self, jws: &str) -> Result<SignedReceipt, HubClientError> {
        let kid = signer_kid(jws).map_err(HubClientError::InvalidReceipt)?;
        let keys = self.hub_keys().containing(&kid).await;
        let keys = keys.map_err(|error| {
            tracing::warn!(%error, "a receipt cannot be verified without the hub's keys, will retry");
            HubClientError::Unavailable { retry_after: None }
        })?;
        verify(RECEIPT_TYP, jws, keys.iter()).map_err(HubClientError::InvalidReceipt)
    }

    /// Checks the signed receipt of an accepted report, and writes it into the journal. A hub that signs no receipts is
    /// accepted: the answer is as it was.
    pub(super) async fn keep_receipt(
        &self,
        report: &SignedReport,
        answer: &Receipt,
    ) -> Result<(), HubClientError> {
        let Some(jws) = &answer.receipt else { return Ok(()) };
        let signed = self.verify_receipt(jws).await?;
        // The digest is not compared: after a lost answer the hub may have recorded an earlier signature of this report.
        let agrees = signed.outcome == ReportOutcome::Accepted
            && signed.agency == self.agency
            && signed.application == Some(answer.application)
            && signed.report_id == Some(report.id())
            && signed.version == Some(answer.version)
            && signed.kind.as_deref() == Some(report.kind());
        if !agrees {
            return Err(HubClientError::InvalidResponse);
        }
        self.journal.receipt(&self.agency, (answer.application, answer.version), report.kind(), jws);
        Ok(())
    }

    /// One page of the agency's reports on a case, with what came of each. `after` is the previous page's `next`; `limit`
    /// is 1 to [`REPORTS`], and 50 by default.
    ///
    /// # Errors
    /// [`HubClientError`].
    pub async fn sent_reports(
        &self,
        application: ApplicationId,
        after: Option<&str>,
        limit: Option<u16>,
    ) -> Result<ReportsPage, HubClientError> {
        let request = ReportsRequest {
            agency: self.agency.clone(),
            iat: Timestamp::now().as_second(),
            application,
            after: after.map(str::to_owned),
            limit,
        };
        self.post_signed("v1/agency/reports", REPORTS_TYP, &request).await
    }

    /// Up to `most` of the agency's reports on a case, read page by page. The receipts are not verified: call
    /// [`HubClient::verify_receipt`] for each that you keep.
    ///
    /// # Errors
    /// [`HubClientError::InvalidResponse`] when a page names itself as the next; any other error of a call to the hub.
    pub async fn all_sent_reports(
        &self,
        application: ApplicationId,
        most: usize,
    ) -> Result<SentReports, HubClientError> {
        let mut listed = SentReports { reports: Vec::new(), next: None };
        loop {
            let left = most.saturating_sub(listed.reports.len()).min(REPORTS);
            let Some(limit) = u16::try_from(left).ok().filter(|left| *left > 0) else { return Ok(listed) };
            let page = self.sent_reports(application, listed.next.as_deref(), Some(limit)).await?;
            // A cursor that does not advance would make this loop endless.
            if page.next.is_some() && page.next == listed.next {
                return Err(HubClientError::InvalidResponse);
            }
            listed.reports.extend(page.reports);
            listed.next = page.next;
            if listed.next.is_none() {
                return Ok(listed);
            }
        }
    }
}
