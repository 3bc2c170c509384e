//! What one application costs: outside calls and write units, counted on the real handlers.
//!
//! The processes are warm: another application went before. The vault's calls are left out, because its data
//! keys stay in memory for minutes (one call of KMS in hundreds of applications); what AWS itself calls to
//! deliver (receives, deletes, stream reads) is no call of ours.

use std::collections::BTreeMap;

use app_client::SampleDocument;
use domain::command::Finding;
use domain::stage::Stage;
use platform::clock::Clock as _;
use platform::queues::Queue;
use protocol::case::Case;
use protocol::report::{DocumentAction, DocumentRequest};
use serde_json::{Value, json};
use tongban_tests::people::Citizen;
use tongban_tests::receiver::Receiver;

use crate::crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG, change};

/// Calls of AWS for a first card with 2 documents, 3 reports and 4 callbacks.
const CALLS: usize = 16;
/// And its write units.
const WRITE_UNITS: u64 = 36;
/// Bytes of its item in the end.
const ITEM_BYTES: usize = 4096;

const TENANT: &str = "an-app";

/// An application's course: what it is filed with, and what each agency says on each case that it opens.
struct Scenario {
    body: Value,
    papers: Vec<SampleDocument>,
    sayings: Vec<(&'static str, Vec<Saying>)>,
    end: Stage,
}

/// What an agency does on a case.
enum Saying {
    /// It reports.
    Report(Finding),
    /// It uploads the certificate that it issues.
    Upload,
}

fn report(findings: impl IntoIterator<Item = Finding>) -> Vec<Saying> {
    findings.into_iter().map(Saying::Report).collect()
}

/// What a course cost.
struct Figures {
    calls: BTreeMap<&'static str, usize>,
    write_units: u64,
    item_bytes: usize,
    callbacks: usize,
}

impl Figures {
    fn total(&self) -> usize {
        self.calls.values().sum()
    }
}

/// Counts what handlers call.
struct Meter<'r> {
    harness: &'r CrashHarness,
    calls: BTreeMap<&'static str, usize>,
    shown: u32,
    callbacks: usize,
}

impl Meter<'_> {
    /// What a handler answered; its calls are counted.
    fn count(&mut self, answer: Answer) -> Answer {
        assert!(answer.is_settled(), "{answer:?}");
        for call in self.harness.hub.faults.calls() {
            if !call.starts_with("vault.") {
                *self.calls.entry(call).or_default() += 1;
            }
        }
        self.harness.hub.faults.restart();
        answer
    }

    /// The agency of a case uploads the certificate, and S3 tells of it.
    async fn upload(&mut self, case: &Case) {
        let paper = SampleDocument::pdf("issued_certificate", "issued");
        let action = DocumentAction::Upload {
            document: case.upload.expect("a slot for the certificate"),
            media_type: paper.media_type.to_owned(),
            size: u64::try_from(paper.bytes.len()).expect("a small paper"),
            sha256: paper.sha256(),
        };
        let iat = self.harness.hub.clock.now().as_second();
        let (agency, application) = (case.agency.clone(), case.application);
        let asked = DocumentRequest { agency, application, iat, action };
        let link = self.harness.agency_document(&asked).await;
        let link = self.count(link).body(200);
        let key = self.harness.upload_to(&link, &[paper]);
        let recorded = self.harness.uploaded(&[key]).await;
        self.count(recorded);
    }

    /// The stream shows each write by itself and the queues are read, until nothing moves.
    async fn settle(&mut self, id: &str) {
        loop {
            let mut stored = self.harness.stored().await;
            stored.retain(|stored| stored.id().to_string() == id);
            let [stored] = &stored[..] else { panic!("one application of this id") };
            if stored.version() == self.shown {
                return;
            }
            let record = change(stored, self.shown, stored.version());
            self.shown = stored.version();
            let routed = self.harness.show(&[record]).await;
            self.count(routed);
            for message in self.harness.hub.queues.drain(&Queue::Callbacks) {
                let delivered = self.harness.call_back(&message).await;
                self.count(delivered);
                self.callbacks += 1;
            }
        }
    }
}

async fn measured(harness: &CrashHarness, key: &str, scenario: Scenario) -> Figures {
    let mut meter = Meter { harness, calls: BTreeMap::new(), shown: 0, callbacks: 0 };
    let before = harness.hub.store.units().total();
    harness.hub.faults.restart();
    let created = harness.post(TENANT, "/v1/applications", key, &scenario.body).await;
    let created = meter.count(created).body(201);
    let id = created["id"].as_str().expect("an id").to_owned();
    meter.settle(&id).await;
    let keys = harness.upload(&created, &scenario.papers);
    let recorded = harness.uploaded(&keys).await;
    meter.count(recorded);
    meter.settle(&id).await;
    for (agency, sayings) in scenario.sayings {
        let message = harness.take(agency).pop().expect("a case in the agency's queue");
        let case = harness.opened(agency, &message);
        let mut seen = case.version;
        for saying in sayings {
            match saying {
                Saying::Report(finding) => {
                    let jws = harness.signed(agency, case.application, seen, finding);
                    let receipt = harness.report(&jws).await;
                    let receipt = meter.count(receipt).body(200);
                    let version = receipt["version"].as_u64().and_then(|version| u32::try_from(version).ok());
                    seen = version.expect("a version");
                }
                Saying::Upload => meter.upload(&case).await,
            }
            meter.settle(&id).await;
        }
    }
    let id = id.parse().expect("an id");
    let (calls, callbacks) = (meter.calls, meter.callbacks);
    let stored =
        harness.stored().await.into_iter().find(|stored| stored.id() == id).expect("the application");
    assert_eq!(stored.ledger.state().stage, scenario.end);
    // Each callback is a row of the deliveries' log, one unit, once 24 others or ten seconds have come.
    let logged = u64::try_from(callbacks).expect("few callbacks");
    let write_units = harness.hub.store.units().total() - before + logged;
    Figures { calls, write_units, item_bytes: harness.hub.store.item_size(id).expect("an item"), callbacks }
}

