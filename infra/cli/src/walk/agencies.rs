//! The agencies of the walk. Each has an AWS account and keys of its own, reads its own queue and no other, and
//! decides by script.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agency::config::{ConfiguredKeys, ConsumerSettings};
use agency::journal::{ConsumerJournal, JournalEntry};
use agency::stop::Stopper;
use agency::{AgencyConfig, Consumer, HubClient, MemoryInbox, SqsQueue, Stop};
use anyhow::{Context as _, Result};
use aws_sdk_sqs as sqs;
use domain::command::Finding;
use domain::ids::{AgencyCode, ApplicationId};
use domain::stage::Purpose;
use tokio::task::JoinSet;
use tongban_agency::script::{ScriptAction, ScriptCondition, ScriptLine};
use tongban_agency::{AgencyScript, Simulator};

use crate::local::LocalStack;

/// How long agencies may take to finish what they have in hand.
const END: Duration = Duration::from_secs(5);

/// What they wrote down, as far as the walk shows it.
#[derive(Debug, Default)]
struct Book {
    fetched: BTreeMap<(AgencyCode, ApplicationId), usize>,
    trouble: Option<String>,
}

/// Agencies at work. Dropping them ends them.
#[derive(Debug)]
pub(crate) struct Agencies {
    codes: BTreeSet<AgencyCode>,
    book: Arc<Mutex<Book>>,
    stopper: Stopper,
    work: JoinSet<()>,
}

impl Agencies {
    /// Starts them.
    ///
    /// # Errors
    /// The hub knows one of them not.
    pub(crate) fn start(hub: &LocalStack, codes: BTreeSet<AgencyCode>) -> Result<Agencies> {
        let book = Arc::<Mutex<Book>>::default();
        let script = script().context("the agencies have no script")?;
        let (stopper, stop) = Stop::new();
        let mut work = JoinSet::new();
        for code in &codes {
            let consumer = consumer(hub, code, &script, &book)?;
            let (code, book, stop) = (code.clone(), book.clone(), stop.clone());
            work.spawn(async move {
                if let Err(error) = consumer.run(stop).await {
                    lock(&book).trouble = Some(format!("agency {code}: {error}"));
                }
            });
        }
        Ok(Agencies { codes, book, stopper, work })
    }

    /// Who they are.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &AgencyCode> {
        self.codes.iter()
    }

    /// How many documents of an application an agency has fetched and checked.
    pub(crate) fn fetched(&self, agency: &AgencyCode, application: ApplicationId) -> usize {
        lock(&self.book).fetched.get(&(agency.clone(), application)).copied().unwrap_or(0)
    }

    /// What kept one of them from its work last, if anything did.
    pub(crate) fn trouble(&self) -> Option<String> {
        lock(&self.book).trouble.clone()
    }

    /// Lets them finish, and ends them.
    pub(crate) async fn end(mut self) {
        self.stopper.stop();
        let finished = async { while self.work.join_next().await.is_some() {} };
        // Whoever has not finished by then is dropped, and its message comes again.
        let _in_time = tokio::time::timeout(END, finished).await;
    }
}

/// Every case to a good end, except that a move-in agency leaves it to the app backend to settle: the citizen
/// hands over the migration certificate at the window where the app is used.
fn script() -> Option<AgencyScript> {
    let received =
        ScriptLine { condition: ScriptCondition::Opened, action: ScriptAction::Report(Finding::Received) };
    Some(AgencyScript::named("default")?.on(Purpose::Settle, vec![received]))
}

fn consumer(
    hub: &LocalStack,
    code: &AgencyCode,
    script: &AgencyScript,
    book: &Arc<Mutex<Book>>,
) -> Result<Consumer<SqsQueue, Simulator, MemoryInbox>> {
    let agency = hub.agency(code)?;
    let config = AgencyConfig {
        agency: agency.code,
        queue_url: agency.queue_url,
        reports_queue_url: None,
        hub_url: format!("{}/", hub.api_url()?).parse().context("the hub's address is none")?,
        keys: ConfiguredKeys {
            signing: agency.keys.signing,
            encryption: vec![agency.keys.encryption],
            hub: vec![hub.hub_key().clone()],
        },
        // Not used: an agency of the walk keeps its inbox in memory, and is gone with it.
        inbox: PathBuf::new(),
        consumer: ConsumerSettings::default(),
    };
    let queue = SqsQueue::new(sqs::Client::new(&agency.aws), &config.queue_url);
    let client = HubClient::new(&config).with_context(|| format!("agency {code} cannot reach the hub"))?;
    let book = book.clone();
    let journal = ConsumerJournal::new(move |entry| note(&mut lock(&book), entry));
    let handler = Simulator::new(script.clone(), journal.clone());
    let consumer = Consumer::new(&config, queue, handler, client);
    Ok(consumer.with_inbox(MemoryInbox::default()).with_journal(journal))
}

fn note(book: &mut Book, entry: &JournalEntry) {
    match (entry.what, entry.application) {
        ("document", Some(application)) => {
            *book.fetched.entry((entry.agency.clone(), application)).or_default() += 1;
        }
        ("left" | "unreadable" | "overtaken", _) => {
            book.trouble = Some(format!("agency {}: {} {}", entry.agency, entry.what, entry.detail));
        }
        _ => {}
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
