//! An adult's first card from its creation to its collection point, over a hub that may fail at any call. Each
//! delivery is repeated until its answer is final, as apps, queues and streams repeat it. At the end everything is
//! delivered again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use app_client::SampleDocument;
use domain::command::ReportedResult;
use domain::effect::{NoticeKind, calls_back};
use domain::event::Event;
use domain::ids::ApplicationId;
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use platform::faults::Fault;
use platform::queues::{Outgoing, Queue};
use serde_json::{Value, json};
use tongban_tests::people::{Citizen, trace_in};
use tongban_tests::receiver::Receiver;

use crate::crash_harness::{Answer, BEIJING, CrashHarness};
use crate::records::stream_record;

/// Tenant of the app backend.
pub(crate) const TENANT: &str = "an-app";
/// Most deliveries of the same thing before the test fails.
const MAX_DELIVERIES: usize = 10;

/// Events that are lost on purpose, so that the sweeper must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LostEvents {
    Nothing,
    /// No S3 event arrives for the uploads, and no stream record for the submission.
    UploadsAndSubmission,
}

/// A delivery to the hub or to a receiver. It is repeated until its answer is final.
#[derive(Clone, Debug)]
enum Delivery {
    Create,
    Uploaded,
    Record(Value),
    Report(String),
    CallBack(Outgoing),
    Sweep,
}

/// The state of a running scenario, and all of its deliveries.
pub(crate) struct CaseScenario {
    pub(crate) harness: CrashHarness,
    receiver: Receiver,
    body: Value,
    documents: Vec<SampleDocument>,
    lost_events: LostEvents,
    /// The call that fails, counted from 1 over the complete scenario.
    fault: Option<(usize, Fault)>,
    /// Whether the planned fault has occurred.
    pub(crate) fault_occurred: bool,
    /// Calls of the handlers so far, by name.
    pub(crate) calls: Vec<&'static str>,
    pending: VecDeque<Delivery>,
    delivered: Vec<Delivery>,
    streamed: BTreeMap<ApplicationId, u32>,
    object_keys: Vec<String>,
    created: Option<Value>,
    /// Message ids that the agency has handled.
    inbox: BTreeSet<String>,
    /// Number of cases that the agency has handled.
    pub(crate) cases: usize,
    results: VecDeque<ReportedResult>,
    application: Option<ApplicationId>,
}

impl CaseScenario {
    /// A scenario in which at most one call of the handlers fails.
    pub(crate) async fn new(lost_events: LostEvents, fault: Option<(usize, Fault)>) -> CaseScenario {
        let harness = CrashHarness::new();
        let clock = harness.hub.clock.clone();
        let receiver = Receiver::listen_by(move || clock.now()).await;
        let wanted = json!({ "url": receiver.url() });
        let made = harness.post(TENANT, "/v1/subscriptions", "a-subscription", &wanted).await.body(201);
        receiver.trust(made["secret"].as_str().expect("a secret"));
        harness.hub.faults.restart();
        let documents = vec![
            SampleDocument::pdf("household_register", "one"),
            SampleDocument::jpeg("proof_of_work", "two"),
        ];
        CaseScenario {
            harness,
            receiver,
            body: body(&documents),
            documents,
            lost_events,
            fault,
            fault_occurred: false,
            calls: Vec::new(),
            pending: VecDeque::from([Delivery::Create]),
            delivered: Vec::new(),
            streamed: BTreeMap::new(),
            object_keys: Vec::new(),
            created: None,
            inbox: BTreeSet::new(),
            cases: 0,
            results: VecDeque::new(),
            application: None,
        }
    }

    /// Runs until no delivery is pending.
    pub(crate) async fn run(&mut self) {
        loop {
            while let Some(delivery) = self.pending.pop_front() {
                let answer = self.deliver_until_final(&delivery).await;
                self.delivered.push(delivery.clone());
                self.enqueue_next(&delivery, answer);
                self.collect_deliveries().await;
            }
            if self.lost_events == LostEvents::Nothing || self.is_ready().await {
                return;
            }
            // No delivery is pending: after an hour the schedule wakes the sweeper.
            self.harness.hub.clock.advance(SignedDuration::from_mins(61));
            let sweeps =
                self.delivered.iter().filter(|delivered| matches!(delivered, Delivery::Sweep)).count();
            assert!(sweeps < MAX_DELIVERIES, "the sweeper does not complete the case");
            self.pending.push_back(Delivery::Sweep);
        }
    }

