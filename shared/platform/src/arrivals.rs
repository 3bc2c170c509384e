//! Uploads that are in the bucket and not in the record yet.
//!
//! Normally an S3 event reports an upload. When the event is late or lost, the function that needs the document looks
//! for it: intake when an application is submitted, reports when an agency reports, and the sweeper. Both ways end in
//! the same attempts, and the domain records each upload once.

use domain::application::{Application, Document};
use domain::command::{Attempt, Command};
use domain::event::Provider;
use domain::ids::{ApplicationId, DocumentId};
use domain::stage::{Step, next};

use crate::documents::{Arrival, Documents as _, DocumentsError, verify};
use crate::hub::Hub;

/// An object that an S3 event reports, its key parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedObject {
    /// The application whose slot the object fills.
    pub application: ApplicationId,
    /// The slot.
    pub document: DocumentId,
    /// The upload round, counted from 0: the number of rejected and discarded uploads before it.
    pub round: u8,
    /// S3 version id; `None` when the event has no version, which means the newest.
    pub version: Option<String>,
}

/// Inspects every slot that is empty and may be filled at this stage. Returns an attempt for each object found, in slot
/// order. An object that fails verification is recorded as rejected.
///
/// # Errors
/// [`DocumentsError`] when the bucket does not answer.
pub async fn arrivals<H: Hub>(hub: &H, state: &Application) -> Result<Vec<Attempt>, DocumentsError> {
    let mut found = Vec::new();
    for document in &state.documents {
        found.extend(arrival_in(hub, state, document).await?);
    }
    Ok(found)
}

/// Inspects one slot that may be filled. Returns the attempt for the object found, if the slot has one that is not
/// recorded yet.
///
/// # Errors
/// [`DocumentsError`] when the bucket does not answer.
pub async fn arrival_in<H: Hub>(
    hub: &H,
    state: &Application,
    document: &Document,
) -> Result<Option<Attempt>, DocumentsError> {
    if !is_open(state, document) {
        return Ok(None);
    }
    let arrival = hub.documents().inspect(&document.object_key(state.id), None).await?;
    Ok(arrival.map(|arrival| attempt(document, document.round, &arrival)))
}

/// Inspects the object of an S3 event. `None` when nothing is to be recorded: the slot is filled, the round is over, or
/// the version is gone. The domain decides whether the stage allows the attempt.
///
/// # Errors
/// [`DocumentsError`] when the bucket does not answer.
pub async fn arrival<H: Hub>(
    hub: &H,
    state: &Application,
    object: &UploadedObject,
) -> Result<Option<Attempt>, DocumentsError> {
    let Some(document) = state.document(object.document) else { return Ok(None) };
    if document.stored().is_some() || object.round < document.round {
        return Ok(None);
    }
    let key = domain::application::object_key(state.id, object.document, object.round);
    let found = hub.documents().inspect(&key, object.version.as_deref()).await?;
    Ok(found.map(|found| attempt(document, object.round, &found)))
}

/// Whether an upload to this slot can be recorded now. An agency uploads its own document only after it has the case.
fn is_open(state: &Application, document: &Document) -> bool {
    let expected = match document.slot.provider {
        Provider::App => true,
        Provider::Agency => state.leg_opened > 0,
    };
    let possible = next(state.stage, state.purpose(), Step::StoreDocument).is_some();
    expected && possible && document.stored().is_none()
}

fn attempt(document: &Document, round: u8, arrival: &Arrival) -> Attempt {
    let id = document.slot.id;
    Attempt::hub(match verify(arrival, &document.slot.accepts) {
        Ok(object) => Command::StoreDocument { document: id, round, object },
        Err(fault) => {
            Command::RejectDocument { document: id, round, version: arrival.version.clone(), fault }
        }
    })
}
