//! The coverage of a service: which agencies act, and what the citizen must hand in.

use domain::catalogue::{Captured, Requirement, Service, Title, When};
use domain::ids::AgencyCode;
use domain::stage::Purpose;
use jiff::civil::Date;
use serde::{Serialize, Serializer};

/// Coverage of a service between two places, with the documents and the fields of each case.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Coverage {
    /// The requested service.
    pub service: Service,
    /// Whether agencies cover the service between these places; absent without `to`. Without `from` only the place of
    /// registration was checked: the other place may be uncovered, or the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offered: Option<bool>,
    /// Reasons why the service is not offered, each once: `not_offered`, `incapable`, `same_place`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::contracts::fields::reasons))]
    pub reasons: Vec<&'static str>,
    /// Legs in order, as far as agencies cover them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<CoveredLeg>,
    /// Cases of the service with their documents and form fields.
    pub cases: Vec<CoveredCase>,
    /// Items that the acceptance place captures from the citizen in person.
    pub captured_on_site: Vec<Captured>,
    /// Agencies that offer the service; present without `to`, or when `to` is not covered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offered_by: Vec<Offerer>,
}

/// A leg with the agency that acts.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoveredLeg {
    /// Task of the agency on this leg.
    pub purpose: Purpose,
    /// Title of the leg.
    pub title: Title,
    /// Agency that acts.
    pub agency: AgencyCode,
    /// Name of the agency.
    pub name: Title,
    /// Time limit in working days.
    pub limit_working_days: u16,
}

/// A case with its documents and form fields.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoveredCase {
    /// Name of the case.
    pub when: When,
    /// Title of the case.
    pub title: Title,
    /// Required documents.
    pub documents: Vec<Requirement>,
    /// Form fields, in the order of a form.
    pub fields: Vec<Field>,
}

/// A form field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "FormField"))]
pub struct Field {
    /// JSON pointer (RFC 6901) to the field in the request body. Errors use the same pointer.
    pub pointer: &'static str,
    /// Its name.
    pub title: FieldTitle,
    /// Kind of value.
    pub kind: FieldKind,
    /// Whether the field is required when its condition holds.
    pub required: bool,
    /// Condition of the field. When it does not hold, the request must omit the field. Absent when the request gave
    /// `age`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// The only accepted value, when the citizen has no choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<&'static str>,
}

/// Condition of a form field. `applicant_under_16`: the applicant has not turned 16, so a guardian applies (Resident
/// Identity Card Law, article 7). The catalogue sets the age for each service.
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
            "description": "Condition of a form field. `applicant_under_16`: the applicant has not turned 16, so a guardian applies (Resident Identity Card\nLaw, article 7).",
            "type": "string",
            "enum": names,
        })
    }
}

/// Name of a field in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FieldTitle {
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

/// Kind of value of a field; each kind has a validation rule.
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
    /// A fixed text for this case, see `value`.
    Fixed,
}

/// An agency that offers a service.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Offerer {
    /// Code of the agency.
    pub agency: AgencyCode,
    /// Its name.
    pub name: Title,
    /// First day on which the agency offers the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<domain::schema::Day>"))]
    pub since: Option<Date>,
}
