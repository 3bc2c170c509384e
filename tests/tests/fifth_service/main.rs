//! A service that exists only in a fixture's catalogue. Its application passes through the real handlers to its end:
//! two legs of two agencies, and a supplement.
#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

#[allow(dead_code, reason = "the harness of the in-process tests, which use all of it")]
#[path = "../in_process/crash_harness.rs"]
mod crash_harness;
#[allow(dead_code, reason = "the records of the in-process tests, which use all of them")]
#[path = "../in_process/records.rs"]
mod records;

use app_client::SampleDocument;
use crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG};
use domain::catalogue::{Catalogue, DocumentKind, install};
use domain::command::ReportedResult;
use domain::event::MissingItem;
use platform::clock::Clock as _;
use platform::store::StoredApplication;
use protocol::case::Case;
use protocol::report::{DocumentAction, DocumentRequest};
use records::stream_record;
use serde_json::{Value, json};
use tongban_tests::people::Citizen;

const TENANT: &str = "an-app";

/// The hub and the only application of this test.
struct ServiceScenario {
    harness: CrashHarness,
    /// The version up to which the stream has delivered the application.
    streamed: u32,
}

impl ServiceScenario {
    async fn application(&self) -> StoredApplication {
        self.harness.stored().await.pop().unwrap()
    }

    /// Delivers stream records until no new version is written.
    async fn deliver_all(&mut self) {
        loop {
            let stored = self.application().await;
            if stored.version() == self.streamed {
                return;
            }
            let record = stream_record(&stored, self.streamed, stored.version());
            self.streamed = stored.version();
            assert_eq!(self.harness.stream_records(&[record]).await, Answer::Batch(0));
        }
    }

    /// The only case in an agency's queue.
    fn case(&self, agency: &str) -> Case {
        let messages = self.harness.take(agency);
        assert_eq!(messages.len(), 1, "number of messages of agency {agency}");
        self.harness.opened(agency, &messages[0])
    }

    async fn report(&mut self, agency: &str, result: ReportedResult) -> Answer {
        let stored = self.application().await;
        let jws = self.harness.signed(agency, stored.id(), stored.version(), result);
        let answer = self.harness.report(&jws).await;
        self.deliver_all().await;
        answer
    }

    async fn post(&mut self, step: &str, body: &Value) -> Value {
        let path = format!("/v1/applications/{}/{step}", self.application().await.id());
        let answer = self.harness.post(TENANT, &path, step, body).await.body(200);
        self.deliver_all().await;
        answer
    }
}

fn form(documents: &[SampleDocument]) -> Value {
    let citizen = Citizen::aged(15);
    json!({
        "service": "school_enrolment",
        "level": "primary_school",
        "accepted_at": "150102",
        "registered_at": "370102",
        "move_in": "110105",
        "applicant": citizen.json(),
        "address": citizen.address,
        "documents": documents.iter().map(SampleDocument::declaration).collect::<Vec<_>>(),
        "submit": "when_complete",
    })
}

#[tokio::test]
async fn a_service_from_a_fixture_reaches_its_end() {
    let catalogue = Catalogue::parse(include_str!("../../fixtures/two-legs.json")).unwrap();
    install(catalogue).expect("nothing has used the catalogue yet");
    let mut scenario = ServiceScenario { harness: CrashHarness::new(), streamed: 0 };

    // The form follows from the catalogue: the member `level`, and a guardian only below 14.
    let documents = [
        SampleDocument::pdf("tenancy_agreement", "home"),
        SampleDocument::png("vaccination_record", "shots"),
    ];
    let mut wrong = form(&documents);
    wrong["level"] = "kindergarten".into();
    wrong["guardian"] = Citizen::aged(40).json();
    let refused = scenario.harness.post(TENANT, "/v1/applications", "wrong", &wrong).await.body(422);
    let pointers: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().filter_map(|fault| fault["pointer"].as_str()).collect();
    assert!(pointers.contains(&"/level") && pointers.contains(&"/guardian"), "{pointers:?}");

    let created =
        scenario.harness.post(TENANT, "/v1/applications", "a-key", &form(&documents)).await.body(201);
    let objects = scenario.harness.upload(&created, &documents);
    assert_eq!(scenario.harness.uploaded(&objects).await, Answer::Batch(0));
    scenario.deliver_all().await;

    // The first leg, with a supplement.
    let case = scenario.case(BEIJING);
    assert_eq!(case.reports, ["received", "supplement_requested", "approved", "rejected"]);
    scenario.report(BEIJING, ReportedResult::Received).await.body(200);
    let item = MissingItem {
        name: "landlord".to_owned(),
        accepts: vec![DocumentKind::named("tenancy_agreement").unwrap()],
        note: "signed by the landlord".to_owned(),
    };
    scenario.report(BEIJING, ReportedResult::SupplementRequested { items: vec![item] }).await.body(200);
    let id = scenario.application().await.id();
    let answer = SampleDocument::pdf("tenancy_agreement", "signed");
    let key = domain::application::object_key(id, "d4".parse().unwrap(), 0);
    let kind = DocumentKind::named(&answer.kind);
    scenario.harness.hub.documents.put(&key, answer.media_type, kind, &answer.bytes);
    assert_eq!(scenario.post("supplement", &json!({})).await["stage"], "supplemented");
    scenario.case(BEIJING);
    scenario.report(BEIJING, ReportedResult::Approved { permit: "P-1".to_owned() }).await.body(200);

    // The second leg is at the other agency. Its reports in the catalogue include no supplement request.
    let case = scenario.case(SHANDONG);
    assert_eq!(
        (case.purpose.name(), &case.reports[..]),
        ("certify", &["received".to_owned(), "issued".to_owned()][..])
    );
    scenario.report(SHANDONG, ReportedResult::Received).await.body(200);
    let more = MissingItem { name: "x".to_owned(), accepts: vec![kind.unwrap()], note: String::new() };
    scenario.report(SHANDONG, ReportedResult::SupplementRequested { items: vec![more] }).await.body(409);
    let letter = SampleDocument::pdf("enrolment_letter", "welcome");
    let document = case.upload.unwrap();
    let request = DocumentRequest {
        agency: SHANDONG.parse().unwrap(),
        application: id,
        iat: scenario.harness.hub.clock.now().as_second(),
        action: DocumentAction::Upload {
            document,
            media_type: letter.media_type.to_owned(),
            size: u64::try_from(letter.bytes.len()).unwrap(),
            sha256: letter.sha256(),
        },
    };
    let link = scenario.harness.agency_document(&request).await.body(200);
    let object = scenario.harness.upload_to(&link, &[letter]);
    assert_eq!(scenario.harness.uploaded(&[object]).await, Answer::Batch(0));
    scenario.deliver_all().await;
    scenario
        .report(SHANDONG, ReportedResult::Issued { document, certificate: "E-1".to_owned() })
        .await
        .body(200);
    let done = scenario.post("confirm", &json!({ "confirm": "hand_over", "how": "window" })).await;
    assert_eq!((done["stage"].as_str(), done["final"].as_bool()), (Some("completed"), Some(true)));
}
