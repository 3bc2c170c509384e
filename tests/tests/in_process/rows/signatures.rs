//! Faults in signatures, keys and clocks.

use domain::agencies::AgencyState;
use domain::agency_override::{AgencyOverride, KeyRole};
use domain::command::ReportedResult;
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use protocol::jose::{KeyUse, PrivateKey, sign};
use protocol::report::{REPORT_TYP, Report};

use super::{only_application, submission, with_a_case, with_a_draft};
use crate::crash_harness::{Answer, BEIJING, CrashHarness};
use crate::records::resend_record;

/// Changes one character of a compact JWS's signature.
fn changed(jws: &str) -> String {
    let (rest, signature) = jws.rsplit_once('.').expect("a compact JWS");
    let first = if signature.starts_with('A') { "B" } else { "A" };
    format!("{rest}.{first}{}", &signature[1..])
}

#[tokio::test]
async fn a_bad_signature_an_unknown_key_and_no_signature_have_different_problems() {
    let (harness, case) = with_a_case().await;
    let before = only_application(&harness).await;
    let jws = harness.signed(BEIJING, case.application, case.version, ReportedResult::Received);
    let bad = harness.report(&changed(&jws)).await.body(401);
    assert_eq!(bad["type"], "/problems/bad_signature");
    let stranger = PrivateKey::generate(KeyUse::Signing).expect("a key");
    let unknown = sign(REPORT_TYP, &serde_json::json!({}), &stranger).expect("a signed object");
    assert_eq!(harness.report(&unknown).await.body(401)["type"], "/problems/unknown_key");
    for text in ["", "a.b.c", "not a signed object"] {
        let malformed = harness.report(text).await.body(400);
        assert_eq!(malformed["type"], "/problems/malformed_signature");
    }
    assert!(harness.refused(BEIJING).is_empty(), "evidence is stored without a verified signature");
    assert_eq!(only_application(&harness).await, before);
}

/// Outside the time window a new report is refused with the hub's time. A repeated report always gets the first answer.
/// Row 42 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_replayed_report_has_no_second_effect() {
    let (harness, case) = with_a_case().await;
    let taken = harness.signed(BEIJING, case.application, case.version, ReportedResult::Received);
    let late = harness.signed(BEIJING, case.application, case.version, ReportedResult::Signed);
    let first = harness.report(&taken).await.body(200);
    harness.hub.clock.advance(SignedDuration::from_mins(16));
    let refused = harness.report(&late).await.body(401);
    assert_eq!(refused["type"], "/problems/signature_expired");
    assert_eq!(refused["now"], harness.hub.clock.now().as_second());
    assert_eq!(harness.report(&taken).await.body(200), first, "a repeat gets the first answer");
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Received);
    assert_eq!(harness.refused(BEIJING), ["signature_expired"]);
}

/// A signature that was fresh when the report entered the queue stays valid, however late the hub reads the report.
#[tokio::test]
async fn a_signature_is_judged_by_the_time_of_queueing() {
    let (harness, case) = with_a_case().await;
    let jws = harness.signed(BEIJING, case.application, case.version, ReportedResult::Received);
    let old = harness.signed(BEIJING, case.application, case.version, ReportedResult::Signed);
    let sent = harness.hub.clock.now();
    harness.hub.clock.advance(SignedDuration::from_hours(72));
    assert_eq!(harness.reports_queued(&[&jws], sent).await, Answer::Batch(0));
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Received);
    let now = harness.hub.clock.now();
    assert_eq!(harness.reports_queued(&[&old], now).await, Answer::Batch(0), "the refused report is deleted");
    assert_eq!(harness.refused(BEIJING), ["signature_expired"]);
}

/// A report is signed with a key that is added later. It becomes a dead letter, and an operator moves it back after an
/// hour: it is as fresh as it was when the agency sent it.
#[tokio::test]
async fn a4_a_redriven_report_is_as_fresh_as_when_it_was_sent() {
    let (harness, case) = with_a_case().await;
    let next = PrivateKey::generate(KeyUse::Signing).expect("a key");
    let report = Report {
        report_id: "0b3f5a5e-6d1c-4c8e-9a57-0d6a5b1f2c3d".parse().expect("a report id"),
        application: case.application,
        agency: case.agency.clone(),
        seen: case.version,
        iat: harness.hub.clock.now().as_second(),
        result: ReportedResult::Received,
    };
    let jws = sign(REPORT_TYP, &report, &next).expect("a signed report");
    let sent = harness.hub.clock.now();
    for _ in 0..3 {
        harness.hub.clock.advance(SignedDuration::from_mins(5));
        assert_eq!(harness.reports_queued(&[&jws], sent).await, Answer::Batch(1), "the message stays");
    }
    let jwk = next.public().to_jwk().expect("a public key");
    harness.override_agency(BEIJING, AgencyOverride::AddKey { role: KeyRole::Signing, jwk });
    harness.hub.clock.advance(SignedDuration::from_hours(1));
    // A redrive makes a new message with a new time.
    let redriven = harness.hub.clock.now();
    assert_eq!(harness.reports_queued(&[&jws], redriven).await, Answer::Batch(0));
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Received);
    assert!(harness.refused(BEIJING).is_empty());
}

