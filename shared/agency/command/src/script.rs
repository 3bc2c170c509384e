//! What a simulated agency decides: per purpose a list of lines, each a condition and an action.

mod choice;
mod scenarios;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::command::Finding;
use domain::effect::NoticeKind;
use domain::stage::Purpose;
use jiff::civil::Date;
use protocol::case::Case;

use choice::Choice;
use scenarios::{happy, lapse, received, refuse, supplement};

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
    /// Work for this long before the next line.
    Work(Duration),
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
    /// Where the lines depend on the case.
    choice: Option<Choice>,
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
    /// Nothing but the time that the work takes.
    Work(Duration),
}

impl Script {
    /// The scripts that [`Script::named`] knows, each with what it does.
    pub const NAMES: [(&'static str, &'static str); 9] = [
        ("default", "every case to a good end"),
        ("supplement", "asks for one item first, then goes on"),
        ("not_issued", "first cards are not issued, other cases as by default"),
        ("reject", "every case is refused where that is possible"),
        ("lapse", "moves out with a certificate that ran out yesterday, never settles"),
        ("hold", "takes every case and then does nothing"),
        ("silent", "takes messages and never reports"),
        ("certify", "decides by the applicant's name, as the certification asks for"),
        ("realistic", "approvals, supplements, refusals and lapses as the dice fall; --seed chooses them"),
    ];

    /// A script without a line.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Script {
        Script { name: name.into(), lines: BTreeMap::new(), choice: None }
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
            "certify" => return Some(Script { choice: Some(Choice::ByName), ..Script::new(name) }),
            "realistic" => return Some(Script { choice: Some(Choice::ByChance(0)), ..Script::new(name) }),
            _ => return None,
        };
        let all = Purpose::ALL.into_iter();
        Some(all.fold(Script::new(name), |script, purpose| script.on(purpose, lines(purpose))))
    }

    /// The same script with other dice: only `realistic` has any.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Script {
        if let Some(Choice::ByChance(dice)) = &mut self.choice {
            *dice = seed;
        }
        self
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
        let lines = match (self.lines.get(&case.purpose), self.choice) {
            (Some(lines), _) => lines.clone(),
            (None, Some(choice)) => choice.lines(case),
            (None, None) => Vec::new(),
        };
        let lines = lines.iter().filter(|line| met(line.condition));
        lines.map(|line| play(&line.action, case, today)).collect()
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
        Action::Work(time) => Move::Work(*time),
    }
}

#[cfg(test)]
mod tests;
