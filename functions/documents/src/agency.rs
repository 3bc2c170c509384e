//! Requests for documents, signed by an agency.
//!
//! A request is valid for a few minutes around its signature. A repeat within these minutes receives another link of the
//! same kind, and changes nothing.

use domain::application::Application;
use domain::decide::Refusal;
use domain::event::Provider;
use domain::ids::{AgencyCode, DocumentId};
use domain::stage::Step;
use http_kit::fields::{Coded as _, FieldError};
use http_kit::problem::Problem;
use http_kit::signed_request::signed_request;
use http_kit::uploads::Declared;
use platform::documents::{Checksum, DocumentSize, MediaType};
use platform::hub::Hub;
use platform::store::Store as _;
use protocol::report::{DOCUMENT_TYP, DocumentAction, DocumentRequest, Link};

use crate::links;

/// Largest signed request, in bytes.
pub const REQUEST_BYTES: usize = 8 * 1024;

/// Creates the link that a signed request asks for.
///
/// # Errors
/// 400 and 401 when the request is not signed by an agency or not fresh; 404 when the agency has no part in the
/// application, or the application has no such document; 409 and 422 as for an app's upload.
pub async fn link<H: Hub>(hub: &H, jws: &str) -> Result<Link, Problem> {
    let request: DocumentRequest = signed_request(hub, DOCUMENT_TYP, jws).await?;
    let DocumentRequest { agency, application, iat: _, action } = request;
    let stored = hub.store().get(application).await?;
    let head = stored.as_ref().map(|stored| stored.ledger.state()).filter(|head| head.involves(&agency));
    let Some(head) = head else {
        tracing::warn!(%agency, %application, "an agency asked for a document of a case that is not its own: answered 404");
        return Err(Problem::not_found());
    };
    match action {
        DocumentAction::Fetch { document } => {
            let found = head.document(document).ok_or_else(Problem::not_found)?;
            links::stored(hub, head, found).await
        }
        DocumentAction::Upload { document, media_type, size, sha256 } => {
            let declared = declared(&media_type, size, &sha256)?;
            upload(hub, head, &agency, document, declared).await
        }
    }
}

/// Only the agency that holds the case may upload, and only a document that the case asks it for.
async fn upload<H: Hub>(
    hub: &H,
    head: &Application,
    agency: &AgencyCode,
    document: DocumentId,
    (media_type, size, sha256): (MediaType, DocumentSize, Checksum),
) -> Result<Link, Problem> {
    let found = links::document_of(head, document, Provider::Agency)?;
    if head.agency() != agency {
        return Err(Refusal::Illegal { stage: head.stage, step: Step::StoreDocument }.into());
    }
    // The agency does not say the kind: the slot of what a leg issues takes one kind alone.
    let kind = *found.slot.accepts.first().ok_or_else(Problem::not_found)?;
    links::slot(hub, head, found, &Declared { kind, media_type, size, sha256 }).await
}

/// Reads the declared media type, size and checksum; every wrong field is named.
fn declared(
    media_type: &str,
    size: u64,
    sha256: &str,
) -> Result<(MediaType, DocumentSize, Checksum), Problem> {
    let mut faults = Vec::new();
    let mut note = |pointer, code| faults.push(FieldError::new(pointer, code));
    let media_type = media_type.parse::<MediaType>().map_err(|error| note("/media_type", error.code()));
    let size = DocumentSize::new(size).ok_or_else(|| note("/size", "out_of_range"));
    let sha256 = sha256.parse::<Checksum>().map_err(|error| note("/sha256", error.code()));
    match (media_type, size, sha256) {
        (Ok(media_type), Ok(size), Ok(sha256)) => Ok((media_type, size, sha256)),
        _ => Err(Problem::invalid(faults)),
    }
}
