//! The answer to who takes what.

use domain::catalogue::{Requirement, Service, Title, When};
use domain::ids::AgencyCode;
use domain::stage::Purpose;
use jiff::civil::Date;
use serde::Serialize;

/// Who takes a service between two places, and what must be handed in.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Coverage {
    /// The service.
    pub service: Service,
    /// Whether an application between these places is taken; absent where no `to` was given.
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
    pub captured_on_site: Vec<String>,
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
