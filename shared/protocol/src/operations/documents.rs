//! Operations that return links to upload and to read documents.

#[cfg(feature = "schema")]
use crate::contracts::app::names::{Link, NewDocument};
#[cfg(feature = "schema")]
use crate::contracts::app::parameters::{AtVersion, OneDocument};
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
    /// The link is valid for fifteen minutes and takes one file. Send exactly its headers, and a file with the size and
    /// checksum declared here. The answer 412 to the PUT means that the file has arrived, for example when an earlier
    /// answer was lost: go on. The answer 409 means that another PUT through the link is in progress: try again.
    ///
    /// A link to a stored document replaces it: until `submit`, or until `supplement` for a requested document, the hub
    /// discards the stored file, and the document waits for the declared one. An application has up to 10 replacements.
    /// The file that is stored already is answered `conflict`, so a repeat needs no Idempotency-Key.
    LINK_TO_UPLOAD = "linkToUpload" post "/v1/applications/{id}/documents/{document}/upload" Documents token(ApplicationsWrite) {
        params(OneDocument, AtVersion), request_body = NewDocument,
        responses((status = 200, description = "The link. Keep it secret while it is valid: whoever has it can use it.", body = Link,
            headers(("ETag" = String, description = "Version of the application.")))),
        extensions(("x-problems" = json!(["conflict", "illegal_step", "bound_reached"]))),
    }
}
