//! The app backend's end of callbacks: a real HTTP server that believes nothing it cannot verify.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use domain::ids::ApplicationId;
use jiff::{SignedDuration, Timestamp};
use protocol::callback::{Payload, Secret};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A callback that verified.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// What it says.
    pub(crate) payload: Payload,
    /// How long after the event was recorded it came.
    pub(crate) after: SignedDuration,
}

#[derive(Debug, Default)]
struct Book {
    secret: Option<Secret>,
    heard: BTreeMap<(ApplicationId, u32), Heard>,
    refused: Option<String>,
}

/// Listens on a port of its own until it is dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    url: String,
    book: Arc<Mutex<Book>>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// Takes a free port of 127.0.0.1.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn listen() -> Result<Receiver> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port for callbacks")?;
        let address = listener.local_addr().context("the port for callbacks has no number")?;
        let book = Arc::<Mutex<Book>>::default();
        let routes = Router::new().route("/callbacks", post(take)).with_state(book.clone());
        let server = tokio::spawn(async move {
            // Only the end of the walk ends it; what cannot be taken then shows as a callback that is missing.
            let _ended = axum::serve(listener, routes).await;
        });
        Ok(Receiver { url: format!("http://{address}/callbacks"), book, server })
    }

    /// Where callbacks go.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on callbacks are verified with this secret; without one every callback is refused.
    pub(crate) fn trust(&self, secret: Secret) {
        lock(&self.book).secret = Some(secret);
    }

    /// The callback about one event, if it came.
    pub(crate) fn heard(&self, application: ApplicationId, version: u32) -> Option<Heard> {
        lock(&self.book).heard.get(&(application, version)).cloned()
    }

    /// Every callback by application and version.
    pub(crate) fn all(&self) -> BTreeMap<(ApplicationId, u32), Heard> {
        lock(&self.book).heard.clone()
    }

    /// Why a callback was not believed, if one was not.
    pub(crate) fn refused(&self) -> Option<String> {
        lock(&self.book).refused.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(State(book): State<Arc<Mutex<Book>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut book = lock(&book);
    let now = Timestamp::now();
    match read(book.secret.as_ref(), &headers, &body, now) {
        Ok(payload) => {
            let after = now.duration_since(payload.timestamp);
            // Delivery is at least once: the first one counts.
            book.heard
                .entry((payload.data.application, payload.data.version))
                .or_insert(Heard { payload, after });
            StatusCode::NO_CONTENT
        }
        Err(why) => {
            book.refused = Some(why);
            StatusCode::UNAUTHORIZED
        }
    }
}

/// Verifies the signature over id, time and body, and that the id is that of the body.
fn read(
    secret: Option<&Secret>,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Payload, String> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or_else(|| format!("it has no {name}"))
    };
    let id = header("webhook-id")?;
    let secret = secret.ok_or("nobody has subscribed")?;
    secret
        .verify(id, header("webhook-timestamp")?, header("webhook-signature")?, body, now)
        .map_err(|error| error.to_string())?;
    let payload: Payload = serde_json::from_slice(body).map_err(|_| "its body cannot be read")?;
    if id != format!("{}:{}", payload.data.application, payload.data.version) {
        return Err("its id is that of another event".to_owned());
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use serde_json::json;

    use super::*;

    const APPLICATION: &str = "00000000-0000-8000-8000-000000000001";

    fn headers(secret: &Secret, id: &str, body: &[u8], now: Timestamp) -> HeaderMap {
        let seconds = now.as_second();
        let given = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", secret.sign(id, seconds, body)),
        ];
        given.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_a_callback_that_is_signed_whole_is_believed() {
        let (secret, other) = (Secret::from_bytes(&[1; 32]).unwrap(), Secret::from_bytes(&[2; 32]).unwrap());
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let data = json!({ "application": APPLICATION, "version": 6, "stage": "received" });
        let body = json!({ "type": "application.received", "timestamp": now, "data": data }).to_string();
        let (body, id) = (body.as_bytes(), format!("{APPLICATION}:6"));
        let signed = headers(&secret, &id, body, now);
        assert_eq!(read(Some(&secret), &signed, body, now).unwrap().data.version, 6);
        assert!(read(None, &signed, body, now).is_err());
        assert!(read(Some(&other), &signed, body, now).is_err());
        assert!(read(Some(&secret), &signed, b"{}", now).is_err());
        assert!(read(Some(&secret), &HeaderMap::new(), body, now).is_err());
        let of_another = headers(&secret, &format!("{APPLICATION}:7"), body, now);
        assert!(read(Some(&secret), &of_another, body, now).is_err());
    }
}