/// A report that was late when it first came stays late, however often it comes.
#[tokio::test]
async fn a4_a_redrive_makes_no_old_report_fresh() {
    let (harness, case) = with_a_case().await;
    let stranger = PrivateKey::generate(KeyUse::Signing).expect("a key");
    let iat = harness.hub.clock.now().as_second();
    let claims = serde_json::json!({
        "report_id": "0b3f5a5e-6d1c-4c8e-9a57-0d6a5b1f2c3d", "application": case.application, "agency": case.agency,
        "seen": case.version, "iat": iat, "kind": "received",
    });
    let jws = sign(REPORT_TYP, &claims, &stranger).expect("a signed report");
    harness.hub.clock.advance(SignedDuration::from_mins(16));
    for _ in 0..2 {
        let sent = harness.hub.clock.now();
        assert_eq!(harness.reports_queued(&[&jws], sent).await, Answer::Batch(1));
        harness.hub.clock.advance(SignedDuration::from_mins(16));
    }
    let jwk = stranger.public().to_jwk().expect("a public key");
    harness.override_agency(BEIJING, AgencyOverride::AddKey { role: KeyRole::Signing, jwk });
    assert_eq!(harness.reports_queued(&[&jws], harness.hub.clock.now()).await, Answer::Batch(0));
    assert_eq!(harness.refused(BEIJING), ["signature_expired"]);
}

/// A key is revoked after another one has replaced it. Within a minute the hub refuses reports signed with the old key.
/// Row 43 of `tests/FAULTS.md`.
#[tokio::test]
async fn an_old_signing_key_counts_until_it_is_revoked() {
    let (harness, case) = with_a_case().await;
    let next = PrivateKey::generate(KeyUse::Signing).expect("a key");
    let jwk = next.public().to_jwk().expect("a public key");
    harness.override_agency(BEIJING, AgencyOverride::AddKey { role: KeyRole::Signing, jwk });
    let by_old = harness.signed(BEIJING, case.application, case.version, ReportedResult::Received);
    harness.report(&by_old).await.body(200);
    let report = Report {
        report_id: "0b3f5a5e-6d1c-4c8e-9a57-0d6a5b1f2c3d".parse().expect("a report id"),
        application: case.application,
        agency: case.agency.clone(),
        seen: case.version,
        iat: harness.hub.clock.now().as_second(),
        result: ReportedResult::Signed,
    };
    let by_new = sign(REPORT_TYP, &report, &next).expect("a signed report");
    harness.report(&by_new).await.body(200);
    harness.override_agency(BEIJING, AgencyOverride::RevokeKey { kid: harness.signing_kid(BEIJING) });
    let refused = harness.report(&by_old).await.body(401);
    assert_eq!(refused["type"], "/problems/unknown_key");
    harness.report(&by_new).await.body(200);
}

/// A suspended agency gets no message. After it resumes, a requested resend is sent once.
/// Row 18 of `tests/FAULTS.md`.
#[tokio::test]
async fn an_agency_is_suspended_and_resumed_without_a_deploy() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    harness.override_agency(BEIJING, AgencyOverride::Suspend);
    assert_eq!(harness.stream_records(&[submission(&harness).await]).await, Answer::Batch(0));
    assert!(harness.take(BEIJING).is_empty(), "the case is held");
    refuses_new_cases(&harness).await;
    harness.override_agency(BEIJING, AgencyOverride::Resume);
    let held = only_application(&harness).await;
    let record = resend_record(&held, harness.hub.clock.now(), held.ledger.state().message_version);
    assert_eq!(harness.stream_records(&[record.clone(), record]).await, Answer::Batch(0));
    assert_eq!(harness.take(BEIJING).len(), 1, "two requests in one batch send one message");
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Dispatched);
}

async fn refuses_new_cases(harness: &CrashHarness) {
    let body = crate::case_scenario::body(&super::sample_documents());
    let refused = harness.post("another-app", super::APPLICATIONS, "a-key", &body).await.body(422);
    assert_eq!(refused["type"], "/problems/not_covered");
    let rows = harness.hub.agencies.agencies();
    assert!(rows.iter().all(|row| row.state == AgencyState::Active), "the rows do not change");
}
