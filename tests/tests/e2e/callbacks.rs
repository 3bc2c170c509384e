//! Callbacks that do not go the ordinary way: tests, rotated keys, pauses, endpoints that are gone.

use std::sync::Arc;

use domain::endpoint::PROPAGATION_DELAY;
use domain::stage::Stage;
use jiff::Timestamp;
use protocol::app::SubscriptionView;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tongban_tests::forms::{HOHHOT, adult_papers, first_card, when_complete};
use tongban_tests::people::Citizen;
use tongban_tests::until::until;

use crate::app::{App, SOON};
use crate::checks::close;
use crate::test_hub::TestHub;

/// An app, the path of its one subscription, and the secret that it was shown.
async fn subscribed(test_hub: &Arc<TestHub>, tenant: &str) -> (App, String) {
    let app = App::open(test_hub, tenant).await;
    let listed: Value = app.get("/v1/subscriptions").send().await.read(StatusCode::OK);
    let id = listed["subscriptions"][0]["id"].as_str().expect("an id").to_owned();
    (app, format!("/v1/subscriptions/{id}"))
}

async fn view(app: &App, path: &str) -> SubscriptionView {
    app.get(path).send().await.read(StatusCode::OK)
}

/// Sends a test event; its `webhook-id`.
async fn test(app: &App, path: &str) -> String {
    let sent: Value = app.post(format!("{path}/test")).send().await.read(StatusCode::ACCEPTED);
    sent["webhook_id"].as_str().expect("an id").to_owned()
}

async fn hears(app: &App, id: &str) {
    let heard = async || app.receiver.calls().iter().any(|call| call.id == id).then_some(());
    until(&format!("the callback {id}"), SOON, heard).await;
}

async fn change(app: &App, path: &str, end: &str) -> SubscriptionView {
    app.post(format!("{path}/{end}")).send().await.read(StatusCode::OK)
}

/// A test event arrives, and after a rotation both the former and the new key sign.
pub(crate) async fn a_test_event_before_and_after_a_rotation(test_hub: Arc<TestHub>) {
    let (app, path) = subscribed(&test_hub, "callbacks-rotation").await;
    let before = view(&app, &path).await;
    let first = test(&app, &path).await;
    hears(&app, &first).await;
    let rotated = change(&app, &path, "rotate").await;
    assert_ne!(rotated.public_key, before.public_key);
    assert!(rotated.former_keys_until.is_some(), "{rotated:?}");
    app.receiver.also_trust(&rotated.secret.expect("a secret, shown once"));
    // Who still remembers the former keys signs with those alone: the receiver takes either, and waits for both.
    until("a callback signed by both", SOON, async || {
        let id = test(&app, &path).await;
        hears(&app, &id).await;
        (app.receiver.signed_by(&id) == 2).then_some(())
    })
    .await;
    assert_eq!(app.receiver.signed_by(&first), 1);
}

/// An app's second receiver: each hears everything, in order, whatever way its callbacks go.
pub(crate) async fn a_second_subscription_hears_all_too(test_hub: Arc<TestHub>) {
    test_hub.has_agency("53", "default").await;
    let app = App::open(&test_hub, "callbacks-second").await;
    let (second, made) = app.subscribe().await;
    let told = ["dispatched", "received", "signed", "produced", "ready"];
    for age in [32, 33] {
        let body = first_card(&Citizen::aged(age), HOHHOT, "530102");
        let filed = app.file(when_complete(body), &adult_papers()).await;
        app.reaches(filed.id, Stage::Ready).await;
        close(&app, filed.id, &told).await;
        let heard = async || {
            let calls = second.calls().into_iter().filter(|call| call.payload.data.application == filed.id);
            let kinds: Vec<_> = calls.map(|call| call.payload.kind.replace("application.", "")).collect();
            (kinds.len() >= told.len()).then_some(kinds)
        };
        assert_eq!(until("the second receiver's callbacks", SOON, heard).await, told);
        // The first one is called directly for its first moments in company, and by messages of its own after them.
        let apart = made.created_at + PROPAGATION_DELAY;
        until("the two apart", SOON, async || (Timestamp::now() > apart).then_some(())).await;
    }
}

/// What happens during a pause arrives in order when it ends.
pub(crate) async fn paused_holds_and_resumed_delivers_in_order(test_hub: Arc<TestHub>) {
    test_hub.has_agency("53", "default").await;
    let (app, path) = subscribed(&test_hub, "callbacks-paused").await;
    assert_eq!(change(&app, &path, "pause").await.state, "paused");
    let body = first_card(&Citizen::aged(31), HOHHOT, "530102");
    let filed = app.file(when_complete(body), &adult_papers()).await;
    app.reaches(filed.id, Stage::Ready).await;
    let told = ["dispatched", "received", "signed", "produced", "ready"];
    until("all of it held", SOON, async || (view(&app, &path).await.held == Some(5)).then_some(())).await;
    assert_eq!(app.receiver.calls().len(), 0, "nothing is sent");
    assert_eq!(change(&app, &path, "resume").await.state, "recovering");
    close(&app, filed.id, &told).await;
    until("nothing held", SOON, async || {
        let now = view(&app, &path).await;
        (now.held == Some(0) && now.state == "healthy").then_some(())
    })
    .await;
}

/// An endpoint that answers 410 is disabled, and its tenant told; what was owed arrives when it is resumed.
pub(crate) async fn gone_disables_and_resumed_delivers(test_hub: Arc<TestHub>) {
    let (app, path) = subscribed(&test_hub, "callbacks-gone").await;
    app.receiver.answer(Some(410));
    let id = test(&app, &path).await;
    until("a disabled endpoint that holds", SOON, async || {
        let now = view(&app, &path).await;
        (now.state == "disabled" && now.reason.as_deref() == Some("gone") && now.held == Some(1))
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
    hears(&app, &id).await;
    until("no failure left", SOON, async || {
        let page: Value = app.get(format!("{path}/deliveries?failed=true")).send().await.read(StatusCode::OK);
        (page["deliveries"] == json!([])).then_some(())
    })
    .await;
    let all: Value = app.get(format!("{path}/deliveries")).send().await.read(StatusCode::OK);
    assert_eq!(all["deliveries"][0]["delivered"], true, "{all}");
}

/// An endpoint that fails is tried again by the schedule, here woken by hand, and hears everything.
pub(crate) async fn a_failing_endpoint_hears_it_later(test_hub: Arc<TestHub>) {
    let (app, path) = subscribed(&test_hub, "callbacks-failing").await;
    app.receiver.answer(Some(503));
    let id = test(&app, &path).await;
    until("a failing endpoint with held callbacks", SOON, async || {
        let now = view(&app, &path).await;
        (now.state == "failing" && now.held == Some(1)).then_some(())
    })
    .await;
    // Up to three attempts, each repeated once.
    assert!((2..=6).contains(&app.receiver.turned_away()), "{}", app.receiver.turned_away());
    app.receiver.answer(None);
    until("the endpoint well again", SOON, async || {
        test_hub.stack().invoke("callbacks", &json!({})).await.expect("the drainers woken");
        (view(&app, &path).await.state == "healthy").then_some(())
    })
    .await;
    hears(&app, &id).await;
}
