//! Every outside call of every handler is made to fail in every way, one at a time; then everything is
//! delivered again, twice. Whatever happened, the end is the same.

use platform::faults::Fault;

use crate::journey::{Journey, Missed};

const FAULTS: [Fault; 5] =
    [Fault::Before, Fault::AnswerLost, Fault::Throttled, Fault::DiesBefore, Fault::DiesAfter];

async fn every_call_fails_once(missed: Missed) {
    let mut whole = Journey::new(missed, None).await;
    whole.play().await;
    whole.check().await;
    let calls = whole.calls.len();
    assert!(calls >= 10, "the journey makes calls: {:?}", whole.calls);
    for call in 1..=calls {
        for fault in FAULTS {
            let mut journey = Journey::new(missed, Some((call, fault))).await;
            journey.play().await;
            assert!(journey.struck, "the fault struck");
            let hash = journey.check().await;
            journey.repeat().await;
            assert_eq!(journey.check().await, hash, "{fault:?} at call {call}, {}", whole.calls[call - 1]);
        }
    }
}

/// Rows 1 and 2 at every call of the whole case.
#[tokio::test]
async fn a_journey_survives_any_call() {
    every_call_fails_once(Missed::Nothing).await;
}

/// Rows 16 and 31: no S3 event tells of the uploads, and the router never sees the submission.
#[tokio::test]
async fn the_sweeper_survives_any_call() {
    every_call_fails_once(Missed::UploadsAndSubmission).await;
}
