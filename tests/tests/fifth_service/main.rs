//! A service that no source knows: its catalogue is a fixture. An application walks through the real handlers over two
//! legs of two agencies and a supplement to its end.
#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

#[allow(dead_code, reason = "the harness is that of the in-process tests, which use all of it")]
#[path = "../in_process/crash_harness.rs"]
mod crash_harness;

use app_client::SampleDocument;
use crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG, change};
use domain::catalogue::{Catalogue, DocumentKind, install};
use domain::command::Finding;
use domain::event::MissingItem;
use platform::clock::Clock as _;
use platform::store::StoredApplication;
use protocol::case::Case;
use protocol::report::{DocumentAction, DocumentRequest};
use serde_json::{Value, json};
use tongban_tests::people::Citizen;

const TENANT: &str = "an-app";

/// The hub with the one application of this test.
struct Walk {
    harness: CrashHarness,
    /// The version up to which the stream has shown the application.
    shown: u32,
}

impl Walk {
    async fn application(&self) -> StoredApplication {
        self.harness.stored().await.pop().unwrap()
    }

    /// The stream shows what is new until nothing new is written.
    async fn flow(&mut self) {
        loop {
            let stored = self.application().await;
            if stored.version() == self.shown {
                return;
            }
            let record = change(&stored, self.shown, stored.version());
            self.shown = stored.version();
            assert_eq!(self.harness.show(&[record]).await, Answer::Batch(0));
        }
    }

    /// The one case in an agency's queue.
    fn case(&self, agency: &str) -> Case {
        let messages = self.harness.take(agency);
        assert_eq!(messages.len(), 1, "messages of agency {agency}");
        self.harness.opened(agency, &messages[0])
    }

    async fn report(&mut self, agency: &str, finding: Finding) -> Answer {
        let stored = self.application().await;
        let jws = self.harness.signed(agency, stored.id(), stored.version(), finding);
        let answer = self.harness.report(&jws).await;
        self.flow().await;
        answer
    }

    async fn post(&mut self, step: &str, body: &Value) -> Value {
        let path = format!("/v1/applications/{}/{step}", self.application().await.id());
        let answer = self.harness.post(TENANT, &path, step, body).await.body(200);
        self.flow().await;
        answer
    }
}

fn form(papers: &[SampleDocument]) -> Value {
    let citizen = Citizen::aged(15);
    json!({
        "service": "school_enrolment",
        "level": "primary_school",
        "accepted_at": "150102",
        "registered_at": "370102",
        "move_in": "110105",
        "applicant": citizen.json(),
        "address": citizen.address,
        "documents": papers.iter().map(SampleDocument::declaration).collect::<Vec<_>>(),
        "submit": "when_complete",
    })
}

#[tokio::test]
async fn a_service_of_a_fixture_is_walked_to_its_end() {
    let catalogue = Catalogue::parse(include_str!("../../fixtures/two-legs.json")).unwrap();
    install(catalogue).expect("nothing has used the catalogue yet");
    let mut walk = Walk { harness: CrashHarness::new(), shown: 0 };

    // The form follows from the data: the case's member, and a guardian below 14 alone.
    let papers = [
        SampleDocument::pdf("tenancy_agreement", "home"),
        SampleDocument::png("vaccination_record", "shots"),
    ];
    let mut wrong = form(&papers);
    wrong["level"] = "kindergarten".into();
    wrong["guardian"] = Citizen::aged(40).json();
    let refused = walk.harness.post(TENANT, "/v1/applications", "wrong", &wrong).await.body(422);
    let pointers: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().filter_map(|fault| fault["pointer"].as_str()).collect();
    assert!(pointers.contains(&"/level") && pointers.contains(&"/guardian"), "{pointers:?}");

    let created = walk.harness.post(TENANT, "/v1/applications", "a-key", &form(&papers)).await.body(201);
    let objects = walk.harness.upload(&created, &papers);
    assert_eq!(walk.harness.uploaded(&objects).await, Answer::Batch(0));
    walk.flow().await;

    // The first leg, with a supplement.
    let case = walk.case(BEIJING);
    assert_eq!(case.reports, ["received", "supplement_requested", "approved", "rejected"]);
    walk.report(BEIJING, Finding::Received).await.body(200);
    let item = MissingItem {
        name: "landlord".to_owned(),
        accepts: vec![DocumentKind::named("tenancy_agreement").unwrap()],
        note: "signed by the landlord".to_owned(),
    };
    walk.report(BEIJING, Finding::SupplementRequested { items: vec![item] }).await.body(200);
    let id = walk.application().await.id();
    let answer = SampleDocument::pdf("tenancy_agreement", "signed");
    let key = domain::application::object_key(id, "d4".parse().unwrap(), 0);
    let kind = DocumentKind::named(&answer.kind);
    walk.harness.hub.documents.put(&key, answer.media_type, kind, &answer.bytes);
    assert_eq!(walk.post("supplement", &json!({})).await["stage"], "supplemented");
    walk.case(BEIJING);
    walk.report(BEIJING, Finding::Approved { permit: "P-1".to_owned() }).await.body(200);

    // The second leg lies with the other agency, which may not ask for a supplement: its leg's data has no such report.
    let case = walk.case(SHANDONG);
    assert_eq!(
        (case.purpose.name(), &case.reports[..]),
        ("certify", &["received".to_owned(), "issued".to_owned()][..])
    );
    walk.report(SHANDONG, Finding::Received).await.body(200);
    let more = MissingItem { name: "x".to_owned(), accepts: vec![kind.unwrap()], note: String::new() };
    walk.report(SHANDONG, Finding::SupplementRequested { items: vec![more] }).await.body(409);
    let letter = SampleDocument::pdf("enrolment_letter", "welcome");
    let document = case.upload.unwrap();
    let request = DocumentRequest {
        agency: SHANDONG.parse().unwrap(),
        application: id,
        iat: walk.harness.hub.clock.now().as_second(),
        action: DocumentAction::Upload {
            document,
            media_type: letter.media_type.to_owned(),
            size: u64::try_from(letter.bytes.len()).unwrap(),
            sha256: letter.sha256(),
        },
    };
    let link = walk.harness.agency_document(&request).await.body(200);
    let object = walk.harness.upload_to(&link, &[letter]);
    assert_eq!(walk.harness.uploaded(&[object]).await, Answer::Batch(0));
    walk.flow().await;
    walk.report(SHANDONG, Finding::Issued { document, certificate: "E-1".to_owned() }).await.body(200);
    let done = walk.post("confirm", &json!({ "confirm": "hand_over", "how": "window" })).await;
    assert_eq!((done["stage"].as_str(), done["final"].as_bool()), (Some("completed"), Some(true)));
}
