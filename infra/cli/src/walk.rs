//! The walk: one application of each service through the running hub, each step shown as it happens.
//!
//! Nothing is staged. An app backend sends HTTP requests and is called back, agencies with accounts and keys of
//! their own read their queues and report; what is shown comes from the hub's event feed and from callbacks.

mod agencies;
mod journey;
mod scenario;
mod timeline;
mod verdict;
pub mod words;

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use app_client::{AppClient, CallbackLog, CallbackReceiver};
use domain::decide::today;
use domain::ids::{AgencyCode, ApplicationId};
use jiff::Timestamp;

use crate::local::LocalStack;
use crate::secrets::SCOPES;
use crate::terminal::Terminal;
use agencies::Agencies;
use journey::{Company, travel};
use scenario::Scenario;
use timeline::Timeline;

/// The app backend that walks.
pub const TENANT: &str = "demo-app";

/// What is left of a walk that went well.
#[derive(Debug)]
pub struct Walked {
    card: ApplicationId,
    agencies: Agencies,
}

impl Walked {
    /// The application for a first card.
    #[must_use]
    pub fn card(&self) -> ApplicationId {
        self.card
    }

    /// The agencies that work by script until this is dropped.
    pub fn agencies(&self) -> impl Iterator<Item = &AgencyCode> {
        self.agencies.codes()
    }

    /// Lets the agencies finish what they have in hand, and ends them.
    pub async fn end(self) {
        self.agencies.end().await;
    }
}

/// Walks one application of each service to its end, and judges what is left: every application final, every
/// callback received and verified, every record whole, every queue empty.
///
/// # Errors
/// The first thing that is not as it should be, in one sentence.
pub async fn walk(hub: &LocalStack, terminal: &Terminal) -> Result<Walked> {
    let scenarios = scenario::scenarios(hub.agencies(), today(Timestamp::now()))?;
    introduce(&scenarios, terminal);
    let codes: BTreeSet<AgencyCode> = scenarios.iter().flat_map(Scenario::agencies).cloned().collect();
    let agencies = Agencies::start(hub, codes)?;
    let callbacks = CallbackLog::default();
    let receiver = CallbackReceiver::listen(0, callbacks.handler()).await?;
    let app = AppClient::new(hub.http(), hub.api_url()?, hub.token(TENANT, &SCOPES)?);
    let (subscription, secret) = app.subscribe(receiver.url(), &[]).await?;
    receiver.trust(secret);
    let timeline = Timeline::begin(terminal, &scenarios);
    let company = Company { app: &app, agencies: &agencies, callbacks: &callbacks, timeline: &timeline };
    let [card, transfer, certificate] = &scenarios;
    let travelled =
        tokio::try_join!(travel(&company, card), travel(&company, transfer), travel(&company, certificate));
    timeline.end();
    let judged = match travelled {
        Ok((card, transfer, certificate)) => {
            let arrived = [card, transfer, certificate];
            verdict::judge(hub, &callbacks, &arrived, terminal).await.map(|()| arrived)
        }
        Err(error) => Err(error),
    };
    let [card, ..] = judged.map_err(|error| {
        let trouble = agencies.trouble().map(|trouble| format!("; {trouble}")).unwrap_or_default();
        anyhow!("{error:#}{trouble}; what the hub wrote is in {}", hub.log().display())
    })?;
    // Its receiver ends here, and nobody else is called for it.
    app.unsubscribe(subscription).await?;
    Ok(Walked { card: card.id, agencies })
}

fn introduce(scenarios: &[Scenario; 3], terminal: &Terminal) {
    terminal.line("");
    terminal.line(
        "Three applications walk through the hub now. The people are invented, everything else happens:",
    );
    for scenario in scenarios {
        terminal.line("");
        for line in scenario.story() {
            terminal.line(&line);
        }
    }
    terminal.line("");
}
