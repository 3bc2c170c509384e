//! Rate limit and daily quota of one tenant; other tenants are not affected.

use http_kit::rate_limit::Limits;
use platform::faults::Fault;
use serde_json::json;

use crate::support::{adult, new_hub};

#[tokio::test]
async fn too_many_requests_are_429_with_retry_after() {
    let test_hub = new_hub().with_limits(Limits { requests_per_minute: Some(3), ..Limits::default() });
    for left in ["2", "1", "0"] {
        let answer = test_hub.get("/v1/services").await;
        assert_eq!(answer.status, 200);
        let header = answer.headers["ratelimit"].to_str().unwrap();
        assert!(header.starts_with(&format!("\"minute\";r={left};t=")), "{header}");
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
async fn the_daily_quota_counts_created_applications_only() {
    let test_hub = new_hub().with_limits(Limits { applications_per_day: Some(3), ..Limits::default() });
    assert_eq!(test_hub.create("a", &adult()).await.status, 201);
    for refused in ["x", "y", "z"] {
        assert_eq!(
            test_hub.create(refused, &json!({})).await.status,
            422,
            "a rejected request does not count"
        );
    }
    let items: Vec<_> = ["b", "c", "d"].map(|key| json!({ "key": key, "application": adult() })).into();
    let batch = test_hub.post("/v1/applications/batch", "k", &json!({ "applications": items })).await;
    let statuses: Vec<_> =
        batch.body["results"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, [201, 201, 429]);
    assert!(batch.body["results"][2]["retry_after"].as_u64().is_some_and(|seconds| seconds > 0));
    // Replays are answered although the quota is used up.
    let again = test_hub.post("/v1/applications/batch", "k", &json!({ "applications": items })).await;
    assert_eq!(again.body["results"][1]["application"]["id"], batch.body["results"][1]["application"]["id"]);
    assert_eq!(test_hub.create("a", &adult()).await.status, 201);
    assert_eq!(
        test_hub.create("e", &json!({})).await.status,
        429,
        "a body is not checked once the quota is used up"
    );
    let refused = test_hub.create("e", &adult()).await;
    assert_eq!((refused.status, &refused.body["policy"]), (429, &json!("day")));
    assert!(
        refused.headers["ratelimit"].to_str().unwrap().starts_with("\"day\";r=0;t="),
        "the header names the exceeded policy"
    );
    assert_eq!(test_hub.get("/v1/applications").await.status, 200, "reads are not limited by the quota");
    test_hub.hub.clock.advance(jiff::SignedDuration::from_hours(24));
    assert_eq!(test_hub.create("e", &adult()).await.status, 201);
}

/// After a lost answer the application may exist, so its reservation stays counted. The repeat does not count again.
#[tokio::test]
async fn a_lost_answer_is_counted_once() {
    let test_hub = new_hub().with_limits(Limits { applications_per_day: Some(2), ..Limits::default() });
    assert_eq!(test_hub.create("a", &adult()).await.status, 201);
    let writes = test_hub.hub.faults.calls().iter().rposition(|call| *call == "store.create").unwrap();
    test_hub.hub.faults.restart();
    test_hub.hub.faults.plan(writes, Fault::AnswerLost);
    let lost = test_hub.create("b", &adult()).await;
    assert_eq!(lost.status, 503, "{}", lost.body);
    assert_eq!(test_hub.create("c", &adult()).await.status, 429, "two applications were created");
    assert_eq!(test_hub.create("b", &adult()).await.status, 201, "a repeat is answered");
}
