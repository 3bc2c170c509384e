//! Scripts whose lines depend on the case.

use std::time::Duration;

use domain::effect::NoticeKind;
use protocol::case::Case;

use super::line::{ScriptAction, ScriptCondition, ScriptLine};
use super::scenarios::{happy, line, refuse, supplement};
use crate::seeded_rng::SeededRng;

/// Working time of certification's slow case, which requires 4 seconds or more.
const SLOW: Duration = Duration::from_secs(5);
/// Share of cases that are approved at once.
const APPROVED: f64 = 0.70;
/// Share of cases that are approved, or need a supplement. The rest is refused when the purpose allows it.
const SUPPLEMENTED: f64 = 0.84;

/// How the lines are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScriptChoice {
    /// By the applicant's name, which certification sets.
    ByName,
    /// At random with this seed. A repeated message of a case gets the same lines.
    ByChance(u64),
}

impl ScriptChoice {
    pub(super) fn lines(self, case: &Case) -> Vec<ScriptLine> {
        match self {
            ScriptChoice::ByName => by_name(case),
            ScriptChoice::ByChance(seed) => by_chance(SeededRng::seeded(seed), case),
        }
    }
}

fn by_name(case: &Case) -> Vec<ScriptLine> {
    let name = case.personal_data.as_ref().map_or("", |personal_data| personal_data.applicant.name.as_str());
    match name {
        "认证补正" => supplement(case.purpose),
        "认证不予" => refuse(case.purpose),
        "认证等待" => {
            let mut lines = happy(case.purpose);
            lines.insert(1.min(lines.len()), line(ScriptCondition::Always, ScriptAction::Work(SLOW)));
            lines
        }
        // 认证通过, and every applicant who is not from certification.
        _ => happy(case.purpose),
    }
}

fn by_chance(rng: SeededRng, case: &Case) -> Vec<ScriptLine> {
    let roll = |what| rng.fraction(&[&what, &case.application, &case.purpose.name()]);
    let scenario = roll("scenario");
    if scenario < APPROVED {
        happy(case.purpose)
    } else if scenario < SUPPLEMENTED {
        answered(case, roll("answer") < APPROVED)
    } else {
        refuse(case.purpose)
    }
}

/// Requests one item, then approves or refuses.
fn answered(case: &Case, enough: bool) -> Vec<ScriptLine> {
    if enough || case.notice != NoticeKind::Supplemented {
        supplement(case.purpose)
    } else {
        refuse(case.purpose)
    }
}
