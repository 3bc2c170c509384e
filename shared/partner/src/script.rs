//! What a simulated agency decides: per purpose a list of lines, each a condition and an action.

use std::collections::BTreeMap;

use domain::catalogue::DocumentKind;
use domain::command::Finding;
use domain::effect::NoticeKind;
use domain::event::MissingItem;
use domain::stage::Purpose;
use jiff::civil::Date;
use protocol::case::Case;

/// On which message of a leg a line is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// On every one.
    Always,
    /// On the one that opens the leg.
    Opened,
    /// On the citizen's answer to a supplement.
    Supplemented,
}

/// What a line does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Report this.
    Report(Finding),
    /// Approve the move-in under a number made from the application's id.
    Approve,
    /// Move out with a migration certificate, numbered likewise.
    MoveOut {
        /// Days since its day of issue; today is 0.
        issued_days_ago: i32,
        /// Days it is valid from its day of issue.
        valid_days: i32,
    },
    /// Upload a certificate and report it as issued, numbered likewise.
    Issue,
}

/// A line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub condition: Condition,
    /// What.
    pub action: Action,
}

/// A script. A purpose it has no lines for is never reported on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    name: String,
    lines: BTreeMap<Purpose, Vec<Line>>,
}

/// A step of the play, with every number and date in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Report this.
    Report(Finding),
    /// Upload a certificate, then report it as issued.
    Issue {
        /// Its number.
        certificate: String,
    },
}

fn line(condition: Condition, action: Action) -> Line {
    Line { condition, action }
}

fn received() -> Line {
    line(Condition::Opened, Action::Report(Finding::Received))
}

fn always(finding: Finding) -> Line {
    line(Condition::Always, Action::Report(finding))
}

const REASON: &str = "simulated: the register does not show what was stated";

