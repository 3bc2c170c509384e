//! A case handler that follows a script.

use domain::command::ReportedResult;
use domain::effect::NoticeKind;
use domain::time::today;
use jiff::Timestamp;
use protocol::case::Case;

use super::behaviour::Behaviour;
use super::crash_point::CrashPoint;
use crate::certificate;
use crate::script::{AgencyScript, ScriptStep};
use agency::case_handler::{CaseHandler, CaseHandlerError, HandlerOutcome};
use agency::hub_client::{HubClient, HubClientError};
use agency::journal::ConsumerJournal;

/// Follows an [`AgencyScript`]. Fetches and checks every document of a case before it decides.
///
/// After a crash it repeats the same steps. The hub answers a repeated report with the first receipt, and refuses a
/// report on a case that has moved on.
#[derive(Clone, Debug)]
pub struct Simulator {
    script: AgencyScript,
    journal: ConsumerJournal,
    pub(super) behaviour: Behaviour,
    crash_point: CrashPoint,
}

impl Simulator {
    /// A simulator that writes its reports into `journal`.
    #[must_use]
    pub fn new(script: AgencyScript, journal: ConsumerJournal) -> Self {
        Simulator { script, journal, behaviour: Behaviour::default(), crash_point: CrashPoint::default() }
    }

    /// Sets the behaviour, except crashes: only a [`super::Fleet`] crashes and restarts its agencies.
    #[must_use]
    pub fn with_behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    pub(super) fn with_crash_point(mut self, crash_point: CrashPoint) -> Self {
        self.crash_point = crash_point;
        self
    }

    async fn check_documents(&self, case: &Case, client: &HubClient) -> Result<(), CaseHandlerError> {
        for document in &case.documents {
            self.crash_point.step().await;
            client.fetch_document(case.application, document).await?;
            self.note(case, case.version, "document", &document.id.to_string());
        }
        Ok(())
    }

    /// Uploads a certificate with this number.
    ///
    /// Returns the result to report.
    async fn issue(
        &self,
        case: &Case,
        certificate: String,
        client: &HubClient,
    ) -> Result<ReportedResult, CaseHandlerError> {
        let document = case.upload.ok_or(CaseHandlerError::MissingData("slot for the certificate"))?;
        let pdf = certificate::simulated(&certificate);
        self.crash_point.step().await;
        let uploaded =
            client.upload_document(case.application, document, certificate::MEDIA_TYPE, &pdf).await;
        match uploaded {
            Ok(()) => self.note(case, case.version, "upload", &document.to_string()),
            // The certificate was uploaded before a crash: the slot is closed, and only the report is missing.
            Err(HubClientError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(ReportedResult::Issued { document, certificate })
    }

    /// Reports a result, with this agency's mistakes before and after it.
    async fn report(
        &self,
        progress: &mut CaseProgress<'_>,
        result: ReportedResult,
        after: Option<&ScriptStep>,
        client: &HubClient,
    ) -> Result<(), CaseHandlerError> {
        let (case, seen) = (progress.case, progress.seen);
        let kind = ReportedResult::kind_of(result.step()).unwrap_or_default();
        let mistake = self.choose_mistake(case, seen, kind);
        let early = self.make_mistake_before(mistake, (case, seen), &result, after, client).await?;
        if let Some(receipt) = early {
            // The hub accepted the later report first, so it may refuse this one.
            progress.seen = receipt.version;
        }
        self.crash_point.step().await;
        match client.submit(case.application, progress.seen, result.clone()).await {
            Ok(next) => {
                let seen = std::mem::replace(&mut progress.seen, next);
                self.crash_point.step().await;
                self.note(case, progress.seen, "report", kind);
                self.make_mistake_after(mistake, (case, seen), result, client).await?;
            }
            Err(HubClientError::Conflict(problem)) => {
                // After a deliberate mistake that the hub accepted, the agency itself has moved the case on.
                progress.overtaken = mistake.is_none();
                self.note(case, progress.seen, "overtaken", &format!("{kind}: {problem}"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(super) fn note(&self, case: &Case, version: u32, action: &'static str, detail: &str) {
        let about = Some((case.application, version));
        self.journal.write(&case.agency, action, about, detail);
    }
}

/// Progress of a script on a case.
struct CaseProgress<'c> {
    case: &'c Case,
    /// The version that the next report names.
    seen: u32,
    /// Whether the hub refused the last report because the case has moved on.
    overtaken: bool,
}

impl CaseHandler for Simulator {
    async fn handle(&self, case: Case, client: &HubClient) -> Result<HandlerOutcome, CaseHandlerError> {
        if case.notice == NoticeKind::Withdrawn {
            return Ok(HandlerOutcome::Stopped);
        }
        let steps = self.script.steps(&case, today(Timestamp::now()));
        if steps.is_empty() {
            return Ok(HandlerOutcome::Deferred);
        }
        self.request_resend(&case, client).await;
        let mut progress = CaseProgress { case: &case, seen: case.version, overtaken: false };
        let mut checked = false;
        let mut remaining = steps.into_iter().peekable();
        while let Some(next) = remaining.next() {
            if !checked && next != ScriptStep::Report(ReportedResult::Received) {
                self.check_documents(&case, client).await?;
                checked = true;
            }
            if next != ScriptStep::Report(ReportedResult::Received) {
                tokio::time::sleep(self.delay(&case, progress.seen)).await;
            }
            let result = match next {
                ScriptStep::Report(result) => result,
                ScriptStep::Issue { certificate } => self.issue(&case, certificate, client).await?,
                ScriptStep::Work(time) => {
                    tokio::time::sleep(time).await;
                    continue;
                }
            };
            self.report(&mut progress, result, remaining.peek(), client).await?;
            // The hub answers a report that was sent before a crash with the first receipt. So this refusal means that
            // the case was withdrawn or has moved to another agency.
            if progress.overtaken {
                return Ok(HandlerOutcome::Overtaken);
            }
        }
        Ok(HandlerOutcome::Done)
    }
}

#[cfg(test)]
mod tests;
