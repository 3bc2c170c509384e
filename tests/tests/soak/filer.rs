//! Files applications over HTTP, as fast as the hub takes them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use app_client::SampleDocument;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::catalogue::Service;
use domain::ids::{AgencyCode, ApplicationId};
use domain::time::today;
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use protocol::app::ApplicationView;
use protocol::report::Link;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tongban::local::LocalStack;
use tongban::secrets::SCOPES;
use tongban_tests::forms::{
    HOHHOT, adult_documents, certificate, certificate_documents, first_card, renewal, renewal_documents,
    transfer, transfer_documents, when_complete,
};
use tongban_tests::people::Citizen;

/// Concurrent requests.
const AT_ONCE: usize = 8;
/// Tenant of the app backend.
pub(crate) const TENANT: &str = "soak";
/// Maximum number of attempts of a request.
const TRIES: usize = 10;

/// The filed applications, each with the agencies of its legs.
pub(crate) type Filed = BTreeMap<ApplicationId, BTreeSet<AgencyCode>>;

/// An app backend that sends requests concurrently.
pub(crate) struct Filer<'s> {
    stack: &'s LocalStack,
    token: String,
}

impl<'s> Filer<'s> {
    pub(crate) fn new(stack: &'s LocalStack) -> Filer<'s> {
        Filer { stack, token: stack.token(TENANT, &SCOPES).expect("a token") }
    }

    /// Files one application for each of these turns, spread over all agencies and services.
    pub(crate) async fn file(&self, turns: Range<usize>) -> Filed {
        let offers = self.offers();
        let filing = turns.map(|turn| {
            let (agency, service) = &offers[turn % offers.len()];
            self.file_one(agency.clone(), *service)
        });
        stream::iter(filing).buffer_unordered(AT_ONCE).collect().await
    }

    /// Answers the supplement requests of these applications.
    pub(crate) async fn answer(&self, waiting: &[ApplicationId]) {
        let answering = waiting.iter().map(|id| self.answer_one(*id));
        stream::iter(answering).buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    /// Settles these transfers. The hub refuses when the agency was faster.
    pub(crate) async fn settle(&self, moved: &[ApplicationId]) {
        for id in moved {
            let url = format!("{}/v1/applications/{id}/confirm", self.stack.api_url().expect("an address"));
            let request = self.stack.http().post(url).bearer_auth(&self.token);
            let request = request.header("idempotency-key", format!("settle-{id}"));
            let request = request.header("content-type", "application/json");
            let answer = request.body(json!({ "confirm": "settle" }).to_string()).send().await;
            let status = answer.expect("an answer").status();
            // What passes is tried again with the next look at the cases.
            assert!(matches!(status.as_u16(), 200 | 409) || passes(status), "{id}: {status}");
        }
    }

    /// Pairs of an agency and a service that it offers. Seven in ten are first cards, which are the quickest to file;
    /// any hundred consecutive pairs contain every service.
    fn offers(&self) -> Vec<(AgencyCode, Service)> {
        let today = today(Timestamp::now());
        let mut offers = Vec::new();
        for turn in 0..10 {
            for (place, row) in self.stack.agencies().agencies().iter().enumerate() {
                let service = match (turn + place) % 10 {
                    3 => Service::named("household_transfer").expect("a name of the catalogue"),
                    5 => Service::named("identity_card_renewal").expect("a name of the catalogue"),
                    7 => Service::named("household_certificate").expect("a name of the catalogue"),
                    _ => Service::named("first_identity_card").expect("a name of the catalogue"),
                };
                if row.offers(service, today) {
                    offers.push((row.code.clone(), service));
                }
            }
        }
        offers
    }

    async fn file_one(&self, agency: AgencyCode, service: Service) -> (ApplicationId, BTreeSet<AgencyCode>) {
        let citizen = Citizen::aged(30);
        let code = agency.to_string();
        let registered_at =
            agency.jurisdiction().current_divisions().next().expect("a division").code.to_owned();
        // Acceptance place and place of registration must differ.
        let accepted_at = if code == "1501" { "110105" } else { HOHHOT };
        let (body, documents) = match service.name() {
            "first_identity_card" => (first_card(&citizen, accepted_at, &registered_at), adult_documents()),
            "identity_card_renewal" => {
                (renewal(&citizen, "card_details_changed", accepted_at, &registered_at), renewal_documents())
            }
            "household_transfer" => (
                transfer(&citizen, "job_transfer", accepted_at, &registered_at),
                transfer_documents("transfer_order"),
            ),
            _ => (certificate(&citizen, "former_name", accepted_at, &registered_at), certificate_documents()),
        };
        let mut body = when_complete(body);
        body["documents"] = documents.iter().map(SampleDocument::declaration).collect();
        let view = self.post("/v1/applications", &body).await;
        for link in view.documents.iter().filter_map(|document| document.upload.as_ref()) {
            let sum = link.headers.get("x-amz-checksum-sha256");
            let document = documents
                .iter()
                .find(|document| Some(&document.sha256()) == sum)
                .expect("a document with this checksum");
            self.put(link, &document.bytes).await;
        }
        let mut agencies = BTreeSet::from([agency]);
        if service == Service::named("household_transfer").expect("a name of the catalogue") {
            let move_in = if code == "1501" { "11" } else { "1501" };
            agencies.insert(move_in.parse().expect("an agency code"));
        }
        (view.id, agencies)
    }

    async fn answer_one(&self, id: ApplicationId) {
        let view: ApplicationView = self.send(Method::GET, &format!("/v1/applications/{id}"), None).await;
        for missing in &view.missing {
            let bytes = SampleDocument::pdf("other", &format!("{id} {missing}")).bytes;
            let sha256 = STANDARD.encode(Sha256::digest(&bytes));
            let declared = json!({
                "kind": "other", "media_type": "application/pdf", "size": bytes.len(), "sha256": sha256,
            });
            let path = format!("/v1/applications/{id}/documents/{missing}/upload");
            let link: Link = self.send(Method::POST, &path, Some(&declared)).await;
            self.put(&link, &bytes).await;
        }
        let path = format!("/v1/applications/{id}/supplement");
        let _: Value = self.send(Method::POST, &path, Some(&json!({}))).await;
    }

    async fn post(&self, path: &str, body: &Value) -> ApplicationView {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Sends a request, and again under the same key while the hub answers 503.
    async fn send<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> T {
        let url = format!("{}{path}", self.stack.api_url().expect("an address"));
        let key = uuid::Uuid::new_v4().to_string();
        for _ in 0..TRIES {
            let mut request = self.stack.http().request(method.clone(), &url).bearer_auth(&self.token);
            if let Some(body) = body {
                request = request
                    .header("idempotency-key", &key)
                    .header("content-type", "application/json")
                    .body(body.to_string());
            }
            let answer = request.send().await.expect("an answer");
            let status = answer.status();
            let text = answer.text().await.expect("a body");
            if status.is_success() {
                return serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            }
            assert!(passes(status), "{path}: {status} {text}");
        }
        panic!("{path}: the hub is still unavailable");
    }

    async fn put(&self, link: &Link, bytes: &[u8]) {
        let method: Method = link.method.parse().expect("a method");
        let mut request = self.stack.http().request(method, &link.url).body(bytes.to_vec());
        for (name, value) in &link.headers {
            request = request.header(name, value);
        }
        let status = request.send().await.expect("an answer of the bucket").status();
        assert_eq!(status, StatusCode::OK);
    }
}

/// Whether the same request may succeed later: the hub was unavailable, or the gateway lost the function's process.
fn passes(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE)
}
