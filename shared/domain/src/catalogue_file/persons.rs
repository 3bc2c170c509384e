//! Checks the rules for persons.

use super::faults::Faults;
use super::raw::{RawMinimumAge, RawPersonRule};
use crate::person_rule::{Condition, FormPerson, PersonRule};
use crate::service::Title;

pub(super) fn rules(
    at: &str,
    raw: Vec<RawPersonRule>,
    has_relative: bool,
    faults: &mut Faults,
) -> Vec<PersonRule> {
    raw.into_iter()
        .enumerate()
        .filter_map(|(index, raw)| rule(&format!("{at}/persons/{index}"), raw, has_relative, faults))
        .collect()
}

fn rule(at: &str, raw: RawPersonRule, has_relative: bool, faults: &mut Faults) -> Option<PersonRule> {
    faults.unknown(at, &raw.unknown);
    let person = |name: &str, faults: &mut Faults| {
        let person = faults.one_of(at, "person", name, FormPerson::ALL, FormPerson::name);
        if person == FormPerson::Relative && !has_relative {
            faults.note(at, "is about a relative, whom the form does not name");
        }
        person
    };
    let about = person(&raw.person, faults);
    let age = raw.minimum_age.map(|RawMinimumAge { men, women, unknown }| {
        faults.unknown(at, &unknown);
        Condition::MinimumAge { men, women }
    });
    let older = raw.older_than.map(|other| Condition::OlderThan(person(&other, faults)));
    let conditions =
        [raw.named.then_some(Condition::Named), raw.citizen.then_some(Condition::Citizen), age, older];
    let mut conditions = conditions.into_iter().flatten();
    let rule = faults.title(at, "rule", raw.rule);
    let article = faults.title(at, "article", raw.article);
    let certainty = faults.certainty(at, &raw.certainty);
    let (Some(condition), None) = (conditions.next(), conditions.next()) else {
        faults.note(at, "has not exactly one of `named`, `citizen`, `minimum_age` and `older_than`");
        return None;
    };
    if condition == Condition::Named && about != FormPerson::Guardian {
        faults.note(at, "only a guardian may have a rule `named`");
    }
    let text = Title {
        zh: format!("{}（{}）", rule.zh, article.zh),
        en: format!("{} ({}).", rule.en, article.en),
    };
    Some(PersonRule { person: about, condition, text, certainty })
}
