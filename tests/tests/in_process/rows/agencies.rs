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
use crate::rehearsal::{Answer, BEIJING, Rehearsal, SHANDONG};

#[tokio::test]
async fn row_24_a_report_comes_twice() {
    let (rehearsal, case) = with_a_case().await;
    let jws = rehearsal.signed(BEIJING, case.application, case.version, Finding::Received);
    let first = rehearsal.report(&jws).await.body(200);
    let signed = rehearsal.signed(BEIJING, case.application, case.version, Finding::Signed);
    rehearsal.report(&signed).await.body(200);
    let again = rehearsal.report(&jws).await.body(200);
    assert_eq!(again, first, "the first answer, whatever has happened since");
    assert_eq!(count(&rehearsal, "received").await, 1);
}

/// A second officer was given the message while the first was at work on it. What the library of `shared/partner` signs
/// is the same report then, and the first answer; under an id of its own it is refused, and changes nothing either.
#[tokio::test]
async fn row_20_two_officers_work_on_one_message() {
    let (rehearsal, case) = with_a_case().await;
    for finding in [Finding::Received, Finding::Signed] {
        say(&rehearsal, &case, finding.clone()).await.body(200);
        let once = only(&rehearsal).await;
        rehearsal.hub.clock.advance(SignedDuration::from_mins(31));
        let second = say(&rehearsal, &case, finding).await.body(409);
        assert_eq!(second["stage"], once.ledger.head().stage.name(), "it is told what is known");
        assert_eq!(only(&rehearsal).await, once, "its second report changes nothing");
    }
    say(&rehearsal, &case, Finding::NotIssued { reason: "no such entry".to_owned() }).await.body(409);
    assert_eq!(count(&rehearsal, "received").await + count(&rehearsal, "signed").await, 2);
}

#[tokio::test]
async fn row_25_reports_in_the_wrong_order() {
    let (rehearsal, case) = with_a_case().await;
    let signed = rehearsal.signed(BEIJING, case.application, case.version, Finding::Signed);
    let refused = rehearsal.report(&signed).await.body(409);
    assert_eq!(refused["type"], "/problems/illegal_step");
    let received = rehearsal.signed(BEIJING, case.application, case.version, Finding::Received);
    rehearsal.report(&received).await.body(200);
    rehearsal.report(&signed).await.body(200);
    assert_eq!(only(&rehearsal).await.ledger.head().stage, Stage::Signed);
    assert_eq!(rehearsal.refused(BEIJING), ["illegal_step"]);
}

/// A queue without an order: what has overtaken another is held, and the end is the same.
#[tokio::test]
async fn row_25_reports_in_the_wrong_order_by_queue() {
    let (rehearsal, case) = with_a_case().await;
    let now = rehearsal.hub.clock.now();
    let sign = |finding| rehearsal.signed(BEIJING, case.application, case.version, finding);
    let [received, signed, produced] = [Finding::Received, Finding::Signed, Finding::Produced].map(sign);
    assert_eq!(rehearsal.reports_queued(&[&produced], now).await, Answer::Batch(1));
    assert_eq!(rehearsal.reports_queued(&[&signed], now).await, Answer::Batch(1));
    assert_eq!(rehearsal.reports_queued(&[&received], now).await, Answer::Batch(0));
    assert_eq!(rehearsal.reports_queued(&[&signed], now).await, Answer::Batch(0));
    assert_eq!(rehearsal.reports_queued(&[&produced, &received], now).await, Answer::Batch(0));
    assert_eq!(only(&rehearsal).await.ledger.head().stage, Stage::Produced);
}

#[tokio::test]
async fn row_27_a_report_by_the_wrong_agency() {
    let (rehearsal, case) = with_a_case().await;
    let before = only(&rehearsal).await;
    let theirs = rehearsal.signed(SHANDONG, case.application, case.version, Finding::Received);
    let refused = rehearsal.report(&theirs).await.body(404);
    let nobody = ApplicationId::from_bytes16([9; 16]);
    let nothing = rehearsal.signed(SHANDONG, nobody, 1, Finding::Received);
    let unknown = rehearsal.report(&nothing).await.body(404);
    assert_eq!(refused["type"], unknown["type"], "it looks as if there were none");
    let named = rehearsal.signed_as(SHANDONG, BEIJING, case.application, case.version, Finding::Received);
    assert_eq!(rehearsal.report(&named).await.body(404)["type"], unknown["type"]);
    let mut outcomes = rehearsal.refused(SHANDONG);
    outcomes.sort();
    assert_eq!(outcomes, ["not_yours", "other_agency", "unknown_case"], "evidence tells them apart");
    assert_eq!(only(&rehearsal).await, before);
}

