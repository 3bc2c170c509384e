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
    assert_eq!(with("copies", json!(1e30)), "not_an_integer");
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
    assert_eq!(faults(&Value::Object(many)).len(), FAULTS);
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
