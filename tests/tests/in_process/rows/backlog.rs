//! What an agency has open, and asks for again.

use domain::amend::Amendment;
use domain::command::Finding;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use protocol::backlog::{CASES_TYP, RESEND_TYP};
use serde_json::{Value, json};

use super::{file, only, with_a_case, with_a_draft};
use crate::journey::TENANT;
use crate::rehearsal::{Answer, BEIJING, Rehearsal, SHANDONG, asked_again, change};

async fn cases(rehearsal: &Rehearsal, agency: &str, request: Value) -> Value {
    rehearsal.backlog(agency, "/v1/agency/cases", CASES_TYP, &request).await.body(200)
}

async fn resend(rehearsal: &Rehearsal, agency: &str, case: Value) -> Value {
    let request = json!({ "cases": [case] });
    let answer = rehearsal.backlog(agency, "/v1/agency/resend", RESEND_TYP, &request).await.body(200);
    answer["cases"][0].clone()
}

/// A hub with some cases in Beijing's queue.
async fn with_cases(number: usize) -> Rehearsal {
    let rehearsal = Rehearsal::new();
    for turn in 0..number {
        let keys = file(&rehearsal, TENANT, &format!("key-{turn}")).await;
        rehearsal.uploaded(&keys).await;
        rehearsal.hub.clock.advance(SignedDuration::from_secs(1));
    }
    for kept in rehearsal.kept().await {
        rehearsal.show(&[change(&kept, 1, kept.version())]).await;
    }
    rehearsal
}

#[tokio::test]
async fn open_cases_are_listed_page_by_page_oldest_first() {
    let rehearsal = with_cases(5).await;
    let mut listed: Vec<Value> = Vec::new();
    let mut after = Value::Null;
    for pages in 1.. {
        let page = cases(&rehearsal, BEIJING, json!({ "limit": 2, "after": after })).await;
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
    assert_eq!(cases(&rehearsal, SHANDONG, json!({})).await["cases"], json!([]), "another's are not shown");
}

#[tokio::test]
async fn a_case_is_in_the_list_while_it_is_before_the_agency() {
    let (rehearsal, case) = with_a_case().await;
    let open = async || cases(&rehearsal, BEIJING, json!({})).await["cases"].as_array().map(Vec::len);
    let say = async |finding| {
        let jws = rehearsal.signed(BEIJING, case.application, case.version, finding);
        rehearsal.report(&jws).await.body(200);
    };
    for finding in [Finding::Received, Finding::Signed, Finding::Produced] {
        assert_eq!(open().await, Some(1), "before {finding:?}");
        say(finding).await;
    }
    say(Finding::Ready { place: "the hall".to_owned() }).await;
    assert_eq!(open().await, Some(0), "the rest is the app's");
    let closed = resend(&rehearsal, BEIJING, json!({ "application": case.application })).await;
    assert_eq!(closed["outcome"], "closed");
}

#[tokio::test]
async fn a_message_is_sent_again_under_its_own_id() {
    let (rehearsal, case) = with_a_case().await;
    let wanted = json!({ "application": case.application });
    let answer = resend(&rehearsal, BEIJING, wanted.clone()).await;
    assert_eq!((&answer["outcome"], &answer["message"]), (&json!("accepted"), &json!(case.version)));
    rehearsal.hub.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(resend(&rehearsal, BEIJING, wanted.clone()).await["outcome"], "too_soon");
    let kept = only(&rehearsal).await;
    let record = asked_again(&kept, rehearsal.hub.clock.now(), case.version);
    assert_eq!(rehearsal.show(&[record]).await, Answer::Batch(0));
    let sent = rehearsal.take(BEIJING);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].id, format!("{}:{}", case.application, case.version));
    assert_ne!(sent[0].dedup, sent[0].id, "the queue takes it as new");
    assert_eq!(rehearsal.opened(BEIJING, &sent[0]), case, "and it is the same case");
    assert_eq!(only(&rehearsal).await, kept, "the record does not change");
    rehearsal.hub.clock.advance(SignedDuration::from_secs(6));
    assert_eq!(resend(&rehearsal, BEIJING, wanted).await["outcome"], "accepted");
}

