//! Access to AWS: to a real account through the usual profiles, to the local AWS by its address.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::time::SystemTime;

use anyhow::{Context as _, Error, anyhow};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Region of the local AWS.
pub const LOCAL_REGION: &str = "us-east-1";
/// The hub's account on the local AWS.
pub const LOCAL_ACCOUNT: &str = "000000000000";

fn https() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// Configuration for an account of the local AWS, which takes an access key of 12 digits for the root of that account.
#[must_use]
pub fn local(endpoint: &str, account: &str) -> SdkConfig {
    let credentials = Credentials::new(account, "test", None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(LOCAL_REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// An S3 client. The local AWS needs path-style addresses.
#[must_use]
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let is_local = config.endpoint_url().is_some();
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(is_local).build();
    aws_sdk_s3::Client::from_conf(config)
}

/// Configuration for a real account, from environment, profile or instance role.
pub async fn account(region: &str, profile: Option<&str>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(https());
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    loader.load().await
}

/// The account number and the ARN of the caller.
///
/// # Errors
/// The call to STS fails.
pub async fn caller(config: &SdkConfig) -> anyhow::Result<(String, String)> {
    let caller = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let caller = caller.map_err(|error| call_error("reading the caller's account", error))?;
    let account = caller.account().map(str::to_owned).context("AWS returned no account for the caller")?;
    Ok((account, caller.arn().unwrap_or("unknown caller").to_owned()))
}

/// Signature headers (Signature Version 4) for a call to the local AWS without an SDK.
///
/// # Errors
/// The address is not a URL.
pub fn signed_headers(
    service: &str,
    method: &str,
    address: &str,
    body: &[u8],
) -> anyhow::Result<Vec<(String, String)>> {
    let identity = Credentials::new(LOCAL_ACCOUNT, "test", None, None, "local").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(LOCAL_REGION)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let request = SignableRequest::new(method, address, std::iter::empty(), SignableBody::Bytes(body))?;
    let (instructions, _) = sign(request, &parameters)?.into_parts();
    let headers = instructions.headers();
    Ok(headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// An error of an AWS call, in one sentence with its cause.
pub fn call_error<E, R>(doing: &str, error: SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    if let Some(service_error) = error.as_service_error()
        && let (Some(code), Some(message)) = (service_error.code(), service_error.message())
    {
        return anyhow!("{doing}: AWS answered {code}: {message}");
    }
    let details = DisplayErrorContext(&error).to_string();
    if details.contains("provided credentials") || details.contains("CredentialsNotLoaded") {
        return anyhow!("{doing}: no AWS credentials were found; use --profile or set AWS_PROFILE");
    }
    if matches!(error, SdkError::DispatchFailure(_) | SdkError::TimeoutError(_)) {
        return anyhow!("{doing}: AWS cannot be reached");
    }
    anyhow!("{doing}: {details}")
}
