//! The form fields that coverage lists are the fields that creation checks.

use domain::agencies::Agencies;
use domain::catalogue::{Service, When, service_row};
use domain::identity_number::IdentityNumber;
use domain::person_rule::{Condition, FormPerson};
use intake::opening;
use jiff::Timestamp;
use protocol::coverage::{Field, FieldKind as Kind};
use protocol::form::fields;
use serde_json::{Value, json};

fn sample(field: &Field, minor: bool) -> Value {
    let number = |birth: &str, sequence| {
        IdentityNumber::compute("150102", birth.parse().unwrap(), sequence).unwrap().as_str().to_owned()
    };
    match field.kind {
        Kind::PersonName => json!("张三"),
        Kind::IdentityNumber => match field.pointer {
            "/applicant/identity_number" if minor => json!(number("2015-01-01", 11)),
            "/applicant/identity_number" => json!(number("1980-01-01", 12)),
            "/guardian/identity_number" => json!(number("1981-01-01", 13)),
            // A parent is older than the child whom the parent joins.
            _ if minor => json!(number("2016-01-01", 14)),
            _ => json!(number("1982-01-01", 14)),
        },
        Kind::MobileNumber => json!("13800000000"),
        Kind::Address => json!("呼和浩特市新城区示例街1号"),
        Kind::Division if field.pointer == "/registered_at" => json!("110105"),
        Kind::Division => json!("150102"),
        Kind::Commitment => json!(true),
        Kind::Fixed => json!(field.value.unwrap()),
    }
}

fn set(body: &mut Value, pointer: &str, value: Value) {
    let names: Vec<&str> = pointer.split('/').skip(1).collect();
    match names[..] {
        [name] => body[name] = value,
        [object, name] => body[object][name] = value,
        _ => panic!("the form nests deeper than one object: {pointer}"),
    }
}

fn faults(body: &Value) -> Vec<String> {
    let row = json!({ "code": "46", "zh": "海南省", "en": "Hainan", "state": "active", "offers": {} });
    let agencies = Agencies::new(vec![serde_json::from_value(row).unwrap()]).unwrap();
    let now: Timestamp = "2026-03-02T01:00:00Z".parse().unwrap();
    // No agency offers the service, so `read` always fails; only the wrong fields matter here.
    let defects = opening::read(body, &"an-app".parse().unwrap(), &agencies, now).unwrap_err();
    defects.faults.into_iter().map(|fault| fault.pointer).collect()
}

/// Every service and case, with whether the applicant is under 16.
fn applicants() -> Vec<(Service, When, bool)> {
    let mut all = Vec::new();
    for service in Service::all() {
        for case in &service_row(service).cases {
            let row = service_row(service);
            let minors = match row.member() {
                Some(_) => vec![true, false],
                None => [true, false]
                    .into_iter()
                    .filter(|minor| row.case_at(if *minor { 11 } else { 46 }) == Some(case))
                    .collect(),
            };
            // No minor is a spouse.
            let of_age = case.persons.iter().any(|rule| {
                rule.person == FormPerson::Applicant && matches!(rule.condition, Condition::MinimumAge { .. })
            });
            let minors: Vec<bool> = minors.into_iter().filter(|minor| !(*minor && of_age)).collect();
            all.extend(minors.into_iter().map(|minor| (service, case.when, minor)));
        }
    }
    all
}

/// All listed fields are accepted, and each required field is reported when it is missing.
#[test]
fn the_listed_form_matches_the_checks() {
    for (service, when, minor) in applicants() {
        let age = if minor { 11 } else { 46 };
        let with_age = fields(service, when, Some(age));
        let without_age =
            fields(service, when, None).into_iter().filter(|field| minor || field.condition.is_none());
        let without_age: Vec<Field> = without_age.map(|field| Field { condition: None, ..field }).collect();
        assert_eq!(with_age, without_age, "the condition of a field depends on the age only");
        let fields = with_age;
        let fill = |wanted: &dyn Fn(&Field) -> bool| {
            let mut body = json!({});
            for field in fields.iter().filter(|field| wanted(field)) {
                set(&mut body, field.pointer, sample(field, minor));
            }
            body
        };
        assert_eq!(faults(&fill(&|_| true)), Vec::<String>::new(), "{service:?} {when:?}");
        assert_eq!(faults(&fill(&|field| field.required)), Vec::<String>::new());
        for left_out in fields.iter().filter(|field| field.required && field.pointer != "/service") {
            let faults = faults(&fill(&|field| field.required && field.pointer != left_out.pointer));
            let parent = left_out.pointer.rsplit_once('/').unwrap().0;
            assert!(
                faults.iter().any(|fault| fault == left_out.pointer || fault == parent),
                "{service:?} {when:?} without {}: {faults:?}",
                left_out.pointer
            );
        }
    }
}
