//! A hub in memory, an issuer of tokens, and an app backend that asks.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use domain::agencies::{Agencies, AgencyRow, AgencyState};
use domain::catalogue::Service;
use domain::identity_number::IdentityNumber;
use http::{HeaderMap, Request};
use http_kit::rate_limit::Limits;
use http_kit::token::Issuers;
use intake::handler::{Intake, routes};
use intake::namespace::Namespace;
use jiff::civil::Date;
use platform::clock::Clock as _;
use platform::config::{Mode, Secret};
use platform::hub::FakeHub;
use protocol::jose::{KeyUse, PrivateKey, sign};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// All scopes.
pub(crate) const ALL: &str = "applications:read applications:write subscriptions:write";

fn agency(code: &str, zh: &str, en: &str, offers: &[Service], capabilities: &[&str]) -> AgencyRow {
    let since: Date = "2023-05-25".parse().unwrap();
    AgencyRow {
        code: code.parse().unwrap(),
        zh: zh.to_owned(),
        en: en.to_owned(),
        state: AgencyState::Active,
        offers: offers.iter().map(|service| (*service, since)).collect::<BTreeMap<_, _>>(),
        capabilities: capabilities.iter().map(|name| (*name).to_owned()).collect(),
        signing_keys: Vec::new(),
        encryption_keys: Vec::new(),
    }
}

/// Beijing, Shandong and two league cities take everything; Hainan takes nothing.
pub(crate) fn agencies() -> Agencies {
    Agencies::new(vec![
        agency("11", "北京市", "Beijing", &Service::all(), &["script:mongolian"]),
        agency("37", "山东省", "Shandong", &Service::all(), &[]),
        agency("1501", "呼和浩特市", "Hohhot", &Service::all(), &["script:mongolian"]),
        agency("1504", "赤峰市", "Chifeng", &Service::all(), &[]),
        agency("46", "海南省", "Hainan", &[], &[]),
    ])
    .unwrap()
}

/// The hub, and whoever may ask it.
#[derive(Clone)]
pub(crate) struct TestHub {
    pub(crate) hub: FakeHub,
    key: PrivateKey,
    routes: Router,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// The end of a problem's type.
    pub(crate) fn code(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default()
    }

    /// Pointer and code of each wrong field.
    pub(crate) fn faults(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
    }

    pub(crate) fn fault(&self, pointer: &str) -> Option<String> {
        self.faults().into_iter().find(|fault| fault.0 == pointer).map(|fault| fault.1)
    }

    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_default().to_owned()
    }
}

impl TestHub {
    pub(crate) fn new() -> TestHub {
        TestHub::with(Mode::Live)
    }

    pub(crate) fn with(mode: Mode) -> TestHub {
        TestHub::of(FakeHub::new(agencies()), PrivateKey::generate(KeyUse::Signing).unwrap(), mode)
    }

    /// The same hub, with bounds on what a tenant may ask.
    pub(crate) fn allowing(&self, limits: Limits) -> TestHub {
        TestHub::within(self.hub.clone(), self.key.clone(), Mode::Live, limits)
    }

    fn of(hub: FakeHub, key: PrivateKey, mode: Mode) -> TestHub {
        TestHub::within(hub, key, mode, Limits::default())
    }

    fn within(hub: FakeHub, key: PrivateKey, mode: Mode, limits: Limits) -> TestHub {
        let issuers = json!([{
            "issuer": "https://issuer.example", "audience": "tongban", "keys": [key.public().to_jwk().unwrap()],
        }]);
        let issuers = Issuers::parse(&issuers.to_string(), Mode::Live).unwrap();
        let namespace = Namespace::new(Secret::new(vec![7; 32]));
        let intake = Intake::new(hub.clone(), issuers, namespace, json!({ "keys": [] }), mode, limits);
        let routes = routes(intake);
        TestHub { hub, key, routes }
    }

    /// The same hub in a new process, after a crash or a day later.
    pub(crate) fn restarted(&self) -> TestHub {
        TestHub::of(self.hub.restarted(), self.key.clone(), Mode::Live)
    }

    /// The same hub with other agencies.
    pub(crate) fn with_agencies(&self, agencies: Agencies) -> TestHub {
        let hub = FakeHub { agencies: std::sync::Arc::new(agencies), ..self.hub.clone() };
        TestHub::of(hub, self.key.clone(), Mode::Live)
    }

    pub(crate) fn token(&self, tenant: &str, scope: &str) -> String {
        let now = self.hub.clock.now().as_second();
        self.sign(&json!({
            "iss": "https://issuer.example", "aud": "tongban", "iat": now, "exp": now + 300, "tenant": tenant,
            "scope": scope,
        }))
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        sign("at+jwt", claims, &self.key).unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.routes.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, 1_000_000).await.unwrap().to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body, bytes }
    }

    pub(crate) fn request(&self, method: &str, path: &str, tenant: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token(tenant, ALL)))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_as("hohhot-app", path).await
    }

    pub(crate) async fn get_as(&self, tenant: &str, path: &str) -> Answer {
        self.send(self.request("GET", path, tenant).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.post_as("hohhot-app", path, key, body).await
    }

    pub(crate) async fn post_as(&self, tenant: &str, path: &str, key: &str, body: &Value) -> Answer {
        let request = self
            .request("POST", path, tenant)
            .header("idempotency-key", key)
            .header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn delete_as(&self, tenant: &str, path: &str, key: &str) -> Answer {
        let request = self.request("DELETE", path, tenant).header("idempotency-key", key);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn create(&self, key: &str, body: &Value) -> Answer {
        self.post("/v1/applications", key, body).await
    }
}

/// The number of an invented person, born on this day.
pub(crate) fn number(birth: &str, sequence: u16) -> String {
    let number = IdentityNumber::compute("150102", birth.parse().unwrap(), sequence).unwrap();
    number.as_str().to_owned()
}

pub(crate) fn person(birth: &str, sequence: u16) -> Value {
    json!({ "name": "张三", "identity_number": number(birth, sequence), "mobile": "13800000000" })
}

/// An adult's first card, Hohhot to Beijing.
pub(crate) fn adult() -> Value {
    json!({
        "service": "first_identity_card",
        "accepted_at": "150102",
        "registered_at": "110105",
        "applicant": person("2000-01-01", 11),
        "address": "呼和浩特市新城区示例街1号",
        "commitment": true,
    })
}

/// A document to declare.
pub(crate) fn declared(kind: &str) -> Value {
    json!({
        "kind": kind, "media_type": "image/png", "size": PNG.len(),
        "sha256": "kqk2UtOmfiF8z9QuM1BiUw7a5j0mMPd5ZrYy1Yb7VZE=",
    })
}

/// The beginning of a PNG.
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
