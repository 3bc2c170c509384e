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
mod limits;
mod policies;
mod suspension;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use tongban_tests::stage::{Play, Stage, arguments};

use crate::world::World;

/// What a trial does in the world.
type Trialled = fn(Arc<World>) -> Play;

fn main() -> ExitCode {
    let arguments = arguments();
    let stage = match Stage::open(|| Box::pin(World::start())) {
        Ok(stage) => stage,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut first = trials(&stage);
    let last = ends(&stage);
    if arguments.list {
        first.extend(last);
        return libtest_mimic::run(&arguments, first).exit_code();
    }
    let during = libtest_mimic::run(&arguments, first);
    let after = libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, last);
    // Whatever was not taken down by a trial ends here.
    stage.clear();
    if during.has_failed() || after.has_failed() { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn trials(stage: &Stage<World>) -> Vec<Trial> {
    let plays: [(&str, Trialled); 11] = [
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
        ("limits::a_minute_holds_within_a_tenth", |world| {
            Box::pin(limits::a_minute_holds_within_a_tenth(world))
        }),
        ("policies::every_queue_is_its_agencys_alone", |world| {
            Box::pin(policies::every_queue_is_its_agencys_alone(world))
        }),
        ("policies::row_23_every_queue_is_watched", |world| {
            Box::pin(policies::row_23_every_queue_is_watched(world))
        }),
    ];
    plays.into_iter().map(|(name, play)| stage.trial(name, play)).collect()
}

/// What changes the world for good.
fn ends(stage: &Stage<World>) -> Vec<Trial> {
    vec![
        stage.trial("whole_run::a_changed_record_is_told_loudly", |world| {
            Box::pin(async move { conflict::a_changed_record_is_told_loudly(&world).await })
        }),
        stage.last("whole_run::an_agency_more_and_an_agency_less", |world| {
            Box::pin(growth::an_agency_more_and_an_agency_less(world))
        }),
    ]
}
