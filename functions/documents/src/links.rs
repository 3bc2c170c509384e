//! Links to upload and to read documents. A link itself is computed locally. A request for a link to upload looks for a
//! file whose event is late, and the app's request for a link to a stored document discards the stored file.

use std::time::Duration;

use domain::application::{Application, Document};
use domain::command::{Actor, Attempt, Command};
use domain::decide::Refusal;
use domain::event::{Provider, StoredObject};
use domain::ids::DocumentId;
use domain::limits::REJECTIONS;
use domain::stage::{Stage, Step, next};
use http_kit::conditional::IfMatch;
use http_kit::fields::FieldError;
use http_kit::problem::{Code, Problem};
use http_kit::uploads::DeclaredUpload;
use platform::apply::apply_to;
use platform::arrivals::arrival_in;
use platform::documents::Documents as _;
use platform::hub::Hub;
use platform::store::StoredApplication;
use protocol::report::Link;

/// Lifetime of a link to read: five minutes.
pub const READ_TTL: Duration = Duration::from_secs(5 * 60);

/// Creates a link to upload one of the app's documents. Until the document goes to an agency, the app may replace it:
/// the file that the slot has is discarded, recorded or not, unless it is the declared file. Returns the application's
/// version, too.
///
/// # Errors
/// 404 when the application has no such document of the app, 409 when the declared file is stored already, an agency
/// has the document, or the application's stage takes no documents, 412 at another version than the caller requires,
/// 422 when the slot does not accept the document's kind, 503 when the application is known in part.
pub async fn to_upload<H: Hub>(
    hub: &H,
    mut stored: StoredApplication,
    document: DocumentId,
    declared: &DeclaredUpload,
    at: IfMatch,
) -> Result<(Link, u32), Problem> {
    let state = stored.ledger.state();
    if state.is_incomplete() {
        return Err(Refusal::IncompleteRead.into());
    }
    let found = document_of(state, document, Provider::App)?;
    accepts(found, declared)?;
    if at.version().is_some_and(|version| version != state.version) {
        return Err(Refusal::Changed { version: state.version }.into());
    }
    // The event of an upload may still be on its way. Its file must not be taken for the one that is declared now.
    let arrived = arrival_in(hub, state, found).await?;
    let kept = match (&arrived, found.stored()) {
        (None, None) => return Ok((slot(hub, state, found, declared).await?, state.version)),
        (Some(attempt), _) => match &attempt.command {
            Command::StoreDocument { object, .. } => Some(object),
            _ => None,
        },
        (None, stored) => stored,
    };
    if found.sent || kept.is_some_and(|object| is_declared(object, declared)) {
        return Err(stored_already());
    }
    let mut attempts: Vec<Attempt> = arrived.into_iter().collect();
    attempts.push(Attempt {
        by: Actor::Tenant(state.tenant().clone()),
        key: None,
        command: Command::DiscardDocument { document, round: found.round },
        expected_version: None,
    });
    let applied = apply_to(hub, stored, &attempts).await?;
    if let Some(Err(refusal)) = applied.outcomes.into_iter().next_back() {
        return Err(refusal.into());
    }
    stored = applied.stored;
    let state = stored.ledger.state();
    let found = document_of(state, document, Provider::App)?;
    Ok((slot(hub, state, found, declared).await?, state.version))
}

/// Whether the stored object is the declared file.
fn is_declared(object: &StoredObject, declared: &DeclaredUpload) -> bool {
    let DeclaredUpload { kind, media_type, size, sha256 } = declared;
    object.kind == *kind
        && object.media_type == media_type.name()
        && object.size == size.bytes()
        && object.sha256 == sha256.to_string()
}

/// # Errors
/// 422 when the slot does not accept the declared kind.
fn accepts(document: &Document, declared: &DeclaredUpload) -> Result<(), Problem> {
    if document.slot.accepts.contains(&declared.kind) {
        return Ok(());
    }
    let accepted = document.slot.accepts.iter().map(|kind| kind.name()).collect();
    Err(Problem::invalid(vec![FieldError::new("/kind", "not_one_of").accepting(accepted)]))
}

fn stored_already() -> Problem {
    Problem::new(Code::Conflict).with_detail("该材料已经收到。", "This document has been stored already.")
}

fn another_is_stored() -> Problem {
    Problem::new(Code::Conflict).with_detail(
        "该材料已有另一份文件。",
        "Another file than the declared one is stored for this document.",
    )
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
    // The sweeper removes the files of an abandoned application.
    let object = document.stored().filter(|_| !state.is_abandoned()).ok_or_else(Problem::not_found)?;
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

/// Records the upload that is in the bucket and not in the record yet, if the slot has one: its event may be late or lost.
/// Returns the application as it is then.
///
/// # Errors
/// 404 when the application has no such document; the refusal when the upload cannot be recorded.
pub(crate) async fn record_arrival<H: Hub>(
    hub: &H,
    stored: StoredApplication,
    document: DocumentId,
) -> Result<StoredApplication, Problem> {
    let state = stored.ledger.state();
    let found = state.document(document).ok_or_else(Problem::not_found)?;
    let Some(attempt) = arrival_in(hub, state, found).await? else { return Ok(stored) };
    let applied = apply_to(hub, stored, &[attempt]).await?;
    match applied.outcomes.into_iter().next_back() {
        Some(Err(refusal)) => Err(refusal.into()),
        _ => Ok(applied.stored),
    }
}

/// Creates a link to upload the declared file. When it is stored already, the link leads to it, and the bucket answers
/// the upload with 412: a repeat changes nothing.
///
/// # Errors
/// 409 when the stage takes no documents, or another file than the declared one is stored, 422 when the slot does not
/// accept the file's kind.
pub(crate) async fn slot<H: Hub>(
    hub: &H,
    state: &Application,
    document: &Document,
    declared: &DeclaredUpload,
) -> Result<Link, Problem> {
    if next(state.stage, state.purpose(), Step::StoreDocument).is_none() {
        return Err(Refusal::Illegal { stage: state.stage, step: Step::StoreDocument }.into());
    }
    accepts(document, declared)?;
    match document.stored() {
        Some(object) if is_declared(object, declared) => {}
        Some(_) => return Err(another_is_stored()),
        None if document.rejections >= REJECTIONS => return Err(Refusal::Bound("rejections").into()),
        None => {}
    }
    let request = declared.at(document.object_key(state.id));
    Ok(hub.documents().upload_slot(&request).await?)
}
