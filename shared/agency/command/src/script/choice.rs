//! Courses that depend on the case.

use std::time::Duration;

use domain::effect::NoticeKind;
use domain::stage::Purpose;
use protocol::case::Case;

use super::scenarios::{happy, lapse, line, refuse, supplement};
use super::{Action, Condition, Line};
use crate::simulate::SeededRng;

/// How long the certification's slow case is worked on: it asks for 4 seconds or more.
const SLOW: Duration = Duration::from_secs(5);
/// Of a hundred cases, how many are approved at once.
const APPROVED: f64 = 0.70;
/// How many are approved or asked to be completed.
const SUPPLEMENTED: f64 = 0.84;
/// How many are approved, completed or refused. The rest lapses, where the purpose knows that.
const REFUSED: f64 = 0.95;

/// By what a course is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// By the applicant's name, as the certification names its cases.
    ByName,
    /// By dice with this seed: the same case takes the same course whenever it comes.
    ByChance(u64),
}

impl Choice {
    pub(super) fn lines(self, case: &Case) -> Vec<Line> {
        match self {
            Choice::ByName => by_name(case),
            Choice::ByChance(seed) => by_chance(SeededRng::seeded(seed), case),
        }
    }
}

fn by_name(case: &Case) -> Vec<Line> {
    let name = case.personal_data.as_ref().map_or("", |personal_data| personal_data.applicant.name.as_str());
    match name {
        "认证补正" => supplement(case.purpose),
        "认证不予" => refuse(case.purpose),
        "认证等待" => {
            let mut lines = happy(case.purpose);
            lines.insert(1.min(lines.len()), line(Condition::Always, Action::Work(SLOW)));
            lines
        }
        // 认证通过, and whoever is no case of the certification.
        _ => happy(case.purpose),
    }
}

fn by_chance(chance: SeededRng, case: &Case) -> Vec<Line> {
    let roll = |what| chance.fraction(&[&what, &case.application, &case.purpose.name()]);
    let scenario = roll("scenario");
    if scenario < APPROVED {
        happy(case.purpose)
    } else if scenario < SUPPLEMENTED {
        answered(case, roll("answer") < APPROVED)
    } else if scenario < REFUSED {
        refuse(case.purpose)
    } else {
        match case.purpose {
            Purpose::MoveOut | Purpose::Settle => lapse(case.purpose),
            Purpose::Decide | Purpose::Approve | Purpose::Restore | Purpose::Certify => happy(case.purpose),
        }
    }
}

/// Asks for one item; the answer is enough, or it is not.
fn answered(case: &Case, enough: bool) -> Vec<Line> {
    if enough || case.notice != NoticeKind::Supplemented {
        supplement(case.purpose)
    } else {
        refuse(case.purpose)
    }
}
