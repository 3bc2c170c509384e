//! Filing: opens the application, uploads its papers, and reads what happens from the event feed.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context as Polled, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use domain::event::Provider;
use domain::ids::{ApplicationId, DocumentId};
use http_body::{Body as HttpBody, Frame, SizeHint};
use indicatif::ProgressBar;
use jiff::Timestamp;
use protocol::app::{ApplicationView, DocumentView, EventView, EventsPage};
use reqwest::Body;
use serde_json::Value;

use super::{Form, Paper};
use crate::app::App;
use crate::until::until;
use crate::walk::words;

/// How long the hub may take to look at the papers.
const LOOKED_AT: Duration = Duration::from_secs(60);
/// Between two looks at the event feed.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes sent at once: progress is shown by as many.
const PART: usize = 64 * 1024;

/// An application that the hub has taken.
pub struct Filing<'a> {
    app: &'a App,
    opened: ApplicationView,
    /// The version before papers were sent.
    before: u32,
    /// The version up to which the feed was read.
    after: u32,
}

/// A paper that the hub waits for, with the slot for it.
#[derive(Clone, Debug)]
pub struct Upload<'f> {
    /// The paper.
    pub paper: &'f Paper,
    /// The requirement that it answers.
    pub requirement: String,
    slot: DocumentView,
}

/// An application whose papers were looked at.
#[derive(Clone, Debug)]
pub struct Filed {
    /// The application as it is now.
    pub view: ApplicationView,
    /// Papers that were not taken: the requirement, and why.
    pub rejected: Vec<(String, String)>,
}

/// One event, in words.
#[derive(Clone, Debug)]
pub struct Happening {
    /// When it was recorded.
    pub at: Timestamp,
    /// The version after it.
    pub version: u32,
    /// What happened, in Chinese and English.
    pub what: String,
    /// Who did it.
    pub who: String,
}

impl<'a> Filing<'a> {
    /// Opens the application, or finds it again: the same key and form are the same application for ever.
    ///
    /// # Errors
    /// [`crate::app::Refused`] with every wrong field, or the hub does not answer.
    pub async fn open(app: &'a App, form: &Form, key: &str) -> Result<Filing<'a>> {
        let opened = app.post_under(key, "/v1/applications", &form.body).await?;
        Ok(Filing { app, opened, before: 0, after: 0 })
    }

    /// Which.
    #[must_use]
    pub fn id(&self) -> ApplicationId {
        self.opened.id
    }

    /// The papers that are not in yet.
    ///
    /// # Errors
    /// The hub does not answer.
    pub async fn uploads<'f>(&mut self, form: &'f Form) -> Result<Vec<Upload<'f>>> {
        let now = self.view().await?;
        self.before = now.version;
        let mut slots: Vec<&DocumentView> =
            self.opened.documents.iter().filter(|slot| slot.provider == Provider::App).collect();
        let mut uploads = Vec::new();
        for paper in &form.papers {
            // The hub gives a paper the first slot that takes its kind and is not given away; so does this.
            let found = slots.iter().position(|slot| slot.accepts.contains(&paper.kind));
            let slot = slots.remove(found.context("the hub opened no slot for a paper")?);
            if now.missing.contains(&slot.id) {
                uploads.push(Upload { paper, requirement: slot.requirement.clone(), slot: slot.clone() });
            }
        }
        Ok(uploads)
    }

    /// Sends a paper to its slot; the bar moves by bytes.
    ///
    /// # Errors
    /// The paper was changed meanwhile, or the store does not take it.
    pub async fn upload(&self, upload: &Upload<'_>, bar: ProgressBar) -> Result<()> {
        let paper = upload.paper;
        let bytes = tokio::fs::read(&paper.path).await;
        let bytes = bytes.with_context(|| format!("the paper {} cannot be read", paper.path.display()))?;
        let link = upload.slot.upload.as_ref().context("the hub gave no link for a paper")?;
        let body = Body::wrap(Sending { rest: Bytes::from(bytes), bar });
        self.app.follow(link, Some(body)).await?;
        Ok(())
    }

    /// Waits until the hub has looked at every paper that was sent.
    ///
    /// # Errors
    /// It has not within a minute.
    pub async fn settled(&self, sent: &[Upload<'_>]) -> Result<Filed> {
        // What was refused in an earlier attempt is not looked at again.
        let path = format!("/v1/applications/{}/events?limit=100&after={}", self.id(), self.before);
        let rejected = until("the hub to look at the papers", LOOKED_AT, async || {
            let page: EventsPage = self.app.get(&path).await?;
            let looked_at = |slot: DocumentId| {
                page.events.iter().filter(|event| named(event, slot)).map(fault).next_back()
            };
            let results: Option<Vec<Option<String>>> =
                sent.iter().map(|upload| looked_at(upload.slot.id)).collect();
            Ok(results)
        })
        .await?;
        let faults = sent.iter().zip(rejected);
        let rejected = faults.filter_map(|(upload, fault)| Some((upload.requirement.clone(), fault?)));
        Ok(Filed { rejected: rejected.collect(), view: self.view().await? })
    }

    /// What happened since this was asked last; waits until something has, or nothing more can.
    ///
    /// # Errors
    /// The hub does not answer.
    pub async fn news(&mut self) -> Result<(Vec<Happening>, bool)> {
        loop {
            let path = format!("/v1/applications/{}/events?after={}", self.id(), self.after);
            let page: EventsPage = self.app.get(&path).await?;
            let over = !page.more && self.view().await?.is_final && page.events.is_empty();
            if over || !page.events.is_empty() {
                self.after = page.after;
                return Ok((page.events.iter().map(Happening::from).collect(), over));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn view(&self) -> Result<ApplicationView> {
        self.app.get(&format!("/v1/applications/{}", self.id())).await
    }
}

impl From<&EventView> for Happening {
    fn from(event: &EventView) -> Happening {
        Happening {
            at: event.at,
            version: event.version,
            what: words::what(words::name(event)),
            who: words::who(&event.by),
        }
    }
}

/// Whether an event is about a document that came.
fn named(event: &EventView, document: DocumentId) -> bool {
    matches!(words::name(event), "document_stored" | "document_rejected")
        && event.data.get("document").and_then(Value::as_str) == Some(document.to_string().as_str())
}

/// Why a document was not taken, if it was not.
fn fault(event: &EventView) -> Option<String> {
    event.data.get("fault").and_then(Value::as_str).map(|fault| fault.replace('_', " "))
}

/// A body that moves a bar as it is sent.
struct Sending {
    rest: Bytes,
    bar: ProgressBar,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Polled<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let part = self.rest.len().min(PART);
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
