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
pub(in crate::certify) struct ApplicantForms {
    /// Acceptance place, of another agency.
    pub(super) elsewhere: DivisionCode,
    /// A place of the agency under test.
    pub(super) own: DivisionCode,
    next: AtomicU16,
}

/// The places of an application.
#[derive(Clone, Debug)]
pub(super) struct FormPlaces {
    pub(super) accepted_at: DivisionCode,
    pub(super) registered_at: DivisionCode,
    /// The place to move to, where the service has one.
    pub(super) move_in: DivisionCode,
}

impl ApplicantForms {
    /// Forms for citizens in the agency's area, who apply in the area of the other agency where there is one.
    pub(super) fn new(
        agency: &AgencyCode,
        other: Option<&AgencyCode>,
    ) -> Result<ApplicantForms, CertifyError> {
        let there = agency.to_string().starts_with("1501") || agency.to_string() == "15";
        let elsewhere = match other {
            Some(other) => place_of(other)?,
            None => ACCEPTED[usize::from(there)].parse().map_err(|_| CertifyError::Place)?,
        };
        Ok(ApplicantForms { elsewhere, own: place_of(agency)?, next: AtomicU16::new(0) })
    }

    /// Places of a citizen who is registered in the agency's area and applies elsewhere.
    pub(super) fn away(&self) -> FormPlaces {
        let elsewhere = self.elsewhere.clone();
        FormPlaces { accepted_at: elsewhere.clone(), registered_at: self.own.clone(), move_in: elsewhere }
    }

    /// The form of a case of the catalogue, for an invented citizen of this name who is over 30.
    pub(super) fn form(
        &self,
        row: &ServiceRow,
        case: &CaseRow,
        name: TestApplicant,
        places: &FormPlaces,
    ) -> Value {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % 1000;
        // A valid birth date always gives an identity number. The hub would refuse a form without a number.
        let identity = IdentityNumber::compute("152301", date(1990, 1, 1), number).ok();
        fill(&fields(row.service, case.when, Some(AGE)), |field| {
            Some(match (field.pointer, field.kind) {
                ("/accepted_at", _) => json!(places.accepted_at),
                ("/registered_at", _) => json!(places.registered_at),
                ("/move_in", _) => json!(places.move_in),
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

/// A service of the catalogue and one of its cases.
pub(in crate::certify) type ServiceCase = (&'static ServiceRow, &'static CaseRow);

/// The first case of the catalogue that certification can fill in and whose only leg has this purpose: only the agency
/// under test acts on the case, and the form names only the applicant.
pub(super) fn case_with(purpose: Purpose) -> Option<ServiceCase> {
    let mut rows = catalogue().iter().filter(|row| row.legs.len() == 1 && row.leg(purpose).is_some());
    rows.find_map(|row| Some((row, fillable(row).next()?)))
}

/// The first case of the catalogue that certification can fill in, of a service with legs of two agencies that begins
/// with this purpose. `skips`: whether the case leaves this first leg out.
pub(in crate::certify) fn moving_case(first: Purpose, skips: bool) -> Option<ServiceCase> {
    let mut rows = catalogue().iter().filter(|row| row.moves_in() && row.leg(first).is_some());
    rows.find_map(|row| Some((row, fillable(row).find(|case| case.skips.contains(&first) == skips)?)))
}

/// The cases of a service whose form names only the applicant.
fn fillable(row: &'static ServiceRow) -> impl Iterator<Item = &'static CaseRow> {
    // Where the age chooses the case, take the case for the age of the invented citizens.
    let cases = row.cases.iter().filter(|case| row.member().is_some() || case.ages.contain(AGE));
    cases.filter(|case| !case.relative)
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
