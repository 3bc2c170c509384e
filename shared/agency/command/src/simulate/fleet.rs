//! Many agencies in one process. Each agency behaves like a separate process: a crash loses everything except the
//! inbox file.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::ids::{AgencyCode, ApplicationId};
use lru::LruCache;
use protocol::case::Case;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::behaviour::Behaviour;
use super::crash_point::{CrashPoint, Crashable};
use super::simulator::Simulator;
use super::stats::{FleetSummary, Stats};
use crate::script::AgencyScript;
use agency::case_handler::{CaseHandler, CaseHandlerError, HandlerOutcome};
use agency::config::AgencyConfig;
use agency::consumer::{Consumer, ConsumerError};
use agency::hub_client::{HubClient, HubClientError};
use agency::inbox::SqliteInbox;
use agency::journal::ConsumerJournal;
use agency::queue::{CaseQueue, ReportsQueue};
use agency::stop::{Stop, Stopper};

/// Most steps before a scheduled crash: those of a case with two documents and four reports, and some more, so that a
/// crash can hit the next case too.
const STEPS: u32 = 20;
/// Messages remembered as having caused a crash.
const CRASHED_MESSAGES: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// Shortest and longest time until a crashed process restarts.
const RESTART: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// One agency of a fleet.
#[derive(Clone, Debug)]
pub struct FleetAgency<Q> {
    pub config: AgencyConfig,
    pub queue: Q,
    /// The reports queue of an agency that reports by it.
    pub reports: Option<ReportsQueue>,
}

/// When a fleet stops by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopConditions {
    /// After this time.
    pub after: Option<Duration>,
    /// After this time without any event and without a case in progress. Must exceed the queue's long poll and its
    /// visibility timeout: only then does SQS deliver a message of a crashed agency again.
    pub idle: Option<Duration>,
}

/// Why a fleet failed.
#[derive(Debug, Error)]
pub enum FleetError {
    #[error("the consumer of agency {agency} ended")]
    Consumer {
        agency: AgencyCode,
        #[source]
        cause: ConsumerError,
    },
    /// An agency has no HTTP client.
    #[error("agency {agency} has no HTTP client for the hub")]
    HubClient {
        agency: AgencyCode,
        #[source]
        cause: HubClientError,
    },
}

/// Agencies that follow one script.
#[derive(Clone, Debug)]
pub struct Fleet {
    script: AgencyScript,
    behaviour: Behaviour,
    journal: ConsumerJournal,
    stats: Arc<Mutex<Stats>>,
    active: watch::Sender<()>,
}

impl Fleet {
    /// A fleet whose agencies write into one journal.
    #[must_use]
    pub fn new(script: AgencyScript, behaviour: Behaviour, journal: ConsumerJournal) -> Fleet {
        let stats = Arc::<Mutex<Stats>>::default();
        let active = watch::Sender::new(());
        let (counted, noticed) = (Arc::clone(&stats), active.clone());
        let journal = ConsumerJournal::new(move |entry| {
            lock(&counted).add(entry);
            noticed.send_replace(());
            journal.forward(entry);
        });
        Fleet { script: script.seeded(behaviour.seed), behaviour, journal, stats, active }
    }

    /// The numbers so far.
    #[must_use]
    pub fn summary(&self, agencies: usize) -> FleetSummary {
        lock(&self.stats).summary(agencies)
    }

    /// Runs all agencies until `stop` is requested or a stop condition is met.
    ///
    /// # Errors
    /// [`FleetError`] when one agency fails. The others are stopped.
    pub async fn run<Q: CaseQueue + Clone>(
        &self,
        agencies: Vec<FleetAgency<Q>>,
        conditions: StopConditions,
        stop: Stop,
    ) -> Result<FleetSummary, FleetError> {
        let count = agencies.len();
        let (stopper, own) = Stop::new();
        let mut running = JoinSet::new();
        for agency in agencies {
            let (fleet, own) = (self.clone(), own.clone());
            running.spawn(async move { fleet.run_with_restarts(agency, own).await });
        }
        let mut first = None;
        let ended = async {
            while let Some(ended) = running.join_next().await {
                // A panic of the supervision itself is a fault of this program: pass it on.
                let ended = ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
                if let Err(error) = ended {
                    first.get_or_insert(error);
                    stopper.stop();
                }
            }
        };
        tokio::join!(ended, self.stop_when_due(conditions, &stop, &stopper, &own));
        match first {
            Some(error) => Err(error),
            None => Ok(self.summary(count)),
        }
    }

