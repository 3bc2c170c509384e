//! The cost of one application: outside calls and write units of the real handlers.
//!
//! The processes are warm: another application went before. Calls of the vault do not count, because its data keys
//! stay in memory for minutes (one KMS call in hundreds of applications). Calls that AWS itself makes for delivery
//! (receives, deletes, stream reads) do not count either.

use std::collections::BTreeMap;

use app_client::SampleDocument;
use domain::command::ReportedResult;
use domain::stage::Stage;
use platform::clock::Clock as _;
use platform::queues::Queue;
use protocol::case::Case;
use protocol::report::{DocumentAction, DocumentRequest};
use serde_json::{Value, json};
use tongban_tests::people::Citizen;
use tongban_tests::receiver::Receiver;

use crate::crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG};
use crate::records::stream_record;

/// Bound on the AWS calls for a first card with 2 documents, 3 reports and 4 callbacks.
const CALLS: usize = 16;
/// The router's search for possible duplicates, one call. It is counted apart because nobody waits for it: no app, since
/// the router works from the stream, and no agency, since the search goes before the only send of the case.
const SEARCH: &str = "store.of_person";
/// Bound on the write units of the same first card.
const WRITE_UNITS: u64 = 36;
/// Bound on the final item size of the same first card, in bytes.
const ITEM_BYTES: usize = 4096;

const TENANT: &str = "an-app";

/// The request of an application, and the actions of each agency, leg by leg.
struct Scenario {
    body: Value,
    documents: Vec<SampleDocument>,
    agency_actions: Vec<(&'static str, Vec<AgencyAction>)>,
    end: Stage,
}

/// An action of an agency on a case.
enum AgencyAction {
    Report(ReportedResult),
    /// Uploads the issued certificate.
    Upload,
}

fn report(results: impl IntoIterator<Item = ReportedResult>) -> Vec<AgencyAction> {
    results.into_iter().map(AgencyAction::Report).collect()
}

/// The cost of a scenario.
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

/// Counts the calls of handlers.
struct CallMeter<'r> {
    harness: &'r CrashHarness,
    calls: BTreeMap<&'static str, usize>,
    streamed: u32,
    callbacks: usize,
}

