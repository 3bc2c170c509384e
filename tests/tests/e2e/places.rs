//! Places that no agency covers: the hub refuses before it stores anything, and names the agencies that offer the
//! service.

use std::sync::Arc;

use reqwest::StatusCode;
use tongban_tests::people::Citizen;

use crate::app::App;
use crate::test_hub::TestHub;
use tongban_tests::forms::{HOHHOT, adult_documents, first_card};

pub(crate) async fn a_place_that_no_agency_covers(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "places-uncovered").await;
    let body = first_card(&Citizen::aged(27), HOHHOT, "630102");
    let refused = app.post("/v1/applications").json(&body).send().await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
    let problem = refused.json();
    assert_eq!(problem["type"], "/problems/not_covered", "{problem}");
    assert_eq!(problem["errors"][0]["pointer"], "/registered_at", "{problem}");
    let offered_by: Vec<&str> = problem["offered_by"]
        .as_array()
        .expect("the agencies that offer the service")
        .iter()
        .filter_map(|code| code.as_str())
        .collect();
    assert!(offered_by.contains(&"11") && offered_by.contains(&"1504"), "{problem}");
    assert!(!offered_by.contains(&"63"), "{problem}");
}

pub(crate) async fn an_agency_without_a_capability(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "places-incapable").await;
    let mut body = first_card(&Citizen::aged(27), HOHHOT, "220102");
    body["capabilities"] = serde_json::json!(["script:mongolian"]);
    let refused = app.post("/v1/applications").json(&body).send().await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
    let problem = refused.json();
    assert_eq!(problem["type"], "/problems/not_covered", "{problem}");
    assert_eq!(problem["lacks"], serde_json::json!(["script:mongolian"]), "{problem}");

    body["capabilities"] = serde_json::json!([]);
    let taken = app.file(body, &adult_documents()).await;
    assert_eq!(taken.created.missing.len(), 2);
}
