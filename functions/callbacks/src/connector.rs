//! One POST to one endpoint: within one deadline, to an address that may be called, and nowhere else.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use platform::config::Mode;
use platform::deliveries::Cause;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use tokio::time::{Instant, sleep, timeout};

use crate::resolve::{Guard, Lookup, NoAddress};

/// One deadline over connecting, headers and body.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of an answer's body that are read, so that its connection can be used again. A longer body is cut,
/// and its connection with it.
pub const BODY_BYTES: usize = 16 * 1024;
/// Longest wait that an endpoint may ask for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// Time before a request is repeated that met a server between two states (502, 503, 504).
const REPEAT_AFTER: Duration = Duration::from_millis(300);
/// Idle connections kept to one host.
const IDLE: usize = 8;

/// What came of a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status, or why there is none.
    pub result: Result<u16, Cause>,
    /// How long the endpoint asks to be left alone (429 and 503 only), at most [`LONGEST_WAIT`].
    pub retry_after: Option<Duration>,
    /// How long it took.
    pub took: Duration,
}

impl Answer {
    /// Whether the callback has arrived.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.result.is_ok_and(|status| (200..300).contains(&status))
    }
}

/// What is sent besides the body.
#[derive(Clone, Debug)]
pub struct Head {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`, in seconds.
    pub seconds: i64,
    /// `webhook-signature`.
    pub signatures: String,
}

/// Connections to endpoints, which are kept between callbacks. Clones share them.
#[derive(Clone)]
pub struct Connector {
    client: reqwest::Client,
    /// A client that keeps no connection. Made when it is first needed: reading the root certificates takes time.
    fresh: Arc<OnceLock<reqwest::Client>>,
    resolver: Guard,
    mode: Mode,
    deadline: Duration,
}

impl Connector {
    /// A connector that finds addresses by this lookup. It follows no redirect and obeys no proxy of its
    /// environment.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(mode: Mode, lookup: Arc<dyn Lookup>) -> Result<Self, reqwest::Error> {
        // A client cannot be built without; an error means that the program has chosen one already: it may.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let resolver = Guard::new(lookup, mode);
        let client = client(&resolver, mode, IDLE)?;
        Ok(Connector { client, fresh: Arc::default(), resolver, mode, deadline: DEADLINE })
    }

    /// The same with another deadline than [`DEADLINE`].
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Connector { deadline, ..self }
    }

    /// Posts a body. `now` is what a date in `Retry-After` is counted from.
    pub async fn post(&self, url: &str, head: &Head, body: Vec<u8>, now: Timestamp) -> Answer {
        let begun = Instant::now();
        let (result, retry_after) = match timeout(self.deadline, self.exchange_twice(url, head, body)).await {
            Ok(Ok((status, asked))) => (Ok(status.as_u16()), retry_after(status, asked.as_ref(), now)),
            Ok(Err(cause)) => (Err(cause), None),
            Err(_) => (Err(Cause::Timeout), None),
        };
        Answer { result, retry_after, took: begun.elapsed() }
    }

    /// Repeats a request once that was answered 502, 503 or 504 without a `Retry-After`. Most such answers come from a
    /// gateway whose server is just being replaced; none of them is a reason yet to store the callbacks of a whole tenant.
    async fn exchange_twice(
        &self,
        url: &str,
        head: &Head,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Option<HeaderValue>), Cause> {
        let (status, asked) = self.exchange(url, head, body.clone()).await?;
        if asked.is_some() || !matches!(status.as_u16(), 502..=504) {
            return Ok((status, asked));
        }
        sleep(REPEAT_AFTER).await;
        self.exchange(url, head, body).await
    }

    async fn exchange(
        &self,
        url: &str,
        head: &Head,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Option<HeaderValue>), Cause> {
        let url = Url::parse(url).map_err(|_| Cause::RefusedAddress)?;
        // An address in place of a name passes by the resolver, so it is looked at here.
        if !may_be_connected_to(&url, self.mode) {
            return Err(Cause::RefusedAddress);
        }
        let request = self.client.post(url).headers(headers(head)?).body(body);
        let request = request.build().map_err(|_| Cause::Protocol)?;
        let again = request.try_clone();
        let mut sent = self.client.execute(request).await;
        // The callback keeps its id, so an endpoint that has taken it all the same recognises the repeat.
        if let (Some(again), true) = (again, sent.as_ref().is_err_and(may_be_stale))
            && let Ok(fresh) = self.without_kept_connections()
        {
            sent = fresh.execute(again).await;
        }
        let mut answer = sent.map_err(|error| cause(&error))?;
        let (status, asked) = (answer.status(), answer.headers().get(RETRY_AFTER).cloned());
        let mut read = 0;
        // Nothing in the body matters. One that breaks off changes nothing: the status has been given.
        while let Ok(Some(part)) = answer.chunk().await {
            read += part.len();
            if read > BODY_BYTES {
                break;
            }
        }
        Ok((status, asked))
    }

    /// A client whose every request gets a connection of its own.
    fn without_kept_connections(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(client) = self.fresh.get() {
            return Ok(client);
        }
        let client = client(&self.resolver, self.mode, 0)?;
        Ok(self.fresh.get_or_init(|| client))
    }
}

fn client(resolver: &Guard, mode: Mode, idle: usize) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(resolver.clone()))
        .https_only(mode == Mode::Live)
        .pool_max_idle_per_host(idle)
        .user_agent("tongban")
        .build()
}

/// Whether a request may have met a kept connection that the endpoint was about to close: a connection was there, and it
/// ended before the head of a response was complete.
fn may_be_stale(error: &reqwest::Error) -> bool {
    !error.is_connect() && cause(error) == Cause::Reset
}

fn headers(head: &Head) -> Result<HeaderMap, Cause> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Cause::Protocol);
    Ok(HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (HeaderName::from_static("webhook-id"), value(&head.id)?),
        (HeaderName::from_static("webhook-timestamp"), HeaderValue::from(head.seconds)),
        (HeaderName::from_static("webhook-signature"), value(&head.signatures)?),
    ]))
}

/// Live: a name over https at port 443. On a developer's machine a loopback address at any port, too.
fn may_be_connected_to(url: &Url, mode: Mode) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>().ok();
    match mode {
        Mode::Live => {
            url.scheme() == "https" && url.port_or_known_default() == Some(443) && address.is_none()
        }
        Mode::Local => address.is_none_or(|address| address.is_loopback()),
    }
}

/// Names why there was no answer. The error itself stays out of everything: it holds the URL.
fn cause(error: &reqwest::Error) -> Cause {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(source) = next {
        if let Some(address) = source.downcast_ref::<NoAddress>() {
            return match address {
                NoAddress::Unknown => Cause::Dns,
                NoAddress::Refused => Cause::RefusedAddress,
            };
        }
        if source.is::<rustls::Error>() {
            return Cause::Tls;
        }
        if source.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            return Cause::Reset;
        }
        next = match source.downcast_ref::<io::Error>() {
            // What is wrapped in an I/O error is no source of it.
            Some(error) => match error.get_ref() {
                Some(inner) => Some(inner),
                None => return if is_refused(error) { Cause::Connect } else { Cause::Reset },
            },
            None => source.source(),
        };
    }
    if error.is_connect() { Cause::Connect } else { Cause::Protocol }
}

fn is_refused(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable
    )
}

/// RFC 9110 section 10.2.3: seconds, or a date.
fn retry_after(status: StatusCode, asked: Option<&HeaderValue>, now: Timestamp) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let text = asked?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            // A date that has passed asks for nothing.
            Duration::try_from(at.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_38_retry_after_is_seconds_or_a_date_and_has_a_bound() {
        let now: Timestamp = "2026-03-02T01:00:00Z".parse().expect("a time");
        let read = |status, text: &str| {
            retry_after(status, HeaderValue::from_str(text).ok().as_ref(), now).map(|wait| wait.as_secs())
        };
        let (busy, down) = (StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE);
        for (status, text, expected) in [
            (busy, "120", Some(120)),
            (down, " 7 ", Some(7)),
            (down, "Mon, 02 Mar 2026 01:02:00 GMT", Some(120)),
            (down, "Mon, 02 Mar 2026 00:00:00 GMT", Some(0)),
            (busy, "999999999", Some(86_400)),
            (busy, "Fri, 01 Jan 2100 00:00:00 GMT", Some(86_400)),
            (busy, "-1", None),
            (busy, "soon", None),
            (StatusCode::INTERNAL_SERVER_ERROR, "120", None),
            (StatusCode::OK, "120", None),
        ] {
            assert_eq!(read(status, text), expected, "{status} {text}");
        }
    }

    #[test]
    fn row_40_live_connects_to_names_at_443_alone() {
        let may = |url: &str, mode| may_be_connected_to(&Url::parse(url).expect("a url"), mode);
        for url in ["https://app.example.cn/hooks", "https://app.example.cn:443/"] {
            assert!(may(url, Mode::Live), "{url}");
        }
        for url in [
            "http://app.example.cn/",
            "https://app.example.cn:8443/",
            "https://1.1.1.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::ffff:169.254.169.254]/",
            "https://[64:ff9b::1]/",
        ] {
            assert!(!may(url, Mode::Live), "{url}");
        }
        assert!(may("http://127.0.0.1:4000/", Mode::Local) && may("http://[::1]:4000/", Mode::Local));
        assert!(!may("http://169.254.169.254/", Mode::Local) && !may("http://0x0a.0.0.1/", Mode::Local));
    }
}
