//! Answers `GET /v1/coverage`: which agencies offer a service for given places, and with which documents and form
//! fields.

use domain::agencies::{Agencies, AgencyRow, NotCovered};
use domain::catalogue::{CaseRow, Role, Service, When, current, service_row};
use domain::division::{CurrentDivision, DivisionCode};
use domain::event::Places;
use domain::time::today;
use http_kit::fields::{FieldError, Fields, FromFields, choice, choice_among, integer, text};
use jiff::Timestamp;
use jiff::civil::Date;
use protocol::coverage::{Coverage, CoveredCase, CoveredLeg, Offerer};
use protocol::form::fields;

/// Maximum age that a query may name, in years.
const MAX_AGE: u64 = 150;

/// Query of `GET /v1/coverage`.
#[derive(Clone, Debug)]
pub struct Question {
    /// The service that the applicant wants.
    pub service: Service,
    /// Acceptance place; for a transfer, the place to which the citizen moves.
    pub from: Option<DivisionCode>,
    /// Place of household registration.
    pub to: Option<DivisionCode>,
    /// The case of the service.
    pub when: Option<When>,
    /// Applicant's age in completed years.
    pub age: Option<u8>,
}

impl FromFields for Question {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let service: Option<Service> = fields.required("service", choice);
        let from = fields.optional("from", text::<CurrentDivision>).map(DivisionCode::from);
        let to = fields.optional("to", text::<CurrentDivision>).map(DivisionCode::from);
        let row = service.map(service_row);
        let mut when = None;
        for name in current().case_members() {
            let of_service = row.filter(|row| row.member().is_some_and(|member| member.name == name));
            let cases: Vec<&str> =
                of_service.iter().flat_map(|row| &row.cases).map(|case| case.when.name()).collect();
            let case: Option<When> = fields.optional(name, choice_among(cases.clone()));
            let (Some(case), Some(row)) = (case, row) else { continue };
            if row.member().is_none_or(|member| member.name != name) {
                fields.refuse(name, "not_expected");
            } else if row.case(case).is_some() {
                when = Some(case);
            } else {
                fields.refuse_as(name, FieldError::new("", "case_not_of_service").accepting(cases));
            }
        }
        let age = fields.optional("age", integer(0..=MAX_AGE)).and_then(|age| u8::try_from(age).ok());
        let service = service?;
        if let (Some(row), Some(age)) = (row, age) {
            when = row.case_at(age).map(|case| case.when).or(when);
        }
        Some(Question { service, from, to, when, age })
    }
}

/// Computes the answer from the agencies' rows only; nothing is read or written.
#[must_use]
pub fn coverage(question: &Question, agencies: &Agencies, now: Timestamp) -> Coverage {
    let row = service_row(question.service);
    let cases: Vec<&CaseRow> =
        row.cases.iter().filter(|case| question.when.is_none_or(|when| case.when == when)).collect();
    let mut answer = Coverage {
        service: question.service,
        offered: None,
        reasons: Vec::new(),
        legs: Vec::new(),
        cases: cases.iter().map(|case| covered_case(question, case)).collect(),
        captured_on_site: row.captured_on_site.clone(),
        offered_by: Vec::new(),
    };
    if let (Some(to), Some(case)) = (&question.to, cases.first()) {
        answer.reasons = reasons(question, to, case.when, agencies, today(now));
        answer.offered = Some(answer.reasons.is_empty());
        answer.legs = legs(question, to, agencies, today(now));
    }
    if answer.offered != Some(true) {
        answer.offered_by = agencies
            .offering(question.service, today(now))
            .map(|agency| offerer(agency, question.service))
            .collect();
    }
    answer
}

fn covered_case(question: &Question, case: &CaseRow) -> CoveredCase {
    CoveredCase {
        when: case.when,
        title: case.title.clone(),
        documents: case.documents.clone(),
        fields: fields(question.service, case.when, question.age),
    }
}

fn offerer(agency: &AgencyRow, service: Service) -> Offerer {
    Offerer { agency: agency.code.clone(), name: agency.title(), since: agency.offers.get(&service).copied() }
}

/// Reasons for which the hub would reject an application, by the same rules as at creation. Without `from`, only the
/// place of registration is checked.
fn reasons(
    question: &Question,
    to: &DivisionCode,
    when: When,
    agencies: &Agencies,
    today: Date,
) -> Vec<&'static str> {
    let Some(from) = &question.from else {
        let covered = agencies.covering(question.service, to, today).is_some();
        return if covered { Vec::new() } else { vec!["not_offered"] };
    };
    let places = Places {
        accepted_at: from.clone(),
        registered_at: to.clone(),
        move_in: service_row(question.service).moves_in().then(|| from.clone()),
    };
    let Err(problems) = agencies.legs(question.service, when, &places, &[], today) else {
        return Vec::new();
    };
    let mut reasons: Vec<&'static str> = problems
        .iter()
        .map(|problem| match problem {
            NotCovered::NotOffered { .. } => "not_offered",
            NotCovered::Incapable { .. } => "incapable",
            NotCovered::SamePlace { .. } => "same_place",
        })
        .collect();
    reasons.dedup();
    reasons
}

fn legs(question: &Question, to: &DivisionCode, agencies: &Agencies, today: Date) -> Vec<CoveredLeg> {
    let row = service_row(question.service);
    let case = question.when.and_then(|when| row.case(when));
    row.legs
        .iter()
        .filter(|leg| case.is_none_or(|case| !case.skips.contains(&leg.purpose)))
        .filter_map(|leg| {
            let place = match leg.role {
                Role::Registration | Role::MoveOut => Some(to),
                Role::MoveIn => question.from.as_ref(),
            }?;
            let agency = agencies.covering(question.service, place, today)?;
            Some(CoveredLeg {
                purpose: leg.purpose,
                title: leg.title.clone(),
                agency: agency.code.clone(),
                name: agency.title(),
                limit_working_days: leg.limit_working_days,
            })
        })
        .collect()
}
