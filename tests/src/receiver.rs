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
}

#[derive(Debug, Default)]
struct Book {
    secret: Option<Secret>,
    calls: Vec<Call>,
    refused: Vec<String>,
}

/// What the server works with.
#[derive(Clone)]
struct Desk {
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
        let desk = Desk { book: book.clone(), now: Arc::new(now) };
        let routes = Router::new().route("/callbacks", post(take)).with_state(desk);
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
        self.book.lock().expect("the book").secret = Some(Secret::parse(secret).expect("a webhook secret"));
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

async fn take(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut book = desk.book.lock().expect("the book");
    match read(book.secret.as_ref(), &headers, &body, (desk.now)()) {
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

fn read(secret: Option<&Secret>, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Call, String> {
    let header = |name: &str| {
        let value = headers.get(name).ok_or(format!("no {name}"))?;
        value.to_str().map_err(|_| format!("{name} is no text"))
    };
    let id = header("webhook-id")?;
    let (timestamp, signatures) = (header("webhook-timestamp")?, header("webhook-signature")?);
    let secret = secret.ok_or("called before anybody subscribed")?;
    secret.verify(id, timestamp, signatures, body, now).map_err(|error| format!("{id}: {error}"))?;
    if header("content-type")? != "application/json" {
        return Err(format!("{id}: not application/json"));
    }
    let payload: Payload = serde_json::from_slice(body).map_err(|error| format!("{id}: {error}"))?;
    let expected = format!("{}:{}", payload.data.application, payload.data.version);
    if id != expected {
        return Err(format!("{id}: the body is of {expected}"));
    }
    Ok(Call { id: id.to_owned(), payload, body: String::from_utf8_lossy(body).into_owned() })
}
