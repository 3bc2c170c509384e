//! One HTTP exchange with the hub, bounded in time and in size.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Once;
use std::time::Duration;

use protocol::report::Link;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};

use crate::error::HubClientError;
use crate::network::{Network, is_loopback};
use crate::problem::HubProblem;
use crate::retry_policy::retry_after;

/// Bound on opening a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Bound on one exchange, the body included: 20 MiB over a slow line.
const EXCHANGE: Duration = Duration::from_secs(60);
/// Most bytes of a response that is not a document. A page of 100 cases is the longest.
pub(crate) const RESPONSE_BYTES: u64 = 256 * 1024;

static CRYPTO_PROVIDER: Once = Once::new();

/// An HTTP client for the hub at an address and for its links, with bounds on connecting and on a complete exchange.
/// Follows no redirect.
///
/// # Errors
/// No TLS provider is available.
pub fn http_client(hub: &Url, network: &Network) -> reqwest::Result<Client> {
    CRYPTO_PROVIDER.call_once(|| {
        // An error means that the program has chosen a provider already, which is allowed.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
    });
    let mut builder = network
        .apply(Client::builder())?
        .connect_timeout(CONNECT)
        .timeout(EXCHANGE)
        // A redirect must not send a signed report to another address.
        .redirect(Policy::none());
    if is_loopback(hub) {
        // Not every system resolves names under `localhost`.
        if let Some(host) = hub.host_str().filter(|host| host.ends_with(".localhost")) {
            builder = builder.resolve(host, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        }
        if hub.scheme() == "http" {
            // Reading the system's certificates is most of the start-up time, and plain HTTP needs none.
            builder = builder.tls_certs_only([]);
        }
    }
    builder.build()
}

/// A request to a presigned link, with exactly the link's headers. Returns `None` when the link's method is not an HTTP
/// method.
#[must_use]
pub fn link_request(http: &Client, link: &Link, bytes: Option<&[u8]>) -> Option<reqwest::RequestBuilder> {
    let mut request = http.request(Method::from_bytes(link.method.as_bytes()).ok()?, &link.url);
    for (name, value) in &link.headers {
        // The HTTP client writes these two itself, with the same values.
        if !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("content-length") {
            request = request.header(name, value);
        }
    }
    Some(match bytes {
        Some(bytes) => request.body(bytes.to_vec()),
        None => request,
    })
}

/// Why one try failed.
pub(crate) enum FailedTry {
    /// The next try may succeed. Holds the response's `Retry-After`.
    Retryable(Option<Duration>),
    /// No retry changes the result.
    Permanent(HubClientError),
}

/// Returns a successful response before reading its body. Classifies every other response as retryable or permanent.
pub(crate) async fn check_status(response: reqwest::Result<Response>) -> Result<Response, FailedTry> {
    let response = match response {
        Ok(response) => response,
        Err(error) if error.is_builder() => {
            // The URL may be a signed link.
            return Err(FailedTry::Permanent(HubClientError::HttpClient(error.without_url())));
        }
        // Refused, reset or timed out: the hub may have accepted the request, and a retry sends the same bytes.
        Err(_) => return Err(FailedTry::Retryable(None)),
    };
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = retry_after(after);
    if status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
    {
        return Err(FailedTry::Retryable(after));
    }
    let body = read_body(response, RESPONSE_BYTES).await.unwrap_or_default();
    let problem = Box::new(HubProblem::read(status.as_u16(), &body));
    Err(FailedTry::Permanent(match status {
        StatusCode::CONFLICT => HubClientError::Conflict(problem),
        StatusCode::UNAUTHORIZED => HubClientError::Unauthorized(problem),
        StatusCode::NOT_FOUND => HubClientError::NotFound(problem),
        StatusCode::UNPROCESSABLE_ENTITY => HubClientError::Invalid(problem),
        _ => HubClientError::Refused(problem),
    }))
}

/// Reads a body of at most `most` bytes. A longer body is [`HubClientError::InvalidResponse`], and the rest of it is
/// not read.
pub(crate) async fn read_body(mut response: Response, most: u64) -> Result<Vec<u8>, FailedTry> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                bytes.extend_from_slice(&chunk);
                if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
                    return Err(FailedTry::Permanent(HubClientError::InvalidResponse));
                }
            }
            Ok(None) => return Ok(bytes),
            Err(_) => return Err(FailedTry::Retryable(None)),
        }
    }
}
