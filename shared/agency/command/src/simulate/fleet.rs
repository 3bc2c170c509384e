//! Many agencies in one process, each as if it had one of its own: what one loses in a crash, nobody kept for it.

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

use super::crash_point::{CrashPoint, Fragile};
use super::stats::Stats;
use super::{Behaviour, Simulator, Summary};
use crate::script::Script;
use agency::case_handler::{CaseHandler, CaseHandlerError, Outcome};
use agency::config::Config;
use agency::consumer::{Consumer, ConsumerError};
use agency::hub_client::{HubClient, HubClientError};
use agency::inbox::SqliteInbox;
use agency::journal::Journal;
use agency::queue::CaseQueue;
use agency::stop::{Stop, Stopper};

/// Steps of the work within which a crash falls once it is due: those of a case with two documents and four reports,
/// and some more, so that the next case is struck too.
const STEPS: u32 = 20;
/// Messages that an agency is known to have fallen down over.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// Least and longest time until a process that fell down stands again.
const DOWN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// One agency of a fleet.
#[derive(Clone, Debug)]
pub struct Member<Q> {
    /// Its settings.
    pub config: Config,
    /// Its queue.
    pub queue: Q,
}

/// When a fleet ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// After this long.
    pub after: Option<Duration>,
    /// When nothing was done for this long and nobody works on a case. Longer than a queue's wait and its visibility
    /// time, or a case that fell down with its agency is not waited for.
    pub idle: Option<Duration>,
}

/// Why a fleet ended before it was asked to.
#[derive(Debug, Error)]
pub enum FleetError {
    /// An agency cannot take cases.
    #[error("agency {agency}")]
    Consumer {
        /// Which.
        agency: AgencyCode,
        /// Why.
        #[source]
        cause: ConsumerError,
    },
    /// An agency cannot speak with the hub.
    #[error("agency {agency}")]
    HubClient {
        /// Which.
        agency: AgencyCode,
        /// Why.
        #[source]
        cause: HubClientError,
    },
}

/// Agencies that play one script.
#[derive(Clone, Debug)]
pub struct Fleet {
    script: Script,
    behaviour: Behaviour,
    journal: Journal,
    stats: Arc<Mutex<Stats>>,
    active: watch::Sender<()>,
}

impl Fleet {
    /// A fleet that writes what it does into a journal.
    #[must_use]
    pub fn new(script: Script, behaviour: Behaviour, journal: Journal) -> Fleet {
        let stats = Arc::<Mutex<Stats>>::default();
        let active = watch::Sender::new(());
        let (counted, noticed) = (Arc::clone(&stats), active.clone());
        let journal = Journal::new(move |entry| {
            lock(&counted).add(entry);
            noticed.send_replace(());
            journal.forward(entry);
        });
        Fleet { script: script.seeded(behaviour.seed), behaviour, journal, stats, active }
    }

    /// What was done so far.
    #[must_use]
    pub fn summary(&self, agencies: usize) -> Summary {
        lock(&self.stats).summary(agencies)
    }

    /// Plays all members until the end is asked for or comes by itself.
    ///
    /// # Errors
    /// [`FleetError`] where a member cannot work; the others are stopped.
    pub async fn run<Q: CaseQueue + Clone>(
        &self,
        members: Vec<Member<Q>>,
        ends: Ends,
        stop: Stop,
    ) -> Result<Summary, FleetError> {
        let agencies = members.len();
        let (stopper, own) = Stop::new();
        let mut running = JoinSet::new();
        for member in members {
            let (fleet, own) = (self.clone(), own.clone());
            running.spawn(async move { fleet.keep_up(member, own).await });
        }
        let mut first = None;
        let ended = async {
            while let Some(ended) = running.join_next().await {
                // A panic of the supervision itself is a fault of this program, and is shown as one.
                let ended = ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
                if let Err(error) = ended {
                    first.get_or_insert(error);
                    stopper.ask();
                }
            }
        };
        tokio::join!(ended, self.end(ends, &stop, &stopper, &own));
        match first {
            Some(error) => Err(error),
            None => Ok(self.summary(agencies)),
        }
    }

