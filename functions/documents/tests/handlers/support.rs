//! A hub in memory with an app backend, agencies with keys, and a bucket whose events a test delivers.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsEvent;
use axum::Router;
use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use documents::handler::{LinkHandler, routes};
use documents::upload_events::Recorder;
use domain::agencies::{Agencies, AgencyRow, AgencyState};
use domain::catalogue::{DocumentKind, Service, When};
use domain::command::{Actor, AgencyReport, Attempt, Command, ReportedResult};
use domain::event::{Leg, Opened, Places, Provider, Slot};
use domain::ids::{ApplicationId, DocumentId};
use domain::ledger::{Cause, Ledger};
use domain::stage::Purpose;
use http::Request;
use http_kit::authentication::Authenticator;
use http_kit::token::Issuers;
use platform::apply::{apply, command_key};
use platform::clock::Clock as _;
use platform::config::Mode;
use platform::hub::{FakeHub, Hub as _};
use platform::store::{Store as _, StoredApplication};
use protocol::jose::{KeyUse, PrivateKey, sign};
use protocol::report::{DOCUMENT_TYP, DocumentAction, DocumentRequest};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tower::ServiceExt as _;

/// A valid image.
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR and more";

/// The function's routes and queue consumer over a hub in memory, with the keys of its callers.
pub(crate) struct TestHub {
    pub(crate) hub: FakeHub,
    pub(crate) beijing: PrivateKey,
    pub(crate) shandong: PrivateKey,
    issuer: PrivateKey,
    routes: Router,
    recorder: Recorder<FakeHub>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default()
    }
}

fn agency(code: &str, key: &PrivateKey) -> AgencyRow {
    AgencyRow {
        code: code.parse().unwrap(),
        zh: "某地".to_owned(),
        en: "Somewhere".to_owned(),
        state: AgencyState::Active,
        offers: BTreeMap::new(),
        capabilities: Vec::new(),
        signing_keys: vec![key.public().to_jwk().unwrap()],
        encryption_keys: Vec::new(),
    }
}

impl TestHub {
    pub(crate) fn new() -> TestHub {
        let key = || PrivateKey::generate(KeyUse::Signing).unwrap();
        let (beijing, shandong, issuer) = (key(), key(), key());
        let agencies = Agencies::new(vec![agency("11", &beijing), agency("37", &shandong)]).unwrap();
        TestHub::of(FakeHub::new(agencies), beijing, shandong, issuer)
    }

    fn of(hub: FakeHub, beijing: PrivateKey, shandong: PrivateKey, issuer: PrivateKey) -> TestHub {
        let issuers =
            json!([{ "issuer": "i", "audience": "tongban", "keys": [issuer.public().to_jwk().unwrap()] }]);
        let issuers = Issuers::parse(&issuers.to_string(), Mode::Live).unwrap();
        let routes = routes(LinkHandler::new(hub.clone(), Authenticator::new(hub.clone(), issuers, None)));
        let recorder = Recorder::new(hub.clone());
        TestHub { hub, beijing, shandong, issuer, routes, recorder }
    }

    /// The same hub in a new process with an empty cache.
    pub(crate) fn restarted(&self) -> TestHub {
        TestHub::of(self.hub.restarted(), self.beijing.clone(), self.shandong.clone(), self.issuer.clone())
    }

    /// Creates an application of Hohhot's app for Beijing: a first identity card with two documents, or a certificate
    /// with one document and a slot for the issued certificate.
    pub(crate) async fn open(&self, service: &str) -> ApplicationId {
        let service = Service::named(service).unwrap();
        let slot = |number, requirement: &str, kind, provider| Slot {
            id: DocumentId::numbered(number).unwrap(),
            requirement: requirement.to_owned(),
            accepts: vec![kind],
            provider,
        };
        let (when, purpose, second) = match service.name() {
            "household_certificate" => (
                When::named("former_name").unwrap(),
                Purpose::Certify,
                slot(
                    2,
                    "issued_certificate",
                    DocumentKind::named("issued_certificate").unwrap(),
                    Provider::Agency,
                ),
            ),
            _ => (
                When::named("adult").unwrap(),
                Purpose::Decide,
                slot(2, "lawful_stay", DocumentKind::named("proof_of_work").unwrap(), Provider::App),
            ),
        };
        let opened = Opened {
            tenant: "hohhot-app".parse().unwrap(),
            service,
            when,
            places: Places {
                accepted_at: "150102".parse().unwrap(),
                registered_at: "110105".parse().unwrap(),
                move_in: None,
            },
            legs: vec![Leg { purpose, agency: "11".parse().unwrap() }],
            slots: vec![
                slot(
                    1,
                    "household_register",
                    DocumentKind::named("household_register").unwrap(),
                    Provider::App,
                ),
                second,
            ],
            submit_when_complete: true,
            capabilities: Vec::new(),
        };
        let number = self.hub.store.ids().len();
        let mut bytes: [u8; 16] = [0; 16];
        bytes.copy_from_slice(&Sha256::digest(number.to_string())[..16]);
        let id = ApplicationId::from_bytes16(bytes);
        let cause = Cause {
            by: Actor::Tenant(opened.tenant.clone()),
            at: self.hub.clock.now(),
            key: None,
            proof: None,
        };
        let ledger = Ledger::open(id, opened, &cause).unwrap();
        let (encrypted, person) = (vec![number as u8], Vec::new());
        let stored = StoredApplication { ledger, encrypted, payload_hash: [0; 32], person };
        self.hub.store().create(&stored, None).await.unwrap();
        id
    }

    pub(crate) async fn stored(&self, id: ApplicationId) -> StoredApplication {
        self.hub.store().get(id).await.unwrap().unwrap()
    }

