//! Many applications in one request.

use platform::faults::Fault;
use serde_json::{Value, json};

use crate::support::{adult, new_hub};

const PATH: &str = "/v1/applications/batch";

fn item(key: &str, application: Value) -> Value {
    json!({ "key": key, "application": application })
}

fn statuses(body: &Value) -> Vec<u64> {
    body["results"].as_array().unwrap().iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn each_result_equals_that_of_a_single_request() {
    let test_hub = new_hub();
    let alone = test_hub.create("form-1", &adult()).await;
    let mut wrong = adult();
    wrong["registered_at"] = "999999".into();
    let mut nowhere = adult();
    nowhere["registered_at"] = "460105".into();
    let batch = json!({ "applications": [
        item("form-1", adult()), item("form-2", wrong), item("form-3", adult()), item("form-4", json!(7)),
        item("form-5", nowhere),
    ] });
    let answer = test_hub.post(PATH, "unused", &batch).await;
    assert_eq!(
        (answer.status, statuses(&answer.body)),
        (200, vec![201, 422, 201, 422, 422]),
        "{}",
        answer.body
    );
    let results = &answer.body["results"];
    assert_eq!(results[0]["application"]["id"], alone.body["id"]);
    assert_eq!(results[1]["problem"]["errors"][0]["pointer"], "/registered_at");
    assert_eq!(results[4]["problem"]["type"], "/problems/not_covered");
    let again = test_hub.post(PATH, "another", &batch).await;
    assert_eq!(again.bytes, answer.bytes, "a repeated batch receives the same results");
    let other = json!({ "applications": [item("form-3", { let mut body = adult(); body["address"] = "别处2号".into(); body })] });
    let misused = test_hub.post(PATH, "unused", &other).await;
    assert_eq!(misused.body["results"][0]["problem"]["type"], "/problems/key_reused");
    let stranger = test_hub.post_as("another-app", PATH, "unused", &batch).await;
    assert_ne!(stranger.body["results"][0]["application"]["id"], alone.body["id"]);
}

#[tokio::test]
async fn a_temporary_failure_affects_one_application_only() {
    let test_hub = new_hub();
    let batch = json!({ "applications": [item("a", adult()), item("b", adult()), item("c", adult())] });
    let calls = {
        let test_hub = new_hub();
        test_hub.post(PATH, "k", &batch).await;
        test_hub.hub.faults.calls().len()
    };
    test_hub.hub.faults.plan(calls, Fault::Throttled);
    let answer = test_hub.post(PATH, "k", &batch).await;
    assert_eq!(answer.status, 200);
    let first = statuses(&answer.body);
    assert_eq!(
        (first.iter().filter(|status| **status == 201).count(), first.contains(&503)),
        (2, true),
        "{first:?}"
    );
    let again = test_hub.restarted().post(PATH, "k", &batch).await;
    assert_eq!(statuses(&again.body), [201, 201, 201]);
}

#[tokio::test]
async fn the_size_of_a_batch_is_bounded() {
    let test_hub = new_hub();
    let many = |count: usize| json!({ "applications": (0..count).map(|number| item(&format!("k-{number}"), json!({}))).collect::<Vec<_>>() });
    assert_eq!(test_hub.post(PATH, "k", &many(100)).await.status, 200);
    assert_eq!(
        test_hub.post(PATH, "k", &many(101)).await.fault("/applications").as_deref(),
        Some("too_many")
    );
    assert_eq!(test_hub.post(PATH, "k", &many(0)).await.fault("/applications").as_deref(), Some("too_few"));
    let twice =
        json!({ "applications": [item("k", adult()), item("\"k\"", adult()), item("k l", adult()), {}] });
    let wrong = test_hub.post(PATH, "k", &twice).await;
    let faults: Vec<_> = wrong.faults();
    for (pointer, code) in [
        ("/applications/2/key", "idempotency_key"),
        ("/applications/3/key", "required"),
        ("/applications/3/application", "required"),
    ] {
        assert!(faults.contains(&(pointer.to_owned(), code.to_owned())), "{faults:?}");
    }
    let twice = json!({ "applications": [item("k", adult()), item("\"k\"", adult())] });
    assert_eq!(
        test_hub.post(PATH, "k", &twice).await.fault("/applications/1/key").as_deref(),
        Some("duplicate")
    );
    let mut large = adult();
    large["address"] = "x".repeat(600_000).into();
    let large = test_hub.post(PATH, "k", &json!({ "applications": [item("k", large)] })).await;
    assert_eq!((large.status, large.code()), (413, "payload_too_large"));
}
