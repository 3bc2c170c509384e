//! The contract suite of the documents.

use std::future::Future;
use std::time::Duration;

use domain::application::object_key;
use domain::catalogue::DocumentKind;
use domain::ids::{ApplicationId, DocumentId};
use jiff::SignedDuration;
use protocol::report::Link;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::documents::{
    Arrival, Checksum, DOWNLOAD_TTL, DocumentSize, Documents, HEAD_BYTES, Head, MediaType, ObjectVersion,
    UploadRequest, verify,
};

/// A client that follows the hub's links, and an operator with direct access to the bucket.
pub trait LinkClient: Sync {
    /// Uploads bytes through a link with the link's headers; the length is that of the bytes. Returns whether the
    /// upload was accepted.
    fn put(&self, link: &Link, bytes: &[u8]) -> impl Future<Output = bool> + Send;

    /// Downloads the bytes of a link; `None` when the link is refused or the object is missing.
    fn get(&self, link: &Link) -> impl Future<Output = Option<Vec<u8>>> + Send;

    /// Stores a new version of an object without a link, with a checksum and no kind. Returns the version id.
    fn store(&self, key: &str, media_type: &str, bytes: &[u8]) -> impl Future<Output = String> + Send;
}

/// Runs the suite. Keys are new in each run, so the bucket may be shared.
///
/// # Panics
/// When the documents break the contract.
pub async fn documents_contract(documents: &impl Documents, links: &impl LinkClient) {
    a_slot_takes_exactly_what_was_signed(documents, links).await;
    a_slot_takes_one_object(documents, links).await;
    inspect_describes_the_object(documents, links).await;
    inspect_finds_no_absent_object(documents, links).await;
    inspect_finds_an_empty_object(documents, links).await;
    a_version_never_changes(documents, links).await;
    a_link_to_read_is_for_one_version(documents, links).await;
    a_stored_text_is_never_replaced(documents).await;
    a_list_is_in_order_and_bounded(documents).await;
    erased_versions_are_gone_and_others_stay(documents, links).await;
}

async fn a_list_is_in_order_and_bounded(documents: &impl Documents) {
    let folder = format!("evidence/contract-{}/", Uuid::new_v4());
    let other = format!("{}x/1", folder.trim_end_matches('/'));
    for key in [format!("{folder}2"), format!("{folder}1"), format!("{folder}3/4"), other] {
        documents.store_text(&key, b"{}").await.expect("the text is stored");
    }
    let listed = async |after: Option<&str>, most| {
        let listed = documents.list(&folder, after, most).await.expect("a list");
        assert!(listed.iter().all(|object| object.stored_at > jiff::Timestamp::UNIX_EPOCH));
        let keys = listed.into_iter().map(|object| object.key.replace(&folder, ""));
        keys.collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 10).await, ["1", "2", "3/4"]);
    assert_eq!(listed(None, 2).await, ["1", "2"]);
    assert_eq!(listed(Some(&format!("{folder}1")), 10).await, ["2", "3/4"]);
    assert!(listed(Some(&format!("{folder}3/4")), 10).await.is_empty());
}

async fn erased_versions_are_gone_and_others_stay(documents: &impl Documents, links: &impl LinkClient) {
    let fresh = || ApplicationId::from_bytes16(*Uuid::new_v4().as_bytes());
    let (application, other) = (fresh(), fresh());
    let document = DocumentId::numbered(1).expect("an id");
    let key = |application, round| object_key(application, document, round);
    let first = links.store(&key(application, 0), "application/pdf", b"%PDF-1.4 one").await;
    let second = links.store(&key(application, 0), "application/pdf", b"%PDF-1.4 two").await;
    let third = links.store(&key(application, 1), "application/pdf", b"%PDF-1.4 three").await;
    let stays = links.store(&key(other, 0), "application/pdf", b"%PDF-1.4 four").await;
    let version = |key: String, version: &String| ObjectVersion { key, version: version.clone() };
    let all = |mut found: Vec<ObjectVersion>| {
        found.sort();
        found
    };
    let expected = vec![
        version(key(application, 0), &first),
        version(key(application, 0), &second),
        version(key(application, 1), &third),
    ];
    assert_eq!(all(documents.versions(application).await.expect("versions")), all(expected.clone()));
    documents.erase(&expected[..1]).await.expect("an erased version");
    assert_eq!(inspect(documents, &key(application, 0), Some(&first)).await, None);
    assert!(inspect(documents, &key(application, 0), Some(&second)).await.is_some());
    for _ in 0..2 {
        documents.erase(&expected).await.expect("a version that is gone is no error");
        assert_eq!(documents.versions(application).await, Ok(Vec::new()));
    }
    documents.erase(&[]).await.expect("nothing to erase");
    assert!(inspect(documents, &key(other, 0), Some(&stays)).await.is_some(), "another application's file");
    let link = link(documents, &key(application, 1), &third, DOWNLOAD_TTL).await;
    assert_eq!(links.get(&link).await, None, "a link to read ends with the file");
}

