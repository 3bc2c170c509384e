//! The checks: name, purpose and requirement of each, and how each runs.

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use thiserror::Error;

use super::outcome::{CheckOutcome, CheckResult, NotPassed};
use super::session::Session;
use super::{burst, probes, reports_queue, restore, rotation, single_case, transfer};

/// A check of certification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificationCheck {
    /// A first identity card, received, decided and produced.
    Ordinary,
    /// A certificate, issued with its document.
    Certificate,
    Refusal,
    /// A supplement, requested and answered.
    Supplement,
    /// A move in and a move out, with the legs of another agency.
    Transfer,
    /// Reports by the reports queue.
    ReportsQueue,
    /// A repeated message while its case is in progress.
    Duplicate,
    /// A repeated message long after it was handled.
    LateDuplicate,
    /// An old message after a newer one.
    Reordering,
    /// All open cases again, as after a restore from a backup.
    Restore,
    /// A withdrawal while the case is in progress.
    WithdrawnWhileWorking,
    /// A message that cannot be decrypted.
    Unreadable,
    /// A message that the hub has not signed.
    Forged,
    /// A new encryption key beside the old one.
    RotatedKey,
    /// Many cases at once.
    Burst,
}

/// No check has this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no check is named {0:?}; the checks are {names}", names = CertificationCheck::ALL.map(CertificationCheck::name).join(", "))]
pub struct NoSuchCheck(String);

impl CertificationCheck {
    /// All checks, in the order in which they run.
    pub const ALL: [CertificationCheck; 15] = [
        CertificationCheck::Ordinary,
        CertificationCheck::Certificate,
        CertificationCheck::Refusal,
        CertificationCheck::Supplement,
        CertificationCheck::Transfer,
        CertificationCheck::ReportsQueue,
        CertificationCheck::Duplicate,
        CertificationCheck::LateDuplicate,
        CertificationCheck::Reordering,
        CertificationCheck::Restore,
        CertificationCheck::WithdrawnWhileWorking,
        CertificationCheck::Unreadable,
        CertificationCheck::Forged,
        CertificationCheck::RotatedKey,
        CertificationCheck::Burst,
    ];

