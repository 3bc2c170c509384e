//! Creating and deleting subscriptions.

use platform::config::Mode;
use platform::faults::Fault;
use protocol::callback::Secret;
use serde_json::json;

use crate::support::new_hub;

const PATH: &str = "/v1/subscriptions";

#[tokio::test]
async fn a_secret_is_returned_only_to_the_request_that_created_it() {
    let test_hub = new_hub();
    let body = json!({ "url": "https://app.example.cn/hooks", "events": ["application.received"] });
    let created = test_hub.post(PATH, "k", &body).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let secret = created.body["secret"].as_str().unwrap();
    assert_eq!(Secret::parse(secret).unwrap().as_bytes().len(), 32);
    let again = test_hub.restarted().post(PATH, "k", &body).await;
    assert_eq!((again.status, &again.bytes), (201, &created.bytes));
    let listed = test_hub.get(PATH).await;
    assert_eq!(listed.body["subscriptions"][0]["url"], "https://app.example.cn/hooks");
    assert!(!String::from_utf8(listed.bytes).unwrap().contains("secret"));
    assert_eq!(test_hub.get_as("other-app", PATH).await.body["subscriptions"], json!([]));
}

#[tokio::test]
async fn a_retry_after_a_lost_answer_receives_the_secret() {
    let test_hub = new_hub();
    let body = json!({ "url": "https://app.example.cn/hooks" });
    let calls = {
        let probe = new_hub();
        probe.post(PATH, "k", &body).await;
        probe.hub.faults.calls().len()
    };
    test_hub.hub.faults.plan(calls, Fault::DiesAfter);
    assert_eq!(test_hub.post(PATH, "k", &body).await.status, 503);
    let test_hub = test_hub.restarted();
    let one = test_hub.post(PATH, "k", &body).await;
    assert_eq!((one.status, one.bytes), (201, test_hub.post(PATH, "k", &body).await.bytes));
    assert_eq!(test_hub.get(PATH).await.body["subscriptions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_same_key_for_another_url_is_422() {
    let test_hub = new_hub();
    test_hub.post(PATH, "k", &json!({ "url": "https://app.example.cn/hooks" })).await;
    let answer = test_hub.post(PATH, "k", &json!({ "url": "https://app.example.cn/other" })).await;
    assert_eq!((answer.status, answer.code()), (422, "key_reused"));
}

#[tokio::test]
async fn url_and_event_types_are_checked() {
    let test_hub = new_hub();
    for (body, pointer, code) in [
        (json!({}), "/url", "required"),
        (json!({ "url": "http://app.example.cn/" }), "/url", "url_scheme"),
        (json!({ "url": "http://127.0.0.1:80/" }), "/url", "url_scheme"),
        (json!({ "url": "https://169.254.169.254/" }), "/url", "url_address"),
        (json!({ "url": "" }), "/url", "url_malformed"),
        (json!({ "url": 1 }), "/url", "not_text"),
        (json!({ "url": format!("https://a.b/{}", "x".repeat(1024)) }), "/url", "too_long"),
        (
            json!({ "url": "https://app.example.cn/", "events": ["application.opened"] }),
            "/events/0",
            "not_one_of",
        ),
        (json!({ "url": "https://app.example.cn/", "events": [] }), "/events", "too_few"),
        (json!({ "url": "https://app.example.cn/", "secret": "mine" }), "/secret", "unknown_field"),
    ] {
        let answer = test_hub.post(PATH, "k", &body).await;
        assert_eq!(answer.status, 422);
        assert_eq!(answer.fault(pointer).as_deref(), Some(code), "{body}");
    }
    let local = new_hub().with_mode(Mode::Local);
    assert_eq!(local.post(PATH, "k", &json!({ "url": "http://127.0.0.1:4000/hooks" })).await.status, 201);
}

#[tokio::test]
async fn i12_a_refused_url_has_every_reason_in_both_languages() {
    let test_hub = new_hub();
    let body = json!({ "url": "http://user@1.2.3.4/#part", "events": ["application.opened"] });
    let answer = test_hub.post(PATH, "k", &body).await;
    let codes: Vec<String> = answer.faults().into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["url_scheme", "url_user", "url_fragment", "url_address", "not_one_of"]);
    for reason in protocol::web_address::WebAddressError::ALL {
        assert!(http_kit::problem::texts::known(reason.code()), "{reason}");
    }
}

#[tokio::test]
async fn i13_a_url_that_no_client_can_call_is_refused() {
    let test_hub = new_hub();
    for (url, code) in [("https://x.y:65536/", "url_port"), ("https://a..b/", "url_host")] {
        let answer = test_hub.post(PATH, "k", &json!({ "url": url })).await;
        assert_eq!((answer.status, answer.fault("/url").as_deref()), (422, Some(code)), "{url}");
    }
}

#[tokio::test]
async fn a_tenant_has_at_most_ten_subscriptions_and_deletes_only_its_own() {
    let test_hub = new_hub();
    let create = async |number: usize| {
        let body = json!({ "url": format!("https://app.example.cn/{number}") });
        test_hub.post(PATH, &format!("k{number}"), &body).await
    };
    let first = create(0).await.id();
    for number in 1..10 {
        assert_eq!(create(number).await.status, 201);
    }
    let full = create(10).await;
    assert_eq!((full.status, full.code()), (409, "too_many_subscriptions"));
    let path = format!("{PATH}/{first}");
    assert_eq!(test_hub.delete_as("other-app", &path, "gone").await.status, 404);
    for _ in 0..2 {
        let removed = test_hub.delete_as("hohhot-app", &path, "gone").await;
        assert_eq!((removed.status, removed.bytes.len()), (204, 0), "a repeat receives the first answer");
    }
    assert_eq!(test_hub.delete_as("hohhot-app", &path, "again").await.status, 404);
    assert_eq!(create(10).await.status, 201);
}

/// A key does not create a second subscription after the first one is deleted.
#[tokio::test]
async fn a_repeat_after_the_deletion_creates_no_subscription() {
    let test_hub = new_hub();
    let body = json!({ "url": "https://app.example.cn/hooks" });
    let created = test_hub.post(PATH, "k", &body).await;
    let path = format!("{PATH}/{}", created.id());
    assert_eq!(test_hub.delete_as("hohhot-app", &path, "gone").await.status, 204);
    assert_eq!(test_hub.post(PATH, "k", &body).await.bytes, created.bytes);
    assert_eq!(test_hub.get(PATH).await.body["subscriptions"], json!([]));
    assert_eq!(test_hub.post(&format!("{path}/pause"), "gone", &json!({})).await.code(), "key_reused");
}
