#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;

use domain::agencies::{Agencies, AgencyRow, AgencyState};
use domain::catalogue::DocumentKind;
use domain::command::{AgencyReport, Command, ReportedResult};
use domain::stage::Stage;
use jiff::SignedDuration;

use super::*;
use crate::contract::sample;
use crate::faults::Fault;
use crate::hub::FakeHub;
use crate::store::Units;

fn hub() -> FakeHub {
    let row = AgencyRow {
        code: "11".parse().unwrap(),
        zh: "北京".to_owned(),
        en: "Beijing".to_owned(),
        state: AgencyState::Active,
        offers: BTreeMap::new(),
        capabilities: Vec::new(),
        signing_keys: Vec::new(),
        encryption_keys: Vec::new(),
    };
    let hub = FakeHub::new(Agencies::new(vec![row]).unwrap());
    hub.clock.set(sample::start());
    hub
}

async fn opened(hub: &FakeHub, number: u64) -> StoredApplication {
    let stored = sample::stored("east-app", number);
    let wake = next_wake(stored.ledger.state(), hub.clock.now());
    hub.store.create(&stored, wake).await.unwrap();
    stored
}

fn stores(number: usize) -> Attempt {
    let kind = if number == 1 {
        DocumentKind::named("household_register").unwrap()
    } else {
        DocumentKind::named("proof_of_residence").unwrap()
    };
    let object = sample::object(kind);
    Attempt::hub(Command::StoreDocument { document: sample::document(number), round: 0, object })
}

fn withdraws(key: &str, body: &[u8]) -> Attempt {
    let by = Actor::Tenant(sample::tenant("east-app"));
    Attempt { key: Some(command_key(&by, key, body)), by, command: Command::Withdraw, expected_version: None }
}

fn reports(key: &str, seen: u32, result: ReportedResult) -> Attempt {
    let by = Actor::Agency("11".parse().unwrap());
    let key = Some(command_key(&by, key, b"body"));
    Attempt { key, by, command: Command::Report(AgencyReport { seen, result }), expected_version: None }
}

#[test]
fn callers_never_share_a_key() {
    let tenant = |name: &str| Actor::Tenant(sample::tenant(name));
    let key = command_key(&tenant("a"), "1", b"body");
    assert_eq!(key, command_key(&tenant("a"), "1", b"body"));
    assert_ne!(key.id, command_key(&tenant("b"), "1", b"body").id);
    assert_ne!(key.id, command_key(&Actor::Agency("11".parse().unwrap()), "1", b"body").id);
    let other_body = command_key(&tenant("a"), "1", b"other");
    assert_eq!((key.id == other_body.id, key.body == other_body.body), (true, false));
}

#[tokio::test]
async fn a_repeated_command_is_written_once_and_gets_the_same_version() {
    let hub = hub();
    let id = opened(&hub, 1).await.id();
    let first = apply(&hub, id, &withdraws("k", b""), None).await.unwrap();
    assert_eq!((first.version, first.changed), (2, true));
    assert_eq!(first.stored.ledger.state().stage, Stage::Withdrawn);
    let at_once = first.stored.ledger.state().changed_at + SignedDuration::from_millis(1);
    assert_eq!(hub.store.wake(id), Some(at_once), "the sweeper erases the files of a withdrawn application");
    let again = apply(&hub, id, &withdraws("k", b""), None).await.unwrap();
    assert_eq!((again.version, again.changed, again.stored), (2, false, first.stored));
    let misuse = apply(&hub, id, &withdraws("k", b"other"), None).await;
    assert_eq!(misuse, Err(ApplyError::Refused(Refusal::KeyReused)));
}

#[tokio::test]
async fn an_unknown_application_and_another_tenants_one_are_refused() {
    let hub = hub();
    let missing = apply(&hub, sample::id(9), &withdraws("k", b""), None).await;
    assert_eq!(missing, Err(ApplyError::NotFound));
    let id = opened(&hub, 1).await.id();
    let theirs = Attempt { by: Actor::Tenant(sample::tenant("west-app")), ..withdraws("k", b"") };
    let refused = apply(&hub, id, &theirs, None).await;
    assert_eq!(refused, Err(ApplyError::Refused(Refusal::NotYours)));
}

#[tokio::test]
async fn several_commands_are_one_write_and_a_refusal_does_not_stop_the_others() {
    let hub = hub();
    let id = opened(&hub, 1).await.id();
    let unknown = Attempt::hub(Command::StoreDocument {
        document: sample::document(9),
        round: 0,
        object: sample::object(DocumentKind::named("other").unwrap()),
    });
    let done = apply_all(&hub, id, &[stores(1), unknown, stores(2), stores(1)]).await.unwrap();
    // The second document completes the draft, which submits itself: two events.
    let missing = Refusal::Missing(vec![sample::document(9)]);
    assert_eq!(done.outcomes, [Ok(2), Err(missing), Ok(4), Ok(4)]);
    assert_eq!(done.stored.ledger.state().stage, Stage::Submitted);
    let writes = hub.faults.calls().into_iter().filter(|call| *call == "store.append").count();
    assert_eq!(writes, 1);
}

