//! Links to documents for agencies, created on signed requests.
//!
//! A request is accepted for one minute around its signature. A repeat within this minute receives another link of the
//! same kind and changes nothing.

use domain::access::may_fetch_papers;
use domain::decide::Refusal;
use domain::event::Provider;
use domain::ids::{AgencyCode, DocumentId};
use domain::limits::PAPERS_DAYS;
use domain::stage::Step;
use http_kit::fields::{Coded as _, FieldError};
use http_kit::problem::Problem;
use http_kit::signed_request::signed_request;
use http_kit::uploads::DeclaredUpload;
use platform::clock::Clock as _;
use platform::documents::{Checksum, DocumentSize, MediaType};
use platform::hub::Hub;
use platform::store::{Store as _, StoredApplication};
use protocol::report::{DOCUMENT_TYP, DocumentAction, DocumentRequest, Link};

use crate::links;

/// Maximum size of a signed request, in bytes.
pub const REQUEST_BYTES: usize = 8 * 1024;

/// Creates the link that a signed request names.
///
/// # Errors
/// 400 and 401 when the request is not signed by an agency or not fresh; 404 when the agency has no leg of the
/// application, its leg ended more than [`PAPERS_DAYS`] ago, or the application has no such document; 409 and 422 as
/// for an app's upload; 503 when the application is known in part and the answer lies in the unknown part.
pub async fn link<H: Hub>(hub: &H, jws: &str) -> Result<Link, Problem> {
    let request: DocumentRequest = signed_request(hub, DOCUMENT_TYP, jws).await?;
    let DocumentRequest { agency, application, iat: _, action } = request;
    let stored = hub.store().get(application).await?;
    let Some(stored) = stored.filter(|stored| stored.ledger.state().involves(&agency)) else {
        tracing::warn!(%agency, %application, "document request rejected: the agency has no leg of the application; the request is answered 404");
        return Err(Problem::not_found());
    };
    let state = stored.ledger.state();
    match action {
        DocumentAction::Fetch { document } => {
            let may_fetch = may_fetch_papers(&stored.ledger, &agency, hub.clock().now());
            let found = state.document(document).filter(|found| may_fetch && found.stored().is_some());
            if found.is_none() && state.is_incomplete() {
                return Err(Refusal::IncompleteRead.into());
            }
            if !may_fetch {
                tracing::warn!(%agency, %application, "document request rejected: the agency's leg ended too long ago; the request is answered 404");
                return Err(papers_closed());
            }
            links::stored(hub, state, found.ok_or_else(Problem::not_found)?).await
        }
        DocumentAction::Upload { .. } if state.is_incomplete() => Err(Refusal::IncompleteRead.into()),
        DocumentAction::Upload { document, media_type, size, sha256 } => {
            let declared = declared(&media_type, size, &sha256)?;
            upload(hub, stored, &agency, document, declared).await
        }
    }
}

/// 404 for an agency whose time to fetch the papers is over. The agency had a leg, so the detail may say why.
fn papers_closed() -> Problem {
    Problem::not_found().with_detail(
        format!("本机关的环节结束已满 {PAPERS_DAYS} 天，不再提供该件材料。"),
        format!("The papers are not available any more: the agency's leg ended over {PAPERS_DAYS} days ago."),
    )
}

/// Creates an upload link. Only the agency of the open leg may upload, and only a document that this agency provides. The
/// agency may ask again after a crash: the file that it uploaded before is recorded first.
async fn upload<H: Hub>(
    hub: &H,
    stored: StoredApplication,
    agency: &AgencyCode,
    document: DocumentId,
    (media_type, size, sha256): (MediaType, DocumentSize, Checksum),
) -> Result<Link, Problem> {
    let state = stored.ledger.state();
    let found = links::document_of(state, document, Provider::Agency)?;
    if state.agency() != agency {
        return Err(Refusal::Illegal { stage: state.stage, step: Step::StoreDocument }.into());
    }
    // The request has no kind, because the slot of an issued document accepts exactly one kind.
    let kind = *found.slot.accepts.first().ok_or_else(Problem::not_found)?;
    let declared = DeclaredUpload { kind, media_type, size, sha256 };
    let stored = links::record_arrival(hub, stored, document).await?;
    let state = stored.ledger.state();
    let found = links::document_of(state, document, Provider::Agency)?;
    links::slot(hub, state, found, &declared).await
}

/// Parses the declared media type, size and checksum, and reports every wrong field.
fn declared(
    media_type: &str,
    size: u64,
    sha256: &str,
) -> Result<(MediaType, DocumentSize, Checksum), Problem> {
    let mut faults = Vec::new();
    let mut report = |pointer, code| faults.push(FieldError::new(pointer, code));
    let media_type = media_type.parse::<MediaType>().map_err(|error| report("/media_type", error.code()));
    let size = DocumentSize::new(size).ok_or_else(|| report("/size", "out_of_range"));
    let sha256 = sha256.parse::<Checksum>().map_err(|error| report("/sha256", error.code()));
    match (media_type, size, sha256) {
        (Ok(media_type), Ok(size), Ok(sha256)) => Ok((media_type, size, sha256)),
        _ => Err(Problem::invalid(faults)),
    }
}
