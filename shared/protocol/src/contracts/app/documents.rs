//! Documents: links to upload and to read.

use utoipa::IntoParams;

use super::names::{ApplicationId, DocumentId, Link, NewDocument};

/// Which document of which application.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
struct OneDocument {
    /// The application.
    id: ApplicationId,
    /// The document.
    document: DocumentId,
}

/// Get a link to read a document
///
/// A link of five minutes to what was verified. What an agency has issued can be read once it says so.
#[utoipa::path(get, path = "/v1/applications/{id}/documents/{document}", operation_id = "linkToRead", tag = "documents",
    params(OneDocument), security(("token" = ["applications:read"])),
    responses((status = 200, description = "The link. It is a secret while it is valid.", body = Link)))]
pub(super) fn link_to_read() {}

/// Get a link to upload a document
///
/// A link of fifteen minutes for a document that is not in yet: send exactly its headers, and the bytes declared here.
/// It changes nothing, so it needs no Idempotency-Key.
#[utoipa::path(post, path = "/v1/applications/{id}/documents/{document}/upload", operation_id = "linkToUpload", tag = "documents",
    params(OneDocument), request_body = NewDocument, security(("token" = ["applications:write"])),
    responses((status = 200, description = "The link. It is a secret while it is valid.", body = Link)),
    extensions(("x-problems" = json!(["conflict", "illegal_step", "bound_reached"]))))]
pub(super) fn link_to_upload() {}