/// The same course a second time, in processes that have seen the first.
async fn warm(scenario: fn() -> Scenario) -> Figures {
    let harness = CrashHarness::new();
    let clock = harness.hub.clock.clone();
    let receiver = Receiver::listen_by(move || clock.now()).await;
    let wanted = json!({ "url": receiver.url() });
    let made = harness.post(TENANT, "/v1/subscriptions", "a-subscription", &wanted).await.body(201);
    receiver.trust(made["secret"].as_str().expect("a secret"));
    measured(&harness, "the-first", scenario()).await;
    let figures = measured(&harness, "the-second", scenario()).await;
    assert_eq!(receiver.calls().len(), 2 * figures.callbacks, "every callback arrived");
    figures
}

fn tell(what: &str, figures: &Figures) {
    // For whoever runs it with --nocapture; the closing figures of a release are read off here.
    #[allow(clippy::print_stdout, reason = "figures are for a reader")]
    {
        println!(
            "{what}: {} calls {:?}, {} write units, {} callbacks, {} bytes in the end",
            figures.total(),
            figures.calls,
            figures.write_units,
            figures.callbacks,
            figures.item_bytes
        );
    }
}

fn form(service: &str, papers: &[SampleDocument]) -> Value {
    let citizen = Citizen::aged(33);
    json!({
        "service": service,
        "accepted_at": "150102",
        "registered_at": "110105",
        "applicant": citizen.json(),
        "address": citizen.address,
        "documents": papers.iter().map(SampleDocument::declaration).collect::<Vec<_>>(),
        "submit": "when_complete",
    })
}

fn first_card() -> Scenario {
    let papers =
        vec![SampleDocument::pdf("household_register", "one"), SampleDocument::jpeg("proof_of_work", "two")];
    let mut body = form("first_identity_card", &papers);
    body["commitment"] = json!(true);
    let ready = Finding::Ready { place: "household hall".to_owned() };
    let sayings = vec![(BEIJING, report([Finding::Received, Finding::Signed, ready]))];
    Scenario { body, papers, sayings, end: Stage::Ready }
}

fn transfer() -> Scenario {
    let papers = vec![
        SampleDocument::pdf("household_register", "one"),
        SampleDocument::png("identity_card", "two"),
        SampleDocument::jpeg("transfer_order", "three"),
    ];
    let mut body = form("household_transfer", &papers);
    body["reason"] = json!("job_transfer");
    body["accepted_at"] = json!("370102");
    let today = domain::time::today(jiff::Timestamp::now());
    let moved_out = Finding::MovedOut {
        certificate: "QY-1".to_owned(),
        issued_on: today,
        valid_until: today.saturating_add(jiff::Span::new().days(30)),
    };
    let sayings = vec![
        (SHANDONG, report([Finding::Received, Finding::Approved { permit: "ZQ-1".to_owned() }])),
        (BEIJING, report([Finding::Received, Finding::Verified, moved_out])),
        (SHANDONG, report([Finding::Received, Finding::Settled])),
    ];
    Scenario { body, papers, sayings, end: Stage::Settled }
}

fn certificate() -> Scenario {
    let papers =
        vec![SampleDocument::png("identity_card", "one"), SampleDocument::pdf("household_register", "two")];
    let mut body = form("household_certificate", &papers);
    body["certificate"] = json!("former_name");
    let document = "d3".parse().expect("a document id");
    let issued = Finding::Issued { document, certificate: "ZM-1".to_owned() };
    let sayings =
        vec![(BEIJING, vec![Saying::Report(Finding::Received), Saying::Upload, Saying::Report(issued)])];
    Scenario { body, papers, sayings, end: Stage::Issued }
}

#[tokio::test]
async fn a_first_card_stays_within_its_budget() {
    let figures = warm(first_card).await;
    tell("first card", &figures);
    assert_eq!(figures.callbacks, 4);
    // Its share of the log's calls, of 25 rows each, is less than one.
    assert!(figures.total() < CALLS, "{} calls: {:?}", figures.total(), figures.calls);
    assert!(figures.write_units <= WRITE_UNITS, "{} write units", figures.write_units);
    assert!(figures.item_bytes <= ITEM_BYTES, "{} bytes", figures.item_bytes);
}

#[tokio::test]
async fn the_figures_of_the_other_services() {
    let figures = warm(transfer).await;
    tell("transfer", &figures);
    assert_eq!(figures.callbacks, 10);
    let figures = warm(certificate).await;
    tell("certificate", &figures);
    assert_eq!(figures.callbacks, 3);
}
