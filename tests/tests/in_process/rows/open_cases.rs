//! What an agency has open, and asks for again.

use domain::agency_override::AgencyOverride;
use domain::command::Finding;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use protocol::backlog::{CASES_TYP, RESEND_TYP};
use serde_json::{Value, json};

use super::{file, only, with_a_case, with_a_draft};
use crate::crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG, asked_again, change};
use crate::journey::TENANT;

async fn cases(harness: &CrashHarness, agency: &str, request: Value) -> Value {
    harness.backlog(agency, "/v1/agency/cases", CASES_TYP, &request).await.body(200)
}

async fn resend(harness: &CrashHarness, agency: &str, case: Value) -> Value {
    let request = json!({ "cases": [case] });
    let answer = harness.backlog(agency, "/v1/agency/resend", RESEND_TYP, &request).await.body(200);
    answer["cases"][0].clone()
}

/// A hub with some cases in Beijing's queue.
async fn with_cases(number: usize) -> CrashHarness {
    let harness = CrashHarness::new();
    for turn in 0..number {
        let keys = file(&harness, TENANT, &format!("key-{turn}")).await;
        harness.uploaded(&keys).await;
        harness.hub.clock.advance(SignedDuration::from_secs(1));
    }
    for stored in harness.stored().await {
        harness.show(&[change(&stored, 1, stored.version())]).await;
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
    assert_eq!(cases(&harness, SHANDONG, json!({})).await["cases"], json!([]), "another's are not shown");
}

#[tokio::test]
async fn a_case_is_in_the_list_while_it_is_before_the_agency() {
    let (harness, case) = with_a_case().await;
    let open = async || cases(&harness, BEIJING, json!({})).await["cases"].as_array().map(Vec::len);
    let say = async |finding| {
        let jws = harness.signed(BEIJING, case.application, case.version, finding);
        harness.report(&jws).await.body(200);
    };
    for finding in [Finding::Received, Finding::Signed, Finding::Produced] {
        assert_eq!(open().await, Some(1), "before {finding:?}");
        say(finding).await;
    }
    say(Finding::Ready { place: "the hall".to_owned() }).await;
    assert_eq!(open().await, Some(0), "the rest is the app's");
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
    let stored = only(&harness).await;
    let record = asked_again(&stored, harness.hub.clock.now(), case.version);
    assert_eq!(harness.show(&[record]).await, Answer::Batch(0));
    let sent = harness.take(BEIJING);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].id, format!("{}:{}", case.application, case.version));
    assert_ne!(sent[0].dedup, sent[0].id, "the queue takes it as new");
    assert_eq!(harness.opened(BEIJING, &sent[0]), case, "and it is the same case");
    assert_eq!(only(&harness).await, stored, "the record does not change");
    harness.hub.clock.advance(SignedDuration::from_secs(6));
    assert_eq!(resend(&harness, BEIJING, wanted).await["outcome"], "accepted");
}

#[tokio::test]
async fn what_is_not_there_or_not_theirs_is_not_found() {
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
        let refused = harness.backlog(BEIJING, path, typ, &request).await.body(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    let mixed = harness.backlog(BEIJING, "/v1/agency/cases", RESEND_TYP, &json!({ "cases": [] })).await;
    assert_eq!(mixed.body(400)["type"], "/problems/malformed_signature", "one kind is not another");
}

/// The queue has forgotten the case; the table has not.
#[tokio::test]
async fn row_19_the_sweeper_sends_again_what_the_agency_queue_has_dropped() {
    let (harness, case) = with_a_case().await;
    harness.hub.clock.advance(SignedDuration::from_hours(24 * 13));
    harness.sweep().await;
    assert!(harness.take(BEIJING).is_empty(), "the queue still has it");
    for weeks in [2, 4] {
        harness.hub.clock.advance(SignedDuration::from_hours(24 * 15));
        harness.sweep().await;
        let again = harness.take(BEIJING);
        assert_eq!(again.len(), 1, "after {weeks} weeks");
        assert_eq!(again[0].id, format!("{}:{}", case.application, case.version));
    }
    let jws = harness.signed(BEIJING, case.application, case.version, Finding::Received);
    harness.report(&jws).await.body(200);
    harness.hub.clock.advance(SignedDuration::from_hours(24 * 15));
    harness.sweep().await;
    assert!(harness.take(BEIJING).is_empty(), "the agency has it");
}

/// An agency that has a case and is suspended is told that the case is taken back.
#[tokio::test]
async fn a_withdrawal_reaches_a_suspended_agency() {
    let (harness, case) = with_a_case().await;
    harness.override_agency(BEIJING, AgencyOverride::Suspend);
    let path = format!("/v1/applications/{}/withdraw", case.application);
    harness.post(TENANT, &path, "back", &json!({})).await.body(200);
    let stored = only(&harness).await;
    let record = change(&stored, stored.version() - 1, stored.version());
    assert_eq!(harness.show(&[record]).await, Answer::Batch(0));
    assert_eq!(harness.take(BEIJING).len(), 1);
}

/// Held for hours, a case costs a look an hour and not one a minute.
#[tokio::test]
async fn what_cannot_be_sent_is_tried_ever_more_seldom() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    harness.override_agency(BEIJING, AgencyOverride::Suspend);
    let id = only(&harness).await.id();
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
