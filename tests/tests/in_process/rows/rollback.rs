//! A rollback: the table has entries that the running version of the hub cannot read, because a newer version wrote them.
//! Case O8 of `tests/FIELD_CASES.md`.

use domain::command::ReportedResult;
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use platform::contract::sample;
use platform::queues::Queue;
use platform::store::StoredApplication;
use protocol::backlog::CASES_TYP;
use serde_json::{Value, json};
use sweeper::handler::SweepCounts;

use super::{APPLICATIONS, file, only_application, with_a_case};
use crate::case_scenario::TENANT;
use crate::crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG};
use crate::records::stream_record;

/// Rewrites the last entry of the only application as a newer version of the hub writes it, and starts the processes of
/// this version. Returns the entry as it was.
async fn roll_back(harness: &mut CrashHarness, event: &Value) -> Vec<u8> {
    let mut before = Vec::new();
    let id = only_application(harness).await.id();
    harness.hub.store.rewrite_last(id, |entry| {
        before.clone_from(&entry);
        sample::newer(&entry, event)
    });
    harness.restart();
    before
}

/// A hub whose only case was received, and then changed by a newer version of the hub.
async fn rolled_back() -> (CrashHarness, Vec<u8>) {
    let (mut harness, case) = with_a_case().await;
    report(&harness, case.version).await.body(200);
    let before = roll_back(&mut harness, &json!({ "t": "address_checked", "by": { "drone": 7 } })).await;
    (harness, before)
}

async fn report(harness: &CrashHarness, seen: u32) -> Answer {
    let id = only_application(harness).await.id();
    let jws = harness.signed(BEIJING, id, seen, ReportedResult::Received);
    harness.report(&jws).await
}

async fn get(harness: &CrashHarness, tenant: &str, path: &str) -> Answer {
    harness.send("GET", tenant, path, "read", None, &Value::Null).await
}

fn bytes(stored: &StoredApplication) -> Vec<Vec<u8>> {
    stored.ledger.entries().iter().map(|line| line.bytes.clone()).collect()
}

fn assert_waits(answer: Answer) {
    assert_eq!(answer.body(503)["type"], "/problems/incomplete_read");
}

#[tokio::test]
async fn o8_an_application_is_shown_and_listed_as_far_as_it_is_known() {
    let (harness, _) = rolled_back().await;
    let stored = only_application(&harness).await;
    let path = format!("{APPLICATIONS}/{}", stored.id());
    let shown = get(&harness, TENANT, &path).await.body(200);
    assert_eq!((&shown["stage"], &shown["version"]), (&json!("dispatched"), &json!(stored.version())));
    assert_eq!((&shown["incomplete_read"], &shown["next"]), (&json!(true), &json!([])));
    assert_eq!(shown["leg"]["agency"], BEIJING);
    for query in ["", "?stage=dispatched", "?service=first_identity_card", "?agency=11"] {
        let listed = get(&harness, TENANT, &format!("{APPLICATIONS}{query}")).await.body(200);
        assert_eq!(listed["applications"], json!([shown]), "{query}");
    }
    let feed = get(&harness, TENANT, &format!("{path}/events")).await.body(200);
    let last = feed["events"].as_array().and_then(|events| events.last()).expect("an event");
    assert_eq!((&last["type"], &last["data"]), (&json!("application.address_checked"), &json!({})));
    assert_eq!(get(&harness, "other-app", &path).await.body(404)["type"], "/problems/not_found");
}

