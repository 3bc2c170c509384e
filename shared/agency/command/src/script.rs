//! The decisions of a simulated agency: for each purpose a list of lines, each with a condition and an action.

mod choice;
mod line;
mod scenarios;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::command::ReportedResult;
use domain::effect::NoticeKind;
use domain::stage::Purpose;
use jiff::civil::Date;
use protocol::case::Case;

use choice::ScriptChoice;
pub use line::{ScriptAction, ScriptCondition, ScriptLine};
use scenarios::{happy, received, refuse, supplement};

/// A script. The agency never reports on a purpose without lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgencyScript {
    name: String,
    lines: BTreeMap<Purpose, Vec<ScriptLine>>,
    /// How to choose the lines when they depend on the case.
    choice: Option<ScriptChoice>,
}

/// A step of a script, with every number and date filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptStep {
    Report(ReportedResult),
    /// Upload a certificate, then report it as issued.
    Issue {
        certificate: String,
    },
    /// Take this long.
    Work(Duration),
}

impl AgencyScript {
    /// The names for [`AgencyScript::named`], each with a description.
    pub const NAMES: [(&'static str, &'static str); 8] = [
        ("default", "brings every case to a good end"),
        ("supplement", "requests one item first, then decides favourably"),
        ("not_issued", "refuses first cards; decides other cases like default"),
        ("reject", "refuses every case that can be refused"),
        ("hold", "reports received, then nothing"),
        ("silent", "handles messages and never reports"),
        ("certify", "decides by the applicant's name, as certification requires"),
        ("realistic", "approves, requests supplements and refuses at random; --seed selects the sequence"),
    ];

    /// A script without lines.
    #[must_use]
    pub fn new(name: impl Into<String>) -> AgencyScript {
        AgencyScript { name: name.into(), lines: BTreeMap::new(), choice: None }
    }

    /// Sets the lines of a purpose.
    #[must_use]
    pub fn on(mut self, purpose: Purpose, lines: Vec<ScriptLine>) -> AgencyScript {
        self.lines.insert(purpose, lines);
        self
    }

    /// A script of [`AgencyScript::NAMES`].
    #[must_use]
    pub fn named(name: &str) -> Option<AgencyScript> {
        let lines: fn(Purpose) -> Vec<ScriptLine> = match name {
            "default" => happy,
            "supplement" => supplement,
            "not_issued" => |purpose| match purpose {
                Purpose::Decide => refuse(purpose),
                other => happy(other),
            },
            "reject" => refuse,
            "hold" => |_| vec![received()],
            "silent" => |_| Vec::new(),
            "certify" => {
                return Some(AgencyScript { choice: Some(ScriptChoice::ByName), ..AgencyScript::new(name) });
            }
            "realistic" => {
                return Some(AgencyScript {
                    choice: Some(ScriptChoice::ByChance(0)),
                    ..AgencyScript::new(name)
                });
            }
            _ => return None,
        };
        let all = Purpose::ALL.iter().copied();
        Some(all.fold(AgencyScript::new(name), |script, purpose| script.on(purpose, lines(purpose))))
    }

    /// Sets the seed. Only the script `realistic` uses randomness.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> AgencyScript {
        if let Some(ScriptChoice::ByChance(current)) = &mut self.choice {
            *current = seed;
        }
        self
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The steps for a case. `today` is the day in China. Empty for a withdrawal.
    #[must_use]
    pub fn steps(&self, case: &Case, today: Date) -> Vec<ScriptStep> {
        let met = |condition| match (condition, case.notice) {
            (_, NoticeKind::Withdrawn) => false,
            (ScriptCondition::Always, _) => true,
            (ScriptCondition::Opened, NoticeKind::Opened | NoticeKind::RestoreRequested) => true,
            (ScriptCondition::Opened, NoticeKind::Supplemented) => false,
            (ScriptCondition::Supplemented, NoticeKind::Supplemented) => true,
            (ScriptCondition::Supplemented, NoticeKind::Opened | NoticeKind::RestoreRequested) => false,
        };
        let lines = match (self.lines.get(&case.purpose), self.choice) {
            (Some(lines), _) => lines.clone(),
            (None, Some(choice)) => choice.lines(case),
            (None, None) => Vec::new(),
        };
        let lines = lines.iter().filter(|line| met(line.condition));
        lines.map(|line| step(&line.action, case, today)).collect()
    }
}

/// A number derived from the agency and the application: the same case always gives the same number.
fn number(letters: &str, case: &Case) -> String {
    let application = case.application.to_string();
    format!("{letters}-{}-{}", case.agency, application.replace('-', "").get(..12).unwrap_or_default())
}

fn step(action: &ScriptAction, case: &Case, today: Date) -> ScriptStep {
    match action {
        ScriptAction::Report(result) => ScriptStep::Report(result.clone()),
        ScriptAction::Approve => ScriptStep::Report(ReportedResult::Approved { permit: number("ZQ", case) }),
        ScriptAction::MoveOut { issued_days_ago, valid_days } => {
            let days = |days: &i32| jiff::Span::new().days(*days);
            let issued_on = today.saturating_sub(days(issued_days_ago));
            ScriptStep::Report(ReportedResult::MovedOut {
                certificate: number("QY", case),
                issued_on,
                valid_until: issued_on.saturating_add(days(valid_days)),
            })
        }
        ScriptAction::Issue => ScriptStep::Issue { certificate: number("ZM", case) },
        ScriptAction::Work(time) => ScriptStep::Work(*time),
    }
}

#[cfg(test)]
mod tests;
