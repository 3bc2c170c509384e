//! The walk: one application of each service through the running hub, each step shown as it happens.
//!
//! Nothing is simulated inside the hub. An app backend sends HTTP requests and receives callbacks. Agencies, each with
//! its own account and keys, read their queues and report. Every printed line comes from the event feed or a callback.

mod agencies;
mod checks;
mod scenario;
mod scenario_run;
mod timeline;
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
pub use agencies::WorkingAgencies;
use scenario::Scenario;
use scenario_run::{WalkContext, run_scenario};
use timeline::Timeline;

/// The app backend of the walk.
pub const TENANT: &str = "demo-app";

/// A successful walk. Its agencies keep working until this value is dropped.
#[derive(Debug)]
pub struct FinishedWalk {
    first: ApplicationId,
    agencies: WorkingAgencies,
}

impl FinishedWalk {
    #[must_use]
    pub fn first(&self) -> ApplicationId {
        self.first
    }

    /// The agencies of the walk, which decide by script until the value is dropped.
    #[must_use]
    pub fn into_agencies(self) -> WorkingAgencies {
        self.agencies
    }
}

/// Walks one application of each service to its end, then checks the result: every application is final, every
/// callback was received and verified, every record is intact, every queue is empty.
///
/// # Errors
/// The first failed step or check.
pub async fn walk(hub: &LocalStack, terminal: &Terminal) -> Result<FinishedWalk> {
    let scenarios = scenario::scenarios(hub.agencies(), today(Timestamp::now()))?;
    print_introduction(&scenarios, terminal);
    let codes: BTreeSet<AgencyCode> = scenarios.iter().flat_map(Scenario::agencies).cloned().collect();
    let agencies = WorkingAgencies::start(hub, codes)?;
    let callbacks = CallbackLog::default();
    let receiver = CallbackReceiver::listen(0, callbacks.handler()).await?;
    let app = AppClient::new(hub.http(), hub.api_url()?, hub.token(TENANT, &SCOPES)?);
    let (subscription, secret) = app.subscribe(receiver.url(), &[]).await?;
    receiver.trust(secret);
    let timeline = Timeline::begin(terminal, &scenarios);
    let context = WalkContext { app: &app, agencies: &agencies, callbacks: &callbacks, timeline: &timeline };
    let finished = try_join_all(scenarios.iter().map(|scenario| run_scenario(&context, scenario))).await;
    timeline.end();
    let checked = match finished {
        Ok(finished) => checks::check_walk(hub, &callbacks, &finished, terminal).await.map(|()| finished),
        Err(error) => Err(error),
    };
    let finished = checked.map_err(|error| {
        let failure = agencies.failure().map(|failure| format!("; {failure}")).unwrap_or_default();
        anyhow!("{error:#}{failure}; the log of the hub is {}", hub.log().display())
    })?;
    // The receiver ends with this function, so the hub must not call it any more.
    app.unsubscribe(subscription).await?;
    let first = finished.first().context("the walk has no application")?.id;
    Ok(FinishedWalk { first, agencies })
}

/// Requests that a reader can send to a hub with these agencies.
#[derive(Debug)]
pub struct Sample {
    /// The query of `GET /v1/coverage` for the first application of the walk.
    pub coverage_query: String,
    /// The body of an application like the last one of the walk, without documents.
    pub body: Value,
}

/// Sample requests, made from the applications of the walk.
///
/// # Errors
/// The agencies do not cover one of them.
pub fn sample(hub: &LocalStack) -> Result<Sample> {
    let scenarios = scenario::scenarios(hub.agencies(), today(Timestamp::now()))?;
    let (first, last) = scenarios.first().zip(scenarios.last()).context("the walk has no application")?;
    Ok(Sample { coverage_query: first.coverage_query(), body: last.form() })
}

fn print_introduction(scenarios: &[Scenario], terminal: &Terminal) {
    terminal.line("");
    terminal.line(&format!(
        "{} applications walk through the hub. The people are invented; requests, queues, reports and callbacks are real:",
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
