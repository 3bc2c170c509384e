//! The agencies of the walk. Each has its own AWS account and keys, reads only its own queue, and decides by script.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agency::config::{ConfiguredKeys, ConsumerSettings, ReportsBy};
use agency::journal::{ConsumerJournal, JournalEntry};
use agency::network::Network;
use agency::stop::Stopper;
use agency::{AgencyConfig, Consumer, HubClient, MemoryInbox, SqsQueue, Stop};
use anyhow::{Context as _, Result};
use aws_sdk_sqs as sqs;
use domain::command::ReportedResult;
use domain::ids::{AgencyCode, ApplicationId};
use domain::stage::Purpose;
use tokio::task::JoinSet;
use tongban_agency::script::{ScriptAction, ScriptCondition, ScriptLine};
use tongban_agency::{AgencyScript, Simulator};

use crate::local::LocalStack;

/// How long agencies may take to finish their current cases.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// The journal entries of the agencies that the walk uses.
#[derive(Debug, Default)]
struct JournalSummary {
    fetched: BTreeMap<(AgencyCode, ApplicationId), usize>,
    failure: Option<String>,
}

/// Running agencies. Dropping the value ends them.
#[derive(Debug)]
pub struct WorkingAgencies {
    codes: BTreeSet<AgencyCode>,
    summary: Arc<Mutex<JournalSummary>>,
    stopper: Stopper,
    work: JoinSet<()>,
}

impl WorkingAgencies {
    /// Starts a consumer for each agency.
    ///
    /// # Errors
    /// The hub does not have one of the agencies.
    pub(crate) fn start(hub: &LocalStack, codes: BTreeSet<AgencyCode>) -> Result<WorkingAgencies> {
        let summary = Arc::<Mutex<JournalSummary>>::default();
        let script = script().context("the agencies have no script")?;
        let (stopper, stop) = Stop::new();
        let mut work = JoinSet::new();
        for code in &codes {
            let consumer = consumer(hub, code, &script, &summary)?;
            let (code, summary, stop) = (code.clone(), summary.clone(), stop.clone());
            work.spawn(async move {
                if let Err(error) = consumer.run(stop).await {
                    lock(&summary).failure = Some(format!("agency {code}: {error}"));
                }
            });
        }
        Ok(WorkingAgencies { codes, summary, stopper, work })
    }

    /// Starts a consumer for every agency of the hub.
    ///
    /// # Errors
    /// The agencies have no script.
    pub fn start_all(hub: &LocalStack) -> Result<WorkingAgencies> {
        let codes = hub.agencies().agencies().iter().map(|row| row.code.clone()).collect();
        WorkingAgencies::start(hub, codes)
    }

    /// Codes of the running agencies.
    pub fn codes(&self) -> impl Iterator<Item = &AgencyCode> {
        self.codes.iter()
    }

    /// How many documents of an application an agency has fetched and checked.
    pub(crate) fn fetched(&self, agency: &AgencyCode, application: ApplicationId) -> usize {
        lock(&self.summary).fetched.get(&(agency.clone(), application)).copied().unwrap_or(0)
    }

    /// The last failure of an agency.
    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.summary).failure.clone()
    }

    /// Lets the agencies finish their current cases, then ends them.
    pub async fn end(mut self) {
        self.stopper.stop();
        let finished = async { while self.work.join_next().await.is_some() {} };
        // An agency that needs longer is dropped; SQS delivers its message again.
        let _in_time = tokio::time::timeout(SHUTDOWN_TIMEOUT, finished).await;
    }
}

/// Every case gets a positive decision. The move-in agency only confirms receipt, and the app backend settles: the
/// citizen hands over the migration certificate at the window where the app is used.
fn script() -> Option<AgencyScript> {
    let received = ScriptLine {
        condition: ScriptCondition::Opened,
        action: ScriptAction::Report(ReportedResult::Received),
    };
    Some(AgencyScript::named("default")?.on(Purpose::Settle, vec![received]))
}

fn consumer(
    hub: &LocalStack,
    code: &AgencyCode,
    script: &AgencyScript,
    summary: &Arc<Mutex<JournalSummary>>,
) -> Result<Consumer<SqsQueue, Simulator, MemoryInbox>> {
    let agency = hub.agency(code)?;
    let config = AgencyConfig {
        agency: agency.code,
        queue_url: agency.queue_url,
        reports_queue_url: None,
        reports_by: ReportsBy::Http,
        hub_url: format!("{}/", hub.api_url()?).parse().context("the address of the hub is not a URL")?,
        keys: ConfiguredKeys {
            signing: agency.keys.signing,
            encryption: vec![agency.keys.encryption],
            hub: vec![hub.hub_key().clone()],
        },
        // Unused: an agency of the walk keeps its inbox in memory.
        inbox: PathBuf::new(),
        consumer: ConsumerSettings::default(),
        network: Network::default(),
    };
    let queue = SqsQueue::new(sqs::Client::new(&agency.aws), &config.queue_url);
    let client = HubClient::new(&config)
        .with_context(|| format!("the HTTP client of agency {code} cannot be created"))?;
    let summary = summary.clone();
    let journal = ConsumerJournal::new(move |entry| record(&mut lock(&summary), entry));
    let handler = Simulator::new(script.clone(), journal.clone());
    let consumer = Consumer::new(&config, queue, handler, client);
    Ok(consumer.with_inbox(MemoryInbox::default()).with_journal(journal))
}

fn record(summary: &mut JournalSummary, entry: &JournalEntry) {
    match (entry.action, entry.application) {
        ("document", Some(application)) => {
            *summary.fetched.entry((entry.agency.clone(), application)).or_default() += 1;
        }
        ("left" | "unreadable" | "overtaken", _) => {
            summary.failure = Some(format!("agency {}: {} {}", entry.agency, entry.action, entry.detail));
        }
        _ => {}
    }
}

fn lock(summary: &Mutex<JournalSummary>) -> MutexGuard<'_, JournalSummary> {
    summary.lock().unwrap_or_else(PoisonError::into_inner)
}
