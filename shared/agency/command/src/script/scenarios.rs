//! The courses a leg can take, in the order of its reports.

use domain::command::Finding;
use domain::event::MissingItem;
use domain::stage::Purpose;

use super::{Action, Condition, Line};

pub(super) fn line(condition: Condition, action: Action) -> Line {
    Line { condition, action }
}

pub(super) fn received() -> Line {
    line(Condition::Opened, Action::Report(Finding::Received))
}

fn always(finding: Finding) -> Line {
    line(Condition::Always, Action::Report(finding))
}

const REASON: &str = "simulated: the register does not show what was stated";

/// The ordinary course of a purpose, to a good end.
pub(super) fn happy(purpose: Purpose) -> Vec<Line> {
    let mut lines = vec![received()];
    match purpose {
        Purpose::Decide => lines.extend([
            always(Finding::Signed),
            always(Finding::Produced),
            always(Finding::Ready { place: "household hall of the acceptance place".to_owned() }),
        ]),
        Purpose::Approve => lines.push(line(Condition::Always, Action::Approve)),
        Purpose::MoveOut => lines.extend([
            always(Finding::Verified),
            line(Condition::Always, Action::MoveOut { issued_days_ago: 0, valid_days: 30 }),
        ]),
        Purpose::Settle => lines.push(always(Finding::Settled)),
        Purpose::Restore => lines.push(always(Finding::Restored)),
        Purpose::Certify => lines.push(line(Condition::Always, Action::Issue)),
    }
    lines
}

/// Whether the purpose's table has steps to refuse or to ask for more.
fn may_refuse(purpose: Purpose) -> bool {
    match purpose {
        Purpose::Decide | Purpose::Approve | Purpose::MoveOut | Purpose::Certify => true,
        Purpose::Settle | Purpose::Restore => false,
    }
}

/// The item that a simulated agency asks for; `None` where the catalogue lacks one of its kinds.
fn missing() -> Option<MissingItem> {
    serde_json::from_str(include_str!("../../data/supplement.json")).ok()
}

/// One item first, the ordinary course once it is answered.
pub(super) fn supplement(purpose: Purpose) -> Vec<Line> {
    if !may_refuse(purpose) {
        return happy(purpose);
    }
    let items = missing().into_iter().collect();
    let ask = Action::Report(Finding::SupplementRequested { items });
    let rest = happy(purpose).into_iter().skip(1);
    [received(), line(Condition::Opened, ask)]
        .into_iter()
        .chain(rest.map(|next| line(Condition::Supplemented, next.action)))
        .collect()
}

pub(super) fn refuse(purpose: Purpose) -> Vec<Line> {
    if !may_refuse(purpose) {
        return happy(purpose);
    }
    let reason = REASON.to_owned();
    let finding =
        if purpose == Purpose::Decide { Finding::NotIssued { reason } } else { Finding::Rejected { reason } };
    vec![received(), always(finding)]
}

/// A migration certificate of 31 days ago that ran out yesterday, and nobody who settles in time.
pub(super) fn lapse(purpose: Purpose) -> Vec<Line> {
    match purpose {
        Purpose::MoveOut => vec![
            received(),
            always(Finding::Verified),
            line(Condition::Always, Action::MoveOut { issued_days_ago: 31, valid_days: 30 }),
        ],
        Purpose::Settle => Vec::new(),
        Purpose::Decide | Purpose::Approve | Purpose::Restore | Purpose::Certify => happy(purpose),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_item_of_the_data_is_one_of_the_catalogue() {
        assert_eq!(missing().map(|item| item.accepts.len()), Some(2));
    }
}
