//! One configuration and one HTTP client for every AWS service.

use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region;

/// Attempts at one call, the first included; the SDK waits with jitter between them.
const ATTEMPTS: u32 = 3;
/// Longest wait between two attempts.
const BACKOFF: Duration = Duration::from_secs(1);
/// Bound on opening a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Bound on one attempt.
const ATTEMPT: Duration = Duration::from_secs(4);
/// Bound on a call with all its attempts and waits; below the shortest timeout of a function.
const OPERATION: Duration = Duration::from_secs(9);

/// The AWS region, credentials and endpoint.
#[derive(Clone)]
pub struct Access {
    /// The region, for example `cn-north-1`.
    pub region: String,
    /// Credentials of the function's role. Lambda replaces the process before they run out.
    pub credentials: Credentials,
    /// Endpoint that replaces the one of every service: a local AWS.
    pub endpoint: Option<String>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Reads `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and
    /// `AWS_ENDPOINT_URL` (the last two optional) with `variable`.
    ///
    /// # Errors
    /// The names of all missing variables.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Access, Vec<&'static str>> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let names = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        let [Some(region), Some(id), Some(secret)] = names.map(given) else {
            return Err(names.into_iter().filter(|name| given(name).is_none()).collect());
        };
        let credentials = Credentials::new(id, secret, given("AWS_SESSION_TOKEN"), None, "environment");
        Ok(Access { region, credentials, endpoint: given("AWS_ENDPOINT_URL") })
    }
}

/// The configuration that all clients share. Clones share the HTTP client.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
}

impl Aws {
    /// Prepares the configuration. Makes no call.
    #[must_use]
    pub fn new(access: Access) -> Self {
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(Duration::from_millis(50))
            .with_max_backoff(BACKOFF);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let mut config = SdkConfig::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(Region::new(access.region))
            .credentials_provider(SharedCredentialsProvider::new(access.credentials))
            .http_client(http_client(access.endpoint.as_deref()))
            .retry_config(retries)
            .timeout_config(timeouts);
        config.set_app_name(AppName::new("tongban").ok());
        config.set_endpoint_url(access.endpoint);
        Aws { config: config.build() }
    }

    /// A DynamoDB client.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// An SQS client.
    #[must_use]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    /// A KMS client.
    #[must_use]
    pub fn kms(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&self.config)
    }

    /// A Secrets Manager client.
    #[must_use]
    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.config)
    }

    /// An S3 client. With another endpoint it addresses buckets by path, because a local AWS has no host for each
    /// bucket.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config)
            // A presigned upload carries the signed SHA-256; the SDK must not add another checksum.
            .request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired)
            .force_path_style(self.config.endpoint_url().is_some());
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

/// Reading the system's certificates takes most of a client's start-up, and a plain HTTP endpoint needs none.
fn http_client(endpoint: Option<&str>) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new();
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        builder.build_http()
    } else {
        builder.tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_missing_variables_are_named() {
        let missing = Access::from_variables(|name| (name == "AWS_REGION").then(|| "cn-north-1".to_owned()));
        assert_eq!(missing.err(), Some(vec!["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]));
    }

    #[test]
    fn credentials_are_not_shown() {
        let access = Access::from_variables(|name| Some(format!("{name}-value")));
        let shown = format!("{access:?}");
        assert!(shown.contains("AWS_REGION-value") && !shown.contains("SECRET"), "{shown}");
    }
}
