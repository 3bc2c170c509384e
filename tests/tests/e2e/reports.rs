//! Reports that a trial signs as an agency and sends over HTTP and by the reports queue, with every possible answer.

use std::sync::Arc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::Message;
use domain::command::ReportedResult;
use domain::ids::{AgencyCode, ApplicationId};
use domain::stage::Stage;
use jiff::Timestamp;
use protocol::app::EventsPage;
use protocol::backlog::{CASES_TYP, RESEND_TYP};
use protocol::case::{Case, Envelope};
use protocol::jose::{KeyUse, PrivateKey, sign};
use protocol::report::{REPORT_TYP, Report};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tongban::local::Agency;
use tongban_tests::forms::{HOHHOT, adult_documents, first_card, when_complete};
use tongban_tests::people::Citizen;
use tongban_tests::until::until;
use uuid::Uuid;

use crate::app::{App, SOON};
use crate::checks::close;
use crate::test_hub::TestHub;

/// The agency that decides in these trials.
const OURS: &str = "45";
/// Another agency.
const THEIRS: &str = "46";

/// Acts as an agency: receives from its queue, and signs with its keys.
struct AgencyTester {
    test_hub: Arc<TestHub>,
    agency: Agency,
    sqs: Client,
}

impl AgencyTester {
    async fn of(test_hub: &Arc<TestHub>, code: &str) -> AgencyTester {
        let agency = test_hub.stack().agency(&code.parse().expect("a code")).expect("an agency");
        test_hub.allot_to_trial(&agency.code).await;
        AgencyTester { test_hub: test_hub.clone(), sqs: Client::new(&agency.aws), agency }
    }

    /// Receives and deletes the next message of the application.
    async fn take(&self, application: ApplicationId) -> (String, Case) {
        let message: Message = until("a message in the queue", SOON, async || {
            let received = self.sqs.receive_message().queue_url(&self.agency.queue_url).send().await;
            received.expect("an answer of the queue").messages.unwrap_or_default().pop()
        })
        .await;
        let receipt = message.receipt_handle().expect("a receipt");
        let delete = self.sqs.delete_message().queue_url(&self.agency.queue_url).receipt_handle(receipt);
        delete.send().await.expect("a message that can be deleted");
        let envelope: Envelope = serde_json::from_str(message.body().expect("a body")).expect("an envelope");
        let case = envelope.open([&self.agency.keys.encryption], [self.test_hub.stack().hub_key()]);
        let case = case.expect("a case");
        assert_eq!(case.application, application, "the queue holds a case of another trial");
        (envelope.id.to_string(), case)
    }

    fn report(&self, application: ApplicationId, seen: u32, result: ReportedResult) -> Report {
        Report {
            report_id: Uuid::new_v4().to_string().parse().expect("a report id"),
            application,
            agency: self.agency.code.clone(),
            seen,
            iat: Timestamp::now().as_second(),
            result,
        }
    }

    fn sign(&self, report: &Report) -> String {
        sign(REPORT_TYP, report, &self.agency.keys.signing).expect("a signed report")
    }

