//! A tenant that asks too much is told so, and when to come again; nobody else is.

use http_kit::rate_limit::Limits;
use platform::faults::Fault;
use serde_json::json;

use crate::support::{adult, new_hub};

#[tokio::test]
async fn too_many_requests_are_429_with_the_time_to_come_again() {
    let test_hub = new_hub().with_limits(Limits { requests_per_minute: Some(3), ..Limits::default() });
    for left in ["2", "1", "0"] {
        let answer = test_hub.get("/v1/services").await;
        assert_eq!(answer.status, 200);
        let told = answer.headers["ratelimit"].to_str().unwrap();
        assert!(told.starts_with(&format!("\"minute\";r={left};t=")), "{told}");
        assert_eq!(answer.headers["ratelimit-policy"], "\"minute\";q=3;w=60");
    }
    let refused = test_hub.get("/v1/applications").await;
    assert_eq!((refused.status, refused.code()), (429, "too_many_requests"), "{}", refused.body);
    let seconds: u32 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds) && refused.headers.contains_key("ratelimit"));
    assert_eq!(test_hub.get_as("another-app", "/v1/services").await.status, 200);
    test_hub.hub.clock.advance(jiff::SignedDuration::from_secs(i64::from(seconds)));
    assert_eq!(test_hub.get("/v1/applications").await.status, 200);
}

#[tokio::test]
async fn the_days_applications_are_counted_one_by_one() {
    let test_hub = new_hub().with_limits(Limits { applications_per_day: Some(3), ..Limits::default() });
    assert_eq!(test_hub.create("a", &adult()).await.status, 201);
    for refused in ["x", "y", "z"] {
        assert_eq!(test_hub.create(refused, &json!({})).await.status, 422, "what is refused does not count");
    }
    let items: Vec<_> = ["b", "c", "d"].map(|key| json!({ "key": key, "application": adult() })).into();
    let batch = test_hub.post("/v1/applications/batch", "k", &json!({ "applications": items })).await;
    let statuses: Vec<_> =
        batch.body["results"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, [201, 201, 429]);
    assert!(batch.body["results"][2]["retry_after"].as_u64().is_some_and(|seconds| seconds > 0));
    // What was opened is answered for ever, and what is refused has not counted.
    let again = test_hub.post("/v1/applications/batch", "k", &json!({ "applications": items })).await;
    assert_eq!(again.body["results"][1]["application"]["id"], batch.body["results"][1]["application"]["id"]);
    assert_eq!(test_hub.create("a", &adult()).await.status, 201);
    assert_eq!(test_hub.create("e", &json!({})).await.status, 429, "nothing is looked at beyond it");
    let refused = test_hub.create("e", &adult()).await;
    assert_eq!((refused.status, &refused.body["policy"]), (429, &json!("day")));
    assert!(
        refused.headers["ratelimit"].to_str().unwrap().starts_with("\"day\";r=0;t="),
        "the rule that refuses"
    );
    assert_eq!(test_hub.get("/v1/applications").await.status, 200, "what there is can be read and moved on");
    test_hub.hub.clock.advance(jiff::SignedDuration::from_hours(24));
    assert_eq!(test_hub.create("e", &adult()).await.status, 201);
}

/// An answer that was lost may hide an application: it stays counted, and its repeat counts nothing more.
#[tokio::test]
async fn a_lost_answer_is_counted_once() {
    let test_hub = new_hub().with_limits(Limits { applications_per_day: Some(2), ..Limits::default() });
    assert_eq!(test_hub.create("a", &adult()).await.status, 201);
    let writes = test_hub.hub.faults.calls().iter().rposition(|call| *call == "store.create").unwrap();
    test_hub.hub.faults.restart();
    test_hub.hub.faults.plan(writes, Fault::AnswerLost);
    let lost = test_hub.create("b", &adult()).await;
    assert_eq!(lost.status, 503, "{}", lost.body);
    assert_eq!(test_hub.create("c", &adult()).await.status, 429, "two were opened");
    assert_eq!(test_hub.create("b", &adult()).await.status, 201, "and both are answered");
}
