//! One fixture for all trials of a target: the first trial that needs the fixture starts it, and the last trial ends
//! it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

/// Concurrent trials unless `--test-threads` is given. All trials share one local AWS process.
const THREADS: usize = 4;

/// The body of a trial.
pub type TrialBody = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Starts the fixture.
type Start<F> = fn() -> Pin<Box<dyn Future<Output = anyhow::Result<F>> + Send>>;

/// `None` before the first trial; then the fixture, or the error with which every trial fails.
type Started<F> = Option<Result<Arc<F>, String>>;

/// The command line's arguments, with this harness's default number of threads.
#[must_use]
pub fn arguments() -> Arguments {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    arguments
}

/// A fixture and the runtime that its trials run on. Clones share both.
pub struct SharedFixture<F> {
    runtime: Arc<Runtime>,
    start: Start<F>,
    started: Arc<Mutex<Started<F>>>,
}

impl<F> Clone for SharedFixture<F> {
    fn clone(&self) -> Self {
        SharedFixture { runtime: self.runtime.clone(), start: self.start, started: self.started.clone() }
    }
}

impl<F: Send + Sync + 'static> SharedFixture<F> {
    /// Creates a fixture that the first trial starts.
    ///
    /// # Errors
    /// The runtime cannot be built.
    pub fn open(start: Start<F>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(SharedFixture { runtime: Arc::new(runtime), start, started: Arc::default() })
    }

    /// A trial that shares the fixture with other trials.
    #[must_use]
    pub fn trial(
        &self,
        name: &'static str,
        body: impl FnOnce(Arc<F>) -> TrialBody + Send + 'static,
    ) -> Trial {
        let shared = self.clone();
        Trial::test(name, move || {
            let fixture = shared.fixture()?;
            shared.runtime.block_on(body(fixture));
            Ok(())
        })
    }

    /// The last trial: owns the fixture and ends it.
    #[must_use]
    pub fn last(&self, name: &'static str, body: impl FnOnce(F) -> TrialBody + Send + 'static) -> Trial {
        let shared = self.clone();
        Trial::test(name, move || {
            drop(shared.fixture()?);
            let fixture = shared.lock().take().ok_or("an earlier trial has ended the fixture")??;
            let fixture = Arc::into_inner(fixture).ok_or("another trial still uses the fixture")?;
            shared.runtime.block_on(body(fixture));
            Ok(())
        })
    }

    /// Whether a trial has started the fixture.
    #[must_use]
    pub fn is_set(&self) -> bool {
        matches!(*self.lock(), Some(Ok(_)))
    }

    /// Ends a fixture that no trial has ended.
    pub fn clear(&self) {
        drop(self.lock().take());
    }

    fn fixture(&self) -> Result<Arc<F>, Failed> {
        let mut started = self.lock();
        let fixture = started.get_or_insert_with(|| {
            let fixture = self.runtime.block_on((self.start)());
            fixture.map(Arc::new).map_err(|error| format!("the fixture could not be started: {error:#}"))
        });
        fixture.clone().map_err(Failed::from)
    }

    fn lock(&self) -> MutexGuard<'_, Started<F>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
