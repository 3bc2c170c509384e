#![allow(clippy::unwrap_used, reason = "a test may fail")]

use axum::extract::{FromRequest as _, Request};
use domain::catalogue::Service;
use domain::identity_number::IdentityNumber;
use domain::person::PersonName;
use serde_json::json;

use super::*;
use crate::problem::Problem;

#[derive(Debug, PartialEq)]
struct Applicant {
    name: PersonName,
    number: IdentityNumber,
}

#[derive(Debug, PartialEq)]
struct Order {
    service: Service,
    applicant: Applicant,
    copies: u64,
    on: Option<Date>,
    urgent: bool,
    notes: Vec<String>,
}

fn applicant(fields: &mut Fields<'_>) -> Option<Applicant> {
    let name = fields.required("name", text);
    let number = fields.required("number", text);
    Some(Applicant { name: name?, number: number? })
}

impl FromFields for Order {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let service = fields.required("service", choice);
        let applicant = fields.required("applicant", object(applicant));
        let copies = fields.required("copies", integer(1..=9));
        let on = fields.optional("on", date);
        let urgent = fields.optional("urgent", boolean).unwrap_or(false);
        let notes = fields.optional("notes", list(0..=2, free_text(1..=5))).unwrap_or_default();
        Some(Order { service: service?, applicant: applicant?, copies: copies?, on, urgent, notes })
    }
}

fn valid_order() -> Value {
    json!({
        "service": "first_identity_card", "copies": 3, "on": "2026-03-02", "notes": ["a"],
        "applicant": { "name": "张三", "number": "110101202311012176" },
    })
}

fn faults(value: &Value) -> Vec<(String, &'static str)> {
    let faults = read::<Order>(value).unwrap_err();
    faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
}

#[test]
fn a_valid_body_is_read() {
    let order = read::<Order>(&valid_order()).unwrap();
    assert_eq!((order.copies, order.urgent, order.notes.len()), (3, false, 1));
}

#[test]
fn all_missing_fields_are_named_at_once() {
    let expected = [("/service", "required"), ("/applicant", "required"), ("/copies", "required")];
    assert_eq!(faults(&json!({})), expected.map(|(pointer, code)| (pointer.to_owned(), code)));
}

#[test]
fn all_wrong_fields_are_named_at_once() {
    let found = faults(&json!({
        "service": "passport", "copies": 347.0, "on": "2026-02-30", "urgent": "yes", "notes": ["", "123456"],
        "applicant": { "name": 7, "number": "110101202311012177", "age": 3 }, "extra": 1,
    }));
    let expected = [
        ("/service", "not_one_of"),
        ("/applicant/name", "not_text"),
        ("/applicant/number", "identity_number_check_character"),
        ("/applicant/age", "unknown_field"),
        ("/copies", "not_an_integer"),
        ("/on", "date"),
        ("/urgent", "not_a_boolean"),
        ("/notes/0", "required"),
        ("/notes/1", "too_long"),
        ("/extra", "unknown_field"),
    ];
    assert_eq!(found, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
}

#[test]
fn bounds_are_enforced() {
    let with = |name: &str, value: Value| {
        let mut body = valid_order();
        body[name] = value;
        faults(&body)[0].1
    };
    assert_eq!(with("copies", json!(0)), "out_of_range");
    assert_eq!(with("copies", json!(-1)), "out_of_range");
    assert_eq!(with("copies", json!(1e30)), "out_of_range");
    assert_eq!(with("copies", json!("3")), "not_an_integer");
    assert_eq!(with("notes", json!(["a", "b", "c"])), "too_many");
    assert_eq!(with("notes", json!({})), "not_a_list");
    assert_eq!(with("notes", json!(["a\u{7}"])), "control_character");
    assert_eq!(with("applicant", json!([])), "not_an_object");
    assert_eq!(with("copies", Value::Null), "required");
    assert_eq!(faults(&json!([1])), [(String::new(), "not_an_object")]);
    let many: Map<String, Value> = (b'a'..=b'z')
        .flat_map(|a| (b'a'..=b'z').map(move |b| (a, b)))
        .map(|(a, b)| (format!("x_{}{}", char::from(a), char::from(b)), json!(1)))
        .collect();
    assert_eq!(faults(&Value::Object(many)).len(), 26 * 26 + 3, "the problem cuts the list, and says so");
}

#[test]
fn an_implausible_field_name_is_not_repeated() {
    for name in ["110101202311012176", "张三", "a/b", "13800138000", "a110101", "", "x y"] {
        let mut body = valid_order();
        body["applicant"][name] = json!(1);
        assert_eq!(faults(&body), [("/applicant".to_owned(), "unknown_field")], "{name}");
    }
}

async fn extract(
    content_type: Option<&str>,
    body: impl Into<axum::body::Body>,
) -> Result<Body<Order>, Problem> {
    let mut request = Request::builder().method("POST").uri("/");
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    Body::from_request(request.body(body.into()).unwrap(), &()).await
}

async fn status(content_type: Option<&str>, body: impl Into<axum::body::Body>) -> u16 {
    extract(content_type, body).await.unwrap_err().status().as_u16()
}

#[tokio::test]
async fn each_fault_of_a_body_has_its_status() {
    let json = Some("application/json");
    assert!(extract(Some("Application/JSON; charset=utf-8"), valid_order().to_string()).await.is_ok());
    assert_eq!(status(None, valid_order().to_string()).await, 415);
    assert_eq!(status(Some("text/plain"), valid_order().to_string()).await, 415);
    assert_eq!(status(json, vec![b' '; 400 * 1024]).await, 413);
    assert_eq!(status(json, "").await, 400);
    assert_eq!(status(json, "{\"a\":").await, 400);
    assert_eq!(status(json, &b"{\"a\":\"\xFF\"}"[..]).await, 400);
    assert_eq!(status(json, "[".repeat(1000)).await, 400);
    assert_eq!(status(json, "{}").await, 422);
}

#[test]
fn a_syntax_error_reports_its_position_only() {
    let problem = Body::<Order>::parse(b"{\n\"name\": canary}").unwrap_err();
    let text = format!("{problem:?}");
    assert!(text.contains("line 2") && !text.contains("canary"), "{text}");
}

#[test]
fn two_spellings_of_a_body_are_equal() {
    let one = Body::<Order>::parse(valid_order().to_string().as_bytes()).unwrap();
    let other = Body::<Order>::parse(
        br#"{ "applicant": {"number": "110101202311012176", "name": "\u5f20\u4e09"}, "notes": ["a"],
             "on": "2026-03-02", "copies": 3, "service": "first_identity_card" }"#,
    )
    .unwrap();
    assert_eq!(one, other);
    let shown = format!("{one:?}");
    assert!(!shown.contains("11010") && !shown.contains('张'), "{shown}");
    assert!(Body::<Nothing>::parse(b"").is_ok() && Body::<Nothing>::parse(b"{}").is_ok());
    assert!(Body::<Nothing>::parse(b"{\"a\":1}").is_err());
}

