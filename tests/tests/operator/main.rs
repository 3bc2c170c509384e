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
mod test_hub;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use tongban_tests::shared_fixture::{SharedFixture, TrialBody, arguments};

use crate::test_hub::TestHub;

/// What a trial does in the world.
type Trialled = fn(Arc<TestHub>) -> TrialBody;

fn main() -> ExitCode {
    let arguments = arguments();
    let fixture = match SharedFixture::open(|| Box::pin(TestHub::start())) {
        Ok(fixture) => fixture,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut first = trials(&fixture);
    let last = ends(&fixture);
    if arguments.list {
        first.extend(last);
        return libtest_mimic::run(&arguments, first).exit_code();
    }
    let during = libtest_mimic::run(&arguments, first);
    let after = libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, last);
    // Whatever was not taken down by a trial ends here.
    fixture.clear();
    if during.has_failed() || after.has_failed() { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn trials(fixture: &SharedFixture<TestHub>) -> Vec<Trial> {
    let plays: [(&str, Trialled); 12] = [
        ("suspension::holds_and_releases", |test_hub| Box::pin(suspension::holds_and_releases(test_hub))),
        ("keys::count_and_count_no_more", |test_hub| Box::pin(keys::count_and_count_no_more(test_hub))),
        ("keys::what_makes_no_sense_is_refused", |test_hub| {
            Box::pin(keys::what_makes_no_sense_is_refused(test_hub))
        }),
        ("keys::what_comes_after_is_encrypted_to_it", |test_hub| {
            Box::pin(keys::what_comes_after_is_encrypted_to_it(test_hub))
        }),
        ("kit::has_what_an_integrator_needs", |test_hub| {
            Box::pin(kit::has_what_an_integrator_needs(test_hub))
        }),
        ("kit::a_probe_lies_in_the_queue", |test_hub| Box::pin(kit::a_probe_lies_in_the_queue(test_hub))),
        ("evidence::refused_reports_are_listed", |test_hub| {
            Box::pin(evidence::refused_reports_are_listed(test_hub))
        }),
        ("conflict::twenty_operators_at_once", |test_hub| {
            Box::pin(conflict::twenty_operators_at_once(test_hub))
        }),
        ("limits::a_minute_holds_within_a_tenth", |test_hub| {
            Box::pin(limits::a_minute_holds_within_a_tenth(test_hub))
        }),
        ("policies::every_queue_is_its_agencys_alone", |test_hub| {
            Box::pin(policies::every_queue_is_its_agencys_alone(test_hub))
        }),
        ("policies::a_killed_process_costs_thirty_seconds_on_every_queue", |test_hub| {
            Box::pin(policies::a_killed_process_costs_thirty_seconds_on_every_queue(test_hub))
        }),
        ("policies::row_23_every_queue_is_watched", |test_hub| {
            Box::pin(policies::row_23_every_queue_is_watched(test_hub))
        }),
    ];
    plays.into_iter().map(|(name, play)| fixture.trial(name, play)).collect()
}

/// What changes the world for good.
fn ends(fixture: &SharedFixture<TestHub>) -> Vec<Trial> {
    vec![
        fixture.trial("whole_run::a_changed_record_is_told_loudly", |test_hub| {
            Box::pin(async move { conflict::a_changed_record_is_told_loudly(&test_hub).await })
        }),
        fixture.last("whole_run::an_agency_more_and_an_agency_less", |test_hub| {
            Box::pin(growth::an_agency_more_and_an_agency_less(test_hub))
        }),
    ]
}