    /// Posts a signed object. Returns status and body.
    async fn post(&self, path: &str, jws: &str) -> (u16, Value) {
        let request = self.test_hub.http().post(format!("{}{path}", self.test_hub.api()));
        let request = request.header("content-type", "application/jose").body(jws.to_owned());
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    async fn refused(&self, jws: &str) -> (u16, String) {
        let (status, body) = self.post("/v1/reports", jws).await;
        (status, body["type"].as_str().unwrap_or_default().replace("/problems/", ""))
    }

    async fn post_request(&self, path: &str, typ: &str, mut request: Value) -> Value {
        request["agency"] = json!(self.agency.code);
        request["iat"] = json!(Timestamp::now().as_second());
        let jws = sign(typ, &request, &self.agency.keys.signing).expect("a signed request");
        let (status, answer) = self.post(path, &jws).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn queue(&self, jws: &str) {
        let send = self.sqs.send_message().queue_url(&self.agency.reports_queue_url).message_body(jws);
        send.send().await.expect("a report in the queue");
    }
}

/// A first card that the trial decides as the agency.
async fn filed(app: &App, tester: &AgencyTester) -> (ApplicationId, String, Case) {
    let body = first_card(&Citizen::aged(31), HOHHOT, &format!("{OURS}0102"));
    let id = app.file(when_complete(body), &adult_documents()).await.id;
    let (event, case) = tester.take(id).await;
    (id, event, case)
}

/// Rows 24 to 27 and 42, through real processes.
pub(crate) async fn each_report_gets_its_documented_answer(test_hub: Arc<TestHub>) {
    let (ours, theirs) = (AgencyTester::of(&test_hub, OURS).await, AgencyTester::of(&test_hub, THEIRS).await);
    let app = App::open(&test_hub, "reports-outcomes").await;
    let (id, _, case) = filed(&app, &ours).await;
    let seen = case.version;
    let refused = async |tester: &AgencyTester, jws: &str| tester.refused(jws).await;
    let named = |status: u16, name: &str| (status, name.to_owned());

    let early = ours.sign(&ours.report(id, seen, ReportedResult::Signed));
    assert_eq!(refused(&ours, &early).await, named(409, "illegal_step"));
    let stale = ours.sign(&ours.report(id, seen - 1, ReportedResult::Received));
    assert_eq!(refused(&ours, &stale).await, named(409, "stale_version"));
    let stranger = theirs.sign(&theirs.report(id, seen, ReportedResult::Received));
    assert_eq!(refused(&theirs, &stranger).await, named(404, "not_found"));
    let unknown_application = ApplicationId::from_bytes16([7; 16]);
    let unknown = ours.sign(&ours.report(unknown_application, 1, ReportedResult::Received));
    assert_eq!(refused(&ours, &unknown).await, named(404, "not_found"));
    let other: AgencyCode = OURS.parse().expect("a code");
    let claimed = theirs.sign(&Report { agency: other, ..theirs.report(id, seen, ReportedResult::Received) });
    assert_eq!(refused(&theirs, &claimed).await, named(404, "not_found"));
    let received = ours.report(id, seen, ReportedResult::Received);
    let mut bad = ours.sign(&received);
    bad.replace_range(bad.len() - 8.., "AAAAAAAA");
    assert_eq!(refused(&ours, &bad).await, named(401, "bad_signature"));
    let key = PrivateKey::generate(KeyUse::Signing).expect("a key");
    let unregistered = sign(REPORT_TYP, &received, &key).expect("a signed report");
    assert_eq!(refused(&ours, &unregistered).await, named(401, "unknown_key"));
    let old = ours.sign(&Report { iat: received.iat - 1_000, ..received.clone() });
    assert_eq!(refused(&ours, &old).await, named(401, "signature_expired"));
    assert_eq!(refused(&ours, "{}").await, named(400, "malformed_signature"));

    let (status, first) = ours.post("/v1/reports", &ours.sign(&received)).await;
    assert_eq!(status, 200, "{first}");
    let again = ours.sign(&Report { iat: received.iat - 1_000, ..received.clone() });
    assert_eq!(ours.post("/v1/reports", &again).await, (200, first), "a repeat gets the first answer");
    let misused = ours.sign(&Report { result: ReportedResult::Signed, ..received });
    assert_eq!(refused(&ours, &misused).await, named(422, "key_reused"));
    let refusal = ours.report(id, seen, ReportedResult::NotIssued { reason: "no such entry".to_owned() });
    assert_eq!(ours.post("/v1/reports", &ours.sign(&refusal)).await.0, 200);
    let back = ours.sign(&ours.report(id, seen, ReportedResult::Signed));
    assert_eq!(refused(&ours, &back).await, named(409, "illegal_step"));
    close(&app, id, &["dispatched", "received", "not_issued"]).await;
}

/// The same reports through the queue: a report that overtakes another is held, and a refused report is deleted.
pub(crate) async fn reports_through_the_queue(test_hub: Arc<TestHub>) {
    let tester = AgencyTester::of(&test_hub, "44").await;
    let app = App::open(&test_hub, "reports-queue").await;
    let body = first_card(&Citizen::aged(29), HOHHOT, "440103");
    let id = app.file(when_complete(body), &adult_documents()).await.id;
    let (_, case) = tester.take(id).await;
    app.reaches(id, Stage::Dispatched).await;
    let version = app.view(id).await.version;
    // The longest wait is shorter than the time limits of function and gateway.
    let waited = app.get(format!("/v1/applications/{id}/events?after={version}&wait=20")).send().await;
    let waited: EventsPage = waited.read(StatusCode::OK);
    assert_eq!((waited.events, waited.after), (Vec::new(), version));
    let ready = ReportedResult::Ready { place: "the hall".to_owned() };
    for result in [ReportedResult::Received, ReportedResult::Signed, ReportedResult::Produced, ready] {
        tester.queue(&tester.sign(&tester.report(id, case.version, result.clone()))).await;
        let stage = match result {
            ReportedResult::Received => Stage::Received,
            ReportedResult::Signed => Stage::Signed,
            ReportedResult::Produced => Stage::Produced,
            _ => Stage::Ready,
        };
        app.reaches(id, stage).await;
    }
    tester.queue(&tester.sign(&tester.report(id, case.version, ReportedResult::Signed))).await;
    close(&app, id, &["dispatched", "received", "signed", "produced", "ready"]).await;
}

/// An agency loses a case after it has taken the message: the case is listed, requested again, and arrives under its
/// id.
pub(crate) async fn a_lost_case_is_sent_again(test_hub: Arc<TestHub>) {
    let tester = AgencyTester::of(&test_hub, "36").await;
    let app = App::open(&test_hub, "reports-backlog").await;
    let body = first_card(&Citizen::aged(47), HOHHOT, "360102");
    let id = app.file(when_complete(body), &adult_documents()).await.id;
    let (event, case) = tester.take(id).await;
    let open = until("the case in the list", SOON, async || {
        let page = tester.post_request("/v1/agency/cases", CASES_TYP, json!({})).await;
        page["cases"]
            .as_array()
            .and_then(|cases| cases.first().cloned())
            .filter(|case| case["sent"] == json!(true))
    })
    .await;
    assert_eq!((&open["application"], &open["message"]), (&json!(id), &json!(case.version)));
    let resend_request = json!({ "cases": [{ "application": id }] });
    let answer = tester.post_request("/v1/agency/resend", RESEND_TYP, resend_request).await;
    assert_eq!(answer["cases"][0]["outcome"], "accepted");
    let (again, same) = tester.take(id).await;
    assert_eq!(again, event);
    assert_eq!(same, case);
    app.step(id, "withdraw", &json!({})).await;
    let (_, withdrawn) = tester.take(id).await;
    assert!(withdrawn.personal_data.is_none(), "a withdrawal contains personal data");
    close(&app, id, &["dispatched", "withdrawn"]).await;
}
