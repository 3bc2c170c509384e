//! The application forms of certification: invented people, each with a computed identity number, in a division of the
//! agency.

use std::sync::atomic::{AtomicU16, Ordering};

use domain::catalogue::{CaseRow, ServiceRow, catalogue};
use domain::division::DivisionCode;
use domain::identity_number::IdentityNumber;
use domain::ids::AgencyCode;
use domain::stage::Purpose;
use jiff::civil::date;
use protocol::coverage::FieldKind;
use protocol::form::{fields, fill};
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

    /// The form of a case of the catalogue, for an invented citizen of this name who is over 30.
    pub(super) fn form(&self, row: &ServiceRow, case: &CaseRow, name: TestApplicant) -> Value {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % 1000;
        // A valid birth date always gives an identity number. The hub would refuse a form without a number.
        let identity = IdentityNumber::compute("152301", date(1990, 1, 1), number).ok();
        fill(&fields(row.service, case.when, Some(AGE)), |field| {
            Some(match (field.pointer, field.kind) {
                ("/accepted_at", _) => self.accepted_at.into(),
                ("/registered_at", _) => json!(self.registered_at),
                ("/applicant/name", _) => name.text().into(),
                ("/applicant/identity_number", _) => json!(identity),
                ("/address", _) => "赛罕区敕勒川大街1号".into(),
                (_, FieldKind::Commitment) => true.into(),
                _ => return None,
            })
        })
    }
}

/// Least age of every invented citizen in full years: old enough for every form without a guardian.
const AGE: u8 = 30;

/// The first case of the catalogue that certification can fill in and whose only leg has this purpose: only the agency
/// under test acts on the case, and the form names only the applicant.
pub(super) fn case_with(purpose: Purpose) -> Option<(&'static ServiceRow, &'static CaseRow)> {
    let rows = catalogue().iter().filter(|row| row.legs.len() == 1 && row.leg(purpose).is_some());
    rows.filter_map(|row| {
        // Where the age chooses the case, take the case for the age of the invented citizens.
        let mut cases = row.cases.iter().filter(|case| row.member().is_some() || case.ages.contain(AGE));
        Some((row, cases.find(|case| !case.relative)?))
    })
    .next()
}

/// The first division of today that the agency is responsible for.
fn place_of(agency: &AgencyCode) -> Result<DivisionCode, CertifyError> {
    let division = agency.jurisdiction().current_divisions().next().ok_or(CertifyError::Place)?;
    division.code.parse().map_err(|_| CertifyError::Place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agencys_place_begins_with_the_agencys_code() {
        for (code, place) in [("11", "110101"), ("1504", "150402"), ("1529", "152921")] {
            let agency: AgencyCode = code.parse().expect("a code");
            assert_eq!(place_of(&agency).expect("a place").to_string(), place);
        }
    }
}
