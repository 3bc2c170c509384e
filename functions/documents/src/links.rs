//! Links to upload a document and to read one. A link is computed: nothing is called and nothing changes.

use std::time::Duration;

use domain::application::{Application, Document};
use domain::decide::Refusal;
use domain::event::Provider;
use domain::ids::DocumentId;
use domain::limits::REJECTIONS;
use domain::stage::{Stage, Step, next};
use http_kit::fields::FieldError;
use http_kit::problem::{Code, Problem};
use http_kit::uploads::Declared;
use platform::documents::Documents as _;
use platform::hub::Hub;
use protocol::report::Link;

/// How long a link to read lives.
pub const READ_TTL: Duration = Duration::from_secs(5 * 60);

/// A fresh slot for one of the app's documents, under the same document id.
///
/// # Errors
/// 404 where the app has no such document, 409 where it is in already or cannot be taken now, 422 where it is
/// not a kind that will do.
pub async fn to_upload<H: Hub>(
    hub: &H,
    head: &Application,
    document: DocumentId,
    declared: &Declared,
) -> Result<Link, Problem> {
    let found = document_of(head, document, Provider::App)?;
    slot(hub, head, found, declared).await
}

/// A link to the verified version of a document, for the app that applied. What an agency has uploaded is
/// the citizen's once the agency says that it is issued, not before.
///
/// # Errors
/// 404 where there is nothing to read.
pub async fn to_read<H: Hub>(hub: &H, head: &Application, document: DocumentId) -> Result<Link, Problem> {
    let found = head.document(document).ok_or_else(Problem::not_found)?;
    let issued = match head.stage {
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
    stored(hub, head, found).await
}

/// A link to the verified version of a document.
pub(crate) async fn stored<H: Hub>(
    hub: &H,
    head: &Application,
    document: &Document,
) -> Result<Link, Problem> {
    let object = document.stored().ok_or_else(Problem::not_found)?;
    let key = document.object_key(head.id);
    Ok(hub.documents().download_url(&key, &object.version, READ_TTL).await?)
}

/// A document that this party hands in.
pub(crate) fn document_of(
    head: &Application,
    document: DocumentId,
    provider: Provider,
) -> Result<&Document, Problem> {
    head.document(document).filter(|found| found.slot.provider == provider).ok_or_else(Problem::not_found)
}

/// A slot for a document that is not in yet.
pub(crate) async fn slot<H: Hub>(
    hub: &H,
    head: &Application,
    document: &Document,
    declared: &Declared,
) -> Result<Link, Problem> {
    if document.stored().is_some() {
        return Err(
            Problem::new(Code::Conflict).with_detail("该材料已经收到。", "This document is in already.")
        );
    }
    if next(head.stage, head.purpose(), Step::StoreDocument).is_none() {
        return Err(Refusal::Illegal { stage: head.stage, step: Step::StoreDocument }.into());
    }
    if document.rejections >= REJECTIONS {
        return Err(Refusal::Bound("rejections").into());
    }
    if !document.slot.accepts.contains(&declared.kind) {
        return Err(Problem::invalid(vec![FieldError::new("/kind", "not_one_of")]));
    }
    let request = declared.at(document.object_key(head.id));
    Ok(hub.documents().upload_slot(&request).await?)
}
