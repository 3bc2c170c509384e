//! Documents: fetched and uploaded by a short link that a signed request is answered with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::{ApplicationId, DocumentId};
use domain::limits::DOCUMENT_BYTES;
use jiff::Timestamp;
use protocol::case::CaseDocument;
use protocol::report::{DOCUMENT_TYP, DocumentAction, DocumentRequest, Link};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use sha2::{Digest as _, Sha256};

use super::exchange::{Failed, body, sort};
use super::{HubClient, HubClientError};

/// A document that was fetched by its id. `Debug` shows nothing of its content.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its content.
    pub bytes: Vec<u8>,
    /// SHA-256 of the content, base64, to be compared with the one of the case.
    pub sha256: String,
    /// The media type that the store names; empty where it names none.
    pub media_type: String,
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetched").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl HubClient {
    /// Fetches a document of a case and checks that it is the one the signed case names: its size and its
    /// SHA-256. At most [`DOCUMENT_BYTES`].
    ///
    /// # Errors
    /// [`HubClientError::Mismatch`] where it is another; else as for a report.
    pub async fn fetch_document(
        &self,
        application: ApplicationId,
        document: &CaseDocument,
    ) -> Result<Vec<u8>, HubClientError> {
        if document.size > DOCUMENT_BYTES {
            return Err(HubClientError::Mismatch);
        }
        let Fetched { bytes, sha256, .. } = self.fetch(application, document.id, document.size).await?;
        let whole = u64::try_from(bytes.len()).is_ok_and(|length| length == document.size);
        if whole && sha256 == document.sha256 { Ok(bytes) } else { Err(HubClientError::Mismatch) }
    }

    /// Fetches a document by its id alone, for one who has not the signed case at hand. What came is whole, within
    /// [`DOCUMENT_BYTES`] and not empty; whether it is the document of the case shows only by comparing its SHA-256
    /// with the one that the case names.
    ///
    /// # Errors
    /// [`HubClientError::Mismatch`] where it is empty or over the bound; else as for a report.
    pub async fn fetch_by_id(
        &self,
        application: ApplicationId,
        document: DocumentId,
    ) -> Result<Fetched, HubClientError> {
        let fetched = self.fetch(application, document, DOCUMENT_BYTES).await?;
        if fetched.bytes.is_empty() { Err(HubClientError::Mismatch) } else { Ok(fetched) }
    }

    async fn fetch(
        &self,
        application: ApplicationId,
        document: DocumentId,
        most: u64,
    ) -> Result<Fetched, HubClientError> {
        let link = self.link(application, DocumentAction::Fetch { document }).await?;
        let mut tried = 0;
        loop {
            match self.download(&link, most).await {
                Ok(fetched) => return Ok(fetched),
                Err(failed) => self.again(&mut tried, failed).await?,
            }
        }
    }

    /// Uploads the issued certificate to the slot that the case names as `upload`. Doing it again with the same
    /// bytes changes nothing.
    ///
    /// # Errors
    /// [`HubClientError::Mismatch`] where the file is empty or over [`DOCUMENT_BYTES`]; else as for a report.
    pub async fn upload_document(
        &self,
        application: ApplicationId,
        slot: DocumentId,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), HubClientError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size == 0 || size > DOCUMENT_BYTES {
            return Err(HubClientError::Mismatch);
        }
        let action = DocumentAction::Upload {
            document: slot,
            media_type: media_type.to_owned(),
            size,
            sha256: STANDARD.encode(Sha256::digest(bytes)),
        };
        let link = self.link(application, action).await?;
        let mut tried = 0;
        loop {
            match self.upload(&link, bytes).await {
                Ok(()) => return Ok(()),
                Err(failed) => self.again(&mut tried, failed).await?,
            }
        }
    }

    async fn download(&self, link: &Link, most: u64) -> Result<Fetched, Failed> {
        let answer = sort(self.follow(link, None)?.send().await).await?;
        let header = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = header.unwrap_or_default().to_owned();
        let bytes = body(answer, most).await.map_err(|failed| match failed {
            Failed::Final(HubClientError::Answer) => Failed::Final(HubClientError::Mismatch),
            other => other,
        })?;
        Ok(Fetched { sha256: STANDARD.encode(Sha256::digest(&bytes)), bytes, media_type })
    }

    async fn upload(&self, link: &Link, bytes: &[u8]) -> Result<(), Failed> {
        let answer = self.follow(link, Some(bytes))?.send().await;
        // The link is for these bytes alone and never overwrites: 412 means an earlier try arrived.
        if matches!(&answer, Ok(answer) if answer.status() == StatusCode::PRECONDITION_FAILED) {
            return Ok(());
        }
        sort(answer).await.map(|_| ())
    }

    async fn link(&self, application: ApplicationId, action: DocumentAction) -> Result<Link, HubClientError> {
        let request = DocumentRequest {
            agency: self.agency.clone(),
            application,
            iat: Timestamp::now().as_second(),
            action,
        };
        self.ask("v1/agency/documents", DOCUMENT_TYP, &request).await
    }

    fn follow(&self, link: &Link, bytes: Option<&[u8]>) -> Result<reqwest::RequestBuilder, Failed> {
        link_request(&self.http, link, bytes).ok_or(Failed::Final(HubClientError::Answer))
    }
}

/// A request to a presigned link, with exactly the link's headers. Returns `None` when the link's method is not an HTTP
/// method.
#[must_use]
pub fn link_request(
    http: &reqwest::Client,
    link: &Link,
    bytes: Option<&[u8]>,
) -> Option<reqwest::RequestBuilder> {
    let mut request = http.request(Method::from_bytes(link.method.as_bytes()).ok()?, &link.url);
    for (name, value) in &link.headers {
        // The client writes these two itself, and writes them the same.
        if !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("content-length") {
            request = request.header(name, value);
        }
    }
    Some(match bytes {
        Some(bytes) => request.body(bytes.to_vec()),
        None => request,
    })
}