    pub(crate) async fn version(&self, id: ApplicationId) -> u32 {
        self.stored(id).await.version()
    }

    /// Puts an object without a link and returns its version.
    pub(crate) fn put(&self, key: &str, kind: DocumentKind, bytes: &[u8]) -> String {
        self.hub.documents.put(key, "image/png", Some(kind), bytes)
    }

    /// Puts an object of an upload round. S3 never repeats a version id, but the bucket in memory counts versions by
    /// key, so earlier versions are put first.
    pub(crate) fn put_in_round(&self, key: &str, round: usize, kind: DocumentKind, bytes: &[u8]) -> String {
        (0..round).for_each(|_| {
            self.put(key, kind, b"earlier version");
        });
        self.put(key, kind, bytes)
    }

    /// Delivers an S3 event message for each object and returns the ids of the failed messages.
    pub(crate) async fn notify(&self, objects: &[(&str, Option<&str>)]) -> Vec<String> {
        let bodies = objects.iter().map(|(key, version)| {
            json!({ "Records": [{
                "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                "s3": { "bucket": { "name": "b" }, "object": { "key": key, "size": 1, "versionId": version } },
            }] })
            .to_string()
        });
        self.deliver(bodies.collect()).await
    }

    pub(crate) async fn deliver(&self, bodies: Vec<String>) -> Vec<String> {
        let records: Vec<Value> = bodies
            .iter()
            .enumerate()
            .map(|(index, body)| json!({ "messageId": format!("m{index}"), "body": body }))
            .collect();
        let batch: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
        let response = self.recorder.record(batch, Instant::now() + Duration::from_secs(20)).await;
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    pub(crate) async fn submitted(&self, id: ApplicationId) {
        for (document, kind) in [
            ("d1", DocumentKind::named("household_register").unwrap()),
            ("d2", DocumentKind::named("proof_of_work").unwrap()),
        ] {
            let key = format!("applications/{id}/{document}/0");
            self.put(&key, kind, PNG);
            self.notify(&[(&key, Some("v1"))]).await;
        }
    }

    pub(crate) async fn received(&self, id: ApplicationId) {
        let message_version = self.stored(id).await.ledger.state().message_version;
        apply(&self.hub, id, &Attempt::hub(Command::Dispatch { message_version }), None).await.unwrap();
        self.report(id, ReportedResult::Received).await;
    }

    /// Applies a report of Beijing.
    pub(crate) async fn report(&self, id: ApplicationId, result: ReportedResult) {
        let by = Actor::Agency("11".parse().unwrap());
        let key = command_key(&by, &format!("{result:?}"), b"");
        let seen = self.version(id).await;
        let attempt = Attempt {
            by,
            key: Some(key),
            command: Command::Report(AgencyReport { seen, result }),
            expected_version: None,
        };
        apply(&self.hub, id, &attempt, None).await.unwrap();
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.routes.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, 1_000_000).await.unwrap();
        Answer { status: parts.status.as_u16(), body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    pub(crate) fn request(&self, method: &str, path: &str, tenant: &str) -> http::request::Builder {
        let now = self.hub.clock.now().as_second();
        let claims = json!({
            "iss": "i", "aud": "tongban", "iat": now, "exp": now + 300, "tenant": tenant,
            "scope": "applications:read applications:write",
        });
        let token = sign("at+jwt", &claims, &self.issuer).unwrap();
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"))
    }

    pub(crate) async fn read(&self, tenant: &str, id: ApplicationId, document: &str) -> Answer {
        let path = format!("/v1/applications/{id}/documents/{document}");
        self.send(self.request("GET", &path, tenant).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn slot(&self, tenant: &str, id: ApplicationId, document: &str, body: &Value) -> Answer {
        let path = format!("/v1/applications/{id}/documents/{document}/upload");
        let request = self.request("POST", &path, tenant).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Sends an agency's request for a link, signed with `key` now.
    pub(crate) async fn request_link(
        &self,
        agency: &str,
        key: &PrivateKey,
        id: ApplicationId,
        action: DocumentAction,
    ) -> Answer {
        let now = self.hub.clock.now().as_second();
        self.request_link_at(agency, key, id, action, now).await
    }

    pub(crate) async fn request_link_at(
        &self,
        agency: &str,
        key: &PrivateKey,
        application: ApplicationId,
        action: DocumentAction,
        iat: i64,
    ) -> Answer {
        let request = DocumentRequest { agency: agency.parse().unwrap(), application, iat, action };
        self.signed("application/jose", sign(DOCUMENT_TYP, &request, key).unwrap()).await
    }

    pub(crate) async fn signed(&self, content_type: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder()
            .method("POST")
            .uri("/v1/agency/documents")
            .header("content-type", content_type);
        self.send(request.body(body.into()).unwrap()).await
    }
}

/// An app's declaration of an upload.
pub(crate) fn declared(kind: &str, bytes: &[u8]) -> Value {
    json!({
        "kind": kind, "media_type": "image/png", "size": bytes.len(), "sha256": STANDARD.encode(Sha256::digest(bytes)),
    })
}

/// An agency's request to upload.
pub(crate) fn upload(document: &str, bytes: &[u8]) -> DocumentAction {
    DocumentAction::Upload {
        document: document.parse().unwrap(),
        media_type: "image/png".into(),
        size: bytes.len() as u64,
        sha256: STANDARD.encode(Sha256::digest(bytes)),
    }
}

/// An agency's request to read.
pub(crate) fn fetch(document: &str) -> DocumentAction {
    DocumentAction::Fetch { document: document.parse().unwrap() }
}