    /// Requests the stop when a stop condition is met.
    async fn stop_when_due(&self, conditions: StopConditions, stop: &Stop, stopper: &Stopper, own: &Stop) {
        let after = async {
            match conditions.after {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        let idle = async {
            match conditions.idle {
                Some(idle) => self.idle(idle).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.requested() => {}
            () = own.requested() => {}
            () = after => {}
            () = idle => {}
        }
        stopper.stop();
    }

    async fn idle(&self, idle: Duration) {
        let mut active = self.active.subscribe();
        loop {
            let quiet = timeout(idle, active.changed()).await.is_err();
            if quiet && !lock(&self.stats).is_busy() {
                return;
            }
        }
    }

    /// Runs an agency, and restarts it after each crash.
    async fn run_with_restarts<Q: CaseQueue + Clone>(
        &self,
        member: FleetAgency<Q>,
        stop: Stop,
    ) -> Result<(), FleetError> {
        let agency = member.config.agency.clone();
        let crashed: CrashedMessages = Arc::new(Mutex::new(LruCache::new(CRASHED_MESSAGES)));
        for life in 0u64.. {
            let crash_point = CrashPoint::default();
            let consumer = self.consumer(&member, &crash_point, &crashed)?;
            tokio::select! {
                ended = consumer.run(stop.clone()) => {
                    return ended.map_err(|cause| FleetError::Consumer { agency, cause });
                }
                () = crash_point.crashed() => {}
            }
            // Leaving `select!` drops the consumer and all its unfinished work, as a crash does.
            self.journal.write(&agency, "crashed", None, "");
            let down = self.behaviour.rng().between(RESTART.0, RESTART.1, &[&"down", &agency, &life]);
            tokio::select! {
                () = stop.requested() => return Ok(()),
                () = tokio::time::sleep(down) => {}
            }
        }
        Ok(())
    }

    /// A new consumer, which shares only configuration and inbox file with the crashed consumer.
    fn consumer<Q: CaseQueue + Clone>(
        &self,
        member: &FleetAgency<Q>,
        crash_point: &CrashPoint,
        crashed: &CrashedMessages,
    ) -> Result<Consumer<Crashable<Q>, CrashingHandler, Crashable<SqliteInbox>>, FleetError> {
        let config = &member.config;
        let agency = config.agency.clone();
        let client = HubClient::new(config)
            .map_err(|cause| FleetError::HubClient { agency: agency.clone(), cause })?
            .with_reports_queue(member.reports.clone());
        let simulator = Simulator::new(self.script.clone(), self.journal.clone())
            .with_behaviour(self.behaviour)
            .with_crash_point(crash_point.clone());
        let handler = CrashingHandler {
            simulator,
            crash_point: crash_point.clone(),
            crashed: Arc::clone(crashed),
            behaviour: self.behaviour,
        };
        let queue = Crashable { inner: member.queue.clone(), crash_point: crash_point.clone() };
        let inbox = Crashable { inner: SqliteInbox::at(&config.inbox), crash_point: crash_point.clone() };
        let consumer = Consumer::new(config, queue, handler, client).with_inbox(inbox);
        Ok(consumer.with_journal(self.journal.clone()))
    }
}

fn lock(stats: &Mutex<Stats>) -> MutexGuard<'_, Stats> {
    stats.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The messages that have caused a crash of an agency. A message causes one crash only, or an agency with several cases
/// in progress would never stop crashing. The fleet holds this list, because a crash clears the agency's memory.
type CrashedMessages = Arc<Mutex<LruCache<(ApplicationId, u32), ()>>>;

/// A simulator that schedules a crash of its process for some messages.
struct CrashingHandler {
    simulator: Simulator,
    crash_point: CrashPoint,
    crashed: CrashedMessages,
    behaviour: Behaviour,
}

impl CrashingHandler {
    /// Decides whether this message causes a crash, and at which step.
    fn schedule_crash(&self, case: &Case) {
        let rng = self.behaviour.rng();
        if rng.fraction(&[&"crash", &case.application, &case.version]) >= self.behaviour.crashes {
            return;
        }
        let mut crashed = self.crashed.lock().unwrap_or_else(PoisonError::into_inner);
        let message = (case.application, case.version);
        let steps = rng.below(STEPS, &[&"step", &case.application, &case.version]);
        if !crashed.contains(&message) && self.crash_point.schedule(steps) {
            crashed.put(message, ());
        }
    }
}

impl CaseHandler for CrashingHandler {
    async fn handle(&self, case: Case, client: &HubClient) -> Result<HandlerOutcome, CaseHandlerError> {
        self.schedule_crash(&case);
        self.crash_point.step().await;
        self.simulator.handle(case, client).await
    }
}

#[cfg(test)]
mod tests;
