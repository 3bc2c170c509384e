//! One world for all trials of a target: started by the first trial that needs it, taken down by the last.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

/// Trials at once, unless `--test-threads` says otherwise. The local AWS is one process.
const THREADS: usize = 4;

/// What a trial does.
pub type Play = Pin<Box<dyn Future<Output = ()> + Send>>;
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
pub struct Stage<W> {
    runtime: Arc<Runtime>,
    start: Start<W>,
    world: Arc<Mutex<Set<W>>>,
}

impl<W> Clone for Stage<W> {
    fn clone(&self) -> Self {
        Stage { runtime: self.runtime.clone(), start: self.start, world: self.world.clone() }
    }
}

impl<W: Send + Sync + 'static> Stage<W> {
    /// An empty stage.
    ///
    /// # Errors
    /// There is no runtime.
    pub fn open(start: Start<W>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Stage { runtime: Arc::new(runtime), start, world: Arc::default() })
    }

    /// A trial in the world.
    #[must_use]
    pub fn trial(&self, name: &'static str, play: impl FnOnce(Arc<W>) -> Play + Send + 'static) -> Trial {
        let stage = self.clone();
        Trial::test(name, move || {
            let world = stage.world()?;
            stage.runtime.block_on(play(world));
            Ok(())
        })
    }

    /// The trial that has the world for itself, and ends it.
    #[must_use]
    pub fn last(&self, name: &'static str, play: impl FnOnce(W) -> Play + Send + 'static) -> Trial {
        let stage = self.clone();
        Trial::test(name, move || {
            drop(stage.world()?);
            let world = stage.lock().take().ok_or("no world")??;
            let world = Arc::into_inner(world).ok_or("a trial still holds the world")?;
            stage.runtime.block_on(play(world));
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

    fn world(&self) -> Result<Arc<W>, Failed> {
        let mut world = self.lock();
        let world = world.get_or_insert_with(|| {
            let started = self.runtime.block_on((self.start)());
            started.map(Arc::new).map_err(|error| format!("the world could not be started: {error:#}"))
        });
        world.clone().map_err(Failed::from)
    }

    fn lock(&self) -> MutexGuard<'_, Set<W>> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
