//! The largest legal application, built by all ways in: requests of the app, uploads, reports over HTTP and by the
//! queue. Every end of an application is still possible, and the item stays within the table's bound.

use std::cell::Cell;

use domain::catalogue::DocumentKind;
use domain::command::ReportedResult;
use domain::event::MissingItem;
use domain::limits;
use domain::stage::Stage;
use domain::time::today;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use serde_json::{Value, json};
use tongban_tests::forms;
use tongban_tests::people::Citizen;

use crate::case_scenario::TENANT;
use crate::crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG};
use crate::records::stream_record;
use crate::rows::{APPLICATIONS, only_application};

/// A character with the most bytes, in UTF-8 and as an escape.
const WIDE: &str = "𠮷";
/// Bytes that a real item may have more than this test's: S3 allows version ids of 1,024 bytes (usual: 32), and an
/// object's version stands in each event of a document.
const VERSION_IDS: usize = 1_024 * limits::EVENTS_SOFT + 1_024 * limits::DOCUMENTS;

struct Largest {
    harness: CrashHarness,
    /// Version up to which the stream has delivered.
    streamed: Cell<u32>,
}

impl Largest {
    /// A transfer, opened with the longest texts.
    async fn open() -> Largest {
        let harness = CrashHarness::new();
        let citizen = Citizen::aged(33);
        let mut body = forms::transfer(&citizen, "couples_joining", "370102", "110105");
        body["relative"] = Citizen::aged(32).json();
        for person in ["applicant", "relative"] {
            body[person]["name"] = json!(WIDE.repeat(50));
        }
        body["address"] = json!(WIDE.repeat(200));
        harness.post(TENANT, APPLICATIONS, &"k".repeat(128), &body).await.body(201);
        Largest { harness, streamed: Cell::new(1) }
    }

    async fn version(&self) -> u32 {
        only_application(&self.harness).await.version()
    }

    async fn stage(&self) -> Stage {
        only_application(&self.harness).await.ledger.state().stage
    }

    async fn bytes(&self) -> usize {
        let id = only_application(&self.harness).await.id();
        self.harness.hub.store.item_size(id).expect("an item")
    }

    /// Uploads to every empty slot: `rejections` files without content first, then one that is accepted.
    async fn upload(&self, rejections: u8) {
        for rejected in (0..rejections).map(|_| true).chain([false]) {
            let stored = only_application(&self.harness).await;
            let state = stored.ledger.state();
            let mut keys = Vec::new();
            for document in
                state.missing().filter(|document| !rejected || document.slot.id.to_string() != "d1")
            {
                let key = document.object_key(state.id);
                let content: &[u8] = if rejected { b"" } else { b"%PDF-1.7" };
                let kind = document.slot.accepts.first().copied();
                self.harness.hub.documents.put(&key, "application/pdf", kind, content);
                keys.push(key);
            }
            assert_eq!(self.harness.uploaded(&keys).await, Answer::Batch(0));
        }
    }

    /// A step of the app.
    async fn step(&self, step: &str, body: &Value) {
        let id = only_application(&self.harness).await.id();
        self.harness.post(TENANT, &format!("{APPLICATIONS}/{id}/{step}"), step, body).await.body(200);
    }

    /// The stream delivers the new events, so that the router dispatches.
    async fn route(&self) {
        let stored = only_application(&self.harness).await;
        let record = stream_record(&stored, self.streamed.get(), stored.version());
        self.streamed.set(stored.version());
        assert_eq!(self.harness.stream_records(&[record]).await, Answer::Batch(0));
    }

    async fn report(&self, agency: &str, result: ReportedResult) {
        let stored = only_application(&self.harness).await;
        let jws = self.harness.signed(agency, stored.id(), stored.version(), result);
        self.harness.report(&jws).await.body(200);
    }

    /// The same by the queue.
    async fn queue(&self, agency: &str, result: ReportedResult) {
        let stored = only_application(&self.harness).await;
        let jws = self.harness.signed(agency, stored.id(), stored.version(), result);
        let now = self.harness.hub.clock.now();
        assert_eq!(self.harness.reports_queued(&[&jws], now).await, Answer::Batch(0));
        assert!(
            self.version().await > stored.version(),
            "the report is applied: {:?}",
            self.harness.refused(agency)
        );
    }

    /// Up to the answer of the last supplement request, with the most events from which steps towards an end remain.
    async fn built() -> Largest {
        let largest = Largest::open().await;
        largest.upload(limits::REJECTIONS).await;
        largest.step("submit", &json!({})).await;
        largest.route().await;
        largest.report(SHANDONG, ReportedResult::Received).await;
        largest.report(SHANDONG, supplement(10)).await;
        largest.upload(0).await;
        largest.step("supplement", &json!({})).await;
        largest.route().await;
        largest.queue(SHANDONG, supplement(10)).await;
        largest
    }

