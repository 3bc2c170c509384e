//! What the stream shows, and what must reach an agency's queue once.

use app_client::SampleDocument;
use domain::agencies::AgencyState;
use domain::application::object_key;
use domain::catalogue::DocumentKind;
use domain::command::Finding;
use domain::effect::NoticeKind;
use domain::event::MissingItem;
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::faults::Fault;
use platform::queues::{Queue, SendError};
use serde_json::{Value, json};
use sweeper::handler::Swept;

use super::{count, file, only, submission, with_a_case, with_a_draft};
use crate::crash_harness::{Answer, BEIJING, CrashHarness, change};
use crate::journey::TENANT;

#[tokio::test]
async fn row_10_a_repeated_stream_record_sends_one_message() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let record = submission(&harness).await;
    for _ in 0..2 {
        assert_eq!(harness.show(std::slice::from_ref(&record)).await, Answer::Batch(0));
    }
    assert_eq!(harness.take(BEIJING).len(), 1, "one message");
    assert_eq!(count(&harness, "dispatched").await, 1);
}

#[tokio::test]
async fn row_11_a_router_that_dies_after_sending_sends_one_case() {
    let (mut harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let record = submission(&harness).await;
    harness.hub.faults.restart();
    harness.hub.faults.plan(3, Fault::DiesAfter);
    harness.show(std::slice::from_ref(&record)).await;
    assert_eq!(harness.hub.faults.calls().last(), Some(&"queues.send"));
    harness.restart();
    assert_eq!(count(&harness, "dispatched").await, 0, "it is sent and not recorded");
    assert_eq!(harness.show(&[record]).await, Answer::Batch(0));
    assert_eq!(harness.take(BEIJING).len(), 1, "the agency sees one case");
    assert_eq!(count(&harness, "dispatched").await, 1);
}

/// After five minutes a queue has forgotten what it saw: the message comes twice, under the one id that the
/// agency goes by.
#[tokio::test]
async fn row_12_a_message_sent_again_after_the_fifo_window_keeps_its_id() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let record = submission(&harness).await;
    harness.show(std::slice::from_ref(&record)).await;
    harness.hub.clock.advance(SignedDuration::from_mins(6));
    assert_eq!(harness.show(&[record]).await, Answer::Batch(0));
    let messages = harness.take(BEIJING);
    assert_eq!(messages.len(), 2);
    let cases: Vec<_> = messages.iter().map(|message| harness.opened(BEIJING, message)).collect();
    assert_eq!((cases[0].application, cases[0].version), (cases[1].application, cases[1].version));
    assert_eq!(messages[0].id, messages[1].id, "the agency goes by this");
    assert_eq!(count(&harness, "dispatched").await, 1);
}

/// Two applications in one batch; the message of one is not taken. Only its record comes again.
#[tokio::test]
async fn row_14_only_the_failed_entry_of_a_batch_is_retried() {
    let harness = CrashHarness::new();
    for key in ["one", "two"] {
        let keys = file(&harness, TENANT, key).await;
        harness.uploaded(&keys).await;
    }
    let stored = harness.stored().await;
    let records: Vec<Value> = stored.iter().map(|stored| change(stored, 1, stored.version())).collect();
    let refused = format!("{}:{}", stored[1].id(), stored[1].ledger.state().leg_opened);
    harness.hub.queues.refuse(&refused, u32::MAX, SendError::Throttled);
    assert_eq!(harness.show(&records).await, Answer::Batch(1));
    let taken = harness.take(BEIJING);
    assert_eq!(taken.len(), 1, "the other one went");
    assert_ne!(taken[0].id, refused);
    harness.hub.queues.refuse(&refused, 0, SendError::Throttled);
    assert_eq!(harness.show(&records[1..]).await, Answer::Batch(0));
    assert_eq!(harness.take(BEIJING).iter().filter(|message| message.id == refused).count(), 1);
}

#[tokio::test]
async fn row_15_a_poisonous_record_is_quarantined_with_its_reason() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let good = submission(&harness).await;
    let mut poison = good.clone();
    poison["dynamodb"]["SequenceNumber"] = json!("poison-1");
    poison["dynamodb"]["NewImage"]["ev"] = json!({ "L": [{ "B": "e30=" }] });
    assert_eq!(harness.show(&[poison, good]).await, Answer::Batch(0), "the batch is done with");
    assert_eq!(harness.take(BEIJING).len(), 1, "the others proceed");
    let quarantined = harness.hub.queues.drain(&Queue::Quarantine);
    assert_eq!(quarantined.len(), 1, "the record is quarantined");
    let why: Value = serde_json::from_str(&quarantined[0].body).expect("JSON");
    assert!(why["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "with its reason: {why}");
}

/// Sent, but its dispatch was never recorded: the sweeper sends it again within the queue's five minutes. It
/// arrives, because it goes under another deduplication id, and is the same message to its agency.
#[tokio::test]
async fn row_13_a_message_sent_again_within_the_fifo_window_arrives() {
    let (mut harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let record = submission(&harness).await;
    harness.hub.clock.advance(SignedDuration::from_mins(4));
    harness.hub.faults.plan(3, Fault::DiesAfter);
    harness.show(&[record]).await;
    harness.restart();
    harness.hub.clock.advance(SignedDuration::from_mins(2));
    harness.sweep().await;
    let messages = harness.take(BEIJING);
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].id, messages[1].id, "one message to its agency");
    assert_ne!(messages[0].dedup, messages[1].dedup, "two to the queue");
    assert_eq!(count(&harness, "dispatched").await, 1);
}

