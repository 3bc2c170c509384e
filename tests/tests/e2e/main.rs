//! End to end: real function processes on a local AWS deployed from the template that ships, a real HTTP
//! receiver as the app backend, real agency processes at their queues.
//!
//! One hub serves all trials. Each trial is a separate tenant, and agencies are allotted to trials by script, so that
//! trials run concurrently. After the last trial the run is checked: no message and no dead letter is left, no log
//! contains personal data, and no process is left.

#![allow(clippy::print_stderr, reason = "a harness prints its errors")]

mod agency;
mod app;
mod bad_input;
mod callbacks;
mod certificates;
mod checks;
mod contracts;
mod docs;
mod exceptions;
mod first_cards;
mod places;
mod port_contracts;
mod reports;
mod test_hub;
mod transfers;
mod uploads;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use tongban_tests::shared_fixture::{SharedFixture, TrialBody, arguments};

use crate::test_hub::TestHub;

macro_rules! plays {
    ($($module:ident: $($name:ident),+ ;)+) => {
        [$($((
            concat!(stringify!($module), "::", stringify!($name)),
            (|test_hub| Box::pin($module::$name(test_hub))) as fn(Arc<TestHub>) -> TrialBody,
        )),+),+]
    };
}

fn main() -> ExitCode {
    let arguments = arguments();
    let fixture = match SharedFixture::open(|| Box::pin(TestHub::start())) {
        Ok(fixture) => fixture,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut trials = trials(&fixture);
    let ends = ends(&fixture, arguments.filter.is_none());
    if arguments.list {
        trials.extend(ends);
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let first = libtest_mimic::run(&arguments, trials);
    if !fixture.is_set() {
        return first.exit_code();
    }
    // The hub was started, so the final checks must run, whichever trials were selected.
    let arguments_of_ends =
        Arguments { test_threads: Some(1), filter: None, skip: Vec::new(), exact: false, ..arguments };
    let last = libtest_mimic::run(&arguments_of_ends, ends);
    if first.has_failed() || last.has_failed() { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn trials(fixture: &SharedFixture<TestHub>) -> Vec<Trial> {
    let plays = plays! {
        first_cards: adult_from_hohhot_to_beijing, under_16_by_the_guardian, between_league_cities,
            sixteenth_birthday_today;
        transfers: job_transfer, school_admission, graduation, couples_joining, parents_joining_children;
        certificates: kinship_is_issued_and_fetched, former_name_is_issued_and_fetched;
        exceptions: supplement_is_requested_and_answered, not_issued, withdrawn_before_dispatch, withdrawn_after_dispatch;
        places: a_place_that_no_agency_covers, an_agency_without_a_capability;
        reports: each_report_gets_its_documented_answer, reports_through_the_queue, a_lost_case_is_sent_again;
        callbacks: a_test_event_before_and_after_a_rotation, a_second_subscription_gets_all_callbacks, a_pause_stores_callbacks_and_a_resume_delivers_them_in_order,
            status_410_disables_the_endpoint_and_a_resume_delivers, a_failing_endpoint_gets_its_callbacks_later;
        docs: readme, agency_readme;
        contracts: store, tenant_rows, deliveries, agency_registry;
        port_contracts: queues, documents, vault;
        uploads: d6_a_browser_may_upload_from_a_configured_origin_only, d4_the_sweepers_role_erases_what_the_bucket_locks;
        bad_input: malformed_json, wrong_types, a_float_for_an_integer, missing_fields_are_named_at_once,
            wrong_check_digit, unknown_division, future_birth_date, a_body_of_400_kb, unknown_fields, wrong_method,
            encoded_paths, wrong_content_type, no_token, a_bad_token, another_tenants_id;
    };
    plays.into_iter().map(|(name, play)| fixture.trial(name, play)).collect()
}

/// The checks of the run, in this order. The last one stops the hub.
fn ends(fixture: &SharedFixture<TestHub>, all: bool) -> Vec<Trial> {
    vec![
        fixture.trial("whole_run::no_message_is_left", |test_hub| {
            Box::pin(async move { checks::queues_are_empty(&test_hub).await })
        }),
        fixture.trial("whole_run::logs_contain_no_personal_data", move |test_hub| {
            Box::pin(async move { checks::logs_contain_no_personal_data(&test_hub, all).await })
        }),
        fixture.last("whole_run::no_process_is_left", |test_hub| Box::pin(test_hub.end())),
    ]
}
