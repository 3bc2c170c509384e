//! A hub in memory: the real handlers, each with the memory of its own process, and the deliveries of Lambda, S3, the
//! table's stream and the queues.

use std::collections::BTreeMap;
use std::sync::Arc;

use app_client::SampleDocument;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use callbacks::delivery::CallbackSender;
use documents::upload_events::Recorder;
use domain::agencies::{Agencies, AgencyRow, AgencyState};
use domain::agency_override::AgencyOverride;
use domain::ids::{AgencyCode, ApplicationId};
use domain::{catalogue::Service, command::ReportedResult};
use http_kit::authentication::Authenticator;
use http_kit::namespace::Namespace;
use http_kit::rate_limit::Limits;
use http_kit::token::Issuers;
use intake::handler::Intake;
use jiff::Timestamp;
use platform::agency_registry::FRESH;
use platform::clock::Clock as _;
use platform::config::{Mode, Secret};
use platform::hub::{FakeHub, Hub as _};
use platform::person_index::PersonIndex;
use platform::queues::{Outgoing, Queue};
use platform::store::{Store as _, StoredApplication};
use protocol::jose::{KeyUse, PrivateKey, sign};
use protocol::operations::operation::Function;
use protocol::report::{DOCUMENT_TYP, DocumentRequest, Link, REPORT_TYP, Report};
use reports::report::ReportHandler;
use serde_json::{Value, json};
use subscriptions::handler::SubscriptionHandler;
use sweeper::handler::{SweepCounts, Sweeper};
use tokio::time::{Duration, Instant};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::records::upload_message;

/// The agency that decides.
pub(crate) const BEIJING: &str = "11";
/// Another agency.
pub(crate) const SHANDONG: &str = "37";
/// Time limit of a handler.
pub(crate) const TIME: Duration = Duration::from_secs(60);

/// An agency's private keys.
struct AgencyKeys {
    signing: PrivateKey,
    encryption: PrivateKey,
}

/// All private keys: those of the hub, of the token issuer and of the agencies.
struct Keys {
    hub: PrivateKey,
    issuer: PrivateKey,
    agencies: BTreeMap<AgencyCode, AgencyKeys>,
}

/// The functions. Each is a process with its own memory over the shared ports.
struct Processes {
    intake: FakeHub,
    subscriptions: FakeHub,
    documents: FakeHub,
    router: FakeHub,
    callbacks: FakeHub,
    sweeper: FakeHub,
    callback_sender: CallbackSender<FakeHub>,
}

impl Processes {
    fn start(hub: &FakeHub) -> Processes {
        Processes {
            intake: hub.restarted(),
            subscriptions: hub.restarted(),
            documents: hub.restarted(),
            router: hub.restarted(),
            callbacks: hub.restarted(),
            sweeper: hub.restarted(),
            callback_sender: CallbackSender::new(hub.restarted(), Mode::Local).expect("an HTTP client"),
        }
    }
}

/// The hub and all sources of its events.
pub(crate) struct CrashHarness {
    /// The ports.
    pub(crate) hub: FakeHub,
    processes: Processes,
    keys: Keys,
    issuers: Issuers,
    pub(crate) persons: PersonIndex,
}

/// The outcome of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// Status and body of an HTTP response.
    Http(u16, Value),
    /// Number of messages of a batch that will be delivered again.
    Batch(usize),
    /// Outcome of a scheduled sweep.
    Swept(SweepCounts),
}

impl Answer {
    /// Whether no further delivery is needed: a 4xx is final, a 5xx is temporary.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Answer::Http(status, _) => *status < 500,
            Answer::Batch(failed) => *failed == 0,
            Answer::Swept(swept) => swept.failed == 0,
        }
    }

    /// The body of an HTTP response with this status.
    pub(crate) fn body(self, status: u16) -> Value {
        match self {
            Answer::Http(found, body) if found == status => body,
            other => panic!("status {status} expected: {other:?}"),
        }
    }
}

