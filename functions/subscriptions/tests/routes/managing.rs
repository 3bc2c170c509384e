//! Operations on one subscription: reading, changing, rotating, pausing, resuming, tests, replays, deliveries, notices.

use domain::command::{Attempt as Step, Command};
use domain::endpoint::{DisabledReason, EndpointState};
use domain::ids::{ApplicationId, SubscriptionId};
use domain::stage::Stage;
use http_kit::testing::TestHub;
use jiff::SignedDuration;
use platform::apply::apply;
use platform::clock::Clock as _;
use platform::contract::sample;
use platform::deliveries::{Attempt, Cause, Deliveries as _, DeliveryWrite};
use platform::faults::Fault;
use platform::hub::Hub as _;
use platform::queues::Queue;
use platform::store::Store as _;
use platform::subscriptions::{SECRET, Subscription, Subscriptions as _};
use platform::vault::Vault as _;
use protocol::callback::{Callback, CallbackMessage, EndpointKeys, PublicKey, Secret, SubscriptionCallback};
use serde_json::{Value, json};

use crate::support::new_hub;

const PATH: &str = "/v1/subscriptions";

async fn subscribed(test_hub: &TestHub) -> (SubscriptionId, String) {
    let created = test_hub.post(PATH, "k", &json!({ "url": "https://app.example.cn/hooks" })).await;
    assert_eq!(created.status, 201, "{}", created.body);
    (created.id().parse().unwrap(), format!("{PATH}/{}", created.id()))
}

async fn stored(test_hub: &TestHub, id: SubscriptionId) -> Subscription {
    let tenant = "hohhot-app".parse().unwrap();
    test_hub.hub.subscriptions().get(&tenant, id).await.unwrap().unwrap()
}

async fn decrypted_keys(test_hub: &TestHub, id: SubscriptionId, encrypted: &[u8]) -> EndpointKeys {
    let bytes = test_hub.hub.vault().decrypt(SECRET, &id.to_string(), encrypted).await.unwrap();
    EndpointKeys::from_bytes(&bytes).unwrap()
}

async fn set_state(test_hub: &TestHub, id: SubscriptionId, state: EndpointState) {
    let before = stored(test_hub, id).await;
    let changed = Subscription { state, revision: before.revision + 1, ..before };
    assert!(test_hub.hub.subscriptions().replace(&changed).await.unwrap());
}

fn subscription_callbacks(test_hub: &TestHub) -> Vec<SubscriptionCallback> {
    addressed_in(test_hub, &Queue::Callbacks)
}

fn addressed_in(test_hub: &TestHub, queue: &Queue) -> Vec<SubscriptionCallback> {
    let messages = test_hub.hub.queues.drain(queue).into_iter();
    let read = |body: String| match message_in(&body) {
        CallbackMessage::V2(addressed) => addressed,
        other => panic!("{other:?}"),
    };
    messages.map(|message| read(message.body)).collect()
}

/// The message in a body. The proof is verified by the tests of `platform::internal_queue`.
fn message_in(body: &str) -> CallbackMessage {
    let body: Value = serde_json::from_str(body).unwrap();
    serde_json::from_str(body["proven-1"]["message"].as_str().unwrap()).unwrap()
}

async fn notices(test_hub: &TestHub) -> Vec<String> {
    let page = test_hub.get("/v1/notices").await;
    let kind = |notice: &Value| notice["type"].as_str().unwrap().to_owned();
    page.body["notices"].as_array().unwrap().iter().map(kind).collect()
}

/// Creates and withdraws an application; the withdrawal is its only event with a callback.
async fn withdrawn(test_hub: &TestHub, key: &str) -> (ApplicationId, u32) {
    let id = sample::id_of(key);
    let stored = sample::stored_as("hohhot-app", id, 0);
    test_hub.hub.store().create(&stored, None).await.unwrap();
    let by = domain::command::Actor::Tenant("hohhot-app".parse().unwrap());
    let attempt = Step { by, key: None, expected_version: None, command: Command::Withdraw };
    let applied = apply(&test_hub.hub, id, &attempt, None).await.unwrap();
    (id, applied.version)
}

