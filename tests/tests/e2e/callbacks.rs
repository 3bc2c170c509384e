//! Callbacks in exceptional situations: test events, rotated keys, pauses, endpoints that fail or are gone.

use std::sync::Arc;

use domain::endpoint::PROPAGATION_DELAY;
use domain::stage::Stage;
use jiff::Timestamp;
use protocol::app::SubscriptionView;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tongban_tests::forms::{HOHHOT, adult_documents, first_card, when_complete};
use tongban_tests::people::Citizen;
use tongban_tests::until::until;

use crate::app::{App, SOON};
use crate::checks::close;
use crate::test_hub::TestHub;

/// An app and the path of its only subscription.
async fn subscribed(test_hub: &Arc<TestHub>, tenant: &str) -> (App, String) {
    let app = App::open(test_hub, tenant).await;
    let listed: Value = app.get("/v1/subscriptions").send().await.read(StatusCode::OK);
    let id = listed["subscriptions"][0]["id"].as_str().expect("an id").to_owned();
    (app, format!("/v1/subscriptions/{id}"))
}

async fn view(app: &App, path: &str) -> SubscriptionView {
    app.get(path).send().await.read(StatusCode::OK)
}

/// Sends a test event. Returns its `webhook-id`.
async fn test(app: &App, path: &str) -> String {
    let sent: Value = app.post(format!("{path}/test")).send().await.read(StatusCode::ACCEPTED);
    sent["webhook_id"].as_str().expect("an id").to_owned()
}

/// Withdraws an application, which causes one callback. Returns its `webhook-id`.
async fn one_callback(app: &App) -> String {
    let filed = app.file(first_card(&Citizen::aged(37), HOHHOT, "350102"), &adult_documents()).await;
    app.has_everything(filed.id).await;
    let withdrawn = app.step(filed.id, "withdraw", &json!({})).await;
    format!("{}:{}", filed.id, withdrawn.version)
}

async fn wait_for_callback(app: &App, id: &str) {
    let received = async || app.receiver.calls().iter().any(|call| call.id == id).then_some(());
    until(&format!("the callback {id}"), SOON, received).await;
}

async fn change(app: &App, path: &str, end: &str) -> SubscriptionView {
    app.post(format!("{path}/{end}")).send().await.read(StatusCode::OK)
}

/// A test event arrives. After a rotation both the old and the new key sign.
pub(crate) async fn a_test_event_before_and_after_a_rotation(test_hub: Arc<TestHub>) {
    let (app, path) = subscribed(&test_hub, "callbacks-rotation").await;
    let before = view(&app, &path).await;
    let first = test(&app, &path).await;
    wait_for_callback(&app, &first).await;
    let rotated = change(&app, &path, "rotate").await;
    assert_ne!(rotated.public_key, before.public_key);
    assert!(rotated.former_keys_until.is_some(), "{rotated:?}");
    app.receiver.also_trust(&rotated.secret.expect("a secret, shown once"));
    // A function with cached keys still signs with the old key alone, so the test waits for a callback with both
    // signatures.
    until("a callback signed by both", SOON, async || {
        let id = test(&app, &path).await;
        wait_for_callback(&app, &id).await;
        (app.receiver.signed_by(&id) == 2).then_some(())
    })
    .await;
    assert_eq!(app.receiver.signed_by(&first), 1);
}

/// An app has two receivers: each gets every callback in order.
pub(crate) async fn a_second_subscription_gets_all_callbacks(test_hub: Arc<TestHub>) {
    test_hub.run_agency("53", "default").await;
    let app = App::open(&test_hub, "callbacks-second").await;
    let (second, made) = app.subscribe().await;
    let expected = ["dispatched", "received", "signed", "produced", "ready"];
    for age in [32, 33] {
        let body = first_card(&Citizen::aged(age), HOHHOT, "530102");
        let filed = app.file(when_complete(body), &adult_documents()).await;
        app.reaches(filed.id, Stage::Ready).await;
        close(&app, filed.id, &expected).await;
        let received = async || {
            let calls = second.calls().into_iter().filter(|call| call.payload.data.application == filed.id);
            let kinds: Vec<_> = calls.map(|call| call.payload.kind.replace("application.", "")).collect();
            (kinds.len() >= expected.len()).then_some(kinds)
        };
        assert_eq!(until("the second receiver's callbacks", SOON, received).await, expected);
        // The first subscription is called directly until the change has propagated, and by its own queue messages
        // afterwards.
        let apart = made.created_at + PROPAGATION_DELAY;
        until("separate messages for both subscriptions", SOON, async || {
            (Timestamp::now() > apart).then_some(())
        })
        .await;
    }
}

