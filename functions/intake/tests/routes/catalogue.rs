//! Health, keys, catalogue and coverage.

use domain::catalogue::Service;
use serde_json::json;

use crate::support::new_hub;

#[tokio::test]
async fn the_hub_is_healthy_without_a_token() {
    let test_hub = new_hub();
    let request = http::Request::builder().uri("/v1/health").body(axum::body::Body::empty()).unwrap();
    let answer = test_hub.send(request).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({ "status": "ok" })));
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn the_hubs_keys_are_public() {
    let test_hub = new_hub();
    let request =
        http::Request::builder().uri("/.well-known/jwks.json").body(axum::body::Body::empty()).unwrap();
    let answer = test_hub.send(request).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({ "keys": [] })));
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
}

#[tokio::test]
async fn every_service_of_the_catalogue_is_listed_in_both_languages() {
    let test_hub = new_hub();
    let answer = test_hub.get("/v1/services").await;
    let services = answer.body["services"].as_array().unwrap();
    let expected: Vec<&str> = Service::all().into_iter().map(Service::name).collect();
    let listed: Vec<&str> = services.iter().map(|service| service["service"].as_str().unwrap()).collect();
    assert_eq!((answer.status, listed), (200, expected));
    for service in services {
        assert!(!service["title"]["zh"].as_str().unwrap().is_ascii());
        assert!(service["title"]["en"].as_str().unwrap().is_ascii());
        let name = service["service"].as_str().unwrap();
        let one = test_hub.get(&format!("/v1/services/{name}")).await;
        assert_eq!((one.status, &one.body), (200, service));
    }
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
}

#[tokio::test]
async fn coverage_names_agency_legs_and_documents() {
    let test_hub = new_hub();
    let answer = test_hub.get("/v1/coverage?service=first_identity_card&from=150102&to=110105&age=16").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["offered"], true);
    assert_eq!(answer.body["legs"][0]["agency"], "11");
    assert_eq!(answer.body["legs"][0]["name"], json!({ "zh": "北京市", "en": "Beijing" }));
    assert_eq!(answer.body["legs"][0]["limit_working_days"], 20);
    assert_eq!(answer.body["cases"].as_array().unwrap().len(), 1);
    assert_eq!(answer.body["cases"][0]["when"], "adult");
    assert_eq!(answer.body["cases"][0]["documents"].as_array().unwrap().len(), 2);
    assert!(answer.body.get("offered_by").is_none());
}

#[tokio::test]
async fn coverage_of_an_uncovered_place_names_the_agencies_that_offer_the_service() {
    let test_hub = new_hub();
    let answer = test_hub.get("/v1/coverage?service=household_certificate&to=460105").await;
    assert_eq!((&answer.body["offered"], &answer.body["reasons"]), (&json!(false), &json!(["not_offered"])));
    let offered: Vec<_> =
        answer.body["offered_by"].as_array().unwrap().iter().map(|row| row["agency"].clone()).collect();
    assert_eq!(offered, ["11", "1501", "1504", "37"]);
    let same = test_hub.get("/v1/coverage?service=first_identity_card&from=150102&to=150105").await;
    assert_eq!(same.body["reasons"], json!(["same_place"]));
    let list = test_hub.get("/v1/coverage?service=first_identity_card").await;
    assert!(list.body.get("offered").is_none());
    assert_eq!(list.body["offered_by"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn coverage_skips_the_move_in_permit_for_a_student() {
    let test_hub = new_hub();
    let purposes = async |reason: &str| {
        let path = format!("/v1/coverage?service=household_transfer&from=150102&to=370102&reason={reason}");
        let answer = test_hub.get(&path).await;
        let legs = answer.body["legs"].as_array().unwrap().clone();
        legs.iter()
            .map(|leg| format!("{} {}", leg["purpose"].as_str().unwrap(), leg["agency"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(purposes("school_admission").await[0], "move_out 37");
    assert_eq!(purposes("job_transfer").await[0], "approve 1501");
}

#[tokio::test]
async fn an_invalid_query_is_422() {
    let test_hub = new_hub();
    for (query, pointer, code) in [
        ("", "/service", "required"),
        ("service=passport", "/service", "not_one_of"),
        ("service=first_identity_card&to=1", "/to", "division_code_length"),
        // P4
        ("service=first_identity_card&to=510213", "/to", "division_abolished"),
        ("service=first_identity_card&to=440399", "/to", "unknown_division"),
        ("service=first_identity_card&from=150100", "/from", "division_not_county"),
        ("service=first_identity_card&age=151", "/age", "out_of_range"),
        ("service=first_identity_card&reason=graduation", "/reason", "not_expected"),
        ("service=household_transfer&reason=kinship", "/reason", "case_not_of_service"),
    ] {
        let answer = test_hub.get(&format!("/v1/coverage?{query}")).await;
        assert_eq!(answer.status, 422);
        assert_eq!(answer.fault(pointer).as_deref(), Some(code), "{query}: {}", answer.body);
    }
}
