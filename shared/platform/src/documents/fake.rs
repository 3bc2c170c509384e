//! Documents in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::application::object_prefix;
use domain::catalogue::DocumentKind;
use domain::ids::ApplicationId;
use jiff::{SignedDuration, Timestamp};
use protocol::report::Link;
use sha2::{Digest, Sha256};

use super::{
    Arrival, Checksum, DOWNLOAD_TTL, Documents, DocumentsError, ERASED_AT_ONCE, HEAD_BYTES, Head,
    ListedObject, ObjectVersion, UPLOAD_TTL, UploadRequest,
};
use crate::clock::{Clock as _, FakeClock};
use crate::faults::{CallOutcome, Faults};

#[derive(Clone, Debug)]
struct Object {
    version: String,
    media_type: String,
    kind: Option<DocumentKind>,
    bytes: Vec<u8>,
    stored_at: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Vec<Object>>,
    /// Number of versions stored so far at each key. S3 never repeats a version id.
    stored: BTreeMap<String, usize>,
    /// The links that were signed. A link that differs in any member is not in this list, like one with a bad
    /// signature.
    links: Vec<Link>,
    /// The length that each upload link signs. Real links have it in the signature, not among their headers.
    lengths: Vec<(Link, u64)>,
}

/// Documents in memory, versioned. Clones share them.
#[derive(Clone, Debug)]
pub struct FakeDocuments {
    faults: Faults,
    clock: FakeClock,
    state: Arc<Mutex<State>>,
}

impl FakeDocuments {
    /// An empty bucket.
    #[must_use]
    pub fn new(faults: Faults, clock: FakeClock) -> Self {
        FakeDocuments { faults, clock, state: Arc::default() }
    }

    /// Stores a version of an object without any check, and returns its version id.
    pub fn put(&self, key: &str, media_type: &str, kind: Option<DocumentKind>, bytes: &[u8]) -> String {
        let mut state = self.lock();
        let number = state.stored.entry(key.to_owned()).or_default();
        *number = number.saturating_add(1);
        let version = format!("v{number}");
        let versions = state.objects.entry(key.to_owned()).or_default();
        let object = Object {
            version: version.clone(),
            media_type: media_type.to_owned(),
            kind,
            bytes: bytes.to_vec(),
            stored_at: self.clock.now(),
        };
        versions.push(object);
        version
    }

    /// Uploads through a slot, as an app does. `None` when S3 would refuse: an altered or expired link, another length
    /// or checksum than signed, or an existing object.
    pub fn upload(&self, link: &Link, bytes: &[u8]) -> Option<String> {
        let key = link.url.strip_prefix("memory://documents/")?;
        let header = |name: &str| link.headers.get(name).map(String::as_str);
        let sum = Checksum::from_bytes(Sha256::digest(bytes).into()).to_string();
        let fits = link.method == "PUT"
            && self.is_valid(link)
            && self.length_of(link) == u64::try_from(bytes.len()).ok()
            && header("x-amz-checksum-sha256") == Some(sum.as_str())
            && !self.lock().objects.contains_key(key);
        let kind = header("x-amz-meta-kind").and_then(DocumentKind::named);
        fits.then(|| self.put(key, header("content-type").unwrap_or_default(), kind, bytes))
    }

    /// The newest version of each object below a prefix, by key.
    #[must_use]
    pub fn below(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let state = self.lock();
        let found = state.objects.iter().filter(|(key, _)| key.starts_with(prefix));
        found.filter_map(|(key, versions)| Some((key.clone(), versions.last()?.bytes.clone()))).collect()
    }

    /// The bytes of a download link; `None` when the link is altered or expired.
    #[must_use]
    pub fn fetch(&self, link: &Link) -> Option<Vec<u8>> {
        let (key, version) = link.url.strip_prefix("memory://documents/")?.split_once("?versionId=")?;
        let valid = link.method == "GET" && self.is_valid(link);
        let state = self.lock();
        let object = state.objects.get(key)?.iter().find(|object| object.version == version)?;
        valid.then(|| object.bytes.clone())
    }