#[tokio::test]
async fn only_the_tenant_reads_and_changes_its_subscription() {
    let test_hub = new_hub();
    let (id, path) = subscribed(&test_hub).await;
    let read = test_hub.get(&path).await.body;
    assert_eq!((&read["state"], &read["stored_callbacks"]), (&json!("healthy"), &json!(0)));
    assert!(PublicKey::parse(read["public_key"].as_str().unwrap()).is_ok() && read["secret"].is_null());
    assert_eq!(test_hub.get_as("other-app", &path).await.status, 404);
    let wanted = json!({ "events": ["application.signed", "application.ready", "application.signed"] });
    for _ in 0..2 {
        let changed = test_hub.patch(&path, "p", &wanted).await.body;
        assert_eq!(changed["events"], json!(["application.ready", "application.signed"]));
        assert_eq!(changed["url"], "https://app.example.cn/hooks", "absent fields keep their value");
    }
    assert_eq!(stored(&test_hub, id).await.revision, 1, "a repeat changes nothing");
    let both = json!({ "url": "https://app.example.cn:8443/", "events": ["application.opened"] });
    let refused = test_hub.patch(&path, "q", &both).await;
    let wrong = [("/url", "url_port"), ("/events/0", "not_one_of")];
    assert_eq!(refused.faults(), wrong.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    assert_eq!(test_hub.delete_as("other-app", &path, "k").await.status, 404);
    for path in ["rotate", "test", "replay", "pause", "resume"].map(|end| format!("{path}/{end}")) {
        let body = if path.ends_with("replay") { json!({ "failed": true }) } else { json!({}) };
        assert_eq!(test_hub.post_as("other-app", &path, "k", &body).await.status, 404, "{path}");
    }
    assert_eq!(test_hub.get_as("other-app", &format!("{path}/deliveries")).await.status, 404);
}

#[tokio::test]
async fn i14_a_change_of_nothing_or_of_no_events_is_refused() {
    let test_hub = new_hub();
    let (id, path) = subscribed(&test_hub).await;
    let before = stored(&test_hub, id).await;
    for (body, pointer, code, words) in [
        (json!({ "events": [] }), "/events", "too_few", "Accepted: 1 to 32."),
        (json!({}), "", "one_needed", "Accepted: url, events."),
        (json!({ "url": null, "events": null }), "", "one_needed", "Accepted: url, events."),
    ] {
        let answer = test_hub.patch(&path, "k", &body).await;
        assert_eq!(answer.faults(), [(pointer.to_owned(), code.to_owned())], "{body}");
        assert!(answer.body["errors"][0]["detail"].as_str().unwrap().ends_with(words), "{}", answer.body);
    }
    let nothing = test_hub.post(&format!("{path}/replay"), "k", &json!({})).await;
    assert_eq!(nothing.faults(), [(String::new(), "one_selection".to_owned())]);
    assert_eq!(stored(&test_hub, id).await, before);
}

#[tokio::test]
async fn i6_a_cursor_of_another_list_is_refused() {
    let test_hub = new_hub();
    let (_, path) = subscribed(&test_hub).await;
    test_hub.post(&format!("{path}/pause"), "p", &json!({})).await;
    let notices = test_hub.get("/v1/notices").await.body;
    let after = notices["after"].as_str().unwrap();
    assert_eq!(test_hub.get(&format!("/v1/notices?after={after}")).await.status, 200);
    for other in
        [format!("{path}/deliveries?cursor={after}"), format!("{path}/deliveries?failed=true&cursor={after}")]
    {
        assert_eq!(test_hub.get(&other).await.fault("/cursor").as_deref(), Some("cursor"), "{other}");
    }
    let theirs = test_hub.get_as("another-app", &format!("/v1/notices?after={after}")).await;
    assert_eq!((theirs.status, theirs.fault("/after").as_deref()), (422, Some("cursor")));
    for body in [
        json!({ "failed": true, "cursor": after }),
        json!({ "since": "2026-03-02T01:00:00Z", "cursor": after }),
    ] {
        let replayed = test_hub.post(&format!("{path}/replay"), "r", &body).await;
        assert_eq!(replayed.fault("/cursor").as_deref(), Some("cursor"), "{body}");
    }
}

/// A late repeat does not undo later changes.
#[tokio::test]
async fn a_change_is_applied_once_and_its_key_serves_no_other_request() {
    let test_hub = new_hub();
    let (id, path) = subscribed(&test_hub).await;
    let change = async |key: &str, body: &Value| test_hub.patch(&path, key, body).await;
    let (first, second) =
        (json!({ "events": ["application.signed"] }), json!({ "events": ["application.ready"] }));
    let answer = change("first", &first).await;
    assert_eq!(answer.body["events"], json!(["application.signed"]));
    assert_eq!(change("second", &second).await.status, 200);
    let late = change("first", &first).await;
    assert_eq!((late.status, &late.bytes), (200, &answer.bytes));
    assert_eq!(stored(&test_hub, id).await.revision, 2);
    let misused = change("first", &second).await;
    assert_eq!((misused.status, misused.code()), (422, "key_reused"));
    for end in ["pause", "resume", "test"].map(|end| format!("{path}/{end}")) {
        assert_eq!(test_hub.post(&end, "first", &json!({})).await.code(), "key_reused", "{end}");
    }
    let (failed, since) = (json!({ "failed": true }), json!({ "since": "2026-03-02T01:00:00Z" }));
    assert_eq!(test_hub.post(&format!("{path}/test"), "sent", &json!({})).await.status, 202);
    for replay in [failed, since] {
        assert_eq!(test_hub.post(&format!("{path}/replay"), "sent", &replay).await.code(), "key_reused");
    }
    let pause = async || test_hub.post(&format!("{path}/pause"), "off", &json!({})).await;
    let paused = pause().await;
    assert_eq!(paused.body["state"], "paused");
    assert_eq!(test_hub.post(&format!("{path}/resume"), "on", &json!({})).await.status, 200);
    assert_eq!(pause().await.bytes, paused.bytes);
    assert_ne!(test_hub.get(&path).await.body["state"], "paused");
    // The repeat is recognised after many other requests, too.
    for number in 0..100 {
        assert_eq!(change(&format!("k{number}"), &second).await.status, 200);
    }
    let revision = stored(&test_hub, id).await.revision;
    assert_eq!((change("first", &first).await.bytes, pause().await.bytes), (answer.bytes, paused.bytes));
    assert_eq!(stored(&test_hub, id).await.revision, revision);
}

#[tokio::test]
async fn a_rotation_returns_new_keys_and_keeps_the_former_for_the_overlap() {
    let test_hub = new_hub();
    let (id, path) = subscribed(&test_hub).await;
    let first = stored(&test_hub, id).await;
    let rotate = format!("{path}/rotate");
    let rotated = test_hub.post(&rotate, "r1", &json!({})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    let again = test_hub.post(&rotate, "r1", &json!({})).await;
    assert_eq!(again.bytes, rotated.bytes, "a repeat rotates nothing");
    let secret = Secret::parse(rotated.body["secret"].as_str().unwrap()).unwrap();
    let now = stored(&test_hub, id).await;
    let former = now.former.clone().unwrap();
    assert_eq!(former.secret, first.secret);
    let hours = former.until.duration_since(test_hub.hub.clock.now());
    assert_eq!(hours, SignedDuration::from_hours(24));
    let decrypted = decrypted_keys(&test_hub, id, &now.secret).await;
    assert_eq!(decrypted.secret().as_bytes(), secret.as_bytes());
    assert_eq!(rotated.body["public_key"], decrypted.public().unwrap().reveal());
    let second = test_hub.post(&rotate, "r2", &json!({ "overlap_hours": 0 })).await;
    assert_ne!(second.body["secret"], rotated.body["secret"]);
    assert_eq!(stored(&test_hub, id).await.former, None, "no overlap");
    let late = test_hub.post(&rotate, "r1", &json!({})).await;
    assert_eq!(late.bytes, rotated.bytes, "a late repeat receives the first answer");
    let other = test_hub.post(&rotate, "r1", &json!({ "overlap_hours": 1 })).await;
    assert_eq!((other.status, other.code()), (422, "key_reused"));
    let long = test_hub.post(&rotate, "r3", &json!({ "overlap_hours": 169 })).await;
    assert_eq!(long.fault("/overlap_hours").as_deref(), Some("out_of_range"));
    assert_eq!(
        notices(&test_hub).await,
        ["subscription.secret_rotated"; 1],
        "two rotations at the same time share a notice"
    );
    assert!(test_hub.get(&path).await.body["secret"].is_null());
    assert_eq!(EndpointKeys::BYTES, 64);
}

#[tokio::test]
async fn a_retry_after_a_lost_answer_rotates_once() {
    let calls = {
        let probe = new_hub();
        let (_, path) = subscribed(&probe).await;
        probe.hub.faults.restart();
        probe.post(&format!("{path}/rotate"), "r", &json!({})).await;
        probe.hub.faults.calls().len()
    };
    for call in 1..=calls {
        let test_hub = new_hub();
        let (id, path) = subscribed(&test_hub).await;
        test_hub.hub.faults.restart();
        test_hub.hub.faults.plan(call, Fault::DiesAfter);
        test_hub.post(&format!("{path}/rotate"), "r", &json!({})).await;
        let test_hub = test_hub.restarted();
        let answer = test_hub.post(&format!("{path}/rotate"), "r", &json!({})).await;
        assert_eq!(answer.status, 200, "at call {call}");
        let now = stored(&test_hub, id).await;
        let keys = decrypted_keys(&test_hub, id, &now.secret).await;
        assert_eq!(answer.body["secret"], keys.secret().reveal());
        assert_eq!(now.revision, 1, "rotated once, at call {call}");
    }
}

#[tokio::test]
async fn pausing_and_resuming_change_the_state_and_write_notices() {
    let test_hub = new_hub();
    let (id, path) = subscribed(&test_hub).await;
    let act = async |end: &str, key: &str| test_hub.post(&format!("{path}/{end}"), key, &json!({})).await;
    for _ in 0..2 {
        assert_eq!(act("pause", "off").await.body["state"], "paused");
    }
    assert!(test_hub.hub.queues.sent().is_empty());
    test_hub.hub.clock.advance(SignedDuration::from_secs(1));
    for _ in 0..2 {
        assert_eq!(act("resume", "on").await.body["state"], "recovering");
    }
    assert_eq!(test_hub.hub.queues.drain(&Queue::Drains).len(), 2, "each resume request wakes the drainer");
    let now = test_hub.hub.clock.now();
    let gone = EndpointState::Disabled { reason: DisabledReason::Gone, since: now, at: now };
    set_state(&test_hub, id, gone).await;
    let read = test_hub.get(&path).await.body;
    assert_eq!((&read["state"], &read["reason"]), (&json!("disabled"), &json!("gone")));
    assert_eq!(
        act("pause", "off-2").await.body["state"],
        "disabled",
        "a pause does not change a disabled endpoint"
    );
    test_hub.hub.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(act("resume", "on-2").await.body["state"], "recovering");
    let later = now + SignedDuration::from_hours(9);
    set_state(&test_hub, id, EndpointState::Failing { attempt: 9, since: now, next_at: later }).await;
    let resumed = act("resume", "on-3").await.body;
    assert_eq!(resumed["state"], "failing");
    assert_eq!(
        resumed["next_attempt_at"],
        test_hub.hub.clock.now().to_string(),
        "the next attempt is due at once"
    );
    let expected = ["subscription.paused", "subscription.enabled", "subscription.enabled"];
    assert_eq!(notices(&test_hub).await, expected);
    let first = test_hub.get("/v1/notices?limit=1").await.body;
    assert_eq!(first["more"], true);
    let after = first["after"].as_str().unwrap();
    let rest = test_hub.get(&format!("/v1/notices?after={after}")).await.body;
    assert_eq!((rest["notices"].as_array().unwrap().len(), &rest["more"]), (2, &json!(false)));
    let end = rest["after"].as_str().unwrap();
    let none = test_hub.get(&format!("/v1/notices?after={end}")).await.body;
    assert_eq!(
        (&none["notices"], &none["after"]),
        (&json!([]), &json!(end)),
        "an empty page keeps the cursor"
    );
    assert_eq!(test_hub.get_as("other-app", "/v1/notices").await.body["notices"], json!([]));
}

#[tokio::test]
async fn the_schedule_wakes_a_drainer_that_could_not_be_woken() {
    let test_hub = new_hub();
    let (id, path) = subscribed(&test_hub).await;
    test_hub.hub.queues.remove(Queue::Drains);
    test_hub.post(&format!("{path}/pause"), "off", &json!({})).await;
    let resumed = test_hub.post(&format!("{path}/resume"), "on", &json!({})).await;
    assert_eq!((resumed.status, &resumed.body["state"]), (200, &json!("recovering")));
    let due = test_hub.hub.subscriptions().due(test_hub.hub.clock.now(), 9).await.unwrap();
    assert_eq!(due.iter().map(|due| due.1).collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn a_test_event_goes_through_the_drain_queue() {
    let test_hub = new_hub();
    let (id, path) = subscribed(&test_hub).await;
    let test = format!("{path}/test");
    let first = test_hub.post(&test, "t", &json!({})).await;
    assert_eq!(first.status, 202);
    assert_eq!(test_hub.post(&test, "t", &json!({})).await.body, first.body, "the same event");
    let another = test_hub.post(&test, "u", &json!({})).await;
    assert_ne!(another.body, first.body);
    let sent = addressed_in(&test_hub, &Queue::Drains);
    assert_eq!(sent.len(), 2, "a repeat sends nothing");
    assert_eq!((sent[0].subscription, sent[0].callback.kind.as_str()), (id, "webhook.test"));
    assert_eq!(first.body["webhook_id"], sent[0].callback.id());
    assert!(test_hub.hub.store().get(sent[0].callback.application).await.unwrap().is_none());
}

/// The failures are those of the former address, so the stored callbacks need not wait for the schedule.
#[tokio::test]
async fn c2_a_changed_url_ends_the_failing_state() {
    let test_hub = new_hub();
    let (id, path) = subscribed(&test_hub).await;
    let since = test_hub.hub.clock.now();
    let failing =
        EndpointState::Failing { attempt: 9, since, next_at: since + SignedDuration::from_hours(20) };
    set_state(&test_hub, id, failing).await;
    let same = stored(&test_hub, id).await.url;
    test_hub.patch(&path, "same", &json!({ "url": same })).await;
    assert_eq!(stored(&test_hub, id).await.state, failing, "the URL is not another one");
    test_hub.hub.queues.drain(&Queue::Drains);
    let other = json!({ "url": "https://other.example.cn/hooks" });
    assert_eq!(test_hub.patch(&path, "other", &other).await.body["state"], "recovering");
    assert_eq!(stored(&test_hub, id).await.state, EndpointState::Recovering { since });
    assert_eq!(test_hub.hub.queues.drain(&Queue::Drains).len(), 1, "a drainer is woken");
    let paused = EndpointState::Paused { since, at: since };
    set_state(&test_hub, id, paused).await;
    test_hub.patch(&path, "third", &json!({ "url": same })).await;
    assert_eq!(stored(&test_hub, id).await.state, paused, "only the tenant ends a pause");
}

#[tokio::test]
async fn one_callback_is_replayed_once_for_each_request() {
    let test_hub = new_hub();
    let (id, path) = subscribed(&test_hub).await;
    let (application, version) = withdrawn(&test_hub, "a").await;
    let body = json!({ "application": application.to_string(), "version": version });
    let replay = format!("{path}/replay");
    for (key, queued) in [("x", 1), ("x", 0), ("y", 1)] {
        let answer = test_hub.post(&replay, key, &body).await;
        assert_eq!((answer.status, &answer.body["queued"]), (202, &json!(1)));
        let sent = subscription_callbacks(&test_hub);
        assert_eq!(sent.len(), queued, "a repeat sends nothing");
        assert!(sent.iter().all(|sent| sent.replay && sent.subscription == id));
        assert!(sent.iter().all(|sent| sent.callback.id() == format!("{application}:{version}")));
    }
    let without_callback = json!({ "application": application.to_string(), "version": 1 });
    test_hub.hub.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(test_hub.post(&replay, "x", &body).await.status, 202);
    assert_eq!(subscription_callbacks(&test_hub), [], "a late repeat sends nothing");
    assert_eq!(
        test_hub.post(&replay, "z", &without_callback).await.fault("/version").as_deref(),
        Some("unknown")
    );
    let unknown = json!({ "application": "00000000-0000-8000-8000-000000000000", "version": 1 });
    assert_eq!(test_hub.post(&replay, "z", &unknown).await.status, 404);
}

#[tokio::test]
async fn callbacks_since_a_time_are_replayed_in_pages() {
    let test_hub = new_hub();
    let (_, path) = subscribed(&test_hub).await;
    withdrawn(&test_hub, "early").await;
    test_hub.hub.clock.advance(SignedDuration::from_hours(1));
    let since = test_hub.hub.clock.now();
    let mut expected = Vec::new();
    for number in 0..30 {
        let (application, version) = withdrawn(&test_hub, &format!("late-{number}")).await;
        expected.push(format!("{application}:{version}"));
    }
    let replay = format!("{path}/replay");
    let first = test_hub.post(&replay, "x", &json!({ "since": since.to_string() })).await.body;
    let next = first["next"].as_str().unwrap();
    let second = json!({ "since": since.to_string(), "cursor": next });
    let second = test_hub.post(&replay, "x2", &second).await.body;
    assert!(second["next"].is_null());
    let mut sent: Vec<String> =
        subscription_callbacks(&test_hub).iter().map(|sent| sent.callback.id()).collect();
    sent.sort();
    expected.sort();
    assert_eq!(sent, expected);
    let queued = |answer: &Value| answer["queued"].as_u64().unwrap();
    assert_eq!(queued(&first) + queued(&second), 30);
    let bad = test_hub.post(&replay, "x", &json!({ "since": "yesterday" })).await;
    assert_eq!(bad.fault("/since").as_deref(), Some("moment"));
}

#[tokio::test]
async fn deliveries_are_listed_and_failed_ones_replayed() {
    let test_hub = new_hub();
    let (id, path) = subscribed(&test_hub).await;
    let attempt = |version, number, result| {
        let callback = Callback {
            tenant: "hohhot-app".parse().unwrap(),
            application: ApplicationId::from_bytes16([1; 16]),
            version,
            kind: "application.received".to_owned(),
            at: test_hub.hub.clock.now(),
            stage: Stage::Received,
        };
        let at = test_hub.hub.clock.now() + SignedDuration::from_secs(i64::from(version));
        DeliveryWrite::Attempted(Attempt { subscription: id, callback, number, at, result, latency_ms: 12 })
    };
    let lines = vec![attempt(1, 1, Ok(204)), attempt(2, 1, Err(Cause::Timeout)), attempt(3, 1, Ok(500))];
    test_hub.hub.deliveries().write(lines).await.unwrap();
    let all = test_hub.get(&format!("{path}/deliveries")).await.body;
    let versions = |page: &Value| {
        let deliveries = page["deliveries"].as_array().unwrap().iter();
        deliveries.map(|delivery| delivery["version"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(versions(&all), [3, 2, 1], "the newest first");
    let of = |place: usize| &all["deliveries"][place];
    assert_eq!((&of(0)["status"], &of(0)["delivered"]), (&json!(500), &json!(false)));
    assert_eq!((&of(1)["cause"], &of(1)["latency_ms"]), (&json!("timeout"), &json!(12)));
    assert_eq!(of(2)["delivered"], true);
    let page = test_hub.get(&format!("{path}/deliveries?limit=2")).await.body;
    let next = page["next"].as_str().unwrap();
    let rest = test_hub.get(&format!("{path}/deliveries?limit=2&cursor={next}")).await.body;
    assert_eq!(versions(&rest), [1]);
    let failed = test_hub.get(&format!("{path}/deliveries?failed=true")).await.body;
    assert_eq!(versions(&failed), [2, 3]);
    let answer = test_hub.post(&format!("{path}/replay"), "f", &json!({ "failed": true })).await;
    assert_eq!(answer.body, json!({ "queued": 2 }));
    let sent: Vec<u32> = subscription_callbacks(&test_hub).iter().map(|sent| sent.callback.version).collect();
    assert_eq!(sent, [2, 3]);
    let bad = test_hub.get(&format!("{path}/deliveries?cursor=%21&limit=0")).await;
    assert_eq!(bad.faults().len(), 2, "{}", bad.body);
}

#[tokio::test]
async fn a_replay_has_exactly_one_selection() {
    let nulls = new_hub();
    let (_, path) = subscribed(&nulls).await;
    let body = json!({ "failed": true, "since": null, "application": null, "version": null, "cursor": null });
    assert_eq!(nulls.post(&format!("{path}/replay"), "k", &body).await.status, 202, "null is absent");
    let test_hub = new_hub();
    let (_, path) = subscribed(&test_hub).await;
    let replay = format!("{path}/replay");
    let fault = async |body: Value| test_hub.post(&replay, "k", &body).await.faults();
    let error = |pointer: &str, code: &str| (pointer.to_owned(), code.to_owned());
    assert_eq!(fault(json!({})).await, [error("", "one_selection")]);
    assert_eq!(fault(json!({ "failed": false })).await, [error("/failed", "not_one_of")]);
    let two = json!({ "since": "2026-03-02T00:00:00Z", "failed": true });
    assert_eq!(fault(two).await, [error("/since", "not_expected"), error("/failed", "not_expected")]);
    let half = fault(json!({ "application": 7 })).await;
    assert_eq!(half, [error("/application", "not_text"), error("/version", "required")]);
}
