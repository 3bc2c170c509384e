//! The scenarios of a leg, each with its reports in order.

use domain::command::ReportedResult;
use domain::event::MissingItem;
use domain::stage::Purpose;

use super::line::{ScriptAction, ScriptCondition, ScriptLine};

pub(super) fn line(condition: ScriptCondition, action: ScriptAction) -> ScriptLine {
    ScriptLine { condition, action }
}

pub(super) fn received() -> ScriptLine {
    line(ScriptCondition::Opened, ScriptAction::Report(ReportedResult::Received))
}

fn always(result: ReportedResult) -> ScriptLine {
    line(ScriptCondition::Always, ScriptAction::Report(result))
}

const REASON: &str = "simulated: the register does not show what was stated";

/// The favourable scenario of a purpose.
pub(super) fn happy(purpose: Purpose) -> Vec<ScriptLine> {
    let mut lines = vec![received()];
    match purpose {
        Purpose::Decide => lines.extend([
            always(ReportedResult::Signed),
            always(ReportedResult::Produced),
            always(ReportedResult::Ready { place: "household hall of the acceptance place".to_owned() }),
        ]),
        Purpose::Approve => lines.push(line(ScriptCondition::Always, ScriptAction::Approve)),
        Purpose::MoveOut => lines.extend([
            always(ReportedResult::Verified),
            line(ScriptCondition::Always, ScriptAction::MoveOut { issued_days_ago: 0, valid_days: 30 }),
        ]),
        Purpose::Settle => lines.push(always(ReportedResult::Settled)),
        Purpose::Restore => lines.push(always(ReportedResult::Restored)),
        Purpose::Certify => lines.push(line(ScriptCondition::Always, ScriptAction::Issue)),
    }
    lines
}

/// Whether the stage table lets this purpose refuse or request a supplement.
fn may_refuse(purpose: Purpose) -> bool {
    match purpose {
        Purpose::Decide | Purpose::Approve | Purpose::MoveOut | Purpose::Certify => true,
        Purpose::Settle | Purpose::Restore => false,
    }
}

/// The item that a simulated agency requests; `None` where the catalogue lacks one of its kinds.
fn missing() -> Option<MissingItem> {
    serde_json::from_str(include_str!("../../data/supplement.json")).ok()
}

/// Requests one item; after the answer the favourable scenario.
pub(super) fn supplement(purpose: Purpose) -> Vec<ScriptLine> {
    if !may_refuse(purpose) {
        return happy(purpose);
    }
    let items = missing().into_iter().collect();
    let ask = ScriptAction::Report(ReportedResult::SupplementRequested { items });
    let rest = happy(purpose).into_iter().skip(1);
    [received(), line(ScriptCondition::Opened, ask)]
        .into_iter()
        .chain(rest.map(|next| line(ScriptCondition::Supplemented, next.action)))
        .collect()
}

pub(super) fn refuse(purpose: Purpose) -> Vec<ScriptLine> {
    if !may_refuse(purpose) {
        return happy(purpose);
    }
    let reason = REASON.to_owned();
    let result = if purpose == Purpose::Decide {
        ReportedResult::NotIssued { reason }
    } else {
        ReportedResult::Rejected { reason }
    };
    vec![received(), always(result)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requested_supplement_is_in_the_catalogue() {
        assert_eq!(missing().map(|item| item.accepts.len()), Some(2));
    }
}
