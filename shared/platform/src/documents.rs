//! Documents: upload slots, what arrived in them, and links to read.
//!
//! The hub never carries a document's bytes. An app uploads straight to S3 through a presigned PUT whose
//! length, type, checksum and kind are signed, so S3 itself refuses anything else; the hub reads the first
//! bytes and pins the version it has verified.

mod aws;
#[cfg(any(test, feature = "testing"))]
mod fake;
mod verify;

use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::catalogue::DocumentKind;
use domain::limits::DOCUMENT_BYTES;
use protocol::report::Link;
use thiserror::Error;

pub use aws::AwsDocuments;
#[cfg(any(test, feature = "testing"))]
pub use fake::FakeDocuments;
pub use verify::verify;

/// How long an upload slot is open.
pub const UPLOAD_TTL: Duration = Duration::from_secs(15 * 60);
/// Longest a link to read may live: 15 minutes.
pub const DOWNLOAD_TTL: Duration = Duration::from_secs(15 * 60);
/// Bytes of a document's beginning that are read to recognise it.
pub const HEAD_BYTES: usize = 512;

/// What a document may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaType {
    /// `application/pdf`.
    Pdf,
    /// `image/jpeg`.
    Jpeg,
    /// `image/png`.
    Png,
}

impl MediaType {
    /// All of them.
    pub const ALL: [MediaType; 3] = [MediaType::Pdf, MediaType::Jpeg, MediaType::Png];

    /// Its name on the wire, for example `application/pdf`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MediaType::Pdf => "application/pdf",
            MediaType::Jpeg => "image/jpeg",
            MediaType::Png => "image/png",
        }
    }
}

/// A text that is no [`MediaType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a document is a PDF, JPEG or PNG")]
pub struct MediaTypeError;

impl FromStr for MediaType {
    type Err = MediaTypeError;

    fn from_str(text: &str) -> Result<Self, MediaTypeError> {
        MediaType::ALL.into_iter().find(|known| known.name() == text).ok_or(MediaTypeError)
    }
}

/// The SHA-256 of a document. On the wire it is base64, as S3 writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// Takes the digest.
    #[must_use]
    pub fn from_bytes(digest: [u8; 32]) -> Self {
        Checksum(digest)
    }
}

/// A text that is no [`Checksum`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a checksum is the base64 of 32 bytes")]
pub struct ChecksumError;

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let digest = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        digest.map(Checksum).ok_or(ChecksumError)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

/// The size of a document in bytes, 1 to [`DOCUMENT_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentSize(u64);

impl DocumentSize {
    /// The size, if a document may have it.
    #[must_use]
    pub fn new(bytes: u64) -> Option<Self> {
        (1..=DOCUMENT_BYTES).contains(&bytes).then_some(DocumentSize(bytes))
    }

    /// Bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// What will be uploaded: each part of it is signed into the slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRequest {
    /// The object key, made by the server (`domain::application::object_key`).
    pub key: String,
    /// Its media type.
    pub media_type: MediaType,
    /// Its exact size.
    pub size: DocumentSize,
    /// Its SHA-256.
    pub sha256: Checksum,
    /// What it claims to be.
    pub kind: DocumentKind,
}

/// What lies at an object key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// S3 version id.
    pub version: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the whole object as S3 verified it; `None` where it was stored without one.
    pub sha256: Option<String>,
    /// The media type it was stored with.
    pub media_type: String,
    /// The kind it was stored with; `None` where it names none that is known.
    pub kind: Option<DocumentKind>,
    /// Its first [`HEAD_BYTES`] bytes. Content of a document: never for a log.
    pub head: Head,
}

/// The beginning of a document. `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Head(pub Vec<u8>);

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({} bytes)", self.0.len())
    }
}

/// Why the document store does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DocumentsError {
    /// It takes no more requests for now.
    #[error("the document store is throttled")]
    Throttled,
    /// It did not answer, or not in time.
    #[error("the document store is not available")]
    Unavailable,
    /// The hub may not, or the encryption key is disabled.
    #[error("the document store refuses the hub")]
    Denied,
}

impl DocumentsError {
    /// Whether the same call may succeed later without anybody's help.
    #[must_use]
    pub fn is_transient(self) -> bool {
        match self {
            DocumentsError::Throttled | DocumentsError::Unavailable => true,
            DocumentsError::Denied => false,
        }
    }
}

/// Where documents are kept.
pub trait Documents: Clone + Send + Sync + 'static {
    /// Opens a slot for [`UPLOAD_TTL`]: a link that takes exactly the described object, once. Nothing is
    /// called: the link is computed. All its headers must be sent as they are.
    fn upload_slot(
        &self,
        request: &UploadRequest,
    ) -> impl Future<Output = Result<Link, DocumentsError>> + Send;

    /// A link to read one version of an object for `ttl`, at most [`DOWNLOAD_TTL`]. Nothing is called, and
    /// nothing tells whether the object is there.
    fn download_url(
        &self,
        key: &str,
        version: &str,
        ttl: Duration,
    ) -> impl Future<Output = Result<Link, DocumentsError>> + Send;

    /// Keeps a JSON text under a key of the server's own for as long as the bucket locks it. What lies there already
    /// stays: keys are made from what is kept.
    fn keep(&self, key: &str, json: &[u8]) -> impl Future<Output = Result<(), DocumentsError>> + Send;

    /// What lies at a key: the version named, else the newest. `None` where nothing does.
    fn inspect(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> impl Future<Output = Result<Option<Arrival>, DocumentsError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_media_types_are_taken() {
        for known in MediaType::ALL {
            assert_eq!(known.name().parse(), Ok(known));
        }
        for odd in ["", "image/svg+xml", "image/jpeg; charset=utf-8", "IMAGE/PNG", "text/html"] {
            assert_eq!(odd.parse::<MediaType>(), Err(MediaTypeError));
        }
    }

    #[test]
    fn a_checksum_is_32_bytes_in_one_spelling() {
        let text = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(text.parse::<Checksum>().map(|sum| sum.to_string()), Ok(text.to_owned()));
        for odd in [
            "",
            "47DEQpj8HBSa",
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
            "e3b0c44298fc1c149afbf4c8996fb924",
        ] {
            assert_eq!(odd.parse::<Checksum>(), Err(ChecksumError), "{odd}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(DocumentSize::new(0), None);
        assert_eq!(DocumentSize::new(DOCUMENT_BYTES + 1), None);
        assert_eq!(DocumentSize::new(DOCUMENT_BYTES).map(DocumentSize::bytes), Some(20_971_520));
    }
}
