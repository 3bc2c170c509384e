//! Creates the application, uploads its documents, and reads its events from the feed.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context as Polled, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result};
use app_client::{AppClient, until};
use bytes::Bytes;
use domain::event::Provider;
use domain::ids::{ApplicationId, DocumentId};
use http_body::{Body as HttpBody, Frame, SizeHint};
use indicatif::ProgressBar;
use jiff::Timestamp;
use protocol::app::{ApplicationView, DocumentView, EventView, EventsPage};
use reqwest::Body;
use serde_json::Value;

use super::{DocumentFile, Form};
use crate::walk::words;

/// How long the hub may take to inspect the uploaded documents.
const INSPECTION: Duration = Duration::from_secs(60);
/// Pause between two reads of the event feed.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of one frame of an upload; the progress bar moves by as many.
const FRAME_BYTES: usize = 64 * 1024;

/// An application that the hub has accepted.
pub struct Submission<'a> {
    app: &'a AppClient,
    opened: ApplicationView,
    /// Version of the application before its documents were uploaded.
    before: u32,
    /// Version up to which the feed was read.
    after: u32,
}

/// A document that is not uploaded yet, with the slot it goes to.
#[derive(Clone, Debug)]
pub struct PendingUpload<'f> {
    /// File on disk.
    pub file: &'f DocumentFile,
    /// The requirement that the document meets.
    pub requirement: String,
    slot: DocumentView,
}

/// An application whose documents the hub has inspected.
#[derive(Clone, Debug)]
pub struct InspectedApplication {
    pub view: ApplicationView,
    /// Rejected documents: the requirement, and the reason.
    pub rejected: Vec<(String, String)>,
}

/// One event of the feed, in words.
#[derive(Clone, Debug)]
pub struct FeedEntry {
    /// Time at which the hub recorded the event.
    pub at: Timestamp,
    /// Version of the application after the event.
    pub version: u32,
    /// The event in Chinese and English.
    pub what: String,
    /// The party that caused the event.
    pub who: String,
}

impl<'a> Submission<'a> {
    /// Creates the application. The same key with the same form returns the same application again.
    ///
    /// # Errors
    /// [`app_client::AppClientError::Refused`] with every wrong field, or the hub does not answer.
    pub async fn open(app: &'a AppClient, form: &Form, key: &str) -> Result<Submission<'a>> {
        let opened = app.post_with_key(key, "/v1/applications", &form.body).await?;
        Ok(Submission { app, opened, before: 0, after: 0 })
    }

    #[must_use]
    pub fn id(&self) -> ApplicationId {
        self.opened.id
    }

    /// The documents that are not uploaded yet.
    ///
    /// # Errors
    /// The hub does not answer.
    pub async fn uploads<'f>(&mut self, form: &'f Form) -> Result<Vec<PendingUpload<'f>>> {
        let now = self.view().await?;
        self.before = now.version;
        let mut slots: Vec<&DocumentView> =
            self.opened.documents.iter().filter(|slot| slot.provider == Provider::App).collect();
        let mut uploads = Vec::new();
        for file in &form.documents {
            // Same rule as the hub's: each document takes the first free slot that accepts its kind.
            let found = slots.iter().position(|slot| slot.accepts.contains(&file.kind));
            let slot = slots.remove(found.context("the hub opened no slot for one of the documents")?);
            if now.missing.contains(&slot.id) {
                uploads.push(PendingUpload {
                    file,
                    requirement: slot.requirement.clone(),
                    slot: slot.clone(),
                });
            }
        }
        Ok(uploads)
    }

    /// Uploads a document to its slot; the bar moves by bytes.
    ///
    /// # Errors
    /// The file cannot be read or has changed, or the store refuses the upload.
    pub async fn upload(&self, upload: &PendingUpload<'_>, bar: ProgressBar) -> Result<()> {
        let path = &upload.file.path;
        let bytes = tokio::fs::read(path).await;
        let bytes = bytes.with_context(|| format!("the document {} cannot be read", path.display()))?;
        let link = upload.slot.upload.as_ref().context("the hub gave no upload link for a document")?;
        let bytes = Bytes::from(bytes);
        let body = || {
            // A try after a lost answer starts again.
            bar.set_position(0);
            Body::wrap(ProgressBody { rest: bytes.clone(), bar: bar.clone() })
        };
        self.app.upload_with(link, body).await?;
        Ok(())
    }

    /// Waits until the hub has inspected every uploaded document.
    ///
    /// # Errors
    /// The inspection takes more than a minute.
    pub async fn inspected(&self, uploaded: &[PendingUpload<'_>]) -> Result<InspectedApplication> {
        // Reads from the version before these uploads, so that a rejection of an earlier attempt does not count.
        let path = format!("/v1/applications/{}/events?limit=100&after={}", self.id(), self.before);
        let rejected = until("the hub to inspect the documents", INSPECTION, async || {
            let page: EventsPage = self.app.get(&path).await?;
            let result_of = |slot: DocumentId| {
                page.events.iter().filter(|event| is_result_for(event, slot)).map(fault).next_back()
            };
            let results: Option<Vec<Option<String>>> =
                uploaded.iter().map(|upload| result_of(upload.slot.id)).collect();
            anyhow::Ok(results)
        })
        .await?;
        let faults = uploaded.iter().zip(rejected);
        let rejected = faults.filter_map(|(upload, fault)| Some((upload.requirement.clone(), fault?)));
        Ok(InspectedApplication { rejected: rejected.collect(), view: self.view().await? })
    }

    /// The events since the last call, and whether the application is final. Waits for the next event.
    ///
    /// # Errors
    /// The hub does not answer.
    pub async fn next_events(&mut self) -> Result<(Vec<FeedEntry>, bool)> {
        loop {
            let path = format!("/v1/applications/{}/events?after={}", self.id(), self.after);
            let page: EventsPage = self.app.get(&path).await?;
            let over = !page.more && self.view().await?.is_final && page.events.is_empty();
            if over || !page.events.is_empty() {
                self.after = page.after;
                return Ok((page.events.iter().map(FeedEntry::from).collect(), over));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn view(&self) -> Result<ApplicationView> {
        Ok(self.app.application(self.id()).await?)
    }
}

impl From<&EventView> for FeedEntry {
    fn from(event: &EventView) -> FeedEntry {
        FeedEntry {
            at: event.at,
            version: event.version,
            what: words::what(words::name(event)),
            who: words::who(&event.by),
        }
    }
}

/// Whether an event holds the inspection result of this document.
fn is_result_for(event: &EventView, document: DocumentId) -> bool {
    matches!(words::name(event), "document_stored" | "document_rejected")
        && event.data.get("document").and_then(Value::as_str) == Some(document.to_string().as_str())
}

/// The reason of a rejection; `None` for an accepted document.
fn fault(event: &EventView) -> Option<String> {
    event.data.get("fault").and_then(Value::as_str).map(|fault| fault.replace('_', " "))
}

/// A body that moves a progress bar as it is sent.
struct ProgressBody {
    rest: Bytes,
    bar: ProgressBar,
}

impl HttpBody for ProgressBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Polled<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let part = self.rest.len().min(FRAME_BYTES);
        let part = self.rest.split_to(part);
        self.bar.inc(part.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
