//! Faults in reports and requests of agencies.

use std::sync::Arc;
use std::time::Duration;

use domain::command::ReportedResult;
use domain::ids::ApplicationId;
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use protocol::case::Case;
use protocol::report::{DocumentAction, DocumentRequest};
use tokio::task::JoinSet;

use super::{count_events, only_application, with_a_case};
use crate::crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG};

/// Row 24 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_repeated_report_gets_the_first_answer() {
    let (harness, case) = with_a_case().await;
    let jws = harness.signed(BEIJING, case.application, case.version, ReportedResult::Received);
    let first = harness.report(&jws).await.body(200);
    let signed = harness.signed(BEIJING, case.application, case.version, ReportedResult::Signed);
    harness.report(&signed).await.body(200);
    let again = harness.report(&jws).await.body(200);
    assert_eq!(again, first, "a repeat gets the first answer");
    assert_eq!(count_events(&harness, "received").await, 1);
}

/// A second officer receives the message while the first one works on it. The library of `shared/agency` signs the same
/// report, which gets the first answer. A report under another id is refused and changes nothing either.
/// Row 20 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_second_report_on_one_message_changes_nothing() {
    let (harness, case) = with_a_case().await;
    for result in [ReportedResult::Received, ReportedResult::Signed] {
        report(&harness, &case, result.clone()).await.body(200);
        let once = only_application(&harness).await;
        harness.hub.clock.advance(SignedDuration::from_mins(31));
        let second = report(&harness, &case, result).await.body(409);
        assert_eq!(
            second["stage"],
            once.ledger.state().stage.name(),
            "the second report gets the current stage"
        );
        assert_eq!(only_application(&harness).await, once, "the second report changes nothing");
    }
    report(&harness, &case, ReportedResult::NotIssued { reason: "no such entry".to_owned() }).await.body(409);
    assert_eq!(count_events(&harness, "received").await + count_events(&harness, "signed").await, 2);
}

/// Row 25 of `tests/FAULTS.md`.
#[tokio::test]
async fn an_early_report_is_refused_over_http() {
    let (harness, case) = with_a_case().await;
    let signed = harness.signed(BEIJING, case.application, case.version, ReportedResult::Signed);
    let refused = harness.report(&signed).await.body(409);
    assert_eq!(refused["type"], "/problems/illegal_step");
    let received = harness.signed(BEIJING, case.application, case.version, ReportedResult::Received);
    harness.report(&received).await.body(200);
    harness.report(&signed).await.body(200);
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Signed);
    assert_eq!(harness.refused(BEIJING), ["illegal_step"]);
}

/// The reports queue has no order. A report that overtook an earlier one waits, and the end state is the same.
/// Row 25 of `tests/FAULTS.md`.
#[tokio::test]
async fn an_early_report_waits_in_the_queue() {
    let (harness, case) = with_a_case().await;
    let now = harness.hub.clock.now();
    let sign = |result| harness.signed(BEIJING, case.application, case.version, result);
    let [received, signed, produced] =
        [ReportedResult::Received, ReportedResult::Signed, ReportedResult::Produced].map(sign);
    assert_eq!(harness.reports_queued(&[&produced], now).await, Answer::Batch(1));
    assert_eq!(harness.reports_queued(&[&signed], now).await, Answer::Batch(1));
    assert_eq!(harness.reports_queued(&[&received], now).await, Answer::Batch(0));
    assert_eq!(harness.reports_queued(&[&signed], now).await, Answer::Batch(0));
    assert_eq!(harness.reports_queued(&[&produced, &received], now).await, Answer::Batch(0));
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Produced);
}