/// Two officers decide at once, and not the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_28_two_decisions_race() {
    for _ in 0..20 {
        let (rehearsal, case) = with_a_case().await;
        let received = rehearsal.signed(BEIJING, case.application, case.version, Finding::Received);
        rehearsal.report(&received).await.body(200);
        let refuse = Finding::NotIssued { reason: "no such entry".to_owned() };
        let decisions = [Finding::Signed, refuse]
            .map(|finding| rehearsal.signed(BEIJING, case.application, case.version, finding));
        let rehearsal = Arc::new(rehearsal);
        let mut officers = JoinSet::new();
        for jws in decisions {
            let rehearsal = rehearsal.clone();
            officers.spawn(async move { rehearsal.report(&jws).await });
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
        let decided = count(&rehearsal, "signed").await + count(&rehearsal, "not_issued").await;
        assert_eq!(decided, 1);
    }
}

#[tokio::test]
async fn row_26_a_stale_version_and_a_step_back() {
    let (rehearsal, case) = with_a_case().await;
    let stale = rehearsal.signed(BEIJING, case.application, case.version - 1, Finding::Received);
    let refused = rehearsal.report(&stale).await.body(409);
    assert_eq!(refused["type"], "/problems/stale_version");
    let ahead = rehearsal.signed(BEIJING, case.application, 60, Finding::Received);
    rehearsal.report(&ahead).await.body(409);
    say(&rehearsal, &case, Finding::Received).await.body(200);
    say(&rehearsal, &case, Finding::NotIssued { reason: "no such entry".to_owned() }).await.body(200);
    let end = only(&rehearsal).await;
    say(&rehearsal, &case, Finding::Signed).await.body(409);
    assert_eq!(only(&rehearsal).await, end, "an end stays an end");
    let mut outcomes = rehearsal.refused(BEIJING);
    outcomes.sort();
    assert_eq!(outcomes, ["illegal_step", "stale_version", "stale_version"]);
}

/// An agency's clock is ten minutes off, either way: its reports count by their version, its requests are fresh
/// enough. A quarter of an hour is not.
#[tokio::test]
async fn row_29_clocks_apart() {
    let (rehearsal, case) = with_a_case().await;
    let now = rehearsal.hub.clock.now();
    for (minutes, finding) in [(10, Finding::Received), (-10, Finding::Signed)] {
        rehearsal.hub.clock.set(now + SignedDuration::from_mins(minutes));
        let jws = rehearsal.signed(BEIJING, case.application, case.version, finding);
        rehearsal.hub.clock.set(now);
        rehearsal.report(&jws).await.body(200);
    }
    for (minutes, status) in [(10, 200), (-10, 200), (16, 401), (-16, 401)] {
        let asked = request(&case, BEIJING, now.as_second() + minutes * 60);
        rehearsal.agency_document(&asked).await.body(status);
    }
}

/// The same signed request again is another link to the same document, and nothing else; later it is nothing.
#[tokio::test]
async fn row_42_a_request_is_replayed() {
    let (rehearsal, case) = with_a_case().await;
    let before = only(&rehearsal).await;
    let asked = request(&case, BEIJING, rehearsal.hub.clock.now().as_second());
    let first = rehearsal.agency_document(&asked).await.body(200);
    assert_eq!(rehearsal.agency_document(&asked).await.body(200), first);
    rehearsal.hub.clock.advance(SignedDuration::from_mins(16));
    rehearsal.agency_document(&asked).await.body(401);
    assert_eq!(only(&rehearsal).await, before);
    let stranger = request(&case, SHANDONG, rehearsal.hub.clock.now().as_second());
    rehearsal.agency_document(&stranger).await.body(404);
}

async fn say(rehearsal: &Rehearsal, case: &Case, finding: Finding) -> Answer {
    rehearsal.report(&rehearsal.signed(BEIJING, case.application, case.version, finding)).await
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
