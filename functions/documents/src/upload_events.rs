//! S3 events of uploaded documents: inspects each object and records all documents of one application in one write.
//!
//! S3 may send an event twice, late or out of order. An event whose document is recorded already, or cannot be recorded
//! any more, has no effect and is deleted. An event of an object that no upload link can have created goes to the
//! dead-letter queue for an operator.

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use domain::application::parse_object_key;
use domain::ids::{ApplicationId, DocumentId};
use platform::apply::{ApplyError, apply_to};
use platform::arrivals::{UploadedObject, arrival};
use platform::batch::{Failure, Message, messages};
use platform::hub::Hub;
use platform::store::{Store as _, StoreError, StoredApplication};
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Records uploaded documents.
#[derive(Clone, Debug)]
pub struct Recorder<H> {
    hub: H,
}

/// The members of an S3 event message that the hub uses.
#[derive(Deserialize)]
struct S3Message {
    /// `s3:TestEvent`, which S3 sends once when notifications are configured.
    #[serde(rename = "Event")]
    event: Option<String>,
    #[serde(rename = "Records", default)]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    s3: Entity,
}

#[derive(Deserialize)]
struct Entity {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    #[serde(rename = "versionId")]
    version: Option<String>,
}

/// The uploads of one application in a batch. They are recorded once, for all messages of the batch.
#[derive(Default)]
struct Work {
    arrived: Vec<UploadedObject>,
    outcome: OnceCell<Result<Strays, Failure>>,
}

/// Documents for which the application never had a slot, so no upload link can have created their objects.
type Strays = BTreeSet<DocumentId>;

impl<H: Hub> Recorder<H> {
    /// A recorder on these ports.
    #[must_use]
    pub fn new(hub: H) -> Self {
        Recorder { hub }
    }

    /// Handles a batch of the uploads queue. The answer names the messages that SQS must deliver again.
    pub async fn record(&self, batch: SqsEvent, deadline: Instant) -> SqsBatchResponse {
        let mut work: BTreeMap<ApplicationId, Work> = BTreeMap::new();
        for message in batch.records.iter().cloned().map(Message::from) {
            for arrived in arrived(&message).unwrap_or_default() {
                let uploads = &mut work.entry(arrived.application).or_default().arrived;
                if !uploads.contains(&arrived) {
                    uploads.push(arrived);
                }
            }
        }
        let work = &work;
        messages(batch, deadline, |message| async move {
            for one in arrived(&message)? {
                let Some(work) = work.get(&one.application) else { continue };
                let outcome =
                    work.outcome.get_or_init(|| self.record_all(one.application, &work.arrived)).await;
                if outcome.clone()?.contains(&one.document) {
                    let UploadedObject { application, document, .. } = one;
                    return Err(Failure::poison(format!(
                        "application {application} has no document {document}"
                    )));
                }
            }
            Ok(())
        })
        .await
    }

    /// Records all uploaded documents of one application in one write.
    async fn record_all(&self, id: ApplicationId, arrived: &[UploadedObject]) -> Result<Strays, Failure> {
        let stored = self.application(id, arrived).await?;
        let mut attempts = Vec::with_capacity(arrived.len());
        for one in arrived {
            // A retry is safe for every failure: the object stays in the bucket, and SQS delivers its message again.
            attempts.extend(arrival(&self.hub, stored.ledger.state(), one).await.map_err(Failure::retry)?);
        }
        let strays = strays(&stored, arrived);
        if attempts.is_empty() {
            return Ok(strays);
        }
        let applied = apply_to(&self.hub, stored, &attempts).await.map_err(failure)?;
        for refusal in applied.outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            tracing::info!(
                application = %id,
                reason = refusal.name(),
                "upload not recorded: the application does not accept the document any more; the object stays in the bucket"
            );
        }
        Ok(strays)
    }

    /// The application, from the process's cache when the cached state knows every slot and round. A stale state is
    /// safe then: a document that is stored in a round remains stored in this round, and the write detects every other
    /// change.
    async fn application(
        &self,
        id: ApplicationId,
        arrived: &[UploadedObject],
    ) -> Result<StoredApplication, Failure> {
        let knows = |stored: &StoredApplication| {
            let state = stored.ledger.state();
            let round = |one: &UploadedObject| state.document(one.document).map(|document| document.round);
            arrived.iter().all(|one| round(one).is_some_and(|round| one.round <= round))
        };
        if let Some(recent) = self.hub.recent().get(id).filter(knows) {
            return Ok(recent);
        }
        let stored = self.hub.store().get(id).await.map_err(|error| failure(error.into()))?;
        let stored = stored.ok_or_else(|| Failure::poison(format!("no application has the id {id}")))?;
        self.hub.recent().put(&stored);
        Ok(stored)
    }
}

fn strays(stored: &StoredApplication, arrived: &[UploadedObject]) -> Strays {
    let state = stored.ledger.state();
    arrived
        .iter()
        .map(|one| one.document)
        .filter(|document| document.number() > state.last_document)
        .collect()
}

/// The objects that a message names. S3 URL-encodes keys, but the hub's keys have no characters that need encoding.
fn arrived(message: &Message) -> Result<Vec<UploadedObject>, Failure> {
    let s3_message: S3Message = message.json()?;
    if s3_message.records.is_empty() {
        return if s3_message.event.as_deref() == Some("s3:TestEvent") {
            Ok(Vec::new())
        } else {
            Err(Failure::poison("the S3 message names no object"))
        };
    }
    s3_message
        .records
        .into_iter()
        .map(|record| {
            let Object { key, version } = record.s3.object;
            let (application, document, round) = parse_object_key(&key)
                .ok_or_else(|| Failure::poison("the object key does not have the form of the hub's keys"))?;
            Ok(UploadedObject { application, document, round, version })
        })
        .collect()
}

fn failure(error: ApplyError) -> Failure {
    match error {
        ApplyError::Store(StoreError::Throttled | StoreError::Unavailable) | ApplyError::Contended => {
            Failure::retry(error)
        }
        ApplyError::Store(StoreError::Corrupt(_) | StoreError::Unreadable(_))
        | ApplyError::NotFound
        | ApplyError::Refused(_) => Failure::poison(error),
    }
}
