//! An agency's open cases and requested resends.

use domain::agency_override::AgencyOverride;
use domain::command::ReportedResult;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use protocol::backlog::{CASES_TYP, RESEND_TYP};
use protocol::case::Case;
use serde_json::{Value, json};

use super::{file, only_application, with_a_case, with_a_draft};
use crate::case_scenario::TENANT;
use crate::crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG};
use crate::records::{resend_record, stream_record};

async fn cases(harness: &CrashHarness, agency: &str, request: Value) -> Value {
    harness.open_cases_request(agency, "/v1/agency/cases", CASES_TYP, &request).await.body(200)
}

async fn resend(harness: &CrashHarness, agency: &str, case: Value) -> Value {
    let request = json!({ "cases": [case] });
    let answer =
        harness.open_cases_request(agency, "/v1/agency/resend", RESEND_TYP, &request).await.body(200);
    answer["cases"][0].clone()
}

/// A hub with this number of cases in Beijing's queue.
async fn with_cases(number: usize) -> CrashHarness {
    let harness = CrashHarness::new();
    for turn in 0..number {
        let keys = file(&harness, TENANT, &format!("key-{turn}")).await;
        harness.uploaded(&keys).await;
        harness.hub.clock.advance(SignedDuration::from_secs(1));
    }
    for stored in harness.stored().await {
        harness.stream_records(&[stream_record(&stored, 1, stored.version())]).await;
    }
    harness
}

#[tokio::test]
async fn open_cases_are_listed_page_by_page_oldest_first() {
    let harness = with_cases(5).await;
    let mut listed: Vec<Value> = Vec::new();
    let mut after = Value::Null;
    for pages in 1.. {
        let page = cases(&harness, BEIJING, json!({ "limit": 2, "after": after })).await;
        listed.extend(page["cases"].as_array().expect("cases").clone());
        after = page["next"].clone();
        if after.is_null() {
            assert_eq!(pages, 3);
            break;
        }
    }
    let opened: Vec<&str> = listed.iter().map(|case| case["opened_at"].as_str().expect("a time")).collect();
    assert!(opened.len() == 5 && opened.is_sorted(), "{opened:?}");
    assert!(listed.iter().all(|case| case["sent"] == json!(true) && case["notice"] == json!("opened")));
    assert_eq!(
        cases(&harness, SHANDONG, json!({})).await["cases"],
        json!([]),
        "another agency's cases are listed"
    );
}

#[tokio::test]
async fn a_case_is_in_the_list_while_it_is_before_the_agency() {
    let (harness, case) = with_a_case().await;
    let open = async || cases(&harness, BEIJING, json!({})).await["cases"].as_array().map(Vec::len);
    let say = async |result| {
        let jws = harness.signed(BEIJING, case.application, case.version, result);
        harness.report(&jws).await.body(200);
    };
    for result in [ReportedResult::Received, ReportedResult::Signed, ReportedResult::Produced] {
        assert_eq!(open().await, Some(1), "before {result:?}");
        say(result).await;
    }
    say(ReportedResult::Ready { place: "the hall".to_owned() }).await;
    assert_eq!(open().await, Some(0), "after `ready` the case is no longer open for the agency");
    let closed = resend(&harness, BEIJING, json!({ "application": case.application })).await;
    assert_eq!(closed["outcome"], "closed");
}

#[tokio::test]
async fn a_message_is_sent_again_under_its_own_id() {
    let (harness, case) = with_a_case().await;
    let wanted = json!({ "application": case.application });
    let answer = resend(&harness, BEIJING, wanted.clone()).await;
    assert_eq!((&answer["outcome"], &answer["message"]), (&json!("accepted"), &json!(case.version)));
    harness.hub.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(resend(&harness, BEIJING, wanted.clone()).await["outcome"], "too_soon");
    let stored = only_application(&harness).await;
    let record = resend_record(&stored, harness.hub.clock.now(), case.version);
    assert_eq!(harness.stream_records(&[record]).await, Answer::Batch(0));
    let sent = harness.take(BEIJING);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].id, format!("{}:{}", case.application, case.version));
    assert_ne!(sent[0].dedup, sent[0].id, "the resend has a new deduplication id");
    let again = harness.opened(BEIJING, &sent[0]);
    assert!(again.iat >= case.iat && again.iat.is_some(), "a resend is signed again");
    assert_eq!(Case { iat: case.iat, ..again }, case, "the resend contains the same case");
    assert_eq!(only_application(&harness).await, stored, "a resend changes the record");
    harness.hub.clock.advance(SignedDuration::from_secs(6));
    assert_eq!(resend(&harness, BEIJING, wanted).await["outcome"], "accepted");
}

