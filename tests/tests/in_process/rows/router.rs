//! Faults between the table's stream and the agencies' queues.

use std::time::Duration;

use app_client::SampleDocument;
use domain::agencies::AgencyState;
use domain::application::object_key;
use domain::catalogue::DocumentKind;
use domain::command::ReportedResult;
use domain::effect::NoticeKind;
use domain::event::MissingItem;
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::faults::Fault;
use platform::queues::{Queue, SendError};
use serde_json::{Value, json};
use sweeper::handler::SweepCounts;

use super::{count_events, file, only_application, submission, with_a_case, with_a_draft};
use crate::case_scenario::TENANT;
use crate::crash_harness::{Answer, BEIJING, CrashHarness};
use crate::records::stream_record;

/// Row 10 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_repeated_stream_record_sends_one_message() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let record = submission(&harness).await;
    for _ in 0..2 {
        assert_eq!(harness.stream_records(std::slice::from_ref(&record)).await, Answer::Batch(0));
    }
    assert_eq!(harness.take(BEIJING).len(), 1, "number of messages");
    assert_eq!(count_events(&harness, "dispatched").await, 1);
}

/// Row 11 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_router_that_dies_after_sending_sends_one_case() {
    let (mut harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let record = submission(&harness).await;
    harness.hub.faults.restart();
    harness.hub.faults.plan(4, Fault::DiesAfter);
    harness.stream_records(std::slice::from_ref(&record)).await;
    assert_eq!(harness.hub.faults.calls().last(), Some(&"queues.send"));
    harness.restart();
    assert_eq!(count_events(&harness, "dispatched").await, 0, "the dispatch is not recorded yet");
    assert_eq!(harness.stream_records(&[record]).await, Answer::Batch(0));
    assert_eq!(harness.take(BEIJING).len(), 1, "number of cases at the agency");
    assert_eq!(count_events(&harness, "dispatched").await, 1);
}

/// After the deduplication window of five minutes the message arrives twice, both times under the same id.
/// Row 12 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_message_sent_again_after_the_fifo_window_keeps_its_id() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let record = submission(&harness).await;
    harness.stream_records(std::slice::from_ref(&record)).await;
    harness.hub.clock.advance(SignedDuration::from_mins(6));
    assert_eq!(harness.stream_records(&[record]).await, Answer::Batch(0));
    let messages = harness.take(BEIJING);
    assert_eq!(messages.len(), 2);
    let cases: Vec<_> = messages.iter().map(|message| harness.opened(BEIJING, message)).collect();
    assert_eq!((cases[0].application, cases[0].version), (cases[1].application, cases[1].version));
    assert_eq!(messages[0].id, messages[1].id, "the agency recognises the repeat by the id");
    assert_eq!(count_events(&harness, "dispatched").await, 1);
}

/// Two applications in one batch. The message of one is not accepted, and only its record is delivered again.
/// Row 14 of `tests/FAULTS.md`.
#[tokio::test]
async fn only_the_failed_entry_of_a_batch_is_retried() {
    let harness = CrashHarness::new();
    for key in ["one", "two"] {
        let keys = file(&harness, TENANT, key).await;
        harness.uploaded(&keys).await;
    }
    let stored = harness.stored().await;
    let records: Vec<Value> =
        stored.iter().map(|stored| stream_record(stored, 1, stored.version())).collect();
    let refused = format!("{}:{}", stored[1].id(), stored[1].ledger.state().leg_opened);
    harness.hub.queues.refuse(&refused, u32::MAX, SendError::Throttled);
    assert_eq!(harness.stream_records(&records).await, Answer::Batch(1));
    let taken = harness.take(BEIJING);
    assert_eq!(taken.len(), 1, "the other message was sent");
    assert_ne!(taken[0].id, refused);
    harness.hub.queues.refuse(&refused, 0, SendError::Throttled);
    assert_eq!(harness.stream_records(&records[1..]).await, Answer::Batch(0));
    assert_eq!(harness.take(BEIJING).iter().filter(|message| message.id == refused).count(), 1);
}

