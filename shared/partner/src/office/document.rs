//! Documents: fetched and uploaded by a short link that a signed request is answered with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::{ApplicationId, DocumentId};
use domain::limits::DOCUMENT_BYTES;
use jiff::Timestamp;
use protocol::case::CaseDocument;
use protocol::jose::sign;
use protocol::report::{DOCUMENT_TYP, DocumentAction, DocumentRequest, Link};
use reqwest::{Method, StatusCode};
use sha2::{Digest as _, Sha256};

use super::exchange::{Failed, body, sort};
use super::{Office, OfficeError};

impl Office {
    /// Fetches a document of a case and checks that it is the one the signed case names: its size and its
    /// SHA-256. At most [`DOCUMENT_BYTES`].
    ///
    /// # Errors
    /// [`OfficeError::Mismatch`] where it is another; else as for a report.
    pub async fn fetch_document(
        &self,
        application: ApplicationId,
        document: &CaseDocument,
    ) -> Result<Vec<u8>, OfficeError> {
        if document.size > DOCUMENT_BYTES {
            return Err(OfficeError::Mismatch);
        }
        let action = DocumentAction::Fetch { document: document.id };
        let link = self.link(application, action).await?;
        let mut tried = 0;
        let bytes = loop {
            match self.download(&link, document.size).await {
                Ok(bytes) => break bytes,
                Err(failed) => self.again(&mut tried, failed).await?,
            }
        };
        let whole = u64::try_from(bytes.len()).is_ok_and(|length| length == document.size);
        if whole && STANDARD.encode(Sha256::digest(&bytes)) == document.sha256 {
            Ok(bytes)
        } else {
            Err(OfficeError::Mismatch)
        }
    }

    /// Uploads the issued certificate to the slot that the case names as `upload`. Doing it again with the same
    /// bytes changes nothing.
    ///
    /// # Errors
    /// [`OfficeError::Mismatch`] where the file is empty or over [`DOCUMENT_BYTES`]; else as for a report.
    pub async fn upload_document(
        &self,
        application: ApplicationId,
        slot: DocumentId,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), OfficeError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if size == 0 || size > DOCUMENT_BYTES {
            return Err(OfficeError::Mismatch);
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

    async fn download(&self, link: &Link, size: u64) -> Result<Vec<u8>, Failed> {
        let answer = self.follow(link, None)?.send().await;
        body(sort(answer).await?, size).await.map_err(|failed| match failed {
            Failed::Final(OfficeError::Answer) => Failed::Final(OfficeError::Mismatch),
            other => other,
        })
    }

    async fn upload(&self, link: &Link, bytes: &[u8]) -> Result<(), Failed> {
        let answer = self.follow(link, Some(bytes))?.send().await;
        // The link is for these bytes alone and never overwrites: 412 means an earlier try arrived.
        if matches!(&answer, Ok(answer) if answer.status() == StatusCode::PRECONDITION_FAILED) {
            return Ok(());
        }
        sort(answer).await.map(|_| ())
    }

    async fn link(&self, application: ApplicationId, action: DocumentAction) -> Result<Link, OfficeError> {
        let request = DocumentRequest {
            agency: self.agency.clone(),
            application,
            iat: Timestamp::now().as_second(),
            action,
        };
        let jws = sign(DOCUMENT_TYP, &request, &self.key)?;
        let answer = self.post("v1/agency/documents", &jws).await?;
        serde_json::from_slice(&answer).map_err(|_| OfficeError::Answer)
    }

    /// A request along a link, with exactly its headers.
    fn follow(&self, link: &Link, bytes: Option<&[u8]>) -> Result<reqwest::RequestBuilder, Failed> {
        let method =
            Method::from_bytes(link.method.as_bytes()).map_err(|_| Failed::Final(OfficeError::Answer))?;
        let mut request = self.http.request(method, &link.url);
        for (name, value) in &link.headers {
            // The client writes these two itself, and writes them the same.
            if !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("content-length") {
                request = request.header(name, value);
            }
        }
        Ok(match bytes {
            Some(bytes) => request.body(bytes.to_vec()),
            None => request,
        })
    }
}
