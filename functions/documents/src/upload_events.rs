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
struct ApplicationUploads {
    objects: Vec<UploadedObject>,
    outcome: OnceCell<Result<MissingSlots, Failure>>,
}

/// Documents for which the application never had a slot, so no upload link can have created their objects.
type MissingSlots = BTreeSet<DocumentId>;

impl<H: Hub> Recorder<H> {
    /// A recorder on these ports.
    #[must_use]
    pub fn new(hub: H) -> Self {
        Recorder { hub }
    }

    /// Handles a batch of the uploads queue. The answer names the messages that SQS must deliver again.
    pub async fn record(&self, batch: SqsEvent, deadline: Instant) -> SqsBatchResponse {
        let mut work: BTreeMap<ApplicationId, ApplicationUploads> = BTreeMap::new();
        for message in batch.records.iter().cloned().map(Message::from) {
            for object in uploaded_objects(&message).unwrap_or_default() {
                let uploads = &mut work.entry(object.application).or_default().objects;
                if !uploads.contains(&object) {
                    uploads.push(object);
                }
            }
        }
        let work = &work;
        messages(batch, deadline, |message| async move {
            for one in uploaded_objects(&message)? {
                let Some(work) = work.get(&one.application) else { continue };
                let outcome =
                    work.outcome.get_or_init(|| self.record_all(one.application, &work.objects)).await;
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
    async fn record_all(
        &self,
        id: ApplicationId,
        objects: &[UploadedObject],
    ) -> Result<MissingSlots, Failure> {
        let stored = self.application(id, objects).await?;
        let mut attempts = Vec::with_capacity(objects.len());
        for one in objects {
            // A retry is safe for every failure: the object stays in the bucket, and SQS delivers its message again.
            attempts.extend(arrival(&self.hub, stored.ledger.state(), one).await.map_err(Failure::retry)?);
        }
        let missing_slots = missing_slots(&stored, objects);
        if attempts.is_empty() {
            return Ok(missing_slots);
        }
        let applied = apply_to(&self.hub, stored, &attempts).await.map_err(failure)?;
        if applied.stored.ledger.state().is_incomplete() {
            tracing::info!(
                application = %id,
                "upload not recorded: a newer version of the hub changed the application, and its sweeper finds the object in the bucket"
            );
            return Ok(MissingSlots::new());
        }
        for refusal in applied.outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            tracing::info!(
                application = %id,
                reason = refusal.name(),
                "upload not recorded: the application does not accept the document any more; the object stays in the bucket"
            );
        }
        Ok(missing_slots)
    }

    /// The application, from the process's cache when the cached state knows every slot and round. A stale state is
    /// safe then: a document that is stored in a round remains stored in this round, and the write detects every other
    /// change.
    async fn application(
        &self,
        id: ApplicationId,
        objects: &[UploadedObject],
    ) -> Result<StoredApplication, Failure> {
        let knows = |stored: &StoredApplication| {
            let state = stored.ledger.state();
            let round = |one: &UploadedObject| state.document(one.document).map(|document| document.round);
            objects.iter().all(|one| round(one).is_some_and(|round| one.round <= round))
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

fn missing_slots(stored: &StoredApplication, objects: &[UploadedObject]) -> MissingSlots {
    let state = stored.ledger.state();
    // The slot may be in the unknown part of the record.
    if state.is_incomplete() {
        return MissingSlots::new();
    }
    objects
        .iter()
        .map(|one| one.document)
        .filter(|document| document.number() > state.last_document)
        .collect()
}

/// The objects that a message names. S3 URL-encodes keys, but the hub's keys have no characters that need encoding.
fn uploaded_objects(message: &Message) -> Result<Vec<UploadedObject>, Failure> {
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
        ApplyError::Store(StoreError::Full | StoreError::Corrupt(_) | StoreError::Unreadable(_))
        | ApplyError::NotFound
        | ApplyError::Refused(_) => Failure::poison(error),
    }
}
