//! First identity cards.

use std::sync::Arc;

use domain::catalogue::When;
use domain::stage::Stage;
use jiff::Span;
use protocol::app::ApplicationView;
use reqwest::StatusCode;
use serde_json::json;
use tongban_tests::people::{Citizen, day_before_today};

use crate::app::App;
use crate::checks::close;
use crate::test_hub::TestHub;
use tongban_tests::forms::{HOHHOT, adult_documents, child_card, child_documents, first_card, when_complete};

/// The callbacks of a first card without exceptions.
const ORDINARY: [&str; 6] = ["dispatched", "received", "signed", "produced", "ready", "collected"];

pub(crate) async fn adult_from_hohhot_to_beijing(test_hub: Arc<TestHub>) {
    test_hub.run_agency("11", "default").await;
    let app = App::open(&test_hub, "first-card-adult").await;
    let body = first_card(&Citizen::aged(34), HOHHOT, "110105");
    let filed = app.file(body, &adult_documents()).await;
    assert_eq!(filed.created.when, When::named("adult").expect("a name of the catalogue"));
    assert_eq!(filed.created.stage, Stage::Draft);
    app.has_everything(filed.id).await;
    let submitted = app.step(filed.id, "submit", &json!({})).await;
    assert_eq!(submitted.stage, Stage::Submitted);
    assert_eq!(submitted.leg.map(|leg| leg.agency.to_string()).as_deref(), Some("11"));
    let ready = app.reaches(filed.id, Stage::Ready).await;
    assert_eq!(ready.next, ["hand_over"]);
    hand_over(&app, &ready, "fingerprint").await;
}

pub(crate) async fn under_16_by_the_guardian(test_hub: Arc<TestHub>) {
    test_hub.run_agency("37", "default").await;
    let app = App::open(&test_hub, "first-card-minor").await;
    let body = child_card(&Citizen::aged(9), &Citizen::aged(37), HOHHOT, "370102");
    let filed = app.file(when_complete(body), &child_documents()).await;
    assert_eq!(filed.created.when, When::named("minor").expect("a name of the catalogue"));
    let ready = app.reaches(filed.id, Stage::Ready).await;
    hand_over(&app, &ready, "delegate").await;
}

/// 全区通办: from one league city to another of the same region.
pub(crate) async fn between_league_cities(test_hub: Arc<TestHub>) {
    test_hub.run_agency("1504", "default").await;
    let app = App::open(&test_hub, "first-card-region").await;
    let body = first_card(&Citizen::aged(18), HOHHOT, "150402");
    let filed = app.file(when_complete(body), &adult_documents()).await;
    let ready = app.reaches(filed.id, Stage::Ready).await;
    assert_eq!(ready.leg.clone().map(|leg| leg.agency.to_string()).as_deref(), Some("1504"));
    hand_over(&app, &ready, "post").await;
}

/// A citizen whose 16th birthday is today applies without a guardian.
pub(crate) async fn sixteenth_birthday_today(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "first-card-birthday").await;
    let birthday = day_before_today(Span::new().years(16));
    let body = first_card(&Citizen::born(birthday), HOHHOT, "110105");
    let created = app.post("/v1/applications").json(&body).send().await;
    let created: ApplicationView = created.read(StatusCode::CREATED);
    assert_eq!(created.when, When::named("adult").expect("a name of the catalogue"));

    let younger = Citizen::born(birthday.tomorrow().expect("a day"));
    let body = first_card(&younger, HOHHOT, "110105");
    let refused = app.post("/v1/applications").json(&body).send().await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
    assert!(refused.json()["errors"].to_string().contains("/guardian"), "{refused:?}");
    close(&app, created.id, &[]).await;
}

async fn hand_over(app: &App, ready: &ApplicationView, how: &str) {
    let collected = app.step(ready.id, "confirm", &json!({ "confirm": "hand_over", "how": how })).await;
    assert_eq!(collected.stage, Stage::Collected);
    assert!(collected.is_final && collected.next.is_empty(), "{collected:?}");
    close(app, ready.id, &ORDINARY).await;
}
