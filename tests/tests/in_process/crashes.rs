//! Fails every outside call of every handler in every way, one at a time. Then delivers everything again, twice. The
//! end state is the same in every run.

use platform::faults::Fault;

use crate::case_scenario::{CaseScenario, LostEvents};

const FAULTS: [Fault; 5] =
    [Fault::Before, Fault::AnswerLost, Fault::Throttled, Fault::DiesBefore, Fault::DiesAfter];

async fn every_call_fails_once(lost_events: LostEvents) {
    let mut without_fault = CaseScenario::new(lost_events, None).await;
    without_fault.run().await;
    without_fault.check_end_state().await;
    let calls = without_fault.calls.len();
    assert!(calls >= 10, "the scenario makes too few calls: {:?}", without_fault.calls);
    for call in 1..=calls {
        for fault in FAULTS {
            let mut scenario = CaseScenario::new(lost_events, Some((call, fault))).await;
            scenario.run().await;
            assert!(scenario.fault_occurred, "the fault did not occur");
            let hash = scenario.check_end_state().await;
            scenario.repeat_all().await;
            assert_eq!(
                scenario.check_end_state().await,
                hash,
                "{fault:?} at call {call}, {}",
                without_fault.calls[call - 1]
            );
        }
    }
}

/// Rows 1 and 2, at every call of a complete case.
#[tokio::test]
async fn a_case_survives_a_fault_at_any_call() {
    every_call_fails_once(LostEvents::Nothing).await;
}

/// Rows 16 and 31: no S3 event reports the uploads, and the router never sees the submission.
#[tokio::test]
async fn the_sweeper_completes_a_case_after_a_fault_at_any_call() {
    every_call_fails_once(LostEvents::UploadsAndSubmission).await;
}
