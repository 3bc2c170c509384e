//! Statistics of a fleet, counted from its journal.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{AgencyCode, ApplicationId};
use serde::Serialize;

use agency::journal::JournalEntry;

/// Statistics of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FleetSummary {
    /// Simulated agencies.
    pub agencies: usize,
    /// Applications with at least one message.
    pub applications: usize,
    /// Messages whose handling began, repeats after a crash included.
    pub cases: u64,
    /// Messages whose handling finished.
    pub handled: u64,
    /// Repeated messages that the inbox knew.
    pub repeats: u64,
    /// Messages left for another delivery.
    pub left: u64,
    /// Deliveries of unreadable messages.
    pub unreadable: u64,
    /// Documents fetched and checked.
    pub documents: u64,
    /// Accepted reports by kind.
    pub reports: BTreeMap<String, u64>,
    /// Refused reports by kind and reason, without deliberate mistakes.
    pub refusals: BTreeMap<String, u64>,
    /// Deliberate mistakes by kind and answer.
    pub mistakes: BTreeMap<String, u64>,
    /// Requested resends by outcome.
    pub resend_requested: BTreeMap<String, u64>,
    /// Crashes of agencies.
    pub crashes: u64,
}

/// Counts while the fleet runs.
#[derive(Debug, Default)]
pub(super) struct Stats {
    summary: FleetSummary,
    applications: BTreeSet<ApplicationId>,
    in_progress: BTreeSet<(AgencyCode, ApplicationId)>,
}

impl Stats {
    pub(super) fn add(&mut self, entry: &JournalEntry) {
        let counts = &mut self.summary;
        let of = |counts: &mut BTreeMap<String, u64>| *counts.entry(entry.detail.clone()).or_default() += 1;
        let case = entry.application.map(|application| (entry.agency.clone(), application));
        match entry.action {
            "case" => {
                counts.cases += 1;
                self.applications.extend(entry.application);
                self.in_progress.extend(case);
            }
            "handled" | "left" => {
                *(if entry.action == "left" { &mut counts.left } else { &mut counts.handled }) += 1;
                if let Some(case) = case {
                    self.in_progress.remove(&case);
                }
            }
            "crashed" => {
                counts.crashes += 1;
                self.in_progress.retain(|(agency, _)| *agency != entry.agency);
            }
            "repeat" => counts.repeats += 1,
            "unreadable" => counts.unreadable += 1,
            "document" => counts.documents += 1,
            "report" => of(&mut counts.reports),
            "overtaken" => of(&mut counts.refusals),
            "mistake" => of(&mut counts.mistakes),
            "resend_requested" => of(&mut counts.resend_requested),
            _ => {}
        }
    }

    /// Whether any agency works on a case.
    pub(super) fn is_busy(&self) -> bool {
        !self.in_progress.is_empty()
    }

    pub(super) fn summary(&self, agencies: usize) -> FleetSummary {
        FleetSummary { agencies, applications: self.applications.len(), ..self.summary.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agency::testing::application;

    #[test]
    fn entries_are_counted_by_kind() {
        let mut stats = Stats::default();
        let mut add = |action, detail: &str| {
            stats.add(&JournalEntry {
                time: jiff::Timestamp::UNIX_EPOCH,
                agency: "11".parse().expect("a code"),
                action,
                application: Some(application(1)),
                version: Some(4),
                detail: detail.to_owned(),
                receipt: None,
            });
            stats.is_busy()
        };
        assert!(add("case", "decide"));
        assert!(!add("crashed", ""));
        assert!(add("case", "decide"));
        add("report", "received");
        add("report", "received");
        add("mistake", "stale: 409 stale_version");
        add("overtaken", "signed: 409 other_leg");
        assert!(!add("handled", "done"));
        add("repeat", "");
        let summary = stats.summary(1);
        assert_eq!((summary.cases, summary.handled, summary.crashes, summary.repeats), (2, 1, 1, 1));
        assert_eq!((summary.applications, summary.reports["received"]), (1, 2));
        assert_eq!((summary.mistakes.len(), summary.refusals["signed: 409 other_leg"]), (1, 1));
    }
}