#[tokio::test]
async fn unknown_cases_and_other_agencies_cases_are_not_found() {
    let (harness, case) = with_a_case().await;
    let theirs = resend(&harness, SHANDONG, json!({ "application": case.application })).await;
    assert_eq!(theirs["outcome"], "not_found");
    let other = json!({ "application": case.application, "message": 1 });
    assert_eq!(resend(&harness, BEIJING, other).await["outcome"], "no_such_message");
    let twice =
        json!({ "cases": [{ "application": case.application }, { "application": case.application }] });
    for (path, typ, request, pointer) in [
        ("/v1/agency/resend", RESEND_TYP, json!({ "cases": [] }), "/cases"),
        ("/v1/agency/resend", RESEND_TYP, twice, "/cases/1/application"),
        ("/v1/agency/cases", CASES_TYP, json!({ "limit": 0 }), "/limit"),
        ("/v1/agency/cases", CASES_TYP, json!({ "after": "x" }), "/after"),
    ] {
        let refused = harness.open_cases_request(BEIJING, path, typ, &request).await.body(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    let mixed =
        harness.open_cases_request(BEIJING, "/v1/agency/cases", RESEND_TYP, &json!({ "cases": [] })).await;
    assert_eq!(
        mixed.body(400)["type"],
        "/problems/malformed_signature",
        "a request of one type is accepted as another"
    );
}

/// The queue has dropped the case, and the table still has it.
/// Row 19 of `tests/FAULTS.md`.
#[tokio::test]
async fn the_sweeper_sends_again_what_the_agency_queue_has_dropped() {
    let (harness, case) = with_a_case().await;
    harness.hub.clock.advance(SignedDuration::from_hours(24 * 13));
    harness.sweep().await;
    assert!(harness.take(BEIJING).is_empty(), "the case is sent although the queue still has it");
    for weeks in [2, 4] {
        harness.hub.clock.advance(SignedDuration::from_hours(24 * 15));
        harness.sweep().await;
        let again = harness.take(BEIJING);
        assert_eq!(again.len(), 1, "after {weeks} weeks");
        assert_eq!(again[0].id, format!("{}:{}", case.application, case.version));
    }
    let jws = harness.signed(BEIJING, case.application, case.version, ReportedResult::Received);
    harness.report(&jws).await.body(200);
    harness.hub.clock.advance(SignedDuration::from_hours(24 * 15));
    harness.sweep().await;
    assert!(harness.take(BEIJING).is_empty(), "the case is sent although the agency has it");
}

/// A suspended agency that has a case receives the withdrawal.
#[tokio::test]
async fn a_withdrawal_reaches_a_suspended_agency() {
    let (harness, case) = with_a_case().await;
    harness.override_agency(BEIJING, AgencyOverride::Suspend);
    let path = format!("/v1/applications/{}/withdraw", case.application);
    harness.post(TENANT, &path, "back", &json!({})).await.body(200);
    let stored = only_application(&harness).await;
    let record = stream_record(&stored, stored.version() - 1, stored.version());
    assert_eq!(harness.stream_records(&[record]).await, Answer::Batch(0));
    assert_eq!(harness.take(BEIJING).len(), 1);
}

/// After some hours the sweeper looks at a held case once an hour, not once a minute.
#[tokio::test]
async fn a_held_case_is_retried_with_growing_pauses() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    harness.override_agency(BEIJING, AgencyOverride::Suspend);
    let id = only_application(&harness).await.id();
    let mut waits = Vec::new();
    for _ in 0..7 {
        let wake = harness.hub.store.wake(id).expect("a time to look again");
        waits.push(wake.duration_since(harness.hub.clock.now()).as_mins());
        harness.hub.clock.set(wake);
        harness.sweep().await;
    }
    assert!(waits.is_sorted(), "{waits:?}");
    assert_eq!((waits[1], waits[6]), (5, 60), "{waits:?}");
}