    /// Asks for the end when it has come.
    async fn end(&self, ends: Ends, stop: &Stop, stopper: &Stopper, own: &Stop) {
        let after = async {
            match ends.after {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        let idle = async {
            match ends.idle {
                Some(idle) => self.idle(idle).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.asked() => {}
            () = own.asked() => {}
            () = after => {}
            () = idle => {}
        }
        stopper.ask();
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

    /// Runs an agency, and starts it again when it has fallen down.
    async fn keep_up<Q: CaseQueue + Clone>(&self, member: Member<Q>, stop: Stop) -> Result<(), FleetError> {
        let agency = member.config.agency.clone();
        let struck: Struck = Arc::new(Mutex::new(LruCache::new(REMEMBERED)));
        for life in 0u64.. {
            let crash_point = CrashPoint::default();
            let consumer = self.consumer(&member, &crash_point, &struck)?;
            tokio::select! {
                ended = consumer.run(stop.clone()) => {
                    return ended.map_err(|cause| FleetError::Consumer { agency, cause });
                }
                () = crash_point.blown() => {}
            }
            // The consumer is dropped, and with it everything that it worked on, wherever that stood.
            self.journal.write(&agency, "crashed", None, "");
            let down = self.behaviour.chance().between(DOWN.0, DOWN.1, &[&"down", &agency, &life]);
            tokio::select! {
                () = stop.asked() => return Ok(()),
                () = tokio::time::sleep(down) => {}
            }
        }
        Ok(())
    }

    /// A consumer that knows nothing but its settings and its inbox file.
    fn consumer<Q: CaseQueue + Clone>(
        &self,
        member: &Member<Q>,
        crash_point: &CrashPoint,
        struck: &Struck,
    ) -> Result<Consumer<Fragile<Q>, Falling, Fragile<SqliteInbox>>, FleetError> {
        let config = &member.config;
        let agency = config.agency.clone();
        let client = HubClient::new(config)
            .map_err(|cause| FleetError::HubClient { agency: agency.clone(), cause })?;
        let simulator = Simulator::new(self.script.clone(), self.journal.clone())
            .with_behaviour(self.behaviour)
            .with_crash_point(crash_point.clone());
        let handler = Falling {
            simulator,
            crash_point: crash_point.clone(),
            struck: Arc::clone(struck),
            behaviour: self.behaviour,
        };
        let queue = Fragile { whole: member.queue.clone(), crash_point: crash_point.clone() };
        let inbox = Fragile { whole: SqliteInbox::at(&config.inbox), crash_point: crash_point.clone() };
        let consumer = Consumer::new(config, queue, handler, client).with_inbox(inbox);
        Ok(consumer.with_journal(self.journal.clone()))
    }
}

fn lock(stats: &Mutex<Stats>) -> MutexGuard<'_, Stats> {
    stats.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The messages that an agency has fallen down over. Each strikes once, or an agency that has several cases in hand
/// would fall for ever. Kept by whoever makes it fall, not by the agency.
type Struck = Arc<Mutex<LruCache<(ApplicationId, u32), ()>>>;

/// A simulator that lights the fuse of its process now and then.
struct Falling {
    simulator: Simulator,
    crash_point: CrashPoint,
    struck: Struck,
    behaviour: Behaviour,
}

impl Falling {
    /// Decides whether the process falls down over this message, and at which step.
    fn decide(&self, case: &Case) {
        let chance = self.behaviour.chance();
        if chance.fraction(&[&"crash", &case.application, &case.version]) >= self.behaviour.crashes {
            return;
        }
        let mut struck = self.struck.lock().unwrap_or_else(PoisonError::into_inner);
        let message = (case.application, case.version);
        let steps = chance.below(STEPS, &[&"step", &case.application, &case.version]);
        if !struck.contains(&message) && self.crash_point.light(steps) {
            struck.put(message, ());
        }
    }
}

impl CaseHandler for Falling {
    async fn handle(&self, case: Case, client: &HubClient) -> Result<Outcome, CaseHandlerError> {
        self.decide(&case);
        self.crash_point.step().await;
        self.simulator.handle(case, client).await
    }
}

#[cfg(test)]
mod tests;
