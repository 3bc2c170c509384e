//! End to end: real function processes on a local AWS deployed from the template that ships, a real HTTP
//! receiver as the app backend, real agency processes at their queues.
//!
//! One world serves all trials. Each trial is a tenant of its own, and agencies are allotted to trials by the
//! script they work by, so trials run at once and do not disturb each other. After the last one the run as a
//! whole is checked: no message left anywhere, nothing given up, nothing personal written, no process left.

#![allow(clippy::print_stderr, reason = "a harness speaks to whoever runs it")]

mod agency;
mod app;
mod bad_input;
mod callbacks;
mod certificates;
mod checks;
mod contracts;
mod docs;
mod first_cards;
mod places;
mod port_contracts;
mod reports;
mod transfers;
mod turns;
mod world;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use tokio::runtime::Runtime;

use crate::world::World;

/// Trials at once, unless `--test-threads` says otherwise. The local AWS is one process.
const THREADS: usize = 4;

type Play = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The world, started by the first trial that needs it; why it could not be is told to every trial.
type Stage = Arc<Mutex<Option<Result<Arc<World>, String>>>>;

macro_rules! plays {
    ($($module:ident: $($name:ident),+ ;)+) => {
        [$($((
            concat!(stringify!($module), "::", stringify!($name)),
            (|world| Box::pin($module::$name(world))) as fn(Arc<World>) -> Play,
        )),+),+]
    };
}

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
    let mut trials = trials(&runtime, &stage);
    let ends = ends(&runtime, &stage, arguments.filter.is_none());
    if arguments.list {
        trials.extend(ends);
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let first = libtest_mimic::run(&arguments, trials);
    let started = matches!(*lock(&stage), Some(Ok(_)));
    if !started {
        return first.exit_code();
    }
    // The world was used, so the checks of the whole run are due, whichever trials were asked for.
    let whole =
        Arguments { test_threads: Some(1), filter: None, skip: Vec::new(), exact: false, ..arguments };
    let last = libtest_mimic::run(&whole, ends);
    if failed(&first) || failed(&last) { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn failed(conclusion: &Conclusion) -> bool {
    conclusion.has_failed()
}

fn trials(runtime: &Arc<Runtime>, stage: &Stage) -> Vec<Trial> {
    let plays = plays! {
        first_cards: adult_from_hohhot_to_beijing, under_16_by_the_guardian, between_league_cities,
            sixteenth_birthday_today;
        transfers: job_transfer, school_admission, graduation, couples_joining, parents_joining_children,
            lapsed_certificate_is_restored_at_origin;
        certificates: kinship_is_issued_and_fetched, former_name_is_issued_and_fetched;
        turns: supplement_is_asked_and_answered, not_issued, withdrawn_before_dispatch, withdrawn_after_dispatch;
        places: a_pair_nobody_covers, an_agency_without_a_capability;
        reports: every_outcome, by_the_queue, a_lost_case_comes_again;
        callbacks: a_test_event_before_and_after_a_rotation, paused_holds_and_resumed_delivers_in_order,
            gone_disables_and_resumed_delivers, a_failing_endpoint_hears_it_later;
        docs: readme, agency_readme;
        contracts: store, settings, deliveries, directory;
        port_contracts: queues, documents, vault;
        bad_input: malformed_json, wrong_types, a_float_for_an_integer, missing_fields_are_named_at_once,
            wrong_check_digit, unknown_division, future_birth_date, a_body_of_400_kb, unknown_fields, wrong_method,
            wrong_content_type, no_token, a_bad_token, another_tenants_id;
    };
    let trial = |(name, play): (&'static str, fn(Arc<World>) -> Play)| {
        let (runtime, stage) = (runtime.clone(), stage.clone());
        Trial::test(name, move || {
            let world = world(&runtime, &stage)?;
            runtime.block_on(play(world));
            Ok(())
        })
    };
    plays.into_iter().map(trial).collect()
}

/// The checks of the whole run, in this order; the last one takes the world down.
fn ends(runtime: &Arc<Runtime>, stage: &Stage, all: bool) -> Vec<Trial> {
    let (here, there, down) = (stage.clone(), stage.clone(), stage.clone());
    let (first, second, last) = (runtime.clone(), runtime.clone(), runtime.clone());
    vec![
        Trial::test("whole_run::no_message_is_left", move || {
            let world = world(&first, &here)?;
            first.block_on(checks::queues_are_empty(&world));
            Ok(())
        }),
        Trial::test("whole_run::nothing_personal_is_written", move || {
            let world = world(&second, &there)?;
            second.block_on(checks::nothing_personal_is_written(&world, all));
            Ok(())
        }),
        Trial::test("whole_run::no_process_is_left", move || {
            let world = lock(&down).take().ok_or("no world")??;
            let world = Arc::into_inner(world).ok_or("a trial still holds the world")?;
            last.block_on(world.end());
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
