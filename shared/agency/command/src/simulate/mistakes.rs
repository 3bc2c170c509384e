//! The deliberate mistakes of a simulated agency.

use std::time::Duration;

use agency::hub_client::{HubClient, HubClientError, outcome_name};
use domain::command::ReportedResult;
use domain::ids::ApplicationId;
use protocol::backlog::ResendCase;
use protocol::case::Case;
use protocol::report::Receipt;
use sha2::{Digest as _, Sha256};

use super::simulator::Simulator;
use crate::script::ScriptStep;

/// A deliberate mistake around a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// Sends the report twice.
    Again,
    /// Names the previous version.
    Stale,
    /// Sends the next report first.
    Early,
    /// Reports on an application that does not exist.
    Unknown,
}

impl Mistake {
    const ALL: [Mistake; 4] = [Mistake::Again, Mistake::Stale, Mistake::Early, Mistake::Unknown];

    fn name(self) -> &'static str {
        match self {
            Mistake::Again => "again",
            Mistake::Stale => "stale",
            Mistake::Early => "early",
            Mistake::Unknown => "unknown",
        }
    }
}

/// The id of an application that does not exist.
fn unknown_application(application: ApplicationId) -> ApplicationId {
    let hash = Sha256::digest(format!("nobody's:{application}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    ApplicationId::from_bytes16(bytes)
}

impl Simulator {
    /// Chooses a mistake for a report at random. A repeated report gets the same mistake.
    pub(super) fn choose_mistake(&self, case: &Case, seen: u32, kind: &str) -> Option<Mistake> {
        let rng = self.behaviour.rng();
        let made = rng.fraction(&[&"mistake", &case.application, &seen, &kind]) < self.behaviour.mistakes;
        let which = rng.below(4, &[&"which", &case.application, &seen, &kind]);
        made.then(|| Mistake::ALL.get(usize::try_from(which).unwrap_or_default()).copied()).flatten()
    }

    /// Makes a mistake that comes before the report.
    ///
    /// Returns the receipt when the hub accepted a report that was sent too early.
    pub(super) async fn make_mistake_before(
        &self,
        mistake: Option<Mistake>,
        (case, seen): (&Case, u32),
        result: &ReportedResult,
        after: Option<&ScriptStep>,
        client: &HubClient,
    ) -> Result<Option<Receipt>, HubClientError> {
        let (application, seen, result) = match (mistake, after) {
            (Some(Mistake::Stale), _) if seen > 1 => (case.application, seen - 1, result.clone()),
            (Some(Mistake::Unknown), _) => (unknown_application(case.application), seen, result.clone()),
            (Some(Mistake::Early), Some(ScriptStep::Report(later))) => {
                (case.application, seen, later.clone())
            }
            (Some(Mistake::Stale | Mistake::Early | Mistake::Again) | None, _) => return Ok(None),
        };
        let answer = client.report(application, seen, result).await;
        let receipt = self.note_answer(mistake, (case, seen), answer)?;
        Ok(receipt.filter(|_| mistake == Some(Mistake::Early)))
    }

    /// Makes a mistake that comes after the report: sends the report again. The hub answers with the first receipt.
    pub(super) async fn make_mistake_after(
        &self,
        mistake: Option<Mistake>,
        (case, seen): (&Case, u32),
        result: ReportedResult,
        client: &HubClient,
    ) -> Result<(), HubClientError> {
        if mistake == Some(Mistake::Again) {
            let again = client.report(case.application, seen, result).await;
            self.note_answer(mistake, (case, seen), again)?;
        }
        Ok(())
    }

    /// Writes the hub's answer to a mistake into the journal. A refusal is the expected answer and no error.
    fn note_answer(
        &self,
        mistake: Option<Mistake>,
        (case, seen): (&Case, u32),
        answer: Result<Receipt, HubClientError>,
    ) -> Result<Option<Receipt>, HubClientError> {
        let name = mistake.map(Mistake::name).unwrap_or_default();
        match answer {
            Ok(receipt) => {
                self.note(case, seen, "mistake", &format!("{name}: taken"));
                Ok(Some(receipt))
            }
            Err(error) => match error.problem() {
                Some(problem) => {
                    self.note(case, seen, "mistake", &format!("{name}: {problem}"));
                    Ok(None)
                }
                None => Err(error),
            },
        }
    }

    /// Requests a resend of the case, at random.
    pub(super) async fn request_resend(&self, case: &Case, client: &HubClient) {
        let rng = self.behaviour.rng();
        let drawn = rng.fraction(&[&"again", &case.application, &case.version]);
        if drawn >= self.behaviour.duplicates {
            return;
        }
        let message = ResendCase { application: case.application, message: Some(case.version) };
        let outcome = match client.resend(&[message]).await {
            Ok(answer) => {
                answer.cases.first().map(|resent| outcome_name(resent.outcome).to_owned()).unwrap_or_default()
            }
            // The resend only disturbs the agency: its failure must not stop the work on the case.
            Err(error) => error.to_string(),
        };
        self.note(case, case.version, "resend_requested", &outcome);
    }

    /// The time for a decision.
    pub(super) fn delay(&self, case: &Case, seen: u32) -> Duration {
        let (least, most) = self.behaviour.delay;
        self.behaviour.rng().between(least, most, &[&"delay", &case.application, &seen])
    }
}