/// Row 15 of `tests/FAULTS.md`.
#[tokio::test]
async fn an_unreadable_record_is_quarantined_with_its_reason() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let good = submission(&harness).await;
    let mut poison = good.clone();
    poison["dynamodb"]["SequenceNumber"] = json!("poison-1");
    poison["dynamodb"]["NewImage"]["ev"] = json!({ "L": [{ "B": "e30=" }] });
    assert_eq!(harness.stream_records(&[poison, good]).await, Answer::Batch(0), "the batch is complete");
    assert_eq!(harness.take(BEIJING).len(), 1, "the other record is processed");
    let quarantined = harness.hub.queues.drain(&Queue::Quarantine);
    assert_eq!(quarantined.len(), 1, "the record is quarantined");
    let why: Value = serde_json::from_str(&quarantined[0].body).expect("JSON");
    assert!(why["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "with its reason: {why}");
}

/// The vault can never open the personal data of one application. Its lane of the stream goes on.
#[tokio::test]
async fn a8_a_case_that_can_never_be_sent_is_quarantined_and_blocks_no_other() {
    let harness = CrashHarness::new();
    for key in ["one", "two"] {
        let keys = file(&harness, TENANT, key).await;
        harness.uploaded(&keys).await;
    }
    let stored = harness.stored().await;
    let mut records: Vec<Value> =
        stored.iter().map(|stored| stream_record(stored, 1, stored.version())).collect();
    records[0]["dynamodb"]["NewImage"]["se"] = json!({ "B": "e30=" });
    assert_eq!(harness.stream_records(&records).await, Answer::Batch(0), "the batch is complete");
    let sent = harness.take(BEIJING);
    assert_eq!(
        sent.iter().map(|message| message.group.clone()).collect::<Vec<_>>(),
        [stored[1].id().to_string()]
    );
    let quarantined = harness.hub.queues.drain(&Queue::Quarantine);
    assert_eq!(quarantined.len(), 1);
    let why: Value = serde_json::from_str(&quarantined[0].body).expect("JSON");
    assert_eq!(why["key"]["id"]["S"], json!(stored[0].id()));
    assert!(why["reason"].as_str().is_some_and(|reason| reason.contains("decrypted")), "{why}");
}

/// The message was sent but its dispatch was never recorded, so the sweeper sends it again within the queue's five
/// minutes. The new deduplication id makes it arrive; the message id is the same.
/// Row 13 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_message_sent_again_within_the_fifo_window_arrives() {
    let (mut harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let record = submission(&harness).await;
    harness.hub.clock.advance(SignedDuration::from_mins(4));
    harness.hub.faults.plan(4, Fault::DiesAfter);
    harness.stream_records(&[record]).await;
    harness.restart();
    harness.hub.clock.advance(SignedDuration::from_mins(2));
    harness.sweep().await;
    let messages = harness.take(BEIJING);
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].id, messages[1].id, "both have the same message id");
    assert_ne!(messages[0].dedup, messages[1].dedup, "the deduplication ids differ");
    assert_eq!(count_events(&harness, "dispatched").await, 1);
}

/// Row 16 of `tests/FAULTS.md`.
#[tokio::test]
async fn the_sweeper_sends_what_the_router_missed_for_a_day() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    harness.hub.clock.advance(SignedDuration::from_hours(25));
    harness.sweep().await;
    assert_eq!(harness.take(BEIJING).len(), 1);
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Dispatched);
}

/// The citizen has answered a supplement request, and the router missed the answer.
/// Row 16 of `tests/FAULTS.md`.
#[tokio::test]
async fn the_sweeper_sends_a_supplement_that_the_router_missed() {
    let (harness, _) = with_a_case().await;
    report(&harness, ReportedResult::Received).await;
    report(&harness, residence_is_missing()).await;
    supplement(&harness).await;
    for wakes in [SignedDuration::from_mins(6), SignedDuration::from_hours(2)] {
        harness.hub.clock.advance(wakes);
        harness.sweep().await;
    }
    let messages = harness.take(BEIJING);
    assert_eq!(messages.len(), 1, "the supplement is sent once");
    assert_eq!(harness.opened(BEIJING, &messages[0]).notice, NoticeKind::Supplemented);
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Supplemented);
}

/// Row 18 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_case_waits_for_a_suspended_agency_and_is_sent_when_it_resumes() {
    let (mut harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let record = submission(&harness).await;
    harness.set_state(BEIJING, AgencyState::Suspended);
    assert_eq!(
        harness.stream_records(&[record]).await,
        Answer::Batch(0),
        "the held case delays no other record"
    );
    harness.hub.clock.advance(SignedDuration::from_mins(6));
    let swept = harness.sweep().await;
    assert_eq!(swept, Answer::Swept(SweepCounts { due: 1, waiting: 1, ..SweepCounts::default() }));
    assert!(harness.take(BEIJING).is_empty());
    harness.set_state(BEIJING, AgencyState::Active);
    harness.hub.clock.advance(SignedDuration::from_hours(2));
    harness.sweep().await;
    assert_eq!(harness.take(BEIJING).len(), 1, "the case is sent when the agency resumes");
}

