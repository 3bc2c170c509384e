//! The cases before an agency: how many wait, and letting go of those that were held while it was suspended.

use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::effect::undelivered;
use domain::ids::AgencyCode;
use jiff::Timestamp;
use platform::agency_registry::FRESH;
use platform::store::{Cursor, PAGE, ResendMark, Store as _};
use serde::Serialize;

use super::Operator;

/// Most cases that are looked at to count those that are held.
const COUNTED: usize = 1000;
/// What is added to [`FRESH`] for clocks that differ.
const MARGIN: Duration = Duration::from_secs(1);

/// The cases before an agency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// Cases it has not decided yet.
    pub open: usize,
    /// Those among them whose message it is still owed.
    pub held: usize,
    /// When the oldest was opened.
    pub oldest: Option<Timestamp>,
    /// Whether there are more than were counted.
    pub more: bool,
}

/// What became of the cases that were held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReleaseOutcome {
    /// Handed to the router.
    pub released: usize,
    /// Left to the sweeper, because they were asked for a moment ago or have just moved on.
    pub left: usize,
}

impl Operator {
    /// Counts the cases before an agency, up to a thousand.
    ///
    /// # Errors
    /// The table does not answer.
    pub async fn backlog(&self, code: &AgencyCode) -> Result<Backlog> {
        let mut backlog = Backlog::default();
        let mut after = None;
        loop {
            let page = self.page(code, after).await?;
            for stored in page.items {
                let head = stored.ledger.state();
                backlog.open += 1;
                backlog.held += usize::from(undelivered(head).is_some());
                backlog.oldest.get_or_insert(head.opened_at);
            }
            after = page.next;
            if after.is_none() {
                return Ok(backlog);
            }
            if backlog.open >= COUNTED {
                backlog.more = true;
                return Ok(backlog);
            }
        }
    }

    /// How long a change of an agency may take until every function knows of it.
    #[must_use]
    pub fn known_after() -> Duration {
        FRESH.unsigned_abs() + MARGIN
    }

    /// Lets go of every case that an agency is owed, the oldest first. Call it once every function knows that the
    /// agency takes cases again, or they are held once more. What is missed the sweeper sends.
    ///
    /// # Errors
    /// The table does not answer; what was let go of stays so.
    pub async fn release(&self, code: &AgencyCode) -> Result<ReleaseOutcome> {
        let mut done = ReleaseOutcome::default();
        let mut after = None;
        loop {
            let page = self.page(code, after).await?;
            for stored in page.items {
                let Some(undelivered) = undelivered(stored.ledger.state()) else { continue };
                let asked = self
                    .overrides
                    .cases
                    .mark_for_resend(stored.id(), undelivered.version, Timestamp::now())
                    .await;
                match asked.with_context(|| format!("releasing {}", stored.id()))? {
                    ResendMark::Set => done.released += 1,
                    ResendMark::TooSoon | ResendMark::Missing => done.left += 1,
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(done);
            }
        }
    }

    async fn page(
        &self,
        code: &AgencyCode,
        after: Option<Cursor>,
    ) -> Result<platform::store::Page<platform::store::StoredApplication>> {
        let page = self.overrides.cases.before_agency(code, PAGE, after).await;
        page.with_context(|| format!("listing the cases before agency {code}"))
    }
}
