#![allow(clippy::unwrap_used, reason = "a test may")]

use serde_json::{Value, json};

use super::*;
use crate::signed_request::{PayloadError, read_payload};

const APPLICATION: &str = "0190f4c0-0000-8000-8000-000000000001";

/// A report of this kind, with members replaced, added, or removed by `null`.
fn report(kind: &str, changes: Value) -> Value {
    let mut report = json!({
        "report_id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "application": APPLICATION, "agency": "11",
        "seen": 4, "iat": 1_772_415_000, "kind": kind,
    });
    report.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    report.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    report
}

/// Pointer, code and suggestion of every fault.
fn faults<T: FromFields>(payload: &Value) -> Vec<(String, &'static str, Option<&'static str>)> {
    match read_payload::<T>(payload.to_string().as_bytes()) {
        Ok(_) => Vec::new(),
        Err(PayloadError::Fields(faults)) => {
            faults.into_iter().map(|fault| (fault.pointer, fault.code, fault.meant)).collect()
        }
        Err(PayloadError::Json(error)) => panic!("{error}"),
    }
}

fn fault(
    pointer: &str,
    code: &'static str,
    meant: Option<&'static str>,
) -> (String, &'static str, Option<&'static str>) {
    (pointer.to_owned(), code, meant)
}

/// Every kind of report, as the type writes it.
fn results() -> Vec<ReportedResult> {
    let day = "2026-03-02".parse().unwrap();
    let (text, document) = (|| "字".repeat(64), "d3".parse().unwrap());
    let item = MissingItem { name: text(), accepts: DocumentKind::from_apps(), note: "字".repeat(200) };
    vec![
        ReportedResult::Received,
        ReportedResult::SupplementRequested {
            items: vec![MissingItem { note: String::new(), ..item.clone() }, item],
        },
        ReportedResult::Signed,
        ReportedResult::NotIssued { reason: text() },
        ReportedResult::Produced,
        ReportedResult::Posted { carrier: text(), tracking: text() },
        ReportedResult::Ready { place: text() },
        ReportedResult::Approved { permit: text() },
        ReportedResult::Verified,
        ReportedResult::MovedOut { certificate: text(), issued_on: day, valid_until: day },
        ReportedResult::Settled,
        ReportedResult::Restored,
        ReportedResult::Issued { document, certificate: text() },
        ReportedResult::Rejected { reason: text() },
    ]
}

#[test]
fn every_payload_reads_as_its_type_writes_it() {
    assert_eq!(results().len(), Step::ALL.iter().filter(|step| step.report_kind().is_some()).count());
    for result in results() {
        let report = Report {
            report_id: "6ba7b810-9dad-41d1-80b4-00c04fd430c8".parse().unwrap(),
            application: APPLICATION.parse().unwrap(),
            agency: "11".parse().unwrap(),
            seen: 4,
            iat: 1_772_415_000,
            result,
        };
        assert_eq!(read_payload(&serde_json::to_vec(&report).unwrap()), Ok(report));
    }
    let document = "d1".parse().unwrap();
    let sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned();
    let upload = DocumentAction::Upload { document, media_type: "image/png".to_owned(), size: 1, sha256 };
    for action in [DocumentAction::Fetch { document }, upload] {
        let (agency, application) = ("11".parse().unwrap(), APPLICATION.parse().unwrap());
        let request = DocumentRequest { agency, application, iat: 1, action };
        assert_eq!(read_payload(&serde_json::to_vec(&request).unwrap()), Ok(request));
    }
}

