//! What agencies report and ask for.

use std::sync::Arc;

use domain::command::Finding;
use domain::ids::ApplicationId;
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use protocol::case::Case;
use protocol::report::{DocumentAction, DocumentRequest};
use tokio::task::JoinSet;

use super::{count, only, with_a_case};
use crate::crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG};

#[tokio::test]
async fn row_24_a_repeated_report_gets_the_first_answer() {
    let (harness, case) = with_a_case().await;
    let jws = harness.signed(BEIJING, case.application, case.version, Finding::Received);
    let first = harness.report(&jws).await.body(200);
    let signed = harness.signed(BEIJING, case.application, case.version, Finding::Signed);
    harness.report(&signed).await.body(200);
    let again = harness.report(&jws).await.body(200);
    assert_eq!(again, first, "the first answer, whatever has happened since");
    assert_eq!(count(&harness, "received").await, 1);
}

/// A second officer was given the message while the first was at work on it. What the library of `shared/agency` signs
/// is the same report then, and the first answer; under an id of its own it is refused, and changes nothing either.
#[tokio::test]
async fn row_20_a_second_report_on_one_message_changes_nothing() {
    let (harness, case) = with_a_case().await;
    for finding in [Finding::Received, Finding::Signed] {
        say(&harness, &case, finding.clone()).await.body(200);
        let once = only(&harness).await;
        harness.hub.clock.advance(SignedDuration::from_mins(31));
        let second = say(&harness, &case, finding).await.body(409);
        assert_eq!(second["stage"], once.ledger.state().stage.name(), "it is told what is known");
        assert_eq!(only(&harness).await, once, "its second report changes nothing");
    }
    say(&harness, &case, Finding::NotIssued { reason: "no such entry".to_owned() }).await.body(409);
    assert_eq!(count(&harness, "received").await + count(&harness, "signed").await, 2);
}

#[tokio::test]
async fn row_25_a_report_ahead_of_its_turn_is_refused_over_http() {
    let (harness, case) = with_a_case().await;
    let signed = harness.signed(BEIJING, case.application, case.version, Finding::Signed);
    let refused = harness.report(&signed).await.body(409);
    assert_eq!(refused["type"], "/problems/illegal_step");
    let received = harness.signed(BEIJING, case.application, case.version, Finding::Received);
    harness.report(&received).await.body(200);
    harness.report(&signed).await.body(200);
    assert_eq!(only(&harness).await.ledger.state().stage, Stage::Signed);
    assert_eq!(harness.refused(BEIJING), ["illegal_step"]);
}

/// A queue without an order: what has overtaken another is held, and the end is the same.
#[tokio::test]
async fn row_25_a_report_ahead_of_its_turn_waits_in_the_queue() {
    let (harness, case) = with_a_case().await;
    let now = harness.hub.clock.now();
    let sign = |finding| harness.signed(BEIJING, case.application, case.version, finding);
    let [received, signed, produced] = [Finding::Received, Finding::Signed, Finding::Produced].map(sign);
    assert_eq!(harness.reports_queued(&[&produced], now).await, Answer::Batch(1));
    assert_eq!(harness.reports_queued(&[&signed], now).await, Answer::Batch(1));
    assert_eq!(harness.reports_queued(&[&received], now).await, Answer::Batch(0));
    assert_eq!(harness.reports_queued(&[&signed], now).await, Answer::Batch(0));
    assert_eq!(harness.reports_queued(&[&produced, &received], now).await, Answer::Batch(0));
    assert_eq!(only(&harness).await.ledger.state().stage, Stage::Produced);
}

#[tokio::test]
async fn row_27_a_report_by_the_wrong_agency_looks_like_not_found() {
    let (harness, case) = with_a_case().await;
    let before = only(&harness).await;
    let theirs = harness.signed(SHANDONG, case.application, case.version, Finding::Received);
    let refused = harness.report(&theirs).await.body(404);
    let nobody = ApplicationId::from_bytes16([9; 16]);
    let nothing = harness.signed(SHANDONG, nobody, 1, Finding::Received);
    let unknown = harness.report(&nothing).await.body(404);
    assert_eq!(refused["type"], unknown["type"], "it looks as if there were none");
    let named = harness.signed_as(SHANDONG, BEIJING, case.application, case.version, Finding::Received);
    assert_eq!(harness.report(&named).await.body(404)["type"], unknown["type"]);
    let mut outcomes = harness.refused(SHANDONG);
    outcomes.sort();
    assert_eq!(outcomes, ["not_yours", "other_agency", "unknown_case"], "evidence tells them apart");
    assert_eq!(only(&harness).await, before);
}