impl CallMeter<'_> {
    /// Counts the calls that led to a handler's answer, and returns the answer.
    fn count(&mut self, answer: Answer) -> Answer {
        assert!(answer.is_final(), "{answer:?}");
        for call in self.harness.hub.faults.calls() {
            if !call.starts_with("vault.") {
                *self.calls.entry(call).or_default() += 1;
            }
        }
        self.harness.hub.faults.restart();
        answer
    }

    /// The agency of a case uploads the certificate, and S3 sends the event.
    async fn upload(&mut self, case: &Case) {
        let document = SampleDocument::pdf("issued_certificate", "issued");
        let action = DocumentAction::Upload {
            document: case.upload.expect("a slot for the certificate"),
            media_type: document.media_type.to_owned(),
            size: u64::try_from(document.bytes.len()).expect("a small document"),
            sha256: document.sha256(),
        };
        let iat = self.harness.hub.clock.now().as_second();
        let (agency, application) = (case.agency.clone(), case.application);
        let request = DocumentRequest { agency, application, iat, action };
        let link = self.harness.agency_document(&request).await;
        let link = self.count(link).body(200);
        let key = self.harness.upload_to(&link, &[document]);
        let recorded = self.harness.uploaded(&[key]).await;
        self.count(recorded);
    }

    /// Delivers each write as a stream record of its own and reads the queues, until the application no longer changes.
    async fn deliver_all(&mut self, id: &str) {
        loop {
            let mut stored = self.harness.stored().await;
            stored.retain(|stored| stored.id().to_string() == id);
            let [stored] = &stored[..] else { panic!("one application must have this id") };
            if stored.version() == self.streamed {
                return;
            }
            let record = stream_record(stored, self.streamed, stored.version());
            self.streamed = stored.version();
            let routed = self.harness.stream_records(&[record]).await;
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
    let mut meter = CallMeter { harness, calls: BTreeMap::new(), streamed: 0, callbacks: 0 };
    let before = harness.hub.store.units().total();
    harness.hub.faults.restart();
    let created = harness.post(TENANT, "/v1/applications", key, &scenario.body).await;
    let created = meter.count(created).body(201);
    let id = created["id"].as_str().expect("an id").to_owned();
    meter.deliver_all(&id).await;
    let keys = harness.upload(&created, &scenario.documents);
    let recorded = harness.uploaded(&keys).await;
    meter.count(recorded);
    meter.deliver_all(&id).await;
    for (agency, agency_actions) in scenario.agency_actions {
        let message = harness.take(agency).pop().expect("a case in the agency's queue");
        let case = harness.opened(agency, &message);
        let mut seen = case.version;
        for action in agency_actions {
            match action {
                AgencyAction::Report(result) => {
                    let jws = harness.signed(agency, case.application, seen, result);
                    let receipt = harness.report(&jws).await;
                    let receipt = meter.count(receipt).body(200);
                    let version = receipt["version"].as_u64().and_then(|version| u32::try_from(version).ok());
                    seen = version.expect("a version");
                }
                AgencyAction::Upload => meter.upload(&case).await,
            }
            meter.deliver_all(&id).await;
        }
    }
    let id = id.parse().expect("an id");
    let (calls, callbacks) = (meter.calls, meter.callbacks);
    let stored =
        harness.stored().await.into_iter().find(|stored| stored.id() == id).expect("the application");
    assert_eq!(stored.ledger.state().stage, scenario.end);
    // Each callback is a row of the delivery log, one write unit, written in batches of 25 or after ten seconds.
    let logged = u64::try_from(callbacks).expect("few callbacks");
    let write_units = harness.hub.store.units().total() - before + logged;
    Figures { calls, write_units, item_bytes: harness.hub.store.item_size(id).expect("an item"), callbacks }
}

/// Runs the scenario twice in the same processes, and measures the second run.
async fn warm(scenario: fn() -> Scenario) -> Figures {
    let harness = CrashHarness::new();
    let clock = harness.hub.clock.clone();
    let receiver = Receiver::listen_by(move || clock.now()).await;
    let wanted = json!({ "url": receiver.url() });
    let made = harness.post(TENANT, "/v1/subscriptions", "a-subscription", &wanted).await.body(201);
    receiver.trust(made["secret"].as_str().expect("a secret"));
    measured(&harness, "the-first", scenario()).await;
    let figures = measured(&harness, "the-second", scenario()).await;
    assert_eq!(receiver.calls().len(), 2 * figures.callbacks, "number of callbacks");
    figures
}

fn print_figures(what: &str, figures: &Figures) {
    // Visible with --nocapture. The figures of a release come from here.
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

fn form(service: &str, documents: &[SampleDocument]) -> Value {
    let citizen = Citizen::aged(33);
    json!({
        "service": service,
        "accepted_at": "150102",
        "registered_at": "110105",
        "applicant": citizen.json(),
        "address": citizen.address,
        "documents": documents.iter().map(SampleDocument::declaration).collect::<Vec<_>>(),
        "submit": "when_complete",
    })
}

fn first_card() -> Scenario {
    let documents =
        vec![SampleDocument::pdf("household_register", "one"), SampleDocument::jpeg("proof_of_work", "two")];
    let mut body = form("first_identity_card", &documents);
    body["commitment"] = json!(true);
    let ready = ReportedResult::Ready { place: "household hall".to_owned() };
    let agency_actions = vec![(BEIJING, report([ReportedResult::Received, ReportedResult::Signed, ready]))];
    Scenario { body, documents, agency_actions, end: Stage::Ready }
}

fn transfer() -> Scenario {
    let documents = vec![
        SampleDocument::pdf("household_register", "one"),
        SampleDocument::png("identity_card", "two"),
        SampleDocument::jpeg("transfer_order", "three"),
    ];
    let mut body = form("household_transfer", &documents);
    body["reason"] = json!("job_transfer");
    body["accepted_at"] = json!("370102");
    let today = domain::time::today(jiff::Timestamp::now());
    let moved_out = ReportedResult::MovedOut {
        certificate: "QY-1".to_owned(),
        issued_on: today,
        valid_until: today.saturating_add(jiff::Span::new().days(30)),
    };
    let agency_actions = vec![
        (
            SHANDONG,
            report([ReportedResult::Received, ReportedResult::Approved { permit: "ZQ-1".to_owned() }]),
        ),
        (BEIJING, report([ReportedResult::Received, ReportedResult::Verified, moved_out])),
        (SHANDONG, report([ReportedResult::Received, ReportedResult::Settled])),
    ];
    Scenario { body, documents, agency_actions, end: Stage::Settled }
}

fn certificate() -> Scenario {
    let documents =
        vec![SampleDocument::png("identity_card", "one"), SampleDocument::pdf("household_register", "two")];
    let mut body = form("household_certificate", &documents);
    body["certificate"] = json!("former_name");
    let document = "d3".parse().expect("a document id");
    let issued = ReportedResult::Issued { document, certificate: "ZM-1".to_owned() };
    let agency_actions = vec![(
        BEIJING,
        vec![
            AgencyAction::Report(ReportedResult::Received),
            AgencyAction::Upload,
            AgencyAction::Report(issued),
        ],
    )];
    Scenario { body, documents, agency_actions, end: Stage::Issued }
}

#[tokio::test]
async fn a_first_card_stays_within_its_budget() {
    let figures = warm(first_card).await;
    print_figures("first card", &figures);
    assert_eq!(figures.callbacks, 4);
    assert_eq!(figures.calls.get(SEARCH), Some(&1), "{:?}", figures.calls);
    // The delivery log adds less than one call: each of its calls writes 25 rows.
    assert!(figures.total() - 1 < CALLS, "{} calls: {:?}", figures.total(), figures.calls);
    assert!(figures.write_units <= WRITE_UNITS, "{} write units", figures.write_units);
    assert!(figures.item_bytes <= ITEM_BYTES, "{} bytes", figures.item_bytes);
}

#[tokio::test]
async fn the_figures_of_the_other_services() {
    let figures = warm(transfer).await;
    print_figures("transfer", &figures);
    assert_eq!(figures.callbacks, 10);
    let figures = warm(certificate).await;
    print_figures("certificate", &figures);
    assert_eq!(figures.callbacks, 3);
}
