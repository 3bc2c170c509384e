//! Documents in S3.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, ResponseChecksumValidation};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::types::{ChecksumMode, ServerSideEncryption};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::application::object_prefix;
use domain::catalogue::DocumentKind;
use domain::ids::ApplicationId;
use jiff::Timestamp;
use protocol::report::Link;
use sha2::{Digest as _, Sha256};

use super::{
    Arrival, DOWNLOAD_TTL, Documents, DocumentsError, ERASED_AT_ONCE, HEAD_BYTES, Head, ListedObject,
    ObjectVersion, UPLOAD_TTL, UploadRequest,
};
use crate::failure::Failure;

/// Documents in a versioned S3 bucket. Clones share the client.
#[derive(Clone, Debug)]
pub struct AwsDocuments {
    client: Client,
    bucket: String,
    key_id: String,
}

impl AwsDocuments {
    /// Uses this bucket, and the KMS key with this ARN. Makes no call.
    #[must_use]
    pub fn new(client: Client, bucket: String, key_id: String) -> Self {
        AwsDocuments { client, bucket, key_id }
    }

    /// The first bytes of an object and its metadata.
    async fn beginning(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<GetObjectOutput, SdkError<GetObjectError>> {
        self.client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version.map(str::to_owned))
            .range(format!("bytes=0-{}", HEAD_BYTES - 1))
            .customize()
            // The request asks S3 for the checksum of the complete object; the SDK would compare it with the range.
            .config_override(
                Builder::new().response_checksum_validation(ResponseChecksumValidation::WhenRequired),
            )
            .mutate_request(|request| {
                request.headers_mut().insert("x-amz-checksum-mode", "ENABLED");
            })
            .send()
            .await
    }

    /// The metadata of an object without its first bytes: for an empty object, which has no range, and for the
    /// checksum, which S3 may leave out of a ranged answer.
    async fn metadata_of(&self, key: &str, version: Option<&str>) -> Result<Option<Arrival>, DocumentsError> {
        let answer = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version.map(str::to_owned))
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return absent("S3.HeadObject", &error),
        };
        Ok(Some(Arrival {
            version: answer.version_id().unwrap_or_default().to_owned(),
            size: answer.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
            sha256: answer.checksum_sha256().map(str::to_owned),
            media_type: answer.content_type().unwrap_or_default().to_owned(),
            kind: answer.metadata().and_then(|metadata| DocumentKind::named(metadata.get("kind")?)),
            head: Head(Vec::new()),
        }))
    }
}

impl Documents for AwsDocuments {
    async fn upload_slot(&self, request: &UploadRequest) -> Result<Link, DocumentsError> {
        let length = i64::try_from(request.size.bytes()).map_err(|_| DocumentsError::Denied)?;
        let signed = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(&request.key)
            .content_length(length)
            .content_type(request.media_type.name())
            .checksum_sha256(request.sha256.to_string())
            .if_none_match("*")
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .ssekms_key_id(&self.key_id)
            .metadata("kind", request.kind.name())
            .presigned(expiry(UPLOAD_TTL)?)
            .await
            .map_err(|error| documents_error("S3.PutObject", &error))?;
        Ok(link(&signed, UPLOAD_TTL))
    }

    async fn download_url(&self, key: &str, version: &str, ttl: Duration) -> Result<Link, DocumentsError> {
        let ttl = ttl.min(DOWNLOAD_TTL);
        let signed = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .version_id(version)
            // Browsers must save the document, never render it as a page.
            .response_content_disposition("attachment")
            .presigned(expiry(ttl)?)
            .await
            .map_err(|error| documents_error("S3.GetObject", &error))?;
        Ok(link(&signed, ttl))
    }

