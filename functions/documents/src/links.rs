//! Links to upload and to read documents. A link is computed locally: no service is called and nothing changes.

use std::time::Duration;

use domain::application::{Application, Document};
use domain::decide::Refusal;
use domain::event::Provider;
use domain::ids::DocumentId;
use domain::limits::REJECTIONS;
use domain::stage::{Stage, Step, next};
use http_kit::fields::FieldError;
use http_kit::problem::{Code, Problem};
use http_kit::uploads::DeclaredUpload;
use platform::documents::Documents as _;
use platform::hub::Hub;
use protocol::report::Link;

/// Lifetime of a link to read: five minutes.
pub const READ_TTL: Duration = Duration::from_secs(5 * 60);

/// Creates a link to upload one of the app's documents.
///
/// # Errors
/// 404 when the application has no such document of the app, 409 when the document is stored already or the
/// application's stage takes no documents, 422 when the slot does not accept the document's kind.
pub async fn to_upload<H: Hub>(
    hub: &H,
    state: &Application,
    document: DocumentId,
    declared: &DeclaredUpload,
) -> Result<Link, Problem> {
    let found = document_of(state, document, Provider::App)?;
    slot(hub, state, found, declared).await
}

/// Creates a link to the verified version of a document, for the app. An agency's document can be read once the agency
/// has reported that it is issued.
///
/// # Errors
/// 404 when the document does not exist, is not stored, or is not issued yet.
pub async fn to_read<H: Hub>(hub: &H, state: &Application, document: DocumentId) -> Result<Link, Problem> {
    let found = state.document(document).ok_or_else(Problem::not_found)?;
    let issued = match state.stage {
        Stage::Issued | Stage::Completed => true,
        Stage::Draft
        | Stage::Submitted
        | Stage::Dispatched
        | Stage::Received
        | Stage::SupplementRequested
        | Stage::Supplemented
        | Stage::Signed
        | Stage::NotIssued
        | Stage::Produced
        | Stage::Posted
        | Stage::Ready
        | Stage::Collected
        | Stage::Approved
        | Stage::Verified
        | Stage::MovedOut
        | Stage::Settled
        | Stage::Lapsed
        | Stage::RestoredAtOrigin
        | Stage::Withdrawn
        | Stage::Rejected
        | Stage::Expired => false,
    };
    if found.slot.provider == Provider::Agency && !issued {
        return Err(Problem::not_found());
    }
    stored(hub, state, found).await
}

/// Creates a link to the verified version of a document, for any party.
pub(crate) async fn stored<H: Hub>(
    hub: &H,
    state: &Application,
    document: &Document,
) -> Result<Link, Problem> {
    let object = document.stored().ok_or_else(Problem::not_found)?;
    let key = document.object_key(state.id);
    Ok(hub.documents().download_url(&key, &object.version, READ_TTL).await?)
}

/// The document with this id.
///
/// # Errors
/// 404 when the application has no such document, or another party provides it.
pub(crate) fn document_of(
    state: &Application,
    document: DocumentId,
    provider: Provider,
) -> Result<&Document, Problem> {
    state.document(document).filter(|found| found.slot.provider == provider).ok_or_else(Problem::not_found)
}

/// Creates a link to upload a document that is not stored yet.
pub(crate) async fn slot<H: Hub>(
    hub: &H,
    state: &Application,
    document: &Document,
    declared: &DeclaredUpload,
) -> Result<Link, Problem> {
    if document.stored().is_some() {
        return Err(Problem::new(Code::Conflict)
            .with_detail("该材料已经收到。", "This document has been stored already."));
    }
    if next(state.stage, state.purpose(), Step::StoreDocument).is_none() {
        return Err(Refusal::Illegal { stage: state.stage, step: Step::StoreDocument }.into());
    }
    if document.rejections >= REJECTIONS {
        return Err(Refusal::Bound("rejections").into());
    }
    if !document.slot.accepts.contains(&declared.kind) {
        let accepted = document.slot.accepts.iter().map(|kind| kind.name()).collect();
        return Err(Problem::invalid(vec![FieldError::new("/kind", "not_one_of").accepting(accepted)]));
    }
    let request = declared.at(document.object_key(state.id));
    Ok(hub.documents().upload_slot(&request).await?)
}
