//! Serialized types and the hub's messages and answers fit the schemas, and wrong values do not.

use domain::decide::Refusal;
use domain::event::DocumentFault;
use domain::ids::DocumentId;
use domain::person::{Address, MobileNumber, PersonName};
use domain::stage::{Stage, Step};
use http_kit::fields::FieldError;
use http_kit::problem::{Code, Language, Problem};
use http_kit::signed_request::read_payload;
use jiff::Timestamp;
use jsonschema::Validator;
use protocol::backlog::{CasesRequest, ResendRequest};
use protocol::case::{Case, Envelope};
use protocol::contracts::examples::{NAMES, named};
use protocol::contracts::problems::example;
use protocol::contracts::schemas;
use protocol::jose::{KeySet, KeyUse, PrivateKey};
use protocol::problem::agency::{AGENCY_PROBLEMS, for_agencies};
use protocol::receipts::{ReportsRequest, SignedReceipt};
use protocol::report::{DocumentRequest, FRESH_SECONDS, Receipt, Report};
use serde_json::{Value, json};
use tongban_tests::people::Citizen;

/// The validator of one message. It checks formats too: a pattern alone accepts 30 February.
fn validator(name: &str) -> Validator {
    let schema = schemas().remove(name).unwrap_or_else(|| panic!("no schema {name}"));
    jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema of 2020-12")
}

