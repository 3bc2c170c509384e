//! One world for all trials of a target: started by the first trial that needs it, taken down by the last.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

/// Trials at once, unless `--test-threads` says otherwise. The local AWS is one process.
const THREADS: usize = 4;

/// What a trial does.
pub type TrialBody = Pin<Box<dyn Future<Output = ()> + Send>>;
/// How a world begins.
type Start<W> = fn() -> Pin<Box<dyn Future<Output = anyhow::Result<W>> + Send>>;

/// Nothing before the first trial; then the world, or why there is none: that is told to every trial.
type Set<W> = Option<Result<Arc<W>, String>>;

/// What the command line asks for, with this harness's own number of trials at once.
#[must_use]
pub fn arguments() -> Arguments {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    arguments
}

/// The world, and what runs in it. Clones share both.
pub struct SharedFixture<W> {
    runtime: Arc<Runtime>,
    start: Start<W>,
    test_hub: Arc<Mutex<Set<W>>>,
}

impl<W> Clone for SharedFixture<W> {
    fn clone(&self) -> Self {
        SharedFixture { runtime: self.runtime.clone(), start: self.start, test_hub: self.test_hub.clone() }
    }
}

impl<W: Send + Sync + 'static> SharedFixture<W> {
    /// An empty fixture.
    ///
    /// # Errors
    /// There is no runtime.
    pub fn open(start: Start<W>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(SharedFixture { runtime: Arc::new(runtime), start, test_hub: Arc::default() })
    }

    /// A trial in the world.
    #[must_use]
    pub fn trial(
        &self,
        name: &'static str,
        play: impl FnOnce(Arc<W>) -> TrialBody + Send + 'static,
    ) -> Trial {
        let fixture = self.clone();
        Trial::test(name, move || {
            let test_hub = fixture.test_hub()?;
            fixture.runtime.block_on(play(test_hub));
            Ok(())
        })
    }

    /// The trial that has the world for itself, and ends it.
    #[must_use]
    pub fn last(&self, name: &'static str, play: impl FnOnce(W) -> TrialBody + Send + 'static) -> Trial {
        let fixture = self.clone();
        Trial::test(name, move || {
            drop(fixture.test_hub()?);
            let test_hub = fixture.lock().take().ok_or("no test_hub")??;
            let test_hub = Arc::into_inner(test_hub).ok_or("a trial still holds the test_hub")?;
            fixture.runtime.block_on(play(test_hub));
            Ok(())
        })
    }

    /// Whether any trial has started the world.
    #[must_use]
    pub fn is_set(&self) -> bool {
        matches!(*self.lock(), Some(Ok(_)))
    }

    /// Ends what no trial has taken down.
    pub fn clear(&self) {
        drop(self.lock().take());
    }

    fn test_hub(&self) -> Result<Arc<W>, Failed> {
        let mut test_hub = self.lock();
        let test_hub = test_hub.get_or_insert_with(|| {
            let started = self.runtime.block_on((self.start)());
            started.map(Arc::new).map_err(|error| format!("the test_hub could not be started: {error:#}"))
        });
        test_hub.clone().map_err(Failed::from)
    }

    fn lock(&self) -> MutexGuard<'_, Set<W>> {
        self.test_hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
