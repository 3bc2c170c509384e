//! An adult's first card from its creation to its collection point, played over a hub that may fail at any
//! call. Whoever delivers something delivers it until it is settled, as apps, queues and streams do; and at the
//! end everything is delivered again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use app_client::SampleDocument;
use domain::command::Finding;
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

use crate::crash_harness::{Answer, BEIJING, CrashHarness, change};

/// Who applies.
pub(crate) const TENANT: &str = "an-app";
/// Times one thing is delivered before the journey is given up.
const PATIENCE: usize = 10;

/// What is missed on purpose, so that the sweeper has to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    Nothing,
    /// S3 never tells of the uploads, and the stream never shows the submission.
    UploadsAndSubmission,
}

/// One delivery, to be made as often as it takes.
#[derive(Clone, Debug)]
enum Delivery {
    Create,
    Uploaded,
    Record(Value),
    Report(String),
    CallBack(Outgoing),
    Sweep,
}

/// The play and everything that was delivered in it.
pub(crate) struct Journey {
    pub(crate) harness: CrashHarness,
    receiver: Receiver,
    body: Value,
    papers: Vec<SampleDocument>,
    missed: Missed,
    /// The call of the handlers that fails, counted over the whole journey from 1.
    fault: Option<(usize, Fault)>,
    /// Whether it did.
    pub(crate) struck: bool,
    /// Calls of the handlers so far, by name.
    pub(crate) calls: Vec<&'static str>,
    due: VecDeque<Delivery>,
    done: Vec<Delivery>,
    shown: BTreeMap<ApplicationId, u32>,
    object_keys: Vec<String>,
    created: Option<Value>,
    /// Ids the agency has worked on.
    inbox: BTreeSet<String>,
    /// Cases it opened and has worked on.
    pub(crate) cases: usize,
    findings: VecDeque<Finding>,
    application: Option<ApplicationId>,
}

impl Journey {
    /// A journey in which one call of the handlers fails, if any does.
    pub(crate) async fn new(missed: Missed, fault: Option<(usize, Fault)>) -> Journey {
        let harness = CrashHarness::new();
        let clock = harness.hub.clock.clone();
        let receiver = Receiver::listen_by(move || clock.now()).await;
        let wanted = json!({ "url": receiver.url() });
        let made = harness.post(TENANT, "/v1/subscriptions", "a-subscription", &wanted).await.body(201);
        receiver.trust(made["secret"].as_str().expect("a secret"));
        harness.hub.faults.restart();
        let papers = vec![
            SampleDocument::pdf("household_register", "one"),
            SampleDocument::jpeg("proof_of_work", "two"),
        ];
        Journey {
            harness,
            receiver,
            body: body(&papers),
            papers,
            missed,
            fault,
            struck: false,
            calls: Vec::new(),
            due: VecDeque::from([Delivery::Create]),
            done: Vec::new(),
            shown: BTreeMap::new(),
            object_keys: Vec::new(),
            created: None,
            inbox: BTreeSet::new(),
            cases: 0,
            findings: VecDeque::new(),
            application: None,
        }
    }

    /// Plays until nothing is due any more.
    pub(crate) async fn play(&mut self) {
        loop {
            while let Some(delivery) = self.due.pop_front() {
                let answer = self.settle(&delivery).await;
                self.done.push(delivery.clone());
                self.follow(&delivery, answer);
                self.watch().await;
            }
            if self.missed == Missed::Nothing || self.is_ready().await {
                return;
            }
            // Nobody moves: an hour passes, and the schedule wakes the sweeper.
            self.harness.hub.clock.advance(SignedDuration::from_mins(61));
            let sweeps = self.done.iter().filter(|done| matches!(done, Delivery::Sweep)).count();
            assert!(sweeps < PATIENCE, "the sweeper does not find it");
            self.due.push_back(Delivery::Sweep);
        }
    }

