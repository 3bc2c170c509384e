//! The app routes of all functions in one process, for tests that compare the routes with the OpenAPI document.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, request};
use domain::agencies::{Agencies, AgencyRow, AgencyState};
use domain::catalogue::Service;
use http_kit::authentication::Authenticator;
use http_kit::namespace::Namespace;
use http_kit::rate_limit::Limits;
use http_kit::token::Issuers;
use intake::handler::Intake;
use jiff::Timestamp;
use platform::clock::Clock as _;
use platform::config::{Mode, Secret};
use platform::hub::{FakeHub, Hub as _};
use platform::store::{Store as _, StoredApplication};
use protocol::jose::{KeyUse, PrivateKey, sign};
use serde_json::{Value, json};
use subscriptions::handler::SubscriptionHandler;
use tongban_tests::description::{Operation, for_apps};
use tongban_tests::forms;
use tongban_tests::people::Citizen;
use tower::ServiceExt as _;

use crate::crash_harness::{BEIJING, SHANDONG};

/// All scopes.
pub(crate) const ALL: &str = "applications:read applications:write subscriptions:write";
/// Limits that no test reaches.
pub(crate) const MANY: Limits = Limits { requests_per_minute: Some(100_000), applications_per_day: None };
/// The tenant that owns the application and the subscription.
pub(crate) const OWNER: &str = "owner-app";

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The last segment of a problem's type.
    pub(crate) fn code(&self) -> &str {
        self.body["type"].as_str().and_then(|kind| kind.strip_prefix("/problems/")).unwrap_or_default()
    }
}

/// The functions that serve apps over one hub in memory, with an application and a subscription of [`OWNER`].
pub(crate) struct Apps {
    pub(crate) hub: FakeHub,
    issuer: PrivateKey,
    issuers: Issuers,
    document: Value,
    application: String,
    subscription: String,
    /// The rate limits of every tenant. A test may change them.
    pub(crate) limits: Limits,
}

impl Apps {
    pub(crate) async fn new() -> Apps {
        let hub = FakeHub::new(agencies());
        hub.clock.set(Timestamp::now());
        let issuer = PrivateKey::generate(KeyUse::Signing).expect("a key");
        let key = issuer.public().to_jwk().expect("a public key");
        let issuers = json!([{ "issuer": "urn:test", "audience": "tongban", "keys": [key] }]);
        let issuers = Issuers::parse(&issuers.to_string(), Mode::Live).expect("issuers");
        let (application, subscription) = (String::new(), String::new());
        let mut apps = Apps {
            hub,
            issuer,
            issuers,
            document: for_apps(),
            application,
            subscription,
            limits: Limits::default(),
        };
        let body = forms::first_card(&Citizen::aged(30), "370102", "110105");
        apps.application = apps.create("/v1/applications", &body).await;
        apps.subscription =
            apps.create("/v1/subscriptions", &json!({ "url": "https://app.example.cn/hooks" })).await;
        apps
    }

    async fn create(&self, path: &str, body: &Value) -> String {
        let mut request = self.request("POST", path, OWNER, ALL).header("content-type", "application/json");
        // A separate idempotency key, so that later requests are not repeats of this one.
        request.headers_mut().expect("headers").insert("idempotency-key", "made".parse().expect("a value"));
        let made = self.send(request.body(Body::from(body.to_string())).expect("a request")).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.body["id"].as_str().expect("an id").to_owned()
    }

    /// A token of an app backend.
    pub(crate) fn token(&self, tenant: &str, scope: &str) -> String {
        let now = self.hub.clock.now().as_second();
        let claims = json!({
            "iss": "urn:test", "aud": "tongban", "tenant": tenant, "scope": scope, "iat": now, "exp": now + 3600,
        });
        sign("at+jwt", &claims, &self.issuer).expect("a token")
    }

    /// A request with an access token and an idempotency key.
    pub(crate) fn request(&self, method: &str, path: &str, tenant: &str, scope: &str) -> request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token(tenant, scope)))
            .header("idempotency-key", format!("{method} {path}").replace(' ', "-"))
    }

    /// The stored application, read without faults.
    pub(crate) async fn stored(&self) -> Vec<StoredApplication> {
        let id = self.application.parse().expect("an application's id");
        let stored = self.hub.store().get(id).await.expect("a record that verifies");
        self.hub.faults.restart();
        stored.into_iter().collect()
    }

    /// The ids of the owner's application and subscription.
    pub(crate) fn ids(&self) -> [&str; 2] {
        [&self.application, &self.subscription]
    }

    /// The path of an operation on the owner's application or subscription, with the required query parameters.
    pub(crate) fn path(&self, operation: &Operation) -> String {
        let id =
            if operation.path.contains("subscriptions") { &self.subscription } else { &self.application };
        let path = operation.path.replace("{id}", id).replace("{document}", "d1");
        let path = path.replace("{service}", "first_identity_card").replace("{code}", "not_found");
        let path = path.replace("{file}", "agencies");
        let parameters = operation.said["parameters"].as_array().into_iter().flatten();
        let needed = parameters.filter(|given| given["in"] == "query" && given["required"] == true);
        let query: Vec<String> = needed
            .map(|given| match given["name"].as_str().expect("a name") {
                "service" => "service=first_identity_card".to_owned(),
                other => {
                    panic!(
                        "{} {} requires the parameter {other}: add a value for it here",
                        operation.method, operation.path
                    )
                }
            })
            .collect();
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }

    /// The first example of an operation's body.
    pub(crate) fn body(&self, operation: &Operation) -> Option<Value> {
        operation.example(&self.document)
    }

    /// The response to the owner's valid request of an operation.
    pub(crate) async fn ask(&self, operation: &Operation) -> Answer {
        let request = self.request(&operation.method, &self.path(operation), OWNER, ALL);
        let body = self.body(operation).map(|body| body.to_string());
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(Body::from(body)),
            None => request.body(Body::empty()),
        };
        self.send(request.expect("a request")).await
    }

    /// Sends a request to the function that serves the path, in a process of its own.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let hub = self.hub.restarted();
        let path = request.uri().path();
        let authenticator =
            Authenticator::new(hub.clone(), self.issuers.clone(), self.limits.requests_per_minute);
        let namespace = Namespace::new(Secret::new(vec![7; 32]));
        let routes: Router = if path.starts_with("/v1/subscriptions") || path.starts_with("/v1/notices") {
            let handler = SubscriptionHandler::new(hub, authenticator, namespace, Mode::Live);
            subscriptions::handler::routes(handler)
        } else if path.contains("/documents") {
            documents::handler::routes(documents::handler::LinkHandler::new(hub, authenticator))
        } else {
            let intake =
                Intake::new(hub, self.issuers.clone(), namespace, json!({ "keys": [] }), self.limits);
            intake::handler::routes(intake)
        };
        let (parts, body) = routes.oneshot(request).await.expect("an answer").into_parts();
        let bytes = to_bytes(body, 1 << 20).await.expect("a body");
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

/// Two agencies that offer every service.
fn agencies() -> Agencies {
    let since = "2023-05-25".parse().expect("a day");
    let rows = [BEIJING, SHANDONG].map(|code| AgencyRow {
        code: code.parse().expect("an agency code"),
        zh: format!("机构{code}"),
        en: format!("Agency {code}"),
        state: AgencyState::Active,
        offers: Service::all().into_iter().map(|service| (service, since)).collect(),
        capabilities: Vec::new(),
        signing_keys: Vec::new(),
        encryption_keys: Vec::new(),
    });
    Agencies::new(rows.into()).expect("agencies")
}
