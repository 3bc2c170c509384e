//! Sends one POST to an endpoint, within one deadline and only to an allowed address.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use platform::config::Mode;
use platform::deliveries::Cause;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use tokio::time::{Instant, sleep, timeout};

use crate::resolve::{GuardedResolver, Lookup, NoAddress};

/// Deadline for connection and headers together. The status counts once the headers are there; what happens to the body
/// changes nothing.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Maximum number of bytes read of an answer's body. Reading the body allows the connection to be reused; after a
/// longer body the connection is closed.
pub const BODY_BYTES: usize = 16 * 1024;
/// Maximum time for which an answer's body is read; then the connection is closed.
pub const BODY_TIME: Duration = Duration::from_millis(250);
/// Maximum wait that an endpoint may request with `Retry-After`: a day.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Status that ends a subscription (Standard Webhooks).
pub(crate) const GONE: u16 = 410;
/// Wait before a request is repeated after 502, 503 or 504.
const REPEAT_AFTER: Duration = Duration::from_millis(300);
/// Maximum number of idle connections to a host.
const IDLE: usize = 8;

/// Result of a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status, or the cause for which the endpoint gave none.
    pub result: Result<u16, Cause>,
    /// Wait that the endpoint requests with `Retry-After` (429 and 503 only), at most [`MAX_RETRY_AFTER`].
    pub retry_after: Option<Duration>,
    /// Duration until the headers were there, or until the attempt failed.
    pub took: Duration,
}

impl Answer {
    /// Whether the endpoint has accepted the callback with a 2xx status.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.result.is_ok_and(|status| (200..300).contains(&status))
    }
}

