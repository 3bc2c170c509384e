//! Fakes and invented cases for tests. Only tests build this module: the feature `testing` turns it on for the crates
//! that build on this one.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod fake_queue;

pub use fake_queue::FakeQueue;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::ids::ApplicationId;
use jiff::Timestamp;
use protocol::case::{Case, Envelope};
use protocol::jose::{KeyUse, PrivateKey};
use serde_json::json;

use crate::config::{AgencyConfig, ConfiguredKeys, ConsumerSettings, ReportsBy};
use crate::network::Network;
use crate::retry_policy::RetryPolicy;

/// A retry policy with four tries and no pause between them.
pub const NO_PAUSE: RetryPolicy =
    RetryPolicy { tries: 4, first: Duration::ZERO, longest: Duration::from_secs(1) };

/// The application id whose 16 bytes are all `number`.
#[must_use]
pub fn application(number: u8) -> ApplicationId {
    ApplicationId::from_bytes16([number; 16])
}

/// A first card for Beijing, without documents.
///
/// # Panics
/// The built-in case does not parse.
#[must_use]
pub fn case(number: u8, version: u32) -> Case {
    serde_json::from_value(json!({
        "application": application(number), "version": version, "notice": "opened", "agency": "11",
        "purpose": "decide", "service": "first_identity_card", "when": "adult",
        "accepted_at": "150102", "registered_at": "110105",
    }))
    .unwrap()
}

/// A refusal of the hub: a problem with this status and code.
///
/// # Panics
/// The number is no status.
#[must_use]
pub fn refusal(status: u16, code: &str) -> Response {
    let body = json!({ "type": format!("/problems/{code}"), "title": "", "status": status });
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

/// A temporary folder, deleted on drop.
#[derive(Debug)]
pub struct TestFolder(PathBuf);

impl TestFolder {
    /// Creates an empty folder.
    ///
    /// # Panics
    /// The system's temporary folder cannot be written.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "creating a folder is no default")]
    pub fn new() -> TestFolder {
        let path = std::env::temp_dir().join(format!("agency-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        TestFolder(path)
    }

    /// The path of a file in the folder, whether or not the file exists.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in the folder and returns the file's path.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn write(&self, name: &str, text: impl ToString) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text.to_string()).unwrap();
        path
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _deleted = std::fs::remove_dir_all(&self.0);
    }
}

/// The configuration of agency 11 with new keys, and the hub's private signing key.
///
/// # Panics
/// `hub_url` is not a URL.
#[must_use]
pub fn agency(hub_url: &str) -> (AgencyConfig, PrivateKey) {
    let hub = PrivateKey::generate(KeyUse::Signing).unwrap();
    let config = AgencyConfig {
        agency: "11".parse().unwrap(),
        queue_url: "http://127.0.0.1/queue.fifo".to_owned(),
        reports_queue_url: None,
        reports_by: ReportsBy::Http,
        hub_url: format!("{hub_url}/").parse().unwrap(),
        keys: ConfiguredKeys {
            signing: PrivateKey::generate(KeyUse::Signing).unwrap(),
            encryption: vec![PrivateKey::generate(KeyUse::Encryption).unwrap()],
            hub: vec![hub.public().clone()],
        },
        inbox: PathBuf::from("inbox.sqlite"),
        consumer: ConsumerSettings::default(),
        network: Network::default(),
    };
    (config, hub)
}

/// A case as the hub's signed and encrypted message to the agency.
///
/// # Panics
/// The configuration has no encryption key.
#[must_use]
pub fn message(case: &Case, config: &AgencyConfig, hub: &PrivateKey) -> String {
    let to = config.keys.encryption[0].public();
    serde_json::to_string(&Envelope::sign_and_encrypt(case, Timestamp::UNIX_EPOCH, hub, to).unwrap()).unwrap()
}

/// A request that a [`test_server`] received.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// The HTTP method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The complete body.
    pub body: Vec<u8>,
}

impl RecordedRequest {
    /// The body as text.
    ///
    /// # Panics
    /// The body is not UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// The requests that a [`test_server`] received, in order.
pub type RequestLog = Arc<Mutex<Vec<RecordedRequest>>>;

/// Starts an HTTP server on this machine. `answer` gets the request's number, from 0, and the request.
///
/// Returns the server's URL and its request log. The server ends with the test's runtime.
///
/// # Panics
/// No port is free.
pub async fn test_server<A: IntoResponse>(
    answer: impl Fn(usize, &RecordedRequest) -> A + Clone + Send + Sync + 'static,
) -> (String, RequestLog) {
    let requests = RequestLog::default();
    let log = Arc::clone(&requests);
    let app = axum::Router::new().fallback(async move |request: Request| {
        let (parts, body) = request.into_parts();
        let request = RecordedRequest {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
        };
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        answer(log.len() - 1, &request).into_response()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, requests)
}
