//! Records of the table's stream and messages of the uploads queue, as AWS delivers them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use platform::store::StoredApplication;
use serde_json::{Value, json};

use crate::crash_harness::{Answer, CrashHarness};

impl CrashHarness {
    /// The stream delivers records in one batch.
    pub(crate) async fn stream_records(&self, records: &[Value]) -> Answer {
        Answer::Batch(usize::from(self.stream_failure(records).await.is_some()))
    }
}

/// A message of the uploads queue with an S3 event.
pub(crate) fn upload_message(index: usize, key: &str) -> Value {
    let event = json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "local", "eventName": "ObjectCreated:Put",
        "eventTime": "2026-03-02T01:00:00.000Z",
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": { "name": "documents", "arn": "arn:aws:s3:::documents" },
            "object": { "key": key, "size": 1, "versionId": "v1", "sequencer": "00" },
        },
    }] });
    json!({
        "messageId": format!("u{index}"), "receiptHandle": format!("u{index}"), "body": event.to_string(),
        "attributes": { "ApproximateReceiveCount": "1" }, "eventSource": "aws:sqs",
    })
}

/// A stream record for a requested resend of an application's message.
pub(crate) fn resend_record(stored: &StoredApplication, at: Timestamp, message: u32) -> Value {
    let mut record = stream_record(stored, stored.version(), stored.version());
    let mark = json!({ "S": format!("{:013}:{message}", at.as_millisecond()) });
    record["dynamodb"]["NewImage"]["ra"] = mark;
    record["dynamodb"]["SequenceNumber"] = json!(format!("{}-{}", stored.id(), at.as_millisecond()));
    record
}

/// A stream record for an application that changed from one version (0 before its creation) to another.
pub(crate) fn stream_record(stored: &StoredApplication, from: u32, to: u32) -> Value {
    let (id, sequence) = (stored.id(), format!("{}-{to}", stored.id()));
    let mut record = json!({
        "eventID": sequence, "eventName": if from == 0 { "INSERT" } else { "MODIFY" }, "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "local",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_772_413_200.0, "Keys": { "id": { "S": id } }, "NewImage": image(stored, to),
            "SequenceNumber": sequence, "SizeBytes": 1, "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    });
    if from > 0 {
        record["dynamodb"]["OldImage"] = image(stored, from);
    }
    record
}

fn image(stored: &StoredApplication, version: u32) -> Value {
    let entries: Vec<Value> = stored
        .ledger
        .entries()
        .iter()
        .take(usize::try_from(version).expect("a small version"))
        .map(|line| json!({ "B": STANDARD.encode(&line.bytes) }))
        .collect();
    let mut image = json!({
        "id": { "S": stored.id() },
        "v": { "N": version.to_string() },
        "tn": { "S": format!("{}#0", stored.ledger.state().tenant()) },
        "cr": { "S": format!("{}#{}", stored.ledger.state().opened_at, stored.id()) },
        "ph": { "B": STANDARD.encode(stored.payload_hash) },
        "se": { "B": STANDARD.encode(&stored.encrypted) },
        "ev": { "L": entries },
    });
    for (name, value) in ["pi", "pf"].into_iter().zip(&stored.person) {
        image[name] = json!({ "S": value });
    }
    image
}
