//! A shard of the table's stream, as Lambda reads it with the settings of the template: the local AWS delivers each record
//! once. The shard waits behind a record that fails, Lambda delivers the record and the later ones of its batch again,
//! splits a batch at the failure, and gives up after a number of deliveries.

use platform::queues::{Queue, SendError};
use serde_json::{Value, json};
use tongban_tests::repository::text;

use super::{file, with_a_draft};
use crate::case_scenario::TENANT;
use crate::crash_harness::{Answer, BEIJING, CrashHarness};
use crate::records::stream_record;

/// The settings of the event source mapping of the stream.
struct Mapping {
    batch_size: usize,
    retries: usize,
}

impl Mapping {
    fn of_the_template() -> Mapping {
        let template = text("infra/template.yaml");
        let (_, mapping) =
            template.split_once("EventSourceArn: !GetAtt Applications.StreamArn").expect("the mapping");
        let setting = |name: &str| {
            let (_, value) = mapping.split_once(&format!("{name}: ")).expect("a setting");
            value.lines().next().expect("a value").to_owned()
        };
        assert_eq!(setting("BisectBatchOnFunctionError"), "true");
        assert_eq!(setting("FunctionResponseTypes"), "[ReportBatchItemFailures]");
        assert!(
            setting("DestinationConfig").contains("RouterQuarantine"),
            "what Lambda gives up is not lost"
        );
        let number = |name| setting(name).parse().expect("a number");
        Mapping { batch_size: number("BatchSize"), retries: number("MaximumRetryAttempts") }
    }
}

/// What became of a shard's records.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    /// Deliveries until the shard was read.
    deliveries: usize,
    /// Sequence numbers of the records that Lambda gave up.
    given_up: Vec<String>,
}

fn sequence(record: &Value) -> String {
    record["dynamodb"]["SequenceNumber"].as_str().expect("a sequence number").to_owned()
}

/// Reads the shard to its end. In the worst case Lambda gives up every record of the batch that is left.
async fn read_shard(harness: &CrashHarness, mapping: &Mapping, mut shard: &[Value]) -> Read {
    let mut read = Read::default();
    while !shard.is_empty() {
        let (mut batch, rest) = shard.split_at(shard.len().min(mapping.batch_size));
        let mut retries = 0;
        while !batch.is_empty() {
            read.deliveries += 1;
            let Some(failed) = harness.stream_failure(batch).await else { break };
            let at =
                batch.iter().position(|record| sequence(record) == failed).expect("a record of the batch");
            batch = &batch[at..];
            if retries == mapping.retries {
                read.given_up.extend(batch.iter().map(sequence));
                break;
            }
            retries += 1;
        }
        shard = rest;
    }
    read
}

/// Applications whose submissions are in one shard, and their records.
async fn submitted(count: usize) -> (CrashHarness, Vec<Value>) {
    let (harness, keys) = with_a_draft().await;
    harness.uploaded(&keys).await;
    for number in 1..count {
        let keys = file(&harness, TENANT, &format!("application-{number}")).await;
        harness.uploaded(&keys).await;
    }
    let stored = harness.stored().await;
    let records = stored.iter().map(|stored| stream_record(stored, 1, stored.version())).collect();
    (harness, records)
}

/// The first record always fails, for a reason that may pass. The other records of its batch are routed by the first
/// delivery, the later ones after 21 deliveries at most, and what Lambda gives up is in its quarantine.
#[tokio::test]
async fn a_record_that_always_fails_holds_its_shard_for_a_bounded_number_of_deliveries() {
    let mapping = Mapping::of_the_template();
    assert!(
        (10..=100).contains(&mapping.batch_size) && mapping.retries <= 20,
        "a record holds its shard for long"
    );
    let (harness, records) = submitted(7).await;
    let stored = harness.stored().await;
    let failing = format!("{}:{}", stored[0].id(), stored[0].ledger.state().leg_opened);
    harness.hub.queues.refuse(&failing, u32::MAX, SendError::Throttled);
    assert_eq!(harness.stream_failure(&records[..4]).await, Some(sequence(&records[0])));
    let routed: Vec<String> = harness.take(BEIJING).into_iter().map(|message| message.group).collect();
    for behind in &stored[1..4] {
        assert!(
            routed.contains(&behind.id().to_string()),
            "{} waits behind another application",
            behind.id()
        );
    }
    let small = Mapping { batch_size: 4, ..mapping };
    let read = read_shard(&harness, &small, &records).await;
    assert_eq!(read.deliveries, small.retries + 2, "the batch that fails, and the next one");
    assert_eq!(read.given_up.first(), Some(&sequence(&records[0])));
    let routed: Vec<String> = harness.take(BEIJING).into_iter().map(|message| message.group).collect();
    for behind in &stored[4..] {
        assert!(routed.contains(&behind.id().to_string()), "{} is never routed", behind.id());
    }
}

/// A record that can never be routed holds its shard for no second delivery: it is set aside at once. That holds for an
/// unreadable one, and for one whose agency's queue is gone.
#[tokio::test]
async fn a_record_that_can_never_be_routed_holds_its_shard_for_no_delivery() {
    let mapping = Mapping::of_the_template();
    let (harness, mut records) = submitted(4).await;
    let stored = harness.stored().await;
    records[0]["dynamodb"]["NewImage"]["ev"] = json!({ "L": [{ "B": "e30=" }] });
    let gone = format!("{}:{}", stored[1].id(), stored[1].ledger.state().leg_opened);
    harness.hub.queues.refuse(&gone, u32::MAX, SendError::NoQueue);
    let read = read_shard(&harness, &mapping, &records).await;
    assert_eq!(read, Read { deliveries: 1, given_up: Vec::new() });
    assert_eq!(harness.take(BEIJING).len(), 2);
    assert_eq!(harness.hub.queues.drain(&Queue::Quarantine).len(), 1, "the unreadable one");
    harness.hub.queues.refuse(&gone, 0, SendError::NoQueue);
    harness.hub.clock.advance(jiff::SignedDuration::from_hours(2));
    harness.sweep().await;
    let sent: Vec<String> = harness.take(BEIJING).into_iter().map(|message| message.group).collect();
    assert!(sent.contains(&stored[1].id().to_string()), "the case waits in the table for its queue");
}

/// While the quarantine cannot be reached, the records behind an unreadable one are routed nevertheless.
#[tokio::test]
async fn records_behind_one_that_cannot_be_set_aside_are_routed() {
    let (harness, mut records) = submitted(3).await;
    records[0]["dynamodb"]["NewImage"]["ev"] = json!({ "L": [{ "B": "e30=" }] });
    records[0]["dynamodb"]["SequenceNumber"] = json!("unreadable");
    harness.hub.queues.refuse("unreadable", u32::MAX, SendError::Unavailable);
    assert_eq!(harness.stream_failure(&records).await.as_deref(), Some("unreadable"));
    assert_eq!(harness.take(BEIJING).len(), 2);
    harness.hub.queues.refuse("unreadable", 0, SendError::Unavailable);
    assert_eq!(harness.stream_records(&records).await, Answer::Batch(0));
}

/// The application is gone when its dispatch is to be recorded: the shard does not wait for it.
#[tokio::test]
async fn the_dispatch_of_a_missing_application_is_not_retried() {
    let (harness, records) = submitted(1).await;
    harness.hub.store.remove(harness.stored().await[0].id());
    assert_eq!(harness.stream_records(&records).await, Answer::Batch(0));
    assert_eq!(harness.take(BEIJING).len(), 1);
}
