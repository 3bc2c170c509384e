//! What operators do, by the commands they type, against real function processes on a local AWS of its own.
//!
//! One world serves all trials; agencies are allotted to them. What changes the whole world comes last: a record that
//! somebody tampers with, an agency more by a deploy, an agency less.

#![allow(clippy::print_stderr, reason = "a harness speaks to whoever runs it")]

mod app;
mod command;
mod conflict;
mod evidence;
mod growth;
mod keys;
mod kit;
mod policies;
mod suspension;
mod world;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use crate::world::World;

/// Trials at once, unless `--test-threads` says otherwise. The local AWS is one process.
const THREADS: usize = 4;

/// What a trial does in the world.
type Trialled = fn(Arc<World>) -> Play;
type Play = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The world, started by the first trial that needs it; why it could not be is told to every trial.
type Stage = Arc<Mutex<Option<Result<Arc<World>, String>>>>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let stage = Stage::default();
    let mut first = trials(&runtime, &stage);
    let last = ends(&runtime, &stage);
    if arguments.list {
        first.extend(last);
        return libtest_mimic::run(&arguments, first).exit_code();
    }
    let during = libtest_mimic::run(&arguments, first);
    let after = libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, last);
    // Whatever was not taken down by a trial ends here.
    drop(lock(&stage).take());
    if during.has_failed() || after.has_failed() { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn trials(runtime: &Arc<Runtime>, stage: &Stage) -> Vec<Trial> {
    let plays: [(&str, Trialled); 9] = [
        ("suspension::holds_and_releases", |world| Box::pin(suspension::holds_and_releases(world))),
        ("keys::count_and_count_no_more", |world| Box::pin(keys::count_and_count_no_more(world))),
        ("keys::what_makes_no_sense_is_refused", |world| {
            Box::pin(keys::what_makes_no_sense_is_refused(world))
        }),
        ("keys::what_comes_after_is_encrypted_to_it", |world| {
            Box::pin(keys::what_comes_after_is_encrypted_to_it(world))
        }),
        ("kit::has_what_an_integrator_needs", |world| Box::pin(kit::has_what_an_integrator_needs(world))),
        ("kit::a_probe_lies_in_the_queue", |world| Box::pin(kit::a_probe_lies_in_the_queue(world))),
        ("evidence::refused_reports_are_listed", |world| {
            Box::pin(evidence::refused_reports_are_listed(world))
        }),
        ("conflict::twenty_operators_at_once", |world| Box::pin(conflict::twenty_operators_at_once(world))),
        ("policies::every_queue_is_its_agencys_alone", |world| {
            Box::pin(policies::every_queue_is_its_agencys_alone(world))
        }),
    ];
    let trial = |(name, play): (&'static str, Trialled)| {
        let (runtime, stage) = (runtime.clone(), stage.clone());
        Trial::test(name, move || {
            let world = world(&runtime, &stage)?;
            runtime.block_on(play(world));
            Ok(())
        })
    };
    plays.into_iter().map(trial).collect()
}

/// What changes the world for good.
fn ends(runtime: &Arc<Runtime>, stage: &Stage) -> Vec<Trial> {
    let (here, there) = (stage.clone(), stage.clone());
    let (first, second) = (runtime.clone(), runtime.clone());
    vec![
        Trial::test("whole_run::a_changed_record_is_told_loudly", move || {
            let world = world(&first, &here)?;
            first.block_on(conflict::a_changed_record_is_told_loudly(&world));
            Ok(())
        }),
        Trial::test("whole_run::an_agency_more_and_an_agency_less", move || {
            world(&second, &there)?;
            let world = lock(&there).take().ok_or("no world")??;
            let world = Arc::into_inner(world).ok_or("a trial still holds the world")?;
            second.block_on(growth::an_agency_more_and_an_agency_less(world));
            Ok(())
        }),
    ]
}

fn world(runtime: &Runtime, stage: &Stage) -> Result<Arc<World>, Failed> {
    let mut stage = lock(stage);
    let world = stage.get_or_insert_with(|| {
        let started = runtime.block_on(World::start());
        started.map(Arc::new).map_err(|error| format!("the world could not be started: {error:#}"))
    });
    world.clone().map_err(Failed::from)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
