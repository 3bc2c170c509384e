//! The decision of a rate limiter, and the headers that report it.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that reports what is left (draft-ietf-httpapi-ratelimit-headers).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The header that reports the policy.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How many requests a window allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name of the policy, in headers and in keys of counters.
    pub name: &'static str,
    /// Requests that one window allows.
    pub limit: u32,
    /// Seconds of a window; windows begin at multiples of it.
    pub window: i64,
}

/// The limiter's decision on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The policy that decided.
    pub policy: Policy,
    /// Requests left of the window, as far as this process knows.
    pub remaining: u32,
    /// Seconds until the next window.
    pub resets_in: u32,
}

impl Decision {
    /// Adds the headers, beside those of other policies.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let Policy { name, limit, window } = self.policy;
        let told = [
            (RATE_LIMIT_POLICY, format!("\"{name}\";q={limit};w={window}")),
            (RATE_LIMIT, format!("\"{name}\";r={};t={}", self.remaining, self.resets_in)),
        ];
        let of_this = format!("\"{}\";", self.policy.name);
        for (header, value) in told {
            let before = headers.get(&header).and_then(|before| before.to_str().ok());
            let value = match before {
                Some(before) if before.contains(&of_this) => continue,
                Some(before) => format!("{before}, {value}"),
                None => value,
            };
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(header, value);
            }
        }
    }
}
