//! An invalid catalogue is refused, and the error lists every fault.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use domain::catalogue::Catalogue;
use serde_json::{Value, json};

fn title(text: &str) -> Value {
    json!({ "zh": text, "en": text })
}

/// A small valid catalogue: one service with two legs.
fn sound() -> Value {
    json!({
        "kinds": [
            { "kind": "deed", "title": title("deed") },
            { "kind": "permit", "title": title("permit"), "provider": "agency" },
        ],
        "services": [{
            "service": "garden",
            "title": title("garden"),
            "legal_source": title("law"),
            "free_of_charge": true,
            "case_member": { "name": "size", "title": title("size") },
            "cases": [{
                "when": "small",
                "title": title("small"),
                "documents": [{ "name": "deed", "title": title("deed"), "accepts": ["deed"], "certainty": "source" }],
            }],
            "legs": [
                {
                    "purpose": "approve", "title": title("approval"), "role": "move_in", "limit_working_days": 1,
                    "certainty": "source", "reports": ["received", "approved"],
                },
                {
                    "purpose": "certify", "title": title("permit"), "role": "registration", "limit_working_days": 60,
                    "certainty": "source", "reports": ["received", "issued"],
                    "issues": { "name": "permit", "kind": "permit" },
                },
            ],
        }],
    })
}

/// The faults of the valid catalogue after one change.
fn faults(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut catalogue = sound();
    change(&mut catalogue);
    match Catalogue::parse(&catalogue.to_string()) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.0.iter().map(ToString::to_string).collect(),
    }
}

/// A change at one place.
fn at(pointer: &str, value: Value) -> Vec<String> {
    faults(|catalogue| *catalogue.pointer_mut(pointer).expect(pointer) = value)
}

#[test]
fn a_valid_catalogue_is_parsed() {
    assert_eq!(faults(|_| {}), Vec::<String>::new());
}

#[test]
fn each_fault_is_named_with_its_place() {
    const LEG: &str = "/services/0/legs/0";
    let cases = [
        ("/services/0/title/zh", json!(""), "garden: has no Chinese title"),
        (
            "/services/0/cases/0/documents/0/title/en",
            json!(" "),
            "garden/cases/small/documents/deed: has no English title",
        ),
        ("/kinds/0/title/en", json!(""), "kinds/deed: has no English title"),
        ("/services/0/service", json!("Garden"), "has no name in snake case"),
        ("/services/0/cases/0/documents", json!([]), "garden/cases/small: needs no document"),
        ("/services/0/cases/0/documents/0/accepts", json!([]), "accepts no kind of document"),
        (
            "/services/0/cases/0/documents/0/accepts",
            json!(["diploma"]),
            "names the unknown kind of document `diploma`",
        ),
        ("/services/0/cases/0/documents/0/accepts", json!(["permit"]), "which an app does not hand in"),
        ("/services/0/cases/0/documents/0/certainty", json!("maybe"), "has the unknown certainty `maybe`"),
        ("/services/0/case_member/name", json!("applicant"), "is a member that forms have anyway"),
        ("/services/0/legs/0/role", json!("mayor"), "garden/legs/approve: has the unknown role `mayor`"),
        ("/services/0/legs/0/purpose", json!("dance"), "has the unknown purpose `dance`"),
        (
            "/services/0/legs/0/limit_working_days",
            json!(0),
            "has a limit of 0 working days; it must be 1 to 60",
        ),
        ("/services/0/legs/0/limit_working_days", json!(61), "has a limit of 61 working days"),
        ("/services/0/legs/0/reports", json!(["received"]), "garden/legs/approve: nobody can end it"),
        (
            "/services/0/legs/0/reports",
            json!(["received", "approved", "sung"]),
            "names the unknown report `sung`",
        ),
        (
            "/services/0/legs/0/reports",
            json!(["received", "approved", "settled"]),
            "takes the report `settled`",
        ),
        (
            "/services/0/legs/0/reports",
            json!(["received", "approved", "approved"]),
            "names the report `approved` twice",
        ),
        ("/services/0/legs/1/reports", json!(["received"]), "garden/legs/certify: nobody can end it"),
        (
            "/services/0/legs/1/issues",
            Value::Null,
            "may report `issued` and names no document that it issues",
        ),
        ("/services/0/legs/1/issues/kind", json!("deed"), "which an agency does not hand in"),
        ("/services/0/legs/1/purpose", json!("settle"), "garden/cases/small: nobody ends it"),
        ("/services/0/legs", json!([]), "garden/cases/small: runs through no leg"),
        ("/services/0/cases", json!([]), "garden: has no case"),
        ("/services", json!([]), "services: there is none"),
    ];
    for (pointer, value, expected) in cases {
        let found = at(pointer, value.clone());
        assert!(found.iter().any(|fault| fault.contains(expected)), "{pointer} = {value}: {found:?}");
    }
    let skipped = faults(|catalogue| catalogue["services"][0]["cases"][0]["skips"] = json!(["restore"]));
    assert!(skipped.iter().any(|fault| fault.contains("restore")), "{skipped:?}");
    let misspelt = faults(|catalogue| catalogue.pointer_mut(LEG).unwrap()["limit"] = json!(3));
    assert_eq!(misspelt, ["garden/legs/approve: has the unknown member `limit`"]);
    let twice = faults(|catalogue| {
        let row = catalogue["services"][0].clone();
        catalogue["services"].as_array_mut().unwrap().push(row);
    });
    assert_eq!(twice, ["garden: repeats the name `garden`"]);
}

#[test]
fn ages_that_choose_a_case_leave_no_age_out() {
    let by_age = |ages: Value| {
        faults(|catalogue| {
            let service = &mut catalogue["services"][0];
            service.as_object_mut().unwrap().remove("case_member");
            service["cases"][0]["ages"] = ages;
        })
    };
    assert_eq!(by_age(json!({})), Vec::<String>::new());
    for ages in [json!({ "from": 16 }), json!({ "under": 16 })] {
        assert_eq!(by_age(ages), ["garden: has an age without a case, or with more than one"]);
    }
    assert!(by_age(json!({ "from": 16, "under": 16 })).len() > 1);
}

#[test]
fn all_faults_are_named_at_once() {
    let found = faults(|catalogue| {
        catalogue["services"][0]["title"]["en"] = json!("");
        catalogue["services"][0]["legs"][0]["role"] = json!("mayor");
        catalogue["services"][0]["legs"][1]["reports"] = json!(["issued", "sung"]);
        catalogue["services"][0]["cases"][0]["documents"][0]["accepts"] = json!(["diploma"]);
    });
    for expected in ["no English title", "role `mayor`", "report `sung`", "kind of document `diploma`"] {
        assert_eq!(found.iter().filter(|fault| fault.contains(expected)).count(), 1, "{expected}: {found:?}");
    }
}

#[test]
fn malformed_json_is_refused_with_its_position() {
    let refused = Catalogue::parse("{\n\"kinds\": 3}").unwrap_err().to_string();
    assert!(refused.contains("line 2"), "{refused}");
}
