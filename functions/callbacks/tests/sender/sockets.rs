//! The connector against slow, endless, redirecting and broken endpoints.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use callbacks::connector::{Answer, Connector, WebhookHeaders};
use callbacks::resolve::{Found, Lookup};
use domain::endpoint::EndpointState;
use futures_util::{StreamExt as _, stream};
use platform::clock::{Clock as _, FakeClock};
use platform::config::Mode;
use platform::deliveries::Cause;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::*;

/// Deadline for endpoints that never finish their answer.
const SHORT: Duration = Duration::from_millis(300);
/// Pause of a slow endpoint between two bytes.
const DRIP: Duration = Duration::from_millis(20);

/// A fake resolver: returns the answers in order, and the last one for ever.
struct FakeLookup {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    lookups: Mutex<usize>,
}

impl FakeLookup {
    fn answering(answers: &[&[&str]]) -> Arc<FakeLookup> {
        let parse = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(FakeLookup {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            lookups: Mutex::new(0),
        })
    }
}

impl Lookup for FakeLookup {
    fn lookup(&self, _name: String) -> Found {
        *self.lookups.lock().unwrap() += 1;
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { if answer.is_empty() { Err(io::Error::other("none")) } else { Ok(answer) } })
    }
}

async fn post(connector: &Connector, url: &str) -> Answer {
    let webhook = WebhookHeaders { id: "a:1".to_owned(), seconds: 1, signatures: "v1,AAAA".to_owned() };
    connector.post(url, &webhook, b"{}".to_vec(), FakeClock::default().now()).await
}

/// Starts a server that reads a request and then runs `speak` on the connection.
async fn raw<F: Future<Output = ()> + Send + 'static>(speak: fn(tokio::net::TcpStream) -> F) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _some = stream.read(&mut request).await.unwrap();
            tokio::spawn(speak(stream));
        }
    });
    url
}

/// Row 38 of `tests/FAULTS.md`.
#[tokio::test]
async fn the_status_and_retry_after_of_an_answer_are_reported() {
    for (status, delivered) in [(200, true), (204, true), (410, false), (429, false), (500, false)] {
        let (endpoint, _) = Endpoint::with_status(status).await;
        let answer = post(&connector(), &endpoint.url).await;
        assert_eq!((answer.result, answer.is_delivered()), (Ok(status), delivered));
    }
    let busy = || (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "77")]).into_response();
    let endpoint = Endpoint::answering(busy).await;
    assert_eq!(post(&connector(), &endpoint.url).await.retry_after, Some(Duration::from_secs(77)));
}

/// Row 39 of `tests/FAULTS.md`.
#[tokio::test]
async fn slow_headers_end_at_the_deadline() {
    let url = raw(|mut stream| async move {
        for byte in b"HTTP/1.1 200 OK\r\nx-slow: ".iter().chain(std::iter::repeat(&b'x')) {
            tokio::time::sleep(DRIP).await;
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    })
    .await;
    let answer = post(&connector().with_deadline(SHORT), &url).await;
    assert_eq!(answer.result, Err(Cause::Timeout));
    assert!(answer.took >= SHORT && answer.took < 10 * SHORT, "{answer:?}");
}

/// The status counts once the headers are there: neither a body that drips for ever nor one that breaks off changes it.
/// Row 39 of `tests/FAULTS.md`.
#[tokio::test]
async fn c4_a_dripping_body_does_not_change_the_status() {
    let drip = || {
        let bytes = stream::repeat(()).then(|()| async {
            tokio::time::sleep(DRIP).await;
            Ok::<_, io::Error>(Bytes::from_static(b"x"))
        });
        Response::new(Body::from_stream(bytes))
    };
    let endpoint = Endpoint::answering(drip).await;
    let begun = Instant::now();
    let answer = post(&connector().with_deadline(SHORT), &endpoint.url).await;
    assert_eq!(answer.result, Ok(200));
    assert!(begun.elapsed() < 10 * SHORT && answer.took < SHORT, "{answer:?}");
}

#[tokio::test]
async fn c4_a_body_that_breaks_off_does_not_change_the_status() {
    for head in ["200 OK", "500 Internal Server Error"] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _some = stream.read(&mut request).await.unwrap();
                let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 100\r\n\r\nabc");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let status = head[..3].parse().unwrap();
        assert_eq!(post(&connector(), &url).await.result, Ok(status));
    }
}

/// Row 39 of `tests/FAULTS.md`.
#[tokio::test]
async fn an_endless_body_is_cut() {
    let endless = || {
        let bytes = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 1024])));
        Response::new(Body::from_stream(bytes))
    };
    let endpoint = Endpoint::answering(endless).await;
    let answer = post(&connector(), &endpoint.url).await;
    assert_eq!(answer.result, Ok(200), "the status is known before the body is cut");
}

/// Row 40 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let inner = Endpoint::answering(|| "inside".into_response()).await;
    let target = inner.url.clone();
    let outer = Endpoint::answering(move || Redirect::temporary(&target).into_response()).await;
    assert_eq!(post(&connector(), &outer.url).await.result, Ok(307));
    assert!(inner.ids().is_empty());
}

