//! Receives callbacks over HTTP and verifies them as Standard Webhooks asks.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jiff::{SignedDuration, Timestamp};
use protocol::callback::{Payload, Secret};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Bytes of a callback's body; the hub's are a few hundred.
const BODY_BYTES: usize = 64 * 1024;

/// A callback whose signature was verified.
#[derive(Clone, Debug)]
pub struct ReceivedCallback {
    /// The header `webhook-id`.
    pub id: String,
    /// The body as the contract describes it.
    pub payload: Payload,
    /// The body as text.
    pub body: String,
    /// How many of the trusted secrets have signed it.
    pub signed_by: usize,
    /// Time from the event until the callback arrived.
    pub delay: SignedDuration,
}

/// No receiver could be started.
#[derive(Debug, Error)]
#[error("callbacks cannot be received on port {port}; end what listens there, or choose another port")]
pub struct ReceiverError {
    port: u16,
    source: std::io::Error,
}

/// Called for each request: a verified callback, or the reason why one was rejected. Returns whether it was stored; a
/// callback that was not stored is answered 503, and the hub sends it again.
type Handler = dyn Fn(Result<ReceivedCallback, String>) -> bool + Send + Sync;

#[derive(Debug, Default)]
struct Settings {
    secrets: Vec<Secret>,
    forced_status: Option<StatusCode>,
    turned_away: usize,
}

#[derive(Clone)]
struct ServerState {
    settings: Arc<Mutex<Settings>>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    handler: Arc<Handler>,
}

/// An HTTP server on 127.0.0.1 that takes callbacks until it is dropped.
#[derive(Debug)]
pub struct CallbackReceiver {
    url: String,
    settings: Arc<Mutex<Settings>>,
    server: JoinHandle<()>,
}

impl CallbackReceiver {
    /// Listens on a port, 0 for any that is free.
    ///
    /// # Errors
    /// The port is in use.
    pub async fn listen(
        port: u16,
        handler: impl Fn(Result<ReceivedCallback, String>) -> bool + Send + Sync + 'static,
    ) -> Result<CallbackReceiver, ReceiverError> {
        CallbackReceiver::listen_with_clock(port, Timestamp::now, handler).await
    }

