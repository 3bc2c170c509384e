//! Declared uploads and their assignment to slots.

use domain::catalogue::{DocumentKind, Requirement};
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

/// Number of files of each requirement of a case: those of the declared documents, and at least one. A document goes to
/// the first requirement without a document that accepts its kind, or else to the first one that has room for another
/// file.
#[must_use]
pub fn files(declared: &[DeclaredUpload], requirements: &[Requirement]) -> Vec<usize> {
    let mut files = vec![0_usize; requirements.len()];
    for document in declared {
        let mut fitting: Vec<(&Requirement, &mut usize)> = requirements
            .iter()
            .zip(&mut files)
            .filter(|(row, _)| row.accepts.contains(&document.kind))
            .collect();
        let empty = fitting.iter().position(|(_, count)| **count == 0);
        let roomy = || fitting.iter().position(|(row, count)| **count < usize::from(row.files));
        if let Some((_, count)) = empty.or_else(roomy).and_then(|index| fitting.get_mut(index)) {
            **count = count.saturating_add(1);
        }
    }
    files.into_iter().map(|count| count.max(1)).collect()
}

/// The slot of each declared document; `None` when no slot is left that accepts the kind. Like [`files`], the first
/// slot of each requirement comes before the slots for further files, which are filled in order.
#[must_use]
pub fn assign(declared: &[DeclaredUpload], slots: &[Slot]) -> Vec<Option<DocumentId>> {
    let is_first = |index: usize, slot: &Slot| {
        slots.iter().take(index).all(|earlier| earlier.requirement != slot.requirement)
    };
    let (first, further): (Vec<_>, Vec<_>) =
        slots.iter().enumerate().partition(|(index, slot)| is_first(*index, slot));
    let mut free: Vec<&Slot> = first.into_iter().chain(further).map(|(_, slot)| slot).collect();
    declared
        .iter()
        .map(|document| {
            let fits = |slot: &&Slot| slot.provider == Provider::App && slot.accepts.contains(&document.kind);
            let index = free.iter().position(fits)?;
            Some(free.remove(index).id)
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

    fn requirement(name: &str, accepts: &[&str], files: u8) -> Requirement {
        let title = domain::catalogue::Title { zh: "材料".to_owned(), en: "A paper".to_owned() };
        let accepts = accepts.iter().map(|kind| DocumentKind::named(kind).unwrap()).collect();
        let certainty = domain::catalogue::Certainty::Source;
        Requirement { name: name.to_owned(), title, accepts, files, certainty }
    }

    #[test]
    fn d3_the_files_of_a_requirement_are_counted_and_assigned_in_the_order_of_their_declaration() {
        let rows = [
            requirement("register", &["household_register", "identity_card"], 3),
            requirement("kinship", &["household_register"], 1),
        ];
        for (kinds, expected, ids) in [
            (vec![], [1, 1], vec![]),
            (vec!["identity_card"; 3], [3, 1], vec![Some(1), Some(2), Some(3)]),
            (vec!["household_register"; 3], [2, 1], vec![Some(1), Some(3), Some(2)]),
            (
                vec!["household_register", "household_register", "identity_card"],
                [2, 1],
                vec![Some(1), Some(3), Some(2)],
            ),
            (vec!["identity_card"; 4], [3, 1], vec![Some(1), Some(2), Some(3), None]),
        ] {
            let kinds: Vec<DeclaredUpload> = kinds.into_iter().map(declared).collect();
            let counted = files(&kinds, &rows);
            assert_eq!(counted, expected);
            let of = |row: &Requirement, count| vec![(row.name.clone(), row.accepts.clone()); count];
            let slots: Vec<Slot> = rows
                .iter()
                .zip(counted)
                .flat_map(|(row, count)| of(row, count))
                .enumerate()
                .map(|(index, (requirement, accepts))| Slot {
                    id: DocumentId::numbered(index + 1).unwrap(),
                    requirement,
                    accepts,
                    provider: Provider::App,
                })
                .collect();
            let assigned: Vec<Option<u8>> =
                assign(&kinds, &slots).into_iter().map(|id| id.map(DocumentId::number)).collect();
            assert_eq!(assigned, ids);
        }
    }

    #[test]
    fn a_size_above_the_limit_is_rejected() {
        let wrong = json!({ "kind": "other", "media_type": "image/gif", "size": 20_971_521, "sha256": "" });
        let codes: Vec<_> =
            read::<DeclaredUpload>(&wrong).unwrap_err().into_iter().map(|fault| fault.code).collect();
        assert_eq!(codes, ["media_type", "out_of_range", "checksum"]);
    }
}
