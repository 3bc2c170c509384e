//! Declared uploads and their assignment to slots.

use domain::catalogue::DocumentKind;
use domain::event::{Provider, Slot};
use domain::ids::DocumentId;
use domain::limits::DOCUMENT_BYTES;

use crate::fields::{Fields, FromFields, choice, integer, text};
use platform::documents::{Checksum, DocumentSize, MediaType, UploadRequest};

/// The description of a document that its provider will upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredUpload {
    /// Kind of the document.
    pub kind: DocumentKind,
    /// Media type of the file.
    pub media_type: MediaType,
    /// Exact size of the file, in bytes; at most [`DOCUMENT_BYTES`].
    pub size: DocumentSize,
    /// SHA-256 of the file.
    pub sha256: Checksum,
}

impl FromFields for DeclaredUpload {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let kind = fields.required("kind", choice);
        let media_type = fields.required("media_type", text);
        let size = fields.required("size", integer(1..=DOCUMENT_BYTES)).and_then(DocumentSize::new);
        let sha256 = fields.required("sha256", text);
        Some(DeclaredUpload { kind: kind?, media_type: media_type?, size: size?, sha256: sha256? })
    }
}

impl DeclaredUpload {
    /// The request for a slot at an object key (`domain::application::object_key`).
    #[must_use]
    pub fn at(&self, key: String) -> UploadRequest {
        UploadRequest {
            key,
            media_type: self.media_type,
            size: self.size,
            sha256: self.sha256,
            kind: self.kind,
        }
    }
}

/// The slot of each declared document: the app's first free slot that accepts the kind; `None` when no such slot is
/// left.
#[must_use]
pub fn assign(declared: &[DeclaredUpload], slots: &[Slot]) -> Vec<Option<DocumentId>> {
    let mut assigned: Vec<DocumentId> = Vec::new();
    declared
        .iter()
        .map(|document| {
            let slot = slots.iter().find(|slot| {
                slot.provider == Provider::App
                    && slot.accepts.contains(&document.kind)
                    && !assigned.contains(&slot.id)
            })?;
            assigned.push(slot.id);
            Some(slot.id)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use serde_json::json;

    use super::*;
    use crate::fields::read;

    fn declared(kind: &str) -> DeclaredUpload {
        let sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        read(&json!({ "kind": kind, "media_type": "image/png", "size": 9, "sha256": sha256 })).unwrap()
    }

    fn slot(number: usize, provider: Provider, accepts: &[DocumentKind]) -> Slot {
        let id = DocumentId::numbered(number).unwrap();
        Slot { id, requirement: format!("r{number}"), accepts: accepts.to_vec(), provider }
    }

    #[test]
    fn each_document_gets_another_slot() {
        let kind = |name| DocumentKind::named(name).unwrap();
        let (card, work) = (kind("identity_card"), kind("proof_of_work"));
        let slots = [
            slot(1, Provider::App, &[card]),
            slot(2, Provider::App, &[card, work]),
            slot(3, Provider::Agency, &[kind("issued_certificate")]),
        ];
        let kinds = ["identity_card", "identity_card", "proof_of_work", "issued_certificate"];
        let assigned = assign(&kinds.map(declared), &slots);
        assert_eq!(assigned, [Some(slots[0].id), Some(slots[1].id), None, None]);
    }

    #[test]
    fn a_size_above_the_limit_is_rejected() {
        let wrong = json!({ "kind": "other", "media_type": "image/gif", "size": 20_971_521, "sha256": "" });
        let codes: Vec<_> =
            read::<DeclaredUpload>(&wrong).unwrap_err().into_iter().map(|fault| fault.code).collect();
        assert_eq!(codes, ["media_type", "out_of_range", "checksum"]);
    }
}