    /// Whether the link is signed and has not expired.
    fn is_valid(&self, link: &Link) -> bool {
        self.clock.now() < link.expires_at && self.lock().links.contains(link)
    }

    /// The length that is signed into an upload link.
    fn length_of(&self, link: &Link) -> Option<u64> {
        self.lock().lengths.iter().find(|(known, _)| known == link).map(|(_, length)| *length)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self, method: &str, url: String, headers: BTreeMap<String, String>, ttl: Duration) -> Link {
        let ttl = SignedDuration::try_from(ttl).unwrap_or(SignedDuration::ZERO);
        let expires_at = self.clock.now().saturating_add(ttl).unwrap_or(Timestamp::MAX);
        let link = Link { url, method: method.to_owned(), headers, expires_at };
        self.lock().links.push(link.clone());
        link
    }
}

impl Documents for FakeDocuments {
    async fn upload_slot(&self, request: &UploadRequest) -> Result<Link, DocumentsError> {
        let headers = BTreeMap::from([
            ("content-type".to_owned(), request.media_type.name().to_owned()),
            ("if-none-match".to_owned(), "*".to_owned()),
            ("x-amz-checksum-sha256".to_owned(), request.sha256.to_string()),
            ("x-amz-meta-kind".to_owned(), request.kind.name().to_owned()),
        ]);
        let link = self.link("PUT", format!("memory://documents/{}", request.key), headers, UPLOAD_TTL);
        self.lock().lengths.push((link.clone(), request.size.bytes()));
        Ok(link)
    }

    async fn download_url(&self, key: &str, version: &str, ttl: Duration) -> Result<Link, DocumentsError> {
        let url = format!("memory://documents/{key}?versionId={version}");
        Ok(self.link("GET", url, BTreeMap::new(), ttl.min(DOWNLOAD_TTL)))
    }

    async fn store_text(&self, key: &str, json: &[u8]) -> Result<(), DocumentsError> {
        let keep = || {
            if !self.lock().objects.contains_key(key) {
                self.put(key, "application/json", None, json);
            }
        };
        match self.faults.next_call("documents.store_text") {
            CallOutcome::Succeeds => {
                keep();
                Ok(())
            }
            CallOutcome::Throttles => Err(DocumentsError::Throttled),
            CallOutcome::Fails => Err(DocumentsError::Unavailable),
            CallOutcome::LosesAnswer => {
                keep();
                Err(DocumentsError::Unavailable)
            }
        }
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        most: u16,
    ) -> Result<Vec<ListedObject>, DocumentsError> {
        match self.faults.next_call("documents.list") {
            CallOutcome::Succeeds => {}
            CallOutcome::Throttles => return Err(DocumentsError::Throttled),
            CallOutcome::Fails | CallOutcome::LosesAnswer => return Err(DocumentsError::Unavailable),
        }
        let state = self.lock();
        let below = state.objects.iter().filter(|(key, _)| key.starts_with(prefix));
        let wanted = below.filter(|(key, _)| after.is_none_or(|after| key.as_str() > after));
        let listed = wanted.filter_map(|(key, versions)| {
            let stored_at = Timestamp::from_second(versions.last()?.stored_at.as_second()).ok()?;
            Some(ListedObject { key: key.clone(), stored_at })
        });
        Ok(listed.take(usize::from(most)).collect())
    }

    async fn versions(&self, application: ApplicationId) -> Result<Vec<ObjectVersion>, DocumentsError> {
        match self.faults.next_call("documents.versions") {
            CallOutcome::Succeeds => {}
            CallOutcome::Throttles => return Err(DocumentsError::Throttled),
            CallOutcome::Fails | CallOutcome::LosesAnswer => return Err(DocumentsError::Unavailable),
        }
        let prefix = object_prefix(application);
        let state = self.lock();
        let below = state.objects.iter().filter(|(key, _)| key.starts_with(&prefix));
        let versions = below.flat_map(|(key, versions)| {
            versions.iter().map(|object| ObjectVersion { key: key.clone(), version: object.version.clone() })
        });
        Ok(versions.take(ERASED_AT_ONCE).collect())
    }

