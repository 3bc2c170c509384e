//! Configuration and client of SQS, the only AWS service that an agency uses.

use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Region, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use reqwest::Url;

use crate::network::Network;

/// Bound on opening a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Bound on one attempt: SQS holds a long poll open for up to 20 seconds.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Region, credentials and endpoint of SQS. The credentials belong to the agency's own AWS account.
///
/// The hub's platform reads the same variables in a type of its own. The two are not shared: an agency's process must
/// not build on the hub's platform, and retries and timeouts differ because of the long poll.
#[derive(Clone)]
pub struct SqsAccess {
    /// The region of the hub's queues, for example `cn-north-1`.
    pub region: String,
    /// Credentials that may receive from the agency's queue.
    pub credentials: Credentials,
    /// Endpoint to use instead of the region's, for example a local AWS or a private endpoint.
    pub endpoint: Option<String>,
}

impl fmt::Debug for SqsAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl SqsAccess {
    /// Reads `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and
    /// `AWS_ENDPOINT_URL` (the last two optional) with `variable`.
    ///
    /// # Errors
    /// The names of all missing variables.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<SqsAccess, Vec<&'static str>> {
        let given = |name: &str| {
            variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let names = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        let [Some(region), Some(id), Some(secret)] = names.map(given) else {
            return Err(names.into_iter().filter(|name| given(name).is_none()).collect());
        };
        let token = given("AWS_SESSION_TOKEN");
        Ok(SqsAccess {
            region,
            credentials: Credentials::new(id, secret, token, None, "environment"),
            endpoint: given("AWS_ENDPOINT_URL"),
        })
    }

    /// The address that the SQS client calls: the endpoint, or that of the region. `None` when the endpoint is not a URL.
    #[must_use]
    pub fn sqs_address(&self) -> Option<Url> {
        let zone = if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let regional = || format!("https://sqs.{}.{zone}", self.region);
        Url::parse(&self.endpoint.clone().unwrap_or_else(regional)).ok()
    }

    /// An SQS client that goes this way. Makes no call.
    #[must_use]
    pub fn sqs(&self, network: &Network) -> aws_sdk_sqs::Client {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build();
        // Reading the system's certificates is most of the start-up time, and a plain HTTP endpoint needs none.
        let plain = self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let proxy = self.sqs_address().map(|address| network.sdk_proxy_for(&address));
        let trusted = match network.authorities() {
            Some(pem) => TrustStore::empty().with_pem_certificate(pem),
            None => TrustStore::default(),
        };
        // Only this way of building the client takes a proxy. The client keeps one connector for its settings.
        let http = Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector = Connector::builder();
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
            connector.set_proxy_config(proxy.clone());
            if plain {
                return connector.build_http();
            }
            let connector = connector.tls_provider(tls::Provider::Rustls(CryptoMode::Ring));
            match TlsContext::builder().with_trust_store(trusted.clone()).build() {
                Ok(context) => connector.tls_context(context).build(),
                Err(_) => connector.build(),
            }
        });
        let mut config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(self.credentials.clone()))
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(timeouts);
        config.set_endpoint_url(self.endpoint.clone());
        aws_sdk_sqs::Client::from_conf(config.build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_missing_variables_are_named_and_no_secret_is_shown() {
        let missing = SqsAccess::from_variables(|name| (name == "AWS_REGION").then(|| "r".to_owned()));
        assert_eq!(missing.err(), Some(vec!["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]));
        let access = SqsAccess::from_variables(|name| Some(format!("{name}-value")));
        let shown = format!("{access:?}");
        assert!(shown.contains("AWS_REGION-value") && !shown.contains("SECRET"), "{shown}");
    }
}
