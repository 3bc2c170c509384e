//! Documents: upload slots, uploaded objects, and download links.
//!
//! A document's bytes never pass through the hub. An app uploads directly to S3 through a presigned PUT whose length,
//! type, checksum and kind are signed, so S3 refuses any other upload. The hub reads the first bytes, and pins the
//! version that it has verified.

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
use domain::ids::ApplicationId;
use domain::limits::{DOCUMENT_BYTES, UPLOAD_LINK_MINUTES};
use jiff::Timestamp;
use protocol::report::Link;
use thiserror::Error;

pub use aws::AwsDocuments;
#[cfg(any(test, feature = "testing"))]
pub use fake::FakeDocuments;
pub use verify::{recognise, verify};

/// How long an upload slot is open.
pub const UPLOAD_TTL: Duration = Duration::from_secs(60 * UPLOAD_LINK_MINUTES.unsigned_abs());
/// Most versions of objects that one sweep of an application erases. The next one takes the rest.
pub const ERASED_AT_ONCE: usize = 200;
/// Longest lifetime of a download link.
pub const DOWNLOAD_TTL: Duration = Duration::from_secs(15 * 60);
/// Number of first bytes that the hub reads to recognise the media type: a PDF's header, 8 bytes, begins within the
/// first 1,024.
pub const HEAD_BYTES: usize = 1024 + 7;

/// The accepted media types of documents.
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
    /// Every media type.
    pub const ALL: [MediaType; 3] = [MediaType::Pdf, MediaType::Jpeg, MediaType::Png];

    /// Name on the wire, for example `application/pdf`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MediaType::Pdf => "application/pdf",
            MediaType::Jpeg => "image/jpeg",
            MediaType::Png => "image/png",
        }
    }
}

/// The text is not a [`MediaType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the media type of a document must be application/pdf, image/jpeg or image/png")]
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
    /// The checksum with this digest.
    #[must_use]
    pub fn from_bytes(digest: [u8; 32]) -> Self {
        Checksum(digest)
    }
}

/// The text is not a [`Checksum`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a checksum must be the base64 of 32 bytes")]
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
    /// The size; `None` when it is out of range.
    #[must_use]
    pub fn new(bytes: u64) -> Option<Self> {
        (1..=DOCUMENT_BYTES).contains(&bytes).then_some(DocumentSize(bytes))
    }

    /// The size in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// The description of an upload. Every member is signed into the slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRequest {
    /// The object key (`domain::application::object_key`), never chosen by the app.
    pub key: String,
    pub media_type: MediaType,
    /// Exact size.
    pub size: DocumentSize,
    /// SHA-256.
    pub sha256: Checksum,
    /// The kind of document that the app claims.
    pub kind: DocumentKind,
}

/// One version of an object, or one delete marker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectVersion {
    /// The object key.
    pub key: String,
    /// S3 version id.
    pub version: String,
}

/// An object in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// S3 version id.
    pub version: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the object, verified by S3; `None` when the object was stored without one.
    pub sha256: Option<String>,
    /// Media type stored with the object.
    pub media_type: String,
    /// Kind of document stored with the object; `None` when it is missing or unknown.
    pub kind: Option<DocumentKind>,
    /// First [`HEAD_BYTES`] bytes. Content of a document, so it must not be logged.
    pub head: Head,
}

/// The first bytes of a document. `Debug` shows only their number.
#[derive(Clone, PartialEq, Eq)]
pub struct Head(pub Vec<u8>);

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({} bytes)", self.0.len())
    }
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// The object key.
    pub key: String,
    /// Time at which the object was stored, in whole seconds.
    pub stored_at: Timestamp,
}

/// Why a call to the document store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DocumentsError {
    /// Too many requests; a later call may succeed.
    #[error("the document store is throttled")]
    Throttled,
    /// The store did not answer in time.
    #[error("the document store is not available")]
    Unavailable,
    /// The function's role lacks the permission, or the encryption key is disabled.
    #[error("the document store denied access: check the function's role and the encryption key")]
    Denied,
}

impl DocumentsError {
    /// Whether the same call may succeed later without an operator's help.
    #[must_use]
    pub fn is_transient(self) -> bool {
        match self {
            DocumentsError::Throttled | DocumentsError::Unavailable => true,
            DocumentsError::Denied => false,
        }
    }
}

/// The document store.
pub trait Documents: Clone + Send + Sync + 'static {
    /// A presigned upload link, open for [`UPLOAD_TTL`], that accepts exactly the described object, once. The link is
    /// computed without a call. The upload must send all of the link's headers unchanged.
    fn upload_slot(
        &self,
        request: &UploadRequest,
    ) -> impl Future<Output = Result<Link, DocumentsError>> + Send;

    /// A presigned link to download one version of an object for `ttl`, at most [`DOWNLOAD_TTL`]. The link is computed
    /// without a call, so the object may not exist.
    fn download_url(
        &self,
        key: &str,
        version: &str,
        ttl: Duration,
    ) -> impl Future<Output = Result<Link, DocumentsError>> + Send;

    /// Stores a JSON text under a key that the hub chooses; the bucket locks the object. An existing object stays,
    /// because such keys are derived from the content.
    fn store_text(&self, key: &str, json: &[u8]) -> impl Future<Output = Result<(), DocumentsError>> + Send;

    /// The objects whose keys begin with `prefix`, in the order of their keys: those after the key `after`, at most
    /// `most` (S3 answers up to 1,000 in one call).
    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        most: u16,
    ) -> impl Future<Output = Result<Vec<ListedObject>, DocumentsError>> + Send;

    /// Versions of the application's objects, delete markers included: all of them, or the first [`ERASED_AT_ONCE`].
    fn versions(
        &self,
        application: ApplicationId,
    ) -> impl Future<Output = Result<Vec<ObjectVersion>, DocumentsError>> + Send;

    /// Erases versions for good, although the bucket locks them. A version that is gone already is no
    /// error. The caller's role may erase documents only: evidence stays locked.
    fn erase(&self, versions: &[ObjectVersion]) -> impl Future<Output = Result<(), DocumentsError>> + Send;

    /// The object at a key: this version, or the newest one. `None` when the object or the version does not exist.
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
    fn only_three_media_types_are_accepted() {
        for known in MediaType::ALL {
            assert_eq!(known.name().parse(), Ok(known));
        }
        for invalid in ["", "image/svg+xml", "image/jpeg; charset=utf-8", "IMAGE/PNG", "text/html"] {
            assert_eq!(invalid.parse::<MediaType>(), Err(MediaTypeError));
        }
    }

    #[test]
    fn a_checksum_is_32_bytes_in_one_spelling() {
        let text = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(text.parse::<Checksum>().map(|sum| sum.to_string()), Ok(text.to_owned()));
        for invalid in [
            "",
            "47DEQpj8HBSa",
            "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
            "e3b0c44298fc1c149afbf4c8996fb924",
        ] {
            assert_eq!(invalid.parse::<Checksum>(), Err(ChecksumError), "{invalid}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(DocumentSize::new(0), None);
        assert_eq!(DocumentSize::new(DOCUMENT_BYTES + 1), None);
        assert_eq!(DocumentSize::new(DOCUMENT_BYTES).map(DocumentSize::bytes), Some(20_971_520));
    }
}
