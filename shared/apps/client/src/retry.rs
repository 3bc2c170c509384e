//! Which responses are retried, and how long.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, Response, StatusCode};
use tokio::time::Instant;

use crate::error::AppClientError;

/// A request is retried for at most this long, pauses included.
const DEADLINE: Duration = Duration::from_secs(30);
/// Upper bound of the first pause; it doubles with each retry.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Upper bound of every pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Sends a request until the response is neither 429 nor 5xx, and returns the body of a success. `build` makes the same
/// request again, so whoever calls this must be allowed to repeat it: it is a read, or it carries an idempotency key.
pub(crate) async fn send(name: &str, build: impl Fn() -> RequestBuilder) -> Result<Vec<u8>, AppClientError> {
    send_while(is_temporary, name, build).await
}

/// Sends a file to a signed link until it has arrived. A link takes one file once, so a repeat is safe: 412 means that
/// an earlier try arrived and its answer was lost, 409 that an earlier try is still in progress.
pub(crate) async fn upload(name: &str, build: impl Fn() -> RequestBuilder) -> Result<(), AppClientError> {
    let in_progress = |status| is_temporary(status) || status == StatusCode::CONFLICT;
    match send_while(in_progress, name, build).await {
        Err(error) if error.status() == Some(StatusCode::PRECONDITION_FAILED) => Ok(()),
        other => other.map(drop),
    }
}

async fn send_while(
    is_temporary: impl Fn(StatusCode) -> bool,
    name: &str,
    build: impl Fn() -> RequestBuilder,
) -> Result<Vec<u8>, AppClientError> {
    let started = Instant::now();
    let mut retries = 0_u32;
    loop {
        let (error, retry_after) = match build().send().await {
            Ok(response) if is_temporary(response.status()) => {
                let retry_after = retry_after(&response);
                let (request, status) = (name.to_owned(), response.status());
                (AppClientError::Unavailable { request, status, seconds: DEADLINE.as_secs() }, retry_after)
            }
            Ok(response) => match read(name, response).await {
                // The connection ended within the body: the same request gives the same response again.
                Err(error @ AppClientError::NoResponse { .. }) => (error, None),
                other => return other,
            },
            Err(source) => (no_response(name, source), None),
        };
        let pause = pause(retries, retry_after);
        if started.elapsed().saturating_add(pause) > DEADLINE {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        retries = retries.saturating_add(1);
    }
}

/// The failure without the URL: a signed link is a secret while it is valid.
pub(crate) fn no_response(name: &str, source: reqwest::Error) -> AppClientError {
    AppClientError::NoResponse { request: name.to_owned(), source: source.without_url() }
}

async fn read(name: &str, response: Response) -> Result<Vec<u8>, AppClientError> {
    let status = response.status();
    let body = response.bytes().await;
    let body = body.map_err(|source| no_response(name, source))?;
    if status.is_success() {
        return Ok(body.to_vec());
    }
    let problem = serde_json::from_slice(&body).ok();
    Err(AppClientError::Refused { request: name.to_owned(), status, problem })
}

fn is_temporary(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// Seconds of `Retry-After` (RFC 9110 section 10.2.3). A date counts as absent, because clocks differ.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// The pause before the next retry: the hub's `Retry-After`, plus exponential backoff with full jitter.
fn pause(retries: u32, retry_after: Option<Duration>) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(retries).unwrap_or(u32::MAX));
    // Without randomness the pause is the longest: still correct, only less spread.
    let random = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    retry_after.unwrap_or_default().saturating_add(doubled.min(LONGEST_PAUSE).mul_f64(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_bounded_and_never_shorter_than_the_hub_asks() {
        assert!(pause(0, None) <= FIRST_PAUSE);
        assert!(pause(40, None) <= LONGEST_PAUSE);
        assert!(pause(0, Some(Duration::from_secs(7))) >= Duration::from_secs(7));
        assert_eq!(pause(9, Some(Duration::MAX)), Duration::MAX, "the server chooses `Retry-After`");
    }

    fn http() -> reqwest::Client {
        // An error means that another test has chosen a provider already.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("an HTTP client")
    }

    /// A server that answers with these statuses, in order.
    async fn server(statuses: &'static [u16]) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/a?X-Amz-Signature=canary", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            for status in statuses {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                let mut head = vec![0; 4096];
                let _read = tokio::io::AsyncReadExt::read(&mut socket, &mut head).await;
                let answer = format!("HTTP/1.1 {status} S\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _sent = tokio::io::AsyncWriteExt::write_all(&mut socket, answer.as_bytes()).await;
            }
        });
        url
    }

    #[tokio::test]
    async fn d1_an_upload_in_progress_is_awaited_and_one_that_arrived_before_is_done() {
        for statuses in [&[200][..], &[412], &[503, 412], &[409, 409, 412], &[500, 409, 200]] {
            let url = server(statuses).await;
            let http = http();
            upload("PUT to a signed link", || http.put(&url).body("paper")).await.expect("an upload");
        }
        let url = server(&[403]).await;
        let http = http();
        let refused = upload("PUT to a signed link", || http.put(&url)).await.expect_err("a refusal");
        assert_eq!(refused.status(), Some(StatusCode::FORBIDDEN));
    }

    #[tokio::test]
    async fn c8_a_failed_upload_does_not_show_its_link() {
        let url = server(&[]).await;
        let source = http().put(&url).send().await.expect_err("no server");
        assert!(source.to_string().contains("canary"), "the HTTP client itself shows the URL");
        let error = no_response("PUT to a signed link", source);
        let mut shown = format!("{error:?} {error}");
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(found) = cause {
            shown.push_str(&format!(" {found}"));
            cause = found.source();
        }
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn only_what_passes_by_itself_is_retried() {
        assert!(is_temporary(StatusCode::SERVICE_UNAVAILABLE) && is_temporary(StatusCode::TOO_MANY_REQUESTS));
        assert!(!is_temporary(StatusCode::CONFLICT) && !is_temporary(StatusCode::OK));
    }
}
