//! The answer to who takes what.

use domain::catalogue::{Captured, Requirement, Service, Title, When};
use domain::ids::AgencyCode;
use domain::stage::Purpose;
use jiff::civil::Date;
use serde::{Serialize, Serializer};

/// Who takes a service between two places, and what must be handed in.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Coverage {
    /// The service.
    pub service: Service,
    /// Whether an application between these places is taken; absent where no `to` was given. Without `from` it says of the
    /// place of registration alone that an agency takes it: the other place may not be covered, or be the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offered: Option<bool>,
    /// Why not, each reason once: `not_offered`, `incapable`, `same_place`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::reasons))]
    pub reasons: Vec<&'static str>,
    /// The legs in order, as far as an agency takes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<CoveredLeg>,
    /// What must be handed in, by case.
    pub cases: Vec<CoveredCase>,
    /// What must be captured at the acceptance place.
    pub captured_on_site: Vec<Captured>,
    /// Who offers the service; only where `to` is not given, or not covered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offered_by: Vec<Offerer>,
}

/// A leg and who acts on it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoveredLeg {
    /// What is asked.
    pub purpose: Purpose,
    /// The same in words.
    pub title: Title,
    /// Of whom.
    pub agency: AgencyCode,
    /// Its name.
    pub name: Title,
    /// The limit in working days.
    pub limit_working_days: u16,
}

/// A case and its documents.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoveredCase {
    /// The condition.
    pub when: When,
    /// Its title.
    pub title: Title,
    /// What must be handed in.
    pub documents: Vec<Requirement>,
    /// What must be filled in, in the order of a form.
    pub fields: Vec<Field>,
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "FormField"))]
pub struct Field {
    /// Where it stands in the body: a JSON pointer (RFC 6901), the same that errors use.
    pub pointer: &'static str,
    /// Its name.
    pub title: FieldTitle,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether it must be given, where its condition holds.
    pub required: bool,
    /// When it is a field at all; where it does not hold the field must be left out. Asked with `age` there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// What to send where nothing can be chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<&'static str>,
}

/// When a field is one. `applicant_under_16`: the applicant has not turned 16, so a guardian applies (Resident Identity Card
/// Law, article 10). The age is the service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The applicant is younger than this, in full years.
    ApplicantUnder(u8),
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Condition::ApplicantUnder(age) = self;
        serializer.collect_str(&format_args!("applicant_under_{age}"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Condition {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let services = domain::catalogue::catalogue().iter();
        let ages: std::collections::BTreeSet<u8> = services.filter_map(|row| row.guardian_under).collect();
        let names: Vec<Condition> = ages.into_iter().map(Condition::ApplicantUnder).collect();
        schemars::json_schema!({
            "description": "When a field is one. `applicant_under_16`: the applicant has not turned 16, so a guardian applies (Resident Identity Card\nLaw, article 10).",
            "type": "string",
            "enum": names,
        })
    }
}

/// Both languages of a field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FieldTitle {
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

/// What a field holds, by the rule that checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// A person's name.
    PersonName,
    /// A citizen identity number (GB 11643).
    IdentityNumber,
    /// A mobile number of mainland China.
    MobileNumber,
    /// A postal address.
    Address,
    /// A division code (GB/T 2260), six digits.
    Division,
    /// `true`, once the citizen has signed.
    Commitment,
    /// Always the same text for this case: see `value`.
    Fixed,
}

/// An agency that offers a service.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Offerer {
    /// Its code.
    pub agency: AgencyCode,
    /// Its name.
    pub name: Title,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Day>"))]
    pub since: Option<Date>,
}
