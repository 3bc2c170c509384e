//! An application is created exactly once, despite crashes and lost answers (faults 1 to 7).

use domain::agencies::Agencies;
use jiff::SignedDuration;
use platform::faults::Fault;
use platform::hub::Hub as _;
use platform::store::Store as _;
use platform::vault::Vault as _;
use serde_json::json;

use crate::support::{adult, agencies, declared, new_hub, person};

#[tokio::test]
async fn a_new_application_lists_missing_documents_and_upload_links() {
    let test_hub = new_hub();
    let mut body = adult();
    body["documents"] = json!([declared("proof_of_work")]);
    let answer = test_hub.create("k", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.headers["location"], format!("/v1/applications/{}", answer.id()));
    assert_eq!(answer.body["stage"], "draft");
    assert_eq!(answer.body["missing"], json!(["d1", "d2"]));
    let documents = answer.body["documents"].as_array().unwrap();
    assert!(documents[0].get("upload").is_none(), "d1 was not declared");
    assert_eq!(documents[1]["requirement"], "lawful_stay");
    let upload = &documents[1]["upload"];
    assert_eq!((&upload["method"], &upload["headers"]["content-type"]), (&json!("PUT"), &json!("image/png")));
    assert!(upload["url"].as_str().unwrap().ends_with(&format!("applications/{}/d2/0", answer.id())));
}

#[tokio::test]
async fn a_create_is_one_write_with_encrypted_personal_data() {
    let test_hub = new_hub();
    let answer = test_hub.create("k", &adult()).await;
    let writes: Vec<_> =
        test_hub.hub.faults.calls().into_iter().filter(|call| call.starts_with("store.")).collect();
    assert_eq!(writes, ["store.create"]);
    let stored = test_hub.hub.store().get(answer.id().parse().unwrap()).await.unwrap().unwrap();
    let events = String::from_utf8(stored.ledger.entries()[0].bytes.clone()).unwrap();
    for personal in ["张三", "13800000000", "示例街", &crate::support::number("2000-01-01", 11)] {
        assert!(!events.contains(personal) && !answer.body.to_string().contains(personal));
    }
    let personal_data =
        test_hub.hub.vault().decrypt("personal_data", &answer.id(), &stored.encrypted).await.unwrap();
    assert!(String::from_utf8_lossy(&personal_data).contains("13800000000"));
}

#[tokio::test]
async fn a_certificate_has_a_slot_for_the_issued_document() {
    let mut body = adult();
    body["service"] = "household_certificate".into();
    body["certificate"] = "kinship".into();
    body["relative"] = person("1975-05-05", 33);
    let answer = new_hub().create("k", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let last = answer.body["documents"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["requirement"], &last["provider"]), (&json!("issued_certificate"), &json!("agency")));
    assert!(!answer.body["missing"].as_array().unwrap().contains(&last["id"]));
}

#[tokio::test]
async fn a_transfer_moves_to_the_acceptance_place_unless_it_says_otherwise() {
    let test_hub = new_hub();
    let mut body = adult();
    body["service"] = "household_transfer".into();
    body["reason"] = "graduation".into();
    let answer = test_hub.create("a", &body).await;
    assert_eq!(answer.body["move_in"], "150102", "{}", answer.body);
    body["move_in"] = "150402".into();
    assert_eq!(test_hub.create("b", &body).await.body["move_in"], "150402");
}

#[tokio::test]
async fn a_crash_before_the_write_and_a_retry_create_one_application() {
    let test_hub = new_hub();
    let probe = new_hub();
    probe.create("k", &adult()).await;
    let calls = probe.hub.faults.calls().len();
    for call in 1..=calls {
        let test_hub = new_hub();
        test_hub.hub.faults.plan(call, Fault::DiesBefore);
        assert_eq!(test_hub.create("k", &adult()).await.status, 503, "call {call}");
        let answer = test_hub.restarted().create("k", &adult()).await;
        assert_eq!(answer.status, 201, "call {call}: {}", answer.body);
        assert_eq!(test_hub.hub.store.ids().len(), 1);
    }
    assert!(test_hub.hub.store.ids().is_empty());
}

#[tokio::test]
async fn a_retry_after_a_lost_answer_receives_the_same_answer() {
    let calls = {
        let test_hub = new_hub();
        test_hub.create("k", &adult()).await;
        test_hub.hub.faults.calls().len()
    };
    let mut body = adult();
    body["documents"] = json!([declared("household_register")]);
    let undisturbed = new_hub().create("k", &body).await;
    for call in 1..=calls {
        let test_hub = new_hub();
        test_hub.hub.faults.plan(call, Fault::DiesAfter);
        let lost = test_hub.create("k", &body).await;
        assert_eq!((lost.status, &lost.headers["retry-after"]), (503, &"2".parse().unwrap()));
        let answer = test_hub.restarted().create("k", &body).await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.body, undisturbed.body, "call {call}");
        assert_eq!(test_hub.hub.store.ids().len(), 1);
    }
}