    /// Repeats a delivery until its answer is final. A process that crashed is restarted.
    async fn deliver_until_final(&mut self, delivery: &Delivery) -> Answer {
        for _ in 0..MAX_DELIVERIES {
            let answer = self.deliver(delivery).await;
            if answer.is_final() {
                return answer;
            }
            // The agency handles messages that were sent before the failure, before the delivery is repeated.
            self.run_agency();
            let reports = self.pending.iter().position(|pending| matches!(pending, Delivery::Report(_)));
            if let Some(report) = reports.and_then(|index| self.pending.remove(index)) {
                let receipt = Box::pin(self.deliver_until_final(&report)).await;
                self.delivered.push(report.clone());
                self.enqueue_next(&report, receipt);
            }
        }
        panic!("no final answer after {MAX_DELIVERIES} deliveries: {delivery:?}");
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Answer {
        let faults = self.harness.hub.faults.clone();
        faults.restart();
        let calls_before = self.calls.len();
        if let Some((call, fault)) = self.fault
            && call > calls_before
        {
            faults.plan(call - calls_before, fault);
        }
        let harness = &self.harness;
        let mut answer = match delivery {
            Delivery::Create => harness.post(TENANT, "/v1/applications", "a-key", &self.body).await,
            Delivery::Uploaded => harness.uploaded(&self.object_keys).await,
            Delivery::Record(record) => harness.stream_records(std::slice::from_ref(record)).await,
            Delivery::Report(jws) => harness.report(jws).await,
            Delivery::CallBack(message) => harness.call_back(message).await,
            Delivery::Sweep => harness.sweep().await,
        };
        self.calls.extend(faults.calls());
        let fault_occurred =
            self.fault.is_some_and(|(call, _)| calls_before < call && call <= self.calls.len());
        self.fault_occurred |= fault_occurred;
        let crashed = matches!(self.fault, Some((_, Fault::DiesBefore | Fault::DiesAfter)));
        faults.restart();
        if fault_occurred && crashed {
            // The crashed process cannot answer.
            self.harness.restart();
            answer = match answer {
                Answer::Http(..) => Answer::Http(502, Value::Null),
                Answer::Batch(_) => Answer::Batch(1),
                swept @ Answer::Swept(_) => swept,
            };
        }
        answer
    }

    /// Enqueues the deliveries that follow from an answer.
    fn enqueue_next(&mut self, delivery: &Delivery, answer: Answer) {
        match delivery {
            Delivery::Create => {
                let created = answer.body(201);
                self.object_keys = self.harness.upload(&created, &self.documents);
                if self.lost_events == LostEvents::Nothing {
                    self.pending.push_back(Delivery::Uploaded);
                }
                let id = created["id"].as_str().and_then(|id| id.parse().ok());
                self.application = id;
                self.created = Some(without_links(created));
            }
            Delivery::Report(_) => {
                let receipt = answer.body(200);
                if let Some(result) = self.results.pop_front() {
                    let seen = receipt["version"].as_u64().and_then(|seen| u32::try_from(seen).ok());
                    self.enqueue_report(seen.expect("a version"), result);
                }
            }
            Delivery::Uploaded | Delivery::Record(_) | Delivery::CallBack(_) | Delivery::Sweep => {}
        }
    }

    fn enqueue_report(&mut self, seen: u32, result: ReportedResult) {
        let application = self.application.expect("an application");
        let jws = self.harness.signed(BEIJING, application, seen, result);
        self.pending.push_back(Delivery::Report(jws));
    }

    /// Enqueues new stream records and queue messages.
    async fn collect_deliveries(&mut self) {
        for stored in self.harness.stored().await {
            let mut streamed = self.streamed.insert(stored.id(), stored.version()).unwrap_or(0);
            if self.lost_events == LostEvents::UploadsAndSubmission {
                // Only the submission's record is lost, not the records of later writes.
                let is_submission = |event: &Event| matches!(event, Event::Submitted { .. });
                let mut new = stored.ledger.after(streamed).iter();
                if let Some(submission) = new.find(|line| is_submission(&line.entry.event)) {
                    streamed = submission.entry.version;
                }
            }
            if streamed < stored.version() {
                self.pending.push_back(Delivery::Record(stream_record(&stored, streamed, stored.version())));
            }
        }
        for message in self.harness.hub.queues.drain(&Queue::Callbacks) {
            assert_eq!(trace_in(&message.body), None, "the callback queue holds personal data");
            self.pending.push_back(Delivery::CallBack(message));
        }
        self.run_agency();
    }

    /// The agency takes its messages and handles each id once.
    fn run_agency(&mut self) {
        for message in self.harness.take(BEIJING) {
            assert_eq!(trace_in(&message.body), None, "the agency's queue holds personal data");
            let case = self.harness.opened(BEIJING, &message);
            assert_eq!(case.notice, NoticeKind::Opened);
            if self.inbox.insert(message.id.clone()) {
                self.cases += 1;
                self.results = VecDeque::from([
                    ReportedResult::Signed,
                    ReportedResult::Ready { place: "a hall".to_owned() },
                ]);
                self.enqueue_report(case.version, ReportedResult::Received);
            }
        }
    }

    async fn is_ready(&self) -> bool {
        self.harness.stored().await.iter().all(|stored| stored.ledger.state().stage == Stage::Ready)
    }

    /// Delivers everything again in the original order: at once, and again after the queues' deduplication window. The
    /// creation gets the answer of the first time.
    pub(crate) async fn repeat_all(&mut self) {
        for pause in [SignedDuration::ZERO, SignedDuration::from_mins(6)] {
            self.harness.hub.clock.advance(pause);
            for delivery in self.delivered.clone() {
                let answer = self.deliver_until_final(&delivery).await;
                if matches!(delivery, Delivery::Create) {
                    assert_eq!(
                        Some(without_links(answer.body(201))),
                        self.created,
                        "a repeated creation has another answer"
                    );
                }
                self.collect_deliveries().await;
                while let Some(again) = self.pending.pop_front() {
                    assert!(matches!(again, Delivery::CallBack(_)), "a repeated delivery causes {again:?}");
                    self.deliver_until_final(&again).await;
                }
            }
        }
    }

    /// Checks the end state: one application, every step once, a valid hash chain (reading verifies it), one case at
    /// the agency, and the callbacks in order. Returns the hash of the record.
    pub(crate) async fn check_end_state(&self) -> String {
        let stored = self.harness.stored().await;
        let [stored] = &stored[..] else { panic!("{} applications are stored", stored.len()) };
        assert_eq!(stored.ledger.state().stage, Stage::Ready);
        let mut names: Vec<&str> =
            stored.ledger.entries().iter().map(|line| line.entry.event.name()).collect();
        let expected =
            ["opened", "document_stored", "document_stored", "submitted", "dispatched", "received"];
        assert_eq!(names, [&expected[..], &["signed", "ready"]].concat());
        assert_eq!(self.cases, 1, "number of cases at the agency");
        names.retain(|name| !["opened", "document_stored", "submitted"].contains(name));
        let mut callback_ids: Vec<String> = Vec::new();
        for call in self.receiver.calls() {
            if !callback_ids.contains(&call.id) {
                callback_ids.push(call.id);
            }
        }
        let lines = stored.ledger.entries().iter().filter(|line| calls_back(&line.entry.event));
        let expected: Vec<String> =
            lines.map(|line| format!("{}:{}", stored.id(), line.entry.version)).collect();
        assert_eq!(callback_ids, expected, "callbacks without repeats");
        stored.ledger.hash()
    }
}

/// Body of the request that creates the application.
pub(crate) fn body(documents: &[SampleDocument]) -> Value {
    let citizen = Citizen::aged(33);
    json!({
        "service": "first_identity_card",
        "accepted_at": "150102",
        "registered_at": "110105",
        "applicant": citizen.json(),
        "address": citizen.address,
        "commitment": true,
        "documents": documents.iter().map(SampleDocument::declaration).collect::<Vec<_>>(),
        "submit": "when_complete",
    })
}

/// The response without its upload links, which are signed again for each answer.
fn without_links(mut created: Value) -> Value {
    for document in created["documents"].as_array_mut().into_iter().flatten() {
        document.as_object_mut().expect("a document").remove("upload");
    }
    created
}
