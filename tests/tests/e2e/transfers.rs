//! Household transfers: the move-in place approves, the origin moves out, the move-in place settles.

use std::sync::Arc;

use app_client::SampleDocument;
use domain::stage::{Purpose, Stage};
use serde_json::Value;
use tongban_tests::people::Citizen;

use crate::app::App;
use crate::checks::close;
use crate::test_hub::TestHub;
use tongban_tests::forms::{HOHHOT, transfer, transfer_documents, when_complete};

/// The callbacks of the first leg.
const PERMIT: [&str; 3] = ["dispatched", "received", "approved"];
/// The callbacks of the second and third leg.
const MOVE: [&str; 7] =
    ["dispatched", "received", "verified", "moved_out", "dispatched", "received", "settled"];

pub(crate) async fn job_transfer(test_hub: Arc<TestHub>) {
    let body = transfer(&Citizen::aged(41), "job_transfer", HOHHOT, "130102");
    settles(test_hub, "13", body, &transfer_documents("transfer_order")).await;
}

/// A student needs no permit: the origin moves them out on the admission notice.
pub(crate) async fn school_admission(test_hub: Arc<TestHub>) {
    test_hub.run_agency("14", "default").await;
    test_hub.run_agency("1501", "default").await;
    let app = App::open(&test_hub, "transfer-school").await;
    let body = transfer(&Citizen::aged(18), "school_admission", HOHHOT, "140105");
    let filed = app.file(when_complete(body), &transfer_documents("admission_notice")).await;
    app.reaches(filed.id, Stage::Settled).await;
    let head = close(&app, filed.id, &MOVE).await;
    assert!(head.opened.legs.iter().all(|leg| leg.purpose != Purpose::Approve), "{:?}", head.opened.legs);
}

pub(crate) async fn graduation(test_hub: Arc<TestHub>) {
    let body = transfer(&Citizen::aged(22), "graduation", HOHHOT, "410102");
    settles(test_hub, "41", body, &transfer_documents("graduation_certificate")).await;
}

pub(crate) async fn couples_joining(test_hub: Arc<TestHub>) {
    let mut body = transfer(&Citizen::aged(29), "couples_joining", HOHHOT, "340102");
    body["relative"] = Citizen::aged(31).json();
    settles(test_hub, "34", body, &transfer_documents("marriage_certificate")).await;
}

pub(crate) async fn parents_joining_children(test_hub: Arc<TestHub>) {
    let mut body = transfer(&Citizen::aged(67), "parents_joining_children", HOHHOT, "230102");
    body["relative"] = Citizen::aged(40).json();
    settles(test_hub, "23", body, &transfer_documents("proof_of_kinship")).await;
}

/// A transfer with a permit to Hohhot that ends `settled`.
async fn settles(test_hub: Arc<TestHub>, origin: &str, body: Value, documents: &[SampleDocument]) {
    test_hub.run_agency(origin, "default").await;
    test_hub.run_agency("1501", "default").await;
    let app = App::open(&test_hub, &format!("transfer-from-{origin}")).await;
    let filed = app.file(when_complete(body), documents).await;
    app.reaches(filed.id, Stage::Settled).await;
    let head = close(&app, filed.id, &[&PERMIT[..], &MOVE].concat()).await;
    let agencies: Vec<String> = head.opened.legs.iter().map(|leg| leg.agency.to_string()).collect();
    assert_eq!(agencies, ["1501", origin, "1501", origin]);
}
