//! The operator's commands against real function processes on a separate local AWS.
//!
//! One hub serves all trials, and agencies are allotted to them. The trials that change the hub for all come last: a
//! tampered record, and an agency added and removed by a deploy.

#![allow(clippy::print_stderr, reason = "a harness prints its errors")]

mod app;
mod aws_page;
mod command;
mod conflict;
mod deployment;
mod evidence;
mod growth;
mod keys;
mod kit;
mod limits;
mod logs;
mod missing;
mod policies;
mod suspension;
mod test_hub;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use tongban_tests::shared_fixture::{SharedFixture, TrialBody, arguments};

use crate::test_hub::TestHub;

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
    // Ends the hub when no trial has ended it.
    fixture.clear();
    if during.has_failed() || after.has_failed() { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn trials(fixture: &SharedFixture<TestHub>) -> Vec<Trial> {
    let plays: [(&str, Trialled); 22] = [
        ("suspension::a_suspension_holds_cases_and_a_resume_releases_them", |test_hub| {
            Box::pin(suspension::a_suspension_holds_cases_and_a_resume_releases_them(test_hub))
        }),
        ("keys::signing_keys_are_added_and_revoked", |test_hub| {
            Box::pin(keys::signing_keys_are_added_and_revoked(test_hub))
        }),
        ("keys::invalid_commands_are_refused", |test_hub| {
            Box::pin(keys::invalid_commands_are_refused(test_hub))
        }),
        ("keys::later_messages_are_encrypted_to_a_new_key", |test_hub| {
            Box::pin(keys::later_messages_are_encrypted_to_a_new_key(test_hub))
        }),
        ("kit::a_kit_works_as_handed_out", |test_hub| Box::pin(kit::a_kit_works_as_handed_out(test_hub))),
        ("kit::a_probe_arrives_in_the_queue", |test_hub| {
            Box::pin(kit::a_probe_arrives_in_the_queue(test_hub))
        }),
        ("evidence::refused_reports_are_listed", |test_hub| {
            Box::pin(evidence::refused_reports_are_listed(test_hub))
        }),
        ("evidence::a27_dead_reports_are_shown", |test_hub| {
            Box::pin(evidence::a27_dead_reports_are_shown(test_hub))
        }),
        ("conflict::twenty_operators_at_once", |test_hub| {
            Box::pin(conflict::twenty_operators_at_once(test_hub))
        }),
        ("limits::the_limit_holds_within_a_tenth", |test_hub| {
            Box::pin(limits::the_limit_holds_within_a_tenth(test_hub))
        }),
        ("policies::every_queue_is_its_agencys_alone", |test_hub| {
            Box::pin(policies::every_queue_is_its_agencys_alone(test_hub))
        }),
        ("policies::a_killed_process_costs_thirty_seconds_on_every_queue", |test_hub| {
            Box::pin(policies::a_killed_process_costs_thirty_seconds_on_every_queue(test_hub))
        }),
        ("policies::a_person_has_days_for_every_dead_letter", |test_hub| {
            Box::pin(policies::a_person_has_days_for_every_dead_letter(test_hub))
        }),
        ("policies::every_queue_has_alarms", |test_hub| Box::pin(policies::every_queue_has_alarms(test_hub))),
        ("policies::o3_nothing_may_stay_behind_after_a_failed_deployment", |test_hub| {
            Box::pin(policies::o3_nothing_may_stay_behind_after_a_failed_deployment(test_hub))
        }),
        ("policies::o4_no_environment_can_grow", |test_hub| {
            Box::pin(policies::o4_no_environment_can_grow(test_hub))
        }),
        ("policies::a20_only_the_functions_that_sign_read_the_hubs_key", |test_hub| {
            Box::pin(policies::a20_only_the_functions_that_sign_read_the_hubs_key(test_hub))
        }),
        ("aws_page::the_aws_page", |test_hub| Box::pin(aws_page::the_aws_page(test_hub))),
        ("logs::k6_one_log_has_the_lines_of_all_functions", |test_hub| {
            Box::pin(logs::k6_one_log_has_the_lines_of_all_functions(test_hub))
        }),
        ("missing::o9_a_missing_queue_hides_nothing_else", |test_hub| {
            Box::pin(missing::o9_a_missing_queue_hides_nothing_else(test_hub))
        }),
        ("missing::a18_a_case_in_the_dead_letter_queue_is_named", |test_hub| {
            Box::pin(missing::a18_a_case_in_the_dead_letter_queue_is_named(test_hub))
        }),
        ("deployment::o3_a_first_deployment_that_fails_leaves_nothing_in_the_way", |test_hub| {
            Box::pin(deployment::o3_a_first_deployment_that_fails_leaves_nothing_in_the_way(test_hub))
        }),
    ];
    plays.into_iter().map(|(name, play)| fixture.trial(name, play)).collect()
}

/// The trials that change the hub for all.
fn ends(fixture: &SharedFixture<TestHub>) -> Vec<Trial> {
    vec![
        fixture.trial("whole_run::a_tampered_record_is_reported", |test_hub| {
            Box::pin(async move { conflict::a_tampered_record_is_reported(&test_hub).await })
        }),
        fixture.last("whole_run::an_agency_is_added_and_removed", |test_hub| {
            Box::pin(growth::an_agency_is_added_and_removed(test_hub))
        }),
    ]
}