    async fn answered() -> Largest {
        let largest = Largest::built().await;
        largest.upload(0).await;
        let id = only_application(&largest.harness).await.id();
        let path = format!("{APPLICATIONS}/{id}/supplement");
        largest.harness.post(TENANT, &path, "second", &json!({})).await.body(200);
        largest.route().await;
        let left =
            limits::DOCUMENTS - only_application(&largest.harness).await.ledger.state().documents.len();
        largest.report(SHANDONG, supplement(left)).await;
        // The slot of the last request takes rejections until the bound of events, and its answer.
        largest.upload(limits::REJECTIONS - 1).await;
        assert_eq!(largest.version().await as usize, limits::EVENTS_SOFT + 1, "the bound, and one document");
        largest.harness.post(TENANT, &path, "third", &json!({})).await.body(200);
        largest.route().await;
        largest
    }

    /// The agency is late: the hub marks the case as overdue.
    async fn late(&self) {
        let before = self.version().await;
        self.harness.hub.clock.advance(SignedDuration::from_hours(24 * 15));
        self.harness.sweep().await;
        assert!(
            only_application(&self.harness).await.ledger.state().overdue && self.version().await > before
        );
    }

    async fn ends(&self, expected: Stage) {
        assert_eq!(self.stage().await, expected);
        let (bytes, events) = (self.bytes().await, self.version().await);
        // Visible with --nocapture.
        #[allow(clippy::print_stdout, reason = "figures are for a reader")]
        {
            println!(
                "the largest application that ends as {}: {events} events, {bytes} bytes",
                expected.name()
            );
        }
        assert!(bytes + VERSION_IDS < limits::ITEM_BYTES, "{bytes} bytes");
    }
}

/// A supplement request with the longest texts and every kind of document.
fn supplement(items: usize) -> ReportedResult {
    let item = |number: usize| MissingItem {
        name: format!("{number:03}{}", WIDE.repeat(limits::NUMBER - 3)),
        accepts: DocumentKind::from_apps(),
        note: WIDE.repeat(limits::TEXT),
    };
    ReportedResult::SupplementRequested {
        items: (0..items).map(|number| item(number + 10 * items)).collect(),
    }
}

fn number() -> String {
    WIDE.repeat(limits::NUMBER)
}

#[tokio::test]
async fn a2_the_largest_application_can_be_withdrawn_at_each_of_its_bounds() {
    for largest in [Largest::built().await, Largest::answered().await] {
        largest.step("withdraw", &json!({})).await;
        largest.ends(Stage::Withdrawn).await;
    }
}

#[tokio::test]
async fn a2_the_largest_application_expires() {
    let largest = Largest::built().await;
    largest.harness.hub.clock.advance(SignedDuration::from_hours(24 * 45));
    largest.harness.sweep().await;
    largest.ends(Stage::Expired).await;
}

#[tokio::test]
async fn a2_the_largest_application_is_decided() {
    let largest = Largest::answered().await;
    let reason = WIDE.repeat(limits::TEXT);
    largest.queue(SHANDONG, ReportedResult::Rejected { reason }).await;
    largest.ends(Stage::Rejected).await;
}

/// Every step that can follow the bound of events, to the last leg.
#[tokio::test]
async fn a25_the_application_with_the_most_events_reaches_its_last_leg() {
    let largest = Largest::answered().await;
    largest.late().await;
    largest.report(SHANDONG, ReportedResult::Approved { permit: number() }).await;
    largest.route().await;
    largest.report(BEIJING, ReportedResult::Received).await;
    largest.late().await;
    largest.report(BEIJING, ReportedResult::Verified).await;
    let day = today(largest.harness.hub.clock.now());
    let valid_until = day.checked_add(jiff::Span::new().days(3)).expect("a day");
    largest
        .queue(BEIJING, ReportedResult::MovedOut { certificate: number(), issued_on: day, valid_until })
        .await;
    largest.route().await;
    largest.report(SHANDONG, ReportedResult::Received).await;
    largest.harness.hub.clock.advance(SignedDuration::from_hours(24 * 5));
    largest.harness.sweep().await;
    // The sweeper dispatches the leg that the lapse opens.
    assert_eq!(largest.stage().await, Stage::Dispatched);
    largest.report(BEIJING, ReportedResult::Received).await;
    largest.late().await;
    largest.report(BEIJING, ReportedResult::Restored).await;
    assert!(largest.version().await > 64, "the bound of events of earlier versions was a dead end");
    largest.ends(Stage::RestoredAtOrigin).await;
}