/// The ordinary course of a purpose, to a good end.
fn happy(purpose: Purpose) -> Vec<Line> {
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

/// One item first, the ordinary course once it is answered.
fn supplement(purpose: Purpose) -> Vec<Line> {
    if !may_refuse(purpose) {
        return happy(purpose);
    }
    let items = vec![MissingItem {
        name: "current_residence".to_owned(),
        accepts: vec![DocumentKind::ProofOfResidence, DocumentKind::Other],
        note: "simulated: a proof of residence of the last three months".to_owned(),
    }];
    let ask = Action::Report(Finding::SupplementRequested { items });
    let rest = happy(purpose).into_iter().skip(1);
    [received(), line(Condition::Opened, ask)]
        .into_iter()
        .chain(rest.map(|next| line(Condition::Supplemented, next.action)))
        .collect()
}

fn refuse(purpose: Purpose) -> Vec<Line> {
    if !may_refuse(purpose) {
        return happy(purpose);
    }
    let reason = REASON.to_owned();
    let finding =
        if purpose == Purpose::Decide { Finding::NotIssued { reason } } else { Finding::Rejected { reason } };
    vec![received(), always(finding)]
}

/// A migration certificate of 31 days ago that ran out yesterday, and nobody who settles in time.
fn lapse(purpose: Purpose) -> Vec<Line> {
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

impl Script {
    /// The scripts that [`Script::named`] knows, each with what it does.
    pub const NAMES: [(&'static str, &'static str); 7] = [
        ("default", "every case to a good end"),
        ("supplement", "asks for one item first, then goes on"),
        ("not_issued", "first cards are not issued, other cases as by default"),
        ("reject", "every case is refused where that is possible"),
        ("lapse", "moves out with a certificate that ran out yesterday, never settles"),
        ("hold", "takes every case and then does nothing"),
        ("silent", "takes messages and never reports"),
    ];

    /// A script without a line.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Script {
        Script { name: name.into(), lines: BTreeMap::new() }
    }

    /// The same script with these lines for a purpose.
    #[must_use]
    pub fn on(mut self, purpose: Purpose, lines: Vec<Line>) -> Script {
        self.lines.insert(purpose, lines);
        self
    }

    /// A script of [`Script::NAMES`].
    #[must_use]
    pub fn named(name: &str) -> Option<Script> {
        let lines: fn(Purpose) -> Vec<Line> = match name {
            "default" => happy,
            "supplement" => supplement,
            "not_issued" => |purpose| match purpose {
                Purpose::Decide => refuse(purpose),
                other => happy(other),
            },
            "reject" => refuse,
            "lapse" => lapse,
            "hold" => |_| vec![received()],
            "silent" => |_| Vec::new(),
            _ => return None,
        };
        let all = Purpose::ALL.into_iter();
        Some(all.fold(Script::new(name), |script, purpose| script.on(purpose, lines(purpose))))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is to be done on a case today (the day in China). Empty on a withdrawal.
    #[must_use]
    pub fn moves(&self, case: &Case, today: Date) -> Vec<Move> {
        let met = |condition| match (condition, case.notice) {
            (_, NoticeKind::Withdrawn) => false,
            (Condition::Always, _) => true,
            (Condition::Opened, NoticeKind::Opened | NoticeKind::RestoreRequested) => true,
            (Condition::Opened, NoticeKind::Supplemented) => false,
            (Condition::Supplemented, NoticeKind::Supplemented) => true,
            (Condition::Supplemented, NoticeKind::Opened | NoticeKind::RestoreRequested) => false,
        };
        let lines = self.lines.get(&case.purpose).into_iter().flatten();
        lines.filter(|line| met(line.condition)).map(|line| play(&line.action, case, today)).collect()
    }
}

/// A number that names the agency and the application, the same whenever it is made.
fn number(letters: &str, case: &Case) -> String {
    let application = case.application.to_string();
    format!("{letters}-{}-{}", case.agency, application.replace('-', "").get(..12).unwrap_or_default())
}

fn play(action: &Action, case: &Case, today: Date) -> Move {
    match action {
        Action::Report(finding) => Move::Report(finding.clone()),
        Action::Approve => Move::Report(Finding::Approved { permit: number("ZQ", case) }),
        Action::MoveOut { issued_days_ago, valid_days } => {
            let days = |days: &i32| jiff::Span::new().days(*days);
            let issued_on = today.saturating_sub(days(issued_days_ago));
            Move::Report(Finding::MovedOut {
                certificate: number("QY", case),
                issued_on,
                valid_until: issued_on.saturating_add(days(valid_days)),
            })
        }
        Action::Issue => Move::Issue { certificate: number("ZM", case) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::case;
    use jiff::civil::date;

    fn kinds(name: &str, purpose: Purpose, notice: NoticeKind) -> Vec<&'static str> {
        let mut case = case(1, 4);
        (case.purpose, case.notice) = (purpose, notice);
        let script = Script::named(name).expect("a script");
        let moves = script.moves(&case, date(2026, 3, 31));
        let kind = |played: Move| match played {
            Move::Report(finding) => Finding::kind_of(finding.step()).expect("an agency's step"),
            Move::Issue { .. } => "issued",
        };
        moves.into_iter().map(kind).collect()
    }

    #[test]
    fn every_name_is_a_script_whose_moves_the_table_allows() {
        for (name, _) in Script::NAMES {
            for purpose in Purpose::ALL {
                let allowed: Vec<_> =
                    domain::stage::reports(purpose).into_iter().filter_map(Finding::kind_of).collect();
                for notice in [NoticeKind::Opened, NoticeKind::Supplemented] {
                    for kind in kinds(name, purpose, notice) {
                        assert!(allowed.contains(&kind), "{name}: {kind} on {purpose:?}");
                    }
                }
                assert!(kinds(name, purpose, NoticeKind::Withdrawn).is_empty());
            }
        }
        assert!(Script::named("other").is_none());
    }

    #[test]
    fn the_courses_are_those_of_the_field() {
        use NoticeKind::{Opened, RestoreRequested, Supplemented};
        assert_eq!(kinds("default", Purpose::Decide, Opened), ["received", "signed", "produced", "ready"]);
        assert_eq!(kinds("default", Purpose::MoveOut, Opened), ["received", "verified", "moved_out"]);
        assert_eq!(kinds("lapse", Purpose::Restore, RestoreRequested), ["received", "restored"]);
        assert_eq!(kinds("supplement", Purpose::Decide, Opened), ["received", "supplement_requested"]);
        assert_eq!(kinds("supplement", Purpose::Decide, Supplemented), ["signed", "produced", "ready"]);
        assert_eq!(kinds("not_issued", Purpose::Decide, Opened), ["received", "not_issued"]);
        assert_eq!(kinds("reject", Purpose::Certify, Opened), ["received", "rejected"]);
        assert!(kinds("lapse", Purpose::Settle, Opened).is_empty());
        assert_eq!(kinds("hold", Purpose::Certify, Opened), ["received"]);
    }

    #[test]
    fn a_lapsed_certificate_ran_out_yesterday() {
        let mut case = case(1, 4);
        case.purpose = Purpose::MoveOut;
        let moves = Script::named("lapse").expect("a script").moves(&case, date(2026, 3, 31));
        let Some(Move::Report(Finding::MovedOut { issued_on, valid_until, .. })) = moves.last() else {
            panic!("{moves:?}");
        };
        assert_eq!((*issued_on, *valid_until), (date(2026, 2, 28), date(2026, 3, 30)));
    }
}
