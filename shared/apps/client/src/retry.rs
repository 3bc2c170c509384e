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
    let started = Instant::now();
    let mut retries = 0;
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
            Err(source) => (AppClientError::NoResponse { request: name.to_owned(), source }, None),
        };
        let pause = pause(retries, retry_after);
        if started.elapsed() + pause > DEADLINE {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        retries += 1;
    }
}

/// Sends a request whose body can be sent only once.
pub(crate) async fn send_once(name: &str, request: RequestBuilder) -> Result<Vec<u8>, AppClientError> {
    let sent = request.send().await;
    let response = sent.map_err(|source| AppClientError::NoResponse { request: name.to_owned(), source })?;
    read(name, response).await
}

async fn read(name: &str, response: Response) -> Result<Vec<u8>, AppClientError> {
    let status = response.status();
    let body = response.bytes().await;
    let body = body.map_err(|source| AppClientError::NoResponse { request: name.to_owned(), source })?;
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
    retry_after.unwrap_or_default() + doubled.min(LONGEST_PAUSE).mul_f64(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_bounded_and_never_shorter_than_the_hub_asks() {
        assert!(pause(0, None) <= FIRST_PAUSE);
        assert!(pause(40, None) <= LONGEST_PAUSE);
        assert!(pause(0, Some(Duration::from_secs(7))) >= Duration::from_secs(7));
    }

    #[test]
    fn only_what_passes_by_itself_is_retried() {
        assert!(is_temporary(StatusCode::SERVICE_UNAVAILABLE) && is_temporary(StatusCode::TOO_MANY_REQUESTS));
        assert!(!is_temporary(StatusCode::CONFLICT) && !is_temporary(StatusCode::OK));
    }
}