/// A held report is delivered again within seconds, and it is not among the refused reports. One that waits for ever is
/// refused in the end, with evidence.
#[tokio::test]
async fn a12_a_held_report_comes_again_within_seconds_and_is_not_refused() {
    let (harness, case) = with_a_case().await;
    let now = harness.hub.clock.now();
    let signed = harness.signed(BEIJING, case.application, case.version, ReportedResult::Signed);
    assert_eq!(harness.reports_queued(&[&signed], now).await, Answer::Batch(1));
    assert_eq!(harness.hub.queues.postponed(), [("r0".to_owned(), Duration::from_secs(2))]);
    assert!(harness.refused(BEIJING).is_empty(), "a held report is not refused");
    assert_eq!(harness.reports_queued_again(&[&signed], now, 24).await, Answer::Batch(1));
    assert!(harness.refused(BEIJING).is_empty());
    assert_eq!(harness.reports_queued_again(&[&signed], now, 25).await, Answer::Batch(0), "it is deleted");
    assert_eq!(harness.refused(BEIJING), ["illegal_step"]);
}

/// A later report does not need an earlier one that it overtook in the queue. Over HTTP nothing overtakes, and a report
/// that was taken before is refused as ever.
#[tokio::test]
async fn a12_a_report_that_a_later_one_does_not_need_is_not_refused() {
    let (harness, case) = with_a_case().await;
    let now = harness.hub.clock.now();
    let sign = |result| harness.signed(BEIJING, case.application, case.version, result);
    let ready = sign(ReportedResult::Ready { place: "the hall".to_owned() });
    let [received, signed, produced] =
        [ReportedResult::Received, ReportedResult::Signed, ReportedResult::Produced].map(sign);
    for report in [&received, &signed, &ready, &produced] {
        assert_eq!(harness.reports_queued(&[report], now).await, Answer::Batch(0));
    }
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Ready);
    assert!(harness.refused(BEIJING).is_empty());
    assert_eq!(harness.report(&produced).await.body(409)["type"], "/problems/illegal_step");
    assert_eq!(harness.refused(BEIJING), ["illegal_step"], "over HTTP");
    let again = sign(ReportedResult::NotIssued { reason: "another decision".to_owned() });
    assert_eq!(harness.reports_queued(&[&again], now).await, Answer::Batch(0));
    assert_eq!(harness.refused(BEIJING).len(), 2, "another decision is no overtaken report");
}

/// The queue gives no answer, so every report by the queue names the version of the case's message.
#[tokio::test]
async fn a12_every_report_by_the_queue_names_the_version_of_the_message() {
    let (harness, case) = with_a_case().await;
    let now = harness.hub.clock.now();
    let ready = ReportedResult::Ready { place: "the hall".to_owned() };
    for result in [ReportedResult::Received, ReportedResult::Signed, ReportedResult::Produced, ready] {
        let jws = harness.signed(BEIJING, case.application, case.version, result);
        assert_eq!(harness.reports_queued(&[&jws], now).await, Answer::Batch(0));
    }
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Ready);
    assert!(harness.refused(BEIJING).is_empty());
}

/// Row 27 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_report_by_the_wrong_agency_looks_like_not_found() {
    let (harness, case) = with_a_case().await;
    let before = only_application(&harness).await;
    let theirs = harness.signed(SHANDONG, case.application, case.version, ReportedResult::Received);
    let refused = harness.report(&theirs).await.body(404);
    let unknown_application = ApplicationId::from_bytes16([9; 16]);
    let nothing = harness.signed(SHANDONG, unknown_application, 1, ReportedResult::Received);
    let unknown = harness.report(&nothing).await.body(404);
    assert_eq!(refused["type"], unknown["type"], "the refusal differs from that of an unknown case");
    let named =
        harness.signed_as(SHANDONG, BEIJING, case.application, case.version, ReportedResult::Received);
    assert_eq!(harness.report(&named).await.body(404)["type"], unknown["type"]);
    let mut outcomes = harness.refused(SHANDONG);
    outcomes.sort();
    assert_eq!(
        outcomes,
        ["not_yours", "other_agency", "unknown_case"],
        "the evidence distinguishes the causes"
    );
    assert_eq!(only_application(&harness).await, before);
}