    async fn store_text(&self, key: &str, json: &[u8]) -> Result<(), DocumentsError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type("application/json")
            // S3 refuses a PUT without a checksum into a bucket whose objects are locked by default.
            .checksum_sha256(STANDARD.encode(Sha256::digest(json)))
            .if_none_match("*")
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .ssekms_key_id(&self.key_id)
            .body(json.to_vec().into())
            .send()
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(error) if error.raw_response().is_some_and(|raw| raw.status().as_u16() == 412) => Ok(()),
            Err(error) => Err(documents_error("S3.PutObject", &error)),
        }
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        most: u16,
    ) -> Result<Vec<ListedObject>, DocumentsError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_start_after(after.map(str::to_owned))
            .max_keys(i32::from(most))
            .send()
            .await
            .map_err(|error| documents_error("S3.ListObjectsV2", &error))?;
        let listed = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
            let stored_at = Timestamp::from_second(object.last_modified?.secs()).ok()?;
            Some(ListedObject { key: object.key?, stored_at })
        });
        Ok(listed.collect())
    }

    async fn versions(&self, application: ApplicationId) -> Result<Vec<ObjectVersion>, DocumentsError> {
        let page = self
            .client
            .list_object_versions()
            .bucket(&self.bucket)
            .prefix(object_prefix(application))
            .max_keys(i32::try_from(ERASED_AT_ONCE).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| documents_error("S3.ListObjectVersions", &error))?;
        let objects = page.versions.unwrap_or_default().into_iter().map(|one| (one.key, one.version_id));
        let markers =
            page.delete_markers.unwrap_or_default().into_iter().map(|one| (one.key, one.version_id));
        let found = objects.chain(markers);
        Ok(found.filter_map(|(key, version)| Some(ObjectVersion { key: key?, version: version? })).collect())
    }

    async fn erase(&self, versions: &[ObjectVersion]) -> Result<(), DocumentsError> {
        // One call a version: for a batch, the local AWS asks for the right to delete without a version, which no role
        // has.
        for ObjectVersion { key, version } in versions {
            self.client
                .delete_object()
                .bucket(&self.bucket)
                .key(key)
                .version_id(version)
                .bypass_governance_retention(true)
                .send()
                .await
                .map_err(|error| documents_error("S3.DeleteObject", &error))?;
        }
        Ok(())
    }

    async fn inspect(&self, key: &str, version: Option<&str>) -> Result<Option<Arrival>, DocumentsError> {
        let answer = match self.beginning(key, version).await {
            Ok(answer) => answer,
            Err(error) if is_empty_object(&error) => return self.metadata_of(key, version).await,
            Err(error) => return absent("S3.GetObject", &error),
        };
        let Some(total) = total(&answer) else { return Err(DocumentsError::Unavailable) };
        let found = Arrival {
            version: answer.version_id().unwrap_or_default().to_owned(),
            size: total,
            sha256: answer.checksum_sha256().map(str::to_owned),
            media_type: answer.content_type().unwrap_or_default().to_owned(),
            kind: answer.metadata().and_then(|metadata| DocumentKind::named(metadata.get("kind")?)),
            head: Head(Vec::new()),
        };
        let mut head = answer.body.collect().await.map_err(|_| DocumentsError::Unavailable)?.to_vec();
        head.truncate(HEAD_BYTES);
        let sha256 = match found.sha256 {
            Some(sha256) => Some(sha256),
            None => self.metadata_of(key, Some(&found.version)).await?.and_then(|object| object.sha256),
        };
        Ok(Some(Arrival { head: Head(head), sha256, ..found }))
    }
}

/// Size of the complete object: the number after the slash of `Content-Range`, or the length of an answer without a
/// range.
fn total(answer: &GetObjectOutput) -> Option<u64> {
    match answer.content_range() {
        Some(range) => range.rsplit_once('/')?.1.parse().ok(),
        None => u64::try_from(answer.content_length()?).ok(),
    }
}

/// An empty object has no valid range, so S3 answers 416.
fn is_empty_object(error: &SdkError<GetObjectError>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("InvalidRange")
        || error.raw_response().is_some_and(|raw| raw.status().as_u16() == 416)
}

