//! The open cases of an agency: their number, and the release of cases that were held during a suspension.

use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::effect::undelivered;
use domain::ids::AgencyCode;
use jiff::Timestamp;
use platform::agency_registry::FRESH;
use platform::store::{Cursor, PAGE, ResendMark, Store as _};
use serde::Serialize;

use super::Operator;

/// Largest number of cases that are read to count the held ones.
const MAX_COUNTED: usize = 1000;
/// Added to [`FRESH`] for differences between clocks.
const MARGIN: Duration = Duration::from_secs(1);

/// Counts of an agency's open cases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// Cases that the agency has not decided.
    pub open: usize,
    /// Open cases whose message was not sent yet.
    pub held: usize,
    /// Opening time of the oldest open case.
    pub oldest: Option<Timestamp>,
    /// Whether the count stopped at its bound.
    pub more: bool,
}

/// Result of a release of held cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReleaseOutcome {
    /// Cases marked for the router.
    pub released: usize,
    /// Cases left to the sweeper: they have a recent resend request, or changed during the release.
    pub left: usize,
}

impl Operator {
    /// Counts the open cases of an agency, up to a thousand.
    ///
    /// # Errors
    /// The table does not answer.
    pub async fn backlog(&self, code: &AgencyCode) -> Result<Backlog> {
        let mut backlog = Backlog::default();
        let mut after = None;
        loop {
            let page = self.page(code, after).await?;
            for stored in page.items {
                let state = stored.ledger.state();
                backlog.open += 1;
                backlog.held += usize::from(undelivered(state).is_some());
                backlog.oldest.get_or_insert(state.opened_at);
            }
            after = page.next;
            if after.is_none() {
                return Ok(backlog);
            }
            if backlog.open >= MAX_COUNTED {
                backlog.more = true;
                return Ok(backlog);
            }
        }
    }

    /// Longest time until every function has a change of an agency.
    #[must_use]
    pub fn known_after() -> Duration {
        FRESH.unsigned_abs() + MARGIN
    }

    /// Releases every held case of an agency, the oldest first. Call it [`Operator::known_after`] after the resumption:
    /// a function that still has the suspension would hold the cases again. The sweeper sends cases that this call
    /// misses.
    ///
    /// # Errors
    /// The table does not answer. Cases released before the error stay released.
    pub async fn release(&self, code: &AgencyCode) -> Result<ReleaseOutcome> {
        let mut outcome = ReleaseOutcome::default();
        let mut after = None;
        loop {
            let page = self.page(code, after).await?;
            for stored in page.items {
                let Some(undelivered) = undelivered(stored.ledger.state()) else { continue };
                let marked = self
                    .overrides
                    .cases
                    .mark_for_resend(stored.id(), undelivered.version, Timestamp::now())
                    .await;
                match marked.with_context(|| format!("releasing {}", stored.id()))? {
                    ResendMark::Set => outcome.released += 1,
                    ResendMark::TooSoon | ResendMark::Missing => outcome.left += 1,
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(outcome);
            }
        }
    }

    async fn page(
        &self,
        code: &AgencyCode,
        after: Option<Cursor>,
    ) -> Result<platform::store::Page<platform::store::StoredApplication>> {
        let page = self.overrides.cases.before_agency(code, PAGE, after).await;
        page.with_context(|| format!("listing the open cases of agency {code}"))
    }
}
