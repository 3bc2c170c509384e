//! Case P10 of `tests/FIELD_CASES.md`: one citizen applies for one service twice.

use std::collections::BTreeSet;

use domain::command::ReportedResult;
use domain::ids::ApplicationId;
use jiff::SignedDuration;
use platform::config::Secret;
use platform::person_index::PersonIndex;
use protocol::case::{Case, PossibleDuplicate};
use serde_json::{Value, json};
use tongban_tests::people::Citizen;

use super::{APPLICATIONS, sample_documents};
use crate::case_scenario::body;
use crate::crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG};
use crate::records::stream_record;

const ONE: &str = "one-app";
const OTHER: &str = "other-app";

/// An adult's first card with the default applicant.
fn form() -> Value {
    body(&sample_documents())
}

/// Files an application, uploads its documents and submits it. Returns its id and the answer to its creation.
async fn submit(harness: &CrashHarness, tenant: &str, key: &str, form: &Value) -> (ApplicationId, Value) {
    let created = harness.post(tenant, APPLICATIONS, key, form).await.body(201);
    let keys = harness.upload(&created, &sample_documents());
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    harness.hub.clock.advance(SignedDuration::from_secs(1));
    (created["id"].as_str().expect("an id").parse().expect("an id"), created)
}

/// The router sends the case of an application to this agency.
async fn sent(harness: &CrashHarness, id: ApplicationId, agency: &str) -> Case {
    let mut stored = harness.stored().await;
    stored.retain(|stored| stored.id() == id);
    let [stored] = &stored[..] else { panic!("one application must have this id") };
    assert_eq!(harness.stream_records(&[stream_record(stored, 1, stored.version())]).await, Answer::Batch(0));
    let message = harness.take(agency).pop().expect("a case in the agency's queue");
    harness.opened(agency, &message)
}

/// Files and sends an application; what its case says of duplicates.
async fn duplicate(
    harness: &CrashHarness,
    (tenant, key): (&str, &str),
    form: &Value,
    agency: &str,
) -> (ApplicationId, Option<PossibleDuplicate>) {
    let (id, _) = submit(harness, tenant, key, form).await;
    (id, sent(harness, id, agency).await.possible_duplicate)
}

fn named(applications: &[ApplicationId]) -> Option<PossibleDuplicate> {
    Some(PossibleDuplicate { applications: applications.to_vec(), elsewhere: false })
}

fn elsewhere() -> Option<PossibleDuplicate> {
    Some(PossibleDuplicate { applications: Vec::new(), elsewhere: true })
}

#[tokio::test]
async fn p10_the_deciding_agency_sees_the_other_applications_that_it_has() {
    let harness = CrashHarness::new();
    let form = form();
    let mut earlier = Vec::new();
    // Whichever app filed them. The oldest of six is not named any more.
    for number in 0..7 {
        let tenant = if number % 2 == 0 { ONE } else { OTHER };
        let (id, told) = duplicate(&harness, (tenant, &format!("key-{number}")), &form, BEIJING).await;
        let shown: Vec<ApplicationId> = earlier.iter().rev().take(5).copied().collect();
        assert_eq!(told, if number == 0 { None } else { named(&shown) }, "number {number}");
        earlier.push(id);
    }
}

#[tokio::test]
async fn p10_an_agency_learns_of_another_agencys_case_only_that_there_is_one() {
    let harness = CrashHarness::new();
    let (mut form, mut moved) = (form(), form());
    moved["registered_at"] = json!("370102");
    moved["applicant"] = form["applicant"].clone();
    let (first, told) = duplicate(&harness, (ONE, "a"), &form, BEIJING).await;
    assert_eq!(told, None);
    assert_eq!(duplicate(&harness, (ONE, "b"), &moved, SHANDONG).await.1, elsewhere());
    form["address"] = json!("Another address 7");
    let both = PossibleDuplicate { applications: vec![first], elsewhere: true };
    assert_eq!(duplicate(&harness, (OTHER, "c"), &form, BEIJING).await.1, Some(both));
}

