//! Whose signature counts, and for how long.

use domain::agencies::AgencyState;
use domain::agency_override::{AgencyOverride, KeyRole};
use domain::command::Finding;
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use protocol::jose::{KeyUse, PrivateKey, sign};
use protocol::report::{REPORT_TYP, Report};

use super::{only, submission, with_a_case, with_a_draft};
use crate::crash_harness::{Answer, BEIJING, CrashHarness, asked_again};

/// Changes one sign of a compact JWS's signature.
fn changed(jws: &str) -> String {
    let (rest, signature) = jws.rsplit_once('.').expect("a compact JWS");
    let first = if signature.starts_with('A') { "B" } else { "A" };
    format!("{rest}.{first}{}", &signature[1..])
}

#[tokio::test]
async fn a_bad_signature_an_unknown_key_and_no_signature_are_told_apart() {
    let (harness, case) = with_a_case().await;
    let before = only(&harness).await;
    let jws = harness.signed(BEIJING, case.application, case.version, Finding::Received);
    let bad = harness.report(&changed(&jws)).await.body(401);
    assert_eq!(bad["type"], "/problems/bad_signature");
    let stranger = PrivateKey::generate(KeyUse::Signing).expect("a key");
    let unknown = sign(REPORT_TYP, &serde_json::json!({}), &stranger).expect("a signed object");
    assert_eq!(harness.report(&unknown).await.body(401)["type"], "/problems/unknown_key");
    for text in ["", "a.b.c", "not a signed object"] {
        let malformed = harness.report(text).await.body(400);
        assert_eq!(malformed["type"], "/problems/malformed_signature");
    }
    assert!(harness.refused(BEIJING).is_empty(), "nobody is known to have signed any of it");
    assert_eq!(only(&harness).await, before);
}

/// Outside the window a new report is refused with the hub's own time; one that was taken is answered for ever.
#[tokio::test]
async fn row_42_a_replayed_report_has_no_second_effect() {
    let (harness, case) = with_a_case().await;
    let taken = harness.signed(BEIJING, case.application, case.version, Finding::Received);
    let late = harness.signed(BEIJING, case.application, case.version, Finding::Signed);
    let first = harness.report(&taken).await.body(200);
    harness.hub.clock.advance(SignedDuration::from_mins(16));
    let refused = harness.report(&late).await.body(401);
    assert_eq!(refused["type"], "/problems/signature_expired");
    assert_eq!(refused["now"], harness.hub.clock.now().as_second());
    assert_eq!(harness.report(&taken).await.body(200), first, "a repeat has no second effect");
    assert_eq!(only(&harness).await.ledger.state().stage, Stage::Received);
    assert_eq!(harness.refused(BEIJING), ["signature_expired"]);
}

/// What was fresh when it was put into the reports queue stays so, however long the hub takes to read it.
#[tokio::test]
async fn a_report_waits_in_the_queue_and_does_not_age() {
    let (harness, case) = with_a_case().await;
    let jws = harness.signed(BEIJING, case.application, case.version, Finding::Received);
    let old = harness.signed(BEIJING, case.application, case.version, Finding::Signed);
    let sent = harness.hub.clock.now();
    harness.hub.clock.advance(SignedDuration::from_hours(72));
    assert_eq!(harness.reports_queued(&[&jws], sent).await, Answer::Batch(0));
    assert_eq!(only(&harness).await.ledger.state().stage, Stage::Received);
    let now = harness.hub.clock.now();
    assert_eq!(harness.reports_queued(&[&old], now).await, Answer::Batch(0), "refused and done with");
    assert_eq!(harness.refused(BEIJING), ["signature_expired"]);
}

/// A key is revoked while another one has taken over: what the old one signs counts no more within a minute.
#[tokio::test]
async fn row_43_an_old_signing_key_counts_until_it_is_revoked() {
    let (harness, case) = with_a_case().await;
    let next = PrivateKey::generate(KeyUse::Signing).expect("a key");
    let jwk = next.public().to_jwk().expect("a public key");
    harness.override_agency(BEIJING, AgencyOverride::AddKey { role: KeyRole::Signing, jwk });
    let by_old = harness.signed(BEIJING, case.application, case.version, Finding::Received);
    harness.report(&by_old).await.body(200);
    let report = Report {
        report_id: "0b3f5a5e-6d1c-4c8e-9a57-0d6a5b1f2c3d".parse().expect("a report id"),
        application: case.application,
        agency: case.agency.clone(),
        seen: case.version,
        iat: harness.hub.clock.now().as_second(),
        finding: Finding::Signed,
    };
    let by_new = sign(REPORT_TYP, &report, &next).expect("a signed report");
    harness.report(&by_new).await.body(200);
    harness.override_agency(BEIJING, AgencyOverride::RevokeKey { kid: harness.signing_kid(BEIJING) });
    let refused = harness.report(&by_old).await.body(401);
    assert_eq!(refused["type"], "/problems/unknown_key");
    harness.report(&by_new).await.body(200);
}

/// While an agency is suspended nothing is sent to it; when it resumes, what is asked for is sent, once recorded.
#[tokio::test]
async fn row_18_an_agency_is_suspended_and_resumed_without_a_deploy() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    harness.override_agency(BEIJING, AgencyOverride::Suspend);
    assert_eq!(harness.show(&[submission(&harness).await]).await, Answer::Batch(0));
    assert!(harness.take(BEIJING).is_empty(), "it is held");
    refuses_new_cases(&harness).await;
    harness.override_agency(BEIJING, AgencyOverride::Resume);
    let held = only(&harness).await;
    let record = asked_again(&held, harness.hub.clock.now(), held.ledger.state().message_version);
    assert_eq!(harness.show(&[record.clone(), record]).await, Answer::Batch(0));
    assert_eq!(harness.take(BEIJING).len(), 1, "asked for twice in a batch is sent once");
    assert_eq!(only(&harness).await.ledger.state().stage, Stage::Dispatched);
}

async fn refuses_new_cases(harness: &CrashHarness) {
    let body = crate::journey::body(&super::papers());
    let refused = harness.post("another-app", super::APPLICATIONS, "a-key", &body).await.body(422);
    assert_eq!(refused["type"], "/problems/not_covered");
    let rows = harness.hub.agencies.agencies();
    assert!(rows.iter().all(|row| row.state == AgencyState::Active), "the rows say nothing of it");
}
