//! One application from its request to its end, as the app backend lives it.

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

use super::agencies::Agencies;
use super::scenario::Scenario;
use super::timeline::{Happened, Timeline};
use super::words;

/// How long the hub and an agency may take from one event to the next, and a callback to come.
const STEP: Duration = Duration::from_secs(60);

/// Everybody an application meets on its way.
pub(crate) struct Company<'w> {
    /// Who opened it.
    pub(crate) app: &'w AppClient,
    /// Who decides it.
    pub(crate) agencies: &'w Agencies,
    /// What the app was called back about.
    pub(crate) callbacks: &'w CallbackLog,
    /// Who watches.
    pub(crate) timeline: &'w Timeline,
}

/// An application at its end.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// Which.
    pub(crate) id: ApplicationId,
    /// Its version.
    pub(crate) version: u32,
    /// The seal of its record, as the feed gave it.
    pub(crate) hash: String,
}

/// Opens an application and goes with it to its end.
///
/// # Errors
/// It takes another course than it should, or stands still.
pub(crate) async fn travel(company: &Company<'_>, scenario: &Scenario) -> Result<Arrived> {
    let name = || format!("application {} ({})", scenario.number, scenario.short.en);
    Journey::begin(company, scenario).await.with_context(name)?.run().await.with_context(name)
}

struct Journey<'w> {
    company: &'w Company<'w>,
    scenario: &'w Scenario,
    opened: ApplicationView,
    expected: Vec<&'static str>,
    /// Events seen so far; it is the version too.
    seen: usize,
    /// The certificate, once one is issued.
    issued: Option<DocumentId>,
}

impl<'w> Journey<'w> {
    async fn begin(company: &'w Company<'w>, scenario: &'w Scenario) -> Result<Journey<'w>> {
        let opened = company.app.post("/v1/applications", &scenario.request()).await?;
        Ok(Journey { company, scenario, opened, expected: scenario.events(), seen: 0, issued: None })
    }

    async fn run(mut self) -> Result<Arrived> {
        let end = self.expected.len();
        loop {
            let page = self.news().await?;
            for event in &page.events {
                self.meet(event).await?;
            }
            if self.seen == 1 {
                self.hand_in().await?;
            }
            if self.seen == end - 1 {
                if let Some(document) = self.issued {
                    self.fetch(document).await?;
                }
                self.confirm().await?;
            }
            if self.seen >= end {
                let version = u32::try_from(self.seen).context("too many events")?;
                return Ok(Arrived { id: self.opened.id, version, hash: page.hash });
            }
        }
    }

    /// The events that are not seen yet; waits for the next one.
    async fn news(&self) -> Result<EventsPage> {
        let next = self.expected.get(self.seen).copied().unwrap_or("nothing more");
        let path = format!("/v1/applications/{}/events?after={}", self.opened.id, self.seen);
        until(&format!("{next:?}"), STEP, async || {
            let page: EventsPage = self.company.app.get(&path).await?;
            anyhow::Ok((!page.events.is_empty()).then_some(page))
        })
        .await
    }

    /// Checks an event, waits for its callback, and shows it.
    async fn meet(&mut self, event: &EventView) -> Result<()> {
        let name = words::name(event);
        let timeline = self.company.timeline;
        match self.expected.get(self.seen) {
            Some(expected) if *expected == name => {}
            Some(expected) => {
                let how = words::how(event, self.scenario, 0);
                bail!("{name:?} happened where {expected:?} was expected; {how}");
            }
            None => bail!("{name:?} happened after its end"),
        }
        self.seen += 1;
        ensure!(usize::try_from(event.version) == Ok(self.seen), "event {} is missing", self.seen);
        timeline.at(self.scenario, event.version, &words::what(name));
        let callback = if words::calls_back(name) { Some(self.callback(event).await?) } else { None };
        if name == "issued" {
            let document = event.data.get("document").and_then(Value::as_str).unwrap_or_default();
            self.issued = Some(document.parse().context("the certificate has no document")?);
        }
        let fetched = match &event.by {
            ActorView::Agency(agency) => self.company.agencies.fetched(agency, self.opened.id),
            ActorView::App | ActorView::Hub => 0,
        };
        let how = words::how(event, self.scenario, fetched);
        timeline.line(self.scenario, &Happened { what: words::what(name), who: &event.by, callback, how });
        Ok(())
    }

    /// Waits for the callback about an event: how long after it it came.
    async fn callback(&self, event: &EventView) -> Result<SignedDuration> {
        let callbacks = self.company.callbacks;
        until(&format!("the callback about {:?}", words::name(event)), STEP, async || {
            if let Some(reason) = callbacks.rejections().pop() {
                bail!("a callback was rejected: {reason}");
            }
            Ok(callbacks.find(self.opened.id, event.version).map(|callback| callback.delay))
        })
        .await
    }

    /// Puts each document to the link that was signed for it.
    async fn hand_in(&self) -> Result<()> {
        for paper in &self.scenario.papers {
            let kind = paper.kind;
            let slot = self.opened.documents.iter().find(|document| document.accepts.contains(&kind));
            let link = slot.and_then(|slot| slot.upload.as_ref());
            let link = link.with_context(|| format!("no upload link for {kind:?}"))?;
            self.company.app.upload(link, &paper.bytes).await?;
        }
        Ok(())
    }

    /// Fetches the issued certificate, and checks it against the record.
    async fn fetch(&self, document: DocumentId) -> Result<()> {
        let app = self.company.app;
        let path = format!("/v1/applications/{}", self.opened.id);
        let view: ApplicationView = app.get(&path).await?;
        let recorded = view.documents.iter().find(|shown| shown.id == document);
        let recorded = recorded.and_then(|shown| shown.sha256.as_deref());
        let link: Link = app.get(&format!("{path}/documents/{document}")).await?;
        let bytes = app.download(&link).await?;
        ensure!(
            recorded == Some(STANDARD.encode(Sha256::digest(&bytes)).as_str()),
            "the certificate that was fetched is not the one of the record"
        );
        let how = format!("GET …/documents/{document}: {} bytes of PDF, SHA-256 as recorded", bytes.len());
        let what = "证明已取 fetched".to_owned();
        let happened = Happened { what, who: &ActorView::App, callback: None, how };
        self.company.timeline.line(self.scenario, &happened);
        Ok(())
    }

    /// Says what happened at the window.
    async fn confirm(&self) -> Result<()> {
        let path = format!("/v1/applications/{}/confirm", self.opened.id);
        let after: ApplicationView = self.company.app.post(&path, &self.scenario.confirmation()).await?;
        ensure!(after.is_final, "it was confirmed and is not final");
        Ok(())
    }
}
