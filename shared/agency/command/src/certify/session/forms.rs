//! What certification fills in: invented people, each with a computed number, at a place of the agency.

use std::sync::atomic::{AtomicU16, Ordering};

use domain::division::DivisionCode;
use domain::identity_number::IdentityNumber;
use domain::ids::AgencyCode;
use jiff::civil::date;
use serde_json::{Value, json};

use super::super::Name;
use super::super::error::CertifyError;

/// Where the invented people apply: Xincheng, Hohhot; and, for an agency there, Chaoyang, Beijing.
const ACCEPTED: [&str; 2] = ["150102", "110105"];

/// Counts the invented people.
pub(super) struct Numbers {
    accepted_at: &'static str,
    registered_at: DivisionCode,
    next: AtomicU16,
}

impl Numbers {
    /// For an agency.
    pub(super) fn new(agency: &AgencyCode) -> Result<Numbers, CertifyError> {
        let registered_at = super::place_of(agency)?;
        let there = agency.to_string().starts_with("1501") || agency.to_string() == "15";
        Ok(Numbers { accepted_at: ACCEPTED[usize::from(there)], registered_at, next: AtomicU16::new(0) })
    }

    pub(super) fn first_card(&self, name: Name) -> Value {
        let mut body = self.form("first_identity_card", name);
        body["commitment"] = true.into();
        body
    }

    pub(super) fn household_certificate(&self, name: Name) -> Value {
        let mut body = self.form("household_certificate", name);
        body["certificate"] = "former_name".into();
        body
    }

    fn form(&self, service: &str, name: Name) -> Value {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % 1000;
        // A sound birth date always has a number; a form without one would be refused by name.
        let identity = IdentityNumber::compute("152301", date(1990, 1, 1), number).ok();
        json!({
            "service": service,
            "accepted_at": self.accepted_at,
            "registered_at": self.registered_at,
            "applicant": { "name": name.text(), "identity_number": identity },
            "address": "赛罕区敕勒川大街1号",
        })
    }
}
