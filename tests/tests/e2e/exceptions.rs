//! Cases with a supplement, a refusal or a withdrawal.

use std::sync::Arc;

use app_client::SampleDocument;
use domain::event::Provider;
use domain::stage::Stage;
use protocol::case::Envelope;
use protocol::report::Link;
use reqwest::StatusCode;
use serde_json::json;
use tongban_tests::people::{self, Citizen};
use tongban_tests::until::until;

use crate::app::{App, SOON};
use crate::checks::close;
use crate::test_hub::TestHub;
use tongban_tests::forms::{HOHHOT, adult_documents, first_card, when_complete};

pub(crate) async fn supplement_is_requested_and_answered(test_hub: Arc<TestHub>) {
    test_hub.run_agency("21", "supplement").await;
    let app = App::open(&test_hub, "exception-supplement").await;
    let body = first_card(&Citizen::aged(26), HOHHOT, "210102");
    let filed = app.file(when_complete(body), &adult_documents()).await;
    let requested = app.reaches(filed.id, Stage::SupplementRequested).await;
    assert!(requested.supplement_until.is_some() && requested.due.is_none(), "{requested:?}");
    let [document] = requested.missing[..] else { panic!("one missing document expected: {requested:?}") };
    let slot = requested.documents.iter().find(|slot| slot.id == document).expect("the document's slot");
    assert_eq!((slot.requirement.as_str(), slot.provider), ("current_residence", Provider::App));

    let early = app.post(format!("/v1/applications/{}/supplement", filed.id)).json(&json!({})).send().await;
    assert_eq!(
        early.status,
        StatusCode::CONFLICT,
        "the supplement is accepted before its document: {early:?}"
    );

    let proof = SampleDocument::png("proof_of_residence", "three months");
    let path = format!("/v1/applications/{}/documents/{document}/upload", filed.id);
    let link: Link = app.post(path).json(&proof.declaration()).send().await.read(StatusCode::OK);
    app.upload(&link, &proof).await;
    let answered = app.step(filed.id, "supplement", &json!({})).await;
    assert_eq!(answered.stage, Stage::Supplemented);

    let ready = app.reaches(filed.id, Stage::Ready).await;
    assert_eq!(ready.missing, []);
    let callbacks =
        ["dispatched", "received", "supplement_requested", "dispatched", "signed", "produced", "ready"];
    close(&app, filed.id, &callbacks).await;
}

pub(crate) async fn not_issued(test_hub: Arc<TestHub>) {
    test_hub.run_agency("43", "not_issued").await;
    let app = App::open(&test_hub, "exception-not-issued").await;
    let body = first_card(&Citizen::aged(44), HOHHOT, "430102");
    let filed = app.file(when_complete(body), &adult_documents()).await;
    let refused = app.reaches(filed.id, Stage::NotIssued).await;
    assert!(refused.is_final, "{refused:?}");
    let (events, _) = app.feed(filed.id).await;
    let reason = events.last().expect("an event").data["reason"].as_str().expect("a reason");
    assert!(!reason.is_empty());
    close(&app, filed.id, &["dispatched", "received", "not_issued"]).await;
}

/// No agency receives a draft.
pub(crate) async fn withdrawn_before_dispatch(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "exception-withdrawn-early").await;
    let body = first_card(&Citizen::aged(23), HOHHOT, "350102");
    let filed = app.file(body, &adult_documents()).await;
    app.has_everything(filed.id).await;
    let withdrawn = app.step(filed.id, "withdraw", &json!({})).await;
    assert_eq!(withdrawn.stage, Stage::Withdrawn);
    close(&app, filed.id, &["withdrawn"]).await;
    let agency = test_hub.stack().agency(&"35".parse().expect("an agency code")).expect("an agency");
    let depth = test_hub.stack().depth(&agency.queue_url).await.expect("the depth of the queue");
    assert!(depth.is_empty(), "{depth:?}");
}

/// The citizen withdraws while the case is in the queue, readable by its agency only. The agency receives both messages
/// and stops.
pub(crate) async fn withdrawn_after_dispatch(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "exception-withdrawn-late").await;
    let body = first_card(&Citizen::aged(58), HOHHOT, "610102");
    let filed = app.file(when_complete(body), &adult_documents()).await;
    app.reaches(filed.id, Stage::Dispatched).await;
    assert_no_readable_person(&test_hub, "61").await;
    let withdrawn = app.step(filed.id, "withdraw", &json!({})).await;
    assert_eq!(withdrawn.stage, Stage::Withdrawn);
    test_hub.run_agency("61", "hold").await;
    close(&app, filed.id, &["dispatched", "withdrawn"]).await;
}

/// Checks the first message of an agency's queue and releases it: without the agency's key only ids are readable.
async fn assert_no_readable_person(test_hub: &TestHub, code: &str) {
    let agency = test_hub.stack().agency(&code.parse().expect("an agency code")).expect("an agency");
    let sqs = aws_sdk_sqs::Client::new(&agency.aws);
    let message = until("a message in the agency's queue", SOON, async || {
        let received = sqs.receive_message().queue_url(&agency.queue_url).send().await;
        received.expect("an answer of the queue").messages.unwrap_or_default().pop()
    })
    .await;
    let body = message.body().expect("a body");
    assert_eq!(people::trace_in(body), None, "the queue's message contains personal data");
    let envelope: Envelope = serde_json::from_str(body).expect("an envelope");
    let case =
        envelope.open([&agency.keys.encryption], [test_hub.stack().hub_key()]).expect("the agency's case");
    let personal_data = serde_json::to_string(&case.personal_data).expect("JSON");
    assert!(people::trace_in(&personal_data).is_some(), "the decrypted case names the citizen");
    sqs.change_message_visibility()
        .queue_url(&agency.queue_url)
        .receipt_handle(message.receipt_handle().expect("a receipt"))
        .visibility_timeout(0)
        .send()
        .await
        .expect("the message released");
}