    /// Delivers until it is settled. A process that died is started again.
    async fn settle(&mut self, delivery: &Delivery) -> Answer {
        for _ in 0..PATIENCE {
            let answer = self.deliver(delivery).await;
            if answer.is_settled() {
                return answer;
            }
            // What was sent before the failure is worked on before the delivery is repeated.
            self.work();
            let reports = self.due.iter().position(|due| matches!(due, Delivery::Report(_)));
            if let Some(report) = reports.and_then(|index| self.due.remove(index)) {
                let receipt = Box::pin(self.settle(&report)).await;
                self.done.push(report.clone());
                self.follow(&report, receipt);
            }
        }
        panic!("not settled after {PATIENCE} deliveries: {delivery:?}");
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Answer {
        let faults = self.harness.hub.faults.clone();
        faults.restart();
        let made = self.calls.len();
        if let Some((call, fault)) = self.fault
            && call > made
        {
            faults.plan(call - made, fault);
        }
        let harness = &self.harness;
        let mut answer = match delivery {
            Delivery::Create => harness.post(TENANT, "/v1/applications", "a-key", &self.body).await,
            Delivery::Uploaded => harness.uploaded(&self.object_keys).await,
            Delivery::Record(record) => harness.show(std::slice::from_ref(record)).await,
            Delivery::Report(jws) => harness.report(jws).await,
            Delivery::CallBack(message) => harness.call_back(message).await,
            Delivery::Sweep => harness.sweep().await,
        };
        self.calls.extend(faults.calls());
        let struck = self.fault.is_some_and(|(call, _)| made < call && call <= self.calls.len());
        self.struck |= struck;
        let died = matches!(self.fault, Some((_, Fault::DiesBefore | Fault::DiesAfter)));
        faults.restart();
        if struck && died {
            // Whatever the process was about to say, nobody heard it.
            self.harness.restart();
            answer = match answer {
                Answer::Http(..) => Answer::Http(502, Value::Null),
                Answer::Batch(_) => Answer::Batch(1),
                swept @ Answer::Swept(_) => swept,
            };
        }
        answer
    }

    /// What the one who delivered does next.
    fn follow(&mut self, delivery: &Delivery, answer: Answer) {
        match delivery {
            Delivery::Create => {
                let created = answer.body(201);
                self.object_keys = self.harness.upload(&created, &self.papers);
                if self.missed == Missed::Nothing {
                    self.due.push_back(Delivery::Uploaded);
                }
                let id = created["id"].as_str().and_then(|id| id.parse().ok());
                self.application = id;
                self.created = Some(without_links(created));
            }
            Delivery::Report(_) => {
                let receipt = answer.body(200);
                if let Some(finding) = self.findings.pop_front() {
                    let seen = receipt["version"].as_u64().and_then(|seen| u32::try_from(seen).ok());
                    self.say(seen.expect("a version"), finding);
                }
            }
            Delivery::Uploaded | Delivery::Record(_) | Delivery::CallBack(_) | Delivery::Sweep => {}
        }
    }

    fn say(&mut self, seen: u32, finding: Finding) {
        let application = self.application.expect("an application");
        let jws = self.harness.signed(BEIJING, application, seen, finding);
        self.due.push_back(Delivery::Report(jws));
    }

    /// The stream shows what was written, and queues hand out what was sent.
    async fn watch(&mut self) {
        for stored in self.harness.stored().await {
            let mut shown = self.shown.insert(stored.id(), stored.version()).unwrap_or(0);
            if self.missed == Missed::UploadsAndSubmission {
                // The submission's own record is lost; a record of what was written after it is not.
                let is_submission = |event: &Event| matches!(event, Event::Submitted { .. });
                let mut new = stored.ledger.after(shown).iter();
                if let Some(submission) = new.find(|line| is_submission(&line.entry.event)) {
                    shown = submission.entry.version;
                }
            }
            if shown < stored.version() {
                self.due.push_back(Delivery::Record(change(&stored, shown, stored.version())));
            }
        }
        for message in self.harness.hub.queues.drain(&Queue::Callbacks) {
            assert_eq!(trace_in(&message.body), None, "the callback queue");
            self.due.push_back(Delivery::CallBack(message));
        }
        self.work();
    }

    /// The agency takes its messages, each id once.
    fn work(&mut self) {
        for message in self.harness.take(BEIJING) {
            assert_eq!(trace_in(&message.body), None, "the agency's queue");
            let case = self.harness.opened(BEIJING, &message);
            assert_eq!(case.notice, NoticeKind::Opened);
            if self.inbox.insert(message.id.clone()) {
                self.cases += 1;
                self.findings =
                    VecDeque::from([Finding::Signed, Finding::Ready { place: "a hall".to_owned() }]);
                self.say(case.version, Finding::Received);
            }
        }
    }

    async fn is_ready(&self) -> bool {
        self.harness.stored().await.iter().all(|stored| stored.ledger.state().stage == Stage::Ready)
    }

    /// Delivers everything again, in the order in which it came: at once, and when the queues have forgotten
    /// what they saw. Answers are those of the first time.
    pub(crate) async fn repeat(&mut self) {
        for pause in [SignedDuration::ZERO, SignedDuration::from_mins(6)] {
            self.harness.hub.clock.advance(pause);
            for delivery in self.done.clone() {
                let answer = self.settle(&delivery).await;
                if matches!(delivery, Delivery::Create) {
                    assert_eq!(Some(without_links(answer.body(201))), self.created, "the first answer again");
                }
                self.watch().await;
                while let Some(again) = self.due.pop_front() {
                    assert!(matches!(again, Delivery::CallBack(_)), "a repeat leads to {again:?}");
                    self.settle(&again).await;
                }
            }
        }
    }

    /// What holds after any journey: one application, every step once, its chain whole (reading verifies it),
    /// one case at the agency, and each callback in order.
    pub(crate) async fn check(&self) -> String {
        let stored = self.harness.stored().await;
        let [stored] = &stored[..] else { panic!("one application: {}", stored.len()) };
        assert_eq!(stored.ledger.state().stage, Stage::Ready);
        let mut names: Vec<&str> = stored.ledger.lines().iter().map(|line| line.entry.event.name()).collect();
        let expected =
            ["opened", "document_stored", "document_stored", "submitted", "dispatched", "received"];
        assert_eq!(names, [&expected[..], &["signed", "ready"]].concat());
        assert_eq!(self.cases, 1, "cases at the agency");
        names.retain(|name| !["opened", "document_stored", "submitted"].contains(name));
        let mut told: Vec<String> = Vec::new();
        for call in self.receiver.calls() {
            if !told.contains(&call.id) {
                told.push(call.id);
            }
        }
        let lines = stored.ledger.lines().iter().filter(|line| calls_back(&line.entry.event));
        let expected: Vec<String> =
            lines.map(|line| format!("{}:{}", stored.id(), line.entry.version)).collect();
        assert_eq!(told, expected, "callbacks, each counted once");
        stored.ledger.hash()
    }
}

/// The body of the application.
pub(crate) fn body(papers: &[SampleDocument]) -> Value {
    let citizen = Citizen::aged(33);
    json!({
        "service": "first_identity_card",
        "accepted_at": "150102",
        "registered_at": "110105",
        "applicant": citizen.json(),
        "address": citizen.address,
        "commitment": true,
        "documents": papers.iter().map(SampleDocument::declaration).collect::<Vec<_>>(),
        "submit": "when_complete",
    })
}

/// Links are signed freshly each time.
fn without_links(mut created: Value) -> Value {
    for document in created["documents"].as_array_mut().into_iter().flatten() {
        document.as_object_mut().expect("a document").remove("upload");
    }
    created
}
