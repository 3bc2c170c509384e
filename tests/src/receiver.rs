//! A real app backend's end: takes callbacks over HTTP and verifies them as Standard Webhooks asks.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jiff::Timestamp;
use protocol::callback::{Payload, Secret};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A callback as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// `webhook-id`.
    pub id: String,
    /// What it said.
    pub payload: Payload,
    /// Its body.
    pub body: String,
    /// How many of the trusted secrets have signed it.
    pub signed_by: usize,
}

#[derive(Debug, Default)]
struct Book {
    secrets: Vec<Secret>,
    calls: Vec<Call>,
    refused: Vec<String>,
    /// What is answered instead of 204.
    status: Option<u16>,
    turned_away: usize,
}

/// What the server works with.
#[derive(Clone)]
struct ReceiverState {
    book: Arc<Mutex<Book>>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Listens on a port of its own until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    url: String,
    book: Arc<Mutex<Book>>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// Takes a free port.
    ///
    /// # Panics
    /// There is none.
    pub async fn listen() -> Receiver {
        Receiver::listen_by(Timestamp::now).await
    }

    /// The same, by a clock of the caller's.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn listen_by(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let book = Arc::<Mutex<Book>>::default();
        let state = ReceiverState { book: book.clone(), now: Arc::new(now) };
        let routes = Router::new().route("/callbacks", post(take)).with_state(state);
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("a server") });
        Receiver { url: format!("http://127.0.0.1:{port}/callbacks"), book, server }
    }

    /// Where callbacks go.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on callbacks are verified with this secret; without one they are refused.
    ///
    /// # Panics
    /// It is no webhook secret.
    pub fn trust(&self, secret: &str) {
        let secret = Secret::parse(secret).expect("a webhook secret");
        self.book.lock().expect("the book").secrets = vec![secret];
    }

    /// From now on this secret counts, too: one of them must have signed.
    ///
    /// # Panics
    /// It is no webhook secret.
    pub fn also_trust(&self, secret: &str) {
        let secret = Secret::parse(secret).expect("a webhook secret");
        self.book.lock().expect("the book").secrets.push(secret);
    }

    /// How many of the secrets signed a callback, as it came last.
    ///
    /// # Panics
    /// It has not come.
    #[must_use]
    pub fn signed_by(&self, id: &str) -> usize {
        let calls = self.calls();
        calls.iter().rfind(|call| call.id == id).expect("a callback that has come").signed_by
    }

    /// From now on every callback is answered with a status and counts as not heard; `None` ends that.
    ///
    /// # Panics
    /// Never: the book is whole.
    pub fn answer(&self, status: Option<u16>) {
        self.book.lock().expect("the book").status = status;
    }

    /// How many callbacks were answered otherwise.
    ///
    /// # Panics
    /// Never: the book is whole.
    #[must_use]
    pub fn turned_away(&self) -> usize {
        self.book.lock().expect("the book").turned_away
    }

    /// What came so far, in the order in which it came.
    ///
    /// # Panics
    /// A callback did not verify.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let book = self.book.lock().expect("the book");
        assert!(book.refused.is_empty(), "callbacks that do not verify: {:?}", book.refused);
        book.calls.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(state): State<ReceiverState>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut book = state.book.lock().expect("the book");
    if let Some(status) = book.status {
        book.turned_away += 1;
        return StatusCode::from_u16(status).expect("a status");
    }
    match read(&book.secrets, &headers, &body, (state.now)()) {
        Ok(call) => {
            book.calls.push(call);
            StatusCode::NO_CONTENT
        }
        Err(why) => {
            book.refused.push(why);
            StatusCode::UNAUTHORIZED
        }
    }
}

fn read(secrets: &[Secret], headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Call, String> {
    let header = |name: &str| {
        let value = headers.get(name).ok_or(format!("no {name}"))?;
        value.to_str().map_err(|_| format!("{name} is no text"))
    };
    let id = header("webhook-id")?;
    let (timestamp, signatures) = (header("webhook-timestamp")?, header("webhook-signature")?);
    if secrets.is_empty() {
        return Err("called before anybody subscribed".to_owned());
    }
    let results = secrets.iter().map(|secret| secret.verify(id, timestamp, signatures, body, now));
    let (good, bad): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
    if good.is_empty() {
        return Err(format!("{id}: {bad:?}"));
    }
    if header("content-type")? != "application/json" {
        return Err(format!("{id}: not application/json"));
    }
    let payload: Payload = serde_json::from_slice(body).map_err(|error| format!("{id}: {error}"))?;
    let expected = format!("{}:{}", payload.data.application, payload.data.version);
    if id != expected {
        return Err(format!("{id}: the body is of {expected}"));
    }
    let body = String::from_utf8_lossy(body).into_owned();
    Ok(Call { id: id.to_owned(), payload, body, signed_by: good.len() })
}