#[tokio::test]
async fn row_16_the_sweeper_sends_what_the_router_missed_for_a_day() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    harness.hub.clock.advance(SignedDuration::from_hours(25));
    harness.sweep().await;
    assert_eq!(harness.take(BEIJING).len(), 1);
    assert_eq!(only(&harness).await.ledger.state().stage, Stage::Dispatched);
}

/// The agency waits for the citizen, and the citizen has answered.
#[tokio::test]
async fn row_16_the_sweeper_sends_a_supplement_that_the_router_missed() {
    let (harness, _) = with_a_case().await;
    report(&harness, Finding::Received).await;
    report(&harness, residence_is_missing()).await;
    supplement(&harness).await;
    for wakes in [SignedDuration::from_mins(6), SignedDuration::from_hours(2)] {
        harness.hub.clock.advance(wakes);
        harness.sweep().await;
    }
    let messages = harness.take(BEIJING);
    assert_eq!(messages.len(), 1, "sent once, and then recorded");
    assert_eq!(harness.opened(BEIJING, &messages[0]).notice, NoticeKind::Supplemented);
    assert_eq!(only(&harness).await.ledger.state().stage, Stage::Supplemented);
}

#[tokio::test]
async fn row_18_a_case_waits_for_a_suspended_agency_and_is_sent_when_it_resumes() {
    let (mut harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let record = submission(&harness).await;
    harness.set_state(BEIJING, AgencyState::Suspended);
    assert_eq!(harness.show(&[record]).await, Answer::Batch(0), "it holds up nobody");
    harness.hub.clock.advance(SignedDuration::from_mins(6));
    let swept = harness.sweep().await;
    assert_eq!(swept, Answer::Swept(Swept { due: 1, waiting: 1, ..Swept::default() }));
    assert!(harness.take(BEIJING).is_empty());
    harness.set_state(BEIJING, AgencyState::Active);
    harness.hub.clock.advance(SignedDuration::from_hours(2));
    harness.sweep().await;
    assert_eq!(harness.take(BEIJING).len(), 1, "released when it resumes");
}

/// Without the key nothing is sent, sealed or not.
#[tokio::test]
async fn row_46_the_router_sends_nothing_when_the_key_is_denied() {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    let record = submission(&harness).await;
    harness.hub.faults.plan(2, Fault::Before);
    assert_eq!(harness.show(std::slice::from_ref(&record)).await, Answer::Batch(1));
    assert_eq!(
        harness.hub.faults.calls(),
        ["agency_registry.overrides", "vault.decrypt"],
        "and nothing is sent"
    );
    assert_eq!(harness.show(&[record]).await, Answer::Batch(0));
    assert_eq!(harness.take(BEIJING).len(), 1);
}

async fn report(harness: &CrashHarness, finding: Finding) {
    let head = only(harness).await.ledger.state().clone();
    let jws = harness.signed(BEIJING, head.id, head.leg_opened, finding);
    harness.report(&jws).await.body(200);
}

fn residence_is_missing() -> Finding {
    let item = MissingItem {
        name: "residence".to_owned(),
        accepts: vec![DocumentKind::named("other").expect("a name of the catalogue")],
        note: String::new(),
    };
    Finding::SupplementRequested { items: vec![item] }
}

/// The citizen hands in what is missing.
async fn supplement(harness: &CrashHarness) {
    let id = only(harness).await.id();
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

/// The stream's shard splits between any two changes of an application: the router of the new shard is another process,
/// and the old shard shows its last records once more, because its router died before it said that it was done.
#[tokio::test]
async fn row_17_the_order_holds_when_a_shard_splits() {
    for split in 1..=4 {
        let (mut harness, keys) = with_a_draft().await;
        harness.uploaded(&keys).await;
        let (mut shown, mut records) = (1, Vec::new());
        for step in 0..4 {
            match step {
                0 => {}
                1 => report(&harness, Finding::Received).await,
                2 => report(&harness, residence_is_missing()).await,
                _ => supplement(&harness).await,
            }
            let stored = only(&harness).await;
            records.push(change(&stored, shown, stored.version()));
            shown = stored.version();
            harness.show(&records[step..]).await;
            if step + 1 == split {
                harness.restart();
                harness.show(&records).await;
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