#[tokio::test]
async fn the_same_key_for_another_body_is_422_and_changes_nothing() {
    let test_hub = new_hub();
    let first = test_hub.create("k", &adult()).await;
    let mut other = adult();
    other["address"] = "呼和浩特市新城区示例街2号".into();
    let answer = test_hub.create("k", &other).await;
    assert_eq!((answer.status, answer.code()), (422, "key_reused"));
    other["address"] = 7.into();
    assert_eq!(test_hub.create("k", &other).await.code(), "key_reused", "also with an invalid body");
    assert_eq!(test_hub.get(&format!("/v1/applications/{}", first.id())).await.body["version"], 1);
    // Another spelling of the same body is the same body.
    let spelled = adult().to_string().replace("张三", "\\u5f20\\u4e09").replace("\":", "\" :  ");
    let request = test_hub
        .request("POST", "/v1/applications", "hohhot-app")
        .header("idempotency-key", "\"k\"")
        .header("content-type", "application/json; charset=utf-8");
    let again = test_hub.send(request.body(spelled.into()).unwrap()).await;
    assert_eq!((again.status, again.bytes), (201, first.bytes));
}

#[tokio::test]
async fn the_same_key_of_two_tenants_creates_two_applications() {
    let test_hub = new_hub();
    let one = test_hub.post_as("hohhot-app", "/v1/applications", "k", &adult()).await;
    let other = test_hub.post_as("baotou-app", "/v1/applications", "k", &adult()).await;
    assert_eq!((one.status, other.status), (201, 201));
    assert_ne!(one.id(), other.id());
    assert_eq!(test_hub.hub.store.ids().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_concurrent_requests_with_one_key_create_one_application() {
    let test_hub = new_hub();
    let requests: Vec<_> = (0..100)
        .map(|_| {
            let test_hub = test_hub.clone();
            tokio::spawn(async move { test_hub.create("k", &adult()).await })
        })
        .collect();
    let mut bodies = std::collections::BTreeSet::new();
    for request in requests {
        let answer = request.await.unwrap();
        assert_eq!(answer.status, 201);
        bodies.insert(answer.bytes);
    }
    assert_eq!((bodies.len(), test_hub.hub.store.ids().len()), (1, 1));
}

#[tokio::test]
async fn the_same_key_after_a_day_and_a_month_is_the_same_application() {
    let test_hub = new_hub();
    let first = test_hub.create("k", &adult()).await;
    for days in [1, 30] {
        test_hub.hub.clock.advance(SignedDuration::from_hours(24 * days));
        let again = test_hub.restarted().create("k", &adult()).await;
        assert_eq!((again.status, &again.bytes), (201, &first.bytes));
    }
}

#[tokio::test]
async fn a_replay_is_answered_even_when_its_body_became_invalid() {
    let test_hub = new_hub();
    let mut child = adult();
    child["applicant"] = person("2010-03-03", 11);
    child["guardian"] = person("1980-01-01", 22);
    child["documents"] = json!([declared("birth_certificate")]);
    let first = test_hub.create("k", &child).await;
    assert_eq!(first.status, 201, "{}", first.body);
    // Meanwhile the child turns 16, and no agency offers the service any more.
    test_hub.hub.clock.advance(SignedDuration::from_hours(48));
    let mut nobody = agencies().agencies().to_vec();
    nobody.iter_mut().for_each(|row| row.offers.clear());
    let again = test_hub.with_agencies(Agencies::new(nobody).unwrap()).create("k", &child).await;
    assert_eq!((again.status, again.id()), (201, first.id()), "{}", again.body);
    assert_eq!(again.body["version"], 1);
    assert_eq!(again.body["documents"][1]["upload"]["url"], first.body["documents"][1]["upload"]["url"]);
}

#[tokio::test]
async fn throttling_is_503_with_retry_after() {
    let test_hub = new_hub();
    let calls = {
        let test_hub = new_hub();
        test_hub.create("k", &adult()).await;
        test_hub.hub.faults.calls().len()
    };
    test_hub.hub.faults.plan(calls, Fault::Throttled);
    let answer = test_hub.create("k", &adult()).await;
    assert_eq!((answer.status, answer.code()), (503, "throttled"));
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(test_hub.create("k", &adult()).await.status, 201);
}

#[tokio::test]
async fn a_list_has_only_the_tenants_applications_newest_first_in_pages() {
    let test_hub = new_hub();
    let mut ids = Vec::new();
    for number in 0..5 {
        test_hub.hub.clock.advance(SignedDuration::from_secs(1));
        ids.insert(0, test_hub.create(&format!("k{number}"), &adult()).await.id());
        test_hub.post_as("other-app", "/v1/applications", &format!("k{number}"), &adult()).await;
    }
    let mut found = Vec::new();
    let mut path = "/v1/applications?limit=2".to_owned();
    loop {
        let page = test_hub.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let applications = page.body["applications"].as_array().unwrap().clone();
        assert!(applications.len() <= 2);
        found.extend(applications.iter().map(|view| view["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["next"].as_str() else { break };
        path = format!("/v1/applications?limit=2&cursor={next}");
    }
    assert_eq!(found, ids);
}
