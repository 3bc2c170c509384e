//! The decision of a rate limiter, and the headers that report it.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that reports the requests left (draft-ietf-httpapi-ratelimit-headers).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The header that reports the policy (same draft).
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The number of requests that a window allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name of the policy, in headers and in keys of counters.
    pub name: &'static str,
    /// Requests that one window allows.
    pub limit: u32,
    /// Length of a window in seconds. Windows begin at multiples of this length since 1970.
    pub window: i64,
}

/// The limiter's decision on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The policy that decided.
    pub policy: Policy,
    /// Requests left in the window, as far as this process knows.
    pub remaining: u32,
    /// Seconds until the next window.
    pub resets_in: u32,
}

impl Decision {
    /// Writes the two headers, next to those of other policies. Values of the same policy are not written twice.
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        let Policy { name, limit, window } = self.policy;
        let values = [
            (RATE_LIMIT_POLICY, format!("\"{name}\";q={limit};w={window}")),
            (RATE_LIMIT, format!("\"{name}\";r={};t={}", self.remaining, self.resets_in)),
        ];
        let this_policy = format!("\"{}\";", self.policy.name);
        for (header, value) in values {
            let before = headers.get(&header).and_then(|before| before.to_str().ok());
            let value = match before {
                Some(before) if before.contains(&this_policy) => continue,
                Some(before) => format!("{before}, {value}"),
                None => value,
            };
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(header, value);
            }
        }
    }
}
