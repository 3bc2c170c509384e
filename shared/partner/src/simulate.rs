//! A desk that plays a script, for walks, tests and load.

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
/// After a crash it plays the same moves again: what the hub has already is refused there as overtaken, and the
/// play goes on behind it.
#[derive(Clone, Debug)]
pub struct Simulator {
    script: Script,
    journal: Journal,
}

impl Simulator {
    /// A simulator that writes its reports into a journal.
    #[must_use]
    pub fn new(script: Script, journal: Journal) -> Self {
        Simulator { script, journal }
    }

    async fn check_documents(&self, case: &Case, office: &Office) -> Result<(), DeskError> {
        for document in &case.documents {
            office.fetch_document(case.application, document).await?;
            self.note(case, case.version, "document", &document.id.to_string());
        }
        Ok(())
    }

    /// What a move reports; a certificate is uploaded first.
    async fn prepare(&self, case: &Case, next: Move, office: &Office) -> Result<Finding, DeskError> {
        let certificate = match next {
            Move::Report(finding) => return Ok(finding),
            Move::Issue { certificate } => certificate,
        };
        let document = case.upload.ok_or(DeskError::Lacks("slot for the certificate"))?;
        let pdf = certificate::simulated(&certificate);
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

    fn note(&self, case: &Case, version: u32, what: &'static str, detail: &str) {
        let about = Some((case.application, version));
        self.journal.write(&case.agency, what, about, detail);
    }
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
        let (mut seen, mut checked) = (case.version, false);
        let mut overtaken = false;
        for next in moves {
            if !checked && next != Move::Report(Finding::Received) {
                self.check_documents(&case, office).await?;
                checked = true;
            }
            let finding = self.prepare(&case, next, office).await?;
            let kind = Finding::kind_of(finding.step()).unwrap_or_default();
            match office.report(case.application, seen, finding).await {
                Ok(receipt) => {
                    seen = receipt.version;
                    overtaken = false;
                    self.note(&case, seen, "report", kind);
                }
                Err(OfficeError::Overtaken(problem)) => {
                    overtaken = true;
                    self.note(&case, seen, "overtaken", &format!("{kind}: {problem}"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(if overtaken { Outcome::Overtaken } else { Outcome::Done })
    }
}

#[cfg(test)]
mod tests;