/// Callbacks of events during a pause arrive in order when the pause ends.
pub(crate) async fn a_pause_stores_callbacks_and_a_resume_delivers_them_in_order(test_hub: Arc<TestHub>) {
    test_hub.run_agency("53", "default").await;
    let (app, path) = subscribed(&test_hub, "callbacks-paused").await;
    assert_eq!(change(&app, &path, "pause").await.state, "paused");
    let body = first_card(&Citizen::aged(31), HOHHOT, "530102");
    let filed = app.file(when_complete(body), &adult_documents()).await;
    app.reaches(filed.id, Stage::Ready).await;
    let expected = ["dispatched", "received", "signed", "produced", "ready"];
    until("five stored callbacks", SOON, async || {
        (view(&app, &path).await.stored_callbacks == Some(5)).then_some(())
    })
    .await;
    assert_eq!(app.receiver.calls().len(), 0, "callbacks sent during the pause");
    assert_eq!(change(&app, &path, "resume").await.state, "recovering");
    close(&app, filed.id, &expected).await;
    until("no stored callback", SOON, async || {
        let now = view(&app, &path).await;
        (now.stored_callbacks == Some(0) && now.state == "healthy").then_some(())
    })
    .await;
}

/// An endpoint that answers 410 is disabled and its tenant notified. Stored callbacks arrive when it is resumed.
pub(crate) async fn status_410_disables_the_endpoint_and_a_resume_delivers(test_hub: Arc<TestHub>) {
    let (app, path) = subscribed(&test_hub, "callbacks-gone").await;
    app.receiver.answer(Some(410));
    let id = one_callback(&app).await;
    until("a disabled endpoint with a stored callback", SOON, async || {
        let now = view(&app, &path).await;
        (now.state == "disabled" && now.reason.as_deref() == Some("gone") && now.stored_callbacks == Some(1))
            .then_some(())
    })
    .await;
    let notices: Value = app.get("/v1/notices").send().await.read(StatusCode::OK);
    assert_eq!(notices["notices"][0]["type"], "subscription.disabled", "{notices}");
    let failed = format!("{path}/deliveries?failed=true");
    let failed: Value = app.get(failed).send().await.read(StatusCode::OK);
    let delivery = &failed["deliveries"][0];
    assert_eq!((&delivery["webhook_id"], &delivery["status"]), (&json!(id), &json!(410)), "{failed}");
    app.receiver.answer(None);
    change(&app, &path, "resume").await;
    wait_for_callback(&app, &id).await;
    until("no failure left", SOON, async || {
        let page: Value = app.get(format!("{path}/deliveries?failed=true")).send().await.read(StatusCode::OK);
        (page["deliveries"] == json!([])).then_some(())
    })
    .await;
    let all: Value = app.get(format!("{path}/deliveries")).send().await.read(StatusCode::OK);
    assert_eq!(all["deliveries"][0]["delivered"], true, "{all}");
}

/// A failing endpoint is retried by the schedule, which the test triggers, and gets every callback.
pub(crate) async fn a_failing_endpoint_gets_its_callbacks_later(test_hub: Arc<TestHub>) {
    let (app, path) = subscribed(&test_hub, "callbacks-failing").await;
    app.receiver.answer(Some(503));
    let id = one_callback(&app).await;
    until("a failing endpoint with stored callbacks", SOON, async || {
        let now = view(&app, &path).await;
        (now.state == "failing" && now.stored_callbacks == Some(1)).then_some(())
    })
    .await;
    // Up to three attempts, each repeated once.
    assert!((2..=6).contains(&app.receiver.turned_away()), "{}", app.receiver.turned_away());
    app.receiver.answer(None);
    until("the endpoint active again", SOON, async || {
        test_hub.stack().invoke("callbacks", &json!({})).await.expect("the drainers must run");
        (view(&app, &path).await.state == "healthy").then_some(())
    })
    .await;
    wait_for_callback(&app, &id).await;
}
