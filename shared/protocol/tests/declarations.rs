//! What the hub declares once: operations, forms and advice.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use domain::catalogue::{Service, When};
use protocol::coverage::{Condition, Field, FieldKind};
use protocol::form::{fields, fill};
use protocol::operations::all;
use protocol::operations::operation::{Access, Function, Method, Scope};
use protocol::problem::advice::{ADVICE, Fixer, advice};
use serde_json::json;

fn of(service: &str, when: &str, age: Option<u8>) -> Vec<Field> {
    fields(Service::named(service).unwrap(), When::named(when).unwrap(), age)
}

fn pointers(fields: &[Field]) -> String {
    fields.iter().map(|field| field.pointer).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_form_has_the_fields_of_its_case() {
    let applicant = "/applicant/name /applicant/identity_number /applicant/mobile";
    let guardian = "/guardian/name /guardian/identity_number /guardian/mobile";
    let relative = "/relative/name /relative/identity_number /relative/mobile";
    let adult = of("first_identity_card", "adult", None);
    assert_eq!(
        pointers(&adult),
        format!("/service /accepted_at /registered_at {applicant} /address /commitment")
    );
    let minor = of("first_identity_card", "minor", None);
    assert_eq!(
        pointers(&minor),
        format!("/service /accepted_at /registered_at {applicant} {guardian} /address /commitment")
    );
    assert!(minor.iter().all(|field| field.condition.is_none()), "the case decides");
    let kinship = of("household_certificate", "kinship", Some(30));
    assert_eq!(
        pointers(&kinship),
        format!("/service /certificate /accepted_at /registered_at {applicant} {relative} /address")
    );
    let moves = of("household_transfer", "job_transfer", Some(15));
    assert_eq!(
        pointers(&moves),
        format!("/service /reason /accepted_at /registered_at /move_in {applicant} {guardian} /address")
    );
    assert!(of("first_identity_card", "kinship", None).is_empty(), "a case of another service");
}

#[test]
fn without_an_age_the_guardian_has_a_condition() {
    let condition = |age: Option<u8>| {
        let fields = of("household_transfer", "job_transfer", age);
        fields.iter().find(|field| field.pointer == "/guardian/name").map(|field| field.condition)
    };
    assert_eq!(condition(None), Some(Some(Condition::ApplicantUnder(16))));
    assert_eq!((condition(Some(15)), condition(Some(16))), (Some(None), None));
    assert_eq!(json!(Condition::ApplicantUnder(16)), "applicant_under_16");
}

#[test]
fn a_field_says_its_kind_and_a_fixed_one_its_value() {
    let fields = of("household_transfer", "job_transfer", Some(30));
    let find = |pointer: &str| fields.iter().find(|field| field.pointer == pointer).unwrap();
    assert_eq!(
        (find("/service").value, find("/reason").value),
        (Some("household_transfer"), Some("job_transfer"))
    );
    assert_eq!((find("/service").kind, find("/service").required), (FieldKind::Fixed, true));
    assert_eq!((find("/move_in").kind, find("/move_in").required), (FieldKind::Division, false));
    assert_eq!((find("/accepted_at").value, find("/accepted_at").required), (None, true));
    let body = fill(&fields, |field| (field.kind == FieldKind::PersonName).then(|| json!("张三")));
    let expected =
        json!({ "service": "household_transfer", "reason": "job_transfer", "applicant": { "name": "张三" } });
    assert_eq!(body, expected);
}

#[test]
fn an_operation_of_an_agency_is_signed_and_one_of_an_app_has_a_scope() {
    let operations: Vec<_> = all().collect();
    assert!(operations.len() > 20, "{} operations", operations.len());
    let signed: Vec<&str> = operations
        .iter()
        .filter(|operation| operation.access == Access::Signed)
        .map(|operation| operation.id)
        .collect();
    assert_eq!(signed, ["sendReport", "listReports", "listCases", "resendCases", "linkDocument"]);
    let send = operations.iter().find(|operation| operation.id == "sendReport").unwrap();
    assert_eq!((send.method, send.path, send.function), (Method::Post, "/v1/reports", Function::Reports));
    let names = [Function::Intake, Function::Subscriptions, Function::Documents, Function::Reports]
        .map(Function::name);
    assert_eq!(names, ["Intake", "Subscriptions", "Documents", "Reports"]);
    let scopes = Scope::ALL.map(|scope| scope.to_string());
    assert_eq!(scopes, ["applications:read", "applications:write", "subscriptions:write"]);
    assert_eq!(Scope::ALL.map(Scope::name).map(str::to_owned), scopes);
}

#[test]
fn advice_is_found_by_its_code_and_names_who_can_fix_the_problem() {
    for row in ADVICE {
        assert_eq!(advice(row.code), Some(row));
    }
    assert_eq!(advice("nothing"), None);
    assert_eq!(advice("throttled").map(|row| row.who), Some(Fixer::Program));
    let all = [Fixer::Developer, Fixer::Program, Fixer::Citizen, Fixer::Operator];
    assert_eq!(
        all.map(Fixer::en),
        [
            "the developer of the calling program",
            "the calling program, by repeating the request",
            "the citizen, or whoever serves the citizen",
            "the operators of the hub",
        ]
    );
    assert_eq!(
        all.map(Fixer::zh),
        ["调用方的开发人员", "调用方程序，重复请求即可", "办事群众或窗口人员", "平台运维人员"]
    );
}
