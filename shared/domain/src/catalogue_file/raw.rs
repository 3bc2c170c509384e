//! The catalogue as JSON. Every member is optional, so that the parser can report a missing member with its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Members that the format does not define.
pub(super) type Unknown = BTreeMap<String, IgnoredAny>;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCatalogue {
    pub(super) kinds: Vec<RawKind>,
    pub(super) services: Vec<RawService>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawTitle {
    pub(super) zh: String,
    pub(super) en: String,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawKind {
    pub(super) kind: String,
    pub(super) title: RawTitle,
    pub(super) provider: Option<String>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawService {
    pub(super) service: String,
    pub(super) title: RawTitle,
    pub(super) legal_source: RawTitle,
    pub(super) free_of_charge: Option<bool>,
    pub(super) captured_on_site: Vec<RawCaptured>,
    pub(super) commitment: bool,
    pub(super) guardian_under: Option<u8>,
    pub(super) duplicate_days: u16,
    pub(super) case_member: Option<RawMember>,
    pub(super) persons: Vec<RawPersonRule>,
    pub(super) cases: Vec<RawCase>,
    pub(super) legs: Vec<RawLeg>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCaptured {
    pub(super) name: String,
    pub(super) title: RawTitle,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawMember {
    pub(super) name: String,
    pub(super) title: RawTitle,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawAges {
    pub(super) from: u8,
    pub(super) under: Option<u8>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCase {
    pub(super) when: String,
    pub(super) title: RawTitle,
    pub(super) documents: Vec<RawRequirement>,
    pub(super) skips: Vec<String>,
    pub(super) ages: Option<RawAges>,
    pub(super) relative: bool,
    pub(super) persons: Vec<RawPersonRule>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawPersonRule {
    pub(super) person: String,
    pub(super) named: bool,
    pub(super) citizen: bool,
    pub(super) minimum_age: Option<RawMinimumAge>,
    pub(super) older_than: Option<String>,
    pub(super) rule: RawTitle,
    pub(super) article: RawTitle,
    pub(super) certainty: String,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawMinimumAge {
    pub(super) men: u8,
    pub(super) women: u8,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawRequirement {
    pub(super) name: String,
    pub(super) title: RawTitle,
    pub(super) accepts: Vec<String>,
    pub(super) files: Option<u8>,
    pub(super) certainty: String,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawLeg {
    pub(super) purpose: String,
    pub(super) title: RawTitle,
    pub(super) role: String,
    pub(super) limit_working_days: i64,
    pub(super) certainty: String,
    pub(super) reports: Vec<String>,
    pub(super) issues: Option<RawIssued>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawIssued {
    pub(super) name: String,
    pub(super) kind: String,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}