async fn a_stored_text_is_never_replaced(documents: &impl Documents) {
    let key = format!("evidence/11/{}.json", Uuid::new_v4());
    documents.store_text(&key, b"{\"first\":1}").await.expect("the text is stored");
    let first = inspect(documents, &key, None).await.expect("the stored text");
    documents.store_text(&key, b"{\"another\":2}").await.expect("a second write is no error");
    assert_eq!(inspect(documents, &key, None).await, Some(first), "the first text stays");
}

/// A PDF that is longer than [`HEAD_BYTES`].
fn long_pdf() -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    bytes.extend((0..3 * HEAD_BYTES).map(|at| u8::try_from(at % 251).unwrap_or_default()));
    bytes
}

/// A key that no other test or run uses.
fn fresh_key() -> String {
    format!("applications/{}/d1/0", Uuid::new_v4())
}

fn sha256(bytes: &[u8]) -> Checksum {
    Checksum::from_bytes(Sha256::digest(bytes).into())
}

fn request(key: &str, bytes: &[u8]) -> UploadRequest {
    UploadRequest {
        key: key.to_owned(),
        media_type: MediaType::Pdf,
        size: DocumentSize::new(bytes.len() as u64).expect("a size"),
        sha256: sha256(bytes),
        kind: DocumentKind::named("proof_of_work").expect("the catalogue has it"),
    }
}

async fn slot(documents: &impl Documents, key: &str, bytes: &[u8]) -> Link {
    documents.upload_slot(&request(key, bytes)).await.expect("a slot")
}

async fn inspect(documents: &impl Documents, key: &str, version: Option<&str>) -> Option<Arrival> {
    documents.inspect(key, version).await.expect("an answer to inspect")
}

async fn link(documents: &impl Documents, key: &str, version: &str, ttl: Duration) -> Link {
    documents.download_url(key, version, ttl).await.expect("a link")
}

async fn a_slot_takes_exactly_what_was_signed(documents: &impl Documents, links: &impl LinkClient) {
    let (key, bytes) = (fresh_key(), long_pdf());
    let slot = slot(documents, &key, &bytes).await;
    assert_eq!(slot.method, "PUT");
    let mut changed = bytes.clone();
    changed[700] ^= 1;
    let longer = [&bytes[..], b"\n"].concat();
    for other in [&changed[..], &longer, &bytes[..bytes.len() - 1], b""] {
        assert!(!links.put(&slot, other).await, "an upload of {} other bytes", other.len());
    }
    for (name, other) in [
        ("content-type", "text/html"),
        ("if-none-match", "\"0\""),
        ("x-amz-checksum-sha256", &sha256(&changed).to_string()),
        ("x-amz-meta-kind", "proof_of_study"),
    ] {
        let mut altered = slot.clone();
        assert_ne!(altered.headers.insert(name.to_owned(), other.to_owned()), None, "{name} is signed");
        for bytes in [&bytes, &changed] {
            assert!(!links.put(&altered, bytes).await, "an upload with another {name}");
        }
        altered.headers.remove(name);
        assert!(!links.put(&altered, &bytes).await, "an upload without {name}");
    }
    let elsewhere = Link { url: slot.url.replace("/d1/", "/d2/"), ..slot.clone() };
    assert!(!links.put(&elsewhere, &bytes).await, "another key");
    assert_eq!(inspect(documents, &key, None).await, None, "no refused upload is stored");
    assert!(links.put(&slot, &bytes).await, "a refused upload does not close the slot");
}

async fn a_slot_takes_one_object(documents: &impl Documents, links: &impl LinkClient) {
    let (key, bytes) = (fresh_key(), long_pdf());
    let first = slot(documents, &key, &bytes).await;
    assert!(links.put(&first, &bytes).await);
    let arrival = inspect(documents, &key, None).await;
    assert!(!links.put(&first, &bytes).await, "a second upload through the same link");
    let other = b"%PDF-1.4 another document";
    let second = slot(documents, &key, other).await;
    assert!(!links.put(&second, other).await, "a second upload through another slot");
    assert!(arrival.is_some());
    assert_eq!(inspect(documents, &key, None).await, arrival);
}