impl CrashHarness {
    /// An empty hub at the current time, with the keys of two agencies.
    pub(crate) fn new() -> CrashHarness {
        let signing = || PrivateKey::generate(KeyUse::Signing).expect("a key");
        let encryption = || PrivateKey::generate(KeyUse::Encryption).expect("a key");
        let agencies = [BEIJING, SHANDONG].map(|code| {
            let code: AgencyCode = code.parse().expect("an agency code");
            (code, AgencyKeys { signing: signing(), encryption: encryption() })
        });
        let keys = Keys { hub: signing(), issuer: signing(), agencies: agencies.into() };
        let rows = keys.agencies.iter().map(|(code, keys)| agency_row(code, keys)).collect();
        let hub = FakeHub::new(Agencies::new(rows).expect("agencies"));
        hub.clock.set(Timestamp::now());
        let key = keys.issuer.public().to_jwk().expect("a public key");
        let issuers = json!([{ "issuer": "urn:test", "audience": "tongban", "keys": [key] }]);
        let issuers = Issuers::parse(&issuers.to_string(), Mode::Live).expect("issuers");
        let (processes, persons) = (Processes::start(&hub), PersonIndex::new(Secret::new(vec![8; 32]), None));
        CrashHarness { processes, hub, keys, issuers, persons }
    }

    /// Restarts every process. All process memory is lost.
    pub(crate) fn restart(&mut self) {
        self.hub.faults.restart();
        self.processes = Processes::start(&self.hub);
    }

    /// Sets an agency's state in the deployed list, and restarts every process.
    pub(crate) fn set_state(&mut self, agency: &str, state: AgencyState) {
        let mut rows = self.hub.agencies.agencies().to_vec();
        let row = rows.iter_mut().find(|row| row.code.to_string() == agency).expect("the agency");
        row.state = state;
        self.hub.agencies = Arc::new(Agencies::new(rows).expect("agencies"));
        self.restart();
    }

    /// A token of an app backend.
    pub(crate) fn token(&self, tenant: &str) -> String {
        let now = self.hub.clock.now().as_second();
        let claims = json!({
            "iss": "urn:test", "aud": "tongban", "sub": tenant, "client_id": tenant, "tenant": tenant,
            "scope": "applications:read applications:write subscriptions:write",
            "iat": now, "nbf": now, "exp": now + 3600, "jti": Uuid::new_v4(),
        });
        sign("at+jwt", &claims, &self.keys.issuer).expect("a token")
    }

    /// A POST of an app backend, to the function that serves the path.
    pub(crate) async fn post(&self, tenant: &str, path: &str, key: &str, body: &Value) -> Answer {
        self.send("POST", tenant, path, key, None, body).await
    }

