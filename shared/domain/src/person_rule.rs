//! Rules for the persons of a form. They are data of a service: each states the rule and its article in both languages.

use jiff::civil::Date;
use strum::{IntoStaticStr, VariantArray};

use crate::identity_number::{IdentityNumber, Sex};
use crate::title::{Certainty, Title};

/// A person of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum FormPerson {
    /// The applicant.
    Applicant,
    /// The guardian of an applicant under age.
    Guardian,
    /// The relative whom the citizen joins, or the other person of a certificate.
    Relative,
}

impl FormPerson {
    /// Every person.
    pub const ALL: &'static [FormPerson] = <FormPerson as VariantArray>::VARIANTS;

    /// Name of the member of the form.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Condition that a person meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The form names the person, where the service needs one.
    Named,
    /// The person is a mainland citizen.
    Citizen,
    /// The person has this age in full years.
    MinimumAge {
        /// Age of men.
        men: u8,
        /// Age of women.
        women: u8,
    },
    /// The person was born before another person of the form.
    OlderThan(FormPerson),
}

impl Condition {
    /// Stable code of the refusal.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Condition::Named => "guardian_required",
            Condition::Citizen => "not_a_citizen",
            Condition::MinimumAge { .. } => "too_young",
            Condition::OlderThan(_) => "not_older",
        }
    }
}

/// One rule for one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRule {
    /// Person of the rule.
    pub person: FormPerson,
    /// Condition that the person meets.
    pub condition: Condition,
    /// The rule with its article, as a sentence for the applicant.
    pub text: Title,
    /// Certainty of the rule.
    pub certainty: Certainty,
}

impl PersonRule {
    /// Whether a form with these numbers breaks the rule on this day. A person whose number is absent breaks none.
    #[must_use]
    pub fn is_broken<'a>(
        &self,
        number_of: impl Fn(FormPerson) -> Option<&'a IdentityNumber>,
        today: Date,
    ) -> bool {
        let Some(number) = number_of(self.person) else { return false };
        match self.condition {
            Condition::Named => false,
            Condition::Citizen => !number.is_of_citizen(),
            Condition::MinimumAge { men, women } => {
                let age = match number.sex() {
                    Sex::Male => men,
                    Sex::Female => women,
                };
                number.age_on(today) < age
            }
            Condition::OlderThan(other) => {
                number_of(other).is_some_and(|other| number.birth_date() >= other.birth_date())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// A number whose sequence says the sex: odd for men.
    fn born(birth: Date, sequence: u16) -> IdentityNumber {
        IdentityNumber::compute("150102", birth, sequence).expect("an identity number")
    }

    fn breaks(
        condition: Condition,
        applicant: Option<&IdentityNumber>,
        guardian: Option<&IdentityNumber>,
    ) -> bool {
        let title = Title { zh: "规则".into(), en: "rule".into() };
        let rule =
            PersonRule { person: FormPerson::Guardian, condition, text: title, certainty: Certainty::Source };
        let number_of = |person| match person {
            FormPerson::Applicant => applicant,
            FormPerson::Guardian => guardian,
            FormPerson::Relative => None,
        };
        rule.is_broken(number_of, date(2026, 3, 2))
    }

    #[test]
    fn each_sex_has_its_minimum_age() {
        let rule = Condition::MinimumAge { men: 22, women: 20 };
        for (birth, sequence, broken) in [
            (date(2004, 3, 2), 1, false),
            (date(2004, 3, 3), 1, true),
            (date(2006, 3, 2), 2, false),
            (date(2006, 3, 3), 2, true),
        ] {
            assert_eq!(breaks(rule, None, Some(&born(birth, sequence))), broken, "{birth}");
        }
        assert!(!breaks(rule, None, None), "a person who is absent breaks no rule");
    }

    #[test]
    fn older_means_born_on_an_earlier_day() {
        let rule = Condition::OlderThan(FormPerson::Applicant);
        let applicant = born(date(2015, 1, 2), 1);
        for (birth, broken) in [(date(2015, 1, 1), false), (date(2015, 1, 2), true), (date(2015, 1, 3), true)]
        {
            assert_eq!(breaks(rule, Some(&applicant), Some(&born(birth, 2))), broken, "{birth}");
        }
        assert!(!breaks(rule, None, Some(&applicant)));
    }

    #[test]
    fn a_permit_is_not_a_citizens_and_a_named_person_breaks_nothing() {
        let permit = IdentityNumber::compute("810000", date(1990, 1, 1), 1).expect("a number");
        let citizen = born(date(1990, 1, 1), 1);
        assert!(breaks(Condition::Citizen, None, Some(&permit)));
        assert!(!breaks(Condition::Citizen, None, Some(&citizen)));
        assert!(!breaks(Condition::Named, None, Some(&permit)));
    }

    #[test]
    fn persons_and_conditions_have_stable_names() {
        assert_eq!(
            FormPerson::ALL.iter().map(|person| person.name()).collect::<Vec<_>>(),
            ["applicant", "guardian", "relative"]
        );
        let conditions = [
            Condition::Named,
            Condition::Citizen,
            Condition::MinimumAge { men: 0, women: 0 },
            Condition::OlderThan(FormPerson::Applicant),
        ];
        let codes = ["guardian_required", "not_a_citizen", "too_young", "not_older"];
        assert_eq!(conditions.map(Condition::code), codes);
    }
}
