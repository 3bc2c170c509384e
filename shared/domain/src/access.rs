//! How long an agency may read the papers of a case.

use jiff::Timestamp;

use crate::calendar::Calendar;
use crate::ids::AgencyCode;
use crate::ledger::Ledger;
use crate::limits;
use crate::time::today;
use crate::wake::end_of;

/// Whether an agency may fetch the papers of a case at `now`: while one of its legs is open, and for
/// [`limits::PAPERS_DAYS`] after the last of them has ended. An agency without a leg never may.
#[must_use]
pub fn may_fetch_papers(ledger: &Ledger, agency: &AgencyCode, now: Timestamp) -> bool {
    let state = ledger.state();
    if !state.involves(agency) {
        return false;
    }
    if state.agency() == agency && state.is_before_agency() {
        return true;
    }
    leg_end(ledger, agency).is_some_and(|ended| {
        let last = Calendar::official().period(today(ended), limits::PAPERS_DAYS);
        now < end_of(last.date)
    })
}

/// Time of the event that ended the agency's last leg; `None` when no leg of the agency has ended.
fn leg_end(ledger: &Ledger, agency: &AgencyCode) -> Option<Timestamp> {
    // From the newest entry back: the first state in which the leg was open is the one before its end.
    ledger.entries().iter().rev().find_map(|line| {
        let before = ledger.at(line.entry.version.checked_sub(1)?)?;
        (before.agency() == agency && before.is_before_agency()).then_some(line.entry.at)
    })
}
