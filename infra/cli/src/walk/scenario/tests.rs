#![allow(clippy::unwrap_used, reason = "a test may stop at once")]
use domain::stage::{Stage, Step, steps};
use jiff::civil::date;

use super::*;
use crate::agencies::AgencyList;

const TODAY: Date = date(2026, 3, 31);

fn walked() -> [Scenario; 3] {
    let list = AgencyList::parse(include_str!("../../../../agencies.toml")).unwrap();
    scenarios(&Agencies::new(list.rows().cloned().collect()).unwrap(), TODAY).unwrap()
}

#[test]
fn every_course_is_one_the_stage_machine_allows() {
    for scenario in walked() {
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
fn the_courses_lead_where_the_agencies_are() {
    let codes = walked().map(|scenario| scenario.agencies().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(codes, [vec!["11"], vec!["1501", "37", "1501"], vec!["13"]]);
}

#[test]
fn a_request_holds_what_its_service_needs() {
    let [card, transfer, certificate] = walked().map(|scenario| scenario.request());
    assert_eq!(card["commitment"], true);
    let number: IdentityNumber = card["applicant"]["identity_number"].as_str().unwrap().parse().unwrap();
    assert_eq!(number.age_on(TODAY), 18);
    assert_eq!(
        (transfer["reason"].as_str(), transfer["documents"][2]["kind"].as_str()),
        (Some("couples_joining"), Some("marriage_certificate"))
    );
    assert!(transfer["relative"]["name"].is_string());
    assert_eq!(certificate["certificate"], "household_membership");
    assert!(certificate["commitment"].is_null() && certificate["relative"].is_null());
}
