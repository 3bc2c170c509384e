//! Checks legs: the reports of each leg can end it, and the legs of each case lead from a draft to an end.

use super::faults::{Faults, kind_of};
use super::raw::{RawIssued, RawLeg};
use crate::service::{IssuedDocument, LegRow, Provider, Role, TitledKind};
use crate::stage::{Purpose, Stage, Step, Taker, begins, leads_to, next_leg_of, reachable, reports, steps};

/// Working days of a time limit. The longest in the law is 60 days (Resident Identity Card Law, article 12).
const LIMIT: std::ops::RangeInclusive<i64> = 1..=60;

pub(super) fn leg(service: &str, raw: RawLeg, kinds: &[TitledKind], faults: &mut Faults) -> LegRow {
    let at = format!("{service}/legs/{}", raw.purpose);
    faults.unknown(&at, &raw.unknown);
    let purpose = faults.one_of(&at, "purpose", &raw.purpose, Purpose::ALL, Purpose::name);
    let title = faults.title(&at, "title", raw.title);
    let role = faults.one_of(&at, "role", &raw.role, Role::ALL, Role::name);
    let certainty = faults.certainty(&at, &raw.certainty);
    if !LIMIT.contains(&raw.limit_working_days) {
        faults.note(
            &at,
            format!(
                "has a limit of {} working days; it must be {} to {}",
                raw.limit_working_days,
                LIMIT.start(),
                LIMIT.end()
            ),
        );
    }
    let limit_working_days = u16::try_from(raw.limit_working_days).unwrap_or(1);
    let known = Purpose::ALL.iter().any(|purpose| purpose.name() == raw.purpose);
    let sent = if known { sendable(&at, purpose, &raw.reports, faults) } else { Vec::new() };
    if known && !can_be_ended(purpose, &sent) {
        faults.note(&at, "nobody can end it: no order of its reports leads to an end or to another leg");
    }
    let issues = issued(&at, raw.issues, kinds, faults);
    match (sent.contains(&Step::Issue), issues.is_some()) {
        (true, false) => faults.note(&at, "may report `issued` and names no document that it issues"),
        (false, true) => faults.note(&at, "names a document that it issues and may not report `issued`"),
        (true, true) | (false, false) => {}
    }
    LegRow { purpose, title, role, limit_working_days, certainty, reports: sent, issues }
}

fn sendable(at: &str, purpose: Purpose, names: &[String], faults: &mut Faults) -> Vec<Step> {
    let mut sent = Vec::new();
    for name in names {
        let Some(step) = Step::ALL.iter().copied().find(|step| step.report_kind() == Some(name)) else {
            faults.note(at, format!("names the unknown report `{name}`"));
            continue;
        };
        if !reports(purpose).contains(&step) {
            let problem = format!("no stage of a `{}` leg takes the report `{name}`", purpose.name());
            faults.note(at, problem);
        }
        if sent.contains(&step) {
            faults.note(at, format!("names the report `{name}` twice"));
            continue;
        }
        sent.push(step);
    }
    // The stage table decides the order, not the data.
    reports(purpose).into_iter().filter(|step| sent.contains(step)).collect()
}

/// Whether these reports and the steps of the hub and the app lead from the dispatch to a result or to another leg. A
/// rejection, a withdrawal and a lapse do not count.
fn can_be_ended(purpose: Purpose, reports: &[Step]) -> bool {
    let mut open = vec![Stage::Dispatched];
    let mut at = 0_usize;
    while let Some(from) = open.get(at).copied() {
        for (step, to) in steps(from, purpose) {
            let taken = match step.taken_by() {
                Taker::Agency => reports.contains(step),
                Taker::App | Taker::Hub | Taker::AppOrAgency => true,
            };
            let excluded =
                matches!(step, Step::Withdraw | Step::Expire | Step::Reject | Step::NotIssue | Step::Lapse);
            if !taken || excluded {
                continue;
            }
            if !leads_to(*step).is_empty() || to.is_final() {
                return true;
            }
            if !open.contains(to) {
                open.push(*to);
            }
        }
        at = at.saturating_add(1);
    }
    false
}

fn issued(
    at: &str,
    raw: Option<RawIssued>,
    kinds: &[TitledKind],
    faults: &mut Faults,
) -> Option<IssuedDocument> {
    let raw = raw?;
    let at = format!("{at}/issues");
    faults.name(&at, "name", &raw.name, &mut Vec::new());
    faults.unknown(&at, &raw.unknown);
    let kind = kind_of(&at, &raw.kind, Provider::Agency, kinds, faults)?;
    Some(IssuedDocument { requirement: raw.name, kind })
}

/// Checks the order of the legs of one case: an application can begin with the first leg, an earlier leg leads to each
/// other leg, and each leg has the leg that must follow it.
pub(super) fn course(at: &str, legs: &[&LegRow], faults: &mut Faults) {
    let purposes: Vec<Purpose> = legs.iter().map(|leg| leg.purpose).collect();
    let Some(first) = purposes.first() else {
        faults.note(at, "runs through no leg");
        return;
    };
    if !begins(*first) {
        faults.note(at, format!("begins with the leg `{}`, which only another leg opens", first.name()));
    }
    let mut entered = vec![0];
    let mut at_leg = 0_usize;
    let leg = |index: usize| Some((index, *purposes.get(index)?));
    while let Some((index, purpose)) = entered.get(at_leg).copied().and_then(leg) {
        for step in openers(purpose) {
            match next_leg_of(&purposes, index, step) {
                Some(next) if !entered.contains(&next) => entered.push(next),
                Some(_) => {}
                None => {
                    let problem = format!(
                        "nobody ends it: after `{}` of the leg `{}` there is no leg to go on",
                        step.name(),
                        purpose.name()
                    );
                    faults.note(at, problem);
                }
            }
        }
        at_leg = at_leg.saturating_add(1);
    }
    for (index, purpose) in purposes.iter().enumerate().filter(|(index, _)| !entered.contains(index)) {
        if index > 0 {
            faults.note(at, format!("never enters the leg `{}`", purpose.name()));
        }
    }
    if legs.iter().filter(|leg| leg.issues.is_some()).count() > 1 {
        faults.note(at, "issues more than one document");
    }
}

/// The steps of a leg that open another leg.
fn openers(purpose: Purpose) -> impl Iterator<Item = Step> {
    let opens = move |step: &Step| {
        !leads_to(*step).is_empty()
            && Stage::ALL.iter().any(|stage| {
                reachable(purpose).contains(stage)
                    && steps(*stage, purpose).iter().any(|(possible, _)| possible == step)
            })
    };
    Step::ALL.iter().copied().filter(opens)
}
