//! Household certificates: the agency uploads a document, and the app fetches it.

use std::sync::Arc;

use app_client::SampleDocument;
use domain::application::Application;
use domain::event::Provider;
use domain::stage::Stage;
use protocol::report::Link;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tongban_agency::certificate;
use tongban_tests::people::Citizen;

use crate::app::App;
use crate::checks::close;
use crate::test_hub::TestHub;
use tongban_tests::forms::{HOHHOT, certificate as form, certificate_documents, when_complete};

pub(crate) async fn kinship_is_issued_and_fetched(test_hub: Arc<TestHub>) {
    let mut body = form(&Citizen::aged(45), "kinship", HOHHOT, "320102");
    body["relative"] = Citizen::aged(20).json();
    let mut documents = certificate_documents();
    documents.push(SampleDocument::pdf("proof_of_kinship", "kinship"));
    issued(test_hub, "32", body, &documents).await;
}

pub(crate) async fn former_name_is_issued_and_fetched(test_hub: Arc<TestHub>) {
    let body = form(&Citizen::aged(52), "former_name", HOHHOT, "330102");
    issued(test_hub, "33", body, &certificate_documents()).await;
}

async fn issued(
    test_hub: Arc<TestHub>,
    agency: &str,
    body: Value,
    documents: &[SampleDocument],
) -> Application {
    test_hub.run_agency(agency, "default").await;
    let app = App::open(&test_hub, &format!("certificate-from-{agency}")).await;
    let filed = app.file(when_complete(body), documents).await;
    let issued = app.reaches(filed.id, Stage::Issued).await;
    let document = issued.documents.iter().find(|document| document.provider == Provider::Agency);
    let document = document.expect("the agency's document");

    let (events, _) = app.feed(filed.id).await;
    let event = events.iter().find(|event| event.kind == "application.issued").expect("the event");
    assert_eq!(event.data["document"], json!(document.id));
    let number = event.data["certificate"].as_str().expect("its number");

    let path = format!("/v1/applications/{}/documents/{}", filed.id, document.id);
    let link: Link = app.get(&path).send().await.read(StatusCode::OK);
    let fetched = app.fetch(&link).await;
    assert_eq!(fetched, certificate::simulated(number), "the bytes that the agency uploaded");
    let fetched = SampleDocument {
        kind: "issued_certificate".to_owned(),
        media_type: certificate::MEDIA_TYPE,
        bytes: fetched,
    };
    assert_eq!(document.sha256, Some(fetched.sha256()));

    let stranger = App::open(&test_hub, &format!("stranger-{agency}")).await;
    assert_eq!(stranger.get(&path).send().await.status, StatusCode::NOT_FOUND);

    let body = json!({ "confirm": "hand_over", "how": "window" });
    assert_eq!(app.step(filed.id, "confirm", &body).await.stage, Stage::Completed);
    close(&app, filed.id, &["dispatched", "received", "issued", "completed"]).await
}
