//! Documents: links to upload and to read.

#[cfg(feature = "schema")]
use crate::contracts::app::names::{Link, NewDocument};
#[cfg(feature = "schema")]
use crate::contracts::app::parameters::OneDocument;
use crate::operations::operation::operations;

operations! {
    tag = "documents";

    /// Get a link to read a document
    ///
    /// A link of five minutes to what was verified. What an agency has issued can be read once it says so.
    LINK_TO_READ = "linkToRead" get "/v1/applications/{id}/documents/{document}" Documents token(ApplicationsRead) {
        params(OneDocument),
        responses((status = 200, description = "The link. It is a secret while it is valid.", body = Link)),
    }

    /// Get a link to upload a document
    ///
    /// A link of fifteen minutes for a document that is not in yet: send exactly its headers, and the bytes declared here.
    /// It changes nothing, so it needs no Idempotency-Key.
    LINK_TO_UPLOAD = "linkToUpload" post "/v1/applications/{id}/documents/{document}/upload" Documents token(ApplicationsWrite) {
        params(OneDocument), request_body = NewDocument,
        responses((status = 200, description = "The link. It is a secret while it is valid.", body = Link)),
        extensions(("x-problems" = json!(["conflict", "illegal_step", "bound_reached"]))),
    }
}
