//! Sends one POST to an endpoint, within one deadline and only to an allowed address.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use platform::config::Mode;
use platform::deliveries::Cause;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use tokio::time::{Instant, timeout};

use crate::resolve::{GuardedResolver, Lookup, NoAddress};

/// Deadline for connection, headers and body together.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Maximum number of bytes read of an answer's body. Reading the body allows the connection to be reused; after a longer body
/// the connection is closed.
pub const BODY_BYTES: usize = 16 * 1024;
/// Maximum wait that an endpoint may request with `Retry-After`: a day.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Maximum number of idle connections to a host.
const IDLE: usize = 8;

/// Result of a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status, or the cause for which the endpoint gave none.
    pub result: Result<u16, Cause>,
    /// Wait that the endpoint requests with `Retry-After` (429 and 503 only), at most [`MAX_RETRY_AFTER`].
    pub retry_after: Option<Duration>,
    /// Duration of the exchange.
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
#[derive(Clone, Debug)]
pub struct Connector {
    client: reqwest::Client,
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
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(GuardedResolver::new(lookup, mode)))
            .https_only(mode == Mode::Live)
            .pool_max_idle_per_host(IDLE)
            .user_agent("tongban")
            .build()?;
        Ok(Connector { client, mode, deadline: DEADLINE })
    }

    /// The same connector with another deadline than [`DEADLINE`].
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Connector { deadline, ..self }
    }

    /// Posts a body. A date in `Retry-After` is converted to a wait from `now`.
    pub async fn post(&self, url: &str, webhook: &WebhookHeaders, body: Vec<u8>, now: Timestamp) -> Answer {
        let started = Instant::now();
        let (result, retry_after) = match timeout(self.deadline, self.exchange(url, webhook, body)).await {
            Ok(Ok((status, header))) => (Ok(status.as_u16()), retry_after(status, header.as_ref(), now)),
            Ok(Err(cause)) => (Err(cause), None),
            Err(_) => (Err(Cause::Timeout), None),
        };
        Answer { result, retry_after, took: started.elapsed() }
    }

    async fn exchange(
        &self,
        url: &str,
        webhook: &WebhookHeaders,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Option<HeaderValue>), Cause> {
        let url = Url::parse(url).map_err(|_| Cause::RefusedAddress)?;
        // The resolver does not see a URL with an address instead of a name, so that URL is checked here.
        if !is_allowed_url(&url, self.mode) {
            return Err(Cause::RefusedAddress);
        }
        let request = self.client.post(url).headers(headers(webhook)?).body(body);
        let mut answer = request.send().await.map_err(|error| cause(&error))?;
        let (status, retry_after) = (answer.status(), answer.headers().get(RETRY_AFTER).cloned());
        let mut read = 0;
        // The body is not used. Errors while reading it are ignored, because the status is already known.
        while let Ok(Some(part)) = answer.chunk().await {
            read += part.len();
            if read > BODY_BYTES {
                break;
            }
        }
        Ok((status, retry_after))
    }
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

/// Whether the URL may be called. Live: https on port 443 to a host name. Local: any name or loopback address, any port.
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