#[tokio::test]
async fn o7_a_failing_application_is_backed_off_and_a_sweep_stops_in_time() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let stored = only_application(&harness).await;
    let message = format!("{}:{}", stored.id(), stored.ledger.state().leg_opened);
    harness.hub.queues.refuse(&message, u32::MAX, SendError::Throttled);
    harness.hub.clock.advance(SignedDuration::from_mins(6));
    let none = SweepCounts::default();
    assert_eq!(harness.sweep_for(Duration::from_secs(1)).await, Answer::Swept(none), "no time is left");
    assert_eq!(harness.sweep().await, Answer::Swept(SweepCounts { due: 1, failed: 1, ..none }));
    harness.hub.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(harness.sweep().await, Answer::Swept(none), "other applications take its place");
    harness.hub.queues.refuse(&message, 0, SendError::Throttled);
    harness.hub.clock.advance(SignedDuration::from_mins(5));
    assert_eq!(harness.sweep().await, Answer::Swept(SweepCounts { due: 1, moved: 1, sent: 1, ..none }));
}

/// Without the KMS key the router sends nothing, neither encrypted nor plain.
/// Row 46 of `tests/FAULTS.md`.
#[tokio::test]
async fn the_router_sends_nothing_when_the_key_is_denied() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let record = submission(&harness).await;
    harness.hub.faults.plan(2, Fault::Before);
    assert_eq!(harness.stream_records(std::slice::from_ref(&record)).await, Answer::Batch(1));
    assert_eq!(
        harness.hub.faults.calls(),
        ["agency_registry.overrides", "vault.decrypt"],
        "the router makes another call than these"
    );
    assert_eq!(harness.stream_records(&[record]).await, Answer::Batch(0));
    assert_eq!(harness.take(BEIJING).len(), 1);
}

async fn report(harness: &CrashHarness, result: ReportedResult) {
    let head = only_application(harness).await.ledger.state().clone();
    let jws = harness.signed(BEIJING, head.id, head.leg_opened, result);
    harness.report(&jws).await.body(200);
}

fn residence_is_missing() -> ReportedResult {
    let item = MissingItem {
        name: "residence".to_owned(),
        accepts: vec![DocumentKind::named("other").expect("a name of the catalogue")],
        note: String::new(),
    };
    ReportedResult::SupplementRequested { items: vec![item] }
}

/// The citizen uploads the missing document and the app submits the supplement.
async fn supplement(harness: &CrashHarness) {
    let id = only_application(harness).await.id();
    let answer = SampleDocument::pdf("other", "answer");
    let key = object_key(id, "d3".parse().expect("a document id"), 0);
    harness.hub.documents.put(
        &key,
        answer.media_type,
        Some(DocumentKind::named("other").expect("a name of the catalogue")),
        &answer.bytes,
    );
    let path = format!("/v1/applications/{id}/supplement");
    let supplemented = harness.post(TENANT, &path, "answered", &json!({})).await.body(200);
    assert_eq!(supplemented["stage"], "supplemented");
}

/// The stream's shard splits between any two changes of an application. Another process reads the new shard, and the
/// old shard delivers its last records again, because its router crashed before it confirmed them. Row 17 of
/// `tests/FAULTS.md`.
#[tokio::test]
async fn the_order_holds_when_a_shard_splits() {
    for split in 1..=4 {
        let (mut harness, keys) = with_a_draft().await;
        harness.uploaded(&keys).await;
        let (mut shown, mut records) = (1, Vec::new());
        for step in 0..4 {
            match step {
                0 => {}
                1 => report(&harness, ReportedResult::Received).await,
                2 => report(&harness, residence_is_missing()).await,
                _ => supplement(&harness).await,
            }
            let stored = only_application(&harness).await;
            records.push(stream_record(&stored, shown, stored.version()));
            shown = stored.version();
            harness.stream_records(&records[step..]).await;
            if step + 1 == split {
                harness.restart();
                harness.stream_records(&records).await;
            }
        }
        let messages = harness.take(BEIJING);
        let notices: Vec<_> =
            messages.iter().map(|message| harness.opened(BEIJING, message).notice).collect();
        assert_eq!(notices, [NoticeKind::Opened, NoticeKind::Supplemented], "split after {split}");
        let called: Vec<u32> = harness
            .hub
            .queues
            .drain(&Queue::Callbacks)
            .iter()
            .map(|message| message.id.rsplit(':').next().expect("a version").parse().expect("a number"))
            .collect();
        assert!(called.is_sorted_by(|a, b| a < b), "callbacks, split after {split}: {called:?}");
    }
}