/// Two officers report different decisions at the same time.
/// Row 28 of `tests/FAULTS.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_two_racing_decisions_wins() {
    for _ in 0..20 {
        let (harness, case) = with_a_case().await;
        let received = harness.signed(BEIJING, case.application, case.version, ReportedResult::Received);
        harness.report(&received).await.body(200);
        let refuse = ReportedResult::NotIssued { reason: "no such entry".to_owned() };
        let decisions = [ReportedResult::Signed, refuse]
            .map(|result| harness.signed(BEIJING, case.application, case.version, result));
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
        assert_eq!(statuses, [200, 409], "exactly one decision is accepted");
        let decided = count_events(&harness, "signed").await + count_events(&harness, "not_issued").await;
        assert_eq!(decided, 1);
    }
}

/// Row 26 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_stale_version_or_a_step_back_is_refused_with_evidence() {
    let (harness, case) = with_a_case().await;
    let stale = harness.signed(BEIJING, case.application, case.version - 1, ReportedResult::Received);
    let refused = harness.report(&stale).await.body(409);
    assert_eq!(refused["type"], "/problems/stale_version");
    let ahead = harness.signed(BEIJING, case.application, 60, ReportedResult::Received);
    harness.report(&ahead).await.body(409);
    report(&harness, &case, ReportedResult::Received).await.body(200);
    report(&harness, &case, ReportedResult::NotIssued { reason: "no such entry".to_owned() }).await.body(200);
    let end = only_application(&harness).await;
    report(&harness, &case, ReportedResult::Signed).await.body(409);
    assert_eq!(only_application(&harness).await, end, "an end state does not change");
    let mut outcomes = harness.refused(BEIJING);
    outcomes.sort();
    assert_eq!(outcomes, ["illegal_step", "stale_version", "stale_version"]);
}

/// An agency's clock is ten minutes fast or slow: reports are ordered by version, and their signatures are accepted. A
/// request for a document is accepted for a minute, and its refusal has the hub's time. Row 29 of `tests/FAULTS.md`.
#[tokio::test]
async fn versions_decide_the_order_with_clocks_ten_minutes_apart() {
    let (harness, case) = with_a_case().await;
    let now = harness.hub.clock.now();
    for (minutes, result) in [(10, ReportedResult::Received), (-10, ReportedResult::Signed)] {
        harness.hub.clock.set(now + SignedDuration::from_mins(minutes));
        let jws = harness.signed(BEIJING, case.application, case.version, result);
        harness.hub.clock.set(now);
        harness.report(&jws).await.body(200);
    }
    for (seconds, status) in [(50, 200), (-50, 200), (70, 401), (-70, 401)] {
        let asked = request(&case, BEIJING, now.as_second() + seconds);
        let answer = harness.agency_document(&asked).await.body(status);
        // An agency whose clock is wrong signs again with the hub's time.
        assert_eq!(answer["now"].as_i64(), (status == 401).then(|| now.as_second()));
    }
}

/// A replayed request gets another link to the same document and has no other effect. After a minute it is refused.
/// Row 42 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_replayed_document_request_has_no_second_effect() {
    let (harness, case) = with_a_case().await;
    let before = only_application(&harness).await;
    let asked = request(&case, BEIJING, harness.hub.clock.now().as_second());
    let first = harness.agency_document(&asked).await.body(200);
    assert_eq!(harness.agency_document(&asked).await.body(200), first);
    harness.hub.clock.advance(SignedDuration::from_secs(61));
    harness.agency_document(&asked).await.body(401);
    assert_eq!(only_application(&harness).await, before);
    let stranger = request(&case, SHANDONG, harness.hub.clock.now().as_second());
    harness.agency_document(&stranger).await.body(404);
}

async fn report(harness: &CrashHarness, case: &Case, result: ReportedResult) -> Answer {
    harness.report(&harness.signed(BEIJING, case.application, case.version, result)).await
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