/// Headers of a callback (Standard Webhooks).
#[derive(Clone, Debug)]
pub struct WebhookHeaders {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`, in seconds since 1970.
    pub seconds: i64,
    /// `webhook-signature`: one or more signatures, separated by spaces.
    pub signatures: String,
}

/// The HTTP client for endpoints. It keeps connections between callbacks; clones share them.
#[derive(Clone)]
pub struct Connector {
    client: reqwest::Client,
    /// A client that keeps no connection. Built on first use, because parsing the root certificates takes time.
    fresh: Arc<OnceLock<reqwest::Client>>,
    resolver: GuardedResolver,
    mode: Mode,
    deadline: Duration,
}

impl Connector {
    /// A connector that resolves names with this lookup. It does not follow redirects and ignores proxy variables.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(mode: Mode, lookup: Arc<dyn Lookup>) -> Result<Self, reqwest::Error> {
        // reqwest needs a process-wide provider. An error means that the program has already installed one.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let resolver = GuardedResolver::new(lookup, mode);
        let client = client(&resolver, mode, IDLE)?;
        Ok(Connector { client, fresh: Arc::default(), resolver, mode, deadline: DEADLINE })
    }

    /// The same connector with another deadline than [`DEADLINE`].
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Connector { deadline, ..self }
    }

    /// Posts a body. A date in `Retry-After` is converted to a wait from `now`.
    pub async fn post(&self, url: &str, webhook: &WebhookHeaders, body: Vec<u8>, now: Timestamp) -> Answer {
        self.post_within(url, webhook, body, now, self.deadline).await
    }

    /// Posts a body, as [`Connector::post`] does, within a shorter time.
    pub async fn post_within(
        &self,
        url: &str,
        webhook: &WebhookHeaders,
        body: Vec<u8>,
        now: Timestamp,
        patience: Duration,
    ) -> Answer {
        let started = Instant::now();
        let patience = patience.min(self.deadline);
        let sent = timeout(patience, self.exchange_twice(url, webhook, body, patience)).await;
        let took = started.elapsed();
        match sent {
            Ok(Ok(response)) => {
                let status = response.status();
                let retry_after = retry_after(status, response.headers().get(RETRY_AFTER), now);
                discard_body(response).await;
                Answer { result: Ok(status.as_u16()), retry_after, took }
            }
            Ok(Err(cause)) => Answer { result: Err(cause), retry_after: None, took },
            Err(_) => Answer { result: Err(Cause::Timeout), retry_after: None, took },
        }
    }

    /// Repeats a request once after 502, 503 or 504 without a `Retry-After`. Gateways give these answers while a server
    /// is being replaced, and a single one must not cause all callbacks of the tenant to be stored. The first status
    /// counts when the repeat gets none within `patience`, which counts from the first request.
    async fn exchange_twice(
        &self,
        url: &str,
        webhook: &WebhookHeaders,
        body: Vec<u8>,
        patience: Duration,
    ) -> Result<Response, Cause> {
        let started = Instant::now();
        let first = self.exchange(url, webhook, body.clone()).await?;
        if first.headers().contains_key(RETRY_AFTER) || !matches!(first.status().as_u16(), 502..=504) {
            return Ok(first);
        }
        let repeat = async {
            sleep(REPEAT_AFTER).await;
            self.exchange(url, webhook, body).await
        };
        match timeout(patience.saturating_sub(started.elapsed()), repeat).await {
            Ok(Ok(second)) => Ok(second),
            Ok(Err(_)) | Err(_) => Ok(first),
        }
    }

    /// Sends a request and waits for the headers of the response.
    async fn exchange(&self, url: &str, webhook: &WebhookHeaders, body: Vec<u8>) -> Result<Response, Cause> {
        let url = Url::parse(url).map_err(|_| Cause::RefusedAddress)?;
        // The resolver does not see a URL with an address instead of a name, so that URL is checked here.
        if !is_allowed_url(&url, self.mode) {
            return Err(Cause::RefusedAddress);
        }
        let request = self.client.post(url).headers(headers(webhook)?).body(body);
        let request = request.build().map_err(|_| Cause::Protocol)?;
        let repeat = request.try_clone();
        let mut sent = self.client.execute(request).await;
        // The repeat has the same `webhook-id`, so an endpoint that did receive the first request recognises it.
        if let (Some(repeat), true) = (repeat, sent.as_ref().is_err_and(may_be_stale))
            && let Ok(fresh) = self.without_kept_connections()
        {
            sent = fresh.execute(repeat).await;
        }
        sent.map_err(|error| cause(&error))
    }

    /// The client that opens a new connection for every request.
    fn without_kept_connections(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(client) = self.fresh.get() {
            return Ok(client);
        }
        let client = client(&self.resolver, self.mode, 0)?;
        Ok(self.fresh.get_or_init(|| client))
    }
}

/// Reads a short body, so that its connection can be reused. The body is not used, and its errors are ignored.
async fn discard_body(mut response: Response) {
    let read = async {
        let mut bytes = 0;
        while let Ok(Some(part)) = response.chunk().await {
            bytes = part.len().saturating_add(bytes);
            if bytes > BODY_BYTES {
                break;
            }
        }
    };
    // After the time the connection is closed.
    let _ = timeout(BODY_TIME, read).await;
}

fn client(resolver: &GuardedResolver, mode: Mode, idle: usize) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(resolver.clone()))
        .https_only(mode == Mode::Live)
        .pool_max_idle_per_host(idle)
        .user_agent("tongban")
        .build()
}

/// Whether the endpoint may have closed a kept connection at the moment of the request: a connection existed, and it
/// ended before the head of the response was complete.
fn may_be_stale(error: &reqwest::Error) -> bool {
    !error.is_connect() && cause(error) == Cause::Reset
}

fn headers(webhook: &WebhookHeaders) -> Result<HeaderMap, Cause> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Cause::Protocol);
    Ok(HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (HeaderName::from_static("webhook-id"), value(&webhook.id)?),
        (HeaderName::from_static("webhook-timestamp"), HeaderValue::from(webhook.seconds)),
        (HeaderName::from_static("webhook-signature"), value(&webhook.signatures)?),
    ]))
}

/// Whether the URL may be called. Live: https on port 443 to a host name. Local: any name or loopback address, any
/// port.
fn is_allowed_url(url: &Url, mode: Mode) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>().ok();
    match mode {
        Mode::Live => {
            url.scheme() == "https" && url.port_or_known_default() == Some(443) && address.is_none()
        }
        Mode::Local => address.is_none_or(|address| address.is_loopback()),
    }
}

/// The cause of a failed request. The error itself is neither logged nor stored, because it contains the URL.
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
            // `source()` skips the error that an I/O error wraps, so it is read with `get_ref`.
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

/// The wait of `Retry-After`: seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(status: StatusCode, header: Option<&HeaderValue>, now: Timestamp) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let text = header?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            // A date in the past is no wait.
            Duration::try_from(at.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row 38 of `tests/FAULTS.md`.
    #[test]
    fn retry_after_is_read_in_seconds_or_as_a_date_up_to_a_bound() {
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

    /// Row 40 of `tests/FAULTS.md`.
    #[test]
    fn a_live_hub_connects_only_to_host_names_at_port_443() {
        let allowed = |url: &str, mode| is_allowed_url(&Url::parse(url).expect("a url"), mode);
        for url in ["https://app.example.cn/hooks", "https://app.example.cn:443/"] {
            assert!(allowed(url, Mode::Live), "{url}");
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
            assert!(!allowed(url, Mode::Live), "{url}");
        }
        assert!(allowed("http://127.0.0.1:4000/", Mode::Local) && allowed("http://[::1]:4000/", Mode::Local));
        assert!(
            !allowed("http://169.254.169.254/", Mode::Local) && !allowed("http://0x0a.0.0.1/", Mode::Local)
        );
    }
}
