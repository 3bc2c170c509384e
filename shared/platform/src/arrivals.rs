//! What lies in the bucket and is not recorded yet.
//!
//! Normally S3 tells of an upload. Where its event is late or never comes, whoever needs the document looks
//! for it: intake when an application is handed in, the agencies' reports, the sweeper. Both ways end in the
//! same attempts, and the domain takes each arrival once.

use domain::application::{Application, Document};
use domain::command::{Attempt, Command};
use domain::event::Provider;
use domain::ids::{ApplicationId, DocumentId};
use domain::stage::{Step, next};

use crate::documents::{Arrival, Documents as _, DocumentsError, verify};
use crate::hub::Hub;

/// One object that S3 told of, its key already parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Which application.
    pub application: ApplicationId,
    /// Which slot.
    pub document: DocumentId,
    /// Which upload round.
    pub round: u8,
    /// Which version; `None` where the event names none, for the newest.
    pub version: Option<String>,
}

/// Looks at every slot that is empty and may be filled at this stage, and says what to record. Attempts come
/// in slot order; none for what is not there. A refused object is recorded as refused.
///
/// # Errors
/// [`DocumentsError`] where the bucket does not answer.
pub async fn arrivals<H: Hub>(hub: &H, head: &Application) -> Result<Vec<Attempt>, DocumentsError> {
    let mut found = Vec::new();
    for document in head.documents.iter().filter(|document| is_open(head, document)) {
        let key = document.object_key(head.id);
        let Some(arrival) = hub.documents().inspect(&key, None).await? else { continue };
        found.push(attempt(document, document.rejections, &arrival));
    }
    Ok(found)
}

/// Looks at one object that S3 told of. `None` where there is nothing to record: the slot is filled, the
/// round is over, or the version is gone. Whether it may be recorded at this stage is for the domain to say.
///
/// # Errors
/// [`DocumentsError`] where the bucket does not answer.
pub async fn arrival<H: Hub>(
    hub: &H,
    head: &Application,
    arrived: &Arrived,
) -> Result<Option<Attempt>, DocumentsError> {
    let Some(document) = head.document(arrived.document) else { return Ok(None) };
    if document.stored().is_some() || arrived.round < document.rejections {
        return Ok(None);
    }
    let key = domain::application::object_key(head.id, arrived.document, arrived.round);
    let found = hub.documents().inspect(&key, arrived.version.as_deref()).await?;
    Ok(found.map(|found| attempt(document, arrived.round, &found)))
}

/// Whether an upload to this slot can be recorded now. An agency's own document comes while it works on the
/// case, never earlier.
fn is_open(head: &Application, document: &Document) -> bool {
    let expected = match document.slot.provider {
        Provider::App => true,
        Provider::Agency => head.leg_opened > 0,
    };
    let possible = next(head.stage, head.purpose(), Step::StoreDocument).is_some();
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