#[test]
fn a13_every_wrong_member_of_a_report_is_named() {
    let wrong =
        report("moved_out", json!({ "seen": "4", "agency": "150", "issued_on": "2026-02-30", "reson": "x" }));
    let expected = [
        fault("/agency", "agency_code", None),
        fault("/seen", "not_an_integer", None),
        fault("/certificate", "required", None),
        fault("/issued_on", "date", None),
        fault("/valid_until", "required", None),
        fault("/reson", "unknown_field", None),
    ];
    assert_eq!(faults::<Report>(&wrong), expected);
    let missing = faults::<Report>(&json!({}));
    let pointers: Vec<&str> = missing.iter().map(|(pointer, ..)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/report_id", "/application", "/agency", "/seen", "/iat", "/kind"]);
    assert!(missing.iter().all(|(_, code, _)| *code == "required"));
    // The members of a kind that nobody knows are not judged.
    assert_eq!(
        faults::<Report>(&report("recieved", json!({ "reason": "x" }))),
        [fault("/kind", "not_one_of", Some("received"))]
    );
    assert_eq!(faults::<Report>(&report("submit", json!({}))), [fault("/kind", "not_one_of", None)]);
    assert_eq!(
        faults::<Report>(&report("not_issued", json!({ "reason": "字".repeat(201), "seen": 0 }))),
        [fault("/seen", "out_of_range", None), fault("/reason", "too_long", None)]
    );
}

#[test]
fn a13_a_time_with_a_fraction_is_taken() {
    let read =
        |iat: Value| read_payload::<Report>(report("received", json!({ "iat": iat })).to_string().as_bytes());
    assert_eq!(read(json!(1_772_415_000.75)).unwrap().iat, 1_772_415_000);
    for (iat, code) in
        [(json!(u64::MAX), "out_of_range"), (json!(1e300), "out_of_range"), (json!("1"), "not_a_number")]
    {
        let Err(PayloadError::Fields(faults)) = read(iat.clone()) else { panic!("{iat}") };
        assert_eq!(faults[0].code, code, "{iat}");
    }
}

#[test]
fn a14_every_list_of_a_report_is_bounded() {
    let item = |accepts: Value| {
        report("supplement_requested", json!({ "items": [{ "name": "a", "accepts": accepts }] }))
    };
    let at = |code| [fault("/items/0/accepts", code, None)];
    assert_eq!(faults::<Report>(&item(json!(vec!["other"; 5_000]))), at("too_many"));
    assert_eq!(faults::<Report>(&item(json!(["other", "other"]))), at("duplicate"));
    assert_eq!(faults::<Report>(&item(json!([]))), at("too_few"));
    assert_eq!(faults::<Report>(&item(json!(DocumentKind::from_apps()))), []);
    assert!(DocumentKind::all().len() <= limits::ACCEPTED_KINDS, "an item can accept every kind");
    let many = vec![json!({ "name": "a", "accepts": ["other"] }); limits::SUPPLEMENT_ITEMS + 1];
    assert_eq!(
        faults::<Report>(&report("supplement_requested", json!({ "items": many }))),
        [fault("/items", "too_many", None)]
    );
    let large = report("received", json!({ "padding": "x".repeat(46_000) }));
    assert_eq!(faults::<Report>(&large), [fault("/padding", "unknown_field", None)]);
}

#[test]
fn a28_a_misspelt_member_is_refused_with_the_member_that_was_meant() {
    let items = json!([{ "name": "a", "accepts": ["other"], "notes": "x" }]);
    assert_eq!(
        faults::<Report>(&report("supplement_requested", json!({ "items": items }))),
        [fault("/items/0/notes", "unknown_field", Some("note"))]
    );
    let asks = json!({ "agency": "11", "iat": 1, "afterr": "x", "limits": 5 });
    assert_eq!(
        faults::<CasesRequest>(&asks),
        [fault("/afterr", "unknown_field", Some("after")), fault("/limits", "unknown_field", Some("limit"))]
    );
    let again = json!({ "agency": "11", "iat": 1, "cases": [{ "application": APPLICATION, "mesage": 4 }] });
    assert_eq!(faults::<ResendRequest>(&again), [fault("/cases/0/mesage", "unknown_field", Some("message"))]);
    let link =
        json!({ "agency": "11", "iat": 1, "application": APPLICATION, "action": "fecth", "document": "d1" });
    assert_eq!(faults::<DocumentRequest>(&link), [fault("/action", "not_one_of", Some("fetch"))]);
    // A name that may be personal data is not repeated.
    assert_eq!(
        faults::<Report>(&report("received", json!({ "11010519491231002X": 1 }))),
        [fault("", "unknown_field", None)]
    );
}
