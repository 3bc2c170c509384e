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