#[derive(Debug, PartialEq)]
struct Page {
    limit: u64,
    service: Option<Service>,
}

impl FromFields for Page {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let limit = fields.optional("limit", integer(1..=100)).unwrap_or(20);
        let service = fields.optional("service", choice);
        Some(Page { limit, service })
    }
}

#[test]
fn a_query_is_read_like_a_body() {
    let page = Query::<Page>::parse("limit=5&service=household_transfer").unwrap().0;
    assert_eq!(page, Page { limit: 5, service: Some(Service::named("household_transfer").unwrap()) });
    assert_eq!(Query::<Page>::parse("").unwrap().0.limit, 20);
    for wrong in ["limit=0", "limit=5.0", "limit=", "page=2", "limit=1&limit=2", "service=x"] {
        assert_eq!(Query::<Page>::parse(wrong).unwrap_err().status().as_u16(), 422, "{wrong}");
    }
}

#[test]
fn i4_a_compressed_body_and_another_character_set_are_415() {
    let check = |content_type: &'static str, coding: Option<&'static str>| {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", http::HeaderValue::from_static(content_type));
        if let Some(coding) = coding {
            headers.insert("content-encoding", http::HeaderValue::from_static(coding));
        }
        body::check_type(&headers, "application/json").map_err(|problem| problem.code().name())
    };
    for content_type in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "application/json; profile=x",
    ] {
        assert_eq!(check(content_type, None), Ok(()), "{content_type}");
    }
    assert_eq!(check("application/json", Some("identity")), Ok(()));
    for coding in ["gzip", "br", "gzip, identity", ""] {
        assert_eq!(check("application/json", Some(coding)), Err("unsupported_media_type"), "{coding}");
    }
    for content_type in
        ["application/json; charset=gbk", "application/json; Charset=\"GB18030\"", "text/plain", ""]
    {
        assert_eq!(check(content_type, None), Err("unsupported_media_type"), "{content_type}");
    }
}

/// The faults of a query, with what the detail of each says.
fn query_faults(query: &str) -> Vec<(String, String)> {
    let problem = Query::<Page>::parse(query).unwrap_err().body(crate::problem::Language::English, None);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let errors = problem["errors"].as_array().unwrap().iter();
    errors.map(|error| (text(&error["code"]), text(&error["detail"]))).collect()
}

