//! The keys by which lists of a tenant find an application.
//!
//! Each key names as many conditions as an entry can have without moving more often. An application that is overdue
//! stands apart in each index ([`LATE`]), so that lists with and without it read neither the other's entries.

use domain::application::{Application, waits_for_agency};
use domain::catalogue::Service;
use domain::ids::{AgencyCode, TenantId};
use domain::stage::{Purpose, Stage};

/// Tenant and shard: hash key of the tenant index.
pub(super) const TENANT: &str = "tn";
/// Tenant and service: hash key of the service index.
pub(super) const SERVICE: &str = "sv";
/// Tenant, agency of the open or last leg, and service: hash key of the last-agency index; absent on a draft.
pub(super) const LAST_AGENCY: &str = "la";
/// Tenant and [`LATE`]: hash key of the overdue index; absent while no time limit was missed.
pub(super) const OVERDUE: &str = "ov";
/// Tenant, phase and service: hash key of the phase index.
pub(super) const PHASE: &str = "pe";
/// Hash key of the person index: see [`crate::person_index`]. Absent on records from before this index.
pub(super) const PERSON: &str = "pi";
/// The attributes of [`list_keys`] but [`TENANT`], and [`PERSON`].
pub(super) const LISTS: [&str; 5] = [SERVICE, LAST_AGENCY, OVERDUE, PHASE, PERSON];

/// Phase of every case that an agency or its applicant works on in time.
pub(super) const OPEN: &str = "open";
/// Phase of such a case whose time limit has passed, and the end of every other key of an overdue application.
const LATE: &str = "late";

/// The phases in which an application may be at this stage, by their keys without [`LATE`].
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

/// The hash key of a shard of the tenant index. Overdue applications of a tenant share one key, there and in the overdue
/// index.
pub(super) fn tenant_key(tenant: &TenantId, shard: u8, overdue: bool) -> String {
    if overdue { format!("{tenant}#{LATE}") } else { format!("{tenant}#{shard}") }
}

/// The hash key of a service's applications.
pub(super) fn service_key(tenant: &TenantId, service: Service, overdue: bool) -> String {
    late(format!("{tenant}#{service}"), overdue)
}

/// The hash key of an agency's applications for a service.
pub(super) fn agency_key(tenant: &TenantId, agency: &AgencyCode, service: Service, overdue: bool) -> String {
    late(format!("{tenant}#{agency}#{service}"), overdue)
}

/// The hash key of a phase. Only open cases can be overdue.
pub(super) fn phase_key(tenant: &TenantId, phase: &str, service: Service, overdue: bool) -> String {
    let phase = if overdue { LATE } else { phase };
    format!("{tenant}#{phase}#{service}")
}

/// The hash key that records had before the keys named the service: of a phase (all open cases in one) or of an agency.
pub(super) fn key_before_services(tenant: &TenantId, of: &str) -> String {
    format!("{tenant}#{of}")
}

fn late(key: String, overdue: bool) -> String {
    if overdue { format!("{key}#{LATE}") } else { key }
}

/// The keys by which lists of a tenant find an application, by attribute; `None` while it is not in that index.
/// `shard` is the application's shard of the tenant index.
pub(super) fn list_keys(head: &Application, shard: u8) -> [(&'static str, Option<String>); 5] {
    let (tenant, service, overdue) = (head.tenant(), head.opened.service, head.overdue);
    let agency = (head.leg_opened > 0).then(|| agency_key(tenant, head.agency(), service, overdue));
    let phase = if head.is_before_agency() { OPEN } else { head.stage.name() };
    [
        (TENANT, Some(tenant_key(tenant, shard, overdue))),
        (SERVICE, Some(service_key(tenant, service, overdue))),
        (LAST_AGENCY, agency),
        (OVERDUE, overdue.then(|| tenant_key(tenant, shard, true))),
        (PHASE, Some(phase_key(tenant, phase, service, overdue))),
    ]
}

#[cfg(test)]
mod tests {
    use domain::stage::{Step, next};

    use super::*;

    /// A list of overdue applications at a stage of rest is empty without a look, and only open cases move to the
    /// phase of overdue ones.
    #[test]
    fn o12_only_a_case_before_an_agency_can_be_overdue() {
        for stage in Stage::ALL {
            for purpose in Purpose::ALL {
                let possible = next(*stage, *purpose, Step::MarkOverdue).is_some();
                assert!(!possible || waits_for_agency(*stage, *purpose), "{stage:?} {purpose:?}");
                assert!(!possible || phases(*stage).contains(&OPEN));
            }
        }
    }
}