async fn inspect_describes_the_object(documents: &impl Documents, links: &impl LinkClient) {
    for bytes in [long_pdf(), long_pdf()[..HEAD_BYTES].to_vec(), b"%PDF-1.4".to_vec()] {
        let key = fresh_key();
        assert!(links.put(&slot(documents, &key, &bytes).await, &bytes).await);
        let arrival = inspect(documents, &key, None).await.expect("an arrival");
        let expected = Arrival {
            version: arrival.version.clone(),
            size: bytes.len() as u64,
            sha256: Some(sha256(&bytes).to_string()),
            media_type: "application/pdf".to_owned(),
            kind: Some(DocumentKind::named("proof_of_work").expect("the catalogue has it")),
            head: Head(bytes.iter().copied().take(HEAD_BYTES).collect()),
        };
        assert_eq!(arrival, expected);
        assert!(!arrival.version.is_empty(), "a version to pin");
        assert_eq!(inspect(documents, &key, Some(&arrival.version)).await.as_ref(), Some(&arrival));
        assert!(
            verify(&arrival, &[DocumentKind::named("proof_of_work").expect("the catalogue has it")]).is_ok()
        );
    }
}

async fn inspect_finds_no_absent_object(documents: &impl Documents, links: &impl LinkClient) {
    let (key, other) = (fresh_key(), fresh_key());
    assert_eq!(inspect(documents, &key, None).await, None);
    links.store(&other, "application/pdf", b"%PDF-1.4 one").await;
    let version = links.store(&other, "application/pdf", b"%PDF-1.4 two").await;
    assert_eq!(inspect(documents, &key, Some(&version)).await, None);
    links.store(&key, "application/pdf", b"%PDF-1.4 here").await;
    assert_eq!(inspect(documents, &key, Some(&version)).await, None, "a version of another object");
    let nowhere = link(documents, &key, &version, DOWNLOAD_TTL).await;
    assert_eq!(links.get(&nowhere).await, None);
}

async fn inspect_finds_an_empty_object(documents: &impl Documents, links: &impl LinkClient) {
    let key = fresh_key();
    let version = links.store(&key, "application/pdf", b"").await;
    let empty = Arrival {
        version: version.clone(),
        size: 0,
        sha256: Some(sha256(b"").to_string()),
        media_type: "application/pdf".to_owned(),
        kind: None,
        head: Head(Vec::new()),
    };
    assert_eq!(inspect(documents, &key, None).await.as_ref(), Some(&empty));
    assert_eq!(inspect(documents, &key, Some(&version)).await, Some(empty));
}

async fn a_version_never_changes(documents: &impl Documents, links: &impl LinkClient) {
    let (key, bytes) = (fresh_key(), long_pdf());
    assert!(links.put(&slot(documents, &key, &bytes).await, &bytes).await);
    let pinned = inspect(documents, &key, None).await.expect("an arrival");
    let later = links.store(&key, "image/png", b"something else").await;
    let newest = inspect(documents, &key, None).await.expect("an arrival");
    assert_eq!((newest.version, newest.size, newest.kind), (later.clone(), 14, None));
    assert_eq!(newest.media_type, "image/png");
    assert_eq!(inspect(documents, &key, Some(&pinned.version)).await.as_ref(), Some(&pinned));
    for (version, content) in [(&pinned.version, &bytes[..]), (&later, b"something else")] {
        let link = link(documents, &key, version, DOWNLOAD_TTL).await;
        assert_eq!(links.get(&link).await.as_deref(), Some(content));
    }
}

async fn a_link_to_read_is_for_one_version(documents: &impl Documents, links: &impl LinkClient) {
    let (key, minute) = (fresh_key(), Duration::from_secs(60));
    let secret = links.store(&key, "application/pdf", b"%PDF-1.4 one").await;
    let given = links.store(&key, "application/pdf", b"%PDF-1.4 two").await;
    let good = link(documents, &key, &given, minute).await;
    assert_eq!((good.method.as_str(), good.headers.get("x-amz-checksum-sha256")), ("GET", None));
    assert_eq!(links.get(&good).await.as_deref(), Some(&b"%PDF-1.4 two"[..]));
    let sibling = key.replace("/d1/", "/d2/");
    links.store(&sibling, "application/pdf", b"%PDF-1.4 three").await;
    for (here, there) in [(given.as_str(), secret.as_str()), ("/d1/", "/d2/")] {
        let altered = Link { url: good.url.replace(here, there), ..good.clone() };
        assert_ne!(altered, good);
        assert_eq!(links.get(&altered).await, None, "the signature is for one version of one object");
    }
    let longest = link(documents, &key, &given, DOWNLOAD_TTL).await;
    let longer = link(documents, &key, &given, 4 * DOWNLOAD_TTL).await;
    let beyond = longer.expires_at.duration_since(longest.expires_at);
    assert!(beyond < SignedDuration::from_mins(1), "no link lives longer than {DOWNLOAD_TTL:?}");
    assert!(good.expires_at < longest.expires_at);
}