#[test]
fn i5_an_integer_beyond_the_bounds_is_out_of_range_whatever_its_size_and_sign() {
    for query in [
        "limit=-1",
        "limit=0",
        "limit=101",
        "limit=-0",
        "limit=99999999999999999999999",
        "limit=-99999999999999999999",
    ] {
        let (code, detail) = query_faults(query).pop().unwrap();
        assert_eq!(code, "out_of_range", "{query}");
        assert!(detail.ends_with("Accepted: 1 to 100."), "{detail}");
    }
    for query in [
        "limit=1.0",
        "limit=1e1",
        "limit=",
        "limit=-",
        "limit=--1",
        "limit=%2B1",
        "limit=x",
        "limit=\u{FF11}",
    ] {
        assert_eq!(query_faults(query).pop().unwrap().0, "not_an_integer", "{query}");
    }
    let mut body = valid_order();
    for (text, code) in [
        ("-1", "out_of_range"),
        ("10", "out_of_range"),
        ("18446744073709551616", "out_of_range"),
        ("-99999999999999999999999", "out_of_range"),
        ("3.5", "not_an_integer"),
        ("3.0", "not_an_integer"),
    ] {
        body["copies"] = serde_json::from_str(text).unwrap();
        assert_eq!(faults(&body), [("/copies".to_owned(), code)], "{text}");
    }
}

#[test]
fn i7_a_refused_word_or_number_names_what_is_accepted() {
    let (code, detail) = query_faults("service=passport").pop().unwrap();
    assert_eq!(code, "not_one_of");
    for service in Service::all() {
        assert!(detail.contains(service.name()), "{detail}");
    }
    let mut body = valid_order();
    body["notes"] = json!(["123456", "b", "c"]);
    let problem = Problem::invalid(read::<Order>(&body).unwrap_err());
    for (language, expected) in [
        (crate::problem::Language::English, " Accepted: 0 to 2."),
        (crate::problem::Language::Chinese, "，可接受：0 至 2"),
    ] {
        let detail = problem.body(language, None)["errors"][0]["detail"].as_str().unwrap().to_owned();
        assert!(detail.ends_with(expected), "{detail}");
    }
    // However many words there are, the detail stays short and says how many it leaves out.
    let many = FieldError::new("/x", "not_one_of").accepting(vec!["word"; 1000]);
    let detail = Problem::invalid(vec![many]).body(crate::problem::Language::English, None);
    let detail = detail["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.len() < 400 && detail.ends_with("and 960 more."), "{detail}");
}

#[derive(Debug)]
struct Since;

impl FromFields for Since {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        fields.optional("since", timestamp);
        Some(Since)
    }
}

#[test]
fn i9_an_offset_whose_plus_was_not_encoded_is_named_as_such() {
    let fault =
        |query: &str| Query::<Since>::parse(query).map(|_| ()).map_err(|problem| problem.errors()[0].code);
    assert_eq!(fault("since=2026-01-01T00:00:00+08:00"), Err("moment_plus"));
    assert_eq!(fault("since=2026-01-01T00:00:00%2B08:00"), Ok(()));
    assert_eq!(fault("since=2026-01-01T00:00:00%20%2B08:00"), Err("moment"));
    assert_eq!(fault("since=2026-01-01+00:00:00"), Err("moment"));
    let in_a_body = read::<Since>(&json!({ "since": "2026-01-01T00:00:00 08:00" })).unwrap_err();
    assert_eq!(in_a_body[0].code, "moment", "a body is not decoded");
}

#[test]
fn i8_a_list_of_faults_that_is_cut_says_how_many_more_there_are() {
    let faults =
        |count: usize| (0..count).map(|number| FieldError::new(format!("/{number}"), "required")).collect();
    let whole = Problem::invalid(faults(50)).body(crate::problem::Language::English, None);
    assert_eq!((whole["errors"].as_array().unwrap().len(), whole.get("more_errors")), (50, None));
    let cut = Problem::invalid(faults(2000)).body(crate::problem::Language::English, None);
    assert_eq!((cut["errors"].as_array().unwrap().len(), &cut["more_errors"]), (50, &json!(1950)));
    assert_eq!(cut["detail"], "1950 more wrong fields are not listed.");
    // The detail of a problem stays, and says it too.
    let members: Map<String, Value> = (0..70).map(|number| (format!("m{number}"), json!(1))).collect();
    let twice = format!(
        "{{{}}}",
        (0..70)
            .map(|number| format!(
                "\"m{}_{}\":1,\"m{}_{}\":1",
                number / 26,
                char::from(b'a' + number % 26),
                number / 26,
                char::from(b'a' + number % 26)
            ))
            .collect::<Vec<_>>()
            .join(",")
    );
    assert_eq!(read::<Nothing>(&Value::Object(members)).unwrap_err().len(), 70);
    let cut =
        Body::<Nothing>::parse(twice.as_bytes()).unwrap_err().body(crate::problem::Language::English, None);
    assert_eq!((cut["errors"].as_array().unwrap().len(), &cut["more_errors"]), (50, &json!(20)));
    assert_eq!(cut["detail"], "A member is repeated in one object. 20 more wrong fields are not listed.");
}
