//! The checks as data: what each is called, what it shows, and what it needs.

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use thiserror::Error;

use super::outcome::{Judged, Outcome, Unmet};
use super::session::Session;
use super::{burst, probes, rotation, turns};

/// A check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// A first card, taken, decided and produced.
    Ordinary,
    /// A certificate, issued with its document.
    Certificate,
    /// A refusal.
    Refusal,
    /// A supplement, asked and answered.
    Supplement,
    /// A message again while its case is worked on.
    Duplicate,
    /// A message again long after it was handled.
    LateDuplicate,
    /// An old message after a newer one.
    Reordering,
    /// A withdrawal in the middle of the work.
    WithdrawnWhileWorking,
    /// A message that nobody can open.
    Unreadable,
    /// A message that the hub has not signed.
    Forged,
    /// A new encryption key beside the old one.
    RotatedKey,
    /// Many at once.
    Burst,
}

/// There is no such check.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no check {0:?}; there are {names}", names = Check::ALL.map(Check::name).join(", "))]
pub struct NoSuchCheck(String);

impl Check {
    /// All, in the order in which they are played.
    pub const ALL: [Check; 12] = [
        Check::Ordinary,
        Check::Certificate,
        Check::Refusal,
        Check::Supplement,
        Check::Duplicate,
        Check::LateDuplicate,
        Check::Reordering,
        Check::WithdrawnWhileWorking,
        Check::Unreadable,
        Check::Forged,
        Check::RotatedKey,
        Check::Burst,
    ];

    /// Its name, as options and results give it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Check::Ordinary => "ordinary",
            Check::Certificate => "certificate",
            Check::Refusal => "refusal",
            Check::Supplement => "supplement",
            Check::Duplicate => "duplicate",
            Check::LateDuplicate => "late_duplicate",
            Check::Reordering => "reordering",
            Check::WithdrawnWhileWorking => "withdrawn_while_working",
            Check::Unreadable => "unreadable",
            Check::Forged => "forged",
            Check::RotatedKey => "rotated_key",
            Check::Burst => "burst",
        }
    }

    /// What it shows where it is passed.
    #[must_use]
    pub fn shows(self) -> &'static str {
        match self {
            Check::Ordinary => "a first card is taken, decided and produced",
            Check::Certificate => "a certificate is issued with its document",
            Check::Refusal => "a case is refused with a reason",
            Check::Supplement => "a missing item is asked for, and its answer is decided on",
            Check::Duplicate => "a message that comes again while its case is worked on has no second effect",
            Check::LateDuplicate => "a message that comes again after it was handled has no second effect",
            Check::Reordering => "an old message that comes after a newer one has no effect",
            Check::WithdrawnWhileWorking => "work ends where the citizen withdrew, and other cases go on",
            Check::Unreadable => "a message that cannot be opened is left, and other cases go on",
            Check::Forged => "a message that the hub has not signed is not believed, and other cases go on",
            Check::RotatedKey => "a second encryption key opens messages beside the first",
            Check::Burst => "many cases at once are all decided, each once",
        }
    }

    /// Whether only an operator of the hub can play it or judge it.
    #[must_use]
    pub fn needs_operator(self) -> bool {
        match self {
            Check::Ordinary | Check::Certificate | Check::Refusal | Check::Supplement => false,
            Check::Duplicate
            | Check::LateDuplicate
            | Check::Reordering
            | Check::WithdrawnWhileWorking
            | Check::Unreadable
            | Check::Forged
            | Check::RotatedKey
            | Check::Burst => true,
        }
    }

    /// Plays and judges it.
    pub(super) async fn judge(self, session: &Session<'_>) -> Judged {
        let begun = Instant::now();
        let played = if self.needs_operator() && session.operator().is_none() {
            Err(Unmet::Skipped("only the hub's operator can play it: give --operator".to_owned()))
        } else {
            self.play(session).await
        };
        let (outcome, reason, measured) = match played {
            Ok(measured) => (Outcome::Passed, None, measured),
            Err(Unmet::Failed(why)) => (Outcome::Failed, Some(why), None),
            Err(Unmet::Skipped(why)) => (Outcome::Skipped, Some(why), None),
        };
        let seconds = begun.elapsed().as_secs_f64();
        Judged { check: self.name(), shows: self.shows(), outcome, reason, measured, seconds }
    }

    async fn play(self, session: &Session<'_>) -> Result<Option<String>, Unmet> {
        match self {
            Check::Ordinary => turns::ordinary(session).await?,
            Check::Certificate => turns::certificate(session).await?,
            Check::Refusal => turns::refusal(session).await?,
            Check::Supplement => turns::supplement(session).await?,
            Check::Duplicate => turns::duplicate(session).await?,
            Check::LateDuplicate => turns::late_duplicate(session).await?,
            Check::Reordering => turns::reordering(session).await?,
            Check::WithdrawnWhileWorking => turns::withdrawn_while_working(session).await?,
            Check::Unreadable => probes::unreadable(session).await?,
            Check::Forged => probes::forged(session).await?,
            Check::RotatedKey => rotation::rotated_key(session).await?,
            Check::Burst => return burst::burst(session).await.map(Some),
        }
        Ok(None)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Check {
    type Err = NoSuchCheck;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Check::ALL.into_iter().find(|check| check.name() == text.trim());
        named.ok_or_else(|| NoSuchCheck(text.trim().to_owned()))
    }
}