    /// Listens with the caller's clock, which decides whether a signature is too old.
    ///
    /// # Errors
    /// The port is in use.
    pub async fn listen_with_clock(
        port: u16,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        handler: impl Fn(Result<ReceivedCallback, String>) -> bool + Send + Sync + 'static,
    ) -> Result<CallbackReceiver, ReceiverError> {
        let failed = |source| ReceiverError { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let settings = Arc::<Mutex<Settings>>::default();
        let state =
            ServerState { settings: settings.clone(), now: Arc::new(now), handler: Arc::new(handler) };
        let routes =
            Router::new().route("/callbacks", post(receive)).layer(DefaultBodyLimit::max(BODY_BYTES));
        let routes = routes.with_state(state);
        let server = tokio::spawn(async move {
            // The server ends only with its owner; a failed accept shows as a callback that never arrives.
            let _ended = axum::serve(listener, routes).await;
        });
        Ok(CallbackReceiver { url: format!("http://{address}/callbacks"), settings, server })
    }

    /// The address to subscribe.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Verifies callbacks with this secret alone from now on. Without any secret every callback is rejected.
    pub fn trust(&self, secret: Secret) {
        lock(&self.settings).secrets = vec![secret];
    }

    /// Accepts callbacks that are signed with this secret, too: during a rotation, any of the secrets may have signed.
    pub fn also_trust(&self, secret: Secret) {
        lock(&self.settings).secrets.push(secret);
    }

    /// Answers every callback with this status from now on, without verifying or storing it; `None` ends that.
    pub fn force_status(&self, status: Option<StatusCode>) {
        lock(&self.settings).forced_status = status;
    }

    /// How many callbacks were answered with a forced status.
    #[must_use]
    pub fn turned_away(&self) -> usize {
        lock(&self.settings).turned_away
    }
}

impl Drop for CallbackReceiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(settings: &Mutex<Settings>) -> MutexGuard<'_, Settings> {
    settings.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn receive(State(state): State<ServerState>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let secrets = {
        let mut settings = lock(&state.settings);
        if let Some(status) = settings.forced_status {
            settings.turned_away = settings.turned_away.saturating_add(1);
            return status;
        }
        settings.secrets.clone()
    };
    let callback = verify(&secrets, &headers, &body, (state.now)());
    let accepted = callback.is_ok();
    match ((state.handler)(callback), accepted) {
        (false, _) => StatusCode::SERVICE_UNAVAILABLE,
        (true, true) => StatusCode::NO_CONTENT,
        (true, false) => StatusCode::UNAUTHORIZED,
    }
}

/// Verifies the signature over id, time and body, and checks that the id is the body's.
fn verify(
    secrets: &[Secret],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<ReceivedCallback, String> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or_else(|| format!("the callback has no header {name}"))
    };
    let id = header("webhook-id")?;
    let (timestamp, signatures) = (header("webhook-timestamp")?, header("webhook-signature")?);
    if secrets.is_empty() {
        return Err(format!("callback {id} arrived before the subscription's secret was known"));
    }
    let results = secrets.iter().map(|secret| secret.verify(id, timestamp, signatures, body, now));
    let (valid, mut invalid): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
    if valid.is_empty() {
        let reason = invalid.pop().and_then(Result::err).map(|error| error.to_string());
        return Err(format!("callback {id}: {}", reason.unwrap_or_default()));
    }
    let content_type = header("content-type")?;
    if content_type != "application/json" {
        return Err(format!("callback {id} has the content type {content_type}, not application/json"));
    }
    let payload: Payload = serde_json::from_slice(body)
        .map_err(|error| format!("the body of callback {id} is wrong: {error}"))?;
    let expected = format!("{}:{}", payload.data.application, payload.data.version);
    if id != expected {
        return Err(format!("callback {id} has the body of {expected}"));
    }
    Ok(ReceivedCallback {
        id: id.to_owned(),
        delay: now.duration_since(payload.timestamp),
        payload,
        body: String::from_utf8_lossy(body).into_owned(),
        signed_by: valid.len(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use serde_json::json;

    use super::*;

    const APPLICATION: &str = "00000000-0000-8000-8000-000000000001";

    fn secret(byte: u8) -> Secret {
        Secret::from_bytes(&[byte; 32]).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn body() -> Vec<u8> {
        let url = format!("/v1/applications/{APPLICATION}");
        let data = json!({ "application": APPLICATION, "version": 6, "stage": "received", "url": url });
        json!({ "type": "application.received", "timestamp": now(), "data": data }).to_string().into_bytes()
    }

    fn headers(secret: &Secret, id: &str, body: &[u8], content_type: &str) -> HeaderMap {
        let seconds = now().as_second();
        let headers = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", secret.sign(id, seconds, body)),
            ("content-type", content_type.to_owned()),
        ];
        headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_a_callback_whose_signature_covers_everything_is_accepted() {
        let (body, id) = (body(), format!("{APPLICATION}:6"));
        let json = "application/json";
        let signed = headers(&secret(1), &id, &body, json);
        let accepted = verify(&[secret(1), secret(2)], &signed, &body, now()).unwrap();
        assert_eq!((accepted.payload.data.version, accepted.signed_by), (6, 1));
        let rejected = |secrets: &[Secret], headers: &HeaderMap, body: &[u8]| {
            verify(secrets, headers, body, now()).unwrap_err()
        };
        assert!(rejected(&[], &signed, &body).contains("secret was known"));
        assert!(verify(&[secret(2)], &signed, &body, now()).is_err());
        assert!(verify(&[secret(1)], &signed, b"{}", now()).is_err());
        assert!(rejected(&[secret(1)], &HeaderMap::new(), &body).contains("no header webhook-id"));
        let of_another_event = headers(&secret(1), &format!("{APPLICATION}:7"), &body, json);
        assert!(rejected(&[secret(1)], &of_another_event, &body).contains("has the body of"));
        let text = headers(&secret(1), &id, &body, "text/plain");
        assert!(rejected(&[secret(1)], &text, &body).contains("text/plain"));
    }
}