/// Two officers decide at once, and not the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_28_one_of_two_racing_decisions_wins() {
    for _ in 0..20 {
        let (harness, case) = with_a_case().await;
        let received = harness.signed(BEIJING, case.application, case.version, Finding::Received);
        harness.report(&received).await.body(200);
        let refuse = Finding::NotIssued { reason: "no such entry".to_owned() };
        let decisions = [Finding::Signed, refuse]
            .map(|finding| harness.signed(BEIJING, case.application, case.version, finding));
        let harness = Arc::new(harness);
        let mut officers = JoinSet::new();
        for jws in decisions {
            let harness = harness.clone();
            officers.spawn(async move { harness.report(&jws).await });
        }
        let mut statuses: Vec<u16> = officers
            .join_all()
            .await
            .into_iter()
            .map(|answer| match answer {
                Answer::Http(status, _) => status,
                other => panic!("{other:?}"),
            })
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "one wins");
        let decided = count(&harness, "signed").await + count(&harness, "not_issued").await;
        assert_eq!(decided, 1);
    }
}

#[tokio::test]
async fn row_26_a_stale_version_or_a_step_back_is_refused_with_evidence() {
    let (harness, case) = with_a_case().await;
    let stale = harness.signed(BEIJING, case.application, case.version - 1, Finding::Received);
    let refused = harness.report(&stale).await.body(409);
    assert_eq!(refused["type"], "/problems/stale_version");
    let ahead = harness.signed(BEIJING, case.application, 60, Finding::Received);
    harness.report(&ahead).await.body(409);
    say(&harness, &case, Finding::Received).await.body(200);
    say(&harness, &case, Finding::NotIssued { reason: "no such entry".to_owned() }).await.body(200);
    let end = only(&harness).await;
    say(&harness, &case, Finding::Signed).await.body(409);
    assert_eq!(only(&harness).await, end, "an end stays an end");
    let mut outcomes = harness.refused(BEIJING);
    outcomes.sort();
    assert_eq!(outcomes, ["illegal_step", "stale_version", "stale_version"]);
}

/// An agency's clock is ten minutes off, either way: its reports count by their version, its requests are fresh
/// enough. A quarter of an hour is not.
#[tokio::test]
async fn row_29_order_goes_by_version_with_clocks_ten_minutes_apart() {
    let (harness, case) = with_a_case().await;
    let now = harness.hub.clock.now();
    for (minutes, finding) in [(10, Finding::Received), (-10, Finding::Signed)] {
        harness.hub.clock.set(now + SignedDuration::from_mins(minutes));
        let jws = harness.signed(BEIJING, case.application, case.version, finding);
        harness.hub.clock.set(now);
        harness.report(&jws).await.body(200);
    }
    for (minutes, status) in [(10, 200), (-10, 200), (16, 401), (-16, 401)] {
        let asked = request(&case, BEIJING, now.as_second() + minutes * 60);
        harness.agency_document(&asked).await.body(status);
    }
}

/// The same signed request again is another link to the same document, and nothing else; later it is nothing.
#[tokio::test]
async fn row_42_a_replayed_document_request_has_no_second_effect() {
    let (harness, case) = with_a_case().await;
    let before = only(&harness).await;
    let asked = request(&case, BEIJING, harness.hub.clock.now().as_second());
    let first = harness.agency_document(&asked).await.body(200);
    assert_eq!(harness.agency_document(&asked).await.body(200), first);
    harness.hub.clock.advance(SignedDuration::from_mins(16));
    harness.agency_document(&asked).await.body(401);
    assert_eq!(only(&harness).await, before);
    let stranger = request(&case, SHANDONG, harness.hub.clock.now().as_second());
    harness.agency_document(&stranger).await.body(404);
}

async fn say(harness: &CrashHarness, case: &Case, finding: Finding) -> Answer {
    harness.report(&harness.signed(BEIJING, case.application, case.version, finding)).await
}

/// A request for the case's first document.
fn request(case: &Case, agency: &str, iat: i64) -> DocumentRequest {
    DocumentRequest {
        agency: agency.parse().expect("an agency code"),
        application: case.application,
        iat,
        action: DocumentAction::Fetch { document: case.documents[0].id },
    }
}
