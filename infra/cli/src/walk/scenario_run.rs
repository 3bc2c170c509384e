//! Runs one application from its request to its end, on the side of the app backend.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use app_client::{AppClient, CallbackLog, until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::{ApplicationId, DocumentId};
use jiff::SignedDuration;
use protocol::app::{ActorView, ApplicationView, EventView, EventsPage};
use protocol::report::Link;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::agencies::WorkingAgencies;
use super::scenario::Scenario;
use super::timeline::{Timeline, TimelineEntry};
use super::words;

/// How long the hub and an agency may take from one event to the next, and to send a callback.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);

/// The parties of the walk.
pub(crate) struct WalkContext<'w> {
    pub(crate) app: &'w AppClient,
    pub(crate) agencies: &'w WorkingAgencies,
    /// Callbacks that the app backend received.
    pub(crate) callbacks: &'w CallbackLog,
    pub(crate) timeline: &'w Timeline,
}

/// An application in a final stage.
#[derive(Debug)]
pub(crate) struct FinishedApplication {
    pub(crate) id: ApplicationId,
    pub(crate) version: u32,
    /// The hash of its record, from the event feed.
    pub(crate) hash: String,
}

/// Opens an application and follows it to its end.
///
/// # Errors
/// An event differs from the scenario, or the next event takes longer than [`STEP_TIMEOUT`].
pub(crate) async fn run_scenario(
    context: &WalkContext<'_>,
    scenario: &Scenario,
) -> Result<FinishedApplication> {
    let name = || format!("application {} ({})", scenario.number, scenario.short.en);
    ScenarioRun::begin(context, scenario).await.with_context(name)?.run().await.with_context(name)
}

struct ScenarioRun<'w> {
    context: &'w WalkContext<'w>,
    scenario: &'w Scenario,
    opened: ApplicationView,
    expected: Vec<&'static str>,
    /// Version of the application up to which the events are checked.
    version: usize,
    /// The issued certificate.
    issued: Option<DocumentId>,
}

impl<'w> ScenarioRun<'w> {
    async fn begin(context: &'w WalkContext<'w>, scenario: &'w Scenario) -> Result<ScenarioRun<'w>> {
        let opened = context.app.post("/v1/applications", &scenario.request()).await?;
        Ok(ScenarioRun { context, scenario, opened, expected: scenario.events(), version: 0, issued: None })
    }

    async fn run(mut self) -> Result<FinishedApplication> {
        let end = self.expected.len();
        loop {
            let page = self.next_page().await?;
            for event in &page.events {
                self.check_event(event).await?;
            }
            if self.version == 1 {
                self.upload_documents().await?;
            }
            if self.version == end - 1 {
                if let Some(document) = self.issued {
                    self.download_certificate(document).await?;
                }
                self.confirm().await?;
            }
            if self.version >= end {
                let version = u32::try_from(self.version).context("too many events")?;
                return Ok(FinishedApplication { id: self.opened.id, version, hash: page.hash });
            }
        }
    }

    /// Waits for the events after the checked version.
    async fn next_page(&self) -> Result<EventsPage> {
        let next = self.expected.get(self.version).copied().unwrap_or("nothing more");
        let path = format!("/v1/applications/{}/events?after={}", self.opened.id, self.version);
        until(&format!("{next:?}"), STEP_TIMEOUT, async || {
            let page: EventsPage = self.context.app.get(&path).await?;
            anyhow::Ok((!page.events.is_empty()).then_some(page))
        })
        .await
    }

    /// Checks an event, waits for its callback, and shows it.
    async fn check_event(&mut self, event: &EventView) -> Result<()> {
        let name = words::name(event);
        let timeline = self.context.timeline;
        match self.expected.get(self.version) {
            Some(expected) if *expected == name => {}
            Some(expected) => {
                let how = words::how(event, self.scenario, 0);
                bail!("expected the event {expected:?}, got {name:?}; {how}");
            }
            None => bail!("the event {name:?} follows the final event"),
        }
        self.version += 1;
        ensure!(
            usize::try_from(event.version) == Ok(self.version),
            "the event feed lacks version {}",
            self.version
        );
        timeline.at(self.scenario, event.version, &words::what(name));
        let callback = if words::calls_back(name) { Some(self.callback(event).await?) } else { None };
        if name == "issued" {
            let document = event.data.get("document").and_then(Value::as_str).unwrap_or_default();
            self.issued = Some(document.parse().context("the certificate has no document")?);
        }
        let fetched = match &event.by {
            ActorView::Agency(agency) => self.context.agencies.fetched(agency, self.opened.id),
            ActorView::App | ActorView::Hub | ActorView::Unknown => 0,
        };
        let how = words::how(event, self.scenario, fetched);
        timeline
            .line(self.scenario, &TimelineEntry { what: words::what(name), who: &event.by, callback, how });
        Ok(())
    }

    /// Waits for the callback about an event, and returns its delay.
    async fn callback(&self, event: &EventView) -> Result<SignedDuration> {
        let callbacks = self.context.callbacks;
        until(&format!("the callback about {:?}", words::name(event)), STEP_TIMEOUT, async || {
            if let Some(reason) = callbacks.rejections().pop() {
                bail!("a callback was rejected: {reason}");
            }
            Ok(callbacks.find(self.opened.id, event.version).map(|callback| callback.delay))
        })
        .await
    }

    /// Uploads each document to its signed link.
    async fn upload_documents(&self) -> Result<()> {
        for document in &self.scenario.documents {
            let kind = document.kind;
            let slot = self.opened.documents.iter().find(|document| document.accepts.contains(&kind));
            let link = slot.and_then(|slot| slot.upload.as_ref());
            let link = link.with_context(|| format!("no upload link for {kind:?}"))?;
            self.context.app.upload(link, &document.bytes).await?;
        }
        Ok(())
    }

    /// Downloads the issued certificate, and compares its hash with the record.
    async fn download_certificate(&self, document: DocumentId) -> Result<()> {
        let app = self.context.app;
        let path = format!("/v1/applications/{}", self.opened.id);
        let view: ApplicationView = app.get(&path).await?;
        let recorded = view.documents.iter().find(|shown| shown.id == document);
        let recorded = recorded.and_then(|shown| shown.sha256.as_deref());
        let link: Link = app.get(&format!("{path}/documents/{document}")).await?;
        let bytes = app.download(&link).await?;
        ensure!(
            recorded == Some(STANDARD.encode(Sha256::digest(&bytes)).as_str()),
            "the downloaded certificate differs from the hash in the record"
        );
        let how = format!("GET …/documents/{document}: {} bytes of PDF, SHA-256 as recorded", bytes.len());
        let what = "证明已取 fetched".to_owned();
        let entry = TimelineEntry { what, who: &ActorView::App, callback: None, how };
        self.context.timeline.line(self.scenario, &entry);
        Ok(())
    }

    /// Reports the visit of the citizen at the window.
    async fn confirm(&self) -> Result<()> {
        let path = format!("/v1/applications/{}/confirm", self.opened.id);
        let after: ApplicationView = self.context.app.post(&path, &self.scenario.confirmation()).await?;
        ensure!(after.is_final, "the application is not final after its confirmation");
        Ok(())
    }
}
