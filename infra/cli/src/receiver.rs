//! An app backend's end of callbacks: a real HTTP server that believes nothing it cannot verify.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jiff::{SignedDuration, Timestamp};
use protocol::callback::{Payload, Secret};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Bytes of a callback's body; the hub's are a few hundred.
const BODY_BYTES: usize = 64 * 1024;

/// A callback that verified.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What it says.
    pub payload: Payload,
    /// How long after the event was recorded it came.
    pub after: SignedDuration,
}

/// Whoever is told of what comes: a callback that verified, or why one is not believed. It says whether it took it;
/// what it did not take comes again.
type Taker = dyn Fn(Result<Heard, String>) -> bool + Send + Sync;

#[derive(Clone)]
struct ReceiverState {
    secret: Arc<Mutex<Option<Secret>>>,
    taker: Arc<Taker>,
}

/// Listens on a port of 127.0.0.1 until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    url: String,
    secret: Arc<Mutex<Option<Secret>>>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// Takes a port, 0 for any that is free, and tells `taker` of every callback.
    ///
    /// # Errors
    /// The port is in use.
    pub async fn listen(
        port: u16,
        taker: impl Fn(Result<Heard, String>) -> bool + Send + Sync + 'static,
    ) -> Result<Receiver> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.with_context(|| format!("callbacks cannot be received on port {port}"))?;
        let address = listener.local_addr().context("the port for callbacks has no number")?;
        let state = ReceiverState { secret: Arc::default(), taker: Arc::new(taker) };
        let secret = state.secret.clone();
        let routes = Router::new().route("/callbacks", post(take)).layer(DefaultBodyLimit::max(BODY_BYTES));
        let routes = routes.with_state(state);
        let server = tokio::spawn(async move {
            // Only its owner ends it; what cannot be taken then shows as a callback that is missing.
            let _ended = axum::serve(listener, routes).await;
        });
        Ok(Receiver { url: format!("http://{address}/callbacks"), secret, server })
    }

    /// Where callbacks go.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on callbacks are verified with this secret; without one every callback is refused.
    pub fn trust(&self, secret: Secret) {
        *lock(&self.secret) = Some(secret);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(secret: &Mutex<Option<Secret>>) -> MutexGuard<'_, Option<Secret>> {
    secret.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(State(state): State<ReceiverState>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let secret = lock(&state.secret).clone();
    let now = Timestamp::now();
    let heard = read(secret.as_ref(), &headers, &body, now)
        .map(|payload| Heard { after: now.duration_since(payload.timestamp), payload });
    let believed = heard.is_ok();
    match ((state.taker)(heard), believed) {
        (false, _) => StatusCode::SERVICE_UNAVAILABLE,
        (true, true) => StatusCode::NO_CONTENT,
        (true, false) => StatusCode::UNAUTHORIZED,
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
        let url = format!("/v1/applications/{APPLICATION}");
        let data = json!({ "application": APPLICATION, "version": 6, "stage": "received", "url": url });
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
