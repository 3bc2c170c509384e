//! How an agency behaves besides what it decides: how fast, with which mistakes, how often it falls down.

use std::time::Duration;

use domain::command::Finding;
use domain::ids::ApplicationId;
use protocol::backlog::ResendCase;
use protocol::case::Case;
use protocol::report::Receipt;
use sha2::{Digest as _, Sha256};

use super::{SeededRng, Simulator};
use crate::script::Move;
use agency::hub_client::{HubClient, HubClientError, outcome_name};

/// The conduct of a simulated agency. Rates are shares from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Behaviour {
    /// Seed of everything that is left to chance.
    pub seed: u64,
    /// Least and longest time that a decision takes.
    pub delay: (Duration, Duration),
    /// Share of the reports around which a mistake is made.
    pub mistakes: f64,
    /// Share of the cases that the hub is asked to send again.
    pub duplicates: f64,
    /// Share of the messages over which the process falls down once, at some step.
    pub crashes: f64,
}

impl Behaviour {
    pub(crate) fn chance(&self) -> SeededRng {
        SeededRng::seeded(self.seed)
    }
}

/// What is done wrong around a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// The report is sent once more.
    Again,
    /// It is sent with the version before.
    Stale,
    /// The one after it is sent first.
    Early,
    /// It is sent on an application that does not exist.
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

/// An application that nobody has filed.
fn nobodys(application: ApplicationId) -> ApplicationId {
    let hash = Sha256::digest(format!("nobody's:{application}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    ApplicationId::from_bytes16(bytes)
}

impl Simulator {
    /// The mistake that is made around a report, by chance; the same whenever the report is sent.
    pub(super) fn mistake(&self, case: &Case, seen: u32, kind: &str) -> Option<Mistake> {
        let chance = self.behaviour.chance();
        let made = chance.fraction(&[&"mistake", &case.application, &seen, &kind]) < self.behaviour.mistakes;
        let which = chance.below(4, &[&"which", &case.application, &seen, &kind]);
        made.then(|| Mistake::ALL.get(usize::try_from(which).unwrap_or_default()).copied()).flatten()
    }

    /// Makes the mistakes that come before a report.
    ///
    /// Returns the receipt where the hub took the report that should have come later.
    pub(super) async fn mistaken_before(
        &self,
        mistake: Option<Mistake>,
        (case, seen): (&Case, u32),
        finding: &Finding,
        after: Option<&Move>,
        client: &HubClient,
    ) -> Result<Option<Receipt>, HubClientError> {
        let (application, seen, finding) = match (mistake, after) {
            (Some(Mistake::Stale), _) if seen > 1 => (case.application, seen - 1, finding.clone()),
            (Some(Mistake::Unknown), _) => (nobodys(case.application), seen, finding.clone()),
            (Some(Mistake::Early), Some(Move::Report(later))) => (case.application, seen, later.clone()),
            (Some(Mistake::Stale | Mistake::Early | Mistake::Again) | None, _) => return Ok(None),
        };
        let told = self.told(mistake, (case, seen), client.report(application, seen, finding).await)?;
        Ok(told.filter(|_| mistake == Some(Mistake::Early)))
    }

    /// Makes the mistake that comes after a report: the same once more. The hub answers as it did.
    pub(super) async fn mistaken_after(
        &self,
        mistake: Option<Mistake>,
        (case, seen): (&Case, u32),
        finding: Finding,
        client: &HubClient,
    ) -> Result<(), HubClientError> {
        if mistake == Some(Mistake::Again) {
            let again = client.report(case.application, seen, finding).await;
            self.told(mistake, (case, seen), again)?;
        }
        Ok(())
    }

    /// Notes what the hub said to a mistake. A refusal is what it is made for.
    fn told(
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

    /// Asks for the case once more, by chance.
    pub(super) async fn ask_again(&self, case: &Case, client: &HubClient) {
        let chance = self.behaviour.chance();
        let asked = chance.fraction(&[&"again", &case.application, &case.version]);
        if asked >= self.behaviour.duplicates {
            return;
        }
        let message = ResendCase { application: case.application, message: Some(case.version) };
        let told = match client.resend(&[message]).await {
            Ok(answer) => {
                answer.cases.first().map(|told| outcome_name(told.outcome).to_owned()).unwrap_or_default()
            }
            // What matters is the case at hand; the request is made to be troublesome, and may fail.
            Err(error) => error.to_string(),
        };
        self.note(case, case.version, "asked_again", &told);
    }

    /// How long the decision takes.
    pub(super) fn delay(&self, case: &Case, seen: u32) -> Duration {
        let (least, most) = self.behaviour.delay;
        self.behaviour.chance().between(least, most, &[&"delay", &case.application, &seen])
    }
}
