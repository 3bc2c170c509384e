//! A hub and its queue on one port of this machine, for consumers that run as processes.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// How long the stub holds a request that it does not answer. Longer than every bound of these tests.
const HELD: Duration = Duration::from_secs(60);

/// How the stub answers a report.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reports {
    /// With 503.
    Unavailable,
    /// Not at all.
    Held,
}

/// The requests that arrived: `POST /v1/reports`, or the operation of SQS.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(super) fn count(&self, request: &str) -> usize {
        let seen = self.0.lock().expect("the requests");
        seen.iter().filter(|line| line.starts_with(request)).count()
    }

    fn add(&self, line: String) {
        self.0.lock().expect("the requests").push(line);
    }
}

/// Starts a stub. The queue has this message until it is received, and holds a receive when it is empty.
pub(super) fn start(keys: Value, message: Option<Value>, reports: Reports) -> (u16, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let seen = Seen::default();
    let waiting = Arc::new(Mutex::new(message));
    let log = seen.clone();
    thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            let (log, waiting, keys) = (log.clone(), Arc::clone(&waiting), keys.clone());
            thread::spawn(move || {
                // A consumer that stops closes its connections.
                let _ended = serve(&stream, &log, |request| answer(request, &keys, &waiting, reports));
            });
        }
    });
    (port, seen)
}

/// A proxy that answers every request with 407. `seen` has the hosts to which it was asked to connect.
pub(super) fn proxy() -> (u16, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let seen = Seen::default();
    let log = seen.clone();
    thread::spawn(move || {
        for mut stream in listener.incoming().filter_map(Result::ok) {
            let mut line = String::new();
            let _read = BufReader::new(&stream).read_line(&mut line);
            log.add(line.trim().to_owned());
            let _sent = stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (port, seen)
}

fn serve(
    stream: &TcpStream,
    log: &Seen,
    answer: impl Fn(&str) -> Option<(u16, Value)>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let path = first.rsplit_once(' ').map_or(first.as_str(), |(path, _)| path);
        let request = headers.get("x-amz-target").map_or(path, String::as_str).to_owned();
        log.add(request.clone());
        let Some((status, body)) = answer(&request) else {
            // Until the other side gives up.
            stream.set_read_timeout(Some(HELD))?;
            let _closed = reader.read(&mut [0]);
            return Ok(());
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} A\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut out = stream;
        out.write_all(head.as_bytes())?;
        out.write_all(body.as_bytes())?;
    }
}

fn answer(
    request: &str,
    keys: &Value,
    waiting: &Mutex<Option<Value>>,
    reports: Reports,
) -> Option<(u16, Value)> {
    match request {
        "AmazonSQS.ReceiveMessage" => {
            let message = waiting.lock().expect("the message").take()?;
            Some((200, json!({ "Messages": [message] })))
        }
        "GET /.well-known/jwks.json" => Some((200, keys.clone())),
        "POST /v1/reports" => match reports {
            Reports::Unavailable => {
                Some((503, json!({ "type": "/problems/unavailable", "status": 503, "title": "" })))
            }
            Reports::Held => None,
        },
        _ => Some((200, json!({}))),
    }
}