/// Row 40 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_host_name_with_a_private_address_is_refused() {
    for answers in [
        &["169.254.169.254"][..],
        &["10.0.0.1"],
        &["100.100.100.200"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::a9fe:a9fe"],
        &["2002:a9fe:a9fe::1"],
        &["fd00:ec2::254"],
        // One closed address among several is enough.
        &["127.0.0.1", "169.254.169.254"],
    ] {
        let connector = Connector::new(Mode::Local, FakeLookup::answering(&[answers])).unwrap();
        let answer = post(&connector, "http://app.example.cn:9/hook").await;
        assert_eq!(answer.result, Err(Cause::RefusedAddress), "{answers:?}");
    }
    let live = Connector::new(Mode::Live, FakeLookup::answering(&[&["127.0.0.1"]])).unwrap();
    assert_eq!(post(&live, "https://app.example.cn/").await.result, Err(Cause::RefusedAddress));
    let nowhere = Connector::new(Mode::Local, FakeLookup::answering(&[&[]])).unwrap();
    assert_eq!(post(&nowhere, "http://app.example.cn/").await.result, Err(Cause::Dns));
}

/// DNS rebinding: the first lookup returns an allowed address, the second a closed one. Each connection makes one
/// lookup, and connects to the addresses of that lookup. Row 40 of `tests/FAULTS.md`.
#[tokio::test]
async fn every_connection_checks_the_resolved_addresses() {
    let endpoint = Endpoint::answering(|| {
        let mut answer = "thanks".into_response();
        answer.headers_mut().insert("connection", "close".parse().unwrap());
        answer
    })
    .await;
    let names = FakeLookup::answering(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let connector = Connector::new(Mode::Local, names.clone()).unwrap();
    let url = endpoint.url.replace("127.0.0.1", "app.example.cn");
    assert_eq!(post(&connector, &url).await.result, Ok(200));
    assert_eq!((*names.lookups.lock().unwrap(), endpoint.ids().len()), (1, 1));
    assert_eq!(post(&connector, &url).await.result, Err(Cause::RefusedAddress));
    assert_eq!((*names.lookups.lock().unwrap(), endpoint.ids().len()), (2, 1));
}

#[tokio::test]
async fn a_connection_is_reused() {
    let endpoint = Endpoint::answering(|| "thanks".repeat(100).into_response()).await;
    let names = FakeLookup::answering(&[&["127.0.0.1"]]);
    let connector = Connector::new(Mode::Local, names.clone()).unwrap();
    let url = endpoint.url.replace("127.0.0.1", "app.example.cn");
    for _ in 0..20 {
        assert_eq!(post(&connector, &url).await.result, Ok(200));
    }
    assert_eq!(*names.lookups.lock().unwrap(), 1, "one lookup, one connection");
}

/// An endpoint that answers the first request of every connection and closes the connection on the second request,
/// as servers do whose idle time is over. Returns its address and the number of its connections.
async fn closing_on_the_second_request() -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let connections = Arc::<Mutex<usize>>::default();
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            *counted.lock().unwrap() += 1;
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _first = stream.read(&mut request).await.unwrap();
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                let _second = stream.read(&mut request).await.unwrap();
            });
        }
    });
    (url, connections)
}

/// Case C3 of `tests/FIELD_CASES.md`.
#[tokio::test]
async fn a_kept_connection_that_the_endpoint_closes_is_no_failure() {
    let (url, connections) = closing_on_the_second_request().await;
    let hub = hub();
    let id = subscribe(&hub, &url, &[]).await;
    let sender = sender(&hub);
    for version in 1..=4 {
        assert!(deliver(&sender, batch(&[callback(version)], 1)).await.is_empty(), "version {version}");
    }
    assert_eq!(stored(&hub, id).await.state, EndpointState::default(), "the endpoint is healthy");
    assert!(*connections.lock().unwrap() >= 2);
}

/// An answer of a gateway whose server is being replaced does not store the callbacks of a whole tenant.
#[tokio::test]
async fn a_503_is_repeated_once_before_the_endpoint_fails() {
    for (answers, state) in [([503, 204], "healthy"), ([503, 503], "failing"), ([500, 204], "failing")] {
        let place = AtomicUsize::new(0);
        let answer = move || {
            let status = answers[place.fetch_add(1, Ordering::SeqCst).min(1)];
            StatusCode::from_u16(status).unwrap().into_response()
        };
        let endpoint = Endpoint::answering(answer).await;
        let hub = hub();
        let id = subscribe(&hub, &endpoint.url, &[]).await;
        deliver(&sender(&hub), batch(&[callback(1)], 1)).await;
        assert_eq!(stored(&hub, id).await.state.name(), state, "{answers:?}");
    }
}

/// One fresh connection, and no more: an endpoint that closes every connection fails.
#[tokio::test]
async fn an_endpoint_that_closes_fresh_connections_fails_after_two_requests() {
    static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
    let url = raw(|stream| async move {
        CONNECTIONS.fetch_add(1, Ordering::SeqCst);
        drop(stream);
    })
    .await;
    assert_eq!(post(&connector(), &url).await.result, Err(Cause::Reset));
    assert_eq!(CONNECTIONS.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn failures_have_their_cause() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let answer = post(&connector(), &format!("http://{closed}/")).await;
    assert_eq!(answer.result, Err(Cause::Connect));
    let url = raw(|stream| async move { drop(stream) }).await;
    assert!(matches!(post(&connector(), &url).await.result, Err(Cause::Reset | Cause::Protocol)));
    let url = raw(|mut stream| async move { stream.write_all(b"hello\r\n\r\n").await.unwrap() }).await;
    assert_eq!(post(&connector(), &url).await.result, Err(Cause::Protocol));
    let tls = url.replace("http://", "https://");
    assert_eq!(post(&connector(), &tls).await.result, Err(Cause::Tls));
}
