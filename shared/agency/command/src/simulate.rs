//! A handler that plays a script, for walks, tests and load; and a fleet of agencies that make mistakes, are slow, and
//! fall down.

mod behaviour;
mod crash_point;
mod fleet;
mod seeded_rng;
mod stats;

pub use behaviour::Behaviour;
pub use fleet::{Ends, Fleet, FleetError, Member};
pub use seeded_rng::SeededRng;
pub use stats::Summary;

use crash_point::CrashPoint;

use domain::command::Finding;
use domain::decide::today;
use domain::effect::NoticeKind;
use jiff::Timestamp;
use protocol::case::Case;

use crate::certificate;
use crate::script::{Move, Script};
use agency::case_handler::{CaseHandler, CaseHandlerError, Outcome};
use agency::hub_client::{HubClient, HubClientError};
use agency::journal::Journal;

/// Plays a [`Script`]. It fetches and checks every document of a case before it decides.
///
/// After a crash it plays the same moves again. What the hub has already it answers as it did; what it has moved on
/// from it refuses as overtaken, and the play goes on behind it.
#[derive(Clone, Debug)]
pub struct Simulator {
    script: Script,
    journal: Journal,
    behaviour: Behaviour,
    crash_point: CrashPoint,
}

impl Simulator {
    /// A simulator that writes its reports into a journal.
    #[must_use]
    pub fn new(script: Script, journal: Journal) -> Self {
        Simulator { script, journal, behaviour: Behaviour::default(), crash_point: CrashPoint::default() }
    }

    /// The same simulator with this conduct. Crashes are the matter of a [`Fleet`], which starts what has fallen.
    #[must_use]
    pub fn with_behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    fn with_crash_point(mut self, crash_point: CrashPoint) -> Self {
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

    /// Uploads the certificate with a number.
    ///
    /// Returns what is to be reported of it.
    async fn issue(
        &self,
        case: &Case,
        certificate: String,
        client: &HubClient,
    ) -> Result<Finding, CaseHandlerError> {
        let document = case.upload.ok_or(CaseHandlerError::Lacks("slot for the certificate"))?;
        let pdf = certificate::simulated(&certificate);
        self.crash_point.step().await;
        let uploaded =
            client.upload_document(case.application, document, certificate::MEDIA_TYPE, &pdf).await;
        match uploaded {
            Ok(()) => self.note(case, case.version, "upload", &document.to_string()),
            // Uploaded before a crash: the slot is closed, and only the report is missing.
            Err(HubClientError::Overtaken(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Finding::Issued { document, certificate })
    }

    /// Reports a finding, with the mistakes of this agency around it.
    async fn report(
        &self,
        play: &mut TrialBody<'_>,
        finding: Finding,
        after: Option<&Move>,
        client: &HubClient,
    ) -> Result<(), CaseHandlerError> {
        let (case, seen) = (play.case, play.seen);
        let kind = Finding::kind_of(finding.step()).unwrap_or_default();
        let mistake = self.mistake(case, seen, kind);
        let early = self.mistaken_before(mistake, (case, seen), &finding, after, client).await?;
        if let Some(receipt) = early {
            // The hub allows that order: what was to come first may not come any more.
            play.seen = receipt.version;
        }
        self.crash_point.step().await;
        match client.report(case.application, play.seen, finding.clone()).await {
            Ok(receipt) => {
                let seen = std::mem::replace(&mut play.seen, receipt.version);
                self.crash_point.step().await;
                self.note(case, play.seen, "report", kind);
                self.mistaken_after(mistake, (case, seen), finding, client).await?;
            }
            Err(HubClientError::Overtaken(problem)) => {
                // After a mistake of its own that the hub has taken, it is the agency that has moved the case on.
                play.overtaken = mistake.is_none();
                self.note(case, play.seen, "overtaken", &format!("{kind}: {problem}"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn note(&self, case: &Case, version: u32, what: &'static str, detail: &str) {
        let about = Some((case.application, version));
        self.journal.write(&case.agency, what, about, detail);
    }
}

/// How far the play on a case has come.
struct TrialBody<'c> {
    case: &'c Case,
    /// The version that the next report builds on.
    seen: u32,
    /// Whether the last report came too late.
    overtaken: bool,
}

impl CaseHandler for Simulator {
    async fn handle(&self, case: Case, client: &HubClient) -> Result<Outcome, CaseHandlerError> {
        if case.notice == NoticeKind::Withdrawn {
            return Ok(Outcome::Stopped);
        }
        let moves = self.script.moves(&case, today(Timestamp::now()));
        if moves.is_empty() {
            return Ok(Outcome::Held);
        }
        self.ask_again(&case, client).await;
        let mut play = TrialBody { case: &case, seen: case.version, overtaken: false };
        let mut checked = false;
        let mut left = moves.into_iter().peekable();
        while let Some(next) = left.next() {
            if !checked && next != Move::Report(Finding::Received) {
                self.check_documents(&case, client).await?;
                checked = true;
            }
            if next != Move::Report(Finding::Received) {
                tokio::time::sleep(self.delay(&case, play.seen)).await;
            }
            let finding = match next {
                Move::Report(finding) => finding,
                Move::Issue { certificate } => self.issue(&case, certificate, client).await?,
                Move::Work(time) => {
                    tokio::time::sleep(time).await;
                    continue;
                }
            };
            self.report(&mut play, finding, left.peek(), client).await?;
            // What was reported before a crash is answered as it was then. So this is no repeat: the case has moved on
            // without the agency, and is its no more.
            if play.overtaken {
                return Ok(Outcome::Overtaken);
            }
        }
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests;
