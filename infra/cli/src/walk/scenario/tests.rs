#![allow(clippy::unwrap_used, reason = "a test may stop at once")]
use domain::catalogue::Role;
use domain::stage::{Stage, Step, steps};
use jiff::civil::date;

use super::*;
use crate::agencies::AgencyList;

const TODAY: Date = date(2026, 3, 31);

fn all_scenarios() -> Vec<Scenario> {
    let list = AgencyList::parse(include_str!("../../../../agencies.toml")).unwrap();
    scenarios(&Agencies::new(list.rows().cloned().collect()).unwrap(), TODAY).unwrap()
}

#[test]
fn the_stage_machine_allows_every_scenario() {
    for scenario in all_scenarios() {
        let mut stage = Stage::Draft;
        for event in &scenario.events()[1..] {
            let leads = |(step, to): &&(Step, Stage)| match *event {
                "document_stored" => *step == Step::StoreDocument,
                name => to.name() == name,
            };
            let found = scenario.legs.iter().find_map(|leg| steps(stage, leg.purpose).iter().find(leads));
            stage = found.unwrap_or_else(|| panic!("{}: {event} after {stage:?}", scenario.number)).1;
        }
        assert!(stage.is_final(), "{stage:?}");
    }
}

#[test]
fn every_service_of_the_catalogue_has_a_scenario() {
    let services: Vec<Service> = all_scenarios().iter().map(|scenario| scenario.row.service).collect();
    assert_eq!(services, Service::all());
}

#[test]
fn each_leg_goes_to_the_agency_of_its_place() {
    for scenario in all_scenarios() {
        for leg in &scenario.legs {
            let place = match scenario.row.leg(leg.purpose).unwrap().role {
                Role::Registration | Role::MoveOut => &scenario.places.registered_at,
                Role::MoveIn => scenario.places.move_in.as_ref().unwrap(),
            };
            assert!(leg.agency.jurisdiction().covers(place), "{}: {leg:?}", scenario.number);
        }
    }
}

#[test]
fn a_request_has_the_fields_and_documents_of_its_service() {
    for scenario in all_scenarios() {
        let request = scenario.request();
        let number: IdentityNumber =
            request["applicant"]["identity_number"].as_str().unwrap().parse().unwrap();
        assert_eq!(i32::from(number.age_on(TODAY)), scenario.applicant.age);
        for field in fields(scenario.row.service, scenario.case.when, Some(number.age_on(TODAY))) {
            let given = request.pointer(field.pointer);
            assert!(given.is_some() || !field.required, "{} lacks {}", scenario.number, field.pointer);
            assert!(field.value.is_none_or(|value| given.unwrap() == value));
        }
        let kinds = request["documents"].as_array().unwrap().iter().map(|document| &document["kind"]);
        let required = scenario.case.documents.iter();
        assert!(
            kinds
                .zip(required.clone())
                .all(|(kind, row)| row.accepts.iter().any(|known| kind == known.name()))
        );
        assert_eq!(request["documents"].as_array().unwrap().len(), required.len());
    }
}
