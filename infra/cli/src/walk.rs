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

use anyhow::{Context as _, Result, anyhow};
use app_client::{AppClient, CallbackLog, CallbackReceiver};
use domain::ids::{AgencyCode, ApplicationId};
use domain::time::today;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde_json::Value;

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
    first: ApplicationId,
    agencies: Agencies,
}

impl Walked {
    /// The first application of the walk.
    #[must_use]
    pub fn first(&self) -> ApplicationId {
        self.first
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
    let travelled = try_join_all(scenarios.iter().map(|scenario| travel(&company, scenario))).await;
    timeline.end();
    let judged = match travelled {
        Ok(arrived) => verdict::judge(hub, &callbacks, &arrived, terminal).await.map(|()| arrived),
        Err(error) => Err(error),
    };
    let arrived = judged.map_err(|error| {
        let trouble = agencies.trouble().map(|trouble| format!("; {trouble}")).unwrap_or_default();
        anyhow!("{error:#}{trouble}; what the hub wrote is in {}", hub.log().display())
    })?;
    // Its receiver ends here, and nobody else is called for it.
    app.unsubscribe(subscription).await?;
    let first = arrived.first().context("the walk has no application")?.id;
    Ok(Walked { first, agencies })
}

/// What a reader can try on a hub with these agencies.
#[derive(Debug)]
pub struct Sample {
    /// The query of the question who takes the first application of the walk.
    pub coverage_query: String,
    /// The body of an application like the last one of the walk, without documents.
    pub body: Value,
}

/// Something to try, from the applications of the walk.
///
/// # Errors
/// The agencies do not cover one of them.
pub fn sample(hub: &LocalStack) -> Result<Sample> {
    let scenarios = scenario::scenarios(hub.agencies(), today(Timestamp::now()))?;
    let (first, last) = scenarios.first().zip(scenarios.last()).context("the walk has no application")?;
    Ok(Sample { coverage_query: first.coverage_query(), body: last.form() })
}

fn introduce(scenarios: &[Scenario], terminal: &Terminal) {
    terminal.line("");
    terminal.line(&format!(
        "{} applications walk through the hub now. The people are invented, everything else happens:",
        scenarios.len()
    ));
    for scenario in scenarios {
        terminal.line("");
        for line in scenario.story() {
            terminal.line(&line);
        }
    }
    terminal.line("");
}
