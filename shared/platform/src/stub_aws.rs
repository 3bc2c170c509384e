//! A stand-in for one AWS service, for tests of what an adapter sends and of answers that the local AWS does not give.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;

use crate::aws::{Access, Aws};

/// A request to the stand-in.
#[derive(Clone, Debug)]
pub(crate) struct StubRequest {
    /// The request line and the headers, in small letters.
    head: Vec<String>,
    pub(crate) body: String,
}

impl StubRequest {
    /// The value of a header, in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

/// A running stand-in.
pub(crate) struct StubAws {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<StubRequest>>>,
}

impl StubAws {
    /// Starts a stand-in that answers each request with this status and body.
    pub(crate) fn start(answer: impl Fn(&StubRequest) -> (u16, String) + Send + 'static) -> StubAws {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let lines = reader.by_ref().lines().map_while(Result::ok);
                let head =
                    lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
                let mut request = StubRequest { head, body: String::new() };
                let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
                reader.by_ref().take(length).read_to_string(&mut request.body).unwrap();
                let (status, body) = answer(&request);
                seen.lock().unwrap().push(request);
                let head = format!(
                    "HTTP/1.1 {status} A\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                reader.into_inner().write_all(format!("{head}{body}").as_bytes()).unwrap();
            }
        });
        StubAws { url, requests }
    }

    /// Clients of the stand-in.
    pub(crate) fn aws(&self) -> Aws {
        Aws::new(Access {
            region: "cn-north-1".to_owned(),
            credentials: Credentials::new("id", "secret", None, None, "test"),
            endpoint: Some(self.url.clone()),
        })
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<StubRequest> {
        self.requests.lock().unwrap().clone()
    }
}
