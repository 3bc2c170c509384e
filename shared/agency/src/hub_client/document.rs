//! Documents: the hub answers a signed request with a presigned link, valid for minutes, to fetch from or upload to.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::{ApplicationId, DocumentId};
use domain::limits::DOCUMENT_BYTES;
use jiff::Timestamp;
use protocol::case::CaseDocument;
use protocol::report::{DOCUMENT_TYP, DocumentAction, DocumentRequest, Link};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode, Url};
use sha2::{Digest as _, Sha256};

use super::client::HubClient;
use crate::error::HubClientError;
use crate::exchange::{FailedTry, check_status, link_request, read_body};
use crate::network::Obstacle;

/// Bound on one look whether a host answers.
const REACH: Duration = Duration::from_secs(10);

/// A fetched document. `Debug` shows nothing of the content.
#[derive(Clone, PartialEq, Eq)]
pub struct FetchedDocument {
    /// The complete content.
    pub bytes: Vec<u8>,
    /// SHA-256 of the content in base64, to compare with the case's.
    pub sha256: String,
    /// The media type in the store's response; empty when the response has none.
    pub media_type: String,
}

impl std::fmt::Debug for FetchedDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchedDocument").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl HubClient {
    /// Fetches a document and compares its size and SHA-256 with the signed case. Reads at most [`DOCUMENT_BYTES`].
    ///
    /// # Errors
    /// [`HubClientError::DocumentMismatch`] when size or SHA-256 differ; any other error of a call to the hub.
    pub async fn fetch_document(
        &self,
        application: ApplicationId,
        document: &CaseDocument,
    ) -> Result<Vec<u8>, HubClientError> {
        if document.size > DOCUMENT_BYTES {
            return Err(HubClientError::DocumentMismatch);
        }
        let FetchedDocument { bytes, sha256, .. } =
            self.fetch(application, document.id, document.size).await?;
        let complete = u64::try_from(bytes.len()).is_ok_and(|length| length == document.size);
        if complete && sha256 == document.sha256 { Ok(bytes) } else { Err(HubClientError::DocumentMismatch) }
    }

    /// Fetches a document by its id, for a caller without the signed case. The content is complete, not empty and
    /// within [`DOCUMENT_BYTES`], but unverified: compare the SHA-256 with the case's before relying on the content.
    ///
    /// # Errors
    /// [`HubClientError::DocumentMismatch`] when the content is empty or too long; any other error of a call to the
    /// hub.
    pub async fn fetch_by_id(
        &self,
        application: ApplicationId,
        document: DocumentId,
    ) -> Result<FetchedDocument, HubClientError> {
        let fetched = self.fetch(application, document, DOCUMENT_BYTES).await?;
        if fetched.bytes.is_empty() { Err(HubClientError::DocumentMismatch) } else { Ok(fetched) }
    }

    async fn fetch(
        &self,
        application: ApplicationId,
        document: DocumentId,
        most: u64,
    ) -> Result<FetchedDocument, HubClientError> {
        let link = self.link(application, DocumentAction::Fetch { document }).await?;
        let mut tried = 0;
        loop {
            match self.download(&link, most).await {
                Ok(fetched) => return Ok(fetched),
                Err(failed) => self.pause_before_retry(&mut tried, failed).await?,
            }
        }
    }

    /// Uploads the issued certificate to the slot that the case names as `upload`. Uploading the same bytes again
    /// changes nothing.
    ///
    /// # Errors
    /// [`HubClientError::DocumentMismatch`] when the file is empty or over [`DOCUMENT_BYTES`]; any other error of a
    /// call to the hub.
    pub async fn upload_document(
        &self,
        application: ApplicationId,
        slot: DocumentId,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), HubClientError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size == 0 || size > DOCUMENT_BYTES {
            return Err(HubClientError::DocumentMismatch);
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
                Err(failed) => self.pause_before_retry(&mut tried, failed).await?,
            }
        }
    }

    /// Where the links of the hub lead: requests a link to a document and returns its address without path and
    /// signature. Fetches nothing.
    ///
    /// # Errors
    /// Any error of a call to the hub, such as [`HubClientError::NotFound`] when the case has no such document.
    pub async fn link_host(
        &self,
        application: ApplicationId,
        document: DocumentId,
    ) -> Result<Url, HubClientError> {
        let link = self.link(application, DocumentAction::Fetch { document }).await?;
        let mut url = Url::parse(&link.url).map_err(|_| HubClientError::InvalidResponse)?;
        url.set_path("/");
        url.set_query(None);
        Ok(url)
    }

    /// Whether any answer comes from a host of links, on the way that documents take.
    ///
    /// # Errors
    /// What stopped the request.
    pub async fn reach(&self, host: &Url) -> Result<(), Obstacle> {
        let answer = self.http.get(host.clone()).timeout(REACH).send().await;
        answer.map(drop).map_err(|error| Obstacle::of(&error))
    }

    async fn download(&self, link: &Link, most: u64) -> Result<FetchedDocument, FailedTry> {
        let response = check_status(self.follow(link, None)?.send().await).await?;
        let header = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = header.unwrap_or_default().to_owned();
        let bytes = read_body(response, most).await.map_err(|failed| match failed {
            FailedTry::Permanent(HubClientError::InvalidResponse) => {
                FailedTry::Permanent(HubClientError::DocumentMismatch)
            }
            other => other,
        })?;
        Ok(FetchedDocument { sha256: STANDARD.encode(Sha256::digest(&bytes)), bytes, media_type })
    }

    async fn upload(&self, link: &Link, bytes: &[u8]) -> Result<(), FailedTry> {
        let response = self.follow(link, Some(bytes))?.send().await;
        // The link accepts these bytes only and never overwrites: 412 means that an earlier try succeeded, 409 that an
        // earlier try is still in progress.
        match response.as_ref().map(Response::status) {
            Ok(StatusCode::PRECONDITION_FAILED) => Ok(()),
            Ok(StatusCode::CONFLICT) => Err(FailedTry::Retryable(None)),
            _ => check_status(response).await.map(|_| ()),
        }
    }

    async fn link(&self, application: ApplicationId, action: DocumentAction) -> Result<Link, HubClientError> {
        let request = DocumentRequest {
            agency: self.agency.clone(),
            application,
            iat: Timestamp::now().as_second(),
            action,
        };
        self.post_signed("v1/agency/documents", DOCUMENT_TYP, &request).await
    }

    fn follow(&self, link: &Link, bytes: Option<&[u8]>) -> Result<reqwest::RequestBuilder, FailedTry> {
        link_request(&self.http, link, bytes).ok_or(FailedTry::Permanent(HubClientError::InvalidResponse))
    }
}