#[tokio::test]
async fn o8_values_and_parties_of_a_newer_version_hide_no_application() {
    for event in [
        json!({ "t": "document_rejected", "d": "d1", "o": "v", "f": "blurred" }),
        json!({ "t": "collected", "how": "robot" }),
        json!({ "t": "supplement_requested", "items": [], "until": "2026-03-09",
            "slots": [{ "id": "d9", "r": "x", "k": ["hologram"], "p": "court" }] }),
        json!({ "t": "approved", "permit": 7, "due": "tomorrow" }),
    ] {
        let (mut harness, _) = with_a_case().await;
        roll_back(&mut harness, &event).await;
        let listed = get(&harness, TENANT, APPLICATIONS).await.body(200);
        assert_eq!(listed["applications"][0]["incomplete_read"], true, "{event}");
    }
    let harness = CrashHarness::new();
    file(&harness, TENANT, "a-key").await;
    let mut opened = Value::Null;
    let id = only_application(&harness).await.id();
    harness.hub.store.rewrite_last(id, |entry| {
        let entry: Value = serde_json::from_slice(&entry).expect("an entry");
        opened = entry["e"].clone();
        opened["s"] = json!("passport_renewal");
        opened["w"] = json!("lost");
        opened["lg"][0]["p"] = json!("translate");
        sample::newer(entry.to_string().as_bytes(), &opened)
    });
    let shown = get(&harness, TENANT, APPLICATIONS).await.body(200);
    let first = &shown["applications"][0];
    assert_eq!((&first["service"], &first["when"]), (&json!("passport_renewal"), &json!("lost")));
    assert_eq!((&first["incomplete_read"], &first["leg"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn o8_no_command_changes_what_this_version_cannot_read() {
    let (mut harness, before) = rolled_back().await;
    let stored = only_application(&harness).await;
    let path = format!("{APPLICATIONS}/{}", stored.id());
    for step in ["withdraw", "submit", "supplement"] {
        assert_waits(harness.post(TENANT, &format!("{path}/{step}"), step, &json!({})).await);
    }
    assert_waits(harness.send("PATCH", TENANT, &path, "patch", None, &json!({ "submit": "manual" })).await);
    let other = harness.post("other-app", &format!("{path}/withdraw"), "w", &json!({})).await;
    assert_eq!(other.body(404)["type"], "/problems/not_found");
    let signed = |harness: &CrashHarness, agency: &str| {
        harness.signed(agency, stored.id(), stored.version(), ReportedResult::Signed)
    };
    assert_waits(harness.report(&signed(&harness, BEIJING)).await);
    assert_eq!(harness.report(&signed(&harness, SHANDONG)).await.body(404)["type"], "/problems/not_found");
    let now = harness.hub.clock.now();
    for receives in [1, 29] {
        let answer = harness.reports_queued_again(&[&signed(&harness, BEIJING)], now, receives).await;
        assert_eq!(answer, Answer::Batch(1), "the queue keeps the report");
    }
    assert!(harness.refused(BEIJING).is_empty(), "and nobody is told that it is refused");
    let resend = json!({ "cases": [{ "application": stored.id() }] });
    let typ = protocol::backlog::RESEND_TYP;
    let answer = harness.open_cases_request(BEIJING, "/v1/agency/resend", typ, &resend).await.body(200);
    assert_eq!(answer["cases"][0]["outcome"], "unavailable");
    let cases =
        harness.open_cases_request(BEIJING, "/v1/agency/cases", CASES_TYP, &json!({})).await.body(200);
    assert_eq!(cases["cases"][0]["incomplete_read"], true);
    assert_eq!(bytes(&only_application(&harness).await), bytes(&stored), "nothing was written");

    harness.hub.store.rewrite_last(stored.id(), |_| before);
    harness.restart();
    harness.report(&signed(&harness, BEIJING)).await.body(200);
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Signed);
}

#[tokio::test]
async fn o8_the_router_leaves_an_unknown_event_to_the_version_that_wrote_it() {
    let (harness, _) = rolled_back().await;
    let newer = only_application(&harness).await;
    let other = file(&harness, TENANT, "another").await;
    harness.uploaded(&other).await;
    let good = harness.stored().await.into_iter().find(|one| one.id() != newer.id()).expect("the other one");
    harness.hub.queues.drain(&Queue::Callbacks);
    // The newer version recorded the dispatch, too, in the change of which this version knows the first part.
    let records = [
        stream_record(&newer, newer.version() - 2, newer.version()),
        stream_record(&good, 1, good.version()),
    ];
    assert_eq!(harness.stream_records(&records).await, Answer::Batch(0), "nothing waits");
    assert_eq!(harness.take(BEIJING).len(), 1, "the other application's case is sent");
    let called: Vec<String> =
        harness.hub.queues.drain(&Queue::Callbacks).into_iter().map(|message| message.id).collect();
    let known = format!("{}:{}", newer.id(), newer.version() - 1);
    assert!(called.contains(&known), "the dispatch is known: {called:?}");
    assert!(!called.contains(&format!("{}:{}", newer.id(), newer.version())), "{called:?}");
    let quarantined = harness.hub.queues.drain(&Queue::Quarantine);
    assert_eq!(quarantined.len(), 1);
    let why: Value = serde_json::from_str(&quarantined[0].body).expect("JSON");
    assert_eq!(why["key"]["id"]["S"], json!(newer.id()));
    assert!(why["reason"].as_str().is_some_and(|reason| reason.contains("newer version")), "{why}");
    let again = stream_record(&newer, newer.version(), newer.version());
    assert_eq!(harness.stream_records(&[again]).await, Answer::Batch(0));
    assert!(
        harness.hub.queues.drain(&Queue::Quarantine).is_empty(),
        "only what the entry causes is set aside"
    );
}

#[tokio::test]
async fn o8_the_sweeper_leaves_the_application_to_the_newer_version() {
    let (mut harness, before) = rolled_back().await;
    let stored = only_application(&harness).await;
    harness.hub.clock.advance(SignedDuration::from_hours(24 * 60));
    let none = SweepCounts::default();
    assert_eq!(harness.sweep().await, Answer::Swept(SweepCounts { due: 1, failed: 1, ..none }));
    harness.hub.clock.advance(SignedDuration::from_mins(30));
    assert_eq!(harness.sweep().await, Answer::Swept(none), "it takes no other application's place");
    assert_eq!(bytes(&only_application(&harness).await), bytes(&stored), "nothing was written");
    assert!(harness.take(BEIJING).is_empty());

    harness.hub.store.rewrite_last(stored.id(), |_| before);
    harness.restart();
    harness.hub.clock.advance(SignedDuration::from_mins(31));
    assert_eq!(harness.sweep().await, Answer::Swept(SweepCounts { due: 1, moved: 1, ..none }));
    assert!(only_application(&harness).await.ledger.state().overdue);
}

/// An application whose record is destroyed is tried again after an hour, as long as nobody repaired it.
#[tokio::test]
async fn o7_an_unreadable_application_is_backed_off() {
    let (harness, _) = with_a_case().await;
    let id = only_application(&harness).await.id();
    harness.hub.store.rewrite_last(id, |_| b"{}".to_vec());
    harness.hub.clock.advance(SignedDuration::from_hours(24 * 60));
    let none = SweepCounts::default();
    assert_eq!(harness.sweep().await, Answer::Swept(SweepCounts { due: 1, failed: 1, ..none }));
    harness.hub.clock.advance(SignedDuration::from_mins(59));
    assert_eq!(harness.sweep().await, Answer::Swept(none));
    harness.hub.clock.advance(SignedDuration::from_mins(2));
    assert_eq!(harness.sweep().await, Answer::Swept(SweepCounts { due: 1, failed: 1, ..none }));
}
