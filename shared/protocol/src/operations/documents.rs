//! Operations that return links to upload and to read documents.

#[cfg(feature = "schema")]
use crate::contracts::app::names::{Link, NewDocument};
#[cfg(feature = "schema")]
use crate::contracts::app::parameters::OneDocument;
use crate::operations::operation::operations;

operations! {
    tag = "documents";

    /// Get a link to read a document
    ///
    /// The link to a verified document is valid for five minutes. A certificate can be read once the agency has
    /// reported it as issued.
    LINK_TO_READ = "linkToRead" get "/v1/applications/{id}/documents/{document}" Documents token(ApplicationsRead) {
        params(OneDocument),
        responses((status = 200, description = "The link. Keep it secret while it is valid: whoever has it can use it.", body = Link)),
    }

    /// Get a link to upload a document
    ///
    /// The link is valid for fifteen minutes and uploads a document that is not stored yet. Send exactly its headers,
    /// and a file with the size and checksum declared here. The operation changes nothing, so it needs no
    /// Idempotency-Key.
    LINK_TO_UPLOAD = "linkToUpload" post "/v1/applications/{id}/documents/{document}/upload" Documents token(ApplicationsWrite) {
        params(OneDocument), request_body = NewDocument,
        responses((status = 200, description = "The link. Keep it secret while it is valid: whoever has it can use it.", body = Link)),
        extensions(("x-problems" = json!(["conflict", "illegal_step", "bound_reached"]))),
    }
}
