#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::command::ReportedResult;
use domain::ids::{ApplicationId, ReportId};
use domain::stage::Stage;
use protocol::report::{Receipt, Report};

use super::*;
use agency::testing::{
    FakeQueue, RecordedRequest, TestFolder, agency, application, case, message, refusal, test_server,
};

/// A hub that tracks the version of each case, and answers a repeated report with the first receipt.
#[derive(Clone, Default)]
struct FakeHub(Arc<Mutex<(TakenReports, Receipts)>>);

/// The kinds of the accepted reports of each case, in order.
type TakenReports = BTreeMap<ApplicationId, Vec<&'static str>>;
/// The receipt of each accepted report.
type Receipts = BTreeMap<ReportId, Receipt>;

impl FakeHub {
    fn take(&self, request: &RecordedRequest) -> Response {
        let text = request.text();
        let payload = text.split('.').nth(1).unwrap();
        let report: Report = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let mut record = self.0.lock().unwrap();
        let (cases, receipts) = &mut *record;
        if let Some(receipt) = receipts.get(&report.report_id) {
            return Json(receipt).into_response();
        }
        let Some(taken) = cases.get_mut(&report.application) else {
            return refusal(404, "not_found");
        };
        let kind = ReportedResult::kind_of(report.result.step()).unwrap();
        let order = ["received", "signed", "produced", "ready"];
        let version = u32::try_from(taken.len()).unwrap() + 4;
        if report.seen != version || order.get(taken.len()) != Some(&kind) {
            return refusal(409, "illegal_step");
        }
        taken.push(kind);
        let (report_id, application) = (report.report_id, report.application);
        let (version, stage, received_at, receipt) = (version + 1, Stage::Received, None, None);
        let receipt = Receipt { report_id, application, version, stage, received_at, receipt };
        receipts.insert(report_id, receipt.clone());
        Json(receipt).into_response()
    }
}

const SHORT: StopConditions =
    StopConditions { after: Some(Duration::from_secs(60)), idle: Some(Duration::from_millis(3500)) };

#[tokio::test]
async fn agencies_that_crash_and_make_mistakes_decide_every_case_once() {
    let record = FakeHub::default();
    let hub = record.clone();
    let (url, _) = test_server(move |_, request| hub.take(request)).await;
    let folder = TestFolder::new();
    let (mut members, mut queues) = (Vec::new(), Vec::new());
    for number in 1..=3u8 {
        let (mut config, hub) = agency(&url);
        config.inbox = folder.path(&format!("{number}.sqlite"));
        // Time after which a message that a crashed agency was handling is delivered again.
        config.consumer.visibility = Duration::from_secs(1);
        config.consumer.wait = Duration::from_millis(100);
        let queue = FakeQueue::default();
        for case_number in 0..5 {
            let case_number = number * 10 + case_number;
            record.0.lock().unwrap().0.insert(application(case_number), Vec::new());
            queue.send(&case_number.to_string(), message(&case(case_number, 4), &config, &hub));
        }
        queues.push(queue.clone());
        members.push(FleetAgency { config, queue, reports: None });
    }
    let behaviour = Behaviour { seed: 5, crashes: 0.4, mistakes: 0.3, ..Behaviour::default() };
    let fleet = Fleet::new(AgencyScript::named("default").unwrap(), behaviour, ConsumerJournal::default());
    let (_stopper, stop) = Stop::new();
    let summary = fleet.run(members, SHORT, stop).await.unwrap();
    assert!(queues.iter().all(|queue| queue.messages().is_empty()), "{summary:?}");
    let record = record.0.lock().unwrap();
    assert!(record.0.values().all(|taken| *taken == ["received", "signed", "produced", "ready"]));
    assert_eq!((summary.agencies, summary.applications), (3, 15));
    assert!(summary.crashes > 0 && summary.cases > 15, "{summary:?}");
    assert!(!summary.mistakes.is_empty() && summary.refusals.is_empty(), "{summary:?}");
}

#[tokio::test]
async fn a_consumer_that_cannot_start_ends_the_fleet() {
    let folder = TestFolder::new();
    let (mut good, _) = agency("http://127.0.0.1:1");
    good.inbox = folder.path("inbox.sqlite");
    let mut bad = good.clone();
    bad.inbox = folder.path("none/inbox.sqlite");
    let members =
        [good, bad].map(|config| FleetAgency { config, queue: FakeQueue::default(), reports: None });
    let fleet =
        Fleet::new(AgencyScript::named("default").unwrap(), Behaviour::default(), ConsumerJournal::default());
    let (_stopper, stop) = Stop::new();
    let ended = fleet.run(members.to_vec(), StopConditions::default(), stop).await;
    assert!(matches!(ended, Err(FleetError::Consumer { .. })), "{ended:?}");
}

#[tokio::test]
async fn a_fleet_ends_after_a_time_when_idle_and_on_a_stop() {
    let folder = TestFolder::new();
    let (mut config, _) = agency("http://127.0.0.1:1");
    config.inbox = folder.path("inbox.sqlite");
    config.consumer.wait = Duration::from_millis(10);
    let fleet =
        Fleet::new(AgencyScript::named("default").unwrap(), Behaviour::default(), ConsumerJournal::default());
    let members = || vec![FleetAgency { config: config.clone(), queue: FakeQueue::default(), reports: None }];
    let short = Some(Duration::from_millis(50));
    let (stopper, stop) = Stop::new();
    for ends in [StopConditions { after: short, idle: None }, StopConditions { after: None, idle: short }] {
        assert_eq!(fleet.run(members(), ends, stop.clone()).await.unwrap().cases, 0);
    }
    stopper.stop();
    fleet.run(members(), StopConditions::default(), stop).await.unwrap();
}
