//! A refusal names what is accepted, and withholds nothing without a word.

use http_kit::testing::Answer;
use serde_json::json;

use crate::support::{adult, declared, new_hub};

/// The detail of the wrong field at this pointer.
fn detail(answer: &Answer, pointer: &str) -> String {
    let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
    let error = errors.iter().find(|error| error["pointer"] == pointer);
    error.and_then(|error| error["detail"].as_str()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn i7_a_refused_word_is_answered_with_the_words_that_fit_the_case() {
    let test_hub = new_hub();
    let mut body = adult();
    body["service"] = "passport".into();
    let answer = test_hub.create("k", &body).await;
    for service in domain::catalogue::Service::all() {
        assert!(detail(&answer, "/service").contains(service.name()), "{}", answer.body);
    }
    let mut body = adult();
    body["documents"] = json!([declared("marriage_certificate"), declared("household_register")]);
    let refused = detail(&test_hub.create("k", &body).await, "/documents/0/kind");
    assert!(refused.contains("proof_of_residence") && !refused.contains("household_register"), "{refused}");
    let mut body = adult();
    body["service"] = "household_transfer".into();
    for (reason, code) in [("kinship", "case_not_of_service"), ("boredom", "not_one_of")] {
        body["reason"] = reason.into();
        let answer = test_hub.create("k", &body).await;
        assert_eq!(answer.fault("/reason").as_deref(), Some(code));
        assert!(detail(&answer, "/reason").contains("job_transfer"), "{}", answer.body);
    }
    for (query, pointer, word) in [
        ("applications?stage=lost", "/stage", "supplement_requested"),
        ("coverage?service=household_transfer&reason=boredom", "/reason", "job_transfer"),
    ] {
        let answer = test_hub.get(&format!("/v1/{query}")).await;
        assert!(detail(&answer, pointer).contains(word), "{}", answer.body);
    }
}

#[tokio::test]
async fn i8_wrong_fields_and_uncovered_places_are_answered_at_once() {
    let test_hub = new_hub();
    let mut body = adult();
    body["registered_at"] = "460105".into();
    body["applicant"] = json!({ "name": "张三", "identity_number": "1" });
    let answer = test_hub.create("k", &body).await;
    answer.assert_problem(422, "invalid_fields");
    assert_eq!(
        answer.fault("/registered_at").as_deref(),
        Some("not_offered"),
        "without an age no case is known"
    );
    assert_eq!(answer.fault("/applicant/identity_number").as_deref(), Some("identity_number_length"));
    assert_eq!(answer.body["offered_by"], json!(["11", "1501", "1504", "37"]));
    body["accepted_at"] = "1".into();
    let answer = test_hub.create("k", &body).await;
    assert_eq!(
        answer.fault("/registered_at").as_deref(),
        Some("not_offered"),
        "also without the other place"
    );
    let mut body = adult();
    body["registered_at"] = "150105".into();
    body["applicant"] = json!({});
    assert_eq!(test_hub.create("k", &body).await.fault("/registered_at").as_deref(), Some("same_place"));

    let mut body = adult();
    body["registered_at"] = "460105".into();
    for number in 0..2000_u32 {
        let name: String = number.to_string().bytes().map(|digit| char::from(digit + b'a' - b'0')).collect();
        body[format!("x_{name}")] = json!(1);
    }
    let answer = test_hub.create("k", &body).await;
    assert_eq!((answer.faults().len(), &answer.body["more_errors"]), (50, &json!(1951)));
    assert_eq!(answer.fault("/registered_at").as_deref(), Some("not_offered"), "a cut list keeps the place");
}
