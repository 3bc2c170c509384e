//! Small real documents, made in memory. Each differs from every other of its kind by its text.

mod formats;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub use formats::pdf_page;
use formats::{jpeg, png};

/// An invented document to upload.
#[derive(Clone, Debug)]
pub struct SampleDocument {
    /// Kind of document, by its name on the wire.
    pub kind: String,
    pub media_type: &'static str,
    /// Content.
    pub bytes: Vec<u8>,
}

impl SampleDocument {
    /// One page of PDF that shows its kind and this text.
    #[must_use]
    pub fn pdf(kind: &str, text: &str) -> SampleDocument {
        SampleDocument {
            kind: kind.to_owned(),
            media_type: "application/pdf",
            bytes: pdf_page(&[kind, text]),
        }
    }

    /// A JPEG of one grey pixel.
    #[must_use]
    pub fn jpeg(kind: &str, text: &str) -> SampleDocument {
        SampleDocument { kind: kind.to_owned(), media_type: "image/jpeg", bytes: jpeg(text) }
    }

    /// A PNG of one grey pixel.
    #[must_use]
    pub fn png(kind: &str, text: &str) -> SampleDocument {
        SampleDocument { kind: kind.to_owned(), media_type: "image/png", bytes: png(text) }
    }

    /// SHA-256 of the content in base64, as S3 and the hub take it.
    #[must_use]
    pub fn sha256(&self) -> String {
        STANDARD.encode(Sha256::digest(&self.bytes))
    }

    /// The document as the body of a request declares it.
    #[must_use]
    pub fn declaration(&self) -> Value {
        json!({
            "kind": self.kind,
            "media_type": self.media_type,
            "size": self.bytes.len(),
            "sha256": self.sha256(),
        })
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_with_different_texts_differ() {
        for make in [SampleDocument::pdf, SampleDocument::jpeg, SampleDocument::png] {
            let (one, two) = (make("other", "one"), make("other", "two"));
            assert_ne!(one.sha256(), two.sha256());
            assert!(one.bytes.len() < 1000);
        }
    }
}