    /// A request of an app backend with a body, to the function that serves the path; `at` is its `If-Match`.
    pub(crate) async fn send(
        &self,
        method: &str,
        tenant: &str,
        path: &str,
        key: &str,
        at: Option<&str>,
        body: &Value,
    ) -> Answer {
        let function = if path.starts_with("/v1/subscriptions") {
            Function::Subscriptions
        } else if path.contains("/documents/") {
            Function::Documents
        } else {
            Function::Intake
        };
        let routes = self.routes(function);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token(tenant)))
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        if let Some(at) = at {
            request = request.header("if-match", at);
        }
        ask(routes, request.body(Body::from(body.to_string())).expect("a request")).await
    }

    /// The HTTP routes of a function.
    pub(crate) fn routes(&self, function: Function) -> Router {
        let namespace = Namespace::new(Secret::new(vec![7; 32]));
        let authenticator = |hub: &FakeHub| Authenticator::new(hub.clone(), self.issuers.clone(), None);
        match function {
            Function::Intake => {
                let (hub, issuers) = (self.processes.intake.clone(), self.issuers.clone());
                let keys = json!({ "keys": [self.keys.hub.public().to_jwk().expect("a public key")] });
                let intake = Intake::new(hub, issuers, namespace, keys, Limits::default());
                intake::handler::routes(intake.with_person_index(self.persons.clone()))
            }
            Function::Subscriptions => {
                let hub = self.processes.subscriptions.clone();
                let authenticator = authenticator(&hub);
                let handler = SubscriptionHandler::new(hub, authenticator, namespace, Mode::Local);
                subscriptions::handler::routes(handler)
            }
            Function::Documents => {
                let hub = self.processes.documents.clone();
                let authenticator = authenticator(&hub);
                documents::handler::routes(documents::handler::LinkHandler::new(hub, authenticator))
            }
            Function::Reports => reports::http::routes(self.report_handler()),
        }
    }

    /// The use cases of the function that accepts reports.
    pub(crate) fn report_handler(&self) -> ReportHandler<FakeHub> {
        ReportHandler::new(self.processes.callbacks.clone(), self.keys.hub.clone())
    }

    /// A value that an agency signs.
    pub(crate) fn signed_value(&self, agency: &str, typ: &str, value: &Value) -> String {
        let agency: AgencyCode = agency.parse().expect("an agency code");
        sign(typ, value, &self.keys.agencies[&agency].signing).expect("a signed value")
    }

    /// A report over HTTP.
    pub(crate) async fn report(&self, jws: &str) -> Answer {
        let request = Request::post("/v1/reports").header("content-type", "application/jose");
        let request = request.body(Body::from(jws.to_owned())).expect("a request");
        ask(self.routes(Function::Reports), request).await
    }

    /// The reports queue delivers reports in one batch. `sent` is the time at which they entered the queue.
    pub(crate) async fn reports_queued(&self, reports: &[&str], sent: Timestamp) -> Answer {
        self.reports_queued_again(reports, sent, 1).await
    }

    /// The reports queue delivers reports for the n-th time.
    pub(crate) async fn reports_queued_again(
        &self,
        reports: &[&str],
        sent: Timestamp,
        receives: u32,
    ) -> Answer {
        let record = |(index, jws): (usize, &&str)| {
            let attributes = json!({
                "ApproximateReceiveCount": receives.to_string(), "SentTimestamp": sent.as_millisecond().to_string(),
            });
            json!({
                "messageId": format!("r{index}"), "receiptHandle": format!("r{index}"), "body": jws,
                "attributes": attributes, "eventSource": "aws:sqs",
            })
        };
        let records: Vec<Value> = reports.iter().enumerate().map(record).collect();
        let event = serde_json::from_value(json!({ "Records": records })).expect("an event of the queue");
        let response = reports::queue::reports(&self.report_handler(), event, Instant::now() + TIME).await;
        Answer::Batch(response.batch_item_failures.len())
    }

    /// A request about an agency's open cases, signed by the agency.
    pub(crate) async fn open_cases_request(
        &self,
        agency: &str,
        path: &str,
        typ: &str,
        request: &Value,
    ) -> Answer {
        let mut request = request.clone();
        request["agency"] = json!(agency);
        request["iat"] = json!(self.hub.clock.now().as_second());
        let jws = self.signed_value(agency, typ, &request);
        let request = Request::post(path).header("content-type", "application/jose");
        ask(self.routes(Function::Reports), request.body(Body::from(jws)).expect("a request")).await
    }

    /// An operator overrides an agency. The processes notice when their cached overrides expire.
    pub(crate) fn override_agency(&self, agency: &str, stream_record: AgencyOverride) {
        let agency: AgencyCode = agency.parse().expect("an agency code");
        self.hub.agency_registry.override_agency(&self.hub.agencies, &agency, stream_record);
        self.hub.clock.advance(FRESH);
    }

    /// The `kid` of an agency's signing key.
    pub(crate) fn signing_kid(&self, agency: &str) -> String {
        let agency: AgencyCode = agency.parse().expect("an agency code");
        self.keys.agencies[&agency].signing.public().kid().to_owned()
    }

    /// The outcomes of an agency's refused reports, sorted.
    pub(crate) fn refused(&self, agency: &str) -> Vec<String> {
        let outcome = |evidence: &Value| evidence["outcome"].as_str().expect("an outcome").to_owned();
        let mut outcomes: Vec<String> = self.evidence(agency).iter().map(outcome).collect();
        outcomes.sort();
        outcomes
    }

    /// The evidence of an agency's refused reports.
    pub(crate) fn evidence(&self, agency: &str) -> Vec<Value> {
        let found = self.hub.documents.below(&format!("evidence/{agency}/"));
        found.into_iter().map(|(_, json)| serde_json::from_slice(&json).expect("evidence in JSON")).collect()
    }

    /// A request for a document, signed by an agency.
    pub(crate) async fn agency_document(&self, request: &DocumentRequest) -> Answer {
        let jws = sign(DOCUMENT_TYP, request, &self.keys.agencies[&request.agency].signing);
        let request = Request::post("/v1/agency/documents").header("content-type", "application/jose");
        let request = request.body(Body::from(jws.expect("a signed request"))).expect("a request");
        ask(self.routes(Function::Documents), request).await
    }

    /// Uploads each document to the link that expects its checksum. Returns the object keys for the S3 events.
    pub(crate) fn upload(&self, opened: &Value, documents: &[SampleDocument]) -> Vec<String> {
        let slots = opened["documents"].as_array().expect("documents");
        let links = slots.iter().filter(|document| !document["upload"].is_null());
        links.map(|document| self.upload_to(&document["upload"], documents)).collect()
    }

    /// Uploads to one link the document with the checksum that the link expects. Returns the object key.
    pub(crate) fn upload_to(&self, link: &Value, documents: &[SampleDocument]) -> String {
        let link: Link = serde_json::from_value(link.clone()).expect("a link");
        let sum = link.headers.get("x-amz-checksum-sha256");
        let document = documents
            .iter()
            .find(|document| Some(&document.sha256()) == sum)
            .expect("a document with this checksum");
        self.hub.documents.upload(&link, &document.bytes).expect("a slot that accepts the document");
        link.url.trim_start_matches("memory://documents/").to_owned()
    }

    /// The uploads queue delivers the S3 events of these objects in one batch.
    pub(crate) async fn uploaded(&self, keys: &[String]) -> Answer {
        let records: Vec<Value> =
            keys.iter().enumerate().map(|(index, key)| upload_message(index, key)).collect();
        let event = serde_json::from_value(json!({ "Records": records })).expect("an event of the queue");
        let recorder = Recorder::new(self.processes.documents.clone());
        let response = recorder.record(event, Instant::now() + TIME).await;
        Answer::Batch(response.batch_item_failures.len())
    }

    /// The stream delivers records in one batch. Returns the sequence number from which they must be delivered again.
    pub(crate) async fn stream_failure(&self, records: &[Value]) -> Option<String> {
        let event = serde_json::from_value(json!({ "Records": records })).expect("an event of the stream");
        let router = router::handler::Router::new(self.processes.router.clone(), self.keys.hub.clone());
        let answer = router.handle(event, Instant::now() + TIME).await;
        answer.batch_item_failures.into_iter().find_map(|failure| failure.item_identifier)
    }

    /// The callback queue delivers a message.
    pub(crate) async fn call_back(&self, message: &Outgoing) -> Answer {
        self.call_back_again(message, 1).await
    }

    /// The callback queue delivers a message for the n-th time.
    pub(crate) async fn call_back_again(&self, message: &Outgoing, receives: u32) -> Answer {
        let record = json!({
            "messageId": message.id, "receiptHandle": message.id, "body": message.body,
            "attributes": { "MessageGroupId": message.group, "ApproximateReceiveCount": receives.to_string() },
            "eventSource": "aws:sqs",
        });
        let event = serde_json::from_value(json!({ "Records": [record] })).expect("an event of the queue");
        let sender = &self.processes.callback_sender;
        let response = callbacks::handler::callbacks(sender, event, Instant::now() + TIME).await;
        Answer::Batch(response.batch_item_failures.len())
    }

    /// Runs the drainers that the schedule or an app has woken. Returns their number.
    pub(crate) async fn drain(&self) -> usize {
        self.processes.callback_sender.wake_due().await;
        let messages = self.hub.queues.drain(&Queue::Drains);
        for message in &messages {
            assert_eq!(self.call_back(message).await, Answer::Batch(0));
        }
        messages.len()
    }

    /// The schedule wakes the sweeper.
    pub(crate) async fn sweep(&self) -> Answer {
        self.sweep_for(TIME).await
    }

    /// The schedule wakes the sweeper, which has this time.
    pub(crate) async fn sweep_for(&self, time: Duration) -> Answer {
        let sweeper = Sweeper::new(self.processes.sweeper.clone(), self.keys.hub.clone());
        Answer::Swept(sweeper.sweep(Instant::now() + time).await)
    }

    /// A report as an agency signs it.
    pub(crate) fn signed(
        &self,
        agency: &str,
        application: ApplicationId,
        seen: u32,
        result: ReportedResult,
    ) -> String {
        self.signed_as(agency, agency, application, seen, result)
    }

    fn new_report(
        &self,
        agency: &str,
        application: ApplicationId,
        seen: u32,
        result: ReportedResult,
    ) -> Report {
        Report {
            report_id: Uuid::new_v4().to_string().parse().expect("a report id"),
            application,
            agency: agency.parse().expect("an agency code"),
            seen,
            iat: self.hub.clock.now().as_second(),
            result,
        }
    }

    /// A report that one agency signs in the name of another.
    pub(crate) fn signed_as(
        &self,
        signer: &str,
        named: &str,
        application: ApplicationId,
        seen: u32,
        result: ReportedResult,
    ) -> String {
        let report = self.new_report(named, application, seen, result);
        let signer: AgencyCode = signer.parse().expect("an agency code");
        sign(REPORT_TYP, &report, &self.keys.agencies[&signer].signing).expect("a signed report")
    }

    /// Any payload, signed by an agency as a report.
    pub(crate) fn signed_payload(&self, agency: &str, payload: &Value) -> String {
        self.signed_value(agency, REPORT_TYP, payload)
    }

    /// Decrypts and verifies a message as its agency does.
    pub(crate) fn opened(&self, agency: &str, message: &Outgoing) -> protocol::case::Case {
        let agency: AgencyCode = agency.parse().expect("an agency code");
        let envelope: protocol::case::Envelope = serde_json::from_str(&message.body).expect("an envelope");
        let keys = &self.keys.agencies[&agency];
        envelope.open([&keys.encryption], [self.keys.hub.public()]).expect("the agency's case")
    }

    /// Takes all messages of an agency's queue.
    pub(crate) fn take(&self, agency: &str) -> Vec<Outgoing> {
        self.hub.queues.drain(&Queue::Agency(agency.parse().expect("an agency code")))
    }

    /// All stored applications, read without faults. Clears the fault plan and the recorded calls.
    pub(crate) async fn stored(&self) -> Vec<StoredApplication> {
        self.hub.faults.restart();
        let mut all = Vec::new();
        for id in self.hub.store.ids() {
            let stored = self.hub.store().get(id).await.expect("a record that verifies");
            all.push(stored.expect("a listed application"));
        }
        self.hub.faults.restart();
        all
    }
}

fn agency_row(code: &AgencyCode, keys: &AgencyKeys) -> AgencyRow {
    let since = "2023-05-25".parse().expect("a day");
    AgencyRow {
        code: code.clone(),
        zh: format!("机构{code}"),
        en: format!("Agency {code}"),
        state: AgencyState::Active,
        offers: Service::all().into_iter().map(|service| (service, since)).collect(),
        capabilities: Vec::new(),
        signing_keys: vec![keys.signing.public().to_jwk().expect("a public key")],
        encryption_keys: vec![keys.encryption.public().to_jwk().expect("a public key")],
    }
}

async fn ask(routes: Router, request: Request<Body>) -> Answer {
    let answer = routes.oneshot(request).await.expect("an answer");
    let (status, again) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
    assert_eq!(again, status == 503, "exactly the 503 responses have Retry-After");
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    Answer::Http(status, serde_json::from_slice(&body).unwrap_or_default())
}
