//! A desk that plays a script, for walks, tests and load; and a fleet of agencies that make mistakes, are slow, and
//! fall down.

mod chance;
mod conduct;
mod fleet;
mod fuse;
mod tally;

pub use chance::Chance;
pub use conduct::Conduct;
pub use fleet::{Ends, Fleet, FleetError, Member};
pub use tally::Summary;

use fuse::Fuse;

use domain::command::Finding;
use domain::decide::today;
use domain::effect::NoticeKind;
use jiff::Timestamp;
use protocol::case::Case;

use crate::certificate;
use crate::desk::{Desk, DeskError, Outcome};
use crate::journal::Journal;
use crate::office::{Office, OfficeError};
use crate::script::{Move, Script};

/// Plays a [`Script`]. It fetches and checks every document of a case before it decides.
///
/// After a crash it plays the same moves again. What the hub has already it answers as it did; what it has moved on
/// from it refuses as overtaken, and the play goes on behind it.
#[derive(Clone, Debug)]
pub struct Simulator {
    script: Script,
    journal: Journal,
    conduct: Conduct,
    fuse: Fuse,
}

impl Simulator {
    /// A simulator that writes its reports into a journal.
    #[must_use]
    pub fn new(script: Script, journal: Journal) -> Self {
        Simulator { script, journal, conduct: Conduct::default(), fuse: Fuse::default() }
    }

    /// The same simulator with this conduct. Crashes are the matter of a [`Fleet`], which starts what has fallen.
    #[must_use]
    pub fn with_conduct(mut self, conduct: Conduct) -> Self {
        self.conduct = conduct;
        self
    }

    fn with_fuse(mut self, fuse: Fuse) -> Self {
        self.fuse = fuse;
        self
    }

    async fn check_documents(&self, case: &Case, office: &Office) -> Result<(), DeskError> {
        for document in &case.documents {
            self.fuse.step().await;
            office.fetch_document(case.application, document).await?;
            self.note(case, case.version, "document", &document.id.to_string());
        }
        Ok(())
    }

    /// Uploads the certificate with a number.
    ///
    /// Returns what is to be reported of it.
    async fn issue(&self, case: &Case, certificate: String, office: &Office) -> Result<Finding, DeskError> {
        let document = case.upload.ok_or(DeskError::Lacks("slot for the certificate"))?;
        let pdf = certificate::simulated(&certificate);
        self.fuse.step().await;
        let uploaded =
            office.upload_document(case.application, document, certificate::MEDIA_TYPE, &pdf).await;
        match uploaded {
            Ok(()) => self.note(case, case.version, "upload", &document.to_string()),
            // Uploaded before a crash: the slot is closed, and only the report is missing.
            Err(OfficeError::Overtaken(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Finding::Issued { document, certificate })
    }

    /// Reports a finding, with the mistakes of this agency around it.
    async fn report(
        &self,
        play: &mut Play<'_>,
        finding: Finding,
        after: Option<&Move>,
        office: &Office,
    ) -> Result<(), DeskError> {
        let (case, seen) = (play.case, play.seen);
        let kind = Finding::kind_of(finding.step()).unwrap_or_default();
        let mistake = self.mistake(case, seen, kind);
        let early = self.mistaken_before(mistake, (case, seen), &finding, after, office).await?;
        if let Some(receipt) = early {
            // The hub allows that order: what was to come first may not come any more.
            play.seen = receipt.version;
        }
        self.fuse.step().await;
        match office.report(case.application, play.seen, finding.clone()).await {
            Ok(receipt) => {
                let seen = std::mem::replace(&mut play.seen, receipt.version);
                self.fuse.step().await;
                self.note(case, play.seen, "report", kind);
                self.mistaken_after(mistake, (case, seen), finding, office).await?;
            }
            Err(OfficeError::Overtaken(problem)) => {
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
struct Play<'c> {
    case: &'c Case,
    /// The version that the next report builds on.
    seen: u32,
    /// Whether the last report came too late.
    overtaken: bool,
}

impl Desk for Simulator {
    async fn handle(&self, case: Case, office: &Office) -> Result<Outcome, DeskError> {
        if case.notice == NoticeKind::Withdrawn {
            return Ok(Outcome::Stopped);
        }
        let moves = self.script.moves(&case, today(Timestamp::now()));
        if moves.is_empty() {
            return Ok(Outcome::Held);
        }
        self.ask_again(&case, office).await;
        let mut play = Play { case: &case, seen: case.version, overtaken: false };
        let mut checked = false;
        let mut left = moves.into_iter().peekable();
        while let Some(next) = left.next() {
            if !checked && next != Move::Report(Finding::Received) {
                self.check_documents(&case, office).await?;
                checked = true;
            }
            if next != Move::Report(Finding::Received) {
                tokio::time::sleep(self.delay(&case, play.seen)).await;
            }
            let finding = match next {
                Move::Report(finding) => finding,
                Move::Issue { certificate } => self.issue(&case, certificate, office).await?,
                Move::Work(time) => {
                    tokio::time::sleep(time).await;
                    continue;
                }
            };
            self.report(&mut play, finding, left.peek(), office).await?;
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