#[tokio::test]
async fn p10_no_answer_and_no_call_tells_a_tenant_of_another_tenants_application() {
    let harness = CrashHarness::new();
    let form = form();
    let (first, _) = submit(&harness, ONE, "a", &form).await;
    sent(&harness, first, BEIJING).await;
    // A stranger's application, and one that repeats the other tenant's: the same calls, the same members.
    let mut seen = BTreeSet::new();
    for (key, form) in [("b", &super::duplicates::form()), ("c", &form)] {
        harness.hub.faults.restart();
        let created = harness.post(OTHER, APPLICATIONS, key, form).await.body(201);
        let calls = harness.hub.faults.calls();
        let members: Vec<String> = created.as_object().expect("an object").keys().cloned().collect();
        seen.insert(format!("{calls:?} {members:?}"));
        let keys = harness.upload(&created, &sample_documents());
        harness.hub.faults.restart();
        assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
        assert!(!harness.hub.faults.calls().contains(&"store.of_person"));
        let id: ApplicationId = created["id"].as_str().expect("an id").parse().expect("an id");
        let told = sent(&harness, id, BEIJING).await.possible_duplicate;
        assert_eq!(told, if key == "c" { named(&[first]) } else { None });
        let stored = harness.stored().await.into_iter().find(|stored| stored.id() == id).expect("it");
        for line in stored.ledger.entries() {
            let event = serde_json::to_string(&protocol::app::EventView::from(&line.entry)).expect("JSON");
            assert!(!event.contains("duplicate") && !event.contains(&first.to_string()), "{event}");
        }
        assert!(!created.to_string().contains(&first.to_string()));
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[tokio::test]
async fn p10_drafts_withdrawn_and_old_applications_and_other_persons_do_not_count() {
    let harness = CrashHarness::new();
    let form = form();
    harness.post(ONE, APPLICATIONS, "draft", &form).await.body(201);
    let (withdrawn, _) = submit(&harness, ONE, "withdrawn", &form).await;
    let path = format!("{APPLICATIONS}/{withdrawn}/withdraw");
    harness.post(ONE, &path, "w", &json!({})).await.body(200);
    let (first, told) = duplicate(&harness, (ONE, "a"), &form, BEIJING).await;
    assert_eq!(told, None, "neither a draft nor a withdrawn application");

    let mut another = form.clone();
    another["applicant"] = Citizen::aged(33).json();
    assert_eq!(duplicate(&harness, (ONE, "b"), &another, BEIJING).await.1, None, "another person");

    for (seen, result) in [
        (4, ReportedResult::Received),
        (6, ReportedResult::NotIssued { reason: "not in the register".to_owned() }),
    ] {
        let report = harness.signed(BEIJING, first, seen, result);
        harness.report(&report).await.body(200);
    }
    harness.hub.clock.advance(SignedDuration::from_hours(24 * 364));
    assert_eq!(duplicate(&harness, (ONE, "c"), &form, BEIJING).await.1, named(&[first]), "decided recently");
    let path = |id: ApplicationId| format!("{APPLICATIONS}/{id}/withdraw");
    for stored in harness.stored().await {
        if !stored.ledger.state().is_final() {
            harness.post(ONE, &path(stored.id()), "w", &json!({})).await.body(200);
        }
    }
    harness.hub.clock.advance(SignedDuration::from_hours(24 * 2));
    assert_eq!(duplicate(&harness, (ONE, "d"), &form, BEIJING).await.1, None, "decided a year ago");
}

/// A guardian applies for several children; each child is the person that the matter is about.
#[tokio::test]
async fn p10_the_child_counts_and_not_the_guardian() {
    let harness = CrashHarness::new();
    let (guardian, children) = (Citizen::aged(40), [Citizen::aged(10), Citizen::aged(8)]);
    let certificate = |child: &Citizen| {
        let mut form = form();
        form["service"] = json!("household_certificate");
        form["certificate"] = json!("former_name");
        form["guardian"] = guardian.json();
        form["applicant"] = child.json();
        form.as_object_mut().expect("a form").remove("commitment");
        let documents = certificate_documents();
        form["documents"] = documents.iter().map(app_client::SampleDocument::declaration).collect();
        form
    };
    let file = async |key: &str, form: &Value| {
        let created = harness.post(ONE, APPLICATIONS, key, form).await.body(201);
        let keys = harness.upload(&created, &certificate_documents());
        assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
        harness.hub.clock.advance(SignedDuration::from_secs(1));
        let id: ApplicationId = created["id"].as_str().expect("an id").parse().expect("an id");
        (id, sent(&harness, id, BEIJING).await.possible_duplicate)
    };
    let (first, told) = file("a", &certificate(&children[0])).await;
    assert_eq!(told, None);
    assert_eq!(file("b", &certificate(&children[1])).await.1, None, "a sibling");
    assert_eq!(file("c", &certificate(&children[0])).await.1, named(&[first]));
}

fn certificate_documents() -> Vec<app_client::SampleDocument> {
    vec![
        app_client::SampleDocument::png("identity_card", "one"),
        app_client::SampleDocument::pdf("household_register", "two"),
    ]
}

/// Values under the former key are found after a rotation, and a corrected draft is its new applicant's.
#[tokio::test]
async fn p10_a_rotated_key_and_a_corrected_applicant_are_found() {
    let mut harness = CrashHarness::new();
    let form = form();
    let (first, _) = duplicate(&harness, (ONE, "a"), &form, BEIJING).await;
    let key = |byte| Secret::new(vec![byte; 32]);
    harness.persons = PersonIndex::new(key(9), Some(key(8)));
    let (second, told) = duplicate(&harness, (OTHER, "b"), &form, BEIJING).await;
    assert_eq!(told, named(&[first]), "under the former key");
    assert_eq!(duplicate(&harness, (ONE, "c"), &form, BEIJING).await.1, named(&[second, first]));

    let mut mistaken = form.clone();
    mistaken["applicant"] = Citizen::aged(33).json();
    mistaken["submit"] = json!("manual");
    let created = harness.post(OTHER, APPLICATIONS, "d", &mistaken).await.body(201);
    let id = created["id"].as_str().expect("an id");
    let change = json!({ "applicant": form["applicant"], "submit": "when_complete" });
    harness.send("PATCH", OTHER, &format!("{APPLICATIONS}/{id}"), "p", None, &change).await.body(200);
    let keys = harness.upload(&created, &sample_documents());
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    let told = sent(&harness, id.parse().expect("an id"), BEIJING).await.possible_duplicate;
    assert_eq!(told.map(|told| told.applications.len()), Some(3));
}