    /// The name in options and results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CertificationCheck::Ordinary => "ordinary",
            CertificationCheck::Certificate => "certificate",
            CertificationCheck::Refusal => "refusal",
            CertificationCheck::Supplement => "supplement",
            CertificationCheck::Transfer => "transfer",
            CertificationCheck::ReportsQueue => "reports_queue",
            CertificationCheck::Duplicate => "duplicate",
            CertificationCheck::LateDuplicate => "late_duplicate",
            CertificationCheck::Reordering => "reordering",
            CertificationCheck::Restore => "restore",
            CertificationCheck::WithdrawnWhileWorking => "withdrawn_while_working",
            CertificationCheck::Unreadable => "unreadable",
            CertificationCheck::Forged => "forged",
            CertificationCheck::RotatedKey => "rotated_key",
            CertificationCheck::Burst => "burst",
        }
    }

    /// What a passed check proves.
    #[must_use]
    pub fn shows(self) -> &'static str {
        match self {
            CertificationCheck::Ordinary => "a first card is received, decided and produced",
            CertificationCheck::Certificate => "a certificate is issued with its document",
            CertificationCheck::Refusal => "a case is refused with a reason",
            CertificationCheck::Supplement => {
                "a missing item is requested, and the case is decided after the answer"
            }
            CertificationCheck::Transfer => "the legs of a transfer are approved, moved out and settled",
            CertificationCheck::ReportsQueue => "a case is decided by reports in the reports queue",
            CertificationCheck::Restore => {
                "open cases that come again after a restore have no second effect, and go on"
            }
            CertificationCheck::Duplicate => {
                "a message repeated while its case is in progress has no second effect"
            }
            CertificationCheck::LateDuplicate => {
                "a message repeated after it was handled has no second effect"
            }
            CertificationCheck::Reordering => "an old message that arrives after a newer one has no effect",
            CertificationCheck::WithdrawnWhileWorking => {
                "the work ends after a withdrawal, and other cases go on"
            }
            CertificationCheck::Unreadable => {
                "an unreadable message is left in the queue, and other cases go on"
            }
            CertificationCheck::Forged => {
                "a message that the hub has not signed is rejected, and other cases go on"
            }
            CertificationCheck::RotatedKey => "messages to a second encryption key are decrypted too",
            CertificationCheck::Burst => "many cases at once are each decided once",
        }
    }

    /// Whether the check needs the hub operator's command.
    #[must_use]
    pub fn needs_operator(self) -> bool {
        match self {
            CertificationCheck::Ordinary
            | CertificationCheck::Certificate
            | CertificationCheck::Refusal
            | CertificationCheck::Supplement
            | CertificationCheck::Transfer
            | CertificationCheck::ReportsQueue => false,
            CertificationCheck::Duplicate
            | CertificationCheck::LateDuplicate
            | CertificationCheck::Reordering
            | CertificationCheck::Restore
            | CertificationCheck::WithdrawnWhileWorking
            | CertificationCheck::Unreadable
            | CertificationCheck::Forged
            | CertificationCheck::RotatedKey
            | CertificationCheck::Burst => true,
        }
    }

    /// Runs the check and measures its time.
    pub(super) async fn run(self, session: &Session<'_>) -> CheckResult {
        let begun = Instant::now();
        let ended = if self.needs_operator() && session.operator().is_none() {
            Err(NotPassed::Skipped("the check needs the hub operator's command: give --operator".to_owned()))
        } else {
            self.run_steps(session).await
        };
        let (outcome, reason, measured) = match ended {
            Ok(measured) => (CheckOutcome::Passed, None, measured),
            Err(NotPassed::Failed(reason)) => (CheckOutcome::Failed, Some(reason), None),
            Err(NotPassed::Skipped(reason)) => (CheckOutcome::Skipped, Some(reason), None),
            Err(NotPassed::NotApplicable(reason)) => (CheckOutcome::NotApplicable, Some(reason), None),
        };
        let seconds = begun.elapsed().as_secs_f64();
        CheckResult { check: self.name(), shows: self.shows(), outcome, reason, measured, seconds }
    }

    async fn run_steps(self, session: &Session<'_>) -> Result<Option<String>, NotPassed> {
        match self {
            CertificationCheck::Ordinary => single_case::ordinary(session).await?,
            CertificationCheck::Certificate => single_case::certificate(session).await?,
            CertificationCheck::Refusal => single_case::refusal(session).await?,
            CertificationCheck::Supplement => single_case::supplement(session).await?,
            CertificationCheck::Transfer => return transfer::transfer(session).await.map(Some),
            CertificationCheck::ReportsQueue => reports_queue::reports_queue(session).await?,
            CertificationCheck::Duplicate => single_case::duplicate(session).await?,
            CertificationCheck::LateDuplicate => single_case::late_duplicate(session).await?,
            CertificationCheck::Reordering => single_case::reordering(session).await?,
            CertificationCheck::Restore => restore::restore(session).await?,
            CertificationCheck::WithdrawnWhileWorking => {
                single_case::withdrawn_while_working(session).await?
            }
            CertificationCheck::Unreadable => probes::unreadable(session).await?,
            CertificationCheck::Forged => probes::forged(session).await?,
            CertificationCheck::RotatedKey => rotation::rotated_key(session).await?,
            CertificationCheck::Burst => return burst::burst(session).await.map(Some),
        }
        Ok(None)
    }
}

impl fmt::Display for CertificationCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CertificationCheck {
    type Err = NoSuchCheck;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = CertificationCheck::ALL.into_iter().find(|check| check.name() == text.trim());
        named.ok_or_else(|| NoSuchCheck(text.trim().to_owned()))
    }
}
