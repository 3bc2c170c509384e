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
    let (parent, member) = pointer.rsplit_once('/').expect(pointer);
    faults(|catalogue| match member.parse::<usize>() {
        Ok(index) => catalogue.pointer_mut(parent).expect(pointer)[index] = value,
        Err(_) => catalogue.pointer_mut(parent).expect(pointer)[member] = value,
    })
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
            "/services/0/legs/0/reports",
            json!(["received", "rejected"]),
            "garden/legs/approve: nobody can end it",
        ),
        ("/services/0/legs/0/reports", json!(["approved"]), "garden/legs/approve: nobody can end it"),
        (
            "/services/0/legs/1/issues",
            Value::Null,
            "may report `issued` and names no document that it issues",
        ),
        ("/services/0/legs/1/issues/kind", json!("deed"), "which an agency does not hand in"),
        ("/services/0/legs/1/purpose", json!("settle"), "garden/cases/small: nobody ends it"),
        ("/services/0/legs", json!([]), "garden/cases/small: runs through no leg"),
        ("/services/0/cases", json!([]), "garden: has no case"),
        (
            "/kinds/0/provider",
            json!("mayor"),
            "kinds/deed: has the unknown provider `mayor`; there are app, agency",
        ),
        (
            "/services/0/title/zh",
            json!("园".repeat(201)),
            "garden: has a Chinese title of more than 200 characters",
        ),
        ("/services/0/title/en", json!("a\u{202e}b"), "garden: has a English title that is refused"),
        ("/services/0/free_of_charge", Value::Null, "garden: does not say whether it is `free_of_charge`"),
        ("/services/0/case_member/name", json!("Size"), "garden/case_member: has no name in snake case"),
        ("/services/0/cases/0/when", json!("1st"), "garden/cases/1st: has no name in snake case"),
        (
            "/services/0/cases/0/when",
            json!("n".repeat(65)),
            "has no name in snake case of at most 64 characters",
        ),
        ("/services/0/cases/0/ages", json!({}), "names ages, but the member `size` chooses the case"),
        ("/services/0/cases/0/documents/0/files", json!(0), "takes 0 files; `files` is 1 to 8"),
        ("/services/0/cases/0/documents/0/files", json!(9), "takes 9 files; `files` is 1 to 8"),
        ("/services/0/cases/0/skips", json!(["dance"]), "has the unknown leg to skip `dance`"),
        ("/services/0/cases/0/skips", json!(["approve", "certify"]), "runs through no leg"),
        ("/services/0/legs/1/purpose", json!("approve"), "garden: has more than one `approve` leg"),
        (
            "/services/0/legs/1/issues/name",
            json!(""),
            "garden/legs/certify/issues: has no name in snake case",
        ),
        (
            "/services/0/legs/0/issues",
            json!({ "name": "permit", "kind": "permit" }),
            "garden/legs/approve: names a document that it issues and may not report `issued`",
        ),
        (
            "/services/0/legs/0/purpose",
            json!("settle"),
            "begins with the leg `settle`, which only another leg opens",
        ),
        ("/services/0/legs/0/purpose", json!("decide"), "never enters the leg `certify`"),
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
fn every_age_has_exactly_one_case() {
    let split = |minor: Value, adult: Value| {
        faults(|catalogue| {
            let service = &mut catalogue["services"][0];
            service.as_object_mut().unwrap().remove("case_member");
            let mut second = service["cases"][0].clone();
            service["cases"][0]["ages"] = adult;
            (second["when"], second["ages"]) = (json!("minor"), minor);
            service["cases"].as_array_mut().unwrap().push(second);
        })
    };
    assert_eq!(split(json!({ "under": 16 }), json!({ "from": 16 })), Vec::<String>::new());
    for from in [15, 17] {
        let found = split(json!({ "under": 16 }), json!({ "from": from }));
        assert_eq!(found, ["garden: has an age without a case, or with more than one"], "{from}");
    }
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

#[test]
fn a_name_may_have_sixty_four_characters_and_a_title_two_hundred() {
    assert_eq!(at("/services/0/service", json!("n".repeat(64))), Vec::<String>::new());
    assert_eq!(at("/services/0/service", json!("n_1")), Vec::<String>::new());
    assert_eq!(at("/services/0/title/zh", json!("园".repeat(200))), Vec::<String>::new());
    for limit in [1, 60] {
        assert_eq!(at("/services/0/legs/0/limit_working_days", json!(limit)), Vec::<String>::new());
    }
    for files in [1, 8] {
        assert_eq!(at("/services/0/cases/0/documents/0/files", json!(files)), Vec::<String>::new());
    }
}

#[test]
fn a_misspelt_member_is_named_wherever_it_stands() {
    let row = |catalogue: &mut Value| {
        let service = &mut catalogue["services"][0];
        let rule = json!({ "person": "applicant", "citizen": true, "rule": title("r"), "article": title("a"), "certainty": "source" });
        service["persons"] = json!([rule]);
        service["captured_on_site"] = json!([{ "name": "photo", "title": title("photo") }]);
    };
    assert_eq!(faults(row), Vec::<String>::new());
    for (pointer, place) in [
        ("", "the catalogue"),
        ("/kinds/0", "kinds/deed"),
        ("/kinds/0/title", "kinds/deed"),
        ("/services/0", "garden"),
        ("/services/0/captured_on_site/0", "garden/captured_on_site/photo"),
        ("/services/0/case_member", "garden/case_member"),
        ("/services/0/persons/0", "garden/persons/0"),
        ("/services/0/cases/0", "garden/cases/small"),
        ("/services/0/cases/0/documents/0", "garden/cases/small/documents/deed"),
        ("/services/0/legs/1", "garden/legs/certify"),
        ("/services/0/legs/1/issues", "garden/legs/certify/issues"),
    ] {
        let found = faults(|catalogue| {
            row(catalogue);
            catalogue.pointer_mut(pointer).unwrap()["colour"] = json!(1);
        });
        assert_eq!(found, [format!("{place}: has the unknown member `colour`")], "{pointer}");
    }
    let ages = faults(|catalogue| {
        let service = &mut catalogue["services"][0];
        service.as_object_mut().unwrap().remove("case_member");
        service["cases"][0]["ages"] = json!({ "to": 16 });
    });
    assert_eq!(ages, ["garden/cases/small: has the unknown member `to`"]);
}

#[test]
fn names_are_used_once_among_their_like() {
    let repeated = |pointer: &str| {
        faults(|catalogue| {
            let list = catalogue.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
            let first = list[0].clone();
            list.push(first);
        })
    };
    assert_eq!(repeated("/kinds"), ["kinds/deed: repeats the name `deed`"]);
    assert_eq!(repeated("/services/0/cases"), ["garden/cases/small: repeats the name `small`"]);
    assert_eq!(
        repeated("/services/0/cases/0/documents"),
        ["garden/cases/small/documents/deed: repeats the name `deed`"]
    );
    let captured =
        json!([{ "name": "photo", "title": title("p") }, { "name": "photo", "title": title("p") }]);
    let captured = faults(|catalogue| catalogue["services"][0]["captured_on_site"] = captured);
    assert_eq!(captured, ["garden/captured_on_site/photo: repeats the name `photo`"]);
}

#[test]
fn a_case_takes_a_bounded_number_of_files_and_issues_one_document() {
    let with_documents = |count: usize, files: u8| {
        faults(|catalogue| {
            let case = &mut catalogue["services"][0]["cases"][0];
            let document = case["documents"][0].clone();
            let documents = (0..count).map(|number| {
                let mut document = document.clone();
                (document["name"], document["files"]) = (json!(format!("d{number}")), json!(files));
                document
            });
            case["documents"] = documents.collect();
        })
    };
    // Fourteen files when the application is opened, the issued document among them.
    assert_eq!(with_documents(13, 1), Vec::<String>::new());
    assert_eq!(with_documents(14, 1), ["garden/cases/small: takes more than 14 files"]);
    assert_eq!(with_documents(2, 7), ["garden/cases/small: takes more than 14 files"]);
}

#[test]
fn a_rule_for_a_person_has_one_condition() {
    let rules = |change: Value| {
        let mut rule =
            json!({ "person": "guardian", "rule": title("r"), "article": title("a"), "certainty": "source" });
        rule.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        faults(|catalogue| catalogue["services"][0]["persons"] = json!([rule]))
    };
    for sound in [
        json!({ "named": true }),
        json!({ "citizen": true }),
        json!({ "minimum_age": { "men": 22, "women": 20 } }),
        json!({ "older_than": "applicant" }),
    ] {
        assert_eq!(rules(sound.clone()), Vec::<String>::new(), "{sound}");
    }
    let not_one =
        "garden/persons/0: has not exactly one of `named`, `citizen`, `minimum_age` and `older_than`";
    assert_eq!(rules(json!({})), [not_one]);
    assert_eq!(rules(json!({ "named": true, "citizen": true })), [not_one]);
    assert_eq!(
        rules(json!({ "person": "applicant", "named": true })),
        ["garden/persons/0: only a guardian may have a rule `named`"]
    );
    let relative = "garden/persons/0: is about a relative, whom the form does not name";
    assert_eq!(rules(json!({ "person": "relative", "citizen": true })), [relative]);
    assert_eq!(rules(json!({ "older_than": "relative" })), [relative]);
    assert!(rules(json!({ "person": "mayor", "citizen": true }))[0].contains("the unknown person `mayor`"));
    assert_eq!(
        rules(json!({ "minimum_age": { "men": 1, "women": 1, "boys": 1 } })),
        ["garden/persons/0: has the unknown member `boys`"]
    );
    let of_case = faults(|catalogue| {
        let case = &mut catalogue["services"][0]["cases"][0];
        case["relative"] = json!(true);
        case["persons"] = json!([{ "person": "relative", "citizen": true, "rule": title("r"), "article": title("a"), "certainty": "source" }]);
    });
    assert_eq!(of_case, Vec::<String>::new(), "the case names a relative");
}

#[test]
fn the_rule_of_a_person_is_a_sentence_with_its_article() {
    let mut catalogue = sound();
    catalogue["services"][0]["persons"] = json!([{
        "person": "guardian", "minimum_age": { "men": 16, "women": 15 }, "certainty": "mirror",
        "rule": { "zh": "规则", "en": "The rule" }, "article": { "zh": "第一条", "en": "article 1" },
    }]);
    let parsed = Catalogue::parse(&catalogue.to_string()).unwrap();
    let rule = &parsed.services[0].persons[0];
    assert_eq!((rule.text.zh.as_str(), rule.text.en.as_str()), ("规则（第一条）", "The rule (article 1)."));
    assert_eq!(rule.condition, domain::person_rule::Condition::MinimumAge { men: 16, women: 15 });
}
