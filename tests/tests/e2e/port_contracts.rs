//! The contract suites of queues, documents and vault against the local AWS, in a separate account.

use std::sync::Arc;

use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule,
};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::aws::Aws;
use platform::contract::{
    LinkClient, QueuedMessage, Reader, documents_contract, queues_contract, vault_contract,
};
use platform::documents::AwsDocuments;
use platform::queues::{AwsQueues, Queue, QueueUrls};
use platform::vault::AwsVault;
use protocol::report::Link;
use reqwest::Method;
use serde_yaml_ng::Value;
use sha2::{Digest as _, Sha256};
use tongban_tests::repository::text;

use crate::contracts::account;
use crate::test_hub::TestHub;

/// An account for this module alone.
const ACCOUNT: &str = "990000000001";
const BUCKET: &str = "port-contracts";

pub(crate) async fn queues(test_hub: Arc<TestHub>) {
    let sqs = account(&test_hub, ACCOUNT).sqs();
    let template: Value = serde_yaml_ng::from_str(&text("infra/template.yaml")).expect("the template");
    let resources = &template["Resources"];
    let agency = &resources["Fn::ForEach::Agencies"][2]["Agency${Code}"];
    let agency = make_queue(&sqs, "port-agency-11.fifo", agency).await;
    let urls = QueueUrls {
        callbacks: Some(make_queue(&sqs, "port-callbacks.fifo", &resources["CallbackQueue"]).await),
        drains: Some(make_queue(&sqs, "port-drains.fifo", &resources["DrainQueue"]).await),
        agency_prefix: agency.strip_suffix("11.fifo").map(str::to_owned),
        quarantine: Some(make_queue(&sqs, "port-quarantine", &resources["RouterQuarantine"]).await),
        reports: Some(make_queue(&sqs, "port-reports", &resources["ReportQueue"]).await),
    };
    let queues = AwsQueues::new(sqs.clone(), urls.clone());
    let unconfigured = AwsQueues::new(sqs.clone(), QueueUrls::default());
    queues_contract(&queues, &unconfigured, &Sqs { client: sqs, urls }).await;
}

pub(crate) async fn documents(test_hub: Arc<TestHub>) {
    let aws = account(&test_hub, ACCOUNT);
    let key_id = make_key(&aws).await;
    // A bucket with object lock, as the template's, is versioned from the start.
    let bucket = aws.s3().create_bucket().bucket(BUCKET).object_lock_enabled_for_bucket(true);
    bucket.send().await.expect("a bucket");
    // As in the template, the bucket locks every object for a time.
    let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).days(30).build();
    let lock = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(retention).build());
    let locked = aws.s3().put_object_lock_configuration().bucket(BUCKET);
    locked.object_lock_configuration(lock.build()).send().await.expect("a locked bucket");
    let documents = AwsDocuments::new(aws.s3(), BUCKET.to_owned(), key_id.clone());
    documents_contract(&documents, &Bucket { aws, key_id, http: test_hub.http().clone() }).await;
}

pub(crate) async fn vault(test_hub: Arc<TestHub>) {
    let aws = account(&test_hub, ACCOUNT);
    let key_id = make_key(&aws).await;
    vault_contract(|| async { AwsVault::new(aws.kms(), key_id.clone()) }).await;
}

async fn make_key(aws: &Aws) -> String {
    let made = aws.kms().create_key().send().await.expect("a key");
    made.key_metadata().and_then(|key| key.arn()).expect("the key's ARN").to_owned()
}

/// Creates a queue with the attributes of this resource in the template, except its redrive policy.
async fn make_queue(sqs: &Client, name: &str, resource: &Value) -> String {
    let properties = resource["Properties"].as_mapping().expect("a queue of the template");
    let mut queue = sqs.create_queue().queue_name(name);
    for (attribute, value) in properties {
        let attribute = attribute.as_str().expect("a property");
        let value = match value {
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::String(value) => value.clone(),
            _ => continue,
        };
        queue = queue.attributes(QueueAttributeName::from(attribute), value);
    }
    queue.send().await.expect("a queue").queue_url().expect("its url").to_owned()
}

/// Receives from the queues as the functions and agencies do.
struct Sqs {
    client: Client,
    urls: QueueUrls,
}

impl Reader for Sqs {
    async fn take(&self, queue: &Queue) -> Vec<QueuedMessage> {
        let url = self.urls.of(queue).expect("a queue");
        let receive = self.client.receive_message().queue_url(&url).max_number_of_messages(10);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::MessageGroupId);
        let messages = receive.send().await.expect("messages").messages.unwrap_or_default();
        if messages.is_empty() {
            return Vec::new();
        }
        let entries = messages.iter().enumerate().map(|(place, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
            entry.set_receipt_handle(message.receipt_handle.clone()).build().expect("an entry")
        });
        let delete = self.client.delete_message_batch().queue_url(&url).set_entries(Some(entries.collect()));
        assert!(
            delete.send().await.expect("an answer").failed().is_empty(),
            "some messages were not deleted"
        );
        messages.into_iter().map(taken).collect()
    }
}

fn taken(message: Message) -> QueuedMessage {
    let mut attributes = message.attributes.unwrap_or_default();
    QueuedMessage {
        group: attributes.remove(&MessageSystemAttributeName::MessageGroupId),
        body: message.body.unwrap_or_default(),
    }
}

/// The bucket, reached through signed links and by direct calls.
struct Bucket {
    aws: Aws,
    key_id: String,
    http: reqwest::Client,
}

impl Bucket {
    /// Follows a link with exactly its headers, except the length, which the HTTP client sets.
    async fn follow(&self, link: &Link, bytes: &[u8]) -> reqwest::Response {
        let method: Method = link.method.parse().expect("a method");
        let mut request = self.http.request(method, &link.url);
        for (name, value) in link.headers.iter().filter(|(name, _)| *name != "content-length") {
            request = request.header(name, value);
        }
        request.body(bytes.to_vec()).send().await.expect("an answer of the bucket")
    }
}

impl LinkClient for Bucket {
    async fn put(&self, link: &Link, bytes: &[u8]) -> bool {
        self.follow(link, bytes).await.status().is_success()
    }

    async fn get(&self, link: &Link) -> Option<Vec<u8>> {
        let answer = self.follow(link, b"").await;
        let found = answer.status().is_success();
        let bytes = answer.bytes().await.expect("a body that can be read");
        found.then(|| bytes.to_vec())
    }

    async fn store(&self, key: &str, media_type: &str, bytes: &[u8]) -> String {
        let put = self.aws.s3().put_object().bucket(BUCKET).key(key).content_type(media_type);
        let put = put.checksum_sha256(STANDARD.encode(Sha256::digest(bytes))).body(bytes.to_vec().into());
        let put = put.server_side_encryption("aws:kms".into()).ssekms_key_id(&self.key_id);
        let stored = put.send().await.expect("an object");
        stored.version_id().expect("a version").to_owned()
    }
}
