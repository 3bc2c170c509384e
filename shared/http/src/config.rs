//! The part of a function's configuration that only HTTP functions have: token issuers and rate limits.

use platform::config::{Config, Mode, Reader, Variable};
use platform::hub::AwsHub;
use platform::startup::start_with;

use crate::rate_limit::Limits;
use crate::token::Issuers;

/// Token issuers and rate limits of an HTTP function.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Issuers whose access tokens are accepted; `None` when the function does not need the variable.
    pub issuers: Option<Issuers>,
    /// Rate limits of a tenant.
    pub limits: Limits,
}

impl HttpConfig {
    /// Reads the variables; the reader collects every problem.
    pub fn read(reader: &mut Reader<'_>, mode: Mode) -> HttpConfig {
        HttpConfig {
            issuers: reader.parsed(Variable::TokenIssuers, |text| Issuers::parse(text, mode)),
            limits: Limits {
                requests_per_minute: reader.parsed(Variable::RequestsPerMinute, limit),
                applications_per_day: reader.parsed(Variable::ApplicationsPerDay, limit),
            },
        }
    }
}

/// Starts an HTTP function: [`platform::startup::start`], and [`HttpConfig`] of the same environment.
#[must_use]
pub fn start_http(needed: &[Variable]) -> (Config, HttpConfig, AwsHub) {
    let (config, hub, http) = start_with(needed, HttpConfig::read);
    (config, http, hub)
}

fn limit(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|limit| *limit > 0).ok_or("must be an integer of at least 1")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    const AWS: [(&str, &str); 3] = [
        ("AWS_REGION", "cn-north-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "canary-aws"),
    ];

    fn read(pairs: &[(&str, &str)]) -> Result<HttpConfig, Vec<&'static str>> {
        let given = AWS.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let read = Config::read_with(&[Variable::TokenIssuers], given, HttpConfig::read);
        read.map(|(_, http)| http).map_err(|error| error.variables().collect())
    }

    #[test]
    fn issuers_and_limits_are_read_and_each_problem_is_named() {
        assert_eq!(read(&[]).unwrap_err(), ["TOKEN_ISSUERS"]);
        let wrong =
            [("TOKEN_ISSUERS", "canary"), ("REQUESTS_PER_MINUTE", "0"), ("APPLICATIONS_PER_DAY", "x")];
        assert_eq!(
            read(&wrong).unwrap_err(),
            ["APPLICATIONS_PER_DAY", "REQUESTS_PER_MINUTE", "TOKEN_ISSUERS"]
        );
        let http = read(&[("TOKEN_ISSUERS", "[]"), ("REQUESTS_PER_MINUTE", "60")]).unwrap();
        assert_eq!((http.limits.requests_per_minute, http.limits.applications_per_day), (Some(60), None));
    }
}
