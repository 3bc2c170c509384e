//! Support for tests of a function's routes in one process: a hub in memory, an issuer of access tokens, and a client
//! that acts as an app backend.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, reason = "a test may fail")]
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use domain::agencies::Agencies;
use http::{HeaderMap, Request};
use platform::clock::Clock as _;
use platform::config::{Mode, Secret};
use platform::hub::FakeHub;
use protocol::jose::{KeyUse, PrivateKey, sign};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::namespace::Namespace;
use crate::rate_limit::Limits;
use crate::token::Issuers;

/// All scopes, as a value of the claim `scope`.
pub const ALL_SCOPES: &str = "applications:read applications:write subscriptions:write";
/// The calling tenant unless a test names another.
pub const TENANT: &str = "hohhot-app";
/// Maximum size of an answer that a test reads, in bytes.
const ANSWER_BYTES: usize = 1_000_000;

/// The parts from which a test builds a function.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The ports.
    pub hub: FakeHub,
    /// Issuers whose tokens the function accepts.
    pub issuers: Issuers,
    /// Namespace of derived ids.
    pub namespace: Namespace,
    /// Whether the function runs in AWS or on a developer's machine.
    pub mode: Mode,
    /// Rate limits of a tenant.
    pub limits: Limits,
}

/// Builds a function's routes.
pub type BuildRoutes = fn(Parts) -> Router;

/// A function over a hub in memory, with methods that send requests as an app backend.
#[derive(Clone, Debug)]
pub struct TestHub {
    /// The ports.
    pub hub: FakeHub,
    issuer: PrivateKey,
    mode: Mode,
    limits: Limits,
    build: BuildRoutes,
    routes: Router,
}

impl TestHub {
    /// A live hub without rate limits.
    ///
    /// # Panics
    /// When no key can be generated.
    #[must_use]
    pub fn new(agencies: Agencies, build: BuildRoutes) -> TestHub {
        let issuer = PrivateKey::generate(KeyUse::Signing).expect("a key of the issuer");
        TestHub::of(FakeHub::new(agencies), issuer, Mode::Live, Limits::default(), build)
    }

    fn of(hub: FakeHub, issuer: PrivateKey, mode: Mode, limits: Limits, build: BuildRoutes) -> TestHub {
        let issuers = json!([{
            "issuer": "https://issuer.example",
            "audience": "tongban",
            "keys": [issuer.public().to_jwk().expect("a public key")],
        }]);
        let issuers = Issuers::parse(&issuers.to_string(), Mode::Live).expect("an issuer");
        let namespace = Namespace::new(Secret::new(vec![7; 32]));
        let routes = build(Parts { hub: hub.clone(), issuers, namespace, mode, limits });
        TestHub { hub, issuer, mode, limits, build, routes }
    }

    /// The same hub in this mode.
    #[must_use]
    pub fn with_mode(&self, mode: Mode) -> TestHub {
        TestHub::of(self.hub.clone(), self.issuer.clone(), mode, self.limits, self.build)
    }

    /// The same hub with these rate limits.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> TestHub {
        TestHub::of(self.hub.clone(), self.issuer.clone(), self.mode, limits, self.build)
    }

    /// The same hub with these agencies.
    #[must_use]
    pub fn with_agencies(&self, agencies: Agencies) -> TestHub {
        let hub = FakeHub { agencies: Arc::new(agencies), ..self.hub.clone() };
        TestHub::of(hub, self.issuer.clone(), self.mode, self.limits, self.build)
    }

    /// The same hub in a new process, without faults, without rate limits.
    #[must_use]
    pub fn restarted(&self) -> TestHub {
        TestHub::of(self.hub.restarted(), self.issuer.clone(), Mode::Live, Limits::default(), self.build)
    }

    /// An access token of a tenant, valid for five minutes.
    #[must_use]
    pub fn token(&self, tenant: &str, scope: &str) -> String {
        let now = self.hub.clock.now().as_second();
        self.sign(&json!({
            "iss": "https://issuer.example", "aud": "tongban", "iat": now, "exp": now + 300, "tenant": tenant,
            "scope": scope,
        }))
    }

    /// An access token with these claims.
    ///
    /// # Panics
    /// When the claims cannot be signed.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        sign("at+jwt", claims, &self.issuer).expect("a token")
    }

    /// Sends a request without adding anything to it.
    ///
    /// # Panics
    /// When the answer cannot be read.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.routes.clone().oneshot(request).await.expect("an answer").into_parts();
        let bytes = to_bytes(body, ANSWER_BYTES).await.expect("a body").to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body, bytes }
    }

    /// A request with a tenant's token of all scopes.
    pub fn request(&self, method: &str, path: &str, tenant: &str) -> http::request::Builder {
        let token = format!("Bearer {}", self.token(tenant, ALL_SCOPES));
        Request::builder().method(method).uri(path).header("authorization", token)
    }

    /// A request with a tenant's token, an idempotency key and a JSON body.
    ///
    /// # Panics
    /// When the parts make no request.
    pub async fn send_json(
        &self,
        (method, path): (&str, &str),
        tenant: &str,
        key: &str,
        body: &Value,
    ) -> Answer {
        let request = self.request(method, path, tenant).header("idempotency-key", key);
        let request = request.header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }

    /// GET by [`TENANT`].
    pub async fn get(&self, path: &str) -> Answer {
        self.get_as(TENANT, path).await
    }

    /// GET by a tenant.
    ///
    /// # Panics
    /// When the path makes no request.
    pub async fn get_as(&self, tenant: &str, path: &str) -> Answer {
        self.send(self.request("GET", path, tenant).body(Body::empty()).expect("a request")).await
    }

    /// POST by [`TENANT`].
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.post_as(TENANT, path, key, body).await
    }

    /// POST by a tenant.
    pub async fn post_as(&self, tenant: &str, path: &str, key: &str, body: &Value) -> Answer {
        self.send_json(("POST", path), tenant, key, body).await
    }

    /// PATCH by [`TENANT`].
    pub async fn patch(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.send_json(("PATCH", path), TENANT, key, body).await
    }

    /// DELETE by a tenant.
    ///
    /// # Panics
    /// When the path makes no request.
    pub async fn delete_as(&self, tenant: &str, path: &str, key: &str) -> Answer {
        let request = self.request("DELETE", path, tenant).header("idempotency-key", key);
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// POST of a new application by [`TENANT`].
    pub async fn create(&self, key: &str, body: &Value) -> Answer {
        self.post("/v1/applications", key, body).await
    }
}

/// An answer of the function.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: HeaderMap,
    /// Body as JSON; `null` when the body is not JSON.
    pub body: Value,
    /// Body as bytes.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Code of the problem: the last segment of `type`.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default()
    }

    /// Pointer and code of each wrong field.
    #[must_use]
    pub fn faults(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
    }

    /// Code of the wrong field at this pointer.
    #[must_use]
    pub fn fault(&self, pointer: &str) -> Option<String> {
        self.faults().into_iter().find(|fault| fault.0 == pointer).map(|fault| fault.1)
    }

    /// The member `id` of the body.
    #[must_use]
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Checks that the answer is this problem.
    ///
    /// # Panics
    /// When the answer has another status, code or header.
    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.headers["cache-control"], "no-store");
        assert_eq!(self.body["status"], status);
    }
}
