//! Verifies an uploaded object against its slot.

use domain::catalogue::DocumentKind;
use domain::event::{DocumentFault, StoredObject};
use domain::limits::DOCUMENT_BYTES;

use super::{Arrival, MediaType};

/// Verifies an uploaded object against the kinds that its slot accepts.
///
/// The first bytes must be those of the object's media type: PDF, JPEG or PNG. A fault is recorded, and the citizen
/// learns of it.
///
/// # Errors
/// The first of: empty, too large, wrong kind, content mismatch. An object without a checksum is a content mismatch,
/// because it was not uploaded through a slot.
pub fn verify(arrival: &Arrival, accepts: &[DocumentKind]) -> Result<StoredObject, DocumentFault> {
    if arrival.size == 0 {
        return Err(DocumentFault::Empty);
    }
    if arrival.size > DOCUMENT_BYTES {
        return Err(DocumentFault::TooLarge);
    }
    let kind = arrival.kind.filter(|kind| accepts.contains(kind)).ok_or(DocumentFault::WrongKind)?;
    let media_type: MediaType = arrival.media_type.parse().map_err(|_| DocumentFault::ContentMismatch)?;
    if !begins_as(&arrival.head.0, media_type) {
        return Err(DocumentFault::ContentMismatch);
    }
    let sha256 = arrival.sha256.clone().ok_or(DocumentFault::ContentMismatch)?;
    Ok(StoredObject {
        version: arrival.version.clone(),
        size: arrival.size,
        sha256,
        kind,
        media_type: media_type.name().to_owned(),
    })
}

/// Whether the first bytes are those of the media type. A PDF must begin with its header: readers allow 1,024 bytes
/// before it, which makes files possible that are valid in two formats.
fn begins_as(head: &[u8], media_type: MediaType) -> bool {
    match media_type {
        // ISO 32000-1, 7.5.2; ISO 32000-2 for version 2
        MediaType::Pdf => head.starts_with(b"%PDF-1.") || head.starts_with(b"%PDF-2."),
        // ITU-T T.81, B.1.1.3: SOI and the next marker
        MediaType::Jpeg => head.starts_with(&[0xFF, 0xD8, 0xFF]),
        // ISO/IEC 15948, 5.2 and 11.2.2: the signature, then IHDR with its 13 bytes
        MediaType::Png => head.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::Head;

    fn accepts() -> [DocumentKind; 2] {
        ["proof_of_work", "proof_of_study"].map(|name| name.parse().expect("a kind of document"))
    }

    fn arrival(media_type: &str, head: &[u8]) -> Arrival {
        Arrival {
            version: "v1".into(),
            size: 1024,
            sha256: Some("c".into()),
            media_type: media_type.into(),
            kind: Some(DocumentKind::named("proof_of_work").expect("the catalogue has it")),
            head: Head(head.to_vec()),
        }
    }

    #[test]
    fn the_first_bytes_must_match_the_media_type() {
        let heads: [(&str, &[u8]); 3] = [
            ("application/pdf", b"%PDF-1.7\n"),
            ("image/jpeg", b"\xFF\xD8\xFF\xE0\0\x10JFIF"),
            ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"),
        ];
        for (claimed, _) in heads {
            for (actual, head) in heads {
                let verified = verify(&arrival(claimed, head), &accepts());
                assert_eq!(verified.is_ok(), claimed == actual, "{actual} content claimed as {claimed}");
            }
        }
        for (media_type, head) in [
            ("application/pdf", &b"GIF89a;%PDF-1.7"[..]),
            ("application/pdf", b"<script>"),
            ("application/pdf", b""),
            ("image/svg+xml", b"<svg"),
            ("image/png", b"\x89PNG"),
        ] {
            assert_eq!(verify(&arrival(media_type, head), &accepts()), Err(DocumentFault::ContentMismatch));
        }
    }

    #[test]
    fn each_fault_is_named() {
        let valid = arrival("application/pdf", b"%PDF-1.4");
        let faults = [
            (Arrival { size: 0, ..valid.clone() }, DocumentFault::Empty),
            (Arrival { size: DOCUMENT_BYTES + 1, ..valid.clone() }, DocumentFault::TooLarge),
            (Arrival { kind: None, ..valid.clone() }, DocumentFault::WrongKind),
            (
                Arrival {
                    kind: Some(DocumentKind::named("other").expect("the catalogue has it")),
                    ..valid.clone()
                },
                DocumentFault::WrongKind,
            ),
            (Arrival { sha256: None, ..valid.clone() }, DocumentFault::ContentMismatch),
        ];
        for (arrival, fault) in faults {
            assert_eq!(verify(&arrival, &accepts()), Err(fault));
        }
        assert_eq!(verify(&valid, &accepts()).map(|object| object.version), Ok("v1".to_owned()));
    }

    #[test]
    fn debug_does_not_show_the_first_bytes() {
        let shown = format!("{:?}", arrival("application/pdf", b"%PDF-1.4 canary"));
        assert!(shown.contains("Head(15 bytes)") && !shown.contains("canary"), "{shown}");
    }
}
