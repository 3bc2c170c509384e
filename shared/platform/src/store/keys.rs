//! The keys by which lists of a tenant find an application.

use domain::application::{Application, waits_for_agency};
use domain::stage::{Purpose, Stage};

/// Tenant and service: hash key of the service index.
pub(super) const SERVICE: &str = "sv";
/// Tenant and agency of the open or last leg: hash key of the last-agency index; absent on a draft.
pub(super) const LAST_AGENCY: &str = "la";
/// Tenant: hash key of the overdue index; absent while no time limit was missed.
pub(super) const OVERDUE: &str = "ov";
/// Tenant and phase: hash key of the phase index.
pub(super) const PHASE: &str = "pe";
/// The attributes of [`list_keys`].
pub(super) const LISTS: [&str; 4] = [SERVICE, LAST_AGENCY, OVERDUE, PHASE];

/// Phase of every case that an agency or its applicant works on.
pub(super) const OPEN: &str = "open";

/// The phase of an application in the index: its stage, but [`OPEN`] while the case is before an agency.
fn phase(head: &Application) -> &'static str {
    if head.is_before_agency() { OPEN } else { head.stage.name() }
}

/// The phases in which an application may be at this stage.
pub(super) fn phases(stage: Stage) -> Vec<&'static str> {
    if stage == Stage::Draft {
        return vec![stage.name()];
    }
    let waits = |purpose: &Purpose| waits_for_agency(stage, *purpose);
    let mut phases = Vec::new();
    if Purpose::ALL.iter().any(waits) {
        phases.push(OPEN);
    }
    if !Purpose::ALL.iter().all(waits) {
        phases.push(stage.name());
    }
    phases
}

/// The keys by which lists of a tenant find an application, by attribute; `None` while it is not in that index.
pub(super) fn list_keys(head: &Application) -> [(&'static str, Option<String>); 4] {
    let tenant = head.tenant();
    let service = format!("{tenant}#{}", head.opened.service);
    let agency = (head.leg_opened > 0).then(|| format!("{tenant}#{}", head.agency()));
    let phase = format!("{tenant}#{}", phase(head));
    [
        (SERVICE, Some(service)),
        (LAST_AGENCY, agency),
        (OVERDUE, head.overdue.then(|| tenant.to_string())),
        (PHASE, Some(phase)),
    ]
}
