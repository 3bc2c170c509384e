//! Invented cases and settings for the tests.
#![allow(clippy::unwrap_used, reason = "tests")]

mod fifo;

pub(crate) use fifo::Fifo;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use domain::ids::ApplicationId;
use jiff::Timestamp;
use protocol::case::{Case, Envelope};
use protocol::jose::{KeyUse, PrivateKey};
use serde_json::json;

use crate::config::{Config, Keys, Pace};
use crate::retry_policy::RetryPolicy;

/// Several tries and no wait between them.
pub(crate) const AT_ONCE: RetryPolicy =
    RetryPolicy { tries: 4, first: Duration::ZERO, longest: Duration::from_secs(1) };

pub(crate) fn application(number: u8) -> ApplicationId {
    ApplicationId::from_bytes16([number; 16])
}

/// A first card for Beijing, without documents.
pub(crate) fn case(number: u8, version: u32) -> Case {
    serde_json::from_value(json!({
        "application": application(number), "version": version, "notice": "opened", "agency": "11",
        "purpose": "decide", "service": "first_identity_card", "when": "adult",
        "accepted_at": "150102", "registered_at": "110105",
    }))
    .unwrap()
}

/// A folder that is gone with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("agency-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl ToString) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text.to_string()).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// A configured agency 11, and the hub's key.
pub(crate) fn agency(hub_url: &str) -> (Config, PrivateKey) {
    let hub = PrivateKey::generate(KeyUse::Signing).unwrap();
    let config = Config {
        agency: "11".parse().unwrap(),
        queue_url: "http://127.0.0.1/queue.fifo".to_owned(),
        reports_queue_url: None,
        hub_url: format!("{hub_url}/").parse().unwrap(),
        keys: Keys {
            signing: PrivateKey::generate(KeyUse::Signing).unwrap(),
            encryption: vec![PrivateKey::generate(KeyUse::Encryption).unwrap()],
            hub: vec![hub.public().clone()],
        },
        inbox: PathBuf::from("inbox.sqlite"),
        pace: Pace::default(),
    };
    (config, hub)
}

/// The case as a message for the agency.
pub(crate) fn sealed(case: &Case, config: &Config, hub: &PrivateKey) -> String {
    let to = config.keys.encryption[0].public();
    serde_json::to_string(&Envelope::seal(case, Timestamp::UNIX_EPOCH, hub, to).unwrap()).unwrap()
}

/// A request as the server below got it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// What a server was asked, in order.
pub(crate) type Heard = Arc<Mutex<Vec<Asked>>>;

/// A server on this machine that answers by a function of the number of the request, from 0, and the request.
/// It ends with the test's runtime.
pub(crate) async fn server<A: IntoResponse>(
    answer: impl Fn(usize, &Asked) -> A + Clone + Send + Sync + 'static,
) -> (String, Heard) {
    let heard = Heard::default();
    let log = Arc::clone(&heard);
    let app = axum::Router::new().fallback(async move |request: Request| {
        let (parts, body) = request.into_parts();
        let asked = Asked {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
        };
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        answer(log.len() - 1, &asked).into_response()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, heard)
}
