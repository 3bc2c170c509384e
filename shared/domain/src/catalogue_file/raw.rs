//! The catalogue as it is written. Everything may be missing, so that what is missing is told with its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Members that the format does not have.
pub(super) type Unknown = BTreeMap<String, IgnoredAny>;

#[derive(Deserialize)]
pub(super) struct RawCatalogue {
    #[serde(default)]
    pub(super) kinds: Vec<RawKind>,
    #[serde(default)]
    pub(super) services: Vec<RawService>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
pub(super) struct RawTitle {
    #[serde(default)]
    pub(super) zh: String,
    #[serde(default)]
    pub(super) en: String,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Deserialize)]
pub(super) struct RawKind {
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) title: RawTitle,
    pub(super) provider: Option<String>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Deserialize)]
pub(super) struct RawService {
    #[serde(default)]
    pub(super) service: String,
    #[serde(default)]
    pub(super) title: RawTitle,
    #[serde(default)]
    pub(super) legal_source: RawTitle,
    pub(super) free_of_charge: Option<bool>,
    #[serde(default)]
    pub(super) captured_on_site: Vec<RawCaptured>,
    #[serde(default)]
    pub(super) commitment: bool,
    pub(super) guardian_under: Option<u8>,
    pub(super) case_member: Option<RawMember>,
    #[serde(default)]
    pub(super) cases: Vec<RawCase>,
    #[serde(default)]
    pub(super) legs: Vec<RawLeg>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Deserialize)]
pub(super) struct RawCaptured {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) title: RawTitle,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Deserialize)]
pub(super) struct RawMember {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) title: RawTitle,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Deserialize)]
pub(super) struct RawAges {
    #[serde(default)]
    pub(super) from: u8,
    pub(super) under: Option<u8>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Deserialize)]
pub(super) struct RawCase {
    #[serde(default)]
    pub(super) when: String,
    #[serde(default)]
    pub(super) title: RawTitle,
    #[serde(default)]
    pub(super) documents: Vec<RawRequirement>,
    #[serde(default)]
    pub(super) skips: Vec<String>,
    pub(super) ages: Option<RawAges>,
    #[serde(default)]
    pub(super) relative: bool,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Deserialize)]
pub(super) struct RawRequirement {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) title: RawTitle,
    #[serde(default)]
    pub(super) accepts: Vec<String>,
    #[serde(default)]
    pub(super) certainty: String,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Deserialize)]
pub(super) struct RawLeg {
    #[serde(default)]
    pub(super) purpose: String,
    #[serde(default)]
    pub(super) title: RawTitle,
    #[serde(default)]
    pub(super) role: String,
    #[serde(default)]
    pub(super) limit_working_days: i64,
    #[serde(default)]
    pub(super) certainty: String,
    #[serde(default)]
    pub(super) reports: Vec<String>,
    pub(super) issues: Option<RawIssued>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Deserialize)]
pub(super) struct RawIssued {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) kind: String,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}