#[tokio::test]
async fn a_cached_state_saves_a_read_but_is_never_the_answer() {
    let hub = hub();
    let id = opened(&hub, 1).await.id();
    let calls = |hub: &FakeHub| hub.faults.calls().len();
    apply(&hub, id, &stores(1), None).await.unwrap();
    assert_eq!(calls(&hub), 3, "create, get, append");
    apply(&hub, id, &stores(2), None).await.unwrap();
    assert_eq!(calls(&hub), 4, "append alone");

    // Another process withdraws the application; this process still has it cached as submitted.
    let other = hub.restarted();
    apply(&other, id, &withdraws("k", b""), None).await.unwrap();
    let before = calls(&hub);
    hub.clock.advance(SignedDuration::from_secs(1));
    let again = apply(&hub, id, &withdraws("k", b""), None).await.unwrap();
    assert_eq!((again.version, again.changed), (5, false), "decided again on the other process's state");
    assert_eq!(hub.faults.calls()[before..], ["store.append"]);
    assert_eq!(again.stored, other.store.get(id).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_refusal_is_decided_on_the_current_state() {
    let hub = hub();
    let id = opened(&hub, 1).await.id();
    apply(&hub, id, &stores(1), None).await.unwrap();
    let other = hub.restarted();
    apply(&other, id, &stores(2), None).await.unwrap();
    apply(&other, id, &Attempt::hub(Command::Dispatch { message_version: 4 }), None).await.unwrap();
    // This process has a draft cached, which accepts no report; the stored application is dispatched.
    let report = reports("r1", 4, ReportedResult::Received);
    let done = apply(&hub, id, &report, Some(Proof::Jws("evidence".to_owned()))).await.unwrap();
    assert_eq!((done.version, done.stored.ledger.state().stage), (6, Stage::Received));
    assert_eq!(done.stored.ledger.entries()[5].entry.proof.as_deref(), Some("evidence"));
}

#[tokio::test]
async fn a_current_image_saves_a_read_and_a_stale_one_writes_nothing() {
    let hub = hub();
    let stored = opened(&hub, 1).await;
    let image = apply_all(&hub, stored.id(), &[stores(1), stores(2)]).await.unwrap().stored;
    let dispatch = [Attempt::hub(Command::Dispatch { message_version: 4 })];
    let router = hub.restarted();
    let before = hub.faults.calls().len();
    let done = apply_to(&router, image.clone(), &dispatch).await.unwrap();
    assert_eq!((done.changed, done.outcomes), (true, vec![Ok(5)]));
    assert_eq!(hub.faults.calls()[before..], ["store.append"], "the image replaces the read");
    hub.clock.advance(SignedDuration::from_secs(1));
    let again = apply_to(&hub.restarted(), image, &dispatch).await.unwrap();
    assert_eq!((again.changed, again.outcomes), (false, vec![Ok(5)]), "a record delivered twice");
}

/// Two deliveries of one command in one millisecond write the same bytes, so the second recognises the first as its own
/// write. The record, the version and the answer are the same.
#[tokio::test]
async fn the_same_command_in_the_same_instant_is_one_entry() {
    let hub = hub();
    let stored = opened(&hub, 1).await;
    hub.recent.put(&stored);
    let other = hub.restarted();
    let first = apply(&other, stored.id(), &withdraws("k", b""), None).await.unwrap();
    let second = apply(&hub, stored.id(), &withdraws("k", b""), None).await.unwrap();
    assert_eq!((second.version, second.stored), (first.version, first.stored));
    assert_eq!(hub.store.get(stored.id()).await.unwrap().unwrap().version(), 2);
}

#[tokio::test]
async fn every_fault_at_every_call_leaves_one_effect() {
    let faults = [Fault::Before, Fault::AnswerLost, Fault::Throttled, Fault::DiesBefore, Fault::DiesAfter];
    for fault in faults {
        for call in 1..=2 {
            let hub = hub();
            let id = opened(&hub, 1).await.id();
            hub.faults.plan(1 + call, fault);
            let attempt = withdraws("k", b"");
            let broken = apply(&hub, id, &attempt, None).await;
            assert!(matches!(broken, Err(ApplyError::Store(_))), "{fault:?} at {call}: {broken:?}");
            let hub = hub.restarted();
            let done = apply(&hub, id, &attempt, None).await.unwrap();
            assert_eq!((done.version, done.stored.version()), (2, 2), "{fault:?} at {call}");
            assert_eq!(done.changed, !(call == 2 && matches!(fault, Fault::AnswerLost | Fault::DiesAfter)));
        }
    }
}

#[tokio::test]
async fn concurrent_writers_all_succeed() {
    let hub = hub();
    let id = opened(&hub, 1).await.id();
    let mut tasks = tokio::task::JoinSet::new();
    for number in [1, 2, 1, 2, 1, 2] {
        let hub = hub.restarted();
        tasks.spawn(async move { apply(&hub, id, &stores(number), None).await.map(|done| done.changed) });
    }
    let answers: Vec<_> = tasks.join_all().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        answers.iter().filter(|changed| **changed).count(),
        2,
        "each document is stored once: {answers:?}"
    );
    let stored = hub.store.get(id).await.unwrap().unwrap();
    assert_eq!(stored.ledger.state().stage, Stage::Submitted);
}

/// The store's part of the cost budget: one first card with two documents and three reports.
#[tokio::test]
async fn an_adults_first_card_stays_within_its_write_units() {
    let hub = hub();
    let id = opened(&hub, 1).await.id();
    let proof = "x".repeat(420);
    let steps = [
        (stores(1), false),
        (stores(2), false),
        (Attempt::hub(Command::Dispatch { message_version: 4 }), false),
        (reports("r1", 4, ReportedResult::Received), true),
        (reports("r2", 6, ReportedResult::Signed), true),
        (reports("r3", 7, ReportedResult::Produced), true),
    ];
    for (attempt, signed) in steps {
        hub.clock.advance(SignedDuration::from_mins(1));
        apply(&hub, id, &attempt, signed.then(|| Proof::Jws(proof.clone()))).await.unwrap();
    }
    let Units { table, indexes } = hub.store.units();
    let size = hub.store.item_size(id).unwrap();
    assert!(table + indexes <= 36, "{table} + {indexes} units, {size} bytes");
    assert!(size <= 4096, "{size} bytes");
}

/// An earlier version of the hub kept reports of any size in the record.
#[tokio::test]
async fn a2_a_large_record_refuses_steps_that_repeat_and_takes_the_others() {
    let hub = hub();
    let id = opened(&hub, 1).await.id();
    for attempt in [stores(1), stores(2), Attempt::hub(Command::Dispatch { message_version: 4 })] {
        apply(&hub, id, &attempt, None).await.unwrap();
    }
    let large = || Some(Proof::Jws("x".repeat(ITEM_BYTES_SOFT)));
    apply(&hub, id, &reports("r1", 4, ReportedResult::Received), large()).await.unwrap();
    let items = vec![domain::event::MissingItem {
        name: "a".to_owned(),
        accepts: vec![DocumentKind::named("other").unwrap()],
        note: String::new(),
    }];
    let supplement = reports("r2", 4, ReportedResult::SupplementRequested { items });
    assert_eq!(apply(&hub, id, &supplement, None).await, Err(ApplyError::Refused(Refusal::Full)));
    let done = apply(&hub, id, &reports("r3", 4, ReportedResult::Signed), None).await.unwrap();
    assert_eq!(done.stored.ledger.state().stage, Stage::Signed);
    // The table's own bound is a refusal, too, and the record stays as it was.
    let full =
        apply(&hub, id, &reports("r4", 4, ReportedResult::Produced), Some(Proof::Jws("x".repeat(250_000))))
            .await;
    assert_eq!(full, Err(ApplyError::Refused(Refusal::Full)));
    assert_eq!(hub.store.get(id).await.unwrap().unwrap().version(), done.version);
    assert!(done.stored.bytes() >= hub.store.item_size(id).unwrap(), "the estimate is an upper bound");
}

#[tokio::test]
async fn a_large_reports_hash_is_its_evidence() {
    let hub = hub();
    let id = opened(&hub, 1).await.id();
    for attempt in [stores(1), stores(2)] {
        apply(&hub, id, &attempt, None).await.unwrap();
    }
    let proof =
        Some(Proof::InBucket("ab".to_owned(), "6ba7b810-9dad-41d1-80b4-00c04fd430c8".parse().unwrap()));
    let done = apply(&hub, id, &reports("r1", 4, ReportedResult::Received), proof).await.unwrap();
    let entry = &done.stored.ledger.entries().last().unwrap().entry;
    assert_eq!((entry.proof.as_deref(), entry.proof_sha256.as_deref()), (None, Some("ab")));
    assert_eq!(hub.store.get(id).await.unwrap().unwrap(), done.stored, "the entry reads back");
}
