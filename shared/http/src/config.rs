//! The part of a function's configuration that only HTTP functions have: token issuers and rate limits.

use platform::config::{Config, Mode, Reader, Variable};
use platform::hub::AwsHub;
use platform::secrets::Secrets;
use platform::startup::start_with;

use crate::rate_limit::Limits;
use crate::token::Issuers;

/// Token issuers and rate limits of an HTTP function.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Issuers whose access tokens are accepted; `None` when the function does not need them.
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
pub async fn start_http(needed: &[Variable]) -> (Config, HttpConfig, AwsHub, Secrets) {
    let (config, hub, secrets, http) = start_with(needed, HttpConfig::read).await;
    (config, http, hub, secrets)
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

    /// Reads the settings, with this list of issuers beside the binary.
    fn read(issuers: Option<&str>, pairs: &[(&str, &str)]) -> Result<HttpConfig, Vec<&'static str>> {
        let name = format!("tongban-http-{}-{}", std::process::id(), issuers.map_or(0, str::len));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        if let Some(issuers) = issuers {
            std::fs::write(folder.join("token-issuers.json"), issuers).unwrap();
        }
        let root = [("LAMBDA_TASK_ROOT", folder.to_str().unwrap())];
        let given = AWS.iter().chain(&root).chain(pairs);
        let given = given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let read = Config::read_with(&[Variable::TokenIssuers], given, HttpConfig::read);
        std::fs::remove_dir_all(&folder).unwrap();
        read.map(|(_, http)| http).map_err(|error| error.variables().collect())
    }

    #[test]
    fn issuers_and_limits_are_read_and_each_problem_is_named() {
        assert_eq!(read(None, &[]).unwrap_err(), ["token-issuers.json"]);
        let wrong = [("REQUESTS_PER_MINUTE", "0"), ("APPLICATIONS_PER_DAY", "x")];
        assert_eq!(
            read(Some("canary"), &wrong).unwrap_err(),
            ["APPLICATIONS_PER_DAY", "REQUESTS_PER_MINUTE", "token-issuers.json"]
        );
        let http = read(Some("[]"), &[("REQUESTS_PER_MINUTE", "60")]).unwrap();
        assert_eq!((http.limits.requests_per_minute, http.limits.applications_per_day), (Some(60), None));
    }

    /// Issuers that would not fit into the 4 KB of a function's environment are read from the package.
    #[test]
    fn o4_a_hundred_issuers_are_read_from_the_package() {
        let issuers: Vec<String> = (0..100)
            .map(|number| {
                format!(
                    r#"{{"issuer":"https://i{number}.example.org","audience":"tongban","tenants":["t{number}"],
                        "jwks_uri":"https://i{number}.example.org/keys"}}"#
                )
            })
            .collect();
        let issuers = format!("[{}]", issuers.join(","));
        assert!(issuers.len() > 4096, "{}", issuers.len());
        assert!(read(Some(&issuers), &[]).unwrap().issuers.is_some());
    }
}