    async fn erase(&self, versions: &[ObjectVersion]) -> Result<(), DocumentsError> {
        let erase = || {
            let mut state = self.lock();
            for ObjectVersion { key, version } in versions {
                if let Some(objects) = state.objects.get_mut(key) {
                    objects.retain(|object| object.version != *version);
                }
            }
            state.objects.retain(|_, objects| !objects.is_empty());
        };
        match self.faults.next_call("documents.erase") {
            CallOutcome::Succeeds => {
                erase();
                Ok(())
            }
            CallOutcome::Throttles => Err(DocumentsError::Throttled),
            CallOutcome::Fails => Err(DocumentsError::Unavailable),
            CallOutcome::LosesAnswer => {
                erase();
                Err(DocumentsError::Unavailable)
            }
        }
    }

    async fn inspect(&self, key: &str, version: Option<&str>) -> Result<Option<Arrival>, DocumentsError> {
        match self.faults.next_call("documents.inspect") {
            CallOutcome::Succeeds => {}
            CallOutcome::Throttles => return Err(DocumentsError::Throttled),
            CallOutcome::Fails | CallOutcome::LosesAnswer => return Err(DocumentsError::Unavailable),
        }
        let state = self.lock();
        let Some(versions) = state.objects.get(key) else { return Ok(None) };
        let object = match version {
            Some(version) => versions.iter().find(|object| object.version == version),
            None => versions.last(),
        };
        Ok(object.map(|object| Arrival {
            version: object.version.clone(),
            size: object.bytes.len() as u64,
            sha256: Some(Checksum::from_bytes(Sha256::digest(&object.bytes).into()).to_string()),
            media_type: object.media_type.clone(),
            kind: object.kind,
            head: Head(object.bytes.iter().copied().take(HEAD_BYTES).collect()),
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;
    use crate::documents::{DocumentSize, MediaType};

    const BYTES: &[u8] = b"%PDF-1.7 a document";

    fn request() -> UploadRequest {
        UploadRequest {
            key: "applications/a/d1/0".into(),
            media_type: MediaType::Pdf,
            size: DocumentSize::new(19).unwrap(),
            sha256: Checksum::from_bytes(Sha256::digest(BYTES).into()),
            kind: DocumentKind::named("proof_of_work").unwrap(),
        }
    }

    #[tokio::test]
    async fn a_slot_accepts_the_signed_object_once() {
        let documents = FakeDocuments::new(Faults::default(), FakeClock::default());
        let slot = documents.upload_slot(&request()).await.unwrap();
        assert_eq!(documents.upload(&slot, b"%PDF-1.7 a dOcument"), None);
        assert_eq!(documents.upload(&slot, BYTES), Some("v1".into()));
        assert_eq!(documents.upload(&slot, BYTES), None);
        let arrival = documents.inspect(&request().key, None).await.unwrap().unwrap();
        assert_eq!((arrival.size, arrival.kind), (19, Some(DocumentKind::named("proof_of_work").unwrap())));
        assert_eq!(documents.inspect("applications/a/d2/0", None).await, Ok(None));
        let link = documents.download_url(&request().key, "v1", DOWNLOAD_TTL).await.unwrap();
        assert_eq!(documents.fetch(&link).as_deref(), Some(BYTES));
    }

    #[tokio::test]
    async fn links_expire() {
        let clock = FakeClock::default();
        let documents = FakeDocuments::new(Faults::default(), clock.clone());
        let slot = documents.upload_slot(&request()).await.unwrap();
        clock.advance(SignedDuration::from_mins(15));
        assert_eq!(documents.upload(&slot, BYTES), None);
    }

    #[tokio::test]
    async fn a_version_never_changes() {
        let documents = FakeDocuments::new(Faults::default(), FakeClock::default());
        documents.put("k", "image/png", None, b"one");
        documents.put("k", "image/png", None, b"three");
        let size = |arrival: Option<Arrival>| arrival.unwrap().size;
        assert_eq!(size(documents.inspect("k", Some("v1")).await.unwrap()), 3);
        assert_eq!(size(documents.inspect("k", None).await.unwrap()), 5);
    }
}