/// `None` for a missing object. Only a 404 that is not `NoSuchBucket` means a missing object: to take a missing bucket
/// or a 403 of the bucket policy for a missing object would hide a mistake in the deployment.
fn absent<E: ProvideErrorMetadata>(
    operation: &'static str,
    error: &SdkError<E>,
) -> Result<Option<Arrival>, DocumentsError> {
    let status = error.raw_response().map(|raw| raw.status().as_u16());
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    match (status, code) {
        (Some(404), code) if code != Some("NoSuchBucket") => Ok(None),
        _ => Err(documents_error(operation, error)),
    }
}

fn documents_error<E: ProvideErrorMetadata>(operation: &'static str, error: &SdkError<E>) -> DocumentsError {
    // The answer to a HEAD request has no body, so it has no error code.
    if error.raw_response().is_some_and(|raw| raw.status().as_u16() == 403) {
        Failure::Denied.log(operation, "403");
        return DocumentsError::Denied;
    }
    match Failure::of(operation, error) {
        Failure::Throttled => DocumentsError::Throttled,
        Failure::Denied => DocumentsError::Denied,
        Failure::NotFound | Failure::Unavailable | Failure::Refused => DocumentsError::Unavailable,
    }
}

fn expiry(ttl: Duration) -> Result<PresigningConfig, DocumentsError> {
    PresigningConfig::expires_in(ttl).map_err(|_| DocumentsError::Denied)
}

fn link(signed: &PresignedRequest, ttl: Duration) -> Link {
    let headers: BTreeMap<String, String> = signed
        .headers()
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        // Every HTTP client writes these two itself, and some refuse to be given them. S3 checks the signed length
        // anyway.
        .filter(|(name, _)| !matches!(name.as_str(), "content-length" | "host"))
        .collect();
    Link {
        url: signed.uri().to_owned(),
        method: signed.method().to_owned(),
        headers,
        expires_at: Timestamp::now().saturating_add(ttl).unwrap_or(Timestamp::MAX),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use aws_sdk_dynamodb::config::Credentials;

    use super::*;
    use crate::aws::{Access, Aws};
    use crate::stub_aws::StubAws;

    /// Answers a PUT as S3 does in a bucket with a default retention: 400 without a checksum of the body.
    fn strict_s3() -> StubAws {
        StubAws::start(|request| {
            let checked = request.header("x-amz-checksum-sha256").or(request.header("content-md5")).is_some();
            (if checked { 200 } else { 400 }, String::new())
        })
    }

    #[tokio::test]
    async fn a16_a_link_lists_no_header_that_http_clients_write_themselves() {
        let access = Access {
            region: "cn-north-1".to_owned(),
            credentials: Credentials::new("id", "secret", None, None, "test"),
            endpoint: Some("http://127.0.0.1:1".to_owned()),
        };
        let documents = AwsDocuments::new(Aws::new(access).s3(), "b".to_owned(), "k".to_owned());
        let request = UploadRequest {
            key: "applications/a/d1/0".into(),
            media_type: crate::documents::MediaType::Pdf,
            size: crate::documents::DocumentSize::new(16).unwrap(),
            sha256: crate::documents::Checksum::from_bytes(Sha256::digest(b"x").into()),
            kind: DocumentKind::named("proof_of_work").unwrap(),
        };
        let slot = documents.upload_slot(&request).await.unwrap();
        assert!(slot.url.to_lowercase().contains("content-length"), "the length is signed: {}", slot.url);
        let read = documents.download_url("applications/a/d1/0", "v", DOWNLOAD_TTL).await.unwrap();
        for link in [slot, read] {
            let own = ["host", "content-length"].map(|name| link.headers.contains_key(name));
            assert_eq!(own, [false, false], "{:?}", link.headers);
        }
    }

    #[tokio::test]
    async fn o1_evidence_is_stored_in_a_bucket_whose_objects_are_locked_by_default() {
        let s3 = strict_s3();
        let documents = AwsDocuments::new(s3.aws().s3(), "b".to_owned(), "k".to_owned());
        documents.store_text("evidence/11/2026-03-02/a.json", b"{}").await.unwrap();
        let sum = STANDARD.encode(Sha256::digest(b"{}")).to_lowercase();
        assert_eq!(s3.requests()[0].header("x-amz-checksum-sha256"), Some(sum.as_str()));
    }
}