fn problems(name: &str, value: &Value) -> Vec<String> {
    validator(name).iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn fits(name: &str, value: &Value) {
    assert_eq!(problems(name, value), Vec::<String>::new(), "{name}");
}

/// An example with one member replaced, or removed when the new value is null.
fn changed(example: &str, pointer: &str, to: Value) -> Value {
    let mut value = named(example).expect("an example").expect("an example of this name");
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
    let parent = value.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    if to.is_null() {
        assert!(parent.remove(member).is_some(), "{pointer} is not there");
    } else {
        parent.insert(member.to_owned(), to);
    }
    value
}

#[test]
fn every_example_fits_its_schema() {
    for (example, schema) in NAMES {
        fits(schema, &named(example).expect("an example").expect("an example of this name"));
    }
    for kind in AGENCY_PROBLEMS {
        fits("problem", &example(kind));
    }
}

/// One wrong member at a time. The last column is whether serde refuses the value too. Otherwise the hub's checks
/// refuse it, or the schema is stricter on purpose.
#[test]
fn wrong_values_do_not_fit() {
    let long = "字".repeat(201);
    let wrong: &[(&str, &str, Value, bool)] = &[
        ("report-received", "/report_id", json!("00000000-0000-0000-0000-000000000000"), true),
        ("report-received", "/report_id", json!("6ba7b8109dad41d180b400c04fd430c8"), true),
        ("report-received", "/application", json!("6ba7b810-9dad-41d1-80b4-00c04fd430c8"), true),
        ("report-received", "/agency", json!("150"), true),
        ("report-received", "/agency", json!("99"), true),
        ("report-received", "/seen", json!(-1), true),
        ("report-received", "/seen", json!(4_294_967_296_u64), true),
        ("report-received", "/seen", json!("4"), true),
        ("report-received", "/seen", json!(0), false),
        ("report-received", "/iat", Value::Null, true),
        ("report-received", "/kind", json!("forgotten"), true),
        ("report-received", "/kind", Value::Null, true),
        ("report-issued", "/document", json!("d0"), true),
        ("report-issued", "/certificate", json!(" \u{3000}"), false),
        ("report-issued", "/certificate", json!("a\nb"), false),
        ("report-issued", "/certificate", Value::Null, true),
        ("report-moved-out", "/issued_on", json!("2026-02-30"), true),
        ("report-moved-out", "/valid_until", json!("2026-04-01T00:00:00"), false),
        ("report-supplement-requested", "/items", json!([]), false),
        ("report-supplement-requested", "/items", json!([{ "name": "a", "accepts": [] }]), false),
        ("report-supplement-requested", "/items", json!([{ "name": "a", "accepts": ["photograph"] }]), true),
        (
            "report-supplement-requested",
            "/items",
            json!([{ "name": "a", "accepts": ["other", "other"] }]),
            false,
        ),
        (
            "report-supplement-requested",
            "/items",
            json!([{ "name": "a", "accepts": ["other"], "note": long }]),
            false,
        ),
        ("document-upload", "/media_type", json!("text/html"), false),
        ("document-upload", "/size", json!(0), false),
        ("document-upload", "/size", json!(20 * 1024 * 1024 + 1), false),
        ("document-upload", "/sha256", json!("47DEQpj8HBSa"), false),
        ("document-upload", "/action", json!("delete"), true),
        ("cases-request", "/limit", json!(101), false),
        ("cases-request", "/limit", json!(70_000), true),
        ("resend-request", "/cases", json!([]), false),
        ("reports-request", "/limit", json!(101), false),
        ("reports-request", "/application", Value::Null, true),
        ("receipt", "/receipt", json!("a.b"), false),
        ("signed-receipt", "/report_sha256", json!("47DEQpj8HBSa"), false),
        ("signed-receipt", "/received_at", Value::Null, true),
        ("signed-receipt", "/outcome", json!("lost"), true),
        ("case-opened", "/personal_data/applicant/identity_number", json!("11010120231101217"), true),
        // What was stored before a rule changed stays readable.
        ("case-opened", "/personal_data/applicant/name", json!("张3"), false),
        ("case-opened", "/personal_data/applicant/mobile", json!("+8613800000000"), false),
        ("case-opened", "/personal_data/address", json!("a\u{202e}b"), false),
        ("case-opened", "/registered_at", json!("1501"), true),
        ("case-opened", "/notice", json!("closed"), true),
        ("case-opened", "/version", Value::Null, true),
        ("case-opened", "/due", json!({}), true),
        ("envelope-opened", "/type", json!("cn.tongban.case.opened.v2"), false),
        ("envelope-opened", "/specversion", json!("0.3"), false),
        ("envelope-opened", "/id", json!("0190f4c0-0000-8000-8000-000000000001:0"), true),
        ("envelope-opened", "/data", json!("a.b.c"), false),
    ];
    for (example, pointer, to, by_serde) in wrong {
        let value = changed(example, pointer, to.clone());
        let schema = NAMES.iter().find(|(name, _)| name == example).expect("an example").1;
        assert!(!problems(schema, &value).is_empty(), "{schema} takes {pointer} = {to}");
        assert_eq!(refused_by_serde(schema, &value), *by_serde, "serde and {pointer} = {to}");
        assert_ne!(taken_by_hub(schema, &value), Some(true), "the hub takes {pointer} = {to}");
    }
}

/// Whether the hub's reader takes a payload; `None` for what the hub does not read.
fn taken_by_hub(schema: &str, value: &Value) -> Option<bool> {
    let payload = value.to_string();
    let payload = payload.as_bytes();
    match schema {
        "report" => Some(read_payload::<Report>(payload).is_ok()),
        "document-request" => Some(read_payload::<DocumentRequest>(payload).is_ok()),
        "cases-request" => Some(read_payload::<CasesRequest>(payload).is_ok()),
        "resend-request" => Some(read_payload::<ResendRequest>(payload).is_ok()),
        "reports-request" => Some(read_payload::<ReportsRequest>(payload).is_ok()),
        _ => None,
    }
}

/// The hub takes every example, and refuses a member that the schema does not name (case A28 of
/// `tests/FIELD_CASES.md`).
#[test]
fn a28_the_hub_takes_the_members_of_the_schemas_and_no_others() {
    for (example, schema) in NAMES {
        let mut value = named(example).expect("an example").expect("an example of this name");
        let Some(taken) = taken_by_hub(schema, &value) else { continue };
        assert!(taken, "{example}");
        value["of_a_later_version"] = json!(1);
        assert_eq!(taken_by_hub(schema, &value), Some(false), "{example}");
    }
}

fn refused_by_serde(schema: &str, value: &Value) -> bool {
    let value = value.clone();
    match schema {
        "report" => serde_json::from_value::<Report>(value).is_err(),
        "document-request" => serde_json::from_value::<DocumentRequest>(value).is_err(),
        "cases-request" => serde_json::from_value::<CasesRequest>(value).is_err(),
        "resend-request" => serde_json::from_value::<ResendRequest>(value).is_err(),
        "reports-request" => serde_json::from_value::<ReportsRequest>(value).is_err(),
        "receipt" => serde_json::from_value::<Receipt>(value).is_err(),
        "signed-receipt" => serde_json::from_value::<SignedReceipt>(value).is_err(),
        "case" => serde_json::from_value::<Case>(value).is_err(),
        "envelope" => serde_json::from_value::<Envelope>(value).is_err(),
        other => panic!("no reader for {other}"),
    }
}

/// Values that a schema cannot exclude, as its description says: they fit the schema, and serde refuses them.
#[test]
fn schemas_are_looser_than_serde_only_where_described() {
    for (pointer, to) in [
        // a wrong check character, a birth date that does not exist
        ("/personal_data/applicant/identity_number", json!("150102199105040179")),
        ("/personal_data/applicant/identity_number", json!("150102199102310170")),
        // an integer for JSON Schema, not for serde
        ("/version", json!(4.0)),
    ] {
        let value = changed("case-opened", pointer, to.clone());
        fits("case", &value);
        assert!(serde_json::from_value::<Case>(value).is_err(), "{pointer} = {to}");
    }
}

#[test]
fn invented_people_fit() {
    for years in [3, 17, 40, 90] {
        let mut case = named("case-opened").expect("an example").expect("an example of this name");
        let citizen = Citizen::aged(years);
        case["personal_data"]["applicant"] = citizen.json();
        case["personal_data"]["address"] = json!(citizen.address);
        fits("case", &case);
        serde_json::from_value::<Case>(case).expect("a case");
    }
}

/// Accepted texts fit the schema after they are serialized again.
#[test]
fn accepted_texts_fit_when_serialized() {
    let names = [
        "张三",
        "王〇",
        "𠮷田",
        "迪丽娜尔•艾合买提",
        "ᠪᠠᠲᠤ\u{202f}ᠶᠢᠨ",
        "བཀྲ་ཤིས་",
        "ئالىم",
        "Anna-Maria O'Neill Jr.",
        "Zoe\u{308}",
        "ª",
        "µ",
    ];
    for name in names {
        let name: PersonName = name.parse().expect("a name");
        fits("case", &changed("case-opened", "/personal_data/applicant/name", json!(name)));
    }
    for mobile in ["+86 13800000000", " 19912345678"] {
        let mobile: MobileNumber = mobile.parse().expect("a mobile number");
        fits("case", &changed("case-opened", "/personal_data/applicant/mobile", json!(mobile)));
    }
    for address in [" 呼和浩特市新城区示例街1号 2-301 ", "🏠 1", &"街".repeat(200)] {
        let address: Address = address.parse().expect("an address");
        fits("case", &changed("case-opened", "/personal_data/address", json!(address)));
    }
}

#[test]
fn encrypted_and_published_objects_fit() {
    let hub = PrivateKey::generate(KeyUse::Signing).expect("a key");
    let agency = PrivateKey::generate(KeyUse::Encryption).expect("a key");
    for (example, schema) in NAMES.iter().filter(|(_, schema)| *schema == "case") {
        let value = named(example).expect("an example").expect("an example of this name");
        let case: Case = serde_json::from_value(value.clone()).expect("a case");
        let at = Timestamp::from_second(case.iat.expect("a time")).expect("a time");
        let envelope = Envelope::sign_and_encrypt(&case, at, &hub, agency.public()).expect("an envelope");
        fits("envelope", &json!(envelope));
        let opened = envelope.open([&agency], [hub.public()]).expect("the case");
        assert_eq!(json!(opened), value, "{example}");
        fits(schema, &json!(opened));
    }
    let keys = KeySet::new(vec![hub.public().clone()]).to_json().expect("a key set");
    fits("key-set", &keys);
    let mut private = keys;
    private["keys"][0]["d"] = json!("secret");
    assert!(!problems("key-set", &private).is_empty(), "the schema accepts a private key");
}

/// The bodies of the hub's problems.
#[test]
fn the_hubs_own_problems_fit() {
    let document: DocumentId = "d3".parse().expect("an id");
    let answers = Code::ALL.iter().map(|code| Problem::new(*code)).chain([
        Problem::from(Refusal::Illegal { stage: Stage::Withdrawn, step: Step::Sign }),
        Refusal::Stale { seen: 1, from: 2, to: 3 }.into(),
        Refusal::OtherLeg { stage: Stage::Dispatched }.into(),
        Refusal::Missing(vec![document]).into(),
        Refusal::Bound("events").into(),
        Refusal::DocumentRejected { document, fault: DocumentFault::Empty }.into(),
        Problem::invalid(vec![FieldError::new("/reason", "required")]),
        Problem::too_large(65_536),
        http_kit::signed_request::expired(Timestamp::now(), FRESH_SECONDS),
    ]);
    for problem in answers {
        for language in [Language::Chinese, Language::English] {
            let body = problem.body(language, Some("t-1"));
            fits("problem", &body);
            let read: protocol::problem::Problem = serde_json::from_value(body.clone()).expect("a problem");
            assert_eq!(read.kind, body["type"]);
        }
    }
}

/// The example of each problem has the members of the hub's own problem.
#[test]
fn examples_of_problems_have_the_members_of_the_real_ones() {
    let members = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let document: DocumentId = "d3".parse().expect("an id");
    let real = [
        Problem::from(Refusal::Illegal { stage: Stage::Withdrawn, step: Step::Sign }),
        Refusal::Stale { seen: 1, from: 2, to: 3 }.into(),
        Refusal::OtherLeg { stage: Stage::Dispatched }.into(),
        Refusal::Missing(vec![document]).into(),
        Refusal::Bound("events").into(),
        Refusal::DocumentRejected { document, fault: DocumentFault::Empty }.into(),
        http_kit::signed_request::expired(Timestamp::now(), FRESH_SECONDS),
    ];
    for problem in real {
        let mut real = problem.body(Language::English, Some("t-1"));
        real.as_object_mut().expect("an object").remove("detail");
        let kind = for_agencies(problem.code().name()).expect("a kind");
        assert_eq!(members(&example(kind)), members(&real), "{}", kind.code);
    }
}
