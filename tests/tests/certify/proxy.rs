//! A proxy that stands before the hub and answers reports itself for a while, as a gateway or a firewall may.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What the proxy answers: status, content type, body.
const ANSWERS: [(&str, &str, &str); 4] = [
    ("404 Not Found", "text/html", "<html><title>404 Not Found</title></html>"),
    ("409 Conflict", "text/html", "<html><title>409 Conflict</title></html>"),
    (
        "404 Not Found",
        "application/problem+json",
        r#"{"type":"about:blank","title":"Not Found","status":404}"#,
    ),
    (
        "409 Conflict",
        "application/problem+json",
        r#"{"type":"https://proxy.example/problems/illegal_step","title":"Conflict","status":409}"#,
    ),
];
/// Reports that the proxy answers. The sample consumers repeat a request up to eight times, so the message comes again.
const REFUSED: usize = 2 * ANSWERS.len();
/// Bound on each wait of a connection.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running proxy. It ends with the test process.
pub(crate) struct RefusingProxy {
    url: String,
    left: Arc<AtomicUsize>,
}

impl RefusingProxy {
    /// A proxy before the hub at an address `http://HOST:PORT/PATH`.
    pub(crate) fn before(hub: &str) -> RefusingProxy {
        let (target, path) = hub.trim_start_matches("http://").split_once('/').unwrap_or((hub, ""));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let left = Arc::new(AtomicUsize::new(REFUSED));
        let (target, counted) = (target.trim_start_matches("http://").to_owned(), Arc::clone(&left));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, left) = (target.clone(), Arc::clone(&counted));
                // A connection that breaks off is the client's to repeat.
                thread::spawn(move || serve(client, &target, &left).ok());
            }
        });
        RefusingProxy { url: format!("http://127.0.0.1:{port}/{path}"), left }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Reports that the proxy will still answer itself.
    pub(crate) fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }
}

/// Serves one request and closes the connection.
fn serve(mut client: TcpStream, target: &str, left: &AtomicUsize) -> std::io::Result<()> {
    client.set_read_timeout(Some(TIMEOUT))?;
    let (head, body) = read_request(&mut client)?;
    let one_less = |left: usize| left.checked_sub(1);
    if head.starts_with("POST ")
        && head.lines().next().is_some_and(|line| line.contains("/v1/reports "))
        && let Ok(before) = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
    {
        let (status, kind, text) = ANSWERS[before % ANSWERS.len()];
        let length = text.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
        );
        return client.write_all(answer.as_bytes());
    }
    let mut hub = TcpStream::connect(target)?;
    hub.set_read_timeout(Some(TIMEOUT))?;
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let kept = lines.filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("connection:"));
    let kept: String = kept.map(|line| format!("{line}\r\n")).collect();
    hub.write_all(format!("{first}\r\n{kept}Connection: close\r\n\r\n").as_bytes())?;
    hub.write_all(&body)?;
    std::io::copy(&mut hub, &mut client)?;
    Ok(())
}

/// The head of a request, and its body of the declared length.
fn read_request(client: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let body = bytes.split_off(end + 4);
            if body.len() >= length.unwrap_or(0) {
                return Ok((head, body));
            }
            bytes.extend(body);
        }
        let read = client.read(&mut part)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&part[..read]);
    }
}