#[tokio::test]
async fn what_is_not_there_or_not_theirs_is_not_found() {
    let (rehearsal, case) = with_a_case().await;
    let theirs = resend(&rehearsal, SHANDONG, json!({ "application": case.application })).await;
    assert_eq!(theirs["outcome"], "not_found");
    let other = json!({ "application": case.application, "message": 1 });
    assert_eq!(resend(&rehearsal, BEIJING, other).await["outcome"], "no_such_message");
    let twice =
        json!({ "cases": [{ "application": case.application }, { "application": case.application }] });
    for (path, typ, request, pointer) in [
        ("/v1/agency/resend", RESEND_TYP, json!({ "cases": [] }), "/cases"),
        ("/v1/agency/resend", RESEND_TYP, twice, "/cases/1/application"),
        ("/v1/agency/cases", CASES_TYP, json!({ "limit": 0 }), "/limit"),
        ("/v1/agency/cases", CASES_TYP, json!({ "after": "x" }), "/after"),
    ] {
        let refused = rehearsal.backlog(BEIJING, path, typ, &request).await.body(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    let mixed = rehearsal.backlog(BEIJING, "/v1/agency/cases", RESEND_TYP, &json!({ "cases": [] })).await;
    assert_eq!(mixed.body(400)["type"], "/problems/malformed_signature", "one kind is not another");
}

/// The queue has forgotten the case; the table has not.
#[tokio::test]
async fn row_19_an_agency_was_down_for_longer_than_its_queue_keeps_anything() {
    let (rehearsal, case) = with_a_case().await;
    rehearsal.hub.clock.advance(SignedDuration::from_hours(24 * 13));
    rehearsal.sweep().await;
    assert!(rehearsal.take(BEIJING).is_empty(), "the queue still has it");
    for weeks in [2, 4] {
        rehearsal.hub.clock.advance(SignedDuration::from_hours(24 * 15));
        rehearsal.sweep().await;
        let again = rehearsal.take(BEIJING);
        assert_eq!(again.len(), 1, "after {weeks} weeks");
        assert_eq!(again[0].id, format!("{}:{}", case.application, case.version));
    }
    let jws = rehearsal.signed(BEIJING, case.application, case.version, Finding::Received);
    rehearsal.report(&jws).await.body(200);
    rehearsal.hub.clock.advance(SignedDuration::from_hours(24 * 15));
    rehearsal.sweep().await;
    assert!(rehearsal.take(BEIJING).is_empty(), "the agency has it");
}

/// An agency that has a case and is suspended is told that the case is taken back.
#[tokio::test]
async fn a_withdrawal_reaches_a_suspended_agency() {
    let (rehearsal, case) = with_a_case().await;
    rehearsal.amend(BEIJING, Amendment::Suspend);
    let path = format!("/v1/applications/{}/withdraw", case.application);
    rehearsal.post(TENANT, &path, "back", &json!({})).await.body(200);
    let kept = only(&rehearsal).await;
    let record = change(&kept, kept.version() - 1, kept.version());
    assert_eq!(rehearsal.show(&[record]).await, Answer::Batch(0));
    assert_eq!(rehearsal.take(BEIJING).len(), 1);
}

/// Held for hours, a case costs a look an hour and not one a minute.
#[tokio::test]
async fn what_cannot_be_sent_is_tried_ever_more_seldom() {
    let (rehearsal, keys) = with_a_draft().await;
    rehearsal.uploaded(&keys).await;
    rehearsal.amend(BEIJING, Amendment::Suspend);
    let id = only(&rehearsal).await.id();
    let mut waits = Vec::new();
    for _ in 0..7 {
        let wake = rehearsal.hub.store.wake(id).expect("a time to look again");
        waits.push(wake.duration_since(rehearsal.hub.clock.now()).as_mins());
        rehearsal.hub.clock.set(wake);
        rehearsal.sweep().await;
    }
    assert!(waits.is_sorted(), "{waits:?}");
    assert_eq!((waits[1], waits[6]), (5, 60), "{waits:?}");
}
