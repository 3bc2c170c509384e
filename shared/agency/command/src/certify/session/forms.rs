//! The application forms of certification: invented people, each with a computed identity number, in a division of the agency.

use std::sync::atomic::{AtomicU16, Ordering};

use domain::division::DivisionCode;
use domain::identity_number::IdentityNumber;
use domain::ids::AgencyCode;
use jiff::civil::date;
use serde_json::{Value, json};

use crate::certify::applicant::TestApplicant;
use crate::certify::error::CertifyError;

/// Acceptance places: Xincheng in Hohhot; for an agency there, Chaoyang in Beijing.
const ACCEPTED: [&str; 2] = ["150102", "110105"];

/// Fills in forms. Each form is for another invented person.
pub(super) struct ApplicantForms {
    accepted_at: &'static str,
    registered_at: DivisionCode,
    next: AtomicU16,
}

impl ApplicantForms {
    pub(super) fn new(agency: &AgencyCode) -> Result<ApplicantForms, CertifyError> {
        let registered_at = place_of(agency)?;
        let there = agency.to_string().starts_with("1501") || agency.to_string() == "15";
        Ok(ApplicantForms {
            accepted_at: ACCEPTED[usize::from(there)],
            registered_at,
            next: AtomicU16::new(0),
        })
    }

    pub(super) fn first_card(&self, name: TestApplicant) -> Value {
        let mut body = self.form("first_identity_card", name);
        body["commitment"] = true.into();
        body
    }

    pub(super) fn household_certificate(&self, name: TestApplicant) -> Value {
        let mut body = self.form("household_certificate", name);
        body["certificate"] = "former_name".into();
        body
    }

    fn form(&self, service: &str, name: TestApplicant) -> Value {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % 1000;
        // A valid birth date always gives a number. The hub would refuse a form without one.
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

/// A division that the agency is responsible for: its code, extended to six digits.
fn place_of(agency: &AgencyCode) -> Result<DivisionCode, CertifyError> {
    let code = agency.to_string();
    let tail = "0102".get(code.len().saturating_sub(2).min(4)..).unwrap_or_default();
    format!("{code}{tail}").parse().map_err(|_| CertifyError::Place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agency_answers_for_the_place_its_code_begins() {
        for (code, place) in [("11", "110102"), ("1504", "150402")] {
            let agency: AgencyCode = code.parse().expect("a code");
            assert_eq!(place_of(&agency).expect("a place").to_string(), place);
        }
    }
}
