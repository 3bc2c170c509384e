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

/// Bytes within which a PDF's header begins (ISO 32000-1, annex H, implementation note 13). Scanners write a byte order
/// mark or a line before it.
const PDF_HEADER_WITHIN: usize = 1024;

/// Beginnings of other formats. A PDF that begins so would be valid in two formats, and each reader would see another
/// file.
const OTHER_FORMATS: [&[u8]; 14] = [
    b"\xFF\xD8\xFF",
    b"\x89PNG",
    b"GIF8",
    b"RIFF",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"PK\x03\x04",
    b"MZ",
    b"\x7FELF",
    b"%!PS",
    b"#!",
    b"{\\rtf",
    b"<",
];

/// The media type of a file that begins with these bytes, of which [`super::HEAD_BYTES`] are enough.
#[must_use]
pub fn recognise(head: &[u8]) -> Option<MediaType> {
    MediaType::ALL.into_iter().find(|media_type| begins_as(head, *media_type))
}

/// Whether the first bytes are those of the media type.
fn begins_as(head: &[u8], media_type: MediaType) -> bool {
    match media_type {
        MediaType::Pdf => begins_as_pdf(head),
        // ITU-T T.81, B.1.1.3: SOI and the next marker
        MediaType::Jpeg => head.starts_with(&[0xFF, 0xD8, 0xFF]),
        // ISO/IEC 15948, 5.2 and 11.2.2: the signature, then IHDR with its 13 bytes
        MediaType::Png => head.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"),
    }
}

/// Whether a PDF's header (ISO 32000-1, 7.5.2; ISO 32000-2 for version 2) begins within the first bytes, and these
/// bytes are not the beginning of another format.
fn begins_as_pdf(head: &[u8]) -> bool {
    let is_header = |window: &[u8]| window == b"%PDF-1." || window == b"%PDF-2.";
    let Some(before) = head.windows(7).take(PDF_HEADER_WITHIN).position(is_header) else { return false };
    let before = head.get(..before).unwrap_or_default();
    let text = before.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(before).trim_ascii_start();
    OTHER_FORMATS.iter().all(|format| !before.starts_with(format) && !text.starts_with(format))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::{HEAD_BYTES, Head};

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
    fn a28_a_pdf_may_begin_within_the_first_1024_bytes() {
        let pdf = |before: &[u8]| {
            let head = [before, b"%PDF-1.7\n"].concat();
            verify(&arrival("application/pdf", &head[..head.len().min(HEAD_BYTES)]), &accepts()).is_ok()
        };
        for before in [&b""[..], b"\xEF\xBB\xBF", b"\r\n", b"\x1b%-12345X@PJL\r\n", b"\0\0", &[b' '; 1023]] {
            assert!(pdf(before), "{before:?}");
        }
        assert!(!pdf(&[b' '; 1024]), "viewers look no further");
        for other in [
            &b"GIF89a"[..],
            b"\xEF\xBB\xBF <html>",
            b"PK\x03\x04",
            b"MZ\x90",
            b"\xFF\xD8\xFF\xE0",
            b"\n<svg>",
        ] {
            assert!(!pdf(other), "two formats: {other:?}");
        }
        let mark = arrival("image/png", b"\xEF\xBB\xBF\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR");
        assert_eq!(verify(&mark, &accepts()), Err(DocumentFault::ContentMismatch), "no viewer takes this");
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
